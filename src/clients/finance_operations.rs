//! Finance and Operations: is it there, and does it let us in?

use std::fmt;

use super::error::{Error, ErrorKind};
use super::http::{Request, Service};

/// The Finance and Operations of an environment.
#[derive(Clone, Debug)]
pub struct FinanceOperations {
    service: Service,
}

/// Whether Finance and Operations can be reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reachability {
    /// It answers.
    Reachable,
    /// It does not accept the token (401): another audience, or a user that a refresh disabled.
    NotSignedIn(String),
    /// It does not let the caller in (403): the application is not registered in it.
    Forbidden(String),
    /// It is not there yet: no connection, no such page, or an error of the service. After a copy or
    /// a refresh that is not a failure.
    NotReady(String),
}

impl Reachability {
    /// Does it answer?
    pub fn is_reachable(&self) -> bool {
        *self == Self::Reachable
    }
}

impl fmt::Display for Reachability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reachable => f.write_str("it answers"),
            Self::NotSignedIn(said) => write!(f, "it does not accept the token: {said}"),
            Self::Forbidden(said) => write!(f, "it does not let the caller in: {said}"),
            Self::NotReady(said) => write!(f, "it is not ready: {said}"),
        }
    }
}

impl FinanceOperations {
    /// Takes the service that it is reached through.
    pub fn new(service: Service) -> Self {
        Self { service }
    }

    /// Asks for the root of its OData service, once. An error here is one that says nothing about
    /// Finance and Operations: no token could be had, or stopping was asked for.
    pub async fn reachable(&self) -> Result<Reachability, Error> {
        let Err(error) = self.service.send(&Request::get("/data/").tries(1)).await else {
            return Ok(Reachability::Reachable);
        };
        let said = match error.status {
            Some(status) => format!("{status} {}", error.message),
            None => error.message.clone(),
        };
        match (error.kind, error.status) {
            (ErrorKind::NotSignedIn, Some(401)) if error.service == self.service.name() => {
                Ok(Reachability::NotSignedIn(said))
            }
            (ErrorKind::Forbidden, _) => Ok(Reachability::Forbidden(said)),
            (ErrorKind::NotFound | ErrorKind::Malformed, _) => Ok(Reachability::NotReady(said)),
            (ErrorKind::Unavailable, _) if error.service == self.service.name() => {
                Ok(Reachability::NotReady(said))
            }
            _ => Err(error),
        }
    }
}
