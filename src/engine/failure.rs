//! Failures, written for the person who reads them at 3 a.m.: what failed, on which object, what the
//! service said, what to do now. The exit code follows from the kind, in one match in `cli`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::causes::lines;
use crate::base::remote_state::RemoteStateErrorKind;
use crate::journal::JournalError;

/// Why a run, a plan or a check failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which of the documented failures it is.
    pub kind: FailureKind,
    /// What failed and what the service said, in one or more lines.
    pub message: String,
    /// What the user can do now.
    pub help: Option<String>,
    /// Can a later pass succeed without anybody changing anything?
    pub retryable: bool,
    /// Did the service refuse the very change that failed? With `retryable` false, it would refuse
    /// the same request again.
    pub is_refusal: bool,
    /// What else stops because of it.
    pub scope: FailureScope,
    /// The places in a file that it is about. The message says the same as text.
    pub marks: Box<[RunbookPlace]>,
    /// Where in the run it happened. Only a single failure has a location.
    pub location: Option<Box<Location>>,
    /// The single failures that this failure contains. Empty if it has none but itself.
    pub failures: Vec<Failure>,
    /// The steps that were not begun because they need something that failed, each with the reason.
    /// The message says the same as text.
    pub not_begun: Box<BTreeMap<String, String>>,
    /// The error that caused it, if it was one. The message includes the error's text.
    pub cause: Option<Arc<anyhow::Error>>,
}

/// Where in a run a failure happened.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Location {
    /// The step's name.
    pub step: String,
    /// The phase's name.
    pub phase: String,
    /// The change's key, if one change failed.
    pub change: Option<String>,
    /// The change's name, if one change failed.
    pub name: Option<String>,
}

/// One failure as the JSON outputs list it.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailureItem {
    /// What failed and what the service said.
    pub message: String,
    /// Which of the documented failures it is.
    pub kind: FailureKind,
    /// The step in which it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The phase in which it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The key of the change that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// What to do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// A place in a file that a person wrote, and the problem there.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunbookPlace {
    /// The file's path as the user gave it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line on which the place ends.
    pub end_line: usize,
    /// The column after the place's last character.
    pub end_column: usize,
    /// `error` or `warning`.
    pub severity: String,
    /// The problem.
    pub message: String,
    /// How to correct it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// What stops because of a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailureScope {
    /// The change that failed and what depends on it. The other changes of its phase continue.
    Change,
    /// The whole run, at once: the service or the program itself cannot continue.
    Run,
}

/// The kinds of failure. Each has its own exit code.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// It was tried and failed.
    Failed,
    /// The runbook or the command line is invalid.
    #[serde(rename = "wrong")]
    InvalidInput,
    /// Not signed in, or not allowed.
    NotAllowed,
    /// A guard refused: production, wrong target, stale plan, locked, another operation.
    Refused,
    /// A person must act first; the state is saved.
    Waiting,
    /// A confirmation is needed, and there is no terminal to ask for it.
    Unconfirmed,
    /// Throttled, timed out, service unavailable: run again.
    Temporary,
    /// Stopped on request; the state is saved.
    Interrupted,
}

