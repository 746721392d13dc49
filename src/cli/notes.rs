//! What a process found worth a reader's eye and what stopped nothing: it is told as it is found,
//! and left in the state file at the end, so that a report can tell it again.

use std::sync::{Mutex, PoisonError};

use crate::engine::{Event, EventKind, Listener};

/// The notes of this process, in order, each once.
#[derive(Default)]
pub(super) struct Notes(Mutex<Vec<String>>);

impl Notes {
    /// Takes a note.
    pub(super) fn take(&self, note: String) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// Every note so far.
    pub(super) fn all(&self) -> Vec<String> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.clone()
    }
}

impl Listener for Notes {
    fn hear(&self, event: &Event) {
        if let EventKind::Noted { step, message } = &event.kind {
            self.take(format!("{step}: {message}"));
        }
    }
}
