//! The identity of a GitHub Actions job: its issuer is asked for an assertion, and the assertion buys
//! a token, through `azure_identity`'s credential for assertions. The assertion lives for minutes, so
//! it is fetched anew for each token (GitHub Docs, *About security hardening with `OpenID` Connect*).

use async_trait::async_trait;
use azure_core::credentials::{Secret, TokenCredential as _};
use azure_core::http::ClientMethodOptions;
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
};
use bytes::Bytes;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use super::Fetched;
use super::asking::{Asking, NoToken, first_line};
use super::transport::exchange;
use crate::clients::error::ErrorKind;
use crate::clients::http::Origin;

const NAME: &str = "the assertion service of GitHub Actions";

const HELP: &str = "the job needs `permissions: id-token: write`, and its request token ends with it: \
                    run again in a job that is running";

/// What a job is.
pub(super) struct Job<'a> {
    pub(super) tenant: &'a str,
    pub(super) client: &'a str,
    pub(super) audience: &'a str,
    pub(super) request_url: &'a str,
    pub(super) request_token: &'a SecretString,
}

/// Fetches a token once, with an assertion of its own.
pub(super) async fn fetch(asking: Asking<'_>, job: Job<'_>) -> Result<Fetched, NoToken> {
    let assertion = assertion(asking, &job).await?;
    let transport = asking.transport(Vec::new());
    let options = ClientAssertionCredentialOptions {
        client_options: asking.options(&transport),
    };
    let (tenant, client) = (job.tenant.to_owned(), job.client.to_owned());
    let credential =
        ClientAssertionCredential::new(tenant, client, Given(assertion), Some(options)).map_err(
            |error| {
                let message = first_line(&error.to_string());
                asking.failed(ErrorKind::Configuration, &asking.authority_name(), &message)
            },
        )?;
    let result = credential.get_token(&[asking.scope], None).await;
    asking.settle(result, &transport)
}

/// An assertion that is there already; the credential is used for one token.
#[derive(Debug)]
struct Given(Secret);

#[async_trait]
impl ClientAssertion for Given {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.0.secret().to_owned())
    }
}

async fn assertion(asking: Asking<'_>, job: &Job<'_>) -> Result<Secret, NoToken> {
    let mut url = issuer_url(job.request_url).ok_or_else(|| {
        let message = "ACTIONS_ID_TOKEN_REQUEST_URL is not an https address";
        let failed = asking.failed(ErrorKind::Configuration, NAME, message);
        failed.or_help("GitHub sets it in a job with `permissions: id-token: write`")
    })?;
    url.query_pairs_mut().append_pair("audience", job.audience);
    let bearer = format!("Bearer {}", job.request_token.expose_secret());
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "application/json"),
    ];
    let answer = exchange(
        asking.http,
        reqwest::Method::GET,
        url,
        &headers,
        Bytes::new(),
    )
    .await
    .map_err(|why| asking.failed(ErrorKind::Unavailable, NAME, &why))?;
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let value = body.as_ref().and_then(|body| body["value"].as_str());
    match value.filter(|_| (200..300).contains(&answer.status)) {
        Some(value) => Ok(Secret::new(value.to_owned())),
        None => Err(asking.refused(NAME, &answer).or_help(HELP)),
    }
}

/// The address of an issuer of assertions: https, or http on the loopback, without a user in it.
pub(super) fn issuer_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    let origin = Origin::parse(&url.origin().ascii_serialization());
    (plain && origin.is_ok()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_asked_by_https_or_on_this_machine() {
        for text in [
            "https://pipelinesghubeus1.actions.githubusercontent.com/x//idtoken/y?api-version=2.0",
            "http://127.0.0.1:4000/github?a=b",
        ] {
            assert!(issuer_url(text).is_some(), "{text}");
        }
        for text in [
            "http://actions.githubusercontent.com/x",
            "https://me@actions.githubusercontent.com/x",
            "ftp://127.0.0.1/x",
            "x",
            "",
        ] {
            assert!(issuer_url(text).is_none(), "{text}");
        }
    }
}