impl Failure {
    /// A failure of this kind. `Failed` and `Temporary` are retryable; `Failed` stops only its change.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let retryable = matches!(kind, FailureKind::Failed | FailureKind::Temporary);
        let scope = if kind == FailureKind::Failed {
            FailureScope::Change
        } else {
            FailureScope::Run
        };
        Self {
            kind,
            message: message.into(),
            help: None,
            retryable,
            is_refusal: false,
            scope,
            marks: Box::default(),
            location: None,
            failures: Vec::new(),
            not_begun: Box::default(),
            cause: None,
        }
    }

    /// Something was tried and failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    /// A guard refused.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, message)
    }

    /// The service is unavailable or slow; running again may help.
    pub fn temporary(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Temporary, message)
    }

    /// The run was asked to stop.
    pub fn interrupted() -> Self {
        Self::new(FailureKind::Interrupted, "stopped on request")
    }

    /// The same failure with this advice instead of its own.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same failure with the places in a file that it is about.
    #[must_use]
    pub fn at(mut self, marks: impl IntoIterator<Item = RunbookPlace>) -> Self {
        self.marks = marks.into_iter().collect();
        self
    }

    /// The same failure, with the activity that it interrupted: `ACTIVITY: message`.
    #[must_use]
    pub fn during(mut self, activity: impl fmt::Display) -> Self {
        self.message = format!("{activity}: {}", self.message);
        self
    }

    /// The same failure, which another attempt cannot change.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.retryable = false;
        self
    }

    /// The same failure, as the service's refusal of the change itself.
    #[must_use]
    pub(super) fn into_refusal(mut self) -> Self {
        self.is_refusal = true;
        self
    }

    /// The same failure, which stops only one change.
    #[must_use]
    pub fn of_one_change(mut self) -> Self {
        self.scope = FailureScope::Change;
        self
    }

    /// The same failure with the error that caused it.
    #[must_use]
    pub fn caused_by(mut self, error: impl Into<anyhow::Error>) -> Self {
        self.cause = Some(Arc::new(error.into()));
        self
    }

    /// The same failure with its location. A failure whose location is known keeps it, with the
    /// message that it has now: a later [`during`](Self::during) changes only the whole message.
    #[must_use]
    pub(super) fn located(mut self, location: Location) -> Self {
        if self.failures.is_empty() {
            let mut single = self.clone();
            single.location = Some(Box::new(location));
            self.failures.push(single);
        }
        self
    }

    /// Several failures as one, with a line for each cause and its help. If all are missing
    /// permissions, so is the whole. What waits for a person beside them has not failed.
    #[must_use]
    pub(super) fn combine(mut failures: Vec<Self>) -> Self {
        if failures.len() == 1 {
            return failures.remove(0);
        }
        let is_forbidden = |failure: &Self| failure.kind == FailureKind::NotAllowed;
        let kind = if failures.iter().all(is_forbidden) {
            FailureKind::NotAllowed
        } else {
            FailureKind::Failed
        };
        // A failure of a phase may consist of several.
        let singles = failures.iter().flat_map(|failure| failure.each().to_vec());
        let singles: Vec<Self> = singles.collect();
        let failed = singles.iter().filter(|single| !single.waits()).count();
        let message = format!("{failed} changes failed{}", lines(&failures));
        Self {
            failures: singles,
            ..Self::new(kind, message).of_one_change().permanent()
        }
    }

    /// The same failure, together with others that are open.
    #[must_use]
    pub(super) fn with_others<'a>(mut self, others: impl IntoIterator<Item = &'a Self>) -> Self {
        let others: Vec<&Self> = others.into_iter().collect();
        if others.is_empty() {
            return self;
        }
        let mut singles = self.each().to_vec();
        singles.extend(others.iter().flat_map(|other| other.each().to_vec()));
        self.failures = singles;
        let (waiting, failed): (Vec<&Self>, Vec<&Self>) =
            others.into_iter().partition(|other| other.waits());
        for (head, others) in [
            ("also failed", failed),
            ("also waits for a person", waiting),
        ] {
            if !others.is_empty() {
                self.message += &format!("\n{head}:{}", lines(others));
            }
        }
        self
    }

    /// Is it no failure, but something that a person must do?
    fn waits(&self) -> bool {
        self.kind == FailureKind::Waiting
    }

    /// The single failures of which it consists: itself, if it contains no others.
    pub fn each(&self) -> &[Self] {
        match self.failures.as_slice() {
            [] => std::slice::from_ref(self),
            failures => failures,
        }
    }

    /// The single failures as the JSON outputs list them.
    pub fn items(&self) -> Vec<FailureItem> {
        let items = self.each().iter().map(|failure| {
            let location = failure.location.as_deref().cloned();
            let (step, phase, change) = match location {
                Some(at) => (Some(at.step), Some(at.phase), at.change),
                None => (None, None, None),
            };
            FailureItem {
                message: failure.headline(),
                kind: failure.kind,
                step,
                phase,
                change,
                help: failure.help.clone(),
            }
        });
        items.collect()
    }

    /// The message without the marked lines of the file, for an output that lists the marks
    /// separately.
    pub fn headline(&self) -> String {
        let message = self.message.as_str();
        let shown = match &*self.marks {
            [] => message,
            [mark] if message.starts_with(&mark.file) => &mark.message,
            _ => message.lines().next().unwrap_or_default(),
        };
        shown.to_owned()
    }

    /// Was a read only interrupted, or its service unavailable, so that a later read may succeed?
    pub fn leaves_a_read_open(&self) -> bool {
        matches!(self.kind, FailureKind::Interrupted | FailureKind::Temporary)
    }

    /// Does the whole run stop at once, even if other changes could still be tried?
    pub fn ends_the_run(&self) -> bool {
        self.scope == FailureScope::Run
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let cause = self.cause.as_deref()?;
        Some(&**cause)
    }
}

