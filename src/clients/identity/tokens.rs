//! The tokens of a run.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use super::kinds::Identity;
use super::sign_in::SignIn;
use super::token_source::TokenSource;
use crate::base::sync::lock;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::{Http, Origin};

/// The tokens of a run. Services with the same identity and scope share one.
pub struct Tokens {
    http: Arc<Http>,
    authority: Origin,
    sources: Mutex<HashMap<(Identity, String), Arc<TokenSource>>>,
}

impl Tokens {
    /// Takes the authority that issues the tokens, such as `https://login.microsoftonline.com`.
    /// Fails with [`ErrorKind::Configuration`] if it is not an origin.
    pub fn new(http: &Arc<Http>, authority: &str) -> Result<Self, Error> {
        let authority = Origin::parse(authority).map_err(|error| {
            let (service, what) = ("the sign-in service", "a token");
            let why = format!("'{authority}' is not a valid address: {error}");
            Error::new(ErrorKind::Configuration, service, what, &why)
                .with_source(error)
                .with_help("correct `authority` under `endpoints` in the runbook")
        })?;
        Ok(Self {
            http: Arc::clone(http),
            authority,
            sources: Mutex::default(),
        })
    }

    pub(crate) fn http(&self) -> &Arc<Http> {
        &self.http
    }

    /// The sign-in of this identity to a service whose tokens have this scope.
    pub fn sign_in(&self, identity: &Identity, scope: &str) -> SignIn {
        SignIn::new(self.source(identity, scope))
    }

    /// The source of this identity's tokens for this scope.
    pub(crate) fn source(&self, identity: &Identity, scope: &str) -> Arc<TokenSource> {
        let mut sources = lock(&self.sources);
        let source = sources
            .entry((identity.clone(), scope.to_owned()))
            .or_insert_with(|| {
                Arc::new(TokenSource::new(
                    Arc::clone(&self.http),
                    self.authority.clone(),
                    identity.clone(),
                    scope.to_owned(),
                ))
            });
        Arc::clone(source)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}
