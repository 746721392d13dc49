//! Events of a run, for reports. Events carry everything that a display needs; reports keep no clocks
//! and never call back. A recorded event is also in the journal, and only a loss of power can take the
//! last ones; of the transient events only the latest matters.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{FailureItem, FailureKind, RunbookPlace, WorksheetThing};
use crate::journal::{
    ChangeCounts, ChangeKind, ReopenedBy, State, StepOutcome, StepState, TimeSource,
};

/// One event of a run.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Event {
    /// Its number within this process, from 1, without gaps.
    pub seq: u64,
    /// The time of day, RFC 3339 in UTC, to the millisecond.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

#[cfg(test)]
impl Event {
    /// The first event of a process, at no time.
    pub(crate) fn first(kind: EventKind) -> Self {
        Self {
            seq: 1,
            time: String::new(),
            kind,
        }
    }
}

/// One step as the first event lists it.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepLine {
    /// Its name in the runbook.
    pub name: String,
    /// Why the runbook skips it, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
    /// How many changes the confirmed plan has for it, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<usize>,
    /// How many of its changes earlier processes of the run made; of a step that was opened again,
    /// since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<usize>,
    /// How an earlier process of the run ended it: it is surveyed again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<StepOutcome>,
    /// How long it should take, by the program's clock, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_seconds: Option<u64>,
    /// From where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_from: Option<TimeSource>,
    /// For how long earlier processes of the run worked on it, by the program's clock; of a step that
    /// was opened again, since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worked_seconds: Option<u64>,
    /// How long it had taken before it was opened again, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_before: Option<u64>,
}

/// What the processes of a run did in a step so far, as its state file has it; of a step that was
/// opened again, since then.
#[derive(Clone, Copy, Debug, Default, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepTotal {
    /// How many changes the program has begun.
    pub changes_begun: usize,
    /// How many of them are done.
    pub changes_done: usize,
    /// How many changes a person was asked for.
    pub by_hand_begun: usize,
    /// How many of them the tenant shows to be done.
    pub by_hand_done: usize,
    /// How many of them are not done because their task was waived.
    pub by_hand_waived: usize,
    /// How many changes were done before the step was opened again. Some may have been made again.
    pub changes_before: usize,
    /// How long the step had taken, in seconds, before it was opened again.
    pub seconds_before: f64,
    /// Which flag opened the step again for the last time, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reopened_by: Option<ReopenedBy>,
    /// How long the step took, in seconds: the work of the processes, and operations at services that
    /// continued between two of them.
    pub seconds: f64,
}

impl StepTotal {
    pub(super) fn of(state: &State, step: &str) -> Self {
        let automatic = state.progress_since_reopening(step);
        let by_hand = state.by_hand(step);
        let known = state.step(step);
        let took = known.map(|step| state.step_duration(step));
        let before = known.map(StepState::took_before_reopening);
        let reopened = known.and_then(|step| step.reopened);
        Self {
            changes_begun: automatic.begun,
            changes_done: automatic.done,
            by_hand_begun: by_hand.begun,
            by_hand_done: by_hand.done,
            by_hand_waived: state.waived(step),
            changes_before: state.done_before_reopening(step),
            seconds_before: seconds(before.unwrap_or_default()),
            reopened_by: reopened.map(|reopened| reopened.by),
            seconds: seconds(took.unwrap_or_default()),
        }
    }

    /// The changes of the program, and those that a person was asked for.
    pub fn counts(&self) -> (ChangeCounts, ChangeCounts) {
        let automatic = ChangeCounts {
            begun: self.changes_begun,
            done: self.changes_done,
        };
        let by_hand = ChangeCounts {
            begun: self.by_hand_begun,
            done: self.by_hand_done,
        };
        (automatic, by_hand)
    }
}

