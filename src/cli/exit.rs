//! The exit codes. They are part of the program's interface: documented, tested, never changed.

use crate::engine::FailureKind;

/// Done.
pub const DONE: u8 = 0;
/// It was tried and did not work.
pub const FAILED: u8 = 1;
/// The plan has changes (only with `--detailed-exitcode`).
pub const CHANGES: u8 = 2;
/// Usage or runbook wrong.
pub const WRONG: u8 = 3;
/// Not signed in or not allowed.
pub const NOT_ALLOWED: u8 = 4;
/// A guard refused: production, wrong target, stale plan, locked, another operation running.
pub const REFUSED: u8 = 5;
/// Waiting for a person, state saved.
pub const WAITING: u8 = 10;
/// Confirmation needed and no terminal.
pub const UNCONFIRMED: u8 = 11;
/// Temporary: throttled, timed out, service away; run again.
pub const TEMPORARY: u8 = 75;
/// Interrupted by SIGINT, state saved.
pub const INTERRUPTED: u8 = 130;
/// Ended by SIGTERM, state saved.
pub const TERMINATED: u8 = 143;

/// The exit code of a failure. Takes whether it was SIGTERM that asked to stop.
pub fn code(kind: FailureKind, terminated: bool) -> u8 {
    match kind {
        FailureKind::Failed => FAILED,
        FailureKind::Wrong => WRONG,
        FailureKind::NotAllowed => NOT_ALLOWED,
        FailureKind::Refused => REFUSED,
        FailureKind::Waiting => WAITING,
        FailureKind::Unconfirmed => UNCONFIRMED,
        FailureKind::Temporary => TEMPORARY,
        FailureKind::Interrupted if terminated => TERMINATED,
        FailureKind::Interrupted => INTERRUPTED,
    }
}

/// The exit code of a command that could not write all its data: what ended well has failed, because
/// whoever asked did not get the answer; what failed keeps its own code.
pub fn without_output(exit: u8) -> u8 {
    match exit {
        DONE | CHANGES => FAILED,
        exit => exit,
    }
}

/// The word by which a state file and an event name an ending.
pub fn word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Failed | FailureKind::Wrong | FailureKind::NotAllowed => "failed",
        FailureKind::Refused | FailureKind::Unconfirmed => "refused",
        FailureKind::Waiting => "waiting",
        FailureKind::Temporary => "temporary",
        FailureKind::Interrupted => "interrupted",
    }
}
