//! Rows read once for many questions. A reading that failed is kept: each question that needs it is
//! unanswered, and the others are answered all the same.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::domain::flows::is_cloud_flow;
use crate::domain::names::{Fields, Names};
use crate::domain::view::View;
use crate::engine::{Failure, FailureKind};
use crate::runbook::IomTable;

/// Rows by primary key.
pub(super) type Rows = BTreeMap<Uuid, Fields>;

/// What was read, or why it was not.
pub(super) type Reading<T> = Result<T, Failure>;

/// Keeps a reading; only a request to stop ends the asking.
pub(super) fn kept<T>(reading: Reading<T>) -> Result<Reading<T>, Failure> {
    match reading {
        Err(failure) if failure.kind == FailureKind::Interrupted => Err(failure),
        reading => Ok(reading),
    }
}

/// What was read, for one more question.
pub(super) fn told<T>(reading: &Reading<T>) -> Result<&T, Failure> {
    reading.as_ref().map_err(Clone::clone)
}

/// The rows of a table of the platform.
pub(super) async fn rows(view: View<'_>, table: &str) -> Result<Reading<Rows>, Failure> {
    kept(view.by_id(table).await)
}

/// The same of a table that may be missing; no rows where it is.
pub(super) async fn rows_if_there(view: View<'_>, table: &str) -> Result<Reading<Rows>, Failure> {
    let there = match view.optional_table(table).await {
        Ok(there) => there,
        Err(failure) => return kept(Err(failure)),
    };
    match there {
        Some(_) => rows(view, table).await,
        None => Ok(Ok(Rows::new())),
    }
}

/// The cloud flows.
pub(super) async fn cloud_flows(view: View<'_>) -> Result<Reading<Rows>, Failure> {
    let rows = rows(view, "workflow").await?;
    Ok(rows.map(|mut rows| {
        rows.retain(|_, row| is_cloud_flow(row));
        rows
    }))
}

/// The rows of a table of Intelligent Order Management.
pub(super) async fn iom_rows(
    view: View<'_>,
    names: &Names,
    table: IomTable,
) -> Result<Reading<Rows>, Failure> {
    rows(view, names.table(table)).await
}

/// Rows under the ids 1, 2, 3, …, to try a verdict on.
#[cfg(test)]
pub(super) fn numbered(values: &[serde_json::Value]) -> Rows {
    let row = |(number, value): (usize, &serde_json::Value)| {
        let id = Uuid::from_u128(number as u128 + 1);
        (id, value.as_object().cloned().unwrap_or_default())
    };
    values.iter().enumerate().map(row).collect()
}
