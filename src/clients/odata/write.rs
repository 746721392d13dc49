//! Conditions of writes, and the response to one.

use serde_json::Value;

use crate::clients::http::{Request, Response, Service};

/// The condition of a write (Microsoft Learn, *Perform conditional operations using the Web API*).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Condition {
    /// Only if the row still has this version (`If-Match: <etag>`); otherwise
    /// [`PreconditionFailed`](crate::clients::ErrorKind::PreconditionFailed).
    Etag(String),
    /// Only if the row exists (`If-Match: *`): without it, a PATCH of a wrong id creates a row.
    Exists,
    /// Only if the row does not exist yet (`If-None-Match: *`).
    Create,
    /// No condition.
    None,
}

impl Condition {
    /// The request with the header of this condition.
    pub(in crate::clients) fn add_to(self, request: Request) -> Request {
        match self {
            Self::Etag(etag) => request.header("if-match", etag),
            Self::Exists => request.header("if-match", "*"),
            Self::Create => request.header("if-none-match", "*"),
            Self::None => request,
        }
    }
}

/// The response to a write that was carried out or accepted. It does not prove success: the end
/// state must be read.
#[derive(Clone, Debug, PartialEq)]
pub struct WriteResponse {
    /// The status: 200, 201, 202 or 204.
    pub status: u16,
    /// The URL in the response, on this origin (`Operation-Location`, `Location` or
    /// `OData-EntityId`): of an operation, or of the created row.
    pub handle: Option<String>,
    /// The URL that is not followed, because it leads to another origin.
    pub refused_link: Option<String>,
    /// The `Date` header of the response.
    pub service_date: Option<String>,
    /// The body, if it was JSON.
    pub body: Option<Value>,
}

/// Reads the response to a write that was carried out or accepted.
pub(in crate::clients) fn read_write_response(
    service: &Service,
    response: &Response,
) -> WriteResponse {
    let headers = ["operation-location", "location", "odata-entityid"];
    let (url, refused_link) = service.resolve_header(response, &headers);
    WriteResponse {
        status: response.status(),
        handle: url.map(String::from),
        refused_link,
        service_date: response.date(),
        body: response.maybe_value(),
    }
}
