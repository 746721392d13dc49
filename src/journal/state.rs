//! The state of a run: the fold of its journal's records.
//!
//! Only the fold in `fold` creates a state. Its larger parts are shared, so that a clone is cheap:
//! the writer clones it for every group that it writes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::payload::{
    Began, Closed, Completed, Confirmed, Ended, Failed, HumanEditDetected, Intent, LaunchOutcome,
    Launched, Opened, OverwriteConfirmed, Reopened, RepairBegan, Repinned, StepForecast,
    StepOutcome, Verified, Waiting,
};
use super::record::{Entry, RunId};
use super::sealed_row::{CaptureFile, ParseCache, SealedRow, Span};
use super::shared_map::SharedMap;
use super::work::WorkTimes;
use crate::base::json_text::JsonText;

/// A record's payload with its place in the journal. It dereferences to the payload.
#[derive(Debug, PartialEq)]
pub struct Stamped<T> {
    /// The record's number.
    pub number: u64,
    /// When it was written.
    pub time: Timestamp,
    /// The payload.
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

// Derived, it would require the payload to be `Clone` too.
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

/// The state of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The run's id.
    pub run: RunId,
    /// How it began, and what is pinned.
    pub began: Stamped<Began>,
    /// The last process that opened the file.
    pub opened: Option<Stamped<Opened>>,
    /// How that process closed it; none while it works, and none if it was killed.
    pub closed: Option<Stamped<Closed>>,
    /// How many processes have opened the file.
    pub openings: u32,
    /// The last confirmation.
    pub confirmed: Option<Stamped<Confirmed>>,
    /// The digest of the runbook that the run follows.
    pub runbook_digest: String,
    /// What that runbook means, if the journal has it.
    pub runbook_meaning: Option<Arc<Value>>,
    /// The digest of the last plan.
    pub plan_digest: Option<String>,
    /// What that plan has for each step, if the journal has it and no step was opened again since.
    pub planned: BTreeMap<String, StepForecast>,
    /// The names of users and teams that plans knew, by id.
    pub names: BTreeMap<String, String>,
    /// What was pinned again after the copy.
    pub repinned: Option<Stamped<Repinned>>,
    /// The steps that have begun or were skipped, in the order in which they first did.
    pub steps: Vec<Arc<StepState>>,
    /// The running step, and its running phase, if any.
    pub running: Option<(String, Option<String>)>,
    /// The launches, by key.
    pub launches: BTreeMap<Arc<str>, Arc<LaunchState>>,
    /// The sets and removals, by key.
    pub sets: SharedMap<Arc<ChangeState>>,
    /// The changes that a person makes, by key. A change that was automatic in one process and
    /// manual in the next is also in `sets`.
    pub manual_changes: SharedMap<Arc<ChangeState>>,
    /// The detected edits of people, by the key of the change that would overwrite them. An edit is
    /// settled, and removed here, when its phase ends.
    pub edits: BTreeMap<Arc<str>, EditState>,
    /// The seals, by name.
    pub seals: BTreeMap<Arc<str>, Arc<SealState>>,
    /// The names of the seals that a person gave up.
    pub abandoned: Vec<String>,
    /// The manual tasks, by their name `STEP/PHASE`.
    pub tasks: BTreeMap<Arc<str>, Arc<TaskState>>,
    /// The manual tasks that another of the same name has followed, in order: they ended before steps
    /// were opened again, or were replaced by a longer worksheet after some of them was done.
    pub earlier_tasks: Vec<Arc<TaskState>>,
    /// What has failed and has not been completed since. A process that is refused, or that ends
    /// before it tries again, removes nothing.
    pub failures: Vec<Stamped<Failed>>,
    /// The changes that the service refused for good, by key, until they are made: by the program
    /// or by a person.
    pub refused: BTreeMap<Arc<str>, Stamped<Failed>>,
    /// When the run reached its end.
    pub finished: Option<Timestamp>,
    /// The same for its first end: a finished run may be opened again.
    pub first_finished: Option<Timestamp>,
    /// For what steps were opened again, in order.
    pub reopened: Vec<Stamped<Reopened>>,
    /// The repair that has begun and not ended.
    pub repair: Option<Stamped<RepairBegan>>,
    /// When processes worked on the run, and at which clock speed.
    pub work: WorkTimes,
    /// The file from which the texts of captures are read.
    pub(super) file: CaptureFile,
    /// The number the next record will have.
    pub next_number: u64,
    /// The time of the last record.
    pub last_time: Timestamp,
}

