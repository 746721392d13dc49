//! Responses that mean something else than their status says, as a whole service sends and a client
//! meets them: challenges, cookies, half a body, locks, the two meanings of 412, codes that pass.

use super::Request;
use crate::clients::error::ErrorKind;
use crate::clients::testing::{FAST, Listener, Reply, Setup, authority, ok, patch};

#[tokio::test]
async fn a_challenge_wins_over_the_body_and_over_other_headers() {
    let setup = Setup::new(FAST);
    let body = r#"{"error":{"code":"ExpiredAuthenticationToken","message":"expired"}}"#;
    let reply = Reply::json(401, body)
        .with("www-authenticate", "Negotiate")
        .with(
            "WWW-Authenticate",
            r#"Bearer Error="Insufficient_Claims", claims="e30=""#,
        );
    let listener = Listener::replying(vec![reply]).await;
    let authority = authority(3_600).await;
    let service = setup.signed_in(&authority.url, &listener.url);
    let error = service.send(&patch()).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("ExpiredAuthenticationToken"));
    assert!(error.message.contains("Insufficient_Claims"), "{error}");
    assert!(error.help.unwrap().contains("conditional access"));
    // Another reason in the header is shown too, and has the help for its own code.
    let reply = Reply::json(401, body).with("www-authenticate", r#"Bearer error="invalid_token""#);
    let listener = Listener::replying(vec![reply]).await;
    let service = setup.signed_in(&authority.url, &listener.url);
    let error = service.send(&patch()).await.unwrap_err();
    assert!(error.message.contains("invalid_token"), "{error}");
    assert!(!error.help.unwrap().contains("conditional access"));
}

/// The service protection limits count for each server, and the affinity cookie ties a client to
/// one of them (Microsoft Learn, *Service protection API limits*).
#[tokio::test]
async fn a_cookie_is_not_returned() {
    let setup = Setup::new(FAST);
    let reply = ok().with("set-cookie", "ARRAffinity=abc; Path=/; HttpOnly");
    let listener = Listener::replying(vec![reply]).await;
    let service = setup.service(&listener.url);
    for _ in 0..3 {
        service.send(&Request::get("/rows")).await.unwrap();
    }
    let received = listener.received();
    assert!(
        received
            .iter()
            .all(|request| request.header("cookie").is_none())
    );
}

#[tokio::test]
async fn a_body_that_is_not_json_is_read_again() {
    let setup = Setup::new(FAST);
    let listener = Listener::replying(vec![
        Reply::json(200, "<title>Sign in</title>"),
        Reply::json(200, r#"{"value":[{"a":"#),
        Reply::json(200, "\u{feff}{}"),
    ])
    .await;
    let service = setup.service(&listener.url);
    service.send(&Request::get("/rows")).await.unwrap();
    assert_eq!(listener.count(), 3);
    let waits = setup.waits.all();
    assert!(waits[0].message.contains("Sign in"), "{waits:?}");
    let forever = Listener::replying(vec![Reply::json(200, "<title>Away</title>")]).await;
    let service = setup.service(&forever.url);
    let error = service.send(&Request::get("/rows")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("Away"), "{error}");
    // A write that was answered is not sent again, even if the answer is malformed.
    let before = forever.count();
    service.send(&patch()).await.unwrap();
    assert_eq!(forever.count(), before + 1);
}

#[tokio::test]
async fn a_lock_ends_a_write_at_once_and_holds_back_nobody() {
    let setup = Setup::new(FAST);
    let body = r#"{"error":{"code":"-2147020463","message":"A solution is being installed."}}"#;
    let listener = Listener::start(move |request, _| match request.method.as_str() {
        "PATCH" => Reply::json(429, body),
        _ => ok(),
    })
    .await;
    let service = setup.service(&listener.url);
    let error = service.send(&patch()).await.unwrap_err();
    assert_eq!((error.kind, listener.count()), (ErrorKind::Locked, 1));
    assert!(error.worth_waiting().is_some() && error.is_clear_refusal());
    service.send(&Request::get("/rows")).await.unwrap();
    assert_eq!(setup.waits.all(), [], "the gate of the host stays open");
}

#[tokio::test]
async fn a_read_of_what_is_not_known_yet_is_tried_again() {
    let setup = Setup::new(FAST);
    let unknown = Reply::json(
        404,
        r#"{"error":{"code":"ServiceToServiceEnvironmentNotFound","message":"x"}}"#,
    );
    let listener = Listener::replying(vec![unknown.clone(), unknown.clone(), ok()]).await;
    let service = setup.service(&listener.url);
    service.send(&Request::get("/connections")).await.unwrap();
    assert_eq!(listener.count(), 3);
    let listener = Listener::replying(vec![unknown]).await;
    let service = setup.service(&listener.url);
    let error = service
        .send(&Request::get("/connections"))
        .await
        .unwrap_err();
    assert_eq!((error.kind, listener.count()), (ErrorKind::Unavailable, 6));
    assert!(error.help.unwrap().contains("run again in some minutes"));
}

#[tokio::test]
async fn a_row_that_exists_is_not_a_version_conflict() {
    for (code, kind) in [
        ("0x80060882", ErrorKind::PreconditionFailed),
        ("0x80040237", ErrorKind::Exists),
        ("0x80060892", ErrorKind::Exists),
        ("", ErrorKind::PreconditionFailed),
    ] {
        let setup = Setup::new(FAST);
        let body = format!(r#"{{"error":{{"code":"{code}","message":"x"}}}}"#);
        let listener = Listener::replying(vec![Reply::json(412, body)]).await;
        let service = setup.service(&listener.url);
        let error = service.send(&patch()).await.unwrap_err();
        assert_eq!((error.kind, listener.count()), (kind, 1), "{code}");
        assert_eq!(error.help.is_some(), kind == ErrorKind::Exists, "{code}");
    }
}
