//! The exit codes. They are part of the program's interface: documented, tested, never changed.

use crate::engine::FailureKind;

/// Done.
pub const DONE: u8 = 0;
/// Failed.
pub const FAILED: u8 = 1;
/// The plan has changes (only with `--detailed-exitcode`).
pub const CHANGES: u8 = 2;
/// Invalid usage or runbook.
pub const INVALID_INPUT: u8 = 3;
/// Not signed in or not allowed.
pub const NOT_ALLOWED: u8 = 4;
/// A guard refused: production, wrong target, stale plan, locked, another operation running.
pub const REFUSED: u8 = 5;
/// Waiting for a person, state saved.
pub const WAITING: u8 = 10;
/// Confirmation needed and no terminal.
pub const UNCONFIRMED: u8 = 11;
/// Temporary: throttled, timed out, service unavailable; run again.
pub const TEMPORARY: u8 = 75;
/// Interrupted by SIGINT, state saved.
pub const INTERRUPTED: u8 = 130;
/// Ended by SIGTERM, state saved.
pub const TERMINATED: u8 = 143;

/// The exit code of a failure. `is_terminated`: SIGTERM requested the stop.
pub fn exit_code(kind: FailureKind, is_terminated: bool) -> u8 {
    match kind {
        FailureKind::Failed => FAILED,
        FailureKind::InvalidInput => INVALID_INPUT,
        FailureKind::NotAllowed => NOT_ALLOWED,
        FailureKind::Refused => REFUSED,
        FailureKind::Waiting => WAITING,
        FailureKind::Unconfirmed => UNCONFIRMED,
        FailureKind::Temporary => TEMPORARY,
        FailureKind::Interrupted if is_terminated => TERMINATED,
        FailureKind::Interrupted => INTERRUPTED,
    }
}

/// The exit code of a command that could not write all its data. Success becomes a failure, because
/// the reader did not get the answer; a failure keeps its code.
pub fn exit_code_without_output(exit: u8) -> u8 {
    match exit {
        DONE | CHANGES => FAILED,
        exit => exit,
    }
}

/// What an exit code means, in one word for the later steps of a pipeline.
pub fn exit_meaning(exit: u8) -> &'static str {
    match exit {
        DONE => "done",
        CHANGES => "plan-has-changes",
        INVALID_INPUT => "invalid",
        NOT_ALLOWED => "not-allowed",
        REFUSED => "refused",
        WAITING => "waiting",
        UNCONFIRMED => "confirmation-needed",
        TEMPORARY => "temporary",
        INTERRUPTED | TERMINATED => "interrupted",
        _ => "failed",
    }
}

/// The name of a failed run's outcome in the state file and in events.
pub fn outcome_name(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Failed | FailureKind::InvalidInput | FailureKind::NotAllowed => "failed",
        FailureKind::Refused | FailureKind::Unconfirmed => "refused",
        FailureKind::Waiting => "waiting",
        FailureKind::Temporary => "temporary",
        FailureKind::Interrupted => "interrupted",
    }
}