/// The state of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepState {
    /// The step's name.
    pub step: String,
    /// When it first began; for a skipped step, when that was recorded.
    pub began: Timestamp,
    /// When it ended; none if it has not, or has begun again since.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<StepOutcome>,
    /// How long processes worked on it, by the program's clock, without the surveys of later
    /// processes that changed nothing in it.
    pub worked: Duration,
    /// How much of that was before the run finished for the first time; none until then.
    pub worked_at_finish: Option<Duration>,
    /// Where it was opened again for the last time, if it was.
    pub reopened: Option<StepReopening>,
    /// Why it was skipped, or a note on how it ended.
    pub note: Option<String>,
    /// Its phases, in the order in which they first began.
    pub phases: Vec<PhaseState>,
    /// How it had ended before it began again; none once that attempt has changed anything.
    pub(super) earlier: Option<EndedStep>,
}

/// Where a step of a finished run was opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepReopening {
    /// The number of the record.
    pub number: u64,
    /// By which flag.
    pub by: ReopenedBy,
    /// How long processes had worked on the step before.
    pub worked: Duration,
    /// How long the step had taken before, in all: that work, and its operations that continued
    /// between two processes.
    pub took: Duration,
    /// How many changes of the step, also by hand, were done before.
    pub changes: usize,
    /// Has it not begun since?
    pub waits: bool,
}

/// Which flag opened a step of a finished run again.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReopenedBy {
    /// `--again`: for one provider.
    Again,
    /// `--only`: to repair what was changed since.
    Only,
}

/// How a step had ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EndedStep {
    pub(super) ended: Option<Timestamp>,
    pub(super) outcome: StepOutcome,
    pub(super) note: Option<String>,
}

impl StepState {
    /// The phase with this name, if it has begun.
    pub fn phase(&self, phase: &str) -> Option<&PhaseState> {
        self.phases.iter().find(|state| state.phase == phase)
    }

    /// Was it done before, and has the process that works on it changed nothing in it yet?
    pub fn is_surveyed_again(&self) -> bool {
        let earlier = self.earlier.as_ref();
        earlier.is_some_and(|earlier| earlier.outcome == StepOutcome::Done)
    }

    /// Was it opened again, and has not begun since?
    pub fn waits_again(&self) -> bool {
        self.reopened.is_some_and(|reopened| reopened.waits)
    }

    /// How long processes worked on it since it was last opened again; if it never was, in all.
    pub fn worked_since_reopening(&self) -> Duration {
        let before = self.reopened.map(|reopened| reopened.worked);
        self.worked.saturating_sub(before.unwrap_or_default())
    }

    /// How long it had taken, in all, before it was last opened again; zero if it never was.
    pub fn took_before_reopening(&self) -> Duration {
        let reopened = self.reopened.map(|reopened| reopened.took);
        reopened.unwrap_or_default()
    }

    /// How long it took in a run that has finished, without what was done again afterwards.
    pub fn worked_once(&self) -> Duration {
        self.worked_at_finish.unwrap_or(self.worked)
    }
}

/// The state of a phase.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseState {
    /// The phase's name.
    pub phase: String,
    /// When it first began.
    pub began: Timestamp,
    /// When it reached its fixpoint; none if it has not, or has begun again since.
    pub ended: Option<Timestamp>,
    /// How long processes worked on it, by the program's clock.
    pub worked: Duration,
    /// How many passes it took, in all processes.
    pub passes: u32,
    /// How many changes were applied, in all processes.
    pub changes: usize,
}

