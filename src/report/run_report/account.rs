//! What a report tells, as a type.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::journal::{ChangeKind, PinnedTarget, Progress};
use crate::report::documents::{RunState, StepFailure, StepStatus, StepWord, Version};
use crate::report::duration;
use crate::report::status::changes_told;
use crate::report::words::real_time;

/// What a run did so far. Times are RFC 3339 in UTC; durations are whole seconds in which processes
/// worked, by the program's clock, which in a rehearsal is a simulated one.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunReport {
    pub(super) v: Version,
    /// The state file that this was told from.
    pub(super) state_file: String,
    /// The runbook's name.
    pub(super) runbook: String,
    /// Where the run is.
    pub(super) state: RunState,
    /// The same in words.
    pub(super) condition: String,
    /// The run; none where none has begun.
    pub(super) run: Option<RunFacts>,
    /// Every confirmation, in order.
    pub(super) confirmations: Vec<Confirmation>,
    /// Every process that worked on it, in order.
    pub(super) processes: Vec<Process>,
    /// Every step in order.
    pub(super) steps: Vec<StepReport>,
    /// Every manual task.
    pub(super) tasks: Vec<TaskReport>,
    /// The figures that the last process ended with; none where none has ended.
    pub(super) figures: Option<Figures>,
    /// What was found on the way and stopped nothing, a line each.
    pub(super) findings: Vec<String>,
    /// What happened to the run or to its state file that a reader should know, a line each.
    pub(super) warnings: Vec<String>,
    /// What has failed and was not done since.
    pub(super) failures: Vec<StepFailure>,
    /// The command that goes on; none where the run has finished.
    pub(super) next: Option<String>,
}

/// What a run is and what it is bound to.
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
    pub(super) target: PinnedTarget,
    /// When it began.
    pub(super) began: String,
    /// When it finished.
    pub(super) finished: Option<String>,
    /// How long processes worked on its steps: pauses between them do not count.
    pub(super) seconds: u64,
    /// In a rehearsal, how many times faster than real time its clock runs; none where it is real.
    pub(super) speed: Option<f64>,
    /// In real time, from its beginning to its end, or to its last record.
    pub(super) real_seconds: u64,
    /// In real time, how much of that no process worked on a step.
    pub(super) pause_seconds: u64,
    /// The digest of the last plan.
    pub(super) plan_digest: Option<String>,
}

/// Who agreed that the target is overwritten.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Confirmation {
    /// Who.
    pub(super) who: String,
    /// How: `typed`, or the flag.
    pub(super) how: String,
    /// When.
    pub(super) time: String,
    /// The target's name, as it was confirmed.
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
    /// How it left the file; none while it works, and none where it was killed.
    pub(super) ending: Option<Ending>,
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
    /// What it told the operator.
    pub(super) message: Option<String>,
}

/// One step and what was done in it.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct StepReport {
    #[serde(flatten)]
    pub(super) status: StepStatus,
    /// Its phases that have begun, in order.
    pub(super) phases: Vec<PhaseReport>,
    /// Its changes, in the order in which they were begun.
    pub(super) changes: Vec<ChangeReport>,
}

impl RunFacts {
    /// How long the run took, in words: work, and where it was paused, the real time to its end.
    pub(super) fn took(&self) -> String {
        let work = duration(Duration::from_secs(self.seconds));
        let simulated = if self.speed.is_some() {
            " of simulated time"
        } else {
            ""
        };
        if self.pause_seconds < 60 {
            return format!("{work}{simulated}");
        }
        let end = if self.finished.is_some() {
            "ended"
        } else {
            "the last record"
        };
        let after = real_time(Duration::from_secs(self.real_seconds));
        format!("{work} of work{simulated}; {end} {after} after it began")
    }
}

impl StepReport {
    /// How far the step has come with its changes, in words; nothing before it has begun.
    pub(super) fn changes_told(&self) -> String {
        let status = &self.status;
        let automatic = Progress {
            begun: status.changes_begun,
            done: status.changes_done,
        };
        let by_hand = Progress {
            begun: status.by_hand_begun,
            done: status.by_hand_done,
        };
        match status.state {
            StepWord::NotBegun | StepWord::Skipped => String::new(),
            _ => changes_told(automatic, by_hand),
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
    /// How long processes worked on it, where it has ended.
    pub(super) seconds: Option<u64>,
    /// How many surveys that took.
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
    /// What a person calls it.
    pub(super) name: String,
    /// The phase that made it.
    pub(super) phase: String,
    /// Its kind.
    pub(super) kind: ChangeKind,
    /// What became of it.
    pub(super) result: ChangeResult,
    /// When it was begun.
    pub(super) began: String,
    /// How long processes worked from its beginning to its end, where it is done.
    pub(super) seconds: Option<u64>,
    /// Which attempt this was, from 1.
    pub(super) attempt: u32,
}

impl ChangeReport {
    /// What became of it, for a reader; of what a person was handed, in words that fit that.
    pub(super) fn result_told(&self) -> &'static str {
        match (self.kind, self.result) {
            (ChangeKind::Ask, ChangeResult::Done) => "done by hand",
            (ChangeKind::Ask, _) => "left for a person",
            (_, result) => result.told(),
        }
    }
}

/// What became of a change.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ChangeResult {
    /// It was applied, and read back.
    Done,
    /// It was begun, and is not known to be done.
    Begun,
    /// The service reports a failure, or refused it.
    Failed,
    /// It was proved never to have taken effect.
    Absent,
}

