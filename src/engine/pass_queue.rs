//! The changes of a pass that have not begun.
//!
//! A pass can have many thousand changes, so the end of one change leads only to those that wait
//! for it, and not to all.

use std::collections::{BTreeMap, BTreeSet};

use super::Change;

/// The changes that have not begun, each with its index in the survey's order.
pub(super) struct PassQueue {
    changes: BTreeMap<usize, Change>,
    /// Those that may begin once fewer changes run.
    ready: BTreeSet<usize>,
    /// Those that may have become ready, or will never be.
    unchecked: BTreeSet<usize>,
    /// Those that wait for the end of a change, by the key of that change.
    followers: BTreeMap<String, Vec<usize>>,
    /// The launches that await the acceptance of another one.
    awaiting: BTreeSet<usize>,
}

impl PassQueue {
    /// The queue of these changes, which are not checked yet.
    pub(super) fn new(changes: Vec<Change>) -> Self {
        let mut followers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut awaiting = BTreeSet::new();
        for (index, change) in changes.iter().enumerate() {
            for key in &change.follows {
                followers.entry(key.clone()).or_default().push(index);
            }
            if change.awaits().is_some() {
                awaiting.insert(index);
            }
        }
        Self {
            unchecked: (0..changes.len()).collect(),
            changes: changes.into_iter().enumerate().collect(),
            ready: BTreeSet::new(),
            followers,
            awaiting,
        }
    }

    /// The next change to check, in the survey's order, with its index.
    pub(super) fn next_unchecked(&mut self) -> Option<(usize, &Change)> {
        let index = self.unchecked.pop_first()?;
        Some((index, self.changes.get(&index)?))
    }

    /// Whether the change at this index may begin, as a check has found.
    pub(super) fn set_ready(&mut self, index: usize, is_ready: bool) {
        if is_ready {
            self.ready.insert(index);
        } else {
            self.ready.remove(&index);
        }
    }

    /// The changes that may begin, in the survey's order.
    pub(super) fn ready(&self) -> impl Iterator<Item = &Change> {
        let indices = self.ready.iter();
        indices.filter_map(|index| self.changes.get(index))
    }

    /// Takes the first change that may begin.
    pub(super) fn take_ready(&mut self) -> Option<Change> {
        let index = *self.ready.first()?;
        self.take(index)
    }

    /// Takes the change at this index.
    pub(super) fn take(&mut self, index: usize) -> Option<Change> {
        self.ready.remove(&index);
        self.unchecked.remove(&index);
        self.awaiting.remove(&index);
        self.changes.remove(&index)
    }

    /// A change has ended: those that follow it are checked again.
    pub(super) fn ended(&mut self, key: &str) {
        let followers = self.followers.remove(key).unwrap_or_default();
        let waiting = followers
            .into_iter()
            .filter(|index| self.changes.contains_key(index));
        self.unchecked.extend(waiting);
    }

    /// A launch may have been accepted, or have failed: those that await one are checked again.
    pub(super) fn check_awaiting(&mut self) {
        self.unchecked.extend(&self.awaiting);
    }

    /// The first change that has not begun is checked again. Returns its key.
    pub(super) fn check_first(&mut self) -> Option<&str> {
        let (index, change) = self.changes.first_key_value()?;
        self.unchecked.insert(*index);
        Some(&change.key)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::engine::{Action, ManualTask};

    fn change(key: &str, follows: &[&str]) -> Change {
        Change {
            key: key.to_owned(),
            name: key.to_owned(),
            before: Value::Null.into(),
            after: Value::Null.into(),
            follows: follows.iter().map(|key| (*key).to_owned()).collect(),
            action: Action::ManualTask(ManualTask {
                instructions: Vec::new(),
                evidence: String::new(),
                ..ManualTask::default()
            }),
        }
    }

    /// Checks every change that is not checked, and returns their keys.
    fn check(queue: &mut PassQueue) -> Vec<String> {
        let mut keys = Vec::new();
        while let Some((index, change)) = queue.next_unchecked() {
            let is_ready = change.follows.is_empty() || change.key == "parent";
            keys.push(change.key.clone());
            queue.set_ready(index, is_ready);
        }
        keys
    }

    /// Otherwise a pass over N changes would cost N checks for each.
    #[test]
    fn the_end_of_a_change_leads_only_to_those_that_follow_it() {
        let mut changes: Vec<Change> = (0..100).map(|n| change(&n.to_string(), &[])).collect();
        changes.insert(0, change("parent", &["7", "8"]));
        changes.push(change("other", &["9"]));
        let mut queue = PassQueue::new(changes);
        assert_eq!(check(&mut queue).len(), 102);
        queue.set_ready(0, false);
        let order: Vec<_> = (0..10).filter_map(|_| queue.take_ready()).collect();
        assert_eq!((order[0].key.as_str(), order[9].key.as_str()), ("0", "9"));
        queue.ended("3");
        assert!(check(&mut queue).is_empty());
        queue.ended("7");
        assert_eq!(check(&mut queue), ["parent"]);
        let next = queue.take_ready().map(|change| change.key);
        assert_eq!(next.as_deref(), Some("parent"), "the survey's order");
        queue.ended("8");
        assert!(check(&mut queue).is_empty(), "it has begun");
    }
}
