//! The objects, and the changes of one request before they are committed.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter;
use std::ops::Bound;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::index::Index;
use crate::rehearsal::clock::Moment;

/// All objects by key.
pub(crate) type Objects = BTreeMap<String, Value>;

/// The changes of a request: each key with its new object, or with nothing if it is deleted.
pub(crate) type Changes = BTreeMap<String, Change>;

/// A new object, or nothing for one that is deleted.
type Change = Option<Value>;

/// Applies changes to the objects.
pub(crate) fn apply(objects: &mut Objects, put: Objects, delete: Vec<String>) {
    for key in delete {
        objects.remove(&key);
    }
    objects.extend(put);
}

/// The same to objects with an index.
pub(crate) fn apply_indexed(
    objects: &mut Objects,
    index: &mut Index,
    put: Objects,
    delete: Vec<String>,
) {
    for key in delete {
        if let Some(old) = objects.remove(&key) {
            index.remove(&key, &old);
        }
    }
    for (key, value) in put {
        if let Some(old) = objects.get(&key) {
            index.remove(&key, old);
        }
        index.insert(&key, &value);
        objects.insert(key, value);
    }
}

/// The world during a request: the objects, overlaid with the changes so far.
#[derive(Debug)]
pub(crate) struct Draft<'world> {
    objects: &'world Objects,
    index: Option<&'world Index>,
    changes: Changes,
    /// The keys that were set, in order, each with its change before.
    undo: Vec<(String, Option<Change>)>,
    now: Moment,
}

/// A state of a draft to which it can be rolled back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Savepoint(usize);

impl<'world> Draft<'world> {
    /// A draft at a moment, with no changes yet.
    pub(crate) fn new(objects: &'world Objects, now: Moment) -> Self {
        Self {
            objects,
            index: None,
            changes: Changes::new(),
            undo: Vec::new(),
            now,
        }
    }

    /// The same with the index of the objects.
    pub(crate) fn indexed(objects: &'world Objects, index: &'world Index, now: Moment) -> Self {
        Self {
            index: Some(index),
            ..Self::new(objects, now)
        }
    }

    /// The moment of the request, or of the timer that runs.
    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    /// Sets the moment: timers run at the moment when they were due.
    pub(crate) fn set_now(&mut self, now: Moment) {
        self.now = now;
    }

    /// One object.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        match self.changes.get(key) {
            Some(change) => change.as_ref(),
            None => self.objects.get(key),
        }
    }

    /// The objects whose key begins with `prefix`, in the order of their keys.
    pub(crate) fn under<'draft, 'prefix>(
        &'draft self,
        prefix: &'prefix str,
    ) -> impl Iterator<Item = (&'draft str, &'draft Value)> + use<'draft, 'prefix, 'world> {
        let mut objects = range(self.objects, prefix).peekable();
        let mut changes = range(&self.changes, prefix).peekable();
        // Both are in the order of their keys. A change hides the object with the same key.
        iter::from_fn(move || {
            loop {
                let Some((key, change)) = changes.peek().copied() else {
                    return objects.next();
                };
                let order = objects.peek().map(|(own, _)| (*own).cmp(key));
                if order == Some(Ordering::Less) {
                    return objects.next();
                }
                if order == Some(Ordering::Equal) {
                    objects.next();
                }
                changes.next();
                if let Some(value) = change {
                    return Some((key, value));
                }
            }
        })
    }

    /// The objects under a prefix that have this text in a column, in the order of their keys.
    pub(crate) fn with_text(&self, prefix: &str, column: &str, value: &str) -> Vec<&Value> {
        let has_it = |object: &&Value| object.get(column).and_then(Value::as_str) == Some(value);
        let index = self.index.filter(|_| Index::covers(prefix, column));
        let Some(index) = index else {
            let all = self.under(prefix).map(|(_, object)| object);
            return all.filter(has_it).collect();
        };
        let unchanged = index
            .keys(prefix, column, value)
            .filter(|key| !self.changes.contains_key(*key))
            .filter_map(|key| self.objects.get_key_value(key));
        let changed = range(&self.changes, prefix)
            .filter_map(|(key, change)| Some((key, change.as_ref()?)))
            .filter(|(_, object)| has_it(object));
        let unchanged = unchanged.map(|(key, object)| (key.as_str(), object));
        let mut found: Vec<(&str, &Value)> = unchanged.chain(changed).collect();
        found.sort_unstable_by_key(|(key, _)| *key);
        found.into_iter().map(|(_, object)| object).collect()
    }

    /// One object as a type; `None` if it does not exist or has another form.
    pub(crate) fn load<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        T::deserialize(self.get(key)?).ok()
    }

    /// The objects under a prefix that have the form of a type.
    pub(crate) fn load_under<T: DeserializeOwned>(&self, prefix: &str) -> Vec<T> {
        self.under(prefix)
            .filter_map(|(_, value)| T::deserialize(value).ok())
            .collect()
    }

    /// Sets one object to a value of a type.
    pub(crate) fn save(&mut self, key: String, object: &impl Serialize) {
        self.put(key, serde_json::to_value(object).unwrap_or_default());
    }

    /// Sets one object.
    pub(crate) fn put(&mut self, key: String, value: Value) {
        self.set(key, Some(value));
    }

    fn set(&mut self, key: String, change: Change) {
        let before = self.changes.insert(key.clone(), change);
        self.undo.push((key, before));
    }

    /// Deletes one object.
    pub(crate) fn delete(&mut self, key: &str) {
        self.set(key.to_owned(), None);
    }

    /// Deletes the objects under a prefix.
    pub(crate) fn delete_under(&mut self, prefix: &str) {
        let keys: Vec<String> = self.under(prefix).map(|(key, _)| key.to_owned()).collect();
        for key in keys {
            self.set(key, None);
        }
    }

    /// The next number of a counter, from 1.
    pub(crate) fn count(&mut self, counter: &str) -> u64 {
        let key = format!("counter/{counter}");
        let next = self.get(&key).and_then(Value::as_u64).unwrap_or(0) + 1;
        self.put(key, Value::from(next));
        next
    }

    /// The changes so far, for [`Self::roll_back`].
    pub(crate) fn savepoint(&self) -> Savepoint {
        Savepoint(self.undo.len())
    }

    /// Undoes the changes since a savepoint.
    pub(crate) fn roll_back(&mut self, to: Savepoint) {
        let undone = self.undo.split_off(to.0.min(self.undo.len()));
        for (key, before) in undone.into_iter().rev() {
            match before {
                Some(change) => self.changes.insert(key, change),
                None => self.changes.remove(&key),
            };
        }
    }

    /// The changes to commit, without objects that have their old value.
    pub(crate) fn into_changes(self) -> Changes {
        let objects = self.objects;
        let mut changes = self.changes;
        changes.retain(|key, value| objects.get(key) != value.as_ref());
        changes
    }
}

