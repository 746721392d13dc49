//! A client's error as a step's failure: the kind decides the exit code and whether another pass
//! may hope.

use crate::clients::{Error, ErrorKind};
use crate::engine::{Failure, FailureKind, Mark, WriteError};
use crate::runbook::{Diagnostic, Position};

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
        failure.help = error.help;
        failure
    }
}

impl From<&Diagnostic> for Mark {
    fn from(diagnostic: &Diagnostic) -> Self {
        let Position { line, column } = diagnostic.position();
        let end = diagnostic.end_position();
        Self {
            file: diagnostic.file().to_owned(),
            line,
            column,
            end_line: end.line,
            end_column: end.column,
            severity: diagnostic.severity().to_string(),
            message: diagnostic.message().to_owned(),
            help: diagnostic.help().map(str::to_owned),
        }
    }
}

/// A failure that is about one place of the runbook: its message is the whole block.
pub(crate) fn marked(kind: FailureKind, diagnostic: &Diagnostic) -> Failure {
    Failure::new(kind, diagnostic.to_string()).at([diagnostic.into()])
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
