//! Managed components that may not be customized.

use serde_json::{Value, json};

use crate::rehearsal::behaviour::organization::{Row, text};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::schema::table::Table;

/// The state of flows and the connection of references can be changed, even in a managed solution.
const EXEMPT: [&str; 2] = ["workflow", "connectionreference"];

/// Refuses a change of a managed row whose `iscustomizable` is false (Microsoft Learn, *Managed
/// properties*; the code is `GenericManagedPropertyFailure`, the text that of public issues). That a
/// change of state is refused too is inferred.
pub(in crate::rehearsal::behaviour) fn check(
    table: &Table,
    row: &Row,
    operation: &str,
) -> Result<(), ODataError> {
    let fixed = row.get("ismanaged") == Some(&Value::Bool(true))
        && row.get("iscustomizable").map(|value| &value["Value"]) == Some(&json!(false));
    if !fixed || EXEMPT.contains(&table.logical_name.as_str()) {
        return Ok(());
    }
    let id = text(row, &table.primary_id).unwrap_or_default();
    let message = format!(
        "The evaluation of the current component(name={name}, id={id}) in the current operation \
         ({operation}) failed during managed property evaluation of condition: Managed Property \
         Name: iscustomizable; Component Name: {name}; Attribute Name: iscustomizable;",
        name = table.schema_name,
    );
    Err(ODataError::new(400, "0x8004F026", message))
}
