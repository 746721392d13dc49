//! An update of a row, as the rules of its table see it.

use super::organization::Row;

/// A row that is about to be updated.
#[derive(Debug)]
pub(super) struct Update<'update> {
    pub(super) id: &'update str,
    pub(super) before: &'update Row,
    pub(super) after: &'update mut Row,
    /// The columns that the request sets; null clears one.
    pub(super) changes: &'update Row,
}

impl Update<'_> {
    /// Whether the request sets a column.
    pub(super) fn sets(&self, column: &str) -> bool {
        self.changes.contains_key(column)
    }

    pub(super) fn changes_value(&self, column: &str) -> bool {
        self.before.get(column) != self.after.get(column)
    }
}
