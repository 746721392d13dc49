//! A change: the smallest thing that is applied, with a stable key, and the traits by which a step
//! tells the engine how to read, write and prove it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::Failure;
use crate::journal::ChangeKind;

/// One change that a survey found still to do.
#[derive(Clone)]
pub struct Change {
    /// Stable key: row ids that survive the copy and logical names, never an id made in the run.
    pub key: String,
    /// What a person calls it: `switch on cloud flow 'Release order'`.
    pub name: String,
    /// What is there now, as it may be shown: secrets are fingerprints.
    pub before: Value,
    /// What shall be there; a value made later is written by what it is.
    pub after: Value,
    /// Keys of changes of the same phase that must end well before this one begins.
    pub follows: Vec<String>,
    /// How it is applied.
    pub action: Action,
}

/// How a change is applied; one variant a kind.
#[derive(Clone)]
pub enum Action {
    /// Read, compare, write, wait, read back.
    Set(Arc<dyn Set>),
    /// A set whose end is "gone"; sent only for a key of a verified seal.
    Remove {
        /// Reads the thing and its children, deletes it.
        set: Arc<dyn Set>,
        /// The seal that holds the before-image.
        seal: &'static str,
        /// The key of the capture in that seal.
        captured: String,
        /// The compared fields as the seal holds them: what is removed is what was recorded.
        sealed: Value,
    },
    /// A long-running operation at the service, requested once.
    Launch(Arc<dyn Launch>),
    /// What only a person can do.
    Ask(Ask),
}

/// What a person is asked to do, and what will prove it done.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What to do, a line each, with the exact names.
    pub instructions: Vec<String>,
    /// What will be read as evidence.
    pub evidence: String,
}

impl Change {
    /// The kind, as the plan and the journal write it.
    pub fn kind(&self) -> ChangeKind {
        match self.action {
            Action::Set(_) => ChangeKind::Set,
            Action::Remove { .. } => ChangeKind::Remove,
            Action::Launch(_) => ChangeKind::Launch,
            Action::Ask(_) => ChangeKind::Ask,
        }
    }

    /// How long it is expected to take: a write and its reading back take seconds, a launch says so
    /// itself, and a person takes three minutes (an estimate).
    pub fn expected(&self) -> Duration {
        match &self.action {
            Action::Set(_) | Action::Remove { .. } => Duration::from_secs(10),
            Action::Launch(launch) => launch.expected(),
            Action::Ask(_) => Duration::from_mins(3),
        }
    }

    /// The launch that must have been accepted before this change begins, by its key.
    pub(super) fn awaits(&self) -> Option<&str> {
        match &self.action {
            Action::Launch(launch) => launch.awaits(),
            Action::Set(_) | Action::Remove { .. } | Action::Ask(_) => None,
        }
    }

    /// Is it a long-running operation at the service?
    pub(super) fn is_launch(&self) -> bool {
        matches!(self.action, Action::Launch(_))
    }

    /// Does it end something that cannot be had back without the journal? Such keys are confirmed.
    pub fn is_destructive(&self) -> bool {
        match &self.action {
            Action::Remove { .. } => true,
            Action::Launch(launch) => launch.is_destructive(),
            Action::Set(_) | Action::Ask(_) => false,
        }
    }
}

/// What reading the object of a set gave.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The compared fields, in the form of the change's `before` and `after`.
    pub value: Value,
    /// The version that a write must name, where the service gives one.
    pub etag: Option<String>,
    /// What the write needs besides: text to edit, for example. Never compared, never shown.
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

/// What an accepted write answered.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// A handle of an operation to wait for, where the service began one.
    pub operation: Option<Value>,
}

/// Why a write did not answer well.
#[derive(Clone, Debug)]
pub enum WriteError {
    /// The version that was read is no longer the newest (412): read again and compare.
    Moved(Failure),
    /// It may or may not have been applied: read to find out.
    InDoubt(Failure),
    /// It was not applied. Of a launch: it was never sent, or the service clearly refused this very
    /// request; every other answer leaves a launch in doubt.
    Refused(Failure),
}

/// A change that is read, compared, written and read back. Surveying again makes it safe.
#[async_trait]
pub trait Set: Send + Sync {
    /// Reads the object: the compared fields and the version.
    async fn read(&self) -> Result<Reading, Failure>;

    /// Writes it on the ground of what was read, with the version that was read.
    async fn write(&self, reading: &Reading) -> Result<Written, WriteError>;

    /// Asks how the operation that the write began is doing.
    async fn poll(&self, _operation: &Value) -> Result<Progress, Failure> {
        Ok(Progress::Succeeded(Value::Null))
    }