/// A launch, from its intent to its end. After a failed or absent launch, a new intent starts a new
/// attempt, and this is the state of that attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchState {
    /// The intent of this attempt.
    pub intent: Stamped<Intent>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many attempts failed since it last succeeded. An attempt that was interrupted before the
    /// service had it has not failed.
    pub failures: u32,
    /// The service's acceptance.
    pub launched: Option<Stamped<Launched>>,
    /// How it ended.
    pub ended: Option<Stamped<Ended>>,
    /// What was read from the tenant after it succeeded.
    pub verified: Option<Stamped<Verified>>,
}

impl LaunchState {
    /// Identifies the operation at the service, once the service has accepted it.
    pub fn handle(&self) -> Option<&Value> {
        self.launched.as_ref().map(|launched| &launched.handle)
    }

    /// Did the service clearly refuse it, or was it never sent? Then it has no effect anywhere.
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

/// A set, a removal or a manual change, from its intent to its end. A new intent starts it over.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeState {
    /// The last intent; its `kind` is one of the three.
    pub intent: Stamped<Intent>,
    /// When it was read back after it. The reading itself is only in the file.
    pub done: Option<Moment>,
    /// The values that earlier intents of this key named as before or after and the last one does
    /// not, since the run began or steps were last opened again.
    pub(super) earlier: Vec<JsonText>,
    /// Were steps opened again since the last intent?
    pub(super) is_forgotten: bool,
}

impl ChangeState {
    /// Every value that an intent of this key named as before or after, since the run began or
    /// steps were last opened again. Someone else wrote any other value of the object.
    pub fn values(&self) -> impl Iterator<Item = &JsonText> {
        let last = (!self.is_forgotten).then(|| [&self.intent.before, &self.intent.after]);
        self.earlier.iter().chain(last.into_iter().flatten())
    }
}

/// A record's place in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The record's number.
    pub number: u64,
    /// When it was written.
    pub time: Timestamp,
}

/// A detected edit of a person.
#[derive(Clone, Debug, PartialEq)]
pub struct EditState {
    /// What was expected and what was found.
    pub detected: Stamped<HumanEditDetected>,
    /// Who agreed that it is overwritten, if anyone did.
    pub confirmed: Option<Stamped<OverwriteConfirmed>>,
}

/// A seal, closed or not.
#[derive(Clone, Debug)]
pub struct SealState {
    /// The seal's name.
    pub seal: String,
    /// Its captures, in their order.
    pub captures: Vec<Arc<SealedRow>>,
    /// The manifest, once it is closed.
    pub manifest: Option<Manifest>,
    /// Was it read back, and did it match? Otherwise nothing is copied, cleared or deleted.
    pub verified: bool,
    /// The path of its read-only copy.
    pub copy: Option<String>,
    /// Its lines in the state file, from its first capture to the last, or to its manifest.
    pub(super) lines: Option<Span>,
    /// Its values, once they are parsed.
    pub(super) parsed: ParseCache,
}

/// The places of its lines, and what was parsed of them, are not compared.
impl PartialEq for SealState {
    fn eq(&self, other: &Self) -> bool {
        self.seal == other.seal
            && self.captures == other.captures
            && self.manifest == other.manifest
            && self.verified == other.verified
            && self.copy == other.copy
    }
}

impl SealState {
    /// The capture with this key.
    pub fn capture(&self, key: &str) -> Option<&Arc<SealedRow>> {
        self.captures.iter().find(|row| *row.key == *key)
    }
}

/// The manifest of a closed seal.
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
    /// Its things that were done when it was completed, waived or replaced; empty until then.
    pub proved: Vec<ProvedThing>,
}

/// A thing of a manual task that the tenant showed to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvedThing {
    /// The key of its change.
    pub key: String,
    /// Its name.
    pub name: String,
    /// When it was read.
    pub time: Timestamp,
}

/// The things of a worksheet.
pub(super) enum WorksheetThings<'a> {
    /// The keys of its changes.
    Keys(BTreeSet<&'a str>),
    /// Their names: versions that recorded no keys.
    Names(BTreeSet<&'a str>),
}

impl WorksheetThings<'_> {
    /// Has the worksheet the change of this key and name?
    pub(super) fn has(&self, key: &str, name: &str) -> bool {
        match self {
            Self::Keys(keys) => keys.contains(key),
            Self::Names(names) => names.contains(name),
        }
    }
}

