//! IOM's tables and columns: the runbook's names, and what is read from a row by them.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::Refresh;
use crate::engine::Failure;
use crate::runbook::IomTable;

/// A row's members by name.
pub(super) type Fields = Map<String, Value>;

/// The names that this tenant uses.
#[derive(Clone, Copy)]
pub(super) struct Names<'a>(&'a Refresh);

impl<'a> Names<'a> {
    /// The names of this refresh's runbook.
    pub(super) fn of(refresh: &'a Refresh) -> Self {
        Self(refresh)
    }

    /// The logical name of a table.
    pub(super) fn table(self, table: IomTable) -> &'a str {
        self.0.runbook.iom.table(table)
    }

    /// The logical name of a column, by its key in the runbook (`provider.definition`).
    pub(super) fn column(self, key: &str) -> Result<&'a str, Failure> {
        self.0.runbook.iom.column(key).ok_or_else(|| {
            Failure::failed(format!("no name is known for the column '{key}'"))
                .with_help(format!(
                    "write it under `iom.columns` in the runbook: `{key}: …`"
                ))
                .lasting()
        })
    }

    /// The id that a lookup column holds.
    pub(super) fn lookup(self, row: &Fields, key: &str) -> Result<Option<Uuid>, Failure> {
        Ok(lookup(row, self.column(key)?))
    }

    /// The text that a column holds.
    pub(super) fn text(self, row: &Fields, key: &str) -> Result<Option<String>, Failure> {
        Ok(text(row, self.column(key)?))
    }
}

/// The id in `_column_value`, as the Web API gives lookups.
pub(super) fn lookup(row: &Fields, column: &str) -> Option<Uuid> {
    let value = row
        .get(&format!("_{column}_value"))
        .or_else(|| row.get(column))?;
    Uuid::try_parse(value.as_str()?).ok()
}

/// The text of a column; none where it is null, absent or no text.
pub(super) fn text(row: &Fields, column: &str) -> Option<String> {
    row.get(column)?.as_str().map(str::to_owned)
}

/// The label of a choice, state or status column. A status is known by its label: the numbers
/// behind IOM's labels are not published.
pub(super) fn label(row: &Fields, column: &str) -> Option<String> {
    text(
        row,
        &format!("{column}@OData.Community.Display.V1.FormattedValue"),
    )
}

/// Does a column's label read so, whatever its case?
pub(super) fn is_labelled(row: &Fields, column: &str, expected: &str) -> bool {
    label(row, column).is_some_and(|label| label.eq_ignore_ascii_case(expected))
}
