//! What each kind of credential implements.

use std::fmt;
use std::hash::{Hash, Hasher};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};

use super::holder::TokenHolder;
use super::token_request::{FetchedToken, TokenError, TokenRequest};

/// One kind of credential.
#[async_trait]
pub(super) trait CredentialKind: fmt::Debug + Send + Sync {
    /// What is known about its tokens before one is fetched.
    fn facts(&self) -> KindFacts<'_>;

    /// Fetches a token once.
    async fn fetch(&self, request: TokenRequest<'_>) -> Result<FetchedToken, TokenError>;
}

/// What is known about a credential's tokens before one is fetched.
#[derive(Clone, Copy, Debug)]
pub(super) struct KindFacts<'a> {
    /// The kind's key in a runbook.
    pub(super) kind: &'static str,
    /// The application's id, if the credential belongs to an application with a known id.
    pub(super) application: Option<&'a str>,
    /// The holder of its tokens, if the kind determines it; otherwise each token says it.
    pub(super) holder: Option<TokenHolder>,
    /// How long the credential provides tokens.
    pub(super) lifetime: CredentialLifetime,
    /// Whether its tokens may have another audience than the one that this program asks for.
    pub(super) may_ignore_scope: bool,
    /// Where its secret or token is, for a message, if it was read from a named place.
    pub(super) secret_place: Option<&'a str>,
}

impl<'a> KindFacts<'a> {
    /// A kind of renewable tokens, each of which says who holds it.
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            application: None,
            holder: None,
            lifetime: CredentialLifetime::Renewable,
            may_ignore_scope: false,
            secret_place: None,
        }
    }

    /// A kind of renewable tokens that an application holds.
    pub(super) fn application(kind: &'static str, client: Option<&'a str>) -> Self {
        Self {
            application: client,
            holder: Some(TokenHolder::Application),
            ..Self::new(kind)
        }
    }
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

/// A secret that can be compared, so that equal credentials share their tokens. No debug text
/// shows it.
#[derive(Clone, Debug)]
pub struct CredentialSecret {
    value: SecretString,
    /// Where it was read, for a message.
    place: Option<String>,
}

impl CredentialSecret {
    pub(super) fn expose(&self) -> &str {
        self.value.expose_secret()
    }

    /// The same secret, of which messages say where it was read: `the environment variable NAME`.
    #[must_use]
    pub fn read_from(self, place: String) -> Self {
        Self {
            place: Some(place),
            ..self
        }
    }

    pub(super) fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }
}

impl From<SecretString> for CredentialSecret {
    fn from(secret: SecretString) -> Self {
        Self {
            value: secret,
            place: None,
        }
    }
}

impl From<String> for CredentialSecret {
    fn from(secret: String) -> Self {
        SecretString::from(secret).into()
    }
}

impl PartialEq for CredentialSecret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for CredentialSecret {}

impl Hash for CredentialSecret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
    }
}
