//! The content of a report, as types.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::describe_seconds;
use super::figures::Figures;
use super::manual_tasks::TaskReport;
use super::pictures::Pictures;
use crate::journal::{ChangeCounts, ChangeKind};
use crate::report::change_counts::StepCounts;
use crate::report::current_work::{is_short, not_read};
use crate::report::documents::{
    Findings, RunState, StepCondition, StepFailure, StepStatus, Target, Version,
};
use crate::report::duration;
use crate::report::durations::{real_time, unread_time};

/// What a run did so far. Times are RFC 3339 in UTC. Durations are whole seconds in which processes
/// worked, by the program's clock; in a rehearsal that clock is simulated.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunReport {
    pub(super) v: Version,
    /// The state file that the report was made from.
    pub(super) state_file: String,
    /// The runbook's name.
    pub(super) runbook: String,
    /// The state of the run.
    pub(super) state: RunState,
    /// The same as text.
    pub(super) condition: String,
    /// The run; none if no run has begun.
    pub(super) run: Option<RunFacts>,
    /// Every confirmation, in order.
    pub(super) confirmations: Vec<Confirmation>,
    /// Every process that worked on it, in order.
    pub(super) processes: Vec<Process>,
    /// Every step in order.
    pub(super) steps: Vec<StepReport>,
    /// Every manual task.
    pub(super) tasks: Vec<TaskReport>,
    /// The figures of the last process that ended; none if none has ended.
    pub(super) figures: Option<Figures>,
    /// What needs a look.
    #[serde(flatten)]
    pub(super) findings: Findings,
    /// What did not succeed at first and did in the end, in the processes that have ended, one line
    /// each.
    pub(super) hindrances: Vec<String>,
    /// What the reader should know about the run or its state file, one line for each warning.
    pub(super) warnings: Vec<String>,
    /// The failures that are still open.
    pub(super) failures: Vec<StepFailure>,
    /// The command that continues the run, that checks the target of a run that has finished, or
    /// that checks a state file that lacks records.
    pub(super) next: Option<String>,
    /// Until when the times reach, if a process works on the run: RFC 3339 in UTC. Only a page that
    /// is kept current shows it.
    #[serde(skip)]
    pub(super) as_of: Option<String>,
    /// What only a page shows, drawn from the same records.
    #[serde(skip)]
    pub(super) pictures: Pictures,
}

/// The run and its bindings.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RunFacts {
    /// Its id.
    pub(super) id: String,
    /// The tenant, as the runbook names it.
    pub(super) tenant: String,
    /// The cloud, as the runbook names it.
    pub(super) cloud: String,
    /// The source environment's id.
    pub(super) source: Option<String>,
    /// The target as it was read when the run began.
    pub(super) target: Target,
    /// When it began.
    pub(super) began: String,
    /// When it finished.
    pub(super) finished: Option<String>,
    /// How long processes worked on its steps, and operations at services continued between two of
    /// them: other pauses do not count.
    pub(super) seconds: u64,
    /// How much of that is in no step's time: surveys that found nothing to do, and the work on steps
    /// before they were last opened again.
    pub(super) other_seconds: u64,
    /// In a rehearsal, how many times faster than real time its clock runs; none for real time.
    pub(super) speed: Option<f64>,
    /// The real time from its beginning to its end, or to its last record.
    pub(super) real_seconds: u64,
    /// The part of that real time in which no process worked on a step.
    pub(super) pause_seconds: u64,
    /// The digest of the last plan.
    pub(super) plan_digest: Option<String>,
}

/// A confirmation that the target may be overwritten.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Confirmation {
    /// The user who confirmed.
    pub(super) who: String,
    /// How: `typed`, or the flag.
    pub(super) how: String,
    /// When.
    pub(super) time: String,
    /// The target's name, as the user confirmed it.
    pub(super) target: String,
    /// How many changes that cannot be undone were confirmed.
    pub(super) destructive: usize,
}

/// A process that worked on the run.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Process {
    /// Its process id.
    pub(super) pid: u32,
    /// The machine.
    pub(super) host: String,
    /// The program's version.
    pub(super) program: String,
    /// When it took the state file.
    pub(super) began: String,
    /// How it ended; none while it runs, and none if it was killed.
    pub(super) ending: Option<Ending>,
    /// Does it work on the run now?
    pub(super) running: bool,
}

impl Process {
    /// What is known of its end if no end is recorded, as text.
    pub(super) fn describe_no_ending(&self) -> &'static str {
        if self.running {
            "running"
        } else {
            "no end recorded"
        }
    }
}

/// How a process ended.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Ending {
    /// When.
    pub(super) time: String,
    /// `finished`, `stopped`, `waiting`, `failed`, `interrupted`, `refused` or `temporary`.
    pub(super) reason: String,
    /// The exit code.
    pub(super) exit: u8,
    /// Its last message.
    pub(super) message: Option<String>,
}

/// One step and its changes.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct StepReport {
    #[serde(flatten)]
    pub(super) status: StepStatus,
    /// Its phases that have begun, in order.
    pub(super) phases: Vec<PhaseReport>,
    /// Its changes, in the order in which they began.
    pub(super) changes: Vec<ChangeReport>,
}

