//! What `status` writes.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Findings, Version};
use crate::engine::WorksheetThing;
use crate::journal::{PinnedTarget, ReopenedBy, TimeSource};

/// What `status` writes.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StatusDocument {
    pub(in crate::report) v: Version,
    /// The run's id; none if no run has begun.
    pub(in crate::report) run: Option<String>,
    /// The target as it was read when the run began.
    pub(in crate::report) target: Option<Target>,
    /// How far the run has come.
    pub(in crate::report) state: RunState,
    /// When it began, RFC 3339; none if no run has begun.
    pub(in crate::report) began: Option<String>,
    /// When it finished.
    pub(in crate::report) finished: Option<String>,
    /// How long ago it began, in real time, or how long it took: longer pauses between its processes
    /// count, except in a rehearsal.
    pub(in crate::report) elapsed_seconds: Option<u64>,
    /// When it should end, if it runs and an earlier finished run of the runbook shows how long the
    /// steps take. None if its step takes longer than that.
    pub(in crate::report) expected_end: Option<String>,
    /// What its process does at this moment.
    pub(in crate::report) now: Option<Now>,
    /// The operations at the services whose end is unknown.
    pub(in crate::report) operations: Vec<OperationStatus>,
    /// Each step in order.
    pub(in crate::report) steps: Vec<StepStatus>,
    /// The open manual tasks, each as `STEP/PHASE`.
    pub(in crate::report) waiting: Vec<String>,
    /// What a person must do for each of them.
    pub(in crate::report) worksheets: Vec<Worksheet>,
    /// What needs a look, as the run's report lists it.
    #[serde(flatten)]
    pub(in crate::report) findings: Findings,
    /// The failures that are still open.
    pub(in crate::report) failures: Vec<StepFailure>,
    /// How the last process ended, if its exit code was not 0.
    pub(in crate::report) last: Option<LastProcess>,
    /// In a rehearsal, how many times faster than real time its clock runs: durations are simulated
    /// time, and dates are real. None if both are real.
    pub(in crate::report) speed: Option<f64>,
    /// Why all of this may be out of date: the state file lacks records of its run.
    pub(in crate::report) warning: Option<String>,
    /// The command that continues the run, that checks the target of a run that has finished, or
    /// that checks a state file with a warning.
    pub(in crate::report) next: Option<String>,
}

/// What a process does at this moment.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) struct Now {
    /// The step.
    pub(in crate::report) step: String,
    /// The phase of the step.
    pub(in crate::report) phase: Option<String>,
    /// The changes that have begun and have not ended, by name; the newest comes first.
    pub(in crate::report) changes: Vec<String>,
}

/// An operation at a service whose end is unknown.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) struct OperationStatus {
    /// What it does, for people.
    pub(in crate::report) name: String,
    /// When it was asked for, RFC 3339.
    pub(in crate::report) since: String,
    /// Has the service accepted it?
    pub(in crate::report) accepted: bool,
    /// What the service last reported about it, if a process waits for it.
    pub(in crate::report) stage: Option<String>,
    /// When it should end, from an earlier run or the service's documentation. None if it takes
    /// longer than that.
    pub(in crate::report) expected_end: Option<String>,
}

/// The state of a run.
#[derive(Clone, Copy, Debug, Default, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) enum RunState {
    /// There is no state file.
    #[default]
    NotBegun,
    /// A process holds the state file.
    Running,
    /// A person must act first.
    Waiting,
    /// A step has failed.
    Failed,
    /// Its process has ended, and work is left.
    Stopped,
    /// Every step has succeeded or was skipped.
    Finished,
}

/// The state of a step.
#[derive(Clone, Copy, Debug, Default, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) enum StepCondition {
    /// Nothing was done.
    #[default]
    NotBegun,
    /// Some work was done, and some is left.
    Begun,
    /// Every phase has reached its end.
    Done,
    /// The runbook skips it.
    Skipped,
    /// It failed.
    Failed,
}

