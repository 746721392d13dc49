//! An error of a service: a kind for the program, a message for a person, and its source.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use crate::base::{redaction, text};

/// The longest message of a service that is kept in an error, in characters. A longer one is a page
/// or a stack trace, which nobody reads in a terminal.
const MAX_MESSAGE: usize = 1_500;

/// An error of a service, or of the connection to it. Its text contains the service, the request,
/// the service's message, and the id that support asks for. The message of its source is part of
/// the text already.
///
/// The details are boxed to keep the error small; they are accessible like the error's own fields.
#[derive(Clone, Debug)]
pub struct Error {
    /// The kind of failure.
    pub kind: ErrorKind,
    /// What the reader can do now, if that is known.
    pub help: Option<String>,
    detail: Box<Detail>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The details of a failed request. Texts of the service are escaped and redacted.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    /// The service's name, such as `Dataverse of Contoso UAT`.
    pub service: String,
    /// The request: method and path, without its query: `GET /api/data/v9.2/workflows`.
    pub what: String,
    /// The HTTP status, if there was a response.
    pub status: Option<u16>,
    /// The service's own code. Dataverse's are `0x` and eight lower-case hexadecimal digits,
    /// whether the service wrote them in hexadecimal or in decimal.
    pub code: Option<String>,
    /// The code of an inner error: of the Flow service inside Dataverse's 0x80060467.
    pub inner_code: Option<String>,
    /// The service's message; with an inner code, that code and its message.
    pub message: String,
    /// The service's id of the request, else ours.
    pub request_id: Option<String>,
    /// The response body, if it was JSON: not for display, because nothing in it is escaped or
    /// redacted.
    pub body: Option<Value>,
    /// Is the body not the JSON that it should be, as when it was cut off, so that another response
    /// to the same read may be whole?
    pub is_garbled: bool,
}

/// The kind of failure.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorKind {
    /// No token was available, or the service did not accept it.
    NotSignedIn,
    /// Signed in, but not allowed (403).
    Forbidden,
    /// The requested item does not exist (404).
    NotFound,
    /// The item is in a state that forbids the request (409).
    Conflict,
    /// Another lifecycle operation is running on the environment (409 `OperationNotStartable`).
    Busy,
    /// The item has another version than expected (412).
    PreconditionFailed,
    /// The item that was to be created exists already (412 too, with its own code).
    Exists,
    /// Something at the service must end first, such as the installation of a solution that locks
    /// customizations (429). Nothing was applied, and other requests are not affected.
    Locked,
    /// Too many requests, and all attempts are used up. Nothing was applied.
    Throttled,
    /// The service is unavailable. Nothing was applied: the request was a read, or was never sent.
    Unavailable,
    /// A write that may have been received: its effect must be read before it is sent again.
    Ambiguous,
    /// The service refused for another reason (any other 4xx).
    Refused,
    /// The response does not have the expected shape.
    Malformed,
    /// A response pointed to another origin; no token was sent there.
    ForeignOrigin,
    /// The request was not sent, or was a read that was given up, because the run was asked to
    /// stop.
    Cancelled,
    /// The request is impossible: an invalid address or name, or an unusable credential.
    Configuration,
}

impl Error {
    /// An error about a request to a service. The message is escaped and redacted.
    pub(crate) fn new(kind: ErrorKind, service: &str, what: &str, message: &str) -> Self {
        Self {
            kind,
            help: None,
            detail: Box::new(Detail {
                service: service.to_owned(),
                what: what.to_owned(),
                message: presentable(message),
                ..Detail::default()
            }),
            source: None,
        }
    }

    /// An error with all details of a response. The texts must be presentable already.
    pub(crate) fn from_detail(kind: ErrorKind, detail: Detail, help: Option<String>) -> Self {
        Self {
            kind,
            help,
            detail: Box::new(detail),
            source: None,
        }
    }

    /// The error of a request that was given up before it was sent.
    pub(crate) fn cancelled(service: &str, what: &str) -> Self {
        let why = "the run was asked to stop; nothing was applied";
        Self::new(ErrorKind::Cancelled, service, what, why)
    }

