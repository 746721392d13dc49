//! A request: a method, a path on the service's origin, headers, a body.

use std::time::Duration;

use bytes::Bytes;
pub(crate) use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::clients::error::presentable;

/// The text is not an HTTP method that the services accept.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("'{0}' is not one of GET, POST, PATCH, PUT, DELETE")]
pub(crate) struct UnknownMethod(String);

/// Parses the name of a method that the services accept, case-insensitively.
pub(crate) fn parse_method(text: &str) -> Result<Method, UnknownMethod> {
    [
        Method::GET,
        Method::POST,
        Method::PATCH,
        Method::PUT,
        Method::DELETE,
    ]
    .into_iter()
    .find(|method| method.as_str().eq_ignore_ascii_case(text))
    .ok_or_else(|| UnknownMethod(text.to_owned()))
}

/// The target of a request on its service's origin.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A path with its query.
    Path(String),
    /// A link of a response that has passed the origin's check.
    Link(Url),
}

/// A request, which may be attempted more than once.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Bytes>,
    pub(super) tries: Option<u32>,
    pub(super) timeout: Option<Duration>,
    pub(super) is_sent_once: bool,
}

impl Request {
    /// A request for a path with its query, already percent-encoded.
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self::to(method, Target::Path(path.into()))
    }

    /// A read.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A read of a link that the service itself sent and that [`super::Service::resolve_link`]
    /// accepted.
    pub(crate) fn get_link(link: Url) -> Self {
        Self::to(Method::GET, Target::Link(link))
    }

    fn to(method: Method, target: Target) -> Self {
        Self {
            method,
            target,
            headers: Vec::new(),
            body: None,
            tries: None,
            timeout: None,
            is_sent_once: false,
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

    /// The same request with this number of attempts.
    pub(crate) fn tries(mut self, tries: u32) -> Self {
        self.tries = Some(tries);
        self
    }

    /// The same request, which the service receives at most once: any response ends it, also 401
    /// and 429. It is retried only if there was no connection, so that nothing was sent.
    pub(crate) fn once(mut self) -> Self {
        self.is_sent_once = true;
        self
    }

    /// The same request with a timeout in real time, if that is longer than the usual one.
    pub(crate) fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Whether it only reads, so that sending it twice is harmless.
    pub(super) fn is_read(&self) -> bool {
        self.method == Method::GET
    }

    /// Method and path, for people. The query is left out: it is long, and its values may be
    /// secret.
    pub(super) fn describe(&self, url: &Url) -> String {
        format!("{} {}", self.method, presentable(url.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_not_shown() {
        let url = Url::parse("https://x/invoke?sig=abc&api-version=1").unwrap();
        assert_eq!(Request::get("/invoke").describe(&url), "GET /invoke");
    }

    #[test]
    fn methods_are_parsed_case_insensitively() {
        assert_eq!(parse_method("patch"), Ok(Method::PATCH));
        assert!(parse_method("HEAD").is_err());
    }
}
