//! What went wrong at a service: the kind says what may follow, the text says it to a person.

use std::fmt::Write as _;
use std::ops::Deref;

use serde_json::Value;

use crate::base::text;

/// The longest text of a service that is kept in an error, in characters. What is longer was a page
/// or a stack trace, and nobody reads it in a terminal.
const LONGEST_MESSAGE: usize = 1_500;

/// An error of a service, or of the way to it. Its text says which service, which request, what the
/// service said, and the id that support asks for.
///
/// The details are boxed, because the error travels through every call; they are read as if they
/// were the error's own fields.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .detail.sentence(*.kind))]
pub struct Error {
    /// What kind of failure it is, and so what may follow.
    pub kind: ErrorKind,
    /// What the reader can do now, where that is known.
    pub help: Option<String>,
    detail: Box<Detail>,
}

/// What is known of a failed request. Texts of the service are escaped and redacted.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    /// The service by its name, such as `Dataverse of Contoso UAT`.
    pub service: String,
    /// The request: method and path, without its query: `GET /api/data/v9.2/workflows`.
    pub what: String,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The service's own code. Dataverse's are `0x` and eight lower-case hexadecimal digits,
    /// whether the service wrote them in hexadecimal or in decimal.
    pub code: Option<String>,
    /// The code of an error inside the error: of the Flow service inside Dataverse's 0x80060467.
    pub inner_code: Option<String>,
    /// What the service said; with an inner code, that code and its text.
    pub message: String,
    /// The id of the request: the service's, else ours.
    pub request_id: Option<String>,
    /// The answer's body, where it was JSON: for reading, not for showing, because nothing in it is
    /// escaped or redacted.
    pub body: Option<Value>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorKind {
    /// No token could be had, or the service did not accept it.
    NotSignedIn,
    /// Signed in, but not allowed (403).
    Forbidden,
    /// What was asked for does not exist (404).
    NotFound,
    /// It is in a state that forbids the request (409).
    Conflict,
    /// Another lifecycle operation is running on the environment (409 `OperationNotStartable`).
    Busy,
    /// Another version is there than was expected, or something is there already (412).
    PreconditionFailed,
    /// Too many requests, and the limit of patience is spent. Nothing was applied.
    Throttled,
    /// The service is away. Nothing was applied: it was a read, or it was never sent.
    Unavailable,
    /// A write that may have been received: its effect must be read before anything is sent again.
    Ambiguous,
    /// The service refused for another reason (any other 4xx).
    Refused,
    /// The answer is not what the service is known to send.
    Malformed,
    /// An answer pointed to another origin; no token was sent there.
    ForeignOrigin,
    /// It was not sent, or it was a read that was given up, because stopping was asked for.
    Cancelled,
    /// It cannot be asked at all: a wrong address, a wrong name, a credential that cannot be used.
    Configuration,
}

impl Error {
    /// An error of this kind, with what is to be said about it. The message is escaped and redacted.
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
        }
    }

    /// An error with everything that an answer told. The texts must be presentable already.
    pub(crate) fn from_detail(kind: ErrorKind, detail: Detail, help: Option<String>) -> Self {
        Self {
            kind,
            help,
            detail: Box::new(detail),
        }
    }

    /// The error of a request that was given up before it was sent.
    pub(crate) fn cancelled(service: &str, what: &str) -> Self {
        let why = "stopping was asked for, and nothing was applied";
        Self::new(ErrorKind::Cancelled, service, what, why)
    }

    /// The same error with a hint.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same error with the request's id.
    pub(crate) fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.detail.request_id = Some(id.into());
        self
    }

    /// Is it likely to pass by itself? True when the service was throttling, away, or busy with
    /// another operation. An ambiguous write is not: first it must be read what became of it.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Busy
        )
    }

    /// Does the code of a refusal say that the same request may be answered otherwise later? Where
    /// the code is not known, no.
    pub fn is_retryable_refusal(&self) -> bool {
        super::http::is_retryable(self)
    }

    /// Did this very request certainly have no effect? Only then may a launch be recorded as refused.
    ///
    /// | Kind or status | Clear |
    /// |---|---|
    /// | it was never sent: no connection, no usable address, given up before it was sent | yes |
    /// | LCS: 200 with `IsSuccess: false` (it has no status here) | yes |
    /// | 400, 403 to 406, 410 to 415, 422, 429, 501, with the service's own code in a JSON body | yes |
    /// | the same without a code: HTML of a gateway, an empty body | no |
    /// | 3xx, 401, 408, 409, any other 4xx, any other 5xx, an answer that was lost or cut off | no |
    ///
    /// 401 and 3xx come from gateways in front of a service as well; 408 and 5xx come while it works;
    /// 409 says that something runs, which may be this request's own operation.
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

    /// Does the service say that this one row does not exist? False for a table or a function that
    /// does not exist, which Dataverse also answers with 404: its code is 0x80060888 or 0x8006088a
    /// there, and 0x80040217 (or 0x80060891 by another key) for a row (Microsoft Learn, Dataverse,
    /// *Compose HTTP requests and handle errors*; codes as clients have published them).
    pub fn is_missing_row(&self) -> bool {
        self.kind == ErrorKind::NotFound
            && matches!(self.code.as_deref(), Some("0x80040217" | "0x80060891"))
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
            ErrorKind::NotFound => format!("{service} does not find {what}"),
            ErrorKind::Conflict | ErrorKind::PreconditionFailed | ErrorKind::Refused => {
                format!("{service} refused {what}")
            }
            ErrorKind::Busy => format!("{service} is busy with another operation, refused {what}"),
            ErrorKind::Throttled => format!("{service} throttled {what}"),
            ErrorKind::Unavailable => format!("{service} is not available for {what}"),
            ErrorKind::Ambiguous => {
                format!("{service} may or may not have carried out {what}")
            }
            ErrorKind::Malformed => {
                format!("{service} answered {what} with what is not understood")
            }
            ErrorKind::ForeignOrigin => {
                format!("{service} answered {what} with a link that is not followed")
            }
            ErrorKind::Cancelled => format!("{what} of {service} was given up"),
            ErrorKind::Configuration => format!("{service} cannot be asked for {what}"),
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
            _ = write!(text, " (request id {id})");
        }
        text
    }
}

