//! The identity of a GitHub Actions job: its issuer provides an assertion, which is exchanged for a
//! token through `azure_identity`'s credential for assertions. An assertion is valid for minutes,
//! so each token needs a new one (GitHub Docs, *About security hardening with `OpenID` Connect*).

use async_trait::async_trait;
use azure_core::credentials::{Secret, TokenCredential as _};
use azure_core::http::ClientMethodOptions;
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
};
use bytes::Bytes;
use serde_json::Value;

use super::assertion_issuer::parse_issuer_url;
use super::credential_kind::{CredentialKind, CredentialLifetime, CredentialSecret, KindFacts};
use super::sign_in_transport::exchange;
use super::token_request::{FetchedToken, TokenError, TokenRequest};
use crate::clients::error::ErrorKind;
use crate::clients::http::Method;

/// The identity of a GitHub Actions job.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct GithubOidc {
    /// The tenant: its id or one of its domains.
    pub tenant: String,
    /// The application's id.
    pub client: String,
    /// The audience in the application's federated credential.
    pub audience: String,
    /// Where the job asks for its assertions: `ACTIONS_ID_TOKEN_REQUEST_URL`.
    pub request_url: String,
    /// The token of that request: `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    pub request_token: CredentialSecret,
}

const NAME: &str = "the assertion service of GitHub Actions";

const NOT_IN_A_JOB: &str = "GitHub sets it in a job with `permissions: id-token: write`";

const REFUSED: &str = "the job needs `permissions: id-token: write`, and its request token expires with \
                       the job: run again in a running job";

#[async_trait]
impl CredentialKind for GithubOidc {
    fn facts(&self) -> KindFacts<'_> {
        KindFacts {
            lifetime: CredentialLifetime::PipelineJob,
            ..KindFacts::application("github-oidc", Some(&self.client))
        }
    }

    async fn fetch(&self, request: TokenRequest<'_>) -> Result<FetchedToken, TokenError> {
        let assertion = self.fetch_assertion(request).await?;
        let transport = request.transport(Vec::new());
        let options = ClientAssertionCredentialOptions {
            client_options: request.client_options(&transport),
        };
        let credential = ClientAssertionCredential::new(
            self.tenant.clone(),
            self.client.clone(),
            FetchedAssertion(assertion),
            Some(options),
        )
        .map_err(|error| request.invalid_credential(&request.authority_name(), &error))?;
        let result = credential.get_token(&[request.scope], None).await;
        request.finish(result, &transport)
    }
}

/// An assertion that is already fetched; the credential is used for one token.
#[derive(Debug)]
struct FetchedAssertion(Secret);

#[async_trait]
impl ClientAssertion for FetchedAssertion {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.0.secret().to_owned())
    }
}

impl GithubOidc {
    async fn fetch_assertion(&self, request: TokenRequest<'_>) -> Result<Secret, TokenError> {
        let mut url = parse_issuer_url(&self.request_url).ok_or_else(|| {
            let message = "ACTIONS_ID_TOKEN_REQUEST_URL is not an https address";
            request
                .error(ErrorKind::Configuration, NAME, message)
                .or_help(NOT_IN_A_JOB)
        })?;
        url.query_pairs_mut()
            .append_pair("audience", &self.audience);
        let bearer = format!("Bearer {}", self.request_token.expose());
        let headers = [
            ("authorization", bearer.as_str()),
            ("accept", "application/json"),
        ];
        let sent = exchange(request.http, NAME, Method::GET, url, &headers, Bytes::new()).await;
        let response = sent.map_err(|error| request.no_response(NAME, &error))?;
        let body: Option<Value> = serde_json::from_slice(&response.body).ok();
        let value = body.as_ref().and_then(|body| body["value"].as_str());
        match value.filter(|_| (200..300).contains(&response.status)) {
            Some(value) => Ok(Secret::new(value.to_owned())),
            None => Err(request.refused(NAME, &response).or_help(REFUSED)),
        }
    }
}
