//! An application with a secret, through `azure_identity`'s own credential.

use async_trait::async_trait;
use azure_core::credentials::{Secret, TokenCredential as _};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use secrecy::{ExposeSecret as _, SecretString};

use super::credential_kind::{CredentialKind, hash_secret};
use super::holder::TokenHolder;
use super::token_request::{FetchedToken, TokenError, TokenRequest};

/// An application with a secret.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    /// The tenant: its id or one of its domains.
    pub tenant: String,
    /// The application's (client's) id.
    pub client: String,
    /// The secret's value.
    pub secret: SecretString,
}

#[async_trait]
impl CredentialKind for ClientSecret {
    fn kind(&self) -> &'static str {
        "client-secret"
    }

    fn application(&self) -> Option<&str> {
        Some(&self.client)
    }

    fn holder(&self) -> Option<TokenHolder> {
        Some(TokenHolder::Application)
    }

    fn cache_key(&self) -> String {
        let Self {
            tenant,
            client,
            secret,
        } = self;
        format!("{tenant} {client} {}", hash_secret(secret))
    }

    async fn fetch(&self, request: TokenRequest<'_>) -> Result<FetchedToken, TokenError> {
        let transport = request.transport(Vec::new());
        let options = ClientSecretCredentialOptions {
            client_options: request.client_options(&transport),
        };
        let credential = ClientSecretCredential::new(
            &self.tenant,
            self.client.clone(),
            Secret::new(self.secret.expose_secret().to_owned()),
            Some(options),
        )
        .map_err(|error| request.invalid_credential(&request.authority_name(), &error))?;
        let result = credential.get_token(&[request.scope], None).await;
        request.finish(result, &transport)
    }
}
