//! An ordered map that is cheap to clone, because its clones share their parts.
//!
//! The writer clones the state for every group of records. A run can have many thousand changes, of
//! which a group touches a few: a clone copies one pointer for each part, and a write copies one
//! part.

use std::fmt;
use std::sync::Arc;

/// The most entries of a part.
const PART: usize = 128;

/// The entries of a part, in the order of their keys; never none.
type Part<V> = Vec<(Arc<str>, V)>;

/// A map from texts, in their order. Values are cheap to clone.
#[derive(Clone)]
pub struct SharedMap<V> {
    parts: Vec<Arc<Part<V>>>,
}

impl<V> Default for SharedMap<V> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<V> SharedMap<V> {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Is there no entry?
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The value of this key.
    pub fn get(&self, key: &str) -> Option<&V> {
        let part = self.parts.get(self.part_of(key))?;
        let place = find(part, key).ok()?;
        Some(&part[place].1)
    }

    /// The entries, in the order of their keys.
    fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        let entries = self.parts.iter().flat_map(|part| part.iter());
        entries.map(|(key, value)| (key, value))
    }

    /// The keys, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The part that holds the key, if one does.
    fn part_of(&self, key: &str) -> usize {
        let after = self.parts.partition_point(|part| *part[0].0 <= *key);
        after.saturating_sub(1)
    }
}

impl<V: Clone> SharedMap<V> {
    /// The value of this key, to change it.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let part = self.part_of(key);
        let part = self.parts.get_mut(part)?;
        let place = find(part, key).ok()?;
        Some(&mut Arc::make_mut(part)[place].1)
    }

    /// Sets the value of this key.
    pub(super) fn insert(&mut self, key: &str, value: V) {
        let at = self.part_of(key);
        let Some(shared) = self.parts.get_mut(at) else {
            self.parts.push(Arc::new(vec![(key.into(), value)]));
            return;
        };
        let part = Arc::make_mut(shared);
        match find(part, key) {
            Ok(place) => part[place].1 = value,
            Err(place) => part.insert(place, (key.into(), value)),
        }
        if part.len() > PART {
            let rest = part.split_off(PART / 2);
            self.parts.insert(at + 1, Arc::new(rest));
        }
    }

    /// The values, to change them.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        let parts = self.parts.iter_mut().map(Arc::make_mut);
        parts.flat_map(|part| part.iter_mut().map(|(_, value)| value))
    }
}

/// The place of a key in a part, or where it belongs.
fn find<V>(part: &Part<V>, key: &str) -> Result<usize, usize> {
    part.binary_search_by(|(found, _)| (**found).cmp(key))
}

/// How the entries are divided into parts depends on the order in which they came.
impl<V: PartialEq> PartialEq for SharedMap<V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<V: fmt::Debug> fmt::Debug for SharedMap<V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_whose_clones_do_not_change(
            entries in prop::collection::vec(("[a-c]{0,6}", any::<u8>()), 0..600),
        ) {
            let (mut shared, mut plain) = (SharedMap::default(), BTreeMap::new());
            for (number, (key, value)) in entries.iter().enumerate() {
                let before = shared.clone();
                // Its copies are whole ones, so it has few.
                let was = (number % 97 == 0).then(|| plain.clone());
                shared.insert(key, *value);
                plain.insert(key.clone(), *value);
                if let Some(value) = shared.get_mut("ab").filter(|_| number % 7 == 0) {
                    *value = value.wrapping_add(1);
                    plain.entry("ab".to_owned()).and_modify(|value| *value = value.wrapping_add(1));
                }
                if let Some(was) = was {
                    prop_assert!(before.iter().map(|(k, v)| (&**k, v)).eq(was.iter().map(|(k, v)| (k.as_str(), v))));
                }
            }
            let found: Vec<_> = shared.iter().map(|(key, value)| (key.to_string(), *value)).collect();
            let expected: Vec<_> = plain.iter().map(|(key, value)| (key.clone(), *value)).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(shared.len(), plain.len());
            prop_assert_eq!(shared.is_empty(), plain.is_empty());
            for (key, value) in &plain {
                prop_assert_eq!(shared.get(key), Some(value));
            }
            prop_assert_eq!(shared.get("d"), None);
            let mut reversed = SharedMap::default();
            for (key, value) in plain.iter().rev() {
                reversed.insert(key, *value);
            }
            prop_assert!(reversed == shared);
        }
    }

    #[test]
    fn a_write_copies_one_part() {
        let mut map = SharedMap::default();
        for number in 0..10_000_u32 {
            map.insert(&format!("{number:05}"), number);
        }
        let before = map.clone();
        map.insert("05000", 0);
        let parts = map.parts.iter().zip(&before.parts);
        let copied = parts.filter(|(now, was)| !Arc::ptr_eq(now, was)).count();
        assert_eq!(copied, 1);
        assert_eq!(
            (before.get("05000"), map.get("05000")),
            (Some(&5000), Some(&0))
        );
    }
}