impl TaskState {
    /// The things of its worksheet. There may be many thousand, so each is looked up in a set.
    pub(super) fn things(&self) -> WorksheetThings<'_> {
        let sheet = &self.waiting.worksheet;
        let list = |member: &str| sheet.get(member).and_then(Value::as_array);
        if let Some(changes) = list("changes") {
            let keys = changes.iter().filter_map(|change| change["key"].as_str());
            WorksheetThings::Keys(keys.collect())
        } else {
            let names = list("things").into_iter().flatten();
            WorksheetThings::Names(names.filter_map(Value::as_str).collect())
        }
    }

    /// When this thing of the task was proved, if it was.
    pub fn proved(&self, key: Option<&str>, name: &str) -> Option<Timestamp> {
        let is_it = |thing: &&ProvedThing| key.map_or(thing.name == name, |key| thing.key == key);
        let thing = self.proved.iter().find(is_it)?;
        Some(thing.time)
    }
}

/// How many changes of a step or phase have begun, and how many are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeCounts {
    /// Changes whose intent was written.
    pub begun: usize,
    /// Of these: sets, removals and manual changes that are done, and launches that are verified.
    pub done: usize,
}

impl ChangeCounts {
    /// Counts changes that have begun, each of which is done or not.
    fn of(changes: impl Iterator<Item = bool>) -> Self {
        changes.fold(Self::default(), |counts, done| Self {
            begun: counts.begun + 1,
            done: counts.done + usize::from(done),
        })
    }
}

impl State {
    /// The step with this name, if it has begun or was skipped.
    pub fn step(&self, step: &str) -> Option<&StepState> {
        let mut steps = self.steps.iter().map(AsRef::as_ref);
        steps.find(|state: &&StepState| state.step == step)
    }

    /// The launch with this key.
    pub fn launch(&self, key: &str) -> Option<&Arc<LaunchState>> {
        self.launches.get(key)
    }

    /// The set or removal with this key.
    pub fn set(&self, key: &str) -> Option<&Arc<ChangeState>> {
        self.sets.get(key)
    }

    /// The detected edit that this change would overwrite, if it is not settled.
    pub fn edit(&self, key: &str) -> Option<&EditState> {
        self.edits.get(key)
    }

    /// The seal with this name, closed or not.
    pub fn seal(&self, seal: &str) -> Option<&Arc<SealState>> {
        self.seals.get(seal)
    }

    /// The seal with this name, if it was closed and read back.
    pub fn verified_seal(&self, seal: &str) -> Option<&Arc<SealState>> {
        self.seal(seal).filter(|seal| seal.verified)
    }

    /// The launches whose end is unknown: at the service they may be running, may have ended, or
    /// may never have begun.
    pub fn launches_in_doubt(&self) -> impl Iterator<Item = &Arc<LaunchState>> {
        self.launches
            .values()
            .filter(|launch| launch.ended.is_none())
    }

    /// The manual tasks that wait for a person.
    pub fn waiting(&self) -> impl Iterator<Item = &Arc<TaskState>> {
        self.tasks.values().filter(|task| task.completed.is_none())
    }

    /// Has a process opened the file and not closed it? It is working or was killed: the lock shows
    /// which.
    pub fn is_open(&self) -> bool {
        self.opened.is_some() && self.closed.is_none()
    }

    /// The counts of the automatic changes of `step`, or only of its `phase`.
    pub fn progress(&self, step: &str, phase: Option<&str>) -> ChangeCounts {
        self.count_automatic_changes(|intent| {
            intent.step == step && phase.is_none_or(|phase| intent.phase == phase)
        })
    }

    /// The counts of the automatic changes of `step` that have begun since it was last opened again;
    /// if it never was, of all.
    pub fn progress_since_reopening(&self, step: &str) -> ChangeCounts {
        let since = self.reopening_of(step);
        self.count_automatic_changes(|intent| intent.step == step && intent.number > since)
    }

