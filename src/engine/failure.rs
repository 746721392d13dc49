//! What went wrong, for the person who reads it at 3 a.m.: what failed, on which thing by name,
//! what the service said, what to do now. The exit code follows from the kind, in one match in
//! `cli`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::journal::JournalError;

/// Why a run, a plan or a check did not end well.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which of the documented endings this is.
    pub kind: FailureKind,
    /// What failed and what the service said, in one or more lines.
    pub message: String,
    /// What the reader can do now.
    pub help: Option<String>,
    /// May the same be tried again in a later pass with hope of another answer?
    pub passing: bool,
    /// What ends with it.
    pub scope: Scope,
    /// The places of a file that it is about, each with what is wrong there; the message says the
    /// same in text.
    pub marks: Vec<Mark>,
}

/// A place in a file that a person wrote, and what is wrong there.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mark {
    /// The file as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line of the place's end.
    pub end_line: usize,
    /// The column after the place's last character.
    pub end_column: usize,
    /// `error` or `warning`.
    pub severity: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// What a failure ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The change that failed and what depends on it: the other changes of its phase go on.
    Change,
    /// The whole run, at once: the service or the program itself cannot go on.
    Run,
}

/// The endings that are not success. Each has an exit code of its own.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// It was tried and did not work.
    Failed,
    /// The runbook or the command line asks for what cannot be.
    Wrong,
    /// Not signed in, or not allowed.
    NotAllowed,
    /// A guard refused: production, wrong target, stale plan, locked, another operation.
    Refused,
    /// A person must act first; the state is saved.
    Waiting,
    /// A confirmation is needed and nobody can be asked.
    Unconfirmed,
    /// Throttled, timed out, service away: run again.
    Temporary,
    /// Stopped on request; the state is saved.
    Interrupted,
}

impl Failure {
    /// A failure of this kind with its message.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let passing = matches!(kind, FailureKind::Failed | FailureKind::Temporary);
        let scope = if kind == FailureKind::Failed {
            Scope::Change
        } else {
            Scope::Run
        };
        Self {
            kind,
            message: message.into(),
            help: None,
            passing,
            scope,
            marks: Vec::new(),
        }
    }

    /// It was tried and did not work.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    /// A guard refused.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, message)
    }

    /// The service is away or slow; running again may help.
    pub fn temporary(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Temporary, message)
    }

    /// The run was asked to stop.
    pub fn interrupted() -> Self {
        Self::new(FailureKind::Interrupted, "stopped on request")
    }

    /// The same failure with advice, in place of any it had.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same failure with the places that it is about.
    #[must_use]
    pub fn at(mut self, marks: impl IntoIterator<Item = Mark>) -> Self {
        self.marks = marks.into_iter().collect();
        self
    }

    /// The same failure, told as part of what was being done: `WHAT: message`.
    #[must_use]
    pub fn during(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The same failure, which another try cannot change.
    #[must_use]
    pub fn lasting(mut self) -> Self {
        self.passing = false;
        self
    }

    /// The same failure, of one change alone.
    #[must_use]
    pub fn of_one_change(mut self) -> Self {
        self.scope = Scope::Change;
        self
    }

    /// Must the whole run end with it at once, whatever else could still be tried?
    pub fn ends_the_run(&self) -> bool {
        self.scope == Scope::Run
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<anyhow::Error> for Failure {
    /// What went wrong at the program's edge, with its causes in one line.
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}")).lasting()
    }
}

impl From<JournalError> for Failure {
    /// A journal that cannot be written ends the run: nothing more is sent.
    fn from(error: JournalError) -> Self {
        let kind = match error {
            JournalError::Locked { .. }
            | JournalError::OtherMachine { .. }
            | JournalError::Older { .. }
            | JournalError::CopyBroken { .. } => FailureKind::Refused,
            _ => FailureKind::Failed,
        };
        let mut failure = Self::new(kind, error.to_string()).lasting();
        failure.scope = Scope::Run;
        failure.help = Some(error.help());
        failure
    }
}