impl StepCondition {
    /// The state in words.
    pub(in crate::report) const fn as_text(self) -> &'static str {
        match self {
            Self::NotBegun => "not begun",
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// One step of a run.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) struct StepStatus {
    pub(in crate::report) name: String,
    pub(in crate::report) state: StepCondition,
    /// Changes that were begun; here and below, of a step that was opened again, since then.
    pub(in crate::report) changes_begun: usize,
    /// Changes that are done.
    pub(in crate::report) changes_done: usize,
    /// Changes that its plan has, automatic and manual, if that is known.
    pub(in crate::report) changes_planned: Option<usize>,
    /// Manual changes that were handed out; they are not among the changes above.
    pub(in crate::report) by_hand_begun: usize,
    /// Manual changes that are done, as the tenant shows.
    pub(in crate::report) by_hand_done: usize,
    /// Manual changes that are not done because their task was waived.
    pub(in crate::report) by_hand_waived: usize,
    /// Changes that were done before the step was opened again. Some may have been made again.
    pub(in crate::report) changes_before: usize,
    /// How long it had taken, in seconds, before it was opened again.
    pub(in crate::report) seconds_before: u64,
    /// Which flag opened it again for the last time, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) reopened_by: Option<ReopenedBy>,
    /// How long it should take, in seconds, if that is known.
    pub(in crate::report) expected_seconds: Option<u64>,
    /// From where that is known.
    pub(in crate::report) expected_from: Option<TimeSource>,
    /// When it first began, RFC 3339.
    pub(in crate::report) began: Option<String>,
    /// How long it took, if it has ended: the work of processes, and operations at services that
    /// continued between two of them. Other pauses do not count, and neither do surveys that found
    /// nothing to do in it.
    pub(in crate::report) seconds: Option<u64>,
    /// Why it was skipped, or what was found.
    pub(in crate::report) note: Option<String>,
}

/// A failure that is still open.
#[derive(Debug, JsonSchema, Serialize)]
pub(in crate::report) struct StepFailure {
    pub(in crate::report) step: String,
    pub(in crate::report) message: String,
    pub(in crate::report) help: Option<String>,
    /// When, RFC 3339.
    pub(in crate::report) time: String,
}

/// What a person must do.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) struct Worksheet {
    /// The manual task, `STEP/PHASE`.
    pub(in crate::report) task: String,
    /// When it was handed out, RFC 3339.
    pub(in crate::report) since: String,
    /// The things that are left to do, by name.
    pub(in crate::report) things: Vec<String>,
    /// How many more things are done since it was handed out.
    pub(in crate::report) things_done: usize,
    /// What to do, one line for each instruction: the advice, then the lines of each thing.
    pub(in crate::report) instructions: Vec<String>,
    /// What the person must know or do first, one line each.
    pub(in crate::report) advice: Vec<String>,
    /// The things that are left, with what to do for each.
    pub(in crate::report) to_do: Vec<WorksheetThing>,
    /// What is read as evidence, one line for each.
    pub(in crate::report) evidence: Vec<String>,
    /// Does nothing in the tenant show that one of the things is done? Then the task is completed
    /// with a waiver.
    pub(in crate::report) needs_waiver: bool,
}

/// How the last process ended.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) struct LastProcess {
    /// `waiting`, `failed`, `interrupted`, `refused` or `temporary`.
    pub(in crate::report) reason: String,
    /// The exit code.
    pub(in crate::report) exit: u8,
    /// Its last message.
    pub(in crate::report) message: String,
    /// When, RFC 3339.
    pub(in crate::report) time: String,
}

/// The target of a run.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) struct Target {
    /// The environment's id.
    pub(in crate::report) environment: String,
    /// Its display name.
    pub(in crate::report) name: String,
    /// The address of its Dataverse, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) url: Option<String>,
    /// Its organization's id, which a copy may change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) organization: Option<String>,
    /// Its organization's unique name, which a copy may change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) unique_name: Option<String>,
}

impl From<PinnedTarget> for Target {
    fn from(pinned: PinnedTarget) -> Self {
        Self {
            environment: pinned.environment,
            name: pinned.name,
            url: pinned.url,
            organization: pinned.organization,
            unique_name: pinned.unique_name,
        }
    }
}