    /// The same error with a hint.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same error with the error that caused it.
    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The same error with the request's id.
    pub(crate) fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.detail.request_id = Some(id.into());
        self
    }

    /// The same error as another kind of failure.
    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same error; `is_garbled` says whether the body was invalid JSON.
    pub(crate) fn garbled(mut self, is_garbled: bool) -> Self {
        self.detail.is_garbled = is_garbled;
        self
    }

    /// Whether the response to a read was garbled: another response may be whole.
    pub fn is_garbled_read(&self) -> bool {
        self.kind == ErrorKind::Malformed && self.is_garbled && self.what.starts_with("GET ")
    }

    /// Whether the request may succeed later without a change: the service was throttling,
    /// unavailable, or busy with another operation. `false` for an ambiguous write, whose outcome
    /// must be read first.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Busy | ErrorKind::Locked
        )
    }

    /// Whether this request certainly had no effect. Only then may a launch be recorded as refused.
    ///
    /// | Kind or status | Clear |
    /// |---|---|
    /// | never sent: no connection, no usable address, given up before it was sent | yes |
    /// | LCS: 200 with `IsSuccess: false` (it has no status here) | yes |
    /// | 400, 403 to 406, 410 to 415, 422, 429, 501, with the service's own code in a JSON body | yes |
    /// | the same without a code: HTML of a gateway, an empty body | no |
    /// | 3xx, 401, 408, 409, any other 4xx, any other 5xx, a lost or truncated response | no |
    ///
    /// 401 and 3xx may come from a gateway in front of the service; 408 and 5xx may come while it
    /// works; 409 means that an operation is running, which may be this request's own.
    pub fn is_clear_refusal(&self) -> bool {
        match (self.kind, self.status) {
            (
                ErrorKind::Unavailable
                | ErrorKind::Configuration
                | ErrorKind::Cancelled
                | ErrorKind::Refused,
                None,
            ) => true,
            (_, Some(400 | 403..=406 | 410..=415 | 422 | 429 | 501)) => {
                self.code.is_some() && self.body.is_some()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail.sentence(self.kind))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source: &(dyn StdError + 'static) = self.source.as_deref()?;
        Some(source)
    }
}

impl Deref for Error {
    type Target = Detail;

    fn deref(&self) -> &Detail {
        &self.detail
    }
}

impl Detail {
    fn sentence(&self, kind: ErrorKind) -> String {
        let Self { service, what, .. } = self;
        let mut text = match kind {
            ErrorKind::NotSignedIn => format!("{service} did not accept the sign-in for {what}"),
            ErrorKind::Forbidden => format!("{service} does not allow {what}"),
            ErrorKind::NotFound => format!("{service} did not find {what}"),
            ErrorKind::Conflict
            | ErrorKind::PreconditionFailed
            | ErrorKind::Exists
            | ErrorKind::Locked
            | ErrorKind::Refused => {
                format!("{service} refused {what}")
            }
            ErrorKind::Busy => {
                format!("{service} is busy with another operation and refused {what}")
            }
            ErrorKind::Throttled => format!("{service} throttled {what}"),
            ErrorKind::Unavailable => format!("{service}{NOT_AVAILABLE_FOR}{what}"),
            ErrorKind::Ambiguous => {
                format!("{service} may or may not have carried out {what}")
            }
            ErrorKind::Malformed => {
                format!("{service} sent an unexpected response to {what}")
            }
            ErrorKind::ForeignOrigin => {
                format!("{service} responded to {what} with a link that is not followed")
            }
            ErrorKind::Cancelled => format!("{what} of {service} was cancelled"),
            ErrorKind::Configuration => format!("{what} cannot be sent to {service}"),
        };
        // Writing to a String cannot fail.
        _ = match (&self.code, self.status) {
            (Some(code), _) => write!(text, ": {code}"),
            (None, Some(status)) => write!(text, ": status {status}"),
            (None, None) => write!(text, ":"),
        };
        if !self.message.is_empty() {
            _ = write!(text, " {}", self.message);
        }
        if let Some(id) = &self.request_id {
            _ = write!(text, "{}{id})", text::REQUEST_ID);
        }
        text
    }
}

/// What the text of an error says between the service and the request, if the service did not answer.
pub(crate) const NOT_AVAILABLE_FOR: &str = " is not available for ";

/// The longest text that is searched for secrets, in characters, so that a page of megabytes costs
/// little.
const MAX_SEARCHED: usize = 40 * MAX_MESSAGE;

/// A service's text made safe to show: secret values and credentials removed, control characters
/// escaped, and shortened. Shortening comes last: half a secret would not be recognized.
pub(crate) fn presentable(message: &str) -> String {
    let message = message.trim();
    let cut = |text: &str, longest: usize| text.char_indices().nth(longest).map(|(end, _)| end);
    let searched = cut(message, MAX_SEARCHED).unwrap_or(message.len());
    let clean = redaction::redact(&message[..searched]);
    let short = match cut(&clean, MAX_MESSAGE) {
        Some(end) => format!("{} …", &clean[..end]),
        None => clean.into_owned(),
    };
    text::escape(&short).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Error {
        Error::from_detail(
            ErrorKind::Refused,
            Detail {
                service: "Dataverse of Contoso UAT".to_owned(),
                what: "PATCH /api/data/v9.2/workflows(1)".to_owned(),
                status: Some(400),
                code: Some("0x80060467".to_owned()),
                inner_code: Some("FlowMissingConnection".to_owned()),
                message: "FlowMissingConnection: no connection".to_owned(),
                request_id: Some("42".to_owned()),
                ..Detail::default()
            },
            None,
        )
    }

    #[test]
    fn the_text_contains_service_request_code_and_id() {
        assert_eq!(
            refused().to_string(),
            "Dataverse of Contoso UAT refused PATCH /api/data/v9.2/workflows(1): 0x80060467 \
             FlowMissingConnection: no connection (request id 42)"
        );
    }

    #[test]
    fn an_error_keeps_its_source() {
        let cause = std::io::Error::other("connection refused");
        let error = Error::new(ErrorKind::Unavailable, "it", "GET /", "no connection");
        assert!(error.source().is_none());
        let error = error.with_source(cause).clone();
        assert_eq!(error.source().unwrap().to_string(), "connection refused");
    }

    #[test]
    fn a_service_cannot_colour_the_terminal_or_leak_a_token() {
        let message = "\u{1b}[31mBearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2ln";
        let error = Error::new(ErrorKind::Refused, "it", "GET /", message);
        assert_eq!(error.message, "\\u{1b}[31mBearer <redacted token>");
        let long = Error::new(ErrorKind::Refused, "it", "GET /", &"ä".repeat(5_000));
        assert!(long.message.chars().count() < 1_600);
    }

    #[test]
    fn a_secret_in_a_message_is_a_fingerprint_also_where_the_text_is_cut() {
        let value = "uat-store-hash-of-the-error-test";
        let shown = redaction::fingerprint(value);
        for before in [0, MAX_MESSAGE - 10, MAX_MESSAGE - 1] {
            let message = format!("{}{value}{}", "ä".repeat(before), "-".repeat(2_000));
            let error = Error::new(ErrorKind::Refused, "it", "PATCH /", &message);
            assert!(!error.message.contains("uat-store"), "{}", error.message);
            let cut_in = error.message.contains(&shown[..1]);
            assert!(cut_in, "{}", error.message);
        }
    }

    #[test]
    fn only_a_refusal_of_the_service_itself_is_clear() {
        let responded = |status: u16, code: Option<&str>| {
            let detail = Detail {
                status: Some(status),
                code: code.map(str::to_owned),
                body: code.map(|code| serde_json::json!({"error": {"code": code}})),
                ..Detail::default()
            };
            Error::from_detail(ErrorKind::Refused, detail, None).is_clear_refusal()
        };
        let clear: Vec<u16> = (300..600)
            .filter(|status| responded(*status, Some("X")))
            .collect();
        assert_eq!(
            clear,
            [
                400, 403, 404, 405, 406, 410, 411, 412, 413, 414, 415, 422, 429, 501
            ]
        );
        assert!(
            (300..600).all(|status| !responded(status, None)),
            "without a code"
        );
        let unsent = |kind| Error::new(kind, "it", "POST /", "why").is_clear_refusal();
        assert!(unsent(ErrorKind::Unavailable) && unsent(ErrorKind::Configuration));
        for kind in [
            ErrorKind::Ambiguous,
            ErrorKind::Malformed,
            ErrorKind::NotSignedIn,
        ] {
            assert!(!unsent(kind), "{kind:?}");
        }
    }
}