    /// How many changes of `step`, also by hand, were done before it was last opened again. Some of
    /// them may have been made again since.
    pub fn done_before_reopening(&self, step: &str) -> usize {
        let reopened = self.step(step).and_then(|step| step.reopened);
        reopened.map_or(0, |reopened| reopened.changes)
    }

    /// How many changes of `step`, also by hand, are done in all.
    pub(super) fn all_done_changes(&self, step: &str) -> usize {
        let here = |intent: &Stamped<Intent>| intent.step == step;
        self.count_automatic_changes(here).done + self.count_manual_changes(here).done
    }

    /// The number of the record that opened this step again; 0 if none did.
    pub(super) fn reopening_of(&self, step: &str) -> u64 {
        let reopened = self.step(step).and_then(|step| step.reopened);
        reopened.map_or(0, |reopened| reopened.number)
    }

    fn count_automatic_changes(&self, here: impl Fn(&Stamped<Intent>) -> bool) -> ChangeCounts {
        let sets = self.sets.values().filter(|set| here(&set.intent));
        let launches = self.launches.values().filter(|launch| here(&launch.intent));
        let sets = sets.map(|set| (set.done.is_some(), &set.intent));
        let launches = launches.map(|launch| (launch.verified.is_some(), &launch.intent));
        let counted = sets
            .chain(launches)
            .filter(|(_, intent)| self.is_newest(intent));
        ChangeCounts::of(counted.map(|(is_done, _)| is_done))
    }

    /// Is this the newest intent of its key? A change that was automatic in one process and manual
    /// in another is one change: it counts where it was begun last.
    pub fn is_newest(&self, intent: &Stamped<Intent>) -> bool {
        let key = intent.key.as_str();
        let numbers = [
            self.manual_changes.get(key).map(|set| set.intent.number),
            self.set(key).map(|set| set.intent.number),
            self.launch(key).map(|launch| launch.intent.number),
        ];
        numbers.into_iter().max().flatten() == Some(intent.number)
    }

    /// How many changes of `step`, or only of its `phase`, are done in all processes, those of a
    /// person included, since the step was last opened again. Takes the keys that a survey has found
    /// to be left: they are not done, or not any more.
    pub fn done_changes(&self, step: &str, phase: Option<&str>, left: &BTreeSet<&str>) -> usize {
        let since = self.reopening_of(step);
        let here = |intent: &Stamped<Intent>| {
            let is_here = intent.step == step && phase.is_none_or(|phase| intent.phase == phase);
            is_here && intent.number > since && !left.contains(intent.key.as_str())
        };
        self.count_automatic_changes(here).done + self.count_manual_changes(here).done
    }

    /// The counts of the manual changes of `step` since it was last opened again: begun is what a
    /// person was asked to do, done is what the tenant showed to be done. A waiver proves nothing.
    pub fn by_hand(&self, step: &str) -> ChangeCounts {
        let since = self.reopening_of(step);
        self.count_manual_changes(|intent| intent.step == step && intent.number > since)
    }

    fn count_manual_changes(&self, here: impl Fn(&Stamped<Intent>) -> bool) -> ChangeCounts {
        let changes = self.manual_changes.values();
        let changes =
            changes.filter(|change| here(&change.intent) && self.is_newest(&change.intent));
        ChangeCounts::of(changes.map(|change| change.done.is_some()))
    }

    /// How many manual changes of `step` since it was last opened again are not done because a
    /// person waived their task.
    pub fn waived(&self, step: &str) -> usize {
        let since = self.reopening_of(step);
        let is_waived = |intent: &Intent| {
            let task = format!("{}/{}", intent.step, intent.phase);
            let task = self.tasks.get(task.as_str());
            let completed = task.and_then(|task| task.completed.as_ref());
            completed.is_some_and(|completed| completed.waived.is_some())
        };
        let left = self
            .manual_changes
            .values()
            .filter(|change| change.intent.step == step && change.intent.number > since)
            .filter(|change| change.done.is_none() && self.is_newest(&change.intent));
        left.filter(|change| is_waived(&change.intent)).count()
    }
}
