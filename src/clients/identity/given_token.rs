//! A token from elsewhere. It cannot be renewed.

use async_trait::async_trait;
use secrecy::SecretString;

use super::credential_kind::{CredentialKind, CredentialLifetime, hash_secret};
use super::token_request::{FetchedToken, TokenError, TokenRequest};

/// A token from elsewhere. It cannot be renewed.
#[derive(Clone, Debug)]
pub struct GivenToken(pub SecretString);

#[async_trait]
impl CredentialKind for GivenToken {
    fn kind(&self) -> &'static str {
        "token"
    }

    fn lifetime(&self) -> CredentialLifetime {
        CredentialLifetime::SingleToken
    }

    fn may_ignore_scope(&self) -> bool {
        true
    }

    fn cache_key(&self) -> String {
        hash_secret(&self.0)
    }

    async fn fetch(&self, _request: TokenRequest<'_>) -> Result<FetchedToken, TokenError> {
        Ok(FetchedToken {
            token: self.0.clone(),
            lifetime: None,
        })
    }
}
