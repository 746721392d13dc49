//! Custom steps: the rows that they name, and what the first seal holds for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::names::Fields;
use super::seals::{self, BEFORE_COPY, Part, to_captures};
use super::verdict::Answer;
use super::view::View;
use super::{RefreshContext, failure_at};
use crate::base::redaction::fingerprint;
use crate::base::text::sha256;
use crate::clients::{Query, Row, Table};
use crate::engine::{Failure, FailureKind, JournalView, ListedRow};
use crate::runbook::{
    CustomStep, CustomStepOptions, DataverseUpdate, Located, Runbook, Secret, Span, StepName,
};

/// A failure at a place of the runbook.
pub(crate) fn invalid(refresh: &RefreshContext, span: Span, message: &str, help: &str) -> Failure {
    let diagnostic = refresh.runbook.diagnostic(span, message, Some(help));
    failure_at(FailureKind::InvalidInput, &diagnostic).permanent()
}

/// The text of a secret that a step names. One that is not set is a mistake in the runbook.
pub(crate) fn secret_text(
    refresh: &RefreshContext,
    span: Span,
    place: &Secret,
) -> Result<String, Failure> {
    refresh.secret(place).map_err(|failure| {
        let help = "set it where this program runs";
        invalid(refresh, span, &failure.message, help)
    })
}

/// The answer of a step's forecast: what was found, or the mistake in the runbook.
pub(crate) fn forecast(found: Result<String, Failure>) -> Result<Answer, Failure> {
    match found {
        Ok(found) => Ok(Answer::Pass(found)),
        Err(failure) if failure.kind == FailureKind::InvalidInput => {
            Ok(Answer::Fail(mistake(&failure)))
        }
        Err(failure) => Err(failure),
    }
}

/// A mistake in the runbook as one line: its place, the mistake, and what to write.
fn mistake(failure: &Failure) -> String {
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
    pub(crate) table: &'a Table,
    /// The condition that selects them.
    pub(crate) filter: &'a Located<String>,
    /// The columns to read, in addition to the key.
    pub(crate) columns: Vec<&'a str>,
    /// How many rows are read at most.
    pub(crate) limit: u64,
}

impl NamedRows<'_> {
    /// Reads the rows. A condition that the service refuses is a mistake in the runbook.
    pub(crate) async fn read(
        &self,
        refresh: &RefreshContext,
        view: View<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let table = self.table;
        let query = select(table, self.columns.iter().copied()).filter(self.filter.as_str());
        match view.first_rows(table, query, self.limit).await {
            Err(failure) if failure.kind == FailureKind::Failed => {
                let message = format!(
                    "the service does not accept this condition for the table '{}': {}",
                    table.logical_name, failure.message
                );
                let help = "write it as the Web API's `$filter` takes it: logical names of \
                            columns, texts in single quotes";
                Err(invalid(refresh, self.filter.span, &message, help))
            }
            read => read,
        }
    }
}

/// A query for the key and these columns, in the order of the key.
fn select<'a>(table: &'a Table, columns: impl Iterator<Item = &'a str>) -> Query {
    let key = table.primary_id.as_str();
    let others = columns.filter(|name| *name != key);
    let selected: Vec<&str> = std::iter::once(key).chain(others).collect();
    Query::new().select(&selected).order_by(key)
}

/// The metadata of a table that the runbook names.
pub(crate) async fn find_table(
    refresh: &RefreshContext,
    view: View<'_>,
    name: &Located<String>,
) -> Result<Arc<Table>, Failure> {
    view.optional_table(name).await?.ok_or_else(|| {
        let message = format!("the environment has no table '{name}'");
        let help = "write the table's logical name, which is singular: `contact`, not `contacts`";
        invalid(refresh, name.span, &message, help)
    })
}

