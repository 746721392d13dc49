//! Credential kinds against the tests' own listeners and programs. Kinds whose library reads the
//! process environment are tested with the real program (`tests/it/identities.rs`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::base::cancellation::Cancellation;
use crate::base::clock::Clock;
#[cfg(unix)]
use crate::base::platform::testing;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::{Http, Limits, Silent};
use crate::clients::testing::{Listener, Reply, Setup, authority};

const SCOPE: &str = "https://service.powerapps.com/.default";
const TENANT: &str = "contoso.onmicrosoft.com";

async fn token(http: &Arc<Http>, authority: &str, identity: &Identity) -> Result<String, Error> {
    let tokens = Tokens::new(http, authority).unwrap();
    let token = tokens.source(identity, SCOPE).current().await?;
    Ok(token.header().to_str().unwrap().to_owned())
}

fn job(issuer: &Listener) -> Identity {
    Identity::GithubOidc(GithubOidc {
        tenant: TENANT.to_owned(),
        client: "c11e".to_owned(),
        audience: "api://AzureADTokenExchange".to_owned(),
        request_url: format!("{}/idtoken?api-version=2.0", issuer.url),
        request_token: "the-jobs".to_owned().into(),
    })
}

#[tokio::test]
async fn each_token_uses_a_new_assertion() {
    let setup = Setup::new(3_000.0);
    let issuer = Listener::start(|_, before| {
        Reply::json(
            200,
            format!(r#"{{"count":1,"value":"assertion-{before}"}}"#),
        )
    })
    .await;
    let authority = authority(600).await;
    let tokens = Tokens::new(&setup.http, &authority.url).unwrap();
    let source = tokens.source(&job(&issuer), SCOPE);
    source.current().await.unwrap();
    setup.http.clock().sleep(Duration::from_mins(11)).await;
    source.current().await.unwrap();
    let request = &issuer.received()[0];
    assert_eq!(
        request.path,
        "/idtoken?api-version=2.0&audience=api%3A%2F%2FAzureADTokenExchange"
    );
    assert_eq!(request.header("authorization"), Some("Bearer the-jobs"));
    let bodies: Vec<String> = authority
        .received()
        .iter()
        .map(|r| r.body.clone())
        .collect();
    for (number, body) in bodies.iter().enumerate() {
        let assertion = format!("client_assertion=assertion-{number}&");
        assert!(body.contains(&assertion), "{body}");
    }
    assert_eq!((issuer.count(), bodies.len()), (2, 2));
}

#[tokio::test]
async fn a_job_without_the_permission_gets_a_remedy() {
    let setup = Setup::new(1_000.0);
    let issuer = Listener::replying(vec![Reply::json(403, r#"{"message":"no"}"#)]).await;
    let authority = authority(600).await;
    let error = token(&setup.http, &authority.url, &job(&issuer))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSignedIn);
    assert!(error.to_string().contains("GitHub Actions"), "{error}");
    assert!(error.help.as_deref().unwrap().contains("id-token: write"));
    assert_eq!(authority.count(), 0);
}

fn machine(listener: &str) -> Identity {
    Identity::ManagedIdentity(ManagedIdentity {
        client: None,
        endpoint: MachineEndpoint::Metadata(Some(listener.to_owned())),
    })
}

#[tokio::test]
async fn a_machines_token_expires_by_the_services_own_clock() {
    let setup = Setup::new(1.0);
    // Half an hour of the token's day is left, by the date of the response.
    let body = r#"{"access_token":"t","expires_in":"86399","expires_on":"1800001800","resource":"r","token_type":"Bearer"}"#;
    let reply = Reply::json(200, body).with("date", "Fri, 15 Jan 2027 08:00:00 GMT");
    let listener = Listener::replying(vec![reply]).await;
    let tokens = Tokens::new(&setup.http, "https://login.microsoftonline.com").unwrap();
    let sign_in = tokens.sign_in(&machine(&listener.url), SCOPE);
    let lifetime = sign_in.facts().await.unwrap().lifetime.unwrap();
    assert!(
        lifetime <= Duration::from_mins(30) && lifetime > Duration::from_mins(29),
        "{lifetime:?}"
    );
    let request = &listener.received()[0];
    assert!(
        request.path.starts_with("/metadata/identity/oauth2/token?"),
        "{}",
        request.path
    );
    assert!(
        request
            .path
            .contains("resource=https%3A%2F%2Fservice.powerapps.com")
    );
    assert_eq!(request.header("metadata"), Some("true"));
}

#[tokio::test]
async fn a_machine_being_updated_is_retried_by_us_and_not_by_the_library() {
    let setup = Setup::new(1_000.0);
    let body = r#"{"access_token":"t","expires_in":"3599","expires_on":"1800003599","resource":"r","token_type":"Bearer"}"#;
    let replies = vec![
        Reply::json(410, ""),
        Reply::json(503, ""),
        Reply::json(200, body),
    ];
    let listener = Listener::replying(replies).await;
    let identity = machine(&listener.url);
    let bearer = token(&setup.http, "https://login.microsoftonline.com", &identity).await;
    assert_eq!(bearer.unwrap(), "Bearer t");
    assert_eq!(setup.waits.all().len(), 2, "each wait is reported");
}

#[tokio::test]
async fn without_a_token_endpoint_there_is_no_wait() {
    let setup = Setup::new(1_000.0);
    let gone = Listener::replying(vec![Reply::json(200, "")])
        .await
        .url
        .clone();
    tokio::task::yield_now().await;
    let authority = "https://login.microsoftonline.com";
    let error = token(&setup.http, authority, &machine(&gone))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSignedIn);
    assert!(error.help.as_deref().unwrap().contains("Azure's machines"));
    assert_eq!(setup.waits.all(), []);
    let error = token(&setup.http, authority, &machine("http://10.0.0.4"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Configuration, "{error}");
}

#[tokio::test]
async fn a_federated_token_is_exchanged_at_the_authority() {
    let setup = Setup::new(1.0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let identity = Identity::WorkloadIdentity(WorkloadIdentity {
        tenant: TENANT.to_owned(),
        client: "c11e".to_owned(),
        token_file: file.clone(),
    });
    let authority = authority(600).await;
    let error = token(&setup.http, &authority.url, &identity)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Configuration);
    let reason = std::fs::read(&file).unwrap_err().to_string();
    assert!(error.to_string().contains(&reason), "{error}");
    std::fs::write(&file, "the-pods").unwrap();
    token(&setup.http, &authority.url, &identity).await.unwrap();
    let body = &authority.received()[0].body;
    assert!(body.contains("client_assertion=the-pods&"), "{body}");
}

/// A shell script of these lines.
#[cfg(unix)]
fn command(folder: &tempfile::TempDir, lines: &str) -> Identity {
    let program = folder.path().join("token.sh");
    std::fs::write(&program, format!("#!/bin/sh\n{lines}\n")).unwrap();
    testing::set_mode(&program, 0o755);
    Identity::TokenCommand(TokenCommand {
        program,
        arguments: vec!["one".to_owned()],
    })
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_receives_the_scope_of_its_token() {
    let setup = Setup::new(1.0);
    let folder = tempfile::tempdir().unwrap();
    let identity = command(&folder, "echo \"$1.$IOMCOPY_SCOPE\"");
    let bearer = token(&setup.http, "https://login.example", &identity).await;
    assert_eq!(bearer.unwrap(), format!("Bearer one.{SCOPE}"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_failed_commands_stderr_is_shown_and_its_output_is_not() {
    let setup = Setup::new(1.0);
    let folder = tempfile::tempdir().unwrap();
    let lines = "echo a-secret; echo 'ERROR: AADSTS50076: use a second factor' >&2; exit 3";
    let error = token(
        &setup.http,
        "https://login.example",
        &command(&folder, lines),
    )
    .await
    .unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSignedIn);
    assert_eq!(error.code.as_deref(), Some("AADSTS50076"));
    let text = format!("{error} {error:?}");
    assert!(
        text.contains("exit status: 3") && text.contains("second factor"),
        "{text}"
    );
    assert!(!text.contains("a-secret"), "{text}");
    let lines = "echo 'sign in first, a-secret'";
    let error = token(
        &setup.http,
        "https://login.example",
        &command(&folder, lines),
    )
    .await
    .unwrap_err();
    assert!(error.to_string().contains("not a single token"), "{error}");
    assert!(!format!("{error:?}").contains("a-secret"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_hanging_command_is_stopped_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let alive = folder.path().join("alive");
    let lines = format!("(sleep 2; touch {}) & sleep 60", alive.display());
    let limits = Limits {
        command: Duration::from_millis(500),
        ..Limits::default()
    };
    let http = Http::with_limits(
        Clock::new(1.0),
        Arc::new(Silent),
        Cancellation::new(),
        limits,
    )
    .unwrap();
    let began = Instant::now();
    let error = token(&http, "https://login.example", &command(&folder, &lines))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSignedIn);
    assert!(error.to_string().contains("still running"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20));
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!alive.exists(), "its child is still running");
}

#[tokio::test]
async fn a_missing_command_is_named() {
    let setup = Setup::new(1.0);
    let identity = Identity::TokenCommand(TokenCommand {
        program: std::path::PathBuf::from("/nowhere/token.sh"),
        arguments: Vec::new(),
    });
    let error = token(&setup.http, "https://login.example", &identity)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("/nowhere/token.sh"), "{error}");
    assert!(error.to_string().contains("cannot be started"), "{error}");
}

#[tokio::test]
async fn a_given_token_for_another_service_is_detected() {
    let setup = Setup::new(1_000.0);
    let listener = Listener::replying(vec![
        Reply::json(401, "").with("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
    ])
    .await;
    let own = listener.url.as_str();
    let refused = async |claims: serde_json::Value| {
        let identity = Identity::Token(GivenToken(claims::token_with_claims(&claims).into()));
        let tokens = Tokens::new(&setup.http, "https://login.example").unwrap();
        let endpoint = crate::clients::ServiceEndpoint::with_own_scope(own);
        let service = crate::clients::Service::new(&tokens, &identity, &endpoint, "it").unwrap();
        let get = crate::clients::http::Request::get("/x");
        service.send(&get).await.unwrap_err().help.unwrap()
    };
    let help = refused(serde_json::json!({"aud": "https://graph.microsoft.com"})).await;
    assert!(
        help.contains("a token for https://graph.microsoft.com"),
        "{help}"
    );
    assert!(help.contains(own), "{help}");
    let help = refused(serde_json::json!({"aud": own, "exp": 1_799_999_000})).await;
    assert!(help.contains("has expired"), "{help}");
    let help = refused(serde_json::json!({"aud": own, "exp": 1_900_000_000})).await;
    assert!(help.contains("provide a new one"), "{help}");
}

#[test]
fn no_identity_shows_its_secrets() {
    let secret = || CredentialSecret::from("a-secret".to_owned());
    let listener = "https://x".to_owned();
    let text = |name: &str| name.to_owned();
    for identity in [
        Identity::Token(GivenToken(secret())),
        Identity::ClientSecret(ClientSecret {
            tenant: text("t"),
            client: text("c"),
            secret: secret(),
        }),
        Identity::AzurePipelines(AzurePipelines {
            tenant: text("t"),
            client: text("c"),
            service_connection: text("s"),
            request_url: listener.clone(),
            access_token: secret(),
        }),
        Identity::GithubOidc(GithubOidc {
            tenant: text("t"),
            client: text("c"),
            audience: text("a"),
            request_url: listener,
            request_token: secret(),
        }),
    ] {
        let shown = format!("{identity:?}");
        assert!(!shown.contains("a-secret"), "{shown}");
    }
}