    /// Does only a person, beside this run, write this member of the compared fields? False for what
    /// the service moves by itself, such as the state of a flow: another value of it than this run
    /// left is then not taken for an edit of a person.
    fn only_people_write(&self, _member: &str) -> bool {
        true
    }

    /// How long the service may take, after a good answer, until reading shows the change.
    fn patience(&self) -> Duration {
        Duration::from_mins(1)
    }
}

/// What may follow when a launch's fate cannot be read at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repeat {
    /// Nothing: a person decides.
    Never,
    /// A new request, once every operation is listed and none is ours for this long.
    WhenAbsent(Duration),
    /// A new request: pressing again is the documented cure.
    Harmless,
}

/// What a request that was accepted gave.
#[derive(Clone, Debug)]
pub struct Started {
    /// What finds the operation again; kept in the journal.
    pub handle: Value,
    /// The service's own time at the answer.
    pub service_date: Option<String>,
}

/// What a search for a launch in doubt gave.
#[derive(Clone, Debug)]
pub enum Found {
    /// It is there, running or ended: adopt it.
    Operation(Value),
    /// Every operation was listed and none is ours.
    Absent,
    /// The service does not list such operations.
    Unlisted,
    /// More than one could be ours, or it is somebody else's: what was seen, in words.
    Ambiguous(String),
}

/// What the target itself shows of a launch, compared with what `probe` kept before the request.
#[derive(Clone, Debug)]
pub enum Trace {
    /// The target is as it was.
    Same,
    /// The target is different or busy; in words.
    Changed(String),
    /// Nothing was kept that the target could be compared with: the list alone counts.
    NothingKept,
}

/// How an operation is doing.
#[derive(Clone, Debug)]
pub enum Progress {
    /// It runs; what the service says of it.
    Running(String),
    /// The service knows no such operation (yet).
    Missing,
    /// The service says that it ended well. Not yet a proof.
    Succeeded(Value),
    /// The service says that it ended badly, and why.
    Failed(String),
}

/// What the tenant itself shows of a launch's end.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is so; what was read.
    Proved(Value),
    /// Not yet; what is still missing.
    NotYet(String),
    /// It ended otherwise, for good; what was read.
    Wrong(String),
}

/// A long-running operation at the service: probe, intent, request once, handle, poll, proof.
#[async_trait]
pub trait Launch: Send + Sync {
    /// What may follow when its fate cannot be read.
    fn repeat(&self) -> Repeat;

    /// Does it overwrite or remove what cannot be had back?
    fn is_destructive(&self) -> bool {
        false
    }

    /// The launch of the same phase that must have been accepted before this one is requested, by its
    /// key: the service that refuses most is asked first, and both operations run side by side. (A
    /// change that must have *ended* well is one that is followed.)
    fn awaits(&self) -> Option<&str> {
        None
    }

    /// Reads what tells our operation from older ones. Kept in the intent.
    async fn probe(&self) -> Result<Value, Failure>;

    /// Sends the request, once.
    async fn request(&self) -> Result<Started, WriteError>;

    /// Looks for the operation of an intent that has no handle. Takes what `probe` kept.
    async fn find(&self, probed: &Value) -> Result<Found, Failure>;

    /// What `probe` kept, as if it had seen the operation of this handle too: whatever `find` finds with
    /// it is another one. None where operations cannot be told apart.
    fn besides(&self, _probed: &Value, _handle: &Value) -> Option<Value> {
        None
    }

    /// Compares the target with what `probe` kept of it before the request.
    async fn trace(&self, _probed: &Value) -> Result<Trace, Failure> {
        Ok(Trace::NothingKept)
    }

    /// Does the service have an operation that `poll` asks after? Where it has none, an acceptance says
    /// nothing about the end, and the target alone shows it.
    fn has_operation(&self) -> bool {
        true
    }

    /// After a failure: whether the target is usable, whether it is safe to run again, and what to do
    /// now. None where the failure says it all.
    async fn aftermath(&self) -> Option<String> {
        None
    }

    /// Asks how it is doing.
    async fn poll(&self, handle: &Value) -> Result<Progress, Failure>;

    /// Reads the end state from the tenant itself.
    async fn verify(&self, handle: &Value) -> Result<Verdict, Failure>;

    /// How long it is expected to take, for the window to book.
    fn expected(&self) -> Duration {
        Duration::from_mins(5)
    }

    /// How long the operation may take.
    fn timeout(&self) -> Duration;

    /// How long the tenant may take to show the end state after the operation ended.
    fn patience(&self) -> Duration {
        Duration::from_mins(15)
    }
}
