//! What the service's responses mean for the copy of a state file.
//!
//! The error codes are those of Microsoft Learn, *Blob service error codes* and *Lease Blob*.

use std::error::Error as _;

use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::StatusCode;

use crate::base::remote_state::{RemoteStateError, RemoteStateErrorKind};

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It may not have reached the service, or its response was lost, or the service was busy.
    Unavailable,
    /// There is no such blob.
    NoBlob,
    /// There is no such container.
    NoContainer,
    /// There is a blob of this name already.
    Exists,
    /// The content does not end where the append was to land.
    Position,
    /// Another process has a lease, or this one's lease has ended.
    Lease,
    /// The blob has as many blocks as it can have.
    Full,
    /// The credential is not accepted.
    Denied,
    /// Anything else.
    Other,
}

/// Which refusal this is.
pub(super) fn refusal(error: &Error) -> Refusal {
    let ErrorKind::HttpResponse {
        status, error_code, ..
    } = error.kind()
    else {
        return match error.kind() {
            ErrorKind::Credential => Refusal::Denied,
            ErrorKind::Connection | ErrorKind::Io => Refusal::Unavailable,
            _ => Refusal::Other,
        };
    };
    let code = error_code.as_deref().unwrap_or_default();
    match (u16::from(*status), code) {
        (408 | 429 | 500.., _) => Refusal::Unavailable,
        (_, "ContainerNotFound" | "ContainerBeingDeleted") => Refusal::NoContainer,
        (404, _) => Refusal::NoBlob,
        (_, "BlobAlreadyExists") => Refusal::Exists,
        (_, "AppendPositionConditionNotMet") => Refusal::Position,
        (_, "BlockCountExceedsLimit") => Refusal::Full,
        (_, code) if code.starts_with("Lease") => Refusal::Lease,
        (401 | 403, _) => Refusal::Denied,
        _ => Refusal::Other,
    }
}

/// The error for the journal. `what` is what was tried, as in `an append`.
pub(super) fn copy_error(what: &str, error: &Error) -> RemoteStateError {
    let (kind, meaning) = match refusal(error) {
        Refusal::Unavailable => (
            RemoteStateErrorKind::Unavailable,
            "the service is not available",
        ),
        Refusal::NoBlob => (RemoteStateErrorKind::Taken, "the blob was deleted"),
        Refusal::NoContainer => (
            RemoteStateErrorKind::Refused,
            "the container does not exist",
        ),
        Refusal::Exists => (
            RemoteStateErrorKind::Refused,
            "there is another blob of this name",
        ),
        Refusal::Position => (
            RemoteStateErrorKind::Taken,
            "something else has written to it",
        ),
        Refusal::Lease => (RemoteStateErrorKind::Taken, "another process has its lease"),
        Refusal::Full => (
            RemoteStateErrorKind::Refused,
            "the blob takes no more blocks",
        ),
        Refusal::Denied => (
            RemoteStateErrorKind::Denied,
            "the credential is not accepted",
        ),
        Refusal::Other => (RemoteStateErrorKind::Refused, "the service refused"),
    };
    RemoteStateError::new(kind, format!("{what}: {meaning} ({})", describe(error)))
}

/// What was received, without any address: a signed one is a secret.
fn describe(error: &Error) -> String {
    match error.kind() {
        ErrorKind::HttpResponse {
            status, error_code, ..
        } => describe_response(*status, error_code.as_deref()),
        // Our own text.
        ErrorKind::Credential => error.to_string(),
        kind => {
            let mut cause = error.source();
            let mut innermost = None;
            while let Some(error) = cause {
                innermost = Some(error);
                cause = error.source();
            }
            // Only a cause of the system or of TLS names no address.
            let innermost = innermost.filter(|error| !error.is::<reqwest::Error>());
            match innermost {
                Some(error) => error.to_string(),
                None if matches!(kind, ErrorKind::Connection) => "no connection".to_owned(),
                None => "no response in time".to_owned(),
            }
        }
    }
}

fn describe_response(status: StatusCode, code: Option<&str>) -> String {
    let status = u16::from(status);
    match code {
        Some(code) => format!("HTTP {status} {code}"),
        None => format!("HTTP {status}"),
    }
}