fn range<'map, 'prefix, V>(
    map: &'map BTreeMap<String, V>,
    prefix: &'prefix str,
) -> impl Iterator<Item = (&'map str, &'map V)> + use<'map, 'prefix, V> {
    map.range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
        .map(|(key, value)| (key.as_str(), value))
        .take_while(move |(key, _)| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> Objects {
        [("a/1", 1), ("a/2", 2), ("b/1", 3)]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .collect()
    }

    #[test]
    fn changes_overlay_the_objects() {
        let objects = world();
        let mut draft = Draft::new(&objects, Moment::default());
        draft.put("a/3".to_owned(), Value::from(9));
        draft.delete("a/1");
        let found: Vec<&str> = draft.under("a/").map(|(key, _)| key).collect();
        assert_eq!(found, ["a/2", "a/3"]);
        draft.put("a/0".to_owned(), Value::from(7));
        draft.put("a/2".to_owned(), Value::from(8));
        let found: Vec<(&str, i64)> = draft
            .under("a/")
            .filter_map(|(key, value)| Some((key, value.as_i64()?)))
            .collect();
        assert_eq!(found, [("a/0", 7), ("a/2", 8), ("a/3", 9)]);
        assert_eq!(draft.get("a/1"), None);
        assert_eq!(draft.get("b/1"), Some(&Value::from(3)));
    }

    #[test]
    fn an_unchanged_object_is_not_a_change() {
        let objects = world();
        let mut draft = Draft::new(&objects, Moment::default());
        draft.put("a/1".to_owned(), Value::from(1));
        draft.put("a/9".to_owned(), Value::from(1));
        draft.delete("a/9");
        assert!(draft.into_changes().is_empty());
    }

    #[test]
    fn a_draft_rolls_back_to_a_savepoint() {
        let objects = world();
        let mut draft = Draft::new(&objects, Moment::default());
        assert_eq!(draft.count("tokens"), 1);
        draft.delete("b/1");
        let before = draft.savepoint();
        assert_eq!(draft.count("tokens"), 2);
        draft.put("b/1".to_owned(), Value::from(4));
        draft.put("b/1".to_owned(), Value::from(5));
        draft.put("c/1".to_owned(), Value::from(6));
        draft.roll_back(before);
        draft.roll_back(before);
        assert_eq!(draft.count("tokens"), 2);
        assert_eq!(draft.get("b/1"), None);
        assert_eq!(draft.get("c/1"), None);
    }

    #[test]
    fn an_index_finds_what_a_scan_finds() {
        let row = |name: &str| serde_json::json!({"primaryentity": name});
        let mut objects = Objects::new();
        for (id, name) in [("1", "a"), ("2", "b"), ("3", "a"), ("4", "a")] {
            objects.insert(format!("row/o/workflow/{id}"), row(name));
        }
        let mut index = Index::of(&objects);
        let put = Objects::from([("row/o/workflow/4".to_owned(), row("b"))]);
        apply_indexed(
            &mut objects,
            &mut index,
            put,
            vec!["row/o/workflow/2".to_owned()],
        );
        let found = |draft: &mut Draft<'_>| {
            draft.put("row/o/workflow/3".to_owned(), row("b"));
            draft.put("row/o/workflow/0".to_owned(), row("a"));
            ["a", "b", "c"].map(|name| {
                let rows = draft.with_text("row/o/workflow/", "primaryentity", name);
                rows.into_iter().cloned().collect::<Vec<Value>>()
            })
        };
        let now = Moment::default();
        let indexed = found(&mut Draft::indexed(&objects, &index, now));
        assert_eq!(indexed, found(&mut Draft::new(&objects, now)));
        assert_eq!(indexed.map(|rows| rows.len()), [2, 2, 0]);
    }
}