/// What happened. Durations are the program's time, in seconds.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum EventKind {
    /// Sent first, with the whole list of steps.
    RunBegan {
        /// The run's id.
        run: String,
        /// Does it resume the run of an earlier process?
        resumed: bool,
        /// The target's display name.
        target: String,
        /// Every step in order.
        steps: Vec<StepLine>,
        /// The arguments that name the runbook and its state file in another command.
        arguments: String,
    },
    /// A step begins.
    StepBegan {
        /// The step's name.
        step: String,
    },
    /// A step does not begin, because it needs something that failed.
    StepNotBegun {
        /// The step's name.
        step: String,
        /// What it needs and does not have.
        why: String,
    },
    /// A phase begins.
    PhaseBegan {
        /// The step's name.
        step: String,
        /// The phase's name.
        phase: String,
    },
    /// A survey has ended.
    Surveyed {
        /// The step's name.
        step: String,
        /// The phase's name.
        phase: String,
        /// How many changes are still to do.
        changes: usize,
        /// Which pass this was, from 1.
        pass: u32,
        /// How many changes of the step are done in all processes, those of a person included, as
        /// the state file has it.
        done: usize,
        /// How many of them this phase made.
        done_in_phase: usize,
    },
    /// A capture was sealed.
    Sealed {
        /// The step's name.
        step: String,
        /// The seal's name.
        seal: String,
        /// How many rows and settings it holds.
        count: usize,
    },
    /// A change is being applied.
    ChangeBegan {
        /// The step's name.
        step: String,
        /// The phase's name.
        phase: String,
        /// The change's key.
        key: String,
        /// Its name for people.
        name: String,
        /// Its kind.
        kind: ChangeKind,
    },
    /// A change was applied and read back; one of kind `ask` (a manual task) was made by a person, and
    /// a survey no longer finds it.
    ChangeDone {
        /// The step's name.
        step: String,
        /// The phase's name.
        phase: String,
        /// The change's key.
        key: String,
        /// Its name for people.
        name: String,
        /// Its kind.
        kind: ChangeKind,
        /// How long it took, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        elapsed: Option<f64>,
        /// Otherwise: when it was requested. It ended since then, while no process read it.
        #[serde(skip_serializing_if = "Option::is_none")]
        unread_since: Option<String>,
    },
    /// A change was not applied in this pass.
    ChangeFailed {
        /// The step's name.
        step: String,
        /// The phase's name.
        phase: String,
        /// The change's key.
        key: String,
        /// Its name for people.
        name: String,
        /// What failed and what the service said.
        message: String,
        /// What to do.
        #[serde(skip_serializing_if = "Option::is_none")]
        help: Option<String>,
        /// Will another pass try it again?
        again: bool,
    },
    /// A change is left open: its operation continues at the service, or its outcome is unknown.
    ChangeOpen {
        /// The step's name.
        step: String,
        /// The phase's name.
        phase: String,
        /// The change's key.
        key: String,
        /// Its name for people.
        name: String,
        /// What is known about it.
        message: String,
        /// What to do.
        #[serde(skip_serializing_if = "Option::is_none")]
        help: Option<String>,
    },
    /// An operation that an earlier process requested is still running at the service, and the run
    /// goes on with it.
    OperationResumed {
        /// The step's name.
        step: String,
        /// The phase's name.
        phase: String,
        /// The key of its change.
        key: String,
        /// Its name for people.
        name: String,
        /// When it was requested, RFC 3339.
        requested: String,
    },
    /// Something that the user should know, and that stops nothing.
    Noted {
        /// The step's name.
        step: String,
        /// What it is.
        message: String,
        /// What a person can do about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
    },
    /// A step has ended.
    StepEnded {
        /// The step's name.
        step: String,
        /// How it ended.
        outcome: StepOutcome,
        /// A note: why it was skipped, what was found.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Changes applied in this process.
        changes: usize,
        /// How long it took in this process.
        elapsed: f64,
        /// What all processes of the run did in it.
        total: StepTotal,
    },
    /// A person must act.
    ManualTask {
        /// `STEP/PHASE`.
        task: String,
        /// How many things the person must do.
        things: usize,
        /// What to do, one line for each instruction: the advice, then the lines of each thing.
        instructions: Vec<String>,
        /// What the person must know or do first, one line each.
        advice: Vec<String>,
        /// The things, with what to do for each.
        to_do: Vec<WorksheetThing>,
        /// What will be read as evidence.
        evidence: Vec<String>,
        /// Does nothing in the tenant show that one of the things is done? Then the run continues
        /// once the task is completed with a waiver.
        needs_waiver: bool,
    },
    /// Transient: the run waits for an operation or a barrier.
    Progress {
        /// The step's name.
        step: String,
        /// What the run waits for, by name.
        name: String,
        /// What the service reports about it.
        note: String,
        /// For how long it has waited.
        elapsed: f64,
    },
    /// Transient: a request waits before it is sent again.
    Waiting {
        /// The service's name.
        service: String,
        /// Why.
        reason: String,
        /// For how long.
        seconds: f64,
        /// The number of the next attempt.
        attempt: u32,
    },
    /// Transient: a write has no response yet, although writes are usually answered by now.
    SlowWrite {
        /// The service's name.
        service: String,
        /// Its host and port.
        address: String,
        /// The write's method and path.
        request: String,
        /// For how long it has had no response.
        elapsed: f64,
    },
    /// Transient: such a write has its response, or will have none.
    SlowWriteEnded {
        /// The service's host and port.
        address: String,
        /// The write's method and path.
        request: String,
    },
    /// Sent last, even if nothing began.
    RunEnded {
        /// `finished`, `stopped`, `waiting`, `failed`, `interrupted`, `refused` or `temporary`.
        outcome: String,
        /// The exit code.
        exit: u8,
        /// What failed and what the service said.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// What to do now.
        #[serde(skip_serializing_if = "Option::is_none")]
        help: Option<String>,
        /// The kind of failure, if it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<FailureKind>,
        /// The places of the runbook that it is about.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[schemars(default)]
        diagnostics: Vec<RunbookPlace>,
        /// Each failure separately, if it failed.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[schemars(default)]
        failures: Vec<FailureItem>,
        /// Figures for the summary.
        summary: Value,
    },
}

impl EventKind {
    /// Is it an event of which only the latest matters?
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Progress { .. }
                | Self::Waiting { .. }
                | Self::SlowWrite { .. }
                | Self::SlowWriteEnded { .. }
        )
    }
}

/// Something that receives events: a terminal, lines, JSON.
pub trait Listener: Send + Sync {
    /// Receives one event. Must not block for long and cannot fail.
    fn on_event(&self, event: &Event);
}

impl<L: Listener + ?Sized> Listener for Arc<L> {
    fn on_event(&self, event: &Event) {
        (**self).on_event(event);
    }
}

/// A duration as events write it: seconds, not rounded up, so that a whole number of seconds is the
/// same everywhere.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).floor() / 1000.0
}
