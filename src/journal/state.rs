//! What the records of a journal add up to.
//!
//! A state is made by the fold in `fold` and by nothing else. Its larger parts are shared, so that
//! a clone costs little: the writer makes one for every group it writes.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::payload::{
    Began, Closed, Completed, Confirmed, Done, Ended, Failed, HumanEditDetected, Intent,
    LaunchOutcome, Launched, Opened, OverwriteConfirmed, Reopened, Repinned, StepOutcome, Verified,
    Waiting,
};
use super::record::{Entry, RunId};
use super::work::WorkTimes;

/// A record's payload with its place in the journal. It gives way to the payload's own fields.
#[derive(Debug, PartialEq)]
pub struct Stamped<T> {
    /// The record's number.
    pub number: u64,
    /// When it was written.
    pub time: Timestamp,
    /// What it says.
    pub payload: Arc<T>,
}

impl<T: Clone> Stamped<T> {
    pub(super) fn new(entry: &Entry, payload: &T) -> Self {
        Self {
            number: entry.number,
            time: entry.time,
            payload: Arc::new(payload.clone()),
        }
    }
}

// Derived, it would ask the payload to be `Clone` too.
impl<T> Clone for Stamped<T> {
    fn clone(&self) -> Self {
        Self {
            number: self.number,
            time: self.time,
            payload: Arc::clone(&self.payload),
        }
    }
}

impl<T> Deref for Stamped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.payload
    }
}

/// What the journal knows of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The run's id.
    pub run: RunId,
    /// How it began, and what is pinned.
    pub began: Stamped<Began>,
    /// The last process that took the file.
    pub opened: Option<Stamped<Opened>>,
    /// How that process left it; none while it works, and none when it was killed.
    pub closed: Option<Stamped<Closed>>,
    /// How many processes have taken the file.
    pub openings: u32,
    /// The last confirmation.
    pub confirmed: Option<Stamped<Confirmed>>,
    /// The digest of the runbook the run goes by.
    pub runbook_digest: String,
    /// The digest of the last plan.
    pub plan_digest: Option<String>,
    /// What was pinned anew after the copy.
    pub repinned: Option<Stamped<Repinned>>,
    /// The steps that have begun or were skipped, in the order in which they first did.
    pub steps: Vec<StepState>,
    /// The step this process is in, and the phase where it is in one.
    pub running: Option<(String, Option<String>)>,
    /// The launches, by key.
    pub launches: BTreeMap<Arc<str>, Arc<LaunchState>>,
    /// The sets and removals, by key.
    pub sets: BTreeMap<Arc<str>, Arc<ChangeState>>,
    /// What a person was handed to do, by key: a change that is automatic in one process and left to
    /// a person in the next one is in both.
    pub asks: BTreeMap<Arc<str>, Arc<ChangeState>>,
    /// The edits of people that were found and are not settled, by the key of the change that would
    /// overwrite them. An edit is settled when its phase ends.
    pub edits: BTreeMap<Arc<str>, EditState>,
    /// The seals, by name.
    pub seals: BTreeMap<Arc<str>, Arc<SealState>>,
    /// The names of the seals that a person gave up.
    pub abandoned: Vec<String>,
    /// The manual tasks, by their name `STEP/PHASE`.
    pub tasks: BTreeMap<Arc<str>, Arc<TaskState>>,
    /// What has failed and was not brought to its end since: a process that is refused, or ends
    /// before it tries again, takes nothing away.
    pub failures: Vec<Stamped<Failed>>,
    /// When the run reached its end.
    pub finished: Option<Timestamp>,
    /// How often, and for what, steps were opened again.
    pub reopened: Vec<Stamped<Reopened>>,
    /// When processes worked on the run, and how fast their clocks ran.
    pub work: WorkTimes,
    /// The number the next record will have.
    pub next_number: u64,
    /// The time of the last record.
    pub last_time: Timestamp,
}

