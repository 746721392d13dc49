//! State and status belong together.

use serde_json::{Value, json};

use super::organization::{Row, number};
use crate::rehearsal::odata::error::Refusal;
use crate::rehearsal::schema::table::Table;

/// Settles state and status of a row that is about to be saved: a state alone takes its first
/// status, a status must be one of the state's.
pub(super) fn settle(table: &Table, changes: &Row, row: &mut Row) -> Result<(), Refusal> {
    let (state, status) = (changes.get("statecode"), changes.get("statuscode"));
    if state.is_none() && status.is_none() {
        return Ok(());
    }
    if table.column("statecode").is_none() {
        return Ok(());
    }
    let now_in = number(row, "statecode").unwrap_or(0);
    let status = match status.and_then(Value::as_i64) {
        Some(status) => status,
        None => table
            .status_of(now_in)
            .ok_or_else(|| invalid(table, now_in, -1))?,
    };
    let fits = table
        .statuses()
        .iter()
        .any(|choice| choice.value == status && choice.state == now_in);
    if !fits {
        return Err(invalid(table, now_in, status));
    }
    row.insert("statuscode".to_owned(), json!(status));
    Ok(())
}

fn invalid(table: &Table, state: i64, status: i64) -> Refusal {
    let message = format!(
        "{status} is not a valid status code for state code {state} on {}.",
        table.logical_name
    );
    Refusal::new(400, "0x80048408", message)
}
