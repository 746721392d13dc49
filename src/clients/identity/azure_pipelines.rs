//! A service connection of Azure Pipelines, through `azure_identity`'s own credential: the job's
//! access token is exchanged for an assertion of the pipeline's issuer, and the assertion for a
//! token. Both exchanges are repeated for each token, because the assertion is valid for minutes
//! only.

use async_trait::async_trait;
use azure_core::credentials::{Secret, TokenCredential as _};
use azure_identity::{
    AzurePipelinesCredential, AzurePipelinesCredentialOptions, ClientAssertionCredentialOptions,
};

use super::assertion_issuer::parse_issuer_url;
use super::credential_kind::{CredentialKind, CredentialLifetime, CredentialSecret, KindFacts};
use super::sign_in_transport::Route;
use super::token_request::{FetchedToken, TokenError, TokenRequest};
use crate::clients::error::ErrorKind;

/// A service connection of Azure Pipelines.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct AzurePipelines {
    /// The tenant: its id or one of its domains.
    pub tenant: String,
    /// The application's id.
    pub client: String,
    /// The service connection's id.
    pub service_connection: String,
    /// Where the job asks for its assertions: the value of `SYSTEM_OIDCREQUESTURI`, which the
    /// library reads itself.
    pub request_url: String,
    /// The job's access token.
    pub access_token: CredentialSecret,
}

const NAME: &str = "the assertion service of Azure Pipelines";

const NOT_IN_A_JOB: &str = "Azure Pipelines sets SYSTEM_OIDCREQUESTURI: run this in a job there";

const REFUSED: &str = "check the service connection's id, that this pipeline may use it, and that the \
                       step maps SYSTEM_ACCESSTOKEN: $(System.AccessToken)";

#[async_trait]
impl CredentialKind for AzurePipelines {
    fn facts(&self) -> KindFacts<'_> {
        KindFacts {
            lifetime: CredentialLifetime::PipelineJob,
            ..KindFacts::application("azure-pipelines", Some(&self.client))
        }
    }

    /// The library reads `SYSTEM_OIDCREQUESTURI` itself; requests go to the host of `request_url`
    /// only.
    async fn fetch(&self, request: TokenRequest<'_>) -> Result<FetchedToken, TokenError> {
        let url = parse_issuer_url(&self.request_url).ok_or_else(|| {
            let message = "SYSTEM_OIDCREQUESTURI is not an https address";
            request
                .error(ErrorKind::Configuration, NAME, message)
                .or_help(NOT_IN_A_JOB)
        })?;
        let transport = request.transport(vec![Route::direct(NAME, url)]);
        let options = AzurePipelinesCredentialOptions {
            credential_options: ClientAssertionCredentialOptions {
                client_options: request.client_options(&transport),
            },
        };
        let credential = AzurePipelinesCredential::new(
            self.tenant.clone(),
            self.client.clone(),
            &self.service_connection,
            Secret::new(self.access_token.expose().to_owned()),
            Some(options),
        )
        .map_err(|error| {
            request
                .invalid_credential(NAME, &error)
                .or_help(NOT_IN_A_JOB)
        })?;
        let result = credential.get_token(&[request.scope], None).await;
        let is_from_issuer = transport.last().is_some_and(|last| last.service == NAME);
        request.finish(result, &transport).map_err(|error| {
            if is_from_issuer {
                error.or_help(REFUSED)
            } else {
                error
            }
        })
    }
}
