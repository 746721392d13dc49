//! A client's error as a step's failure: the kind decides the exit code and whether another pass
//! may hope.

use super::reconfigure_dual_write::decoded;
use crate::clients::{Error, ErrorKind};
use crate::engine::{Failure, FailureKind, WriteError};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::NotSignedIn | ErrorKind::Forbidden => FailureKind::NotAllowed,
            ErrorKind::Busy | ErrorKind::ForeignOrigin => FailureKind::Refused,
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Ambiguous => {
                FailureKind::Temporary
            }
            ErrorKind::Cancelled => FailureKind::Interrupted,
            ErrorKind::Configuration => FailureKind::Wrong,
            ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::PreconditionFailed
            | ErrorKind::Refused
            | ErrorKind::Malformed => FailureKind::Failed,
        };
        let mut failure = Self::new(kind, error.to_string());
        // What Dataverse says where dual-write refuses a write has a remedy of its own.
        let decoded = decoded(&error.message).map(|known| known.remedy.to_owned());
        failure.help = error.help.or(decoded);
        failure
    }
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        match error.kind {
            ErrorKind::PreconditionFailed => Self::Moved(error.into()),
            ErrorKind::Ambiguous => {
                let failure = Failure {
                    kind: FailureKind::Temporary,
                    ..error.into()
                };
                Self::InDoubt(failure)
            }
            _ => Self::Refused(error.into()),
        }
    }
}

/// A refusal of a write as a failure of that one change: being forbidden to write one row says
/// nothing yet about the others.
pub(super) fn write_error(error: Error) -> WriteError {
    let forbidden = error.kind == ErrorKind::Forbidden;
    match error.into() {
        WriteError::Refused(failure) if forbidden => WriteError::Refused(Failure {
            kind: FailureKind::Failed,
            passing: true,
            ..failure
        }),
        other => other,
    }
}
