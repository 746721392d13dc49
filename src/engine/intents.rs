//! The intents of sets, a group at a time.
//!
//! An intent is durable before its request is sent. The responses of a service come one after the
//! other, and so do the sets that begin after them: if each wrote its own intent, the disk would
//! sync once for each. So the first set writes the intents of those that begin next together with
//! its own, and these then begin without waiting for the disk.
//!
//! The price is that the journal may name a few sets that never began, if the run stops: at most half
//! as many as may be in flight. For the next process they are sets in doubt, which it reads again.
//! What cannot be undone, and a launch, writes its intent itself, right before its request.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use serde_json::Value;

use super::apply::{PhaseRef, intent};
use super::edits::{self, FirstSeen};
use super::pass_queue::PassQueue;
use super::{Action, Change};
use crate::journal::{Journal, JournalError, Record};

/// Ends when the intents of a group are durable. Clones share one write.
pub(super) type IntentsWritten = Shared<BoxFuture<'static, Result<(), JournalError>>>;

/// The sets of a pass whose intents are written, or are being written, and that have not begun.
pub(super) struct IntentsAhead<'a> {
    journal: &'a Journal,
    first_seen: &'a FirstSeen,
    /// How many sets a group has at most.
    limit: usize,
    written: BTreeMap<String, IntentsWritten>,
}

impl<'a> IntentsAhead<'a> {
    /// None yet. Takes how many changes may be in flight.
    pub(super) fn new(journal: &'a Journal, first_seen: &'a FirstSeen, in_flight: usize) -> Self {
        Self {
            journal,
            first_seen,
            limit: in_flight / 2,
            written: BTreeMap::new(),
        }
    }

    /// For a set that begins now: the write of its intent. If an earlier set did not write it, it
    /// is written with those of the next sets. None for a change that writes its intent itself.
    pub(super) fn begin(
        &mut self,
        phase_ref: PhaseRef<'_>,
        change: &Change,
        queue: &PassQueue,
    ) -> Option<IntentsWritten> {
        if let Some(written) = self.written.remove(&change.key) {
            return Some(written);
        }
        if self.limit < 2 || !self.may_be_ahead(change) {
            return None;
        }
        let next = queue.ready().take(self.limit - 1);
        let next = next.filter(|next| {
            let is_known = next.key == change.key || self.written.contains_key(&next.key);
            !is_known && self.may_be_ahead(next)
        });
        let group: Vec<&Change> = std::iter::once(change).chain(next).collect();
        let records = group
            .iter()
            .map(|change| {
                Record::from(intent(phase_ref.step, phase_ref.phase, change, Value::Null))
            })
            .collect();
        let journal = self.journal.clone();
        let written = async move { journal.append_all(records).await };
        let written = written.boxed().shared();
        for ahead in &group[1..] {
            self.written.insert(ahead.key.clone(), written.clone());
        }
        Some(written)
    }

    /// May the intent of this change be written before it begins? Not if it cannot be undone, and not
    /// if it would overwrite what a person wrote: an intent makes its values ours.
    fn may_be_ahead(&self, change: &Change) -> bool {
        matches!(change.action, Action::Set(_))
            && !change.is_destructive()
            && !edits::would_overwrite(
                &self.journal.state(),
                change,
                self.first_seen.get(&change.key),
            )
    }
}
