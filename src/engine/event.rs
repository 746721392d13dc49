//! What a reporter hears. Events carry everything that a display needs; reporters keep no clocks
//! and never call back. A recorded event is one that the journal also knows and is never lost; of
//! the passing ones only the latest matters.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{FailureKind, Mark};
use crate::journal::{ChangeKind, StepOutcome};

/// One event of a run.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Event {
    /// Gapless number within this process's run, from 1.
    pub seq: u64,
    /// The time of day, RFC 3339.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// One step as the first event lists it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct StepLine {
    /// Its name in the runbook.
    pub name: String,
    /// Why it is left out, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
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
        /// Does it go on from an earlier process?
        resumed: bool,
        /// The target's display name.
        target: String,
        /// Every step in order.
        steps: Vec<StepLine>,
    },
    /// A step begins.
    StepBegan {
        /// The step's name.
        step: String,
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
        /// What a person calls it.
        name: String,
        /// Its kind.
        kind: ChangeKind,
    },
    /// A change was applied and read back.
    ChangeDone {
        /// The step's name.
        step: String,
        /// The phase's name.
        phase: String,
        /// The change's key.
        key: String,
        /// What a person calls it.
        name: String,
        /// Its kind.
        kind: ChangeKind,
        /// What it took.
        elapsed: f64,
    },
    /// A change was not applied in this pass.
    ChangeFailed {
        /// The step's name.
        step: String,
        /// The phase's name.
        phase: String,
        /// The change's key.
        key: String,
        /// What a person calls it.
        name: String,
        /// What was said.
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
        /// What a person calls it.
        name: String,
        /// What is known of it.
        message: String,
        /// What to do.
        #[serde(skip_serializing_if = "Option::is_none")]
        help: Option<String>,
    },
    /// Something worth a reader's eye that stops nothing.
    Noted {
        /// The step's name.
        step: String,
        /// What it is.
        message: String,
    },
    /// A step has ended.
    StepEnded {
        /// The step's name.
        step: String,
        /// How.
        outcome: StepOutcome,
        /// A remark: why it was left out, what was found.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Changes applied in this process.
        changes: usize,
        /// What it took.
        elapsed: f64,
    },
    /// A person must act.
    ManualTask {
        /// `STEP/PHASE`.
        task: String,
        /// How many things there are to do.
        things: usize,
        /// What to do, a line each.
        instructions: Vec<String>,
        /// What will be read as evidence.
        evidence: Vec<String>,
    },
    /// Passing: an operation or a barrier is waited for.
    Progress {
        /// The step's name.
        step: String,
        /// What is waited for, by name.
        name: String,
        /// What the service says of it.
        note: String,
        /// Since when.
        elapsed: f64,
    },
    /// Passing: a request is held back before it is tried again.
    Waiting {
        /// The service's name.
        service: String,
        /// Why.
        reason: String,
        /// For how long.
        seconds: f64,
        /// Which try comes next.
        attempt: u32,
    },
    /// Sent last, also where nothing was begun.
    RunEnded {
        /// `finished`, `waiting`, `failed`, `interrupted`, `refused` or `temporary`.
        outcome: String,
        /// The exit code.
        exit: u8,
        /// What was said.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// What to do now.
        #[serde(skip_serializing_if = "Option::is_none")]
        help: Option<String>,
        /// Which kind of failure it was, where it was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<FailureKind>,
        /// The places of the runbook that it is about.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[schemars(default)]
        diagnostics: Vec<Mark>,
        /// Figures for the summary.
        summary: Value,
    },
}

impl EventKind {
    /// Is it one of which only the latest matters?
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Progress { .. } | Self::Waiting { .. })
    }
}

/// Whoever hears events: a terminal, lines, JSON.
pub trait Listener: Send + Sync {
    /// Hears one event. Must not block for long and cannot fail.
    fn hear(&self, event: &Event);
}

impl<L: Listener + ?Sized> Listener for Arc<L> {
    fn hear(&self, event: &Event) {
        (**self).hear(event);
    }
}

/// A duration as events write it: seconds.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
