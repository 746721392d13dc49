//! A client's error as a step's failure: its kind decides the exit code and whether another pass
//! may succeed.

use super::dual_write::error_codes::decoded;
use crate::clients::{Error, ErrorKind};
use crate::engine::{Failure, FailureKind, FailureScope, RunbookPlace, WriteError};
use crate::runbook::{Diagnostic, Position};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::NotSignedIn | ErrorKind::Forbidden => FailureKind::NotAllowed,
            ErrorKind::Busy | ErrorKind::ForeignOrigin => FailureKind::Refused,
            ErrorKind::Throttled
            | ErrorKind::Unavailable
            | ErrorKind::Ambiguous
            | ErrorKind::Locked => FailureKind::Temporary,
            // Half a page, or a proxy's page with status 200: nobody needs to correct anything.
            ErrorKind::Malformed if error.is_garbled_read() => FailureKind::Temporary,
            ErrorKind::Cancelled => FailureKind::Interrupted,
            ErrorKind::Configuration => FailureKind::InvalidInput,
            ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::PreconditionFailed
            | ErrorKind::Exists
            | ErrorKind::Refused
            | ErrorKind::Malformed => FailureKind::Failed,
        };
        let mut failure = Self::new(kind, error.to_string());
        match error.kind {
            // One forbidden request does not mean that others are forbidden.
            ErrorKind::Forbidden => failure.scope = FailureScope::Change,
            ErrorKind::Refused | ErrorKind::Conflict | ErrorKind::NotFound => {
                failure.retryable = error.is_retryable_refusal();
            }
            ErrorKind::Exists => failure.retryable = false,
            _ => {}
        }
        // An error of dual-write in a Dataverse message has its own remedy.
        let decoded = decoded(&error.message).map(|known| known.remedy.to_owned());
        failure.help = error.help.clone().or(decoded);
        failure.caused_by(error)
    }
}

/// Keeps a failed read as a result, except for a request to stop, which ends the whole check.
pub(crate) fn unless_interrupted<T>(
    read: Result<T, Failure>,
) -> Result<Result<T, Failure>, Failure> {
    match read {
        Err(failure) if failure.kind == FailureKind::Interrupted => Err(failure),
        read => Ok(read),
    }
}

/// The same with the message alone: why an answer is unknown.
pub(crate) fn or_why_unknown<T>(read: Result<T, Failure>) -> Result<Result<T, String>, Failure> {
    Ok(unless_interrupted(read)?.map_err(|failure| failure.message))
}

impl From<&Diagnostic> for RunbookPlace {
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

/// A failure at one place of the runbook: its message is the whole diagnostic.
pub(crate) fn failure_at(kind: FailureKind, diagnostic: &Diagnostic) -> Failure {
    Failure::new(kind, diagnostic.to_string()).at([diagnostic.into()])
}

impl From<Error> for WriteError {
    /// The error of a set, which a person can make instead: the survey then no longer finds it.
    fn from(error: Error) -> Self {
        match request_error(error) {
            Self::Refused(failure) => Self::Refused(or_by_hand(failure)),
            other => other,
        }
    }
}

/// A refusal belongs to the one change. It is tried again only if the service's code says that this
/// may help, and it never comes without advice.
fn request_error(error: Error) -> WriteError {
    let advice = match error.kind {
        ErrorKind::Forbidden => Some(FORBIDDEN),
        ErrorKind::Refused | ErrorKind::Conflict | ErrorKind::NotFound
            if !error.is_retryable_refusal() =>
        {
            Some(PERMANENT)
        }
        _ => None,
    };
    let waits = matches!(
        error.kind,
        ErrorKind::Locked | ErrorKind::Refused | ErrorKind::Conflict | ErrorKind::NotFound
    );
    match (error.kind, error.worth_waiting().filter(|_| waits)) {
        (_, Some(limit)) => WriteError::NotYet(error.into(), limit),
        (ErrorKind::PreconditionFailed, _) => WriteError::PreconditionFailed(error.into()),
        (ErrorKind::Exists, _) => WriteError::Exists(error.into()),
        (ErrorKind::Ambiguous, _) => WriteError::InDoubt(error.into()),
        _ => {
            let mut failure = Failure::from(error);
            failure.help = failure.help.or_else(|| advice.map(str::to_owned));
            WriteError::Refused(failure)
        }
    }
}

/// A failure for lack of a permission, with the other way to make the change. Other failures stay as
/// they are.
pub(crate) fn or_by_hand(mut failure: Failure) -> Failure {
    let is_permission = failure.kind == FailureKind::NotAllowed && !failure.ends_the_run();
    if let Some(help) = failure.help.as_mut().filter(|_| is_permission)
        && !help.contains(BY_HAND)
    {
        *help = format!("{help}; {BY_HAND}");
    }
    failure
}

/// A launch's error: only a clear refusal of this request proves that the launch did not begin.
pub(crate) fn launch_error(error: Error) -> WriteError {
    let is_clear = error.is_clear_refusal();
    match request_error(error) {
        WriteError::NotYet(failure, limit) if is_clear => WriteError::NotYet(failure, limit),
        WriteError::PreconditionFailed(failure)
        | WriteError::Exists(failure)
        | WriteError::Refused(failure)
        | WriteError::InDoubt(failure)
        | WriteError::NotYet(failure, _) => {
            if is_clear {
                WriteError::Refused(failure)
            } else {
                WriteError::InDoubt(failure)
            }
        }
    }
}

/// What to do about a 403 whose code is not known.
const FORBIDDEN: &str = "the account that signs in (or the user that it acts as, `act-as`) lacks the \
                         permission for this request: give it a role that holds it (System \
                         Administrator of the environment suffices in Dataverse, Power Platform \
                         Administrator in the admin APIs), then run again";

/// The other way to make a change that the caller may not make.
const BY_HAND: &str = "or make the change by hand, with an account that may: the next run sees that it \
                       is done";

/// What to do about a refusal whose code is not known.
const PERMANENT: &str = "repeating does not change this answer, so it was sent once: correct what it \
                         names, then run again";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Detail;

