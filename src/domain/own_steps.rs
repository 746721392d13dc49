//! The customer's own steps: the rows that they name, and what the first seal holds for them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::names::Fields;
use super::seals::{BEFORE_COPY, Part, to_captures};
use super::view::View;
use super::{RefreshContext, marked};
use crate::base::text::sha256;
use crate::clients::{Query, Row, Table};
use crate::engine::{Failure, FailureKind, JournalView, ListedRow};
use crate::runbook::{DataverseUpdate, Located, OwnOptions, OwnStep, Span, StepName};

/// How long a copied organization may take to provision a caller that the copy brought.
const PROVISIONING_TIMEOUT: Duration = Duration::from_mins(5);

/// A failure at a place of the runbook.
pub(crate) fn invalid(refresh: &RefreshContext, span: Span, message: &str, help: &str) -> Failure {
    let diagnostic = refresh.runbook.diagnostic(span, message, Some(help));
    marked(FailureKind::InvalidInput, &diagnostic).permanent()
}

/// A mistake in the runbook as one line: its place, the mistake, and what to write.
pub(crate) fn mistake(failure: &Failure) -> String {
    let Some(mark) = failure.marks.first() else {
        return failure.message.clone();
    };
    let help = mark.help.as_ref().map(|help| format!("; {help}"));
    format!(
        "{}:{}:{}: {}{}",
        mark.file,
        mark.line,
        mark.column,
        mark.message,
        help.unwrap_or_default()
    )
}

/// The rows that a step names.
pub(crate) struct NamedRows<'a> {
    /// The table's logical name.
    pub(crate) table: &'a Located<String>,
    /// The condition that selects them.
    pub(crate) filter: &'a Located<String>,
    /// The columns to read, besides the key.
    pub(crate) columns: Vec<&'a str>,
    /// How many rows are read at most.
    pub(crate) most: u64,
}

impl NamedRows<'_> {
    /// Reads the table's metadata and the rows. A table that does not exist, and a condition that
    /// the service refuses, are mistakes in the runbook.
    pub(crate) async fn read(
        &self,
        refresh: &RefreshContext,
        view: View<'_>,
    ) -> Result<(Table, Vec<Row>), Failure> {
        let table = find_table(refresh, view, self.table).await?;
        let mut columns = vec![table.primary_id.as_str()];
        columns.extend(
            self.columns
                .iter()
                .filter(|name| **name != table.primary_id),
        );
        let query = Query::new()
            .select(&columns)
            .filter(self.filter.as_str())
            .order_by(&table.primary_id);
        let rows = view.first_rows(&table, query, self.most).await;
        match rows {
            Ok(rows) => Ok((table, rows)),
            Err(failure) if failure.kind == FailureKind::Failed => {
                let message = format!(
                    "the service does not accept this condition for the table '{}': {}",
                    table.logical_name, failure.message
                );
                let help = "write it as the Web API's `$filter` takes it: logical names of \
                            columns, texts in single quotes";
                Err(invalid(refresh, self.filter.span, &message, help))
            }
            Err(failure) => Err(failure),
        }
    }
}

/// The metadata of a table that the runbook names.
pub(crate) async fn find_table(
    refresh: &RefreshContext,
    view: View<'_>,
    name: &Located<String>,
) -> Result<Table, Failure> {
    view.optional_table(name).await?.ok_or_else(|| {
        let message = format!("the environment has no table '{name}'");
        let help = "write the table's logical name, which is singular: `contact`, not `contacts`";
        invalid(refresh, name.span, &message, help)
    })
}

/// Waits until the copied organization knows the caller, for a step right after the copy. Later
/// steps find that step 2 has waited.
pub(crate) async fn wait_for_organization(
    refresh: &RefreshContext,
    step: &OwnStep,
    view: View<'_>,
) -> Result<(), Failure> {
    if step.follows != StepName::CopyEnvironments || !matches!(view, View::Target(_)) {
        return Ok(());
    }
    let admitted = refresh
        .target
        .dataverse
        .wait_until_provisioned(PROVISIONING_TIMEOUT);
    match admitted.await {
        Ok(_) => Ok(()),
        Err(error) => {
            let failure = Failure::from(error);
            let help = failure.help.clone();
            let place = refresh.runbook.place(step.span);
            Err(failure.with_help(format!(
                "{}; or move this step ({place}) below `exit-administration-mode`, which adds an \
                 application user that the copy removed",
                help.as_deref()
                    .unwrap_or("give the caller access to the target")
            )))
        }
    }
}

/// Distinguishes what a step reads from what it read before the runbook was edited: eight
/// hexadecimal digits over its table, condition and columns.
pub(crate) fn version(options: &DataverseUpdate) -> String {
    let columns: Vec<&String> = options.values.keys().collect();
    let read = json!([options.table, options.filter, columns, options.matched_by]);
    let mut digest = sha256(read.to_string().as_bytes());
    digest.truncate(8);
    digest
}

/// What the keys of a step's captures in the first seal begin with.
fn capture_key(step: &OwnStep, options: &DataverseUpdate) -> String {
    Part::Target.key(&format!("own-step/{}/{}", step.name, version(options)))
}