impl From<anyhow::Error> for Failure {
    /// The error with its causes in one line.
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
            .permanent()
            .caused_by(error)
    }
}

impl From<JournalError> for Failure {
    /// A journal that cannot be written stops the run: nothing more is sent.
    fn from(error: JournalError) -> Self {
        let kind = match &error {
            JournalError::RemoteState { error, .. } => match error.kind {
                RemoteStateErrorKind::Unavailable => FailureKind::Temporary,
                RemoteStateErrorKind::Denied => FailureKind::NotAllowed,
                RemoteStateErrorKind::Taken | RemoteStateErrorKind::Refused => FailureKind::Refused,
            },
            JournalError::AnotherRun { .. }
            | JournalError::Locked { .. }
            | JournalError::OtherMachine { .. }
            | JournalError::Older { .. }
            | JournalError::CopyBroken { .. } => FailureKind::Refused,
            _ => FailureKind::Failed,
        };
        let mut failure = Self::new(kind, error.to_string()).permanent();
        failure.scope = FailureScope::Run;
        failure.help = Some(error.help());
        failure.caused_by(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(phase: &str, message: &str) -> Failure {
        Failure::failed(message).located(Location {
            step: "step".to_owned(),
            phase: phase.to_owned(),
            ..Location::default()
        })
    }

    #[test]
    fn a_combined_failure_lists_each_single_one_with_its_own_message() {
        let inner = Failure::combine(vec![located("a", "one"), located("a", "two")]);
        let outer = Failure::combine(vec![inner.during("step/a"), located("b", "three")]);
        let outer = outer.with_others(&[located("c", "four")]);
        let items = outer.items();
        let singles: Vec<_> = items
            .iter()
            .map(|item| {
                (
                    item.phase.as_deref().unwrap_or_default(),
                    item.message.as_str(),
                )
            })
            .collect();
        assert_eq!(
            singles,
            [("a", "one"), ("a", "two"), ("b", "three"), ("c", "four")]
        );
        assert!(outer.message.starts_with("3 changes failed\n"), "{outer}");
        assert!(outer.message.ends_with("also failed:\n  - four"), "{outer}");
    }

    #[test]
    fn the_same_help_for_several_is_shown_once() {
        let refused = |name: &str, help: &str| Failure::failed(name).with_help(help);
        let combined = Failure::combine(vec![
            refused("one", "ask for the role"),
            refused("two", "ask for the role"),
            Failure::failed("three"),
            refused("four", "sign in"),
        ]);
        assert_eq!(
            combined.message,
            "4 changes failed\n  - one\n  - two\n    help for these 2: ask for the role\n  - three\n  \
             - four\n    help: sign in"
        );
        assert_eq!(
            combined.items()[0].help.as_deref(),
            Some("ask for the role")
        );
    }

    #[test]
    fn a_single_failure_lists_itself_and_keeps_its_cause() {
        let cause = std::io::Error::other("the disk is full");
        let failure = Failure::failed("it was not written").caused_by(cause);
        assert_eq!(failure.items()[0].message, "it was not written");
        let source = failure.source().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("the disk is full"));
    }
}
