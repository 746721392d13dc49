//! Indexes of rows by the value of a column: the work of a request does not grow with the world.

use std::collections::BTreeSet;
use std::ops::Bound;

use serde_json::Value;

use super::store::Objects;

/// The tables and columns that are looked up in each write.
const INDEXED: [(&str, &str); 3] = [
    ("callbackregistration", "entityname"),
    ("connectionreference", "connectionreferencelogicalname"),
    ("workflow", "primaryentity"),
];

/// Separates the parts of an entry; no key of an object has this character.
const SEPARATOR: char = '\u{1f}';

/// The keys of rows, by the values of the indexed columns.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Table prefix, column, value and key, with separators.
    entries: BTreeSet<String>,
}

impl Index {
    /// The index of objects.
    pub(crate) fn of(objects: &Objects) -> Self {
        let mut index = Self::default();
        for (key, object) in objects {
            index.insert(key, object);
        }
        index
    }

    /// Whether a column of the rows under a prefix is indexed.
    pub(crate) fn covers(prefix: &str, column: &str) -> bool {
        let table = prefix.trim_end_matches('/').rsplit('/').next();
        INDEXED
            .iter()
            .any(|(name, indexed)| Some(*name) == table && *indexed == column)
    }

    /// The keys of the rows under a prefix with this value in an indexed column.
    pub(crate) fn keys<'index>(
        &'index self,
        prefix: &str,
        column: &str,
        value: &str,
    ) -> impl Iterator<Item = &'index str> + use<'index> {
        let start = entry(prefix, column, value, "");
        let from = (Bound::Included(start.clone()), Bound::Unbounded);
        self.entries
            .range::<String, _>(from)
            .map_while(move |entry| entry.strip_prefix(&start))
    }

    /// Adds a new object.
    pub(crate) fn insert(&mut self, key: &str, object: &Value) {
        for entry in entries(key, object) {
            self.entries.insert(entry);
        }
    }

    /// Removes an object that is deleted or replaced.
    pub(crate) fn remove(&mut self, key: &str, object: &Value) {
        for entry in entries(key, object) {
            self.entries.remove(&entry);
        }
    }
}

fn entry(prefix: &str, column: &str, value: &str, key: &str) -> String {
    format!("{prefix}{SEPARATOR}{column}{SEPARATOR}{value}{SEPARATOR}{key}")
}

/// The entries of an object: none unless it is a row of an indexed table.
fn entries<'object>(
    key: &'object str,
    object: &'object Value,
) -> impl Iterator<Item = String> + use<'object> {
    let prefix = key
        .starts_with("row/")
        .then(|| key.rfind('/').map(|end| &key[..=end]))
        .flatten()
        .unwrap_or_default();
    INDEXED
        .iter()
        .filter(move |(_, column)| Index::covers(prefix, column))
        .filter_map(move |(_, column)| {
            let value = object.get(column)?.as_str()?;
            Some(entry(prefix, column, value, key))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_index_follows_the_rows() {
        let prefix = "row/o/workflow/";
        let row = |entity: &str| json!({"primaryentity": entity});
        let objects = Objects::from([
            ("row/o/workflow/1".to_owned(), row("none")),
            ("row/o/workflow/2".to_owned(), row("account")),
            ("row/p/workflow/3".to_owned(), row("none")),
            ("row/o/mailbox/4".to_owned(), row("none")),
        ]);
        let mut index = Index::of(&objects);
        let found = |index: &Index, value: &str| -> Vec<String> {
            let keys = index.keys(prefix, "primaryentity", value);
            keys.map(str::to_owned).collect()
        };
        assert_eq!(found(&index, "none"), ["row/o/workflow/1"]);
        index.remove("row/o/workflow/1", &row("none"));
        index.insert("row/o/workflow/5", &row("none"));
        assert_eq!(found(&index, "none"), ["row/o/workflow/5"]);
        assert_eq!(found(&index, "account"), ["row/o/workflow/2"]);
        assert_eq!(found(&index, "non"), Vec::<String>::new());
        assert!(!Index::covers(prefix, "name"));
    }
}
