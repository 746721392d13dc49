//! What each kind of credential implements.

use std::fmt;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};

use super::holder::TokenHolder;
use super::token_request::{FetchedToken, TokenError, TokenRequest};
use crate::base::text;

/// One kind of credential.
#[async_trait]
pub(super) trait CredentialKind: fmt::Debug + Send + Sync {
    /// The kind's key in a runbook.
    fn kind(&self) -> &'static str;

    /// The application's id, if the credential belongs to an application with a known id.
    fn application(&self) -> Option<&str> {
        None
    }

    /// The holder of its tokens, if the kind determines it; otherwise each token says it.
    fn holder(&self) -> Option<TokenHolder> {
        None
    }

    /// How long the credential provides tokens.
    fn lifetime(&self) -> CredentialLifetime {
        CredentialLifetime::Renewable
    }

    /// Whether its tokens may have another audience than the one that this program asks for.
    fn may_ignore_scope(&self) -> bool {
        false
    }

    /// A text that is equal for equal credentials and contains no secret.
    fn cache_key(&self) -> String;

    /// Fetches a token once.
    async fn fetch(&self, request: TokenRequest<'_>) -> Result<FetchedToken, TokenError>;
}

/// How long a credential provides tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CredentialLifetime {
    /// For as long as the credential itself is valid.
    Renewable,
    /// For as long as the pipeline's job runs.
    PipelineJob,
    /// Once: the given token is the only one.
    SingleToken,
}

/// The hash of a secret, for [`CredentialKind::cache_key`].
pub(super) fn hash_secret(secret: &SecretString) -> String {
    text::sha256(secret.expose_secret().as_bytes())
}
