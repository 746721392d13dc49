//! State and status columns, which depend on each other.

use serde_json::{Value, json};

use super::organization::{Row, number};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::schema::table::Table;

/// Sets the status of a row before it is saved: a state without a status gets its default status; a
/// status must belong to the state.
pub(super) fn set_status(table: &Table, changes: &Row, row: &mut Row) -> Result<(), ODataError> {
    let (state, status) = (changes.get("statecode"), changes.get("statuscode"));
    if state.is_none() && status.is_none() {
        return Ok(());
    }
    if table.column("statecode").is_none() {
        return Ok(());
    }
    let new_state = number(row, "statecode").unwrap_or(0);
    let status = match status.and_then(Value::as_i64) {
        Some(status) => status,
        None => table
            .default_status(new_state)
            .ok_or_else(|| invalid(table, new_state, -1))?,
    };
    let fits = table
        .statuses()
        .iter()
        .any(|choice| choice.value == status && choice.state == new_state);
    if !fits {
        return Err(invalid(table, new_state, status));
    }
    row.insert("statuscode".to_owned(), json!(status));
    Ok(())
}

fn invalid(table: &Table, state: i64, status: i64) -> ODataError {
    let message = format!(
        "{status} is not a valid status code for state code {state} on {}.",
        table.logical_name
    );
    ODataError::new(400, "0x80048408", message)
}