/// The target's rows that the steps need as they were before the copy, for the first seal. A step's
/// first capture says how many rows follow: no rows are not the same as a step that was not there.
pub(crate) async fn captures_before_copy(
    refresh: &RefreshContext,
) -> Result<Vec<ListedRow>, Failure> {
    let mut captures = Vec::new();
    for step in &refresh.runbook.steps.own {
        let OwnOptions::DataverseUpdate(options) = &step.options else {
            continue;
        };
        if step.skip.is_some() || !options.has_captured_values() {
            continue;
        }
        let prefix = capture_key(step, options);
        let (table, rows) = rows_before_copy(refresh, options).await?;
        captures.push(ListedRow {
            key: prefix.clone(),
            etag: None,
            text: json!({ "rows": rows.len() }).to_string(),
            compared: None,
        });
        captures.extend(to_captures(&prefix, &table.primary_id, rows));
    }
    Ok(captures)
}

/// Every row of the step's table in the target, with the columns that it needs later.
pub(crate) async fn rows_before_copy(
    refresh: &RefreshContext,
    options: &DataverseUpdate,
) -> Result<(Table, Vec<Row>), Failure> {
    let view = View::Target(&refresh.target.dataverse);
    let table = find_table(refresh, view, &options.table).await?;
    let mut columns = vec![table.primary_id.as_str()];
    let needed = options.values.keys().chain(options.matched_by.as_deref());
    columns.extend(
        needed
            .map(String::as_str)
            .filter(|name| *name != table.primary_id),
    );
    let query = Query::new().select(&columns).order_by(&table.primary_id);
    let most = options.at_most.value;
    let rows = view.first_rows(&table, query, most + 1).await?;
    if rows.len() as u64 > most {
        let message = format!(
            "the table '{}' of the target has more than {most} rows, and all of them would be \
             captured before the copy",
            table.logical_name
        );
        let help = "raise `at-most`, or write the values instead of `captured`";
        return Err(invalid(refresh, options.at_most.span, &message, help));
    }
    Ok((table, rows))
}

/// The rows that the target had before the copy, by what the step finds them with.
pub(crate) struct RowsBeforeCopy {
    /// The column that finds them; the key if none.
    matched_by: Option<String>,
    rows: BTreeMap<String, Fields>,
}

impl RowsBeforeCopy {
    /// Reads them from the first seal.
    pub(crate) fn read(
        refresh: &RefreshContext,
        step: &OwnStep,
        options: &DataverseUpdate,
        journal: &JournalView,
    ) -> Result<Self, Failure> {
        let captured = journal.captures(BEFORE_COPY, &capture_key(step, options));
        if !captured.iter().any(|(rest, _)| rest.is_empty()) {
            let message = "the first seal of this run does not hold the rows of this step";
            let help = "the step was added or edited after the copy, or the copy is skipped: write \
                        the values instead of `captured`, or skip the step";
            return Err(invalid(refresh, step.name.span, message, help));
        }
        let matched_by = options
            .matched_by
            .as_ref()
            .map(|column| column.value.clone());
        let mut rows: BTreeMap<String, Fields> = BTreeMap::new();
        for (rest, value) in captured {
            let (Some(id), Value::Object(row)) = (rest.strip_prefix('/'), value) else {
                continue;
            };
            let Some(found_by) = found_by(matched_by.as_deref(), id, &row) else {
                continue;
            };
            if rows.insert(found_by.clone(), row).is_some() {
                let message = format!("two rows of the target had {found_by} in this column");
                let span = options
                    .matched_by
                    .as_ref()
                    .map_or(step.span, |column| column.span);
                let help = "name a column whose value no two rows share";
                return Err(invalid(refresh, span, &message, help));
            }
        }
        Ok(Self { matched_by, rows })
    }

    /// The row that a row of the target was before the copy; none if it was not there.
    pub(crate) fn of(&self, id: Uuid, row: &Fields) -> Option<&Fields> {
        let found_by = found_by(self.matched_by.as_deref(), &id.to_string(), row)?;
        self.rows.get(&found_by)
    }
}

/// What finds a row again: the value of this column, or its id. None for a row without a value.
fn found_by(column: Option<&str>, id: &str, row: &Map<String, Value>) -> Option<String> {
    match column {
        None => Some(id.to_ascii_lowercase()),
        Some(column) => {
            let value = row.get(column).filter(|value| !value.is_null())?;
            Some(value.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_by_its_id_or_by_the_value_of_a_column() {
        let row = |value: Value| match value {
            Value::Object(row) => row,
            other => panic!("{other} is not a row"),
        };
        let named = row(json!({ "name": "Main", "mail": "uat@contoso.com" }));
        let rows = |column: Option<&str>| RowsBeforeCopy {
            matched_by: column.map(str::to_owned),
            rows: [(found_by(column, "AB", &named).unwrap(), named.clone())].into(),
        };
        let now = row(json!({ "name": "Main", "mail": "prod@contoso.com" }));
        let other = row(json!({ "name": null }));
        assert!(rows(Some("name")).of(Uuid::nil(), &now).is_some());
        assert!(rows(Some("name")).of(Uuid::nil(), &other).is_none());
        assert!(rows(None).of(Uuid::nil(), &now).is_none());
        assert!(rows(None).rows.contains_key("ab"));
    }
}