    fn refused(kind: ErrorKind, code: &str, inner: Option<&str>) -> Failure {
        let detail = Detail {
            code: Some(code.to_owned()),
            inner_code: inner.map(str::to_owned),
            message: "no".to_owned(),
            ..Detail::default()
        };
        match Error::from_detail(kind, detail, None).into() {
            WriteError::Refused(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_forbidden_change_needs_a_permission_and_ends_nothing_else() {
        for code in [
            "0x80040220",
            "0x8004a110",
            "0x80095ffe",
            "0x80060467",
            "Novelty",
        ] {
            let failure = refused(ErrorKind::Forbidden, code, None);
            assert_eq!(failure.kind, FailureKind::NotAllowed, "{code}");
            assert!(!failure.retryable && !failure.ends_the_run(), "{code}");
            // A person with the permission can make the change, and the next survey sees it.
            let help = failure.help.unwrap_or_default();
            assert!(
                help.ends_with(BY_HAND) && help.len() > BY_HAND.len(),
                "{help}"
            );
        }
        // A lifecycle operation that a person starts is not this run's.
        let forbidden = responded(ErrorKind::Forbidden, "Novelty");
        let WriteError::Refused(failure) = launch_error(forbidden) else {
            panic!("it is a clear refusal");
        };
        assert_eq!(failure.help.as_deref(), Some(FORBIDDEN));
    }

    fn responded(kind: ErrorKind, code: &str) -> Error {
        let detail = Detail {
            status: Some(429),
            code: Some(code.to_owned()),
            body: Some(serde_json::Value::Null),
            message: "no".to_owned(),
            ..Detail::default()
        };
        Error::from_detail(kind, detail, None)
    }

    #[test]
    fn a_lock_is_worth_waiting_for_and_an_existing_row_is_read() {
        let locked = || responded(ErrorKind::Locked, "0x80071151");
        for error in [locked().into(), launch_error(locked())] {
            let WriteError::NotYet(failure, limit) = error else {
                panic!("{error:?}");
            };
            assert!(limit >= std::time::Duration::from_mins(20));
            assert_eq!(failure.kind, FailureKind::Temporary);
        }
        let exists = || responded(ErrorKind::Exists, "0x80040237");
        let WriteError::Exists(failure) = exists().into() else {
            panic!("{}", exists());
        };
        assert!(!failure.retryable && failure.kind == FailureKind::Failed);
        assert!(matches!(launch_error(exists()), WriteError::Refused(_)));
        // Another 429 is about the number of requests.
        let throttled = responded(ErrorKind::Throttled, "0x80072322");
        assert!(matches!(throttled.into(), WriteError::Refused(_)));
    }

    #[test]
    fn half_a_response_to_a_read_is_temporary_and_an_unknown_shape_is_a_failure() {
        let of = |what: &str, is_garbled: bool| {
            let error = Error::new(ErrorKind::Malformed, "it", what, "x").garbled(is_garbled);
            Failure::from(error).kind
        };
        assert_eq!(of("GET /rows", true), FailureKind::Temporary);
        assert_eq!(of("GET /rows", false), FailureKind::Failed);
        assert_eq!(of("PATCH /row", true), FailureKind::Failed);
    }

    #[test]
    fn a_refusal_is_permanent_unless_its_code_is_known_to_pass() {
        for (kind, code, inner, retryable) in [
            (
                ErrorKind::Refused,
                "0x80060467",
                Some("DlpViolation"),
                false,
            ),
            (ErrorKind::Refused, "0x80060467", Some("Novelty"), false),
            (
                ErrorKind::Refused,
                "0x80060467",
                Some("ChildFlowNeverPublished"),
                true,
            ),
            (ErrorKind::Conflict, "Novelty", None, false),
            (ErrorKind::NotFound, "0x80040217", None, false),
        ] {
            let failure = refused(kind, code, inner);
            assert_eq!(failure.kind, FailureKind::Failed, "{code} {inner:?}");
            assert_eq!(failure.retryable, retryable, "{code} {inner:?}");
            assert!(retryable || failure.help.is_some(), "{code} {inner:?}");
        }
    }
}
