//! A response: status, headers, and the exact bytes of the body.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use url::Url;

use super::parsing::{MAX_DEPTH, MAX_VALUES, ServiceError, measure_json, retry_after};
use crate::clients::error::{Error, ErrorKind, presentable};

/// The headers with the id of a request, the most specific first: Dataverse
/// `x-ms-service-request-id` and `REQ_ID`, the admin APIs `x-ms-correlation-id`, Finance and
/// Operations `ms-dyn-aid`.
const REQUEST_IDS: [&str; 5] = [
    "x-ms-service-request-id",
    "x-ms-request-id",
    "req_id",
    "x-ms-correlation-id",
    "ms-dyn-aid",
];

/// A whole response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) url: Url,
    pub(super) service: String,
    pub(super) what: String,
    /// The id that this attempt was sent with.
    pub(super) client_request_id: String,
}

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The value of a header, if it is present and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The `Date` header, as the service wrote it.
    pub(crate) fn date(&self) -> Option<String> {
        self.header("date").map(str::to_owned)
    }

    /// How long the service asks to wait before the next request.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    /// The service's id of the request, else ours.
    pub(crate) fn request_id(&self) -> String {
        REQUEST_IDS
            .iter()
            .find_map(|name| self.header(name))
            .map_or_else(|| self.client_request_id.clone(), presentable)
    }

    /// The number of JSON values in the body, counted before it is parsed. A body that is too deep
    /// or has too many values is an error.
    pub(crate) fn count_values(&self) -> Result<usize, Error> {
        let size = measure_json(&self.body);
        if size.depth > MAX_DEPTH {
            let why = format!(
                "its JSON is {} levels deep, and the limit is {MAX_DEPTH}",
                size.depth
            );
            return Err(self.malformed(&why));
        }
        if size.values > MAX_VALUES {
            let why = format!("its response has more than {MAX_VALUES} values");
            return Err(self.malformed(&why));
        }
        Ok(size.values)
    }

    /// The body as JSON of a known shape.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.count_values()?;
        serde_json::from_slice(&self.body).map_err(|error| {
            let is_garbled = error.is_syntax() || error.is_eof();
            let malformed = self.malformed(&error.to_string()).garbled(is_garbled);
            malformed.with_source(error)
        })
    }

    /// Why the body is not JSON, if it has one that is not: half a response, or a page of something
    /// in front of the service. A body that is too large to parse is not judged here.
    pub(super) fn describe_garbled(&self) -> Option<String> {
        let text = self
            .body
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(&self.body);
        if text.trim_ascii().is_empty() {
            return None;
        }
        let error = serde_json::from_slice::<IgnoredAny>(text).err()?;
        // A body that is JSON is counted by those who parse it, so not here as well.
        self.count_values().ok()?;
        Some(if text.trim_ascii_start().starts_with(b"<") {
            ServiceError::parse(None, text).message
        } else {
            format!("a body that is not JSON ({error})")
        })
    }

    /// The body as any JSON.
    pub(crate) fn value(&self) -> Result<Value, Error> {
        self.json()
    }

    /// The body as any JSON; `None` if it is empty or not JSON.
    pub(crate) fn maybe_value(&self) -> Option<Value> {
        self.count_values().ok()?;
        serde_json::from_slice(&self.body).ok()
    }

    /// The items of a list in this response. An item that cannot be parsed fails the list: an
    /// incomplete list would be taken for the whole.
    pub(crate) fn parse_items<T>(
        &self,
        list: Option<&Value>,
        name: &str,
        parse: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let items = list
            .and_then(Value::as_array)
            .ok_or_else(|| self.malformed(&format!("the response has no list of {name}")))?;
        let parse = |item: &Value| {
            parse(item).ok_or_else(|| {
                let why = format!("an item of the list of {name} has an unexpected shape: {item}");
                self.malformed(&why)
            })
        };
        items.iter().map(parse).collect()
    }

    /// The error for a response that does not have the expected shape.
    pub(crate) fn malformed(&self, why: &str) -> Error {
        self.error(ErrorKind::Malformed, why)
    }

    /// An error of this kind about this response.
    pub(crate) fn error(&self, kind: ErrorKind, why: &str) -> Error {
        Error::new(kind, &self.service, &self.what, why).with_request_id(self.request_id())
    }
}
