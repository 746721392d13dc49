//! Findings of a process that did not stop it. Each warning is shown when it is found, and
//! recorded in the state file at the end, so that a report can show it again.

use std::sync::Mutex;

use crate::base::sync::lock;
use crate::engine::{Event, EventKind, Listener};

/// The warnings of this process, in order, without duplicates.
#[derive(Default)]
pub(super) struct Warnings(Mutex<Vec<String>>);

impl Warnings {
    pub(super) fn add(&self, warning: String) {
        let mut warnings = lock(&self.0);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    pub(super) fn all(&self) -> Vec<String> {
        let warnings = lock(&self.0);
        warnings.clone()
    }
}

impl Listener for Warnings {
    fn on_event(&self, event: &Event) {
        if let EventKind::Noted { step, message } = &event.kind {
            self.add(format!("{step}: {message}"));
        }
    }
}
