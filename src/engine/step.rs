//! What a step is made of: phases that survey, phases that capture, barriers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::{Change, Failure, JournalView, Listing, Note};

/// One step of a runbook: its phases in order.
pub struct Step {
    /// Its name in the runbook.
    pub name: String,
    /// The earlier steps that it needs. It does not begin while one of them has failed or was not
    /// begun; after any other failure it does.
    pub needs: Needs,
    /// Why the runbook skips it, if it does.
    pub skip: Option<String>,
    /// How many passes of a phase may apply changes; the runbook's key is `attempts`.
    pub attempts: u32,
    /// How many changes of a phase may be applied in parallel.
    pub concurrency: usize,
    /// How long the run waits for a barrier: the `timeout` of the runbook, which also limits the
    /// launches of the step ([`Launch::timeout`](super::Launch::timeout)).
    pub barrier_timeout: Duration,
    /// Its phases, each of which reaches its end before the next is surveyed.
    pub phases: Vec<Phase>,
}

/// The earlier steps that a step needs: whose end it relies on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Needs {
    /// Every step before it.
    EveryEarlier,
    /// These, by name, and what they need.
    Only(Vec<String>),
}

impl Needs {
    /// Is this earlier step needed?
    pub(super) fn include(&self, step: &str) -> bool {
        match self {
            Self::EveryEarlier => true,
            Self::Only(names) => names.iter().any(|name| name == step),
        }
    }
}

/// A part of a step that reaches its end before the next begins.
pub struct Phase {
    /// Its name within the step.
    pub name: &'static str,
    /// What it does.
    pub work: Work,
    /// The earlier phases of its step whose failures do not stop it, because it does not need their
    /// results. It needs every other one.
    pub independent_of: &'static [&'static str],
    /// How many of its changes may be applied in parallel, if that is not what its step says.
    pub concurrency: Option<usize>,
    /// Whether a change may begin while the end of those before it is still being read.
    pub overlap: Option<Arc<Overlap>>,
}

/// Allows one change more than `concurrency` to begin once the service has accepted the requests of
/// all running changes. For requests whose response means that the work is done: only the read-back
/// of one change then overlaps with the next request.
#[derive(Debug, Default)]
pub struct Overlap(AtomicBool);

impl Overlap {
    /// From now on, until it is changed again.
    pub fn allow(&self, allows: bool) {
        self.0.store(allows, Ordering::Relaxed);
    }

    pub(super) fn is_allowed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a phase does.
pub enum Work {
    /// Lists, records, lists again, seals. Changes nothing.
    Capture(Box<dyn CaptureSource>),
    /// Finds changes, which the engine applies.
    Changes(Box<dyn Survey>),
}

impl Phase {
    /// A phase that finds changes.
    pub fn changes(name: &'static str, survey: impl Survey + 'static) -> Self {
        Self {
            name,
            work: Work::Changes(Box::new(survey)),
            independent_of: &[],
            concurrency: None,
            overlap: None,
        }
    }

    /// A phase that captures.
    pub fn capture(name: &'static str, capture: impl CaptureSource + 'static) -> Self {
        Self {
            name,
            work: Work::Capture(Box::new(capture)),
            independent_of: &[],
            concurrency: None,
            overlap: None,
        }
    }

    /// The same phase, which runs even if these earlier phases of its step have failed.
    #[must_use]
    pub fn independent_of(self, phases: &'static [&'static str]) -> Self {
        Self {
            independent_of: phases,
            ..self
        }
    }

    /// The same phase, whose changes overlap while this allows it.
    #[must_use]
    pub fn overlapping(self, overlap: &Arc<Overlap>) -> Self {
        Self {
            overlap: Some(Arc::clone(overlap)),
            ..self
        }
    }

    /// The same phase with its own limit of changes in parallel, instead of the step's.
    #[must_use]
    pub fn with_concurrency(self, changes: usize) -> Self {
        Self {
            concurrency: Some(changes),
            ..self
        }
    }
}

/// Reading, without changing anything, to learn what is still to do.
#[async_trait]
pub trait Survey: Send + Sync {
    /// Reads the tenant and what the journal knows; returns what is still to do, in the order in
    /// which it should be begun.
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure>;

    /// Reads what must also be true before the phase has ended: an asynchronous job has finished,
    /// for example. The engine waits for it; it is not a change.
    async fn barrier(&self, _journal: &JournalView) -> Result<Barrier, Failure> {
        Ok(Barrier::Passed)
    }

    /// Reads what the user should know and what stops nothing, one line for each note. Called once,
    /// when the phase has ended or failed.
    async fn notes(&self, _journal: &JournalView) -> Result<Vec<Note>, Failure> {
        Ok(Vec::new())
    }
}

/// Whether the condition that a phase waits for is true.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Barrier {
    /// It is true.
    Passed,
    /// Not yet; a description of what the phase waits for.
    Holds(String),
}

/// Lists the rows and settings of one seal, which the engine records verbatim.
#[async_trait]
pub trait CaptureSource: Send + Sync {
    /// The name of the seal that closes the set.
    fn seal(&self) -> &str;

    /// Lists everything once, completely: a page that fails fails the listing.
    async fn list(&self, journal: &JournalView) -> Result<Listing, Failure>;

    /// The same rows for a listing that is only compared with the next one: rows with a version may
    /// be without their texts.
    async fn list_versions(&self, journal: &JournalView) -> Result<Listing, Failure> {
        self.list(journal).await
    }
}

/// One row or setting that a [`CaptureSource`] listed. It is compared with a second listing before
/// it is sealed.
#[derive(Clone, Debug)]
pub struct ListedRow {
    /// Stable key: where it was read and which object it is.
    pub key: String,
    /// The version, if the service gives one: two listings in a row must agree on it.
    pub etag: Option<String>,
    /// The service's bytes, verbatim.
    pub text: String,
    /// What two listings must agree on if there is no version: the captured fields.
    pub compared: Option<String>,
}
