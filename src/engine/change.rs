//! Changes, and the traits with which a step defines how one is read, written and proved.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::Failure;
use crate::base::json_text::JsonText;
use crate::journal::ChangeKind;

/// One change that a survey found still to do: the smallest thing that is applied.
#[derive(Clone)]
pub struct Change {
    /// Stable key: row ids that survive the copy and logical names, never an id created in the run.
    pub key: String,
    /// A name for people: `turn on cloud flow 'Release order'`.
    pub name: String,
    /// The value that is there now, in a form that may be shown: secrets are fingerprints.
    pub before: JsonText,
    /// The intended value. A value that is created later is written as a description.
    pub after: JsonText,
    /// Keys of changes of the same phase that must succeed before this one begins.
    pub follows: Vec<String>,
    /// How it is applied.
    pub action: Action,
}

/// How a change is applied: one variant for each kind.
#[derive(Clone)]
pub enum Action {
    /// Read, compare, write, wait, read back.
    Set(Arc<dyn Set>),
    /// A set whose intended value is "gone". It is sent only for a key in a verified seal.
    Remove {
        /// Reads the object and its children, deletes it.
        set: Arc<dyn Set>,
        /// The seal that holds the before-image.
        seal: &'static str,
        /// The key of the capture in that seal.
        captured: String,
        /// The compared fields as the seal holds them: only what was recorded is removed.
        sealed: Value,
    },
    /// A long-running operation at the service, requested once.
    Launch(Arc<dyn Launch>),
    /// Something that only a person can do.
    ManualTask(ManualTask),
}

/// What a person must do, and what proves that it is done.
#[derive(Clone, Debug, Default)]
pub struct ManualTask {
    /// What a person must know or do first, one line each. It may hold for other changes of the phase
    /// too: a worksheet says it once, before the things to do.
    pub advice: Vec<String>,
    /// What to do for this change, one line for each instruction, with the exact names.
    pub instructions: Vec<String>,
    /// What the program will read as evidence.
    pub evidence: String,
    /// Is it destructive although `after` is not null? (A null `after` is always destructive.)
    pub is_destructive: bool,
    /// Does nothing in the tenant show that it is done? Then only a waiver completes it.
    pub needs_waiver: bool,
}

/// The keys of these changes. There can be many thousand, so each is looked up in a set.
pub(super) fn keys_of(changes: &[Change]) -> BTreeSet<&str> {
    changes.iter().map(|change| change.key.as_str()).collect()
}

impl Change {
    /// The same change with this advice for the person who makes it, after the advice that it has. A
    /// change that the program makes has none.
    #[must_use]
    pub fn with_advice<L: Into<String>>(mut self, lines: impl IntoIterator<Item = L>) -> Self {
        if let Action::ManualTask(task) = &mut self.action {
            task.advice.extend(lines.into_iter().map(Into::into));
        }
        self
    }

    /// Its kind, as the plan and the journal write it.
    pub fn kind(&self) -> ChangeKind {
        match self.action {
            Action::Set(_) => ChangeKind::Set,
            Action::Remove { .. } => ChangeKind::Remove,
            Action::Launch(_) => ChangeKind::Launch,
            Action::ManualTask(_) => ChangeKind::ManualTask,
        }
    }

    /// How long it is expected to take. A write with its read-back takes seconds, a launch has its
    /// own estimate, and a person takes three minutes (also an estimate).
    pub fn expected_duration(&self) -> Duration {
        match &self.action {
            Action::Set(_) | Action::Remove { .. } => Duration::from_secs(10),
            Action::Launch(launch) => launch.expected_duration(),
            Action::ManualTask(_) => Duration::from_mins(3),
        }
    }

    /// The key of the launch that must be accepted before this change begins.
    pub(super) fn awaits(&self) -> Option<&str> {
        match &self.action {
            Action::Launch(launch) => launch.awaits(),
            Action::Set(_) | Action::Remove { .. } | Action::ManualTask(_) => None,
        }
    }

    /// Is it a long-running operation at the service?
    pub(super) fn is_launch(&self) -> bool {
        matches!(self.action, Action::Launch(_))
    }

    /// Must a person do it?
    pub fn is_manual(&self) -> bool {
        matches!(self.action, Action::ManualTask(_))
    }

    /// Does the tenant lose the old state? True also if the journal has that state, and also for
    /// manual tasks. A plan marks such changes.
    pub fn is_destructive(&self) -> bool {
        match &self.action {
            Action::Remove { .. } => true,
            // A request of the runbook can remove something too, such as a provider.
            Action::Launch(launch) => launch.is_destructive() || self.after.is_null(),
            Action::Set(set) => set.is_destructive(),
            Action::ManualTask(task) => task.is_destructive || self.after.is_null(),
        }
    }

