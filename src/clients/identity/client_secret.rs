//! An application with a secret, through `azure_identity`'s own credential.

use async_trait::async_trait;
use azure_core::credentials::{Secret, TokenCredential as _};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};

use super::credential_kind::{CredentialKind, CredentialSecret, KindFacts};
use super::token_request::{FetchedToken, TokenError, TokenRequest};

/// An application with a secret.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ClientSecret {
    /// The tenant: its id or one of its domains.
    pub tenant: String,
    /// The application's (client's) id.
    pub client: String,
    /// The secret's value.
    pub secret: CredentialSecret,
}

#[async_trait]
impl CredentialKind for ClientSecret {
    fn facts(&self) -> KindFacts<'_> {
        KindFacts {
            secret_place: self.secret.place(),
            ..KindFacts::application("client-secret", Some(&self.client))
        }
    }

    async fn fetch(&self, request: TokenRequest<'_>) -> Result<FetchedToken, TokenError> {
        let transport = request.transport(Vec::new());
        let options = ClientSecretCredentialOptions {
            client_options: request.client_options(&transport),
        };
        let credential = ClientSecretCredential::new(
            &self.tenant,
            self.client.clone(),
            Secret::new(self.secret.expose().to_owned()),
            Some(options),
        )
        .map_err(|error| request.invalid_credential(&request.authority_name(), &error))?;
        let result = credential.get_token(&[request.scope], None).await;
        request.finish(result, &transport)
    }
}
