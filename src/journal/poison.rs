//! The first failure of the journal, and the runs that it halts.

use std::sync::{Mutex, MutexGuard};

use super::error::JournalError;
use crate::base::cancellation::Cancellation;
use crate::base::sync::lock;

/// The first failure to write the journal. Every later write fails with it.
#[derive(Debug, Default)]
pub(super) struct Poison(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    error: Option<JournalError>,
    halted: Vec<Cancellation>,
}

impl Poison {
    /// The first failure, if there was one.
    pub(super) fn first_failure(&self) -> Option<JournalError> {
        self.inner().error.clone()
    }

    /// Records a failure, unless there was one before, and returns the first. Once this returns, no
    /// request is sent; the failure must not be reported to anyone before.
    pub(super) fn set(&self, error: JournalError) -> JournalError {
        let mut inner = self.inner();
        let first = inner.error.get_or_insert(error).clone();
        inner.halted.iter().for_each(Cancellation::halt);
        first
    }

    /// Registers a run, which is halted when the journal fails, or now if it has failed already.
    pub(super) fn halt_on_failure(&self, cancellation: &Cancellation) {
        let mut inner = self.inner();
        if inner.error.is_some() {
            cancellation.halt();
        }
        inner.halted.push(cancellation.clone());
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0)
    }
}
