//! Reads the compared fields of a row, in the form of a change's `before` and `after`.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use crate::base::json_text::JsonText;
use crate::clients::{DataverseWriter, Row, Table};
use crate::domain::RefreshContext;
use crate::domain::names::{Fields, text};
use crate::engine::{Failure, Reading};

/// Reads what is there now.
#[async_trait]
pub(crate) trait Reader: Send + Sync {
    /// The compared fields, the version, and what else the write needs.
    async fn read(&self) -> Result<Reading, Failure>;

    /// The same, right before a launch: what was read a moment ago for another purpose may serve.
    async fn read_before(&self) -> Result<Reading, Failure> {
        self.read().await
    }

    /// What the survey read, if that is known with its version.
    fn surveyed(&self) -> Option<Reading> {
        None
    }

    /// The compared fields of the row in the response to a PATCH of this path; none if that is not
    /// all that this reader reads.
    fn answered(&self, _path: &str, _row: &Row) -> Option<Value> {
        None
    }

    /// The compared fields after a deletion that the service has confirmed; none if more must be
    /// gone than the row.
    fn deleted(&self, _path: &str) -> Option<Value> {
        None
    }

    /// Why it can no longer reach the wanted end, if the tenant shows that.
    async fn refusal(&self) -> Result<Option<String>, Failure> {
        Ok(None)
    }
}

/// Reads one row by id and projects it.
pub(crate) struct RowReader {
    refresh: Arc<RefreshContext>,
    entity_set: String,
    id: Uuid,
    project: Project,
    surveyed: Option<SurveyedReading>,
}

/// Makes the compared fields of a row; of `None` if it is not there.
type Project = Box<dyn Fn(Option<&Row>) -> Reading + Send + Sync>;

/// What a survey read. It may find thousands of rows, so the compared fields are kept as their text.
struct SurveyedReading {
    value: JsonText,
    etag: Option<String>,
    basis: Value,
}

impl SurveyedReading {
    fn new(reading: Reading) -> Self {
        Self {
            value: reading.value.into(),
            etag: reading.etag,
            basis: reading.basis,
        }
    }

    fn reading(&self) -> Reading {
        Reading {
            value: self.value.value(),
            etag: self.etag.clone(),
            basis: self.basis.clone(),
        }
    }
}

impl RowReader {
    /// A reader that several changes can share. Takes the row's entity set and id, and the function
    /// that gives its compared fields.
    pub(crate) fn shared(
        refresh: &Arc<RefreshContext>,
        entity_set: &str,
        id: Uuid,
        project: impl Fn(Option<&Row>) -> Reading + Send + Sync + 'static,
    ) -> Arc<dyn Reader> {
        Self::of_surveyed(refresh, entity_set, id, project, None)
    }

    /// The same, of a row that the survey has read; see [`surveyed`].
    pub(crate) fn of_surveyed(
        refresh: &Arc<RefreshContext>,
        entity_set: &str,
        id: Uuid,
        project: impl Fn(Option<&Row>) -> Reading + Send + Sync + 'static,
        surveyed: Option<Reading>,
    ) -> Arc<dyn Reader> {
        Arc::new(Self {
            refresh: Arc::clone(refresh),
            entity_set: entity_set.to_owned(),
            id,
            project: Box::new(project),
            surveyed: surveyed.map(SurveyedReading::new),
        })
    }
}

/// What a survey read of a row, for its change: the compared fields, which are the change's
/// `before`, and the version among the row's columns. None if a write cannot depend on the
/// version, so that the row has to be read right before it (Microsoft Learn, *Perform conditional
/// operations using the Web API*: `IsOptimisticConcurrencyEnabled`).
pub(crate) fn surveyed(table: &Table, before: &Value, row: &Fields) -> Option<Reading> {
    surveyed_version(table, before, text(row, "@odata.etag"))
}

/// The same, of a row with this version.
pub(crate) fn surveyed_version(
    table: &Table,
    before: &Value,
    etag: Option<String>,
) -> Option<Reading> {
    let etag = etag.filter(|_| table.optimistic_concurrency)?;
    Some(Reading {
        etag: Some(etag),
        ..Reading::of(before.clone())
    })
}

#[async_trait]
impl Reader for RowReader {
    async fn read(&self) -> Result<Reading, Failure> {
        read_row(
            &self.refresh.target.dataverse,
            &self.entity_set,
            self.id,
            &self.project,
        )
        .await
    }

    fn surveyed(&self) -> Option<Reading> {
        self.surveyed.as_ref().map(SurveyedReading::reading)
    }

    fn answered(&self, path: &str, row: &Row) -> Option<Value> {
        is_whole_row(path, &self.entity_set, self.id).then(|| (self.project)(Some(row)).value)
    }
}

/// Does a request with this path write this row, and return all of it? A request of the runbook may
/// write another row, or ask for some columns.
pub(crate) fn is_whole_row(path: &str, entity_set: &str, id: Uuid) -> bool {
    let row = format!("{entity_set}({id})");
    path.trim_start_matches('/').eq_ignore_ascii_case(&row)
}

/// Reads one row: its compared fields, and the version that a write must name.
pub(super) async fn read_row(
    target: &DataverseWriter,
    entity_set: &str,
    id: Uuid,
    project: impl Fn(Option<&Row>) -> Reading,
) -> Result<Reading, Failure> {
    let row = target.get(entity_set, id, &[]).await?;
    let reading = project(row.as_ref());
    Ok(Reading {
        etag: row.and_then(|row| row.etag),
        ..reading
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Otherwise the write could pass over an edit that is newer than the survey.
    #[test]
    fn a_row_without_a_version_that_a_write_can_name_is_read_first() {
        let before = json!({ "value": "one" });
        for (optimistic_concurrency, row, etag) in [
            (true, json!({ "@odata.etag": "W/\"7\"" }), Some("W/\"7\"")),
            (false, json!({ "@odata.etag": "W/\"7\"" }), None),
            (true, json!({}), None),
        ] {
            let table = Table {
                optimistic_concurrency,
                ..Table::default()
            };
            let row = row.as_object().cloned().unwrap_or_default();
            let surveyed = surveyed(&table, &before, &row);
            let found = surveyed
                .as_ref()
                .and_then(|reading| reading.etag.as_deref());
            assert_eq!(found, etag, "{row:?}");
            assert!(surveyed.is_none_or(|reading| reading.value == before));
        }
    }

    #[test]
    fn only_a_response_with_the_whole_row_can_prove_a_change() {
        let id = Uuid::from_u128(0xa1);
        let other = Uuid::from_u128(2);
        for (path, is_whole) in [
            (format!("values({id})"), true),
            (format!("/Values({})", id.to_string().to_uppercase()), true),
            (format!("values({id})?$select=value"), false),
            (format!("values({id})/value"), false),
            (format!("values({other})"), false),
            (format!("others({id})"), false),
        ] {
            assert_eq!(is_whole_row(&path, "values", id), is_whole, "{path}");
        }
    }
}
