//! Who may own a row.

use serde_json::Value;

use super::organization::{Organization, Row, lookup_of, number};
use crate::rehearsal::odata::error::ODataError;

/// Refuses an owner that does not exist, is disabled, has an access mode in which a user owns
/// nothing (administrative, read, support), or is an access team.
pub(super) fn check(organization: &Organization, changes: &Row) -> Result<(), ODataError> {
    let Some((table, id)) = changes.get("ownerid").and_then(lookup_of) else {
        return Ok(());
    };
    let owner = organization.existing(table, id)?;
    if owner.get("isdisabled") == Some(&Value::Bool(true)) {
        let message = format!("The user with id {id} is disabled and cannot own records.");
        return Err(ODataError::new(403, "0x80040231", message));
    }
    let mode = number(&owner, "accessmode");
    if table == "systemuser" && mode.is_some_and(|mode| (1..=3).contains(&mode)) {
        let message = format!("The user with id {id} cannot own records in its access mode.");
        return Err(ODataError::new(403, "0x80040231", message));
    }
    if table == "team" && number(&owner, "teamtype") == Some(1) {
        let message = "You cannot assign a record to the access team. You can assign a record to \
                       the owner team.";
        return Err(ODataError::new(400, "0x80048340", message));
    }
    Ok(())
}