/// A step, as far as it has come.
#[derive(Clone, Debug, PartialEq)]
pub struct StepState {
    /// The step's name.
    pub step: String,
    /// When it first began; for a skipped step, when that was recorded.
    pub began: Timestamp,
    /// When it ended; none while it has not, or has begun again since.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<StepOutcome>,
    /// How long processes worked on it, by the program's clock.
    pub worked: Duration,
    /// Why it was skipped, or what is to be known about its end.
    pub note: Option<String>,
    /// Its phases, in the order in which they first began.
    pub phases: Vec<PhaseState>,
    /// How it had ended before it was begun again; none once that attempt has changed anything.
    pub(super) earlier: Option<EndedStep>,
}

/// How a step had ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EndedStep {
    pub(super) ended: Option<Timestamp>,
    pub(super) outcome: StepOutcome,
    pub(super) note: Option<String>,
}

impl StepState {
    /// The phase of this name, where it has begun.
    pub fn phase(&self, phase: &str) -> Option<&PhaseState> {
        self.phases.iter().find(|state| state.phase == phase)
    }
}

/// A phase, as far as it has come.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseState {
    /// The phase's name.
    pub phase: String,
    /// When it first began.
    pub began: Timestamp,
    /// When it reached its fixpoint; none while it has not, or has begun again since.
    pub ended: Option<Timestamp>,
    /// How long processes worked on it, by the program's clock.
    pub worked: Duration,
    /// How many passes that took, in all processes.
    pub passes: u32,
    /// How many changes were applied, in all processes.
    pub changes: usize,
}

/// A launch, from its intent to its end. After an end that was a failure or an absence, a new
/// intent makes a new attempt, and what is here is about that one.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchState {
    /// The intent of this attempt.
    pub intent: Stamped<Intent>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// What the service answered.
    pub launched: Option<Stamped<Launched>>,
    /// How it ended.
    pub ended: Option<Stamped<Ended>>,
    /// What was read from the tenant after it succeeded.
    pub verified: Option<Stamped<Verified>>,
}

impl LaunchState {
    /// What the operation is found by, once the service has answered.
    pub fn handle(&self) -> Option<&Value> {
        self.launched.as_ref().map(|launched| &launched.handle)
    }

    /// Did the service clearly refuse it, or was it never sent? Then there is nothing of it anywhere.
    pub fn was_refused(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| {
            ended.outcome == LaunchOutcome::Absent && ended.detail.get("refused").is_some()
        })
    }

    /// How it ended, once that is known.
    pub fn outcome(&self) -> Option<LaunchOutcome> {
        self.ended.as_ref().map(|ended| ended.outcome)
    }
}

/// A set, a removal or an ask, from its intent to its end. A new intent begins it anew.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeState {
    /// The last intent; its `kind` tells which of the three it is.
    pub intent: Stamped<Intent>,
    /// What was read back after it.
    pub done: Option<Stamped<Done>>,
    /// Every value that an intent of this key named as before or after, since the run began or steps
    /// were last opened again. Any other value of the object is not this run's.
    pub values: Vec<Value>,
}

/// An edit of a person that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct EditState {
    /// What was expected and what was found.
    pub detected: Stamped<HumanEditDetected>,
    /// Who agreed that it is overwritten, if anybody did.
    pub confirmed: Option<Stamped<OverwriteConfirmed>>,
}

/// A seal, closed or on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct SealState {
    /// The seal's name.
    pub seal: String,
    /// Its captures, in their order.
    pub captures: Vec<Arc<CapturedRow>>,
    /// The manifest, once it is closed.
    pub manifest: Option<Manifest>,
    /// Was it read back, and did it agree? Nothing is copied, cleared or deleted without it.
    pub verified: bool,
    /// The path of its read-only copy.
    pub copy: Option<String>,
}

impl SealState {
    /// The capture of this key.
    pub fn capture(&self, key: &str) -> Option<&CapturedRow> {
        self.captures
            .iter()
            .find(|row| row.key == key)
            .map(Arc::as_ref)
    }
}