    /// Must its key be in the confirmed plan? Not for a set: a set is destructive only where the
    /// runbook asks for that, such as `jobs: cancel`, and this is the confirmation.
    pub(super) fn needs_confirmation(&self) -> bool {
        self.is_destructive() && needs_confirmation(self.kind())
    }
}

/// Must a user confirm a destructive change of this kind by its key? See
/// [`Change::needs_confirmation`]. Not for a manual task: the person who does it decides.
pub(super) fn needs_confirmation(kind: ChangeKind) -> bool {
    match kind {
        ChangeKind::Remove | ChangeKind::Launch => true,
        ChangeKind::Set | ChangeKind::ManualTask => false,
    }
}

/// The result of reading the object of a set.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The compared fields, in the form of the change's `before` and `after`.
    pub value: Value,
    /// The version that a write must name, if the service gives one.
    pub etag: Option<String>,
    /// What else the write needs: text to edit, for example. It is never compared or shown.
    pub basis: Value,
}

impl Reading {
    /// A reading of compared fields alone.
    pub fn of(value: Value) -> Self {
        Self {
            value,
            etag: None,
            basis: Value::Null,
        }
    }
}

/// The service's response to an accepted write.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The handle of an operation to wait for, if the service began one.
    pub operation: Option<Value>,
    /// The compared fields in the response itself, if it shows the object as the write left it.
    pub observed: Option<Value>,
}

/// Why a write was not accepted.
#[derive(Clone, Debug)]
pub enum WriteError {
    /// The object has a newer version than the one that was read (412): read again and compare.
    PreconditionFailed(Failure),
    /// The object that was to be created exists already (412 too): read whether it is this one.
    Exists(Failure),
    /// It was not applied, because something at the service must end first, such as an installation
    /// that locks customizations. It is worth sending again for this long.
    NotYet(Failure, Duration),
    /// It may or may not have been applied: read to find out.
    InDoubt(Failure),
    /// It was not applied. For a launch: it was never sent, or the service clearly refused this
    /// very request; every other response leaves a launch in doubt.
    Refused(Failure),
}

/// A change that is compared, written and proved. It is safe to repeat: the next survey finds it
/// done or still to do.
#[async_trait]
pub trait Set: Send + Sync {
    /// Reads the object: the compared fields and the version.
    async fn read(&self) -> Result<Reading, Failure>;

    /// What the survey read of the object, with its version: the first attempt writes with that
    /// version and does not read again. None if the object must be read first.
    fn surveyed(&self) -> Option<Reading> {
        None
    }

    /// Writes the object, based on this reading and its version.
    async fn write(&self, reading: &Reading) -> Result<Written, WriteError>;

    /// Reads the state of the operation that the write began.
    async fn poll(&self, _operation: &Value) -> Result<Progress, Failure> {
        Ok(Progress::Succeeded(Value::Null))
    }

    /// What the journal keeps of the write in addition to the reading: the exit code of a program,
    /// for example.
    fn report(&self) -> Option<Value> {
        None
    }

    /// Is this run or a person the only writer of this member of the compared fields? False for
    /// what the service changes by itself, such as the state of a flow: a value of it that this run
    /// did not write is then not taken for a person's edit.
    fn only_people_write(&self, _member: &str) -> bool {
        true
    }

    /// Once this run has made the change: does a person who puts back the earlier value keep it until the
    /// run may overwrite it? Not if this run's value is the safe one, such as that of a surface that was
    /// closed, or if the service may put back the earlier one.
    fn asks_when_undone(&self) -> bool {
        false
    }

    /// Does the write end something that cannot be restored, although the journal holds what was
    /// there? A canceled job, for example, cannot be made to wait again.
    fn is_destructive(&self) -> bool {
        false
    }

    /// How long the service may take, after a successful response, until reading shows the change.
    fn settle_timeout(&self) -> Duration {
        Duration::from_mins(1)
    }
}

/// What may follow when the outcome of a launch cannot be read at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repeat {
    /// Nothing: a person decides.
    Never,
    /// A new request, once every operation is listed and none is ours for this long.
    WhenAbsent(Duration),
    /// A new request: pressing again is the documented remedy.
    Harmless,
}

/// The service's response to an accepted launch.
#[derive(Clone, Debug)]
pub struct Started {
    /// What finds the operation again. The journal keeps it.
    pub handle: Value,
    /// The service's own time of its response.
    pub service_date: Option<String>,
}

