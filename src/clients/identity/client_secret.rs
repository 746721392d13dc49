//! An application with a secret, through `azure_identity`'s own credential.

use azure_core::credentials::{Secret, TokenCredential as _};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use secrecy::{ExposeSecret as _, SecretString};

use super::Fetched;
use super::asking::{Asking, NoToken, first_line};
use crate::clients::error::ErrorKind;

/// Fetches a token once.
pub(super) async fn fetch(
    asking: Asking<'_>,
    (tenant, client, secret): (&str, &str, &SecretString),
) -> Result<Fetched, NoToken> {
    let transport = asking.transport(Vec::new());
    let options = ClientSecretCredentialOptions {
        client_options: asking.options(&transport),
    };
    let secret = Secret::new(secret.expose_secret().to_owned());
    let credential = ClientSecretCredential::new(tenant, client.to_owned(), secret, Some(options))
        .map_err(|error| {
            let message = first_line(&error.to_string());
            asking.failed(ErrorKind::Configuration, &asking.authority_name(), &message)
        })?;
    let result = credential.get_token(&[asking.scope], None).await;
    asking.settle(result, &transport)
}
