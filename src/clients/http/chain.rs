//! The order of every request: retry, throttle, authorize, send.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use url::Url;

use super::attempt::Attempt;
use super::client::Http;
use super::observer::{Wait, WaitReason};
use super::policy::{Backoff, Gate, RetryDecision, Slot, decide_retry, retry_after_hint};
use super::request::Request;
use super::response::Response;
use super::send::send;
use crate::clients::error::Error;
use crate::clients::identity::TokenSource;

/// The parts of a service that its requests pass through.
#[derive(Clone, Copy)]
pub(super) struct Chain<'a> {
    pub(super) http: &'a Http,
    /// The service's name.
    pub(super) service: &'a str,
    pub(super) token: &'a Arc<TokenSource>,
    pub(super) gate: &'a Gate,
}

impl Chain<'_> {
    /// Sends a request until a response is final or the attempts are used up. A response that is
    /// not 2xx is an error.
    pub(super) async fn run(self, url: &Url, request: &Request) -> Result<Response, Error> {
        let what = request.describe(url);
        let (http, service, described) = (self.http, self.service, what.as_str());
        let transmit = move |authorization: HeaderValue| async move {
            send(http, service, described, url, request, &authorization).await
        };
        self.attempt(url, request, &what, transmit).await
    }

    /// Fails if the run has lost the lease of its journal: then it sends nothing more. Called before
    /// the token is read, which may expire while the journal's service responds.
    async fn require_lease(&self, what: &str) -> Result<(), Error> {
        let cancellation = self.http.cancellation();
        cancellation.confirm_lease().await;
        if cancellation.is_halted() {
            return Err(Error::cancelled(self.service, what));
        }
        Ok(())
    }

    /// As [`run`](Self::run); `transmit` sends one attempt with an authorization.
    pub(super) async fn attempt<F, A>(
        self,
        url: &Url,
        request: &Request,
        what: &str,
        transmit: F,
    ) -> Result<Response, Error>
    where
        F: Fn(HeaderValue) -> A,
        A: Future<Output = Attempt>,
    {
        let Self {
            http,
            service,
            token: tokens,
            gate,
        } = self;
        if request.is_read() {
            let delay = gate.time_to_next_poll(url, http.clock().elapsed());
            http.pacer().sleep(delay, service, what).await?;
        }
        // Retry: around everything below.
        let mut backoff = Backoff::new(request.tries.unwrap_or(http.limits().tries));
        let mut signed_in_again = false;
        let mut attempt = 1;
        loop {
            // Throttle: wait for a free slot and an open gate at the service.
            let slot = gate.enter(http.pacer(), service, what, attempt).await?;
            self.require_lease(what).await?;
            // Authorize: for every attempt, because the token may have expired during a wait.
            let token = tokens.current().await?;
            // A 429 may have closed the gate while the token was fetched.
            if gate.is_closed(http.clock().elapsed()) {
                continue;
            }
            // Send: once.
            let tried = transmit(token.header().clone()).await;
            if let Some(number) = tried.recommended_parallelism() {
                slot.recommend(number);
            }
            match decide_retry(service, what, request, tried) {
                RetryDecision::Done(response) => {
                    slot.succeed();
                    gate.keep_next_poll(&response, request.is_read(), http.clock().elapsed());
                    return Ok(*response);
                }
                RetryDecision::GiveUp(error) => return Err(error),
                RetryDecision::SignInAgain(error) => {
                    drop(slot);
                    if signed_in_again || request.is_sent_once {
                        return Err(tokens.explain_refusal(&token, error));
                    }
                    tokens.on_refused(&token, error)?;
                    signed_in_again = true;
                }
                RetryDecision::Throttled(retry_after, error) => {
                    self.close_gate(&slot, request, &mut backoff, retry_after, error)?;
                    attempt += 1;
                }
                RetryDecision::Retry(retry_after, error) => {
                    drop(slot);
                    let message = error.message.clone();
                    let duration = backoff.next_delay(retry_after, error)?;
                    let wait = Wait {
                        service: service.to_owned(),
                        reason: WaitReason::Unavailable,
                        duration,
                        attempt,
                        message,
                    };
                    http.pause(wait, what).await?;
                    attempt += 1;
                }
            }
        }
    }

    /// After a 429: fewer requests at once, and none until the wait is over. The slot of the
    /// request is kept until the gate is closed, so that no other request takes it. Fails if the
    /// request is not sent again.
    fn close_gate(
        self,
        slot: &Slot<'_>,
        request: &Request,
        backoff: &mut Backoff,
        retry_after: Option<Duration>,
        error: Error,
    ) -> Result<(), Error> {
        slot.halve();
        let message = error.message.clone();
        let now = self.http.clock().elapsed();
        // Close the gate for the other requests even if this one is given up.
        let open_at = now.saturating_add(retry_after.unwrap_or_default());
        self.gate.close(open_at, &message);
        if request.is_sent_once {
            return Err(match retry_after.map(retry_after_hint) {
                Some(hint) => error.with_help(hint),
                None => error,
            });
        }
        let delay = backoff.next_delay(retry_after, error)?;
        self.gate.close(now + delay, &message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::time::Instant;

    use super::*;
    use crate::base::cancellation::Cancellation;
    use crate::base::remote_state::{RemoteState, RemoteStateError};
    use crate::clients::error::ErrorKind;
    use crate::clients::http::{Limits, Method};
    use crate::clients::testing::{
        FAST, Listener, Reply, Setup, authority, ok, patch, silent_limits,
    };

    #[tokio::test]
    async fn a_read_is_retried_until_the_service_is_back() {
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
        assert_eq!(ids.len(), 4, "every attempt has its own id");
        let agent = listener.received()[0]
            .header("user-agent")
            .unwrap()
            .to_owned();
        assert_eq!(agent, concat!("iomcopy/", env!("CARGO_PKG_VERSION")));
    }

    #[tokio::test]
    async fn a_read_is_given_up_after_all_attempts() {
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
    async fn a_launch_is_received_once_with_any_response() {
        for reply in [
            Reply::json(401, ""),
            Reply::json(429, "").with("retry-after", "1"),
            Reply::json(302, ""),
            Reply::json(503, ""),
            Reply::HangUp,
        ] {
            let setup = Setup::new(FAST);
            let listener = Listener::replying(vec![reply.clone(), ok()]).await;
            let post = Request::new(Method::POST, "/copy").once();
            setup.service(&listener.url).send(&post).await.unwrap_err();
            assert_eq!(listener.count(), 1, "{reply:?}");
        }
    }

    #[tokio::test]
    async fn without_a_connection_even_a_write_is_retried() {
        let setup = Setup::new(FAST);
        let address = Listener::replying(vec![ok()]).await.url.clone();
        tokio::task::yield_now().await;
        for request in [Request::get("/rows"), patch()] {
            let error = setup.service(&address).send(&request).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
            assert!(error.is_temporary());
            let help = error.help.unwrap_or_default();
            assert!(help.contains("`endpoints` of the runbook"), "{help}");
        }
        assert_eq!(setup.waits.all().len(), 10);
    }

    #[tokio::test]
    async fn one_429_closes_the_gate_for_all_requests_to_the_host() {
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
    async fn a_retry_after_of_an_hour_ends_the_request() {
        let setup = Setup::new(FAST);
        let throttled = Reply::json(429, "").with("retry-after", "3600");
        let listener = Listener::replying(vec![throttled]).await;
        let service = setup.service(&listener.url);
        for _ in 0..2 {
            let error = service.send(&patch()).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Throttled);
            assert_eq!(error.help.as_deref(), Some("run again in 1 h"));
        }
        assert_eq!(listener.count(), 1, "the gate stays closed");
        assert_eq!(setup.waits.all(), []);
    }

    #[tokio::test]
    async fn a_refused_token_is_renewed_once_for_all_its_requests() {
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
        for response in futures_util::future::join_all(requests).await {
            response.unwrap();
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
        assert_eq!(listener.count(), 3, "a given token cannot be renewed");
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
    async fn a_challenge_is_explained_also_with_a_body() {
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
    async fn a_response_beyond_the_limit_is_not_read() {
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

    /// Zeros, 1 + 258 × `runs` of them, compressed with gzip: two bytes for each run, without a
    /// checksum at the end.
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
    async fn the_bytes_of_a_response_are_counted_after_decompression() {
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
    async fn a_stop_ends_a_wait_but_not_a_request() {
        let setup = Setup::new(1.0);
        let listener = Listener::replying(vec![Reply::json(503, "")]).await;
        let service = setup.service(&listener.url);
        let stop = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            setup.cancellation.request_stop();
        };
        let began = Instant::now();
        let get = Request::get("/rows");
        let (response, ()) = tokio::join!(service.send(&get), stop);
        assert_eq!(response.unwrap_err().kind, ErrorKind::Cancelled);
        assert!(began.elapsed() < Duration::from_millis(900));

        let calm = Listener::replying(vec![ok()]).await;
        setup.service(&calm.url).send(&patch()).await.unwrap();
    }

    #[tokio::test]
    async fn a_stop_at_once_ends_a_request_and_a_write_is_ambiguous() {
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
                setup.cancellation.request_immediate_stop();
            };
            let (response, ()) = tokio::join!(service.send(&request), stop);
            assert_eq!(response.unwrap_err().kind, kind);
        }
    }

    #[tokio::test]
    async fn a_halt_ends_a_request_in_flight() {
        for (request, kind) in [
            (Request::get("/rows"), ErrorKind::Cancelled),
            (patch(), ErrorKind::Ambiguous),
        ] {
            // No response arrives, and the timeout is not reached.
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
            let (response, ()) = tokio::join!(service.send(&request), halt);
            let error = response.unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
            let text = error.to_string();
            assert!(text.contains("was asked to stop"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_service_that_does_not_answer_is_named_with_its_port() {
        // Every request is late, and none is answered.
        let setup = Setup::with_limits(FAST, silent_limits());
        let listener = Listener::replying(vec![Reply::Silence, Reply::Silence]).await;
        let service = setup.service(&listener.url);
        for request in [Request::get("/rows"), patch()] {
            drop(service.send(&request).await.unwrap_err());
        }
        let address = listener.url.trim_start_matches("http://");
        let named = setup.waits.silent();
        assert_eq!(named.len(), 1, "{named:?}");
        assert!(named[0].ends_with(&format!(" at {address}")), "{named:?}");
        // A write is reported until it ends.
        let slow = setup.waits.slow_writes();
        let sent = format!("PATCH /row at {address}");
        assert_eq!(slow, [sent, "ended: PATCH /row".to_owned()]);
    }

    #[tokio::test]
    async fn nothing_is_sent_after_a_halt() {
        let setup = Setup::new(FAST);
        let listener = Listener::replying(vec![ok()]).await;
        setup.cancellation.halt();
        for request in [Request::get("/rows"), patch()] {
            let service = setup.service(&listener.url);
            let error = service.send(&request).await.unwrap_err();
            // It was not sent, so it is not ambiguous.
            assert_eq!(error.kind, ErrorKind::Cancelled, "{error}");
        }
        assert_eq!(listener.count(), 0);
    }

    /// A copy of the journal whose lease is lost: the question about it halts the run.
    #[derive(Debug)]
    struct LostCopy {
        place: String,
        cancellation: Cancellation,
    }

    impl RemoteState for LostCopy {
        fn place(&self) -> &str {
            &self.place
        }

        fn read(&self) -> Result<Vec<u8>, RemoteStateError> {
            Ok(Vec::new())
        }

        fn append(&self, _: u64, _: &[u8]) -> Result<(), RemoteStateError> {
            Ok(())
        }

        fn keep(&self, _: &str, _: &[u8]) -> Result<(), RemoteStateError> {
            Ok(())
        }

        fn clear(&self) -> Result<(), RemoteStateError> {
            Ok(())
        }

        fn when_lost(&self, _: Box<dyn FnOnce(RemoteStateError) + Send>) {}

        fn confirm_lease(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            self.cancellation.halt();
            Box::pin(std::future::ready(()))
        }
    }

    #[tokio::test]
    async fn the_lease_of_the_journal_is_confirmed_before_each_request() {
        let setup = Setup::new(FAST);
        let listener = Listener::replying(vec![ok(), ok()]).await;
        let service = setup.service(&listener.url);
        assert!(service.send(&Request::get("/rows")).await.is_ok());
        let copy: Arc<dyn RemoteState> = Arc::new(LostCopy {
            place: "https://contoso.example/runs".to_owned(),
            cancellation: setup.cancellation.clone(),
        });
        setup.cancellation.require_lease(&copy);
        let error = service.send(&Request::get("/rows")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Cancelled, "{error}");
        assert_eq!(listener.count(), 1, "not even a read is sent");
        // The journal owns the copy.
        assert_eq!(Arc::strong_count(&copy), 1);
    }

    #[tokio::test]
    async fn a_write_that_waits_during_a_halt_is_not_sent() {
        // For a slot at the service: all are taken by requests without a response.
        let setup = Setup::new(1.0);
        let listener = Listener::replying(vec![Reply::Silence]).await;
        let service = setup.service(&listener.url);
        let request = patch();
        let writes = (0..40).map(|_| service.send(&request));
        let halt = async {
            while listener.count() < 4 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            setup.cancellation.halt();
        };
        let (results, ()) = tokio::join!(futures_util::future::join_all(writes), halt);
        let kinds: Vec<_> = results.into_iter().map(|it| it.unwrap_err().kind).collect();
        let ambiguous = kinds.iter().filter(|kind| **kind == ErrorKind::Ambiguous);
        let not_sent = kinds.iter().filter(|kind| **kind == ErrorKind::Cancelled);
        assert_eq!((ambiguous.count(), not_sent.count()), (4, 36));
        assert_eq!(listener.count(), 4);

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
        let (response, ()) = tokio::join!(service.send(&request), halt);
        assert_eq!(response.unwrap_err().kind, ErrorKind::Cancelled);
        assert_eq!(listener.count(), 1);

        // For its token, which arrives just after the halt.
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
    async fn a_path_cannot_send_the_token_elsewhere() {
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