/// The result of a search for a launch in doubt.
#[derive(Clone, Debug)]
pub enum Found {
    /// It is there, running or ended: adopt it.
    Operation(Value),
    /// Every operation was listed and none is ours.
    Absent,
    /// The service does not list such operations.
    Unlisted,
    /// More than one could be ours, or it is somebody else's; a description of what was seen.
    Ambiguous(String),
}

/// What the target itself shows of a launch, compared with what `probe` recorded before the
/// request.
#[derive(Clone, Debug)]
pub enum TargetComparison {
    /// The target is as it was.
    Same,
    /// The target is different or busy; a description.
    Changed(String),
    /// `probe` recorded nothing that the target could be compared with: only the list counts.
    NothingRecorded,
}

/// The state of an operation.
#[derive(Clone, Debug)]
pub enum Progress {
    /// It runs; what the service reports about it.
    Running(String),
    /// The service does not know this operation (yet).
    Missing,
    /// The service reports success. Not yet a proof.
    Succeeded(Value),
    /// The service reports a failure, and why.
    Failed(String),
}

/// What the tenant itself shows of a launch's end state.
#[derive(Clone, Debug)]
pub enum Proof {
    /// It shows the intended end state; what was read.
    Proved(Value),
    /// Not yet; what is still missing.
    NotYet(String),
    /// It shows another end state, which will not change; what was read.
    Disproved(String),
}

/// A long-running operation at the service: probe, intent, request once, handle, poll, proof.
#[async_trait]
pub trait Launch: Send + Sync {
    /// What may follow when its outcome cannot be read.
    fn repeat(&self) -> Repeat;

    /// Does it overwrite or remove something that cannot be restored?
    fn is_destructive(&self) -> bool {
        false
    }

    /// The key of the launch of the same phase that must be accepted before this one is requested.
    /// The service that refuses most often is asked first, and both operations run in parallel. (A
    /// change that must *succeed* first is in [`Change::follows`].)
    fn awaits(&self) -> Option<&str> {
        None
    }

    /// Reads what distinguishes our operation from older ones. The intent keeps it.
    async fn probe(&self) -> Result<Value, Failure>;

    /// Sends the request, once.
    async fn request(&self) -> Result<Started, WriteError>;

    /// Looks for the operation of an intent that has no handle. Takes what `probe` recorded.
    async fn find(&self, probed: &Value) -> Result<Found, Failure>;

    /// What `probe` would have recorded if the operation of this handle had existed then, so that
    /// `find` then finds only other operations. None if operations cannot be distinguished.
    fn probed_with(&self, _probed: &Value, _handle: &Value) -> Option<Value> {
        None
    }

    /// Compares the target with what `probe` recorded about it before the request.
    async fn compare_target(&self, _probed: &Value) -> Result<TargetComparison, Failure> {
        Ok(TargetComparison::NothingRecorded)
    }

    /// Does the service have an operation that `poll` can read? If so, implement `poll`. If not, an
    /// accepted request says nothing about the end, and only the target shows it.
    fn has_operation(&self) -> bool {
        true
    }

    /// After a failure: whether the target is usable, whether it is safe to run again, and what to
    /// do now. None if the failure already says all of that.
    async fn aftermath(&self) -> Option<String> {
        None
    }

    /// Reads the state of the operation. The default is for launches without an operation: nothing
    /// runs at the service.
    async fn poll(&self, _handle: &Value) -> Result<Progress, Failure> {
        Ok(Progress::Succeeded(Value::Null))
    }

    /// Reads the end state from the tenant itself.
    async fn verify(&self, handle: &Value) -> Result<Proof, Failure>;

    /// Reads the end state of an operation that reported success. Takes what `probe` recorded: compared
    /// with it, an end state that somebody has changed since can still prove the operation.
    async fn verify_success(&self, _probed: &Value, handle: &Value) -> Result<Proof, Failure> {
        self.verify(handle).await
    }

    /// How long the operation took, by the service's own times; none if the service does not say
    /// it. Takes what `poll` read when it succeeded, and what `verify` read.
    fn service_duration(&self, _reported: &Value, _observed: &Value) -> Option<Duration> {
        None
    }

    /// How long it is expected to take. The window to book includes it.
    fn expected_duration(&self) -> Duration {
        Duration::from_mins(5)
    }

    /// How long the operation may take.
    fn timeout(&self) -> Duration;

    /// How long the tenant may take to show the end state after the operation ended.
    fn settle_timeout(&self) -> Duration {
        Duration::from_mins(15)
    }
}
