//! What can be told of a service's credential before it is needed: whose it is, whether it lasts,
//! and what its token says of itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::claims::{Claims, same_audience};
use super::{Identity, TokenSource};
use crate::clients::error::Error;

/// Who holds a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Holder {
    /// A person, or somebody who acts for one: a delegated token.
    Person,
    /// An application for itself.
    Application,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person => "a person",
            Self::Application => "an application",
        })
    }
}

/// How long tokens can be had.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lasting {
    /// For as long as the credential itself is valid.
    Renewed,
    /// For as long as the pipeline's job runs.
    WithJob,
    /// Once: the token that was given is the only one.
    Once,
}

/// What a token says of itself. Nothing where it is no JSON web token, or does not say it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TokenFacts {
    /// Who holds it.
    pub holder: Option<Holder>,
    /// The person's sign-in name.
    pub person: Option<String>,
    /// The application's id.
    pub application: Option<String>,
    /// What it is for.
    pub audience: Option<String>,
    /// How long it still lives, by the services' own time.
    pub life: Option<Duration>,
}

/// How one service is signed in to.
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

    /// What its tokens are asked for.
    pub fn scope(&self) -> &str {
        self.source.scope()
    }

    /// How long tokens can be had.
    pub fn lasting(&self) -> Lasting {
        match self.identity() {
            Identity::AzurePipelines { .. } | Identity::GithubOidc { .. } => Lasting::WithJob,
            Identity::Token(_) => Lasting::Once,
            _ => Lasting::Renewed,
        }
    }

    /// Whose credential it is, where its kind tells.
    pub fn holder(&self) -> Option<Holder> {
        self.identity().holder()
    }

    /// Is it the same credential as another's, whatever both are for?
    pub fn is_same_credential(&self, other: &Self) -> bool {
        self.identity().key() == other.identity().key()
    }

    /// Is a token for `audience` one for this service?
    pub fn is_for(&self, audience: &str) -> bool {
        same_audience(audience, self.source.audience())
    }

    /// What its token says of itself. One is fetched, if none is held.
    pub async fn facts(&self) -> Result<TokenFacts, Error> {
        let token = self.source.current().await?;
        let claims = token.claims().unwrap_or_default();
        let Claims {
            holder,
            person,
            application,
            audience,
            expires,
        } = claims;
        let life = match self.source.left().await {
            Some(left) => Some(left),
            None => expires.and_then(|end| self.source.until(end)),
        };
        Ok(TokenFacts {
            holder: self.holder().or(holder),
            person,
            application,
            audience,
            life,
        })
    }
}
