//! A request and a response.

use hyper::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::rehearsal::world::names;

/// A request as it was received.
#[derive(Debug)]
pub(crate) struct Request {
    /// The method, upper case.
    pub(crate) method: String,
    /// The decoded path.
    pub(crate) path: String,
    /// The query as it was sent.
    pub(crate) raw_query: Option<String>,
    /// The decoded pairs of the query.
    query: Vec<(String, String)>,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A request from its parts; the path is still encoded.
    pub(crate) fn new(
        method: &str,
        path: &str,
        query: Option<&str>,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Self {
        let pairs = query.map(pairs).unwrap_or_default();
        Self {
            method: method.to_ascii_uppercase(),
            path: percent_decode_str(path).decode_utf8_lossy().into_owned(),
            raw_query: query.map(str::to_owned),
            query: pairs,
            headers,
            body,
        }
    }

    /// The same request with another body and with names replaced in its path and query.
    pub(crate) fn renamed(&self, replace: impl Fn(&str) -> String, body: Vec<u8>) -> Self {
        let query = self.query.iter();
        Self {
            method: self.method.clone(),
            path: replace(&self.path),
            raw_query: self.raw_query.as_deref().map(&replace),
            query: query
                .map(|(name, value)| (replace(name), replace(value)))
                .collect(),
            headers: self.headers.clone(),
            body,
        }
    }

    /// A header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The value of a query option, ignoring the case of its name.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The query options.
    pub(crate) fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body as JSON; an empty body is an empty object.
    pub(crate) fn json(&self) -> Result<Value, serde_json::Error> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&self.body)
    }

    /// The segments of the path below a root, ignoring case; `None` if it is elsewhere.
    pub(crate) fn segments_below(&self, root: &str) -> Option<Vec<&str>> {
        let head = self.path.get(..root.len())?;
        let rest = &self.path[root.len()..];
        (head.eq_ignore_ascii_case(root)).then(|| {
            rest.split('/')
                .filter(|segment| !segment.is_empty())
                .collect()
        })
    }
}

/// The decoded pairs of a query or a form: `+` and `%20` are spaces.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Headers, in addition to those of every response.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<String>,
    /// Whether the changes of a refused request are kept.
    pub(crate) keeps_changes: bool,
}

impl Response {
    /// A response without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: None,
            keeps_changes: false,
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            // Much faster than `to_string`, and JSON values can always be written.
            body: Some(serde_json::to_string(body).unwrap_or_default()),
            ..Self::empty(status)
        }
        .with("Content-Type", "application/json; charset=utf-8")
    }

    /// An error in the form of the admin API.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({
            "error": {"code": code, "message": message, "detailUrlType": "NotSpecified"},
        });
        Self::json(status, &body)
    }

    /// Adds or replaces a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name, value.into()));
        self
    }

    /// Adds a header with a random id, which users can quote to support.
    pub(crate) fn with_unique(self, name: &'static str) -> Self {
        self.with(name, names::unique())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_are_decoded() {
        let query = Some("$filter=name+eq%20'a%2Bb'&x=1");
        let request = Request::new("get", "/a%20b", query, HeaderMap::new(), Vec::new());
        assert_eq!(request.method, "GET");
        assert_eq!(request.path, "/a b");
        assert_eq!(request.option("$filter"), Some("name eq 'a+b'"));
        assert_eq!(request.option("X"), Some("1"));
    }

    #[test]
    fn the_case_of_a_root_does_not_matter() {
        let request = Request::new(
            "GET",
            "/API/data/v9.2/x/y",
            None,
            HeaderMap::new(),
            Vec::new(),
        );
        assert_eq!(
            request.segments_below("/api/data/v9.2/").unwrap(),
            ["x", "y"]
        );
        assert_eq!(request.segments_below("/other/"), None);
    }
}
