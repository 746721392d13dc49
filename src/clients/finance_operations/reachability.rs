//! Is it there, and does it let us in?

use std::fmt;

use super::client::FinanceOperations;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::Request;

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
    /// Asks for the root of its OData service, and again while it is away, as of any read.
    pub async fn answers(&self) -> Result<(), Error> {
        self.service.send(&Request::get("/data/")).await.map(|_| ())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::testing::{Listener, Reply, Setup, authority};

    async fn ask(reply: Reply) -> Reachability {
        let setup = Setup::new(1_000.0);
        let authority = authority(3_600).await;
        let listener = Listener::replying(vec![reply]).await;
        let finance = FinanceOperations::new(setup.signed_in(&authority.url, &listener.url));
        let answer = finance.reachable().await.unwrap();
        assert!(setup.waits.all().is_empty(), "a probe does not wait");
        answer
    }

    #[tokio::test]
    async fn each_way_of_not_answering_is_told_apart() {
        assert!(ask(Reply::json(200, "{}")).await.is_reachable());
        assert!(matches!(
            ask(Reply::json(401, "")).await,
            Reachability::NotSignedIn(_)
        ));
        assert!(matches!(
            ask(Reply::json(403, "")).await,
            Reachability::Forbidden(_)
        ));
        for away in [
            Reply::json(404, ""),
            Reply::json(503, "<title>Away</title>"),
            Reply::HangUp,
            Reply::Silence,
            Reply::json(302, ""),
        ] {
            let answer = ask(away).await;
            assert!(matches!(answer, Reachability::NotReady(_)), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_sign_in_that_fails_says_nothing_about_it() {
        let setup = Setup::new(1_000.0);
        let authority = Listener::replying(vec![Reply::json(
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: no"}"#,
        )])
        .await;
        let listener = Listener::replying(vec![Reply::json(200, "")]).await;
        let finance = FinanceOperations::new(setup.signed_in(&authority.url, &listener.url));
        let error = finance.reachable().await.unwrap_err();
        assert_eq!((error.kind, listener.count()), (ErrorKind::NotSignedIn, 0));
    }
}