/// One row or setting as the service gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedRow {
    /// What was captured.
    pub key: String,
    /// The `ETag` it came with.
    pub etag: Option<String>,
    /// The service's bytes, verbatim. They may hold a secret: show a fingerprint.
    pub text: String,
    /// The SHA-256 of `text`, in 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// What closes a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// How many captures it holds.
    pub count: usize,
    /// The SHA-256 over their keys, `ETag`s and digests.
    pub sha256: String,
    /// When it was closed.
    pub time: Timestamp,
    /// The numbers of its first record and of the record that closes it.
    pub records: (u64, u64),
}

/// A manual task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskState {
    /// What the person is asked to do.
    pub waiting: Stamped<Waiting>,
    /// The evidence, or the waiver. A task that waits again has none.
    pub completed: Option<Stamped<Completed>>,
}

/// How far a step or a phase has come with the changes it has begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Changes whose intent was written.
    pub begun: usize,
    /// Of these, sets, removals and asks that are done, and launches that are verified.
    pub done: usize,
}

impl State {
    /// The step of this name, where it has begun or was skipped.
    pub fn step(&self, step: &str) -> Option<&StepState> {
        self.steps.iter().find(|state| state.step == step)
    }

    /// The launch of this key.
    pub fn launch(&self, key: &str) -> Option<&Arc<LaunchState>> {
        self.launches.get(key)
    }

    /// The set, removal or ask of this key.
    pub fn set(&self, key: &str) -> Option<&Arc<ChangeState>> {
        self.sets.get(key)
    }

    /// The edit that was found of the object of this change, if one is not settled.
    pub fn edit(&self, key: &str) -> Option<&EditState> {
        self.edits.get(key)
    }

    /// The seal of this name, whether it is closed or not.
    pub fn seal(&self, seal: &str) -> Option<&Arc<SealState>> {
        self.seals.get(seal)
    }

    /// The seal of this name, where it was closed and read back.
    pub fn verified_seal(&self, seal: &str) -> Option<&Arc<SealState>> {
        self.seal(seal).filter(|seal| seal.verified)
    }

    /// The launches whose end is not known: at the service they may be running, have ended, or
    /// never have begun.
    pub fn launches_in_doubt(&self) -> impl Iterator<Item = &Arc<LaunchState>> {
        self.launches
            .values()
            .filter(|launch| launch.ended.is_none())
    }

    /// The manual tasks that wait for a person.
    pub fn waiting(&self) -> impl Iterator<Item = &Arc<TaskState>> {
        self.tasks.values().filter(|task| task.completed.is_none())
    }

    /// Has a process opened the file and not closed it? It may work, or have been killed: the
    /// lock tells which.
    pub fn is_open(&self) -> bool {
        self.opened.is_some() && self.closed.is_none()
    }

    /// How far `step` has come, or only its `phase`, with the changes that the program makes.
    pub fn progress(&self, step: &str, phase: Option<&str>) -> Progress {
        let here = |intent: &Intent| {
            intent.step == step && phase.is_none_or(|phase| intent.phase == phase)
        };
        let sets = self.sets.values().filter(|set| here(&set.intent));
        let launches = self.launches.values().filter(|launch| here(&launch.intent));
        sets.map(|set| set.done.is_some())
            .chain(launches.map(|launch| launch.verified.is_some()))
            .fold(Progress::default(), |progress, done| Progress {
                begun: progress.begun + 1,
                done: progress.done + usize::from(done),
            })
    }

    /// How far a person has come in `step` with what they were handed to do: begun is what they were
    /// handed, done is what the tenant showed to be done. A waiver proves nothing.
    pub fn by_hand(&self, step: &str) -> Progress {
        let asks = self.asks.values().filter(|ask| ask.intent.step == step);
        asks.fold(Progress::default(), |progress, ask| Progress {
            begun: progress.begun + 1,
            done: progress.done + usize::from(ask.done.is_some()),
        })
    }
}
