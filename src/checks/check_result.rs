//! The result of a check: its verdict, what was found, and what to do.

use crate::domain::verdict::{CheckLevel, Verdict};
use crate::engine::FailureKind;
use crate::runbook::StepName;

/// A check with its verdict, what was found, and what to do.
#[derive(Clone, Debug)]
pub struct CheckResult {
    /// The check's name: a statement that is true if it passes. Change keys and JSON documents
    /// contain it.
    pub check: String,
    /// The answer.
    pub verdict: Verdict,
    /// The result in one line for a person: the name if the check passes, the problem if it does
    /// not, or that it could not be checked.
    pub headline: String,
    /// What was found.
    pub found: String,
    /// What to do, if the verdict is not `Pass`.
    pub remedy: Option<String>,
    /// How a run ends if the verdict is `Fail`. If it is `Unknown`, `Temporary` means that the
    /// service was unavailable: a run does not begin until the check has been repeated. `NotAllowed`
    /// means that the caller may not read what would show that nothing of production acts: a
    /// verification does not end well then.
    pub kind: FailureKind,
    /// The manual task, `STEP/PHASE`, that an `Unknown` becomes: the check is repeated there.
    pub task: Option<String>,
    /// The first step that the check protects: what it finds would stop or harm that step. Checks
    /// after a run protect none.
    pub protects: Option<Protected>,
    /// Does an `Unknown` come from something that was read, which only a person can judge?
    pub(super) is_warning: bool,
}

/// The step that a check protects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Protected {
    /// One of the eight.
    Standard(StepName),
    /// A custom step, by its name.
    Custom(String),
}

impl From<StepName> for Protected {
    fn from(step: StepName) -> Self {
        Self::Standard(step)
    }
}

impl std::fmt::Display for Protected {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Standard(step) => step.fmt(formatter),
            Self::Custom(name) => formatter.write_str(name),
        }
    }
}

impl CheckResult {
    /// A result with no more than its verdict.
    #[cfg(test)]
    pub(crate) fn with_verdict(check: &str, verdict: Verdict) -> Self {
        Self {
            check: check.to_owned(),
            verdict,
            headline: check.to_owned(),
            found: String::new(),
            remedy: None,
            kind: FailureKind::Failed,
            task: None,
            protects: None,
            is_warning: false,
        }
    }

    /// The same as something that was read and that only a person can judge.
    #[cfg(test)]
    pub(crate) fn into_warning(mut self) -> Self {
        self.is_warning = true;
        self
    }

    /// The word before the headline.
    pub fn label(&self) -> &'static str {
        match self.level() {
            CheckLevel::Pass => "pass",
            CheckLevel::Failed => "failed",
            CheckLevel::Warning => "warning",
            CheckLevel::Unknown => "unknown",
        }
    }

    /// Could it not be made because a service was unavailable?
    pub fn is_unavailable(&self) -> bool {
        self.verdict == Verdict::Unknown && self.kind == FailureKind::Temporary
    }

    /// The verdict, which tells what only a person can judge from what could not be read.
    pub fn level(&self) -> CheckLevel {
        match self.verdict {
            Verdict::Pass => CheckLevel::Pass,
            Verdict::Fail => CheckLevel::Failed,
            Verdict::Unknown if self.is_warning => CheckLevel::Warning,
            Verdict::Unknown => CheckLevel::Unknown,
        }
    }

    /// The first step that would fail or do harm, for people: `affects step reinstall-providers`.
    /// By its name, because its number depends on the custom steps of the runbook.
    pub fn protection(&self) -> Option<String> {
        let step = self.protects.as_ref()?;
        Some(format!("affects step {step}"))
    }
}
