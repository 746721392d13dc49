//! A request and an answer.

use axum::http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::rehearsal::world::names;

/// A request as it came in.
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
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A request of its parts, the path still encoded.
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

    /// The same request with its path, query and body put otherwise.
    pub(crate) fn put_otherwise(&self, put: impl Fn(&str) -> String, body: Vec<u8>) -> Self {
        let query = self.query.iter();
        Self {
            method: self.method.clone(),
            path: put(&self.path),
            raw_query: self.raw_query.as_deref().map(&put),
            query: query.map(|(name, value)| (put(name), put(value))).collect(),
            headers: self.headers.clone(),
            body,
        }
    }

    /// A header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A pair of the query, whatever the case of its name.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The pairs of the query.
    pub(crate) fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body as JSON; nothing is an empty object.
    pub(crate) fn json(&self) -> Result<Value, serde_json::Error> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&self.body)
    }

    /// The segments of the path below a root, if it is below it. Case does not count.
    pub(crate) fn below(&self, root: &str) -> Option<Vec<&str>> {
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

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Headers, beside those that every answer has.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body; nothing where there is none.
    pub(crate) body: Option<String>,
    /// Whether what the request changed stays although it is refused.
    pub(crate) keeps_changes: bool,
}

impl Answer {
    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: None,
            keeps_changes: false,
        }
    }

    /// An answer in JSON.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            body: Some(body.to_string()),
            ..Self::empty(status)
        }
        .with("Content-Type", "application/json; charset=utf-8")
    }

    /// The admin API's form of an error.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({
            "error": {"code": code, "message": message, "detailUrlType": "NotSpecified"},
        });
        Self::json(status, &body)
    }

    /// The same answer with a header more; one that is there already is replaced.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name, value.into()));
        self
    }

    /// The same answer with an id for people to quote to support.
    pub(crate) fn with_unique(self, name: &'static str) -> Self {
        self.with(name, names::unique())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plus_and_percent_are_spaces() {
        let query = Some("$filter=name+eq%20'a%2Bb'&x=1");
        let request = Request::new("get", "/a%20b", query, HeaderMap::new(), Vec::new());
        assert_eq!(request.method, "GET");
        assert_eq!(request.path, "/a b");
        assert_eq!(request.option("$filter"), Some("name eq 'a+b'"));
        assert_eq!(request.option("X"), Some("1"));
    }

    #[test]
    fn a_root_is_found_whatever_its_case() {
        let request = Request::new(
            "GET",
            "/API/data/v9.2/x/y",
            None,
            HeaderMap::new(),
            Vec::new(),
        );
        assert_eq!(request.below("/api/data/v9.2/").unwrap(), ["x", "y"]);
        assert_eq!(request.below("/other/"), None);
    }
}