/// Of a longer text not even the beginning is looked through, so that a page of megabytes costs
/// nothing. In characters.
const LONGEST_LOOKED_THROUGH: usize = 40 * LONGEST_MESSAGE;

/// Text of a service made fit to be shown: secret values and credentials taken out, control
/// characters escaped, and not longer than a person reads. It is shortened last: half a secret would
/// not be recognized.
pub(crate) fn presentable(message: &str) -> String {
    let message = message.trim();
    let cut = |text: &str, longest: usize| text.char_indices().nth(longest).map(|(end, _)| end);
    let looked_through = cut(message, LONGEST_LOOKED_THROUGH).unwrap_or(message.len());
    let clean = text::redact(&message[..looked_through]);
    let short = match cut(&clean, LONGEST_MESSAGE) {
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
                body: None,
            },
            None,
        )
    }

    #[test]
    fn the_text_names_service_request_code_and_id() {
        assert_eq!(
            refused().to_string(),
            "Dataverse of Contoso UAT refused PATCH /api/data/v9.2/workflows(1): 0x80060467 \
             FlowMissingConnection: no connection (request id 42)"
        );
    }

    #[test]
    fn a_service_cannot_colour_the_terminal_or_leak_a_token() {
        let said = "\u{1b}[31mBearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2ln";
        let error = Error::new(ErrorKind::Refused, "it", "GET /", said);
        assert_eq!(error.message, "\\u{1b}[31mBearer <redacted token>");
        let long = Error::new(ErrorKind::Refused, "it", "GET /", &"ä".repeat(5_000));
        assert!(long.message.chars().count() < 1_600);
    }

    #[test]
    fn a_secret_that_a_service_repeats_is_a_fingerprint_also_where_the_text_is_cut() {
        let value = "uat-store-hash-of-the-error-test";
        let shown = text::fingerprint(value);
        for before in [0, LONGEST_MESSAGE - 10, LONGEST_MESSAGE - 1] {
            let said = format!("{}{value}{}", "ä".repeat(before), "-".repeat(2_000));
            let error = Error::new(ErrorKind::Refused, "it", "PATCH /", &said);
            assert!(!error.message.contains("uat-store"), "{}", error.message);
            let cut_in = error.message.contains(&shown[..1]);
            assert!(cut_in, "{}", error.message);
        }
    }

    #[test]
    fn only_what_the_service_itself_refuses_is_a_clear_refusal() {
        let answered = |status: u16, code: Option<&str>| {
            let detail = Detail {
                status: Some(status),
                code: code.map(str::to_owned),
                body: code.map(|code| serde_json::json!({"error": {"code": code}})),
                ..Detail::default()
            };
            Error::from_detail(ErrorKind::Refused, detail, None).is_clear_refusal()
        };
        let clear: Vec<u16> = (300..600)
            .filter(|status| answered(*status, Some("X")))
            .collect();
        assert_eq!(
            clear,
            [
                400, 403, 404, 405, 406, 410, 411, 412, 413, 414, 415, 422, 429, 501
            ]
        );
        assert!(
            (300..600).all(|status| !answered(status, None)),
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

    #[test]
    fn a_missing_row_is_told_from_a_missing_table() {
        let with_code = |code: &str| {
            let detail = Detail {
                code: Some(code.to_owned()),
                ..Detail::default()
            };
            Error::from_detail(ErrorKind::NotFound, detail, None)
        };
        assert!(with_code("0x80040217").is_missing_row());
        assert!(!with_code("0x80060888").is_missing_row());
        assert!(!refused().is_missing_row());
    }
}
