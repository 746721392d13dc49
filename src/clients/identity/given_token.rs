//! A token that the runbook provides. It cannot be renewed.

use async_trait::async_trait;
use secrecy::SecretString;

use super::credential_kind::{CredentialKind, CredentialLifetime, CredentialSecret, KindFacts};
use super::token_request::{FetchedToken, TokenError, TokenRequest};

/// A token that the runbook provides. It cannot be renewed.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct GivenToken(pub CredentialSecret);

#[async_trait]
impl CredentialKind for GivenToken {
    fn facts(&self) -> KindFacts<'_> {
        KindFacts {
            lifetime: CredentialLifetime::SingleToken,
            may_ignore_scope: true,
            secret_place: self.0.place(),
            ..KindFacts::new("token")
        }
    }

    async fn fetch(&self, _request: TokenRequest<'_>) -> Result<FetchedToken, TokenError> {
        Ok(FetchedToken {
            token: SecretString::from(self.0.expose().to_owned()),
            lifetime: None,
        })
    }
}
