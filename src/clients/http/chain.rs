//! The order of every request: retry, throttle, auth, send.

use super::observer::{Wait, WaitReason};
use super::request::Request;
use super::response::Response;
use super::retry::{Backoff, Verdict, come_back, judge};
use super::send::send;
use super::service::Service;
use crate::clients::error::Error;

/// Sends a request until it is answered or its attempts are spent. An answer that is not 2xx is an
/// error.
pub(super) async fn run(service: &Service, request: &Request) -> Result<Response, Error> {
    let http = service.http();
    let name = service.name();
    let url = service.url(request)?;
    let what = request.what(&url);
    // Retry: around all that follows.
    let mut backoff = Backoff::new(request.tries.unwrap_or(http.limits().tries));
    let mut signed_in_again = false;
    let mut attempt = 1;
    loop {
        // Throttle: a place at the host, behind its gate.
        let place = service.gate().enter(http, name, &what, attempt).await?;
        // Auth: for every attempt, because a wait may have outlived the token.
        let token = service.token().current().await?;
        // Send: once.
        let tried = send(http, name, &what, &url, request, token.header()).await;
        drop(place);
        match judge(name, &what, request, tried) {
            Verdict::Done(response) => return Ok(*response),
            Verdict::Over(error) => return Err(error),
            Verdict::SignIn(error) => {
                if signed_in_again || request.is_once {
                    return Err(service.token().explained(&token, error));
                }
                service.token().refused(&token, error).await?;
                signed_in_again = true;
            }
            Verdict::Throttled(asked, error) => {
                let message = error.message.clone();
                let now = http.clock().elapsed();
                // Shut for the others, even if this request is given up.
                let asked_until = now.saturating_add(asked.unwrap_or_default());
                service.gate().shut(asked_until, &message);
                if request.is_once {
                    let hint = asked.map(come_back);
                    return Err(match hint {
                        Some(hint) => error.with_help(hint),
                        None => error,
                    });
                }
                let delay = backoff.after(asked, error)?;
                service.gate().shut(now + delay, &message);
                attempt += 1;
            }
            Verdict::Again(asked, error) => {
                let message = error.message.clone();
                let duration = backoff.after(asked, error)?;
                let wait = Wait {
                    service: name.to_owned(),
                    reason: WaitReason::Unavailable,
                    duration,
                    attempt,
                    message,
                };
                http.pause(wait, &what).await?;
                attempt += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::clients::error::ErrorKind;
    use crate::clients::http::{Limits, Method};
    use crate::clients::testing::{Listener, Reply, Setup, authority};

    const FAST: f64 = 1_000.0;

    fn patch() -> Request {
        Request::new(Method::Patch, "/row").json_text(r#"{"a":1}"#)
    }

    fn ok() -> Reply {
        Reply::json(200, "{}")
    }

    #[tokio::test]
    async fn a_read_is_sent_again_until_the_service_is_back() {
        let setup = Setup::new(FAST);
        let broken = vec![
            Reply::json(503, ""),
            Reply::HangUp,
            Reply::CutOff(200),
            ok(),
        ];
        let listener = Listener::replying(broken).await;
        let service = setup.service(&listener.url);
        service.send(&Request::get("/rows?a=b")).await.unwrap();
        assert_eq!(listener.count(), 4);
        let waits = setup.waits.all();
        assert_eq!(waits.len(), 3);
        assert!(
            waits
                .iter()
                .all(|wait| wait.reason == WaitReason::Unavailable)
        );
        assert_eq!(
            waits.iter().map(|wait| wait.attempt).collect::<Vec<_>>(),
            [1, 2, 3]
        );
        let ids: std::collections::BTreeSet<String> = listener
            .received()
            .iter()
            .map(|r| r.header("x-ms-client-request-id").unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 4, "every attempt has an id of its own");
        let agent = listener.received()[0]
            .header("user-agent")
            .unwrap()
            .to_owned();
        assert_eq!(agent, concat!("iomcopy/", env!("CARGO_PKG_VERSION")));
    }

    #[tokio::test]
    async fn a_read_is_given_up_in_the_end() {
        let setup = Setup::new(FAST);
        let listener =
            Listener::replying(vec![Reply::json(502, "<title>Bad gateway</title>")]).await;
        let error = setup
            .service(&listener.url)
            .send(&Request::get("/rows"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, error.status),
            (ErrorKind::Unavailable, Some(502))
        );
        assert_eq!(listener.count(), 6);
        assert!(error.to_string().contains("Bad gateway"), "{error}");
    }

    #[tokio::test]
    async fn a_write_that_may_have_been_received_is_sent_once() {
        for lost in [
            Reply::HangUp,
            Reply::Silence,
            Reply::CutOff(200),
            Reply::json(500, "{}"),
            Reply::json(504, ""),
        ] {
            let setup = Setup::new(FAST);
            let listener = Listener::replying(vec![lost.clone(), ok()]).await;
            let error = setup
                .service(&listener.url)
                .send(&patch())
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::Ambiguous, "{lost:?}");
            assert_eq!(listener.count(), 1, "{lost:?}");
            assert!(!error.is_temporary());
        }
    }

    #[tokio::test]
    async fn a_launch_is_received_once_whatever_it_is_answered_with() {
        for reply in [
            Reply::json(401, ""),
            Reply::json(429, "").with("retry-after", "1"),
            Reply::json(302, ""),
            Reply::json(503, ""),
            Reply::HangUp,
        ] {
            let setup = Setup::new(FAST);
            let listener = Listener::replying(vec![reply.clone(), ok()]).await;
            let post = Request::new(Method::Post, "/copy").once();
            setup.service(&listener.url).send(&post).await.unwrap_err();
            assert_eq!(listener.count(), 1, "{reply:?}");
        }
    }

    #[tokio::test]
    async fn where_nothing_listens_even_a_write_is_tried_again() {
        let setup = Setup::new(FAST);
        let address = Listener::replying(vec![ok()]).await.url.clone();
        tokio::task::yield_now().await;
        for request in [Request::get("/rows"), patch()] {
            let error = setup.service(&address).send(&request).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
            assert!(error.is_temporary());
        }
        assert_eq!(setup.waits.all().len(), 10);
    }

    #[tokio::test]
    async fn one_429_shuts_the_gate_for_everybody_at_the_host() {
        let setup = Setup::new(FAST);
        let throttled = Reply::json(
            429,
            r#"{"error":{"code":"0x80072322","message":"Too many."}}"#,
        )
        .with("retry-after", "300");
        let listener = Listener::replying(vec![throttled, ok()]).await;
        let (one, other) = (setup.service(&listener.url), setup.service(&listener.url));
        let (get, patch) = (Request::get("/rows"), patch());
        let second = async {
            while listener.count() == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            other.send(&get).await
        };
        let (first, second) = tokio::join!(one.send(&patch), second);
        first.unwrap();
        second.unwrap();
        let received = listener.received();
        assert_eq!(received.len(), 3);
        for later in &received[1..] {
            let after = later.at - received[0].at;
            assert!(after >= Duration::from_millis(295), "sent after {after:?}");
        }
        let waits = setup.waits.all();
        assert!(waits.len() >= 2 && waits.iter().all(|w| w.reason == WaitReason::Throttled));
        assert!(waits[0].message.contains("Too many."));
    }

    #[tokio::test]
    async fn a_service_that_asks_for_an_hour_is_left_alone() {
        let setup = Setup::new(FAST);
        let throttled = Reply::json(429, "").with("retry-after", "3600");
        let listener = Listener::replying(vec![throttled]).await;
        let service = setup.service(&listener.url);
        for _ in 0..2 {
            let error = service.send(&patch()).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Throttled);
            assert_eq!(error.help.as_deref(), Some("run again in 60 minutes"));
        }
        assert_eq!(listener.count(), 1, "the gate stays shut");
        assert_eq!(setup.waits.all(), []);
    }

    #[tokio::test]
    async fn a_refused_token_is_renewed_once_however_many_requests_it_served() {
        let setup = Setup::new(FAST);
        let authority = authority(3_600).await;
        let listener = Listener::start(|request, _| match request.header("authorization") {
            Some("Bearer token-2") => ok(),
            _ => Reply::json(401, ""),
        })
        .await;
        let service = setup.signed_in(&authority.url, &listener.url);
        let get = Request::get("/rows");
        let requests = (0..8).map(|_| service.send(&get));
        for answer in futures_util::future::join_all(requests).await {
            answer.unwrap();
        }
        assert_eq!(authority.count(), 2);
    }

    #[tokio::test]
    async fn a_token_that_stays_refused_is_an_error_after_one_renewal() {
        let setup = Setup::new(FAST);
        let authority = authority(3_600).await;
        let listener = Listener::replying(vec![Reply::json(401, "")]).await;
        let error = setup
            .signed_in(&authority.url, &listener.url)
            .send(&patch())
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotSignedIn);
        assert_eq!((listener.count(), authority.count()), (2, 2));
        let given = setup
            .service(&listener.url)
            .send(&patch())
            .await
            .unwrap_err();
        assert_eq!(given.kind, ErrorKind::NotSignedIn);
        assert_eq!(
            listener.count(),
            3,
            "a token that was given cannot be renewed"
        );
    }

    #[tokio::test]
    async fn a_401_without_a_body_is_explained_by_its_challenge() {
        let setup = Setup::new(FAST);
        let challenge = r#"Bearer error="insufficient_claims", claims="e30=""#;
        let reply = Reply::json(401, "").with("www-authenticate", challenge);
        let listener = Listener::replying(vec![reply]).await;
        let authority = authority(3_600).await;
        let service = setup.signed_in(&authority.url, &listener.url);
        let error = service.send(&patch()).await.unwrap_err();
        assert_eq!(error.message, challenge);
        assert!(error.help.unwrap().contains("conditional access"));
    }

    #[tokio::test]
    async fn a_challenge_is_explained_whatever_the_body_says() {
        let setup = Setup::new(FAST);
        let challenge = r#"Bearer error="insufficient_claims", claims="e30=""#;
        let body = r#"{"error":{"code":"Unauthorized","message":"Continuous access evaluation resulted in challenge"}}"#;
        let reply = Reply::json(401, body).with("www-authenticate", challenge);
        let listener = Listener::replying(vec![reply]).await;
        let authority = authority(3_600).await;
        let service = setup.signed_in(&authority.url, &listener.url);
        let error = service.send(&patch()).await.unwrap_err();
        assert!(error.message.contains("resulted in challenge"), "{error}");
        assert!(error.help.unwrap().contains("conditional access"));
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let setup = Setup::new(FAST);
        let thief = Listener::replying(vec![ok()]).await;
        let redirect = Reply::json(302, "").with("location", format!("{}/login?sig=1", thief.url));
        let listener = Listener::replying(vec![redirect]).await;
        let error = setup
            .service(&listener.url)
            .send(&Request::get("/rows"))
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
        assert!(
            error.message.contains("/login") && !error.message.contains("sig"),
            "{error}"
        );
        assert_eq!((listener.count(), thief.count()), (1, 0));
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read() {
        let setup = Setup::new(FAST);
        let long = Reply::json(200, "x".repeat(65 * 1024));
        let listener = Listener::replying(vec![long]).await;
        let service = setup.service(&listener.url);
        let read = service.send(&Request::get("/rows")).await.unwrap_err();
        let write = service.send(&patch()).await.unwrap_err();
        assert_eq!(
            (read.kind, write.kind),
            (ErrorKind::Malformed, ErrorKind::Ambiguous)
        );
        assert_eq!(listener.count(), 2);
    }

    /// Zeros, one and then as many as 258 times `runs`, compressed with gzip: two bytes for each run,
    /// without a checksum at the end.
    fn gzip_of_zeros(runs: usize) -> Vec<u8> {
        // One last block with fixed codes: a zero, then copies of 258 bytes from one byte before.
        let bits = [
            "1",
            "10",
            "00110000",
            &"1100010100000".repeat(runs),
            "0000000",
        ]
        .concat();
        let deflated = bits.as_bytes().chunks(8).map(|bits| {
            let set = bits.iter().enumerate().filter(|(_, bit)| **bit == b'1');
            set.map(|(place, _)| 1 << place).sum()
        });
        let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        header.into_iter().chain(deflated).collect()
    }

    #[tokio::test]
    async fn the_bytes_of_an_answer_are_counted_after_decompression() {
        let setup = Setup::new(FAST);
        // Below the limit on the wire, and forty times the limit in memory.
        let bomb = gzip_of_zeros(10_000);
        assert!(bomb.len() < 20_000, "{}", bomb.len());
        let listener = Listener::replying(vec![Reply::Gzip(bomb)]).await;
        let service = setup.service(&listener.url);
        for (request, kind) in [
            (Request::get("/rows"), ErrorKind::Malformed),
            (patch(), ErrorKind::Ambiguous),
        ] {
            let error = service.send(&request).await.unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
            assert!(
                error.to_string().contains("is longer than 65536 bytes"),
                "{error}"
            );
        }
        assert_eq!(listener.count(), 2, "once each");
    }

    #[tokio::test]
    async fn other_refusals_are_final() {
        for (status, body, kind) in [
            (400, "{}", ErrorKind::Refused),
            (403, "{}", ErrorKind::Forbidden),
            (404, "", ErrorKind::NotFound),
            (409, "", ErrorKind::Conflict),
            (
                409,
                r#"{"error":{"code":"OperationNotStartable","message":"x"}}"#,
                ErrorKind::Busy,
            ),
            (412, "{}", ErrorKind::PreconditionFailed),
            (413, "", ErrorKind::Refused),
            (501, "{}", ErrorKind::Refused),
        ] {
            let setup = Setup::new(FAST);
            let listener =
                Listener::replying(vec![Reply::json(status, body).with("req_id", "7")]).await;
            let error = setup
                .service(&listener.url)
                .send(&Request::get("/rows"))
                .await
                .unwrap_err();
            assert_eq!(error.kind, kind, "{status}");
            assert_eq!(error.request_id.as_deref(), Some("7"));
            assert_eq!(listener.count(), 1, "{status}");
        }
    }

    #[tokio::test]
    async fn asking_to_stop_ends_a_wait_and_not_a_request() {
        let setup = Setup::new(1.0);
        let listener = Listener::replying(vec![Reply::json(503, "")]).await;
        let service = setup.service(&listener.url);
        let stop = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            setup.cancellation.ask();
        };
        let began = Instant::now();
        let get = Request::get("/rows");
        let (answer, ()) = tokio::join!(service.send(&get), stop);
        assert_eq!(answer.unwrap_err().kind, ErrorKind::Cancelled);
        assert!(began.elapsed() < Duration::from_millis(900));

        let calm = Listener::replying(vec![ok()]).await;
        setup.service(&calm.url).send(&patch()).await.unwrap();
    }

    #[tokio::test]
    async fn insisting_ends_a_request_and_a_write_stays_in_doubt() {
        for (request, kind) in [
            (Request::get("/rows"), ErrorKind::Cancelled),
            (patch(), ErrorKind::Ambiguous),
        ] {
            let setup = Setup::new(1.0);
            let listener = Listener::replying(vec![Reply::Silence]).await;
            let service = setup.service(&listener.url);
            let stop = async {
                while listener.count() == 0 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                setup.cancellation.insist();
            };
            let (answer, ()) = tokio::join!(service.send(&request), stop);
            assert_eq!(answer.unwrap_err().kind, kind);
        }
    }

    #[tokio::test]
    async fn a_halt_ends_a_request_that_is_on_its_way() {
        for (request, kind) in [
            (Request::get("/rows"), ErrorKind::Cancelled),
            (patch(), ErrorKind::Ambiguous),
        ] {
            // No answer comes, and the request has time left.
            let limits = Limits {
                request: Duration::from_secs(10),
                ..Limits::default()
            };
            let setup = Setup::with_limits(1.0, limits);
            let listener = Listener::replying(vec![Reply::Silence]).await;
            let service = setup.service(&listener.url);
            let halt = async {
                while listener.count() == 0 {
                    tokio::task::yield_now().await;
                }
                setup.cancellation.halt();
            };
            let (answer, ()) = tokio::join!(service.send(&request), halt);
            let error = answer.unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
            let said = error.to_string();
            assert!(said.contains("stopping was asked for"), "{said}");
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_once_the_run_is_halted() {
        let setup = Setup::new(FAST);
        let listener = Listener::replying(vec![ok()]).await;
        setup.cancellation.halt();
        for request in [Request::get("/rows"), patch()] {
            let service = setup.service(&listener.url);
            let error = service.send(&request).await.unwrap_err();
            // It was not sent, so it is not in doubt.
            assert_eq!(error.kind, ErrorKind::Cancelled, "{error}");
        }
        assert_eq!(listener.count(), 0);
    }

    #[tokio::test]
    async fn a_write_that_waits_when_the_run_is_halted_is_not_sent() {
        // For a place at the host: as many as it has are taken by requests without an answer.
        let setup = Setup::new(1.0);
        let listener = Listener::replying(vec![Reply::Silence]).await;
        let service = setup.service(&listener.url);
        let request = patch();
        let writes = (0..40).map(|_| service.send(&request));
        let halt = async {
            while listener.count() < 16 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            setup.cancellation.halt();
        };
        let (answers, ()) = tokio::join!(futures_util::future::join_all(writes), halt);
        let kinds: Vec<_> = answers.into_iter().map(|it| it.unwrap_err().kind).collect();
        let in_doubt = kinds.iter().filter(|kind| **kind == ErrorKind::Ambiguous);
        let not_sent = kinds.iter().filter(|kind| **kind == ErrorKind::Cancelled);
        assert_eq!((in_doubt.count(), not_sent.count()), (16, 24));
        assert_eq!(listener.count(), 16);

        // For its next attempt.
        let setup = Setup::new(1.0);
        let throttled = Reply::json(429, "").with("retry-after", "1");
        let listener = Listener::replying(vec![throttled, ok()]).await;
        let service = setup.service(&listener.url);
        let halt = async {
            while setup.waits.all().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            setup.cancellation.halt();
        };
        let (answer, ()) = tokio::join!(service.send(&request), halt);
        assert_eq!(answer.unwrap_err().kind, ErrorKind::Cancelled);
        assert_eq!(listener.count(), 1);

        // For its token, which comes just after.
        let setup = Setup::new(1.0);
        let listener = Listener::replying(vec![ok()]).await;
        let halting = setup.cancellation.clone();
        let authority = Listener::start(move |_, _| {
            halting.halt();
            let token = r#"{"token_type":"Bearer","expires_in":3600,"access_token":"token"}"#;
            Reply::json(200, token).with("content-type", "application/json")
        })
        .await;
        let service = setup.signed_in(&authority.url, &listener.url);
        let error = service.send(&request).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Cancelled, "{error}");
        assert_eq!((authority.count(), listener.count()), (1, 0));
    }

    #[tokio::test]
    async fn a_path_cannot_carry_the_token_elsewhere() {
        let setup = Setup::new(FAST);
        let listener = Listener::replying(vec![ok()]).await;
        let service = setup.service(&listener.url);
        for path in ["//evil.example/", "@evil.example/", "\\evil"] {
            let error = service.send(&Request::get(path)).await.unwrap_err();
            assert!(matches!(
                error.kind,
                ErrorKind::Configuration | ErrorKind::ForeignOrigin
            ));
        }
        assert_eq!(listener.count(), 0);
    }
}