/// The first of the custom steps that runs before administration mode ends: what acts on writes
/// is closed in it, before it writes anything. None if step 2 is skipped, because then nothing is
/// closed.
pub(crate) fn first_before_opening(runbook: &Runbook) -> Option<&CustomStep> {
    let steps = &runbook.steps;
    let is_first =
        |step: &&CustomStep| step.follows == StepName::CopyEnvironments && step.skip.is_none();
    let opening = &steps.exit_administration_mode;
    steps
        .own
        .iter()
        .find(is_first)
        .filter(|_| opening.skip.is_none())
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
fn capture_key(step: &CustomStep, options: &DataverseUpdate) -> String {
    Part::Target.key(&format!("own-step/{}/{}", step.name, version(options)))
}

/// The target's rows that the steps need as they were before the copy, for the first seal. A step's
/// first capture says how many rows follow: no rows are not the same as a step that was not there.
pub(crate) async fn captures_before_copy(
    refresh: &RefreshContext,
) -> Result<Vec<ListedRow>, Failure> {
    let mut captures = Vec::new();
    for step in &refresh.runbook.steps.own {
        let CustomStepOptions::DataverseUpdate(options) = &step.options else {
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

/// The columns that a step sets, and the one that finds its rows again.
pub(crate) fn columns_to_read(options: &DataverseUpdate) -> impl Iterator<Item = &str> {
    let columns = options.values.keys().chain(options.matched_by.as_deref());
    columns.map(String::as_str)
}

/// Every row of the step's table in the target, with the columns that it needs later.
pub(crate) async fn rows_before_copy(
    refresh: &RefreshContext,
    options: &DataverseUpdate,
) -> Result<(Arc<Table>, Vec<Row>), Failure> {
    let view = View::AsIs(&refresh.target.dataverse);
    let table = find_table(refresh, view, &options.table).await?;
    let query = select(&table, columns_to_read(options));
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
        step: &CustomStep,
        options: &DataverseUpdate,
        journal: &JournalView,
    ) -> Result<Self, Failure> {
        let key = capture_key(step, options);
        let captured = seals::sealed_captures(journal, BEFORE_COPY, &key);
        if !captured.iter().any(|(rest, _)| rest.is_empty()) {
            let message = "the seal `before-copy` of this run does not hold the rows of this step";
            let help = "the step was added or edited after the copy, or the copy is skipped: write \
                        the values instead of `captured`, or skip the step";
            return Err(invalid(refresh, step.name.span, message, help));
        }
        let matched_by = options.matched_by.as_deref().cloned();
        let captured = captured.into_iter().filter_map(|(rest, value)| {
            let (Some(id), Value::Object(row)) = (rest.strip_prefix('/'), value) else {
                return None;
            };
            Some((id.to_owned(), row))
        });
        Self::index(matched_by, captured).map_err(|message| ambiguous(refresh, options, &message))
    }

    /// By what finds each row, with its id. Fails if two rows are found by the same; a text of a row
    /// may be personal, so the message has its fingerprint.
    fn index(
        matched_by: Option<String>,
        captured: impl IntoIterator<Item = (String, Fields)>,
    ) -> Result<Self, String> {
        let mut rows = BTreeMap::new();
        for (id, row) in captured {
            let Some(found_by) = found_by(matched_by.as_deref(), &id, &row) else {
                continue;
            };
            let value = fingerprint(&found_by);
            if rows.insert(found_by, row).is_some() {
                return Err(format!(
                    "two rows of the target have {value} in this column"
                ));
            }
        }
        Ok(Self { matched_by, rows })
    }

    /// Fails if two rows that the target has now could not be distinguished after the copy.
    pub(crate) fn check(
        refresh: &RefreshContext,
        options: &DataverseUpdate,
        table: &Table,
        rows: Vec<Row>,
    ) -> Result<(), Failure> {
        let matched_by = options.matched_by.as_deref().cloned();
        let with_ids = rows.into_iter().filter_map(|row| {
            let id = row.id(&table.primary_id)?;
            Some((id.to_string(), row.value))
        });
        Self::index(matched_by, with_ids)
            .map(|_| ())
            .map_err(|message| ambiguous(refresh, options, &message))
    }

    /// The row that a row of the target was before the copy; none if it was not there.
    pub(crate) fn find(&self, id: Uuid, row: &Fields) -> Option<&Fields> {
        let found_by = found_by(self.matched_by.as_deref(), &id.to_string(), row)?;
        self.rows.get(&found_by)
    }
}

/// The failure of a column that does not distinguish two rows.
fn ambiguous(refresh: &RefreshContext, options: &DataverseUpdate, message: &str) -> Failure {
    let column = options.matched_by.as_ref().unwrap_or(&options.table);
    let help = "name a column whose value no two rows share";
    invalid(refresh, column.span, message, help)
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
        assert!(rows(Some("name")).find(Uuid::nil(), &now).is_some());
        assert!(rows(Some("name")).find(Uuid::nil(), &other).is_none());
        assert!(rows(None).find(Uuid::nil(), &now).is_none());
        assert!(rows(None).rows.contains_key("ab"));
    }

    #[test]
    fn two_rows_with_one_value_are_refused_without_showing_it() {
        let row = |mail: Value| Fields::from_iter([("mail".to_owned(), mail)]);
        let rows = |second: Value| {
            let first = row(json!("ada@contoso.com"));
            [("1".to_owned(), first), ("2".to_owned(), row(second))]
        };
        let index = |column: Option<&str>, second: Value| {
            RowsBeforeCopy::index(column.map(str::to_owned), rows(second))
                .map(|found| found.rows.len())
        };
        let message = index(Some("mail"), json!("ada@contoso.com")).unwrap_err();
        assert!(
            message.contains("sha256:") && !message.contains("ada"),
            "{message}"
        );
        assert_eq!(index(Some("mail"), json!("eve@contoso.com")), Ok(2));
        assert_eq!(
            index(Some("mail"), Value::Null),
            Ok(1),
            "it is found by nothing"
        );
        assert_eq!(index(None, json!("ada@contoso.com")), Ok(2));
    }

    #[test]
    fn the_first_step_that_runs_before_the_target_opens_closes_what_acts_on_writes() {
        let first = |before: &str, opening: &str| {
            let own = "title: t, instructions: [a], evidence: none";
            let text = format!(
                "runbook: 1\nname: test\ncloud: public\n\
                 identity:\n  tenant: contoso.onmicrosoft.com\n  default: {{ azure-cli: {{}} }}\n\
                 source: {{ environment: 11111111-1111-1111-1111-111111111111 }}\n\
                 target: {{ environment: 22222222-2222-2222-2222-222222222222, name: UAT }}\n\
                 steps:\n  - copy-environments: {{}}\n{before}  \
                 - exit-administration-mode: {{ {opening} }}\n  - guided: {{ name: late, {own} }}\n  \
                 - reconfigure-connections: {{ skip: test }}\n  - activate-flows: {{}}\n  \
                 - detach-provider-actions: {{}}\n  - reinstall-providers: {{}}\n  \
                 - restore-provider-actions: {{}}\n  - reconfigure-dual-write: {{}}\n"
            );
            let runbook = crate::runbook::parse("test.yaml", &text);
            let runbook = runbook.unwrap_or_else(|error| panic!("{error}"));
            first_before_opening(&runbook).map(|step| step.name.value.clone())
        };
        let guided = |name: &str, more: &str| {
            format!(
                "  - guided: {{ name: {name}, title: t, instructions: [a], evidence: none{more} }}\n"
            )
        };
        let both = guided("a", "") + &guided("b", "");
        let second = guided("a", ", skip: later") + &guided("b", "");
        assert_eq!(first("", ""), None);
        assert_eq!(first(&both, "").as_deref(), Some("a"));
        assert_eq!(first(&second, "").as_deref(), Some("b"));
        assert_eq!(first(&both, "skip: by hand"), None);
    }
}
