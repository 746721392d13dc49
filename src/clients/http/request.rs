//! What is asked of a service: a method, a path on its origin, headers, a body.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use url::Url;

use crate::clients::error::presentable;

/// An HTTP method that the services know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Method {
    Get,
    Post,
    Patch,
    Put,
    Delete,
}

impl Method {
    /// Its name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    pub(super) fn on_the_wire(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Post => reqwest::Method::POST,
            Self::Patch => reqwest::Method::PATCH,
            Self::Put => reqwest::Method::PUT,
            Self::Delete => reqwest::Method::DELETE,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is not an HTTP method that the services know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("'{0}' is not one of GET, POST, PATCH, PUT, DELETE")]
pub(crate) struct UnknownMethod(String);

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        [Self::Get, Self::Post, Self::Patch, Self::Put, Self::Delete]
            .into_iter()
            .find(|method| method.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownMethod(text.to_owned()))
    }
}

/// Where a request goes on its service's origin.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A path with its query.
    Path(String),
    /// A link of an answer, which has passed the origin's check.
    Link(Url),
}

/// One request, which may be attempted more than once.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Bytes>,
    pub(super) tries: Option<u32>,
    pub(super) within: Option<Duration>,
    pub(super) is_once: bool,
}

impl Request {
    /// A request of a path with its query, percent-encoded already.
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self::to(method, Target::Path(path.into()))
    }

    /// A read.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }

    /// A read of a link that the service itself sent and that [`super::Service::link`] let pass.
    pub(crate) fn get_link(link: Url) -> Self {
        Self::to(Method::Get, Target::Link(link))
    }

    fn to(method: Method, target: Target) -> Self {
        Self {
            method,
            target,
            headers: Vec::new(),
            body: None,
            tries: None,
            within: None,
            is_once: false,
        }
    }

    /// The same request with one more header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same request with a JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.json_text(body.to_string())
    }

    /// The same request with this exact JSON text as its body.
    pub(crate) fn json_text(mut self, body: impl Into<String>) -> Self {
        self.body = Some(Bytes::from(body.into()));
        self.header("content-type", "application/json")
    }

    /// The same request, given up after this many attempts.
    pub(crate) fn tries(mut self, tries: u32) -> Self {
        self.tries = Some(tries);
        self
    }

    /// The same request, of which the service receives at most one: whatever it answers, also 401 and
    /// 429, ends it. It is sent again only where there was no connection, so that nothing was sent.
    pub(crate) fn once(mut self) -> Self {
        self.is_once = true;
        self
    }

    /// The same request, whose answer may take so long, in real time, where that is longer than for
    /// others.
    pub(crate) fn answered_within(mut self, duration: Duration) -> Self {
        self.within = Some(duration);
        self
    }

    /// Does it only read, so that sending it twice is harmless?
    pub(super) fn is_read(&self) -> bool {
        self.method == Method::Get
    }

    /// Method and path, for people. The query is left out: it is long, and its values may be secret.
    pub(super) fn what(&self, url: &Url) -> String {
        format!("{} {}", self.method, presentable(url.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_not_shown() {
        let url = Url::parse("https://x/invoke?sig=abc&api-version=1").unwrap();
        assert_eq!(Request::get("/invoke").what(&url), "GET /invoke");
    }

    #[test]
    fn methods_are_read_without_regard_to_case() {
        assert_eq!("patch".parse(), Ok(Method::Patch));
        assert!("HEAD".parse::<Method>().is_err());
    }
}
