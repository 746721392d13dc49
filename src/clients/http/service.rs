//! One service: its origin, its name, its token. Every request is a path on that origin.

use std::sync::Arc;

use jiff::Timestamp;
use url::Url;

use super::chain::Chain;
use super::client::Http;
use super::parsing::{LinkError, Origin};
use super::policy::Gate;
use super::request::{Request, Target};
use super::response::Response;
use crate::clients::error::{Error, ErrorKind, presentable};
use crate::clients::identity::{Identity, TokenSource, Tokens};

/// The address of a service and the scope of its tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceEndpoint {
    /// Scheme, host and port: `https://api.bap.microsoft.com`.
    pub url: String,
    /// The scope of its tokens: `https://service.powerapps.com/.default`.
    pub scope: String,
}

impl ServiceEndpoint {
    /// A service whose token scope is its own address, as for Dataverse and Finance and Operations:
    /// `<url>/.default`, without the slash that the admin API puts at the end of an environment's
    /// URL (some resources take `//.default` for another audience).
    pub fn with_own_scope(url: &str) -> Self {
        let url = url.trim_end_matches('/');
        Self {
            url: url.to_owned(),
            scope: format!("{url}/.default"),
        }
    }
}

/// One service. Clones share everything.
#[derive(Clone, Debug)]
pub struct Service {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: Arc<Http>,
    name: String,
    origin: Origin,
    token: Arc<TokenSource>,
    gate: Arc<Gate>,
    /// Whether links may lead to the regional hosts below this one. The admin API's poll links do.
    regional: bool,
}

impl Service {
    /// A service with a name for people, such as `Dataverse of Contoso UAT`. Fails with
    /// [`ErrorKind::Configuration`] if the address is not an origin.
    pub fn new(
        tokens: &Tokens,
        identity: &Identity,
        endpoint: &ServiceEndpoint,
        name: impl Into<String>,
    ) -> Result<Self, Error> {
        let name = name.into();
        let http = tokens.http();
        let origin = Origin::parse(&endpoint.url).map_err(|error| {
            let why = format!("'{}' is not a valid address: {error}", endpoint.url);
            Error::new(ErrorKind::Configuration, &name, "anything", &why)
                .with_source(error)
                .with_help("correct its url under `endpoints` in the runbook")
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                gate: http.gate(&origin, identity),
                http: Arc::clone(http),
                token: tokens.source(identity, &endpoint.scope),
                name,
                origin,
                regional: false,
            }),
        })
    }

    /// The same service, whose links may also lead to its regional hosts.
    pub(crate) fn with_regional_hosts(self) -> Self {
        let inner = &self.inner;
        Self {
            inner: Arc::new(Inner {
                http: Arc::clone(&inner.http),
                name: inner.name.clone(),
                origin: inner.origin.clone(),
                token: Arc::clone(&inner.token),
                gate: Arc::clone(&inner.gate),
                regional: true,
            }),
        }
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The services' own time now; `None` before the first response.
    pub(crate) fn server_time(&self) -> Option<Timestamp> {
        let since = self.inner.http.server_time()?;
        Timestamp::UNIX_EPOCH.checked_add(since).ok()
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.inner.origin
    }

    /// Sends a request through the chain. A response that is not 2xx is an error.
    pub(crate) async fn send(&self, request: &Request) -> Result<Response, Error> {
        let url = match &request.target {
            Target::Link(url) => url.clone(),
            Target::Path(path) => self.join(path)?,
        };
        let chain = Chain {
            http: &self.inner.http,
            service: &self.inner.name,
            token: &self.inner.token,
            gate: &self.inner.gate,
        };
        chain.run(&url, request).await
    }

    /// The URL of a link in a response, if it stays on this origin (or, for the admin API, on one
    /// of its regional hosts).
    pub(crate) fn resolve_link(&self, response: &Response, link: &str) -> Result<Url, Error> {
        self.inner
            .origin
            .follow(&response.url, link, self.inner.regional)
            .map_err(|error| {
                response
                    .error(ErrorKind::ForeignOrigin, &error.to_string())
                    .with_source(error)
            })
    }

    /// The link in the first of these headers that the response has: its URL, or, if it is not
    /// followed, its text.
    pub(crate) fn resolve_header(
        &self,
        response: &Response,
        headers: &[&str],
    ) -> (Option<Url>, Option<String>) {
        let link = headers.iter().find_map(|name| response.header(name));
        match link.map(|link| self.resolve_link(response, link).map_err(|_| link)) {
            None => (None, None),
            Some(Ok(url)) => (Some(url), None),
            Some(Err(link)) => (None, Some(presentable(link))),
        }
    }

    /// The URL of a stored link, under the same rule.
    pub(crate) fn resolve_stored_link(&self, link: &str) -> Result<Url, Error> {
        let root = self.join("/")?;
        self.inner
            .origin
            .follow(&root, link, self.inner.regional)
            .map_err(|error| {
                let why = error.to_string();
                Error::new(ErrorKind::ForeignOrigin, self.name(), "a stored link", &why)
                    .with_source(error)
            })
    }

    pub(crate) fn http(&self) -> &Http {
        &self.inner.http
    }

    fn join(&self, path: &str) -> Result<Url, Error> {
        self.inner.origin.join(path).map_err(|error| {
            let path = path.split('?').next().unwrap_or_default();
            let kind = match error {
                LinkError::Invalid(_) => ErrorKind::Configuration,
                LinkError::Foreign(..) => ErrorKind::ForeignOrigin,
            };
            Error::new(kind, self.name(), &presentable(path), &error.to_string()).with_source(error)
        })
    }
}
