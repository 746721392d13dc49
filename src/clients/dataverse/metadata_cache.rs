//! The metadata of an organization that was read so far.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

use super::metadata::{OptionLabel, Table};
use crate::base::sync::lock;

/// The metadata of an organization that was read so far.
#[derive(Debug, Default)]
pub(super) struct MetadataCache {
    tables: Cells<String, Table>,
    options: Cells<(String, String), Vec<OptionLabel>>,
}

/// Cached values by name. The first caller fills a cell; the others wait for it.
type Cells<K, V> = Mutex<HashMap<K, Cell<V>>>;
type Cell<V> = Arc<OnceCell<Arc<V>>>;

impl MetadataCache {
    pub(super) fn table(&self, logical_name: &str) -> Cell<Table> {
        cell(&self.tables, logical_name.to_owned())
    }

    pub(super) fn options(&self, table: &str, column: &str) -> Cell<Vec<OptionLabel>> {
        cell(&self.options, (table.to_owned(), column.to_owned()))
    }

    pub(super) fn clear(&self) {
        lock(&self.tables).clear();
        lock(&self.options).clear();
    }
}

fn cell<K: Hash + Eq, V>(cells: &Cells<K, V>, key: K) -> Cell<V> {
    Arc::clone(lock(cells).entry(key).or_default())
}