impl RunFacts {
    /// How long the run took, as text: the work, and after a pause also the real time to its end.
    pub(super) fn describe_duration(&self) -> String {
        let work = duration(Duration::from_secs(self.seconds));
        let simulated = if self.speed.is_some() {
            " of simulated time"
        } else {
            ""
        };
        let other = Duration::from_secs(self.other_seconds);
        let other = if is_short(other) {
            String::new()
        } else {
            format!(
                " ({} of it in no step's time: surveys that found nothing to do, and what was done \
                 before a step was opened again)",
                duration(other)
            )
        };
        if is_short(Duration::from_secs(self.pause_seconds)) {
            return format!("{work}{simulated}{other}");
        }
        let end = if self.finished.is_some() {
            "ended"
        } else {
            "the last record"
        };
        let after = real_time(Duration::from_secs(self.real_seconds));
        format!("{work} of work{simulated}{other}; {end} {after} after it began")
    }
}

impl StepReport {
    /// How many changes of the step are done, as text. Empty before it has begun.
    pub(super) fn describe_changes(&self) -> String {
        let status = &self.status;
        let automatic = ChangeCounts {
            begun: status.changes_begun,
            done: status.changes_done,
        };
        let by_hand = ChangeCounts {
            begun: status.by_hand_begun,
            done: status.by_hand_done,
        };
        match status.state {
            StepCondition::NotBegun | StepCondition::Skipped => String::new(),
            condition => {
                let counts = StepCounts {
                    automatic,
                    by_hand,
                    waived: status.by_hand_waived,
                    planned: status.changes_planned,
                    before: status.changes_before,
                    time_before: Duration::from_secs(status.seconds_before),
                    reopened_by: status.reopened_by,
                };
                let rest = counts.describe_rest(condition);
                format!("{}{rest}", counts.describe(condition))
            }
        }
    }
}

/// One phase of a step.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PhaseReport {
    /// Its name.
    pub(super) name: String,
    /// Has it reached its end?
    pub(super) ended: bool,
    /// How long processes worked on it, if it has ended.
    pub(super) seconds: Option<u64>,
    /// How many surveys it took.
    pub(super) passes: u32,
    /// How many changes it applied.
    pub(super) changes: usize,
}

/// One change.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ChangeReport {
    /// Its stable key.
    pub(super) key: String,
    /// Its name for people.
    pub(super) name: String,
    /// The phase that made it.
    pub(super) phase: String,
    /// Its kind.
    pub(super) kind: ChangeKind,
    /// Its result.
    pub(super) result: ChangeResult,
    /// When it began.
    pub(super) began: String,
    /// How long processes worked from its beginning to its end, or how long its operation took, if
    /// it is done and this is known.
    pub(super) seconds: Option<u64>,
    /// If its operation ended while no process read it, and the service does not say when: when it
    /// was requested, and when its end was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ended_between: Option<(String, String)>,
    /// Which try it was: 1 and, for each one before it that failed, 1 more.
    pub(super) attempt: u32,
    /// Since when nobody has read how it ended, if that is unknown and no process works on the run.
    #[serde(skip)]
    pub(super) unread_since: Option<String>,
    /// Every value that it changes, before and after. A secret is shown as its fingerprint.
    pub(super) values: Vec<ValueChange>,
}

/// One value that a change changes.
#[derive(Debug, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::report) struct ValueChange {
    /// Its name; empty where the changed thing is one value.
    pub(in crate::report) name: String,
    /// Its text before; none where there was none. A long text is shortened.
    pub(in crate::report) before: Option<String>,
    /// Its text after.
    pub(in crate::report) after: Option<String>,
}

impl ChangeReport {
    /// How long it took, as text. Empty if that is not known yet.
    pub(super) fn describe_time(&self) -> String {
        match &self.ended_between {
            Some((since, until)) => unread_time(since, until),
            None => describe_seconds(self.seconds),
        }
    }

    /// Its result as text. A manual change has its own texts.
    pub(super) fn describe_result(&self) -> String {
        let text = match (self.kind, self.result, &self.unread_since) {
            (ChangeKind::ManualTask, ChangeResult::Done, _) => "done by hand",
            (ChangeKind::ManualTask, _, _) => "left for a person",
            (_, ChangeResult::Begun, Some(since)) => return not_read(since),
            (_, ChangeResult::Done, _) if self.attempt > 1 => {
                return format!("done at attempt {}", self.attempt);
            }
            (_, result, _) => result.as_text(),
        };
        if self.attempt > 1 {
            return format!("{text} (attempt {})", self.attempt);
        }
        text.to_owned()
    }
}

/// The result of a change.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ChangeResult {
    /// It was applied, and read back.
    Done,
    /// It began, and its outcome is unknown.
    Begun,
    /// The service reports a failure, or refused it.
    Failed,
    /// It is proved that it never took effect.
    Absent,
}

impl ChangeResult {
    /// The result as text.
    pub(super) fn as_text(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Begun => "begun, outcome unknown",
            Self::Failed => "failed",
            Self::Absent => "never took effect",
        }
    }
}
