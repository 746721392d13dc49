//! What `fleet` writes.

use schemars::JsonSchema;
use serde::Serialize;

use super::{RunState, Target, Version};

/// What `fleet` writes.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FleetDocument {
    pub(in crate::report) v: Version,
    /// When the state files were read, RFC 3339.
    pub(in crate::report) time: String,
    /// One run for each state file; those that need somebody come first.
    pub(in crate::report) runs: Vec<FleetRun>,
}

/// One run, from its state file alone.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FleetRun {
    /// The path of its state file, as it was found.
    pub(in crate::report) state_file: String,
    /// The runbook's name.
    pub(in crate::report) runbook: Option<String>,
    /// The run's id.
    pub(in crate::report) run: Option<String>,
    /// The target as it was read when the run began.
    pub(in crate::report) target: Option<Target>,
    /// How far the run has come; none if the file cannot be read.
    pub(in crate::report) state: Option<RunState>,
    /// The same as text.
    pub(in crate::report) condition: String,
    /// The step in which it is, or in which it stopped.
    pub(in crate::report) step: Option<String>,
    /// How many steps have ended.
    pub(in crate::report) steps_done: usize,
    /// What it waits for; none if it has finished, or works.
    pub(in crate::report) waits_for: Option<Waits>,
    /// Since when it has been so, RFC 3339.
    pub(in crate::report) since: Option<String>,
    /// When it should end, if it runs and an earlier finished run shows how long the steps take. None
    /// if its step takes longer than that.
    pub(in crate::report) expected_end: Option<String>,
    /// What somebody should do now; none if nothing.
    pub(in crate::report) to_do: Option<String>,
    /// Why the file was not read, or is incomplete: it is damaged, it lacks records of its run, or a
    /// newer program wrote it.
    pub(in crate::report) reason: Option<String>,
}

/// What a run waits for.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) struct Waits {
    /// Who must act.
    pub(in crate::report) whom: Whom,
    /// For what: the manual tasks, the operations, the end of the last process.
    pub(in crate::report) what: String,
}

/// Who must act before a run continues.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) enum Whom {
    /// A person with a manual task.
    Person,
    /// A service with an operation.
    Service,
    /// The operator or the pipeline that runs it again.
    Operator,
}

impl Whom {
    /// The same in words.
    pub(in crate::report) fn as_text(self) -> &'static str {
        match self {
            Self::Person => "a person",
            Self::Service => "the service",
            Self::Operator => "the operator",
        }
    }
}
