//! A service connection of Azure Pipelines, through `azure_identity`'s own credential: the job's
//! access token buys an assertion of the pipeline's issuer, and the assertion a token. Both are
//! bought anew for each token, because the assertion lives for minutes.

use azure_core::credentials::{Secret, TokenCredential as _};
use azure_identity::{
    AzurePipelinesCredential, AzurePipelinesCredentialOptions, ClientAssertionCredentialOptions,
};
use secrecy::{ExposeSecret as _, SecretString};

use super::Fetched;
use super::asking::{Asking, NoToken, first_line};
use super::github_oidc::issuer_url;
use super::transport::Route;
use crate::clients::error::ErrorKind;

const NAME: &str = "the assertion service of Azure Pipelines";

const HELP: &str = "look whether the service connection's id is right, whether this pipeline may use \
                    it, and whether the step maps SYSTEM_ACCESSTOKEN: $(System.AccessToken)";

/// What a service connection is.
pub(super) struct Connection<'a> {
    pub(super) tenant: &'a str,
    pub(super) client: &'a str,
    pub(super) id: &'a str,
    pub(super) request_url: &'a str,
    pub(super) access_token: &'a SecretString,
}

/// Fetches a token once. The library reads `SYSTEM_OIDCREQUESTURI` itself; only the host that was
/// handed in is asked.
pub(super) async fn fetch(
    asking: Asking<'_>,
    connection: Connection<'_>,
) -> Result<Fetched, NoToken> {
    let wrong = |message: &str| {
        let failed = asking.failed(ErrorKind::Configuration, NAME, message);
        failed.or_help("SYSTEM_OIDCREQUESTURI is set by Azure Pipelines: run it in a job there")
    };
    let url = issuer_url(connection.request_url)
        .ok_or_else(|| wrong("SYSTEM_OIDCREQUESTURI is not an https address"))?;
    let transport = asking.transport(vec![Route::to(NAME, url)]);
    let options = AzurePipelinesCredentialOptions {
        credential_options: ClientAssertionCredentialOptions {
            client_options: asking.options(&transport),
        },
    };
    let credential = AzurePipelinesCredential::new(
        connection.tenant.to_owned(),
        connection.client.to_owned(),
        connection.id,
        Secret::new(connection.access_token.expose_secret().to_owned()),
        Some(options),
    )
    .map_err(|error| wrong(&first_line(&error.to_string())))?;
    let result = credential.get_token(&[asking.scope], None).await;
    let by_issuer = transport.last().is_some_and(|last| last.service == NAME);
    asking.settle(result, &transport).map_err(|no_token| {
        if by_issuer {
            no_token.or_help(HELP)
        } else {
            no_token
        }
    })
}
