//! What is known about a service's credential before it is used: its holder, its lifetime, and the
//! claims of its token.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::claims::{Claims, is_same_audience};
use super::credential_kind::CredentialLifetime;
use super::holder::TokenHolder;
use super::kinds::Identity;
use super::token_source::TokenSource;
use crate::clients::error::Error;

/// What a token says about itself. Everything is `None` if it is not a JSON web token.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TokenFacts {
    /// Who holds it.
    pub holder: Option<TokenHolder>,
    /// The person's sign-in name.
    pub person: Option<String>,
    /// The application's id.
    pub application: Option<String>,
    /// The id of its holder's object in the directory.
    pub object: Option<String>,
    /// The service that it is for.
    pub audience: Option<String>,
    /// Its remaining lifetime, by the services' own time.
    pub lifetime: Option<Duration>,
}

/// The sign-in to one service.
#[derive(Clone, Debug)]
pub struct SignIn {
    source: Arc<TokenSource>,
}

impl SignIn {
    pub(super) fn new(source: Arc<TokenSource>) -> Self {
        Self { source }
    }

    fn identity(&self) -> &Identity {
        self.source.identity()
    }

    /// The kind of its credential, by the key of a runbook.
    pub fn kind(&self) -> &'static str {
        self.identity().kind()
    }

    /// The scope of its tokens.
    pub fn scope(&self) -> &str {
        self.source.scope()
    }

    /// How long its credential provides tokens.
    pub fn lifetime(&self) -> CredentialLifetime {
        self.identity().lifetime()
    }

    /// The holder of its tokens, if the kind of credential determines it.
    pub fn holder(&self) -> Option<TokenHolder> {
        self.identity().holder()
    }

    /// Whether another sign-in uses the same credential, for any scope.
    pub fn has_same_credential(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    /// Whether a token for `audience` is one for this service.
    pub fn accepts_audience(&self, audience: &str) -> bool {
        is_same_audience(audience, self.source.audience())
    }

    /// The text of a valid token. Fetches one if none is cached.
    pub async fn token(&self) -> Result<SecretString, Error> {
        let token = self.source.current().await?;
        let header = token.header().to_str().unwrap_or_default();
        Ok(header.strip_prefix("Bearer ").unwrap_or(header).into())
    }

    /// What its token says about itself. Fetches one if none is cached.
    pub async fn facts(&self) -> Result<TokenFacts, Error> {
        let token = self.source.current().await?;
        let claims = token.claims().unwrap_or_default();
        let Claims {
            holder,
            person,
            application,
            object,
            audience,
            expires,
        } = claims;
        let lifetime = match self.source.remaining() {
            Some(remaining) => Some(remaining),
            None => expires.and_then(|end| self.source.time_until(end)),
        };
        Ok(TokenFacts {
            holder: self.holder().or(holder),
            person,
            application,
            object,
            audience,
            lifetime,
        })
    }
}
