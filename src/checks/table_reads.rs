//! Rows read once for many checks. A read that failed is kept: each check that needs the rows is
//! unknown, and the others are not affected.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::domain::failure::unless_interrupted;
use crate::domain::flows;
use crate::domain::names::{Fields, Names};
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::IomTable;

/// Rows by primary key.
pub(super) type Rows = BTreeMap<Uuid, Fields>;

/// What was read, or why it could not be read.
pub(super) type ReadResult<T> = Result<T, Failure>;

/// What was read, borrowed for one more check.
pub(super) fn available<T>(reading: &ReadResult<T>) -> Result<&T, Failure> {
    reading.as_ref().map_err(Clone::clone)
}

/// The rows of a table of the platform.
pub(super) async fn rows(view: View<'_>, table: &str) -> Result<ReadResult<Rows>, Failure> {
    unless_interrupted(view.by_id(table).await)
}

/// The rows of a table that a filter selects.
pub(super) async fn rows_where(
    view: View<'_>,
    table: &str,
    filter: &str,
) -> Result<ReadResult<Rows>, Failure> {
    let read = async {
        let primary_id = view.table(table).await?.primary_id.clone();
        let rows = view.rows_where(table, Some(filter.to_owned())).await?;
        let by_id = rows
            .into_iter()
            .filter_map(|row| Some((row.id(&primary_id)?, row.value)));
        Ok(by_id.collect())
    };
    unless_interrupted(read.await)
}

/// The rows of a table that may be missing; a missing table has none.
pub(super) async fn rows_if_there(
    view: View<'_>,
    table: &str,
) -> Result<ReadResult<Rows>, Failure> {
    let there = match view.optional_table(table).await {
        Ok(there) => there,
        Err(failure) => return unless_interrupted(Err(failure)),
    };
    match there {
        Some(_) => rows(view, table).await,
        None => Ok(Ok(Rows::new())),
    }
}

/// The cloud flows.
pub(super) async fn cloud_flows(view: View<'_>) -> Result<ReadResult<Rows>, Failure> {
    unless_interrupted(flows::cloud_flows(view, |_, row| Some(row)).await)
}

/// The rows of a table of Intelligent Order Management.
pub(super) async fn iom_rows(
    view: View<'_>,
    names: &Names,
    table: IomTable,
) -> Result<ReadResult<Rows>, Failure> {
    rows(view, names.table(table)).await
}

/// Rows with the ids 1, 2, 3, …, for unit tests.
#[cfg(test)]
pub(super) fn numbered(values: &[serde_json::Value]) -> Rows {
    let row = |(number, value): (usize, &serde_json::Value)| {
        let id = Uuid::from_u128(number as u128 + 1);
        (id, value.as_object().cloned().unwrap_or_default())
    };
    values.iter().enumerate().map(row).collect()
}