impl ChangeResult {
    /// The word for a reader.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Begun => "begun, not known to be done",
            Self::Failed => "failed",
            Self::Absent => "never took effect",
        }
    }
}

/// What a person did, or is to do.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct TaskReport {
    /// `STEP/PHASE`.
    pub(super) task: String,
    /// Where it is.
    pub(super) state: TaskState,
    /// Since when it waits, or when it began to.
    pub(super) since: String,
    /// The things to do, by name.
    pub(super) things: Vec<String>,
    /// What to do, a line each.
    pub(super) instructions: Vec<String>,
    /// What is read as proof, a line each.
    pub(super) proof: Vec<String>,
    /// When it was proved or waived.
    pub(super) completed: Option<String>,
    /// Who had the proof read, or waived it; `survey` where the run itself read it.
    pub(super) who: Option<String>,
    /// What was read from the tenant.
    pub(super) evidence: Option<String>,
    /// Why the proof was waived.
    pub(super) waived: Option<String>,
}

/// Where a manual task is.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TaskState {
    /// It waits for a person.
    Waiting,
    /// The tenant shows that it is done.
    Proved,
    /// The proof was waived.
    Waived,
}

impl TaskState {
    /// The word for a reader.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Waiting => "waits for a person",
            Self::Proved => "proved",
            Self::Waived => "proof waived",
        }
    }
}

/// The figures of a run, in the form in which its last event tells them and its state file keeps
/// them.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Figures {
    /// Slots whose new provider action was put back.
    pub(super) slots_restored: usize,
    /// Slots that were recorded.
    pub(super) slots_recorded: usize,
    /// Slots that held no known provider action before, and were not touched.
    pub(super) dangling: Vec<String>,
    /// Orchestrations published again, by name.
    pub(super) published: Vec<String>,
    /// Orchestrations left as the drafts they were, by name.
    pub(super) drafts: Vec<String>,
    /// How many providers were installed again.
    pub(super) providers: usize,
    /// How many cloud flows were turned on.
    pub(super) flows_on: usize,
    /// Cloud flows left off: name and reason.
    pub(super) flows_off: Vec<(String, String)>,
    /// The target's dual-write maps.
    pub(super) dual_write: DualWriteFigures,
    /// How much of this a person did; nothing where an earlier program wrote the figures.
    #[serde(default)]
    pub(super) by_hand: HandFigures,
}

/// How much of what the figures count a person did.
#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct HandFigures {
    /// Slots whose new provider action a person put back.
    pub(super) slots_restored: usize,
    /// Orchestrations that a person published again.
    pub(super) published: usize,
    /// Providers that a person installed again.
    pub(super) providers: usize,
    /// Cloud flows that a person turned on.
    pub(super) flows_on: usize,
}

/// What became of the target's dual-write maps.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct DualWriteFigures {
    /// How many synchronized before the copy.
    pub(super) ran: usize,
    /// How many of them run again.
    pub(super) run_again: usize,
    /// How many were not running, and are left so.
    pub(super) left_stopped: usize,
}

impl Figures {
    /// The cloud flows left off by reason: each reason with its flows, by name.
    pub(super) fn off_by_reason(&self) -> Vec<(&str, Vec<&str>)> {
        let mut reasons: std::collections::BTreeMap<&str, Vec<&str>> = [].into();
        for (name, reason) in &self.flows_off {
            reasons.entry(reason).or_default().push(name);
        }
        reasons.into_iter().collect()
    }

    /// The figures that are numbers, each with what it counts.
    pub(super) fn numbers(&self) -> Vec<(&'static str, String)> {
        let maps = &self.dual_write;
        let dual_write = if maps.ran == 0 {
            "not in use in the target".to_owned()
        } else {
            format!(
                "{} of {} running again, {} left stopped",
                maps.run_again, maps.ran, maps.left_stopped
            )
        };
        let hand = &self.by_hand;
        let made = |all: usize, by_hand: usize| match by_hand {
            0 => all.to_string(),
            by_hand => format!("{all} ({by_hand} by hand)"),
        };
        vec![
            (
                "Slots restored to new provider actions",
                format!(
                    "{} of {}",
                    made(self.slots_restored, hand.slots_restored),
                    self.slots_recorded
                ),
            ),
            (
                "Providers installed again",
                made(self.providers, hand.providers),
            ),
            (
                "Orchestrations published",
                made(self.published.len(), hand.published),
            ),
            ("Drafts left as they were", self.drafts.len().to_string()),
            ("Cloud flows turned on", made(self.flows_on, hand.flows_on)),
            ("Cloud flows left off", self.flows_off.len().to_string()),
            ("Dual-write maps", dual_write),
        ]
    }
}
