//! Whether Finance and Operations responds and accepts the caller.

use std::fmt;

use super::client::FinanceOperations;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::Request;

/// Whether Finance and Operations responds and accepts the caller. The texts are its messages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reachability {
    /// It responds.
    Reachable,
    /// It does not accept the token (401): wrong audience, or a user that a refresh disabled.
    NotSignedIn(String),
    /// It does not allow the caller (403): the application is not registered.
    Forbidden(String),
    /// It is not available yet: no connection, no such page, or an error of the service. After a
    /// copy or a refresh this is not a failure.
    NotReady(String),
}

impl Reachability {
    /// Whether it responds and accepts the caller.
    pub fn is_reachable(&self) -> bool {
        *self == Self::Reachable
    }
}

impl fmt::Display for Reachability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reachable => f.write_str("it responds"),
            Self::NotSignedIn(message) => write!(f, "it does not accept the token: {message}"),
            Self::Forbidden(message) => write!(f, "it does not allow the caller: {message}"),
            Self::NotReady(message) => write!(f, "it is not ready: {message}"),
        }
    }
}

impl FinanceOperations {
    /// Reads the root of its OData service, with retries like any read.
    pub async fn read_root(&self) -> Result<(), Error> {
        self.service.send(&Request::get("/data/")).await.map(|_| ())
    }

    /// Reads the root of its OData service, once. Fails only for reasons that say nothing about
    /// Finance and Operations: no token was available, or the run was asked to stop.
    pub async fn reachability(&self) -> Result<Reachability, Error> {
        let Err(error) = self.service.send(&Request::get("/data/").tries(1)).await else {
            return Ok(Reachability::Reachable);
        };
        let message = match error.status {
            Some(status) => format!("{status} {}", error.message),
            None => error.message.clone(),
        };
        match (error.kind, error.status) {
            (ErrorKind::NotSignedIn, Some(401)) if error.service == self.service.name() => {
                Ok(Reachability::NotSignedIn(message))
            }
            (ErrorKind::Forbidden, _) => Ok(Reachability::Forbidden(message)),
            (ErrorKind::NotFound | ErrorKind::Malformed, _) => Ok(Reachability::NotReady(message)),
            (ErrorKind::Unavailable, _) if error.service == self.service.name() => {
                Ok(Reachability::NotReady(message))
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
        let response = finance.reachability().await.unwrap();
        assert!(setup.waits.all().is_empty(), "a probe does not wait");
        response
    }

    #[tokio::test]
    async fn each_kind_of_failure_is_distinguished() {
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
            let response = ask(away).await;
            assert!(matches!(response, Reachability::NotReady(_)), "{response}");
        }
    }

    #[tokio::test]
    async fn a_failed_sign_in_says_nothing_about_reachability() {
        let setup = Setup::new(1_000.0);
        let authority = Listener::replying(vec![Reply::json(
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: no"}"#,
        )])
        .await;
        let listener = Listener::replying(vec![Reply::json(200, "")]).await;
        let finance = FinanceOperations::new(setup.signed_in(&authority.url, &listener.url));
        let error = finance.reachability().await.unwrap_err();
        assert_eq!((error.kind, listener.count()), (ErrorKind::NotSignedIn, 0));
    }
}
