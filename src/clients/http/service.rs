//! One service: its origin, its name, its token. Every request is a path on that origin.

use std::sync::Arc;

use url::Url;

use super::chain;
use super::client::Http;
use super::origin::{LinkError, Origin};
use super::request::{Request, Target};
use super::response::Response;
use super::throttle::Gate;
use crate::clients::error::{Error, ErrorKind, presentable};
use crate::clients::identity::{Identity, TokenSource, Tokens};

/// Where a service is, and for what its tokens are asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Scheme, host and port: `https://api.bap.microsoft.com`.
    pub url: String,
    /// The scope of its tokens: `https://service.powerapps.com/.default`.
    pub scope: String,
}

impl Endpoint {
    /// A service whose tokens are asked for its own address, as Dataverse and Finance and
    /// Operations want it: `<url>/.default`, without the slash that the admin API puts at the end
    /// of an environment's URL (some resources take `//.default` for another audience).
    pub fn own(url: &str) -> Self {
        let url = url.trim_end_matches('/');
        Self {
            url: url.to_owned(),
            scope: format!("{url}/.default"),
        }
    }
}

/// One service that is spoken to. Clones share everything.
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
    /// May links lead to the regional hosts under this one? The admin API's poll links do.
    regional: bool,
}

impl Service {
    /// A service by the name that people shall read, such as `Dataverse of Contoso UAT`. Fails, as
    /// a configuration error, where the address is not an origin.
    pub fn new(
        tokens: &Tokens,
        identity: &Identity,
        endpoint: &Endpoint,
        name: impl Into<String>,
    ) -> Result<Self, Error> {
        let name = name.into();
        let http = tokens.http();
        let origin = Origin::parse(&endpoint.url).map_err(|error| {
            let why = format!("'{}' is not its address: {error}", endpoint.url);
            Error::new(ErrorKind::Configuration, &name, "anything", &why)
                .with_help("mend its url under `endpoints` in the runbook")
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                gate: http.gate(&origin),
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

    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.inner.origin
    }

    /// Sends a request through the chain. An answer that is not 2xx is an error.
    pub(crate) async fn send(&self, request: &Request) -> Result<Response, Error> {
        chain::run(self, request).await
    }

    /// The URL of a link that an answer holds, if it stays on this origin (or, for the admin API,
    /// on one of its regional hosts).
    pub(crate) fn link(&self, answer: &Response, link: &str) -> Result<Url, Error> {
        self.inner
            .origin
            .follow(&answer.url, link, self.inner.regional)
            .map_err(|error| answer.error(ErrorKind::ForeignOrigin, &error.to_string()))
    }

    /// The URL of a link that was kept, under the same rule.
    pub(crate) fn kept_link(&self, link: &str) -> Result<Url, Error> {
        let root = self.join("/")?;
        self.inner
            .origin
            .follow(&root, link, self.inner.regional)
            .map_err(|error| {
                let why = error.to_string();
                Error::new(
                    ErrorKind::ForeignOrigin,
                    self.name(),
                    "a link that was kept",
                    &why,
                )
            })
    }

    pub(crate) fn http(&self) -> &Http {
        &self.inner.http
    }

    pub(super) fn token(&self) -> &TokenSource {
        &self.inner.token
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.inner.gate
    }

    pub(super) fn url(&self, request: &Request) -> Result<Url, Error> {
        match &request.target {
            Target::Link(url) => Ok(url.clone()),
            Target::Path(path) => self.join(path),
        }
    }

    fn join(&self, path: &str) -> Result<Url, Error> {
        self.inner.origin.join(path).map_err(|error| {
            let path = path.split('?').next().unwrap_or_default();
            let kind = match error {
                LinkError::Unreadable(_) => ErrorKind::Configuration,
                LinkError::Foreign(..) => ErrorKind::ForeignOrigin,
            };
            Error::new(kind, self.name(), &presentable(path), &error.to_string())
        })
    }
}
