//! An application with a secret, through `azure_identity`'s own credential.
//!
//! The credential is made anew for every fetch: its cache follows the wall clock, and would hand out
//! a token that the program's clock has outlived, or one that was just refused. Its retries are off,
//! because a wait must be told to the observer. The authority is always set, so that no environment
//! variable can choose another.

use std::sync::Arc;
use std::time::Duration;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret, TokenCredential as _};
use azure_core::http::{ClientOptions, HttpClient, RetryOptions, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::Fetched;
use super::transport::{Answer, AuthorityTransport, Exchange};
use crate::clients::error::{Detail, Error, ErrorKind, presentable};
use crate::clients::http::{Http, Origin, Told, retry_after};

/// Why no token came.
#[derive(Debug)]
pub(super) struct NoToken {
    pub(super) error: Error,
    /// How long the authority asks to wait, where it says so.
    pub(super) asked: Option<Duration>,
}

/// Fetches a token once. Takes the connections, the authority, the application and the scope.
pub(super) async fn fetch(
    http: &Arc<Http>,
    authority: &Origin,
    (tenant, client, secret): (&str, &str, &SecretString),
    scope: &str,
) -> Result<Fetched, NoToken> {
    let transport = AuthorityTransport::new(Arc::clone(http), authority.clone());
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host = authority.secured().to_string();
    let options = ClientSecretCredentialOptions {
        client_options: ClientOptions {
            retry: RetryOptions::none(),
            cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
            transport: Some(Transport::new(Arc::clone(&transport) as Arc<dyn HttpClient>)),
            ..ClientOptions::default()
        },
    };
    let secret = Secret::new(secret.expose_secret().to_owned());
    let failed = |kind, message: &str| NoToken {
        error: Error::new(kind, &name(authority), &what(scope), message),
        asked: None,
    };
    let credential = ClientSecretCredential::new(tenant, client.to_owned(), secret, Some(options))
        .map_err(|error| failed(ErrorKind::Configuration, &error.to_string()))?;
    let result = credential.get_token(&[scope], None).await;
    match (result, transport.last()) {
        (Ok(token), Some(Exchange::Answered(answer))) => {
            // The library counts the life from the wall clock; ours counts from the fetch.
            let life = life(&answer).ok_or_else(|| {
                failed(
                    ErrorKind::Malformed,
                    "the answer does not say how long the token lives",
                )
            })?;
            Ok(Fetched {
                token: SecretString::from(token.token.secret().to_owned()),
                life: Some(life),
            })
        }
        (Err(_), Some(Exchange::Answered(answer))) => Err(refused(authority, scope, &answer)),
        (_, Some(Exchange::Failed(why))) => Err(failed(ErrorKind::Unavailable, &why)),
        (Err(error), None) => Err(failed(ErrorKind::Configuration, &error.to_string())),
        (Ok(_), None) => Err(failed(
            ErrorKind::Malformed,
            "a token came without a request",
        )),
    }
}

/// `expires_in` of the answer: seconds, as a number or as text.
fn life(answer: &Answer) -> Option<Duration> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let seconds = match body.get("expires_in")? {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

fn refused(authority: &Origin, scope: &str, answer: &Answer) -> NoToken {
    let kind = match answer.status {
        429 => ErrorKind::Throttled,
        408 | 500..=599 => ErrorKind::Unavailable,
        200..=299 => ErrorKind::Malformed,
        _ => ErrorKind::NotSignedIn,
    };
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let about = Detail {
        service: name(authority),
        what: what(scope),
        status: Some(answer.status),
        request_id: body
            .as_ref()
            .and_then(|body| body["correlation_id"].as_str())
            .map(presentable),
        ..Detail::default()
    };
    NoToken {
        error: Told::read(body.as_ref(), &answer.body).into_error(kind, about),
        asked: retry_after(&answer.headers),
    }
}

fn name(authority: &Origin) -> String {
    format!("the sign-in service {}", authority.host())
}

fn what(scope: &str) -> String {
    format!("a token for {scope}")
}
