//! What came back: status, headers, and the body's exact bytes.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::measure::{DEEPEST, MOST_VALUES, measure};
use super::retry::retry_after;
use crate::clients::error::{Error, ErrorKind, presentable};

/// The headers under which the services tell the id of a request, the most telling first:
/// Dataverse `x-ms-service-request-id` and `REQ_ID`, the admin APIs `x-ms-correlation-id`, Finance
/// and Operations `ms-dyn-aid`.
const REQUEST_IDS: [&str; 5] = [
    "x-ms-service-request-id",
    "x-ms-request-id",
    "req_id",
    "x-ms-correlation-id",
    "ms-dyn-aid",
];

/// A whole answer.
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

    /// A header's text, where it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The service's own time of its answer, as it wrote it.
    pub(crate) fn date(&self) -> Option<String> {
        self.header("date").map(str::to_owned)
    }

    /// How long the service asks to wait before the next request.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    /// The id of the request: the service's, else ours.
    pub(crate) fn request_id(&self) -> String {
        REQUEST_IDS
            .iter()
            .find_map(|name| self.header(name))
            .map_or_else(|| self.client_request_id.clone(), presentable)
    }

    /// How many values of JSON the body has, counted before it is read. One that is too deep or has
    /// too many is an error.
    pub(crate) fn measured(&self) -> Result<usize, Error> {
        let size = measure(&self.body);
        if size.depth > DEEPEST {
            let why = format!("its JSON is {} deep, and {DEEPEST} is read", size.depth);
            return Err(self.malformed(&why));
        }
        if size.values > MOST_VALUES {
            let why = format!("its answer has more than {MOST_VALUES} values");
            return Err(self.malformed(&why));
        }
        Ok(size.values)
    }

    /// The body as JSON of a known form.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.measured()?;
        serde_json::from_slice(&self.body).map_err(|error| self.malformed(&error.to_string()))
    }

    /// The body as any JSON.
    pub(crate) fn value(&self) -> Result<Value, Error> {
        self.json()
    }

    /// The body as any JSON, or none where it is empty or something else.
    pub(crate) fn maybe_value(&self) -> Option<Value> {
        self.measured().ok()?;
        serde_json::from_slice(&self.body).ok()
    }

    /// The error of an answer that is not what the service is known to send.
    pub(crate) fn malformed(&self, why: &str) -> Error {
        self.error(ErrorKind::Malformed, why)
    }

    /// An error of this kind about this answer.
    pub(crate) fn error(&self, kind: ErrorKind, why: &str) -> Error {
        Error::new(kind, &self.service, &self.what, why).with_request_id(self.request_id())
    }
}
