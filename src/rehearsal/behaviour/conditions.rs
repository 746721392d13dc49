//! Conditions under which an environment refuses what it usually allows. Each is off unless the
//! world turns it on:
//!
//! - the IP firewall: columns of the organization's row;
//! - blocked unmanaged customizations: an element of the organization's `orgdborgsettings`;
//! - a customization lock: the object `quirk/customization-lock`;
//! - a data policy: the object `data-policy/<environment>`;
//! - a key vault that the caller may not read: the object `quirk/vault-forbidden`;
//! - columns that the tenant lacks: the object `quirk/missing-columns`.
//!
//! The codes are those of *Web service error codes* (Microsoft Learn).

use serde_json::{Value, json};

use super::organization::{Organization, Row, lookup_of, number, text};
use super::quirks;
use crate::rehearsal::odata::error::ODataError;

/// The tables of solution components whose rows are customizations.
const CUSTOMIZATIONS: [&str; 4] = [
    "workflow",
    "connectionreference",
    "environmentvariabledefinition",
    "environmentvariablevalue",
];

/// The key of a lock: `{"left": 3}` refuses the next three customizations, `{"until": N}` those
/// before this millisecond of the tenant's time.
const LOCK: &str = "quirk/customization-lock";

/// The element of `orgdborgsettings` that blocks unmanaged customizations.
const LOCKDOWN: &str = "<IsLockdownOfUnmanagedCustomizationEnabled>true<";

fn own_row<'draft>(organization: &'draft Organization) -> Option<&'draft Row> {
    organization
        .borrowed_rows("organization")
        .into_iter()
        .next()
}

/// Refuses a caller whose address the firewall does not allow. Every caller of this tenant has the
/// address 127.0.0.1.
pub(crate) fn check_firewall(organization: &Organization) -> Result<(), ODataError> {
    let Some(row) = own_row(organization) else {
        return Ok(());
    };
    let is_set = |column: &str| row.get(column) == Some(&Value::Bool(true));
    let ranges = text(row, "allowediprangeforfirewall").unwrap_or_default();
    let is_allowed = ranges
        .split(',')
        .any(|range| range.trim().starts_with("127.0.0."));
    if !is_set("enableipbasedfirewallrule")
        || is_set("enableipbasedfirewallruleinauditmode")
        || is_allowed
    {
        return Ok(());
    }
    Err(ODataError::new(
        403,
        "0x80095ffe",
        "Access to Dataverse API(s) is denied because the IP address 127.0.0.1 is blocked by the IP \
         firewall.",
    ))
}

/// Refuses a customization while customizations are blocked or locked.
pub(super) fn check_customization(
    organization: &mut Organization,
    table: &str,
) -> Result<(), ODataError> {
    if !CUSTOMIZATIONS.contains(&table) {
        return Ok(());
    }
    let row = own_row(organization);
    let settings = row.and_then(|row| text(row, "orgdborgsettings"));
    if settings.is_some_and(|settings| settings.contains(LOCKDOWN)) {
        return Err(ODataError::new(
            400,
            "0x80072042",
            "Unmanaged customizations are blocked in this environment.",
        ));
    }
    let now = organization.draft.now().milliseconds();
    let until = organization
        .draft
        .get(LOCK)
        .and_then(|lock| lock["until"].as_u64());
    let is_locked = until.is_some_and(|until| now < until)
        || quirks::consume(organization.draft, LOCK).is_some();
    if is_locked {
        let message = "Cannot start the requested operation because there is another operation \
                       running: a solution is being installed.";
        // The refusal counts down the lock.
        return Err(ODataError::new(429, "0x80071151", message).keeping_changes());
    }
    Ok(())
}

/// The key of a vault that the caller may not read; any object.
const VAULT: &str = "quirk/vault-forbidden";

/// The type of an environment variable whose value is a secret of a vault.
const SECRET: i64 = 100_000_005;

/// Refuses the value of a secret environment variable while the caller may not read the vault. The
/// code of this refusal is not published; this one is of our own.
pub(super) fn check_vault(
    organization: &Organization,
    table: &str,
    row: &Row,
) -> Result<(), ODataError> {
    if table != "environmentvariablevalue" || organization.draft.get(VAULT).is_none() {
        return Ok(());
    }
    let definition = row
        .get("environmentvariabledefinitionid")
        .and_then(lookup_of);
    let definition = definition.and_then(|(table, id)| organization.row(table, id));
    if definition.is_none_or(|row| number(&row, "type") != Some(SECRET)) {
        return Ok(());
    }
    Err(ODataError::new(
        400,
        "0x80040265",
        "User is not authorized to read secrets from the Azure Key Vault of this environment variable.",
    ))
}

/// The key of the columns that the tenant lacks: logical names of columns by those of tables.
const MISSING_COLUMNS: &str = "quirk/missing-columns";

/// The columns of a table that the tenant lacks.
pub(crate) fn missing_columns<'w>(organization: &'w Organization, table: &str) -> Vec<&'w str> {
    let missing = organization.draft.get(MISSING_COLUMNS);
    let columns = missing.and_then(|missing| missing[table].as_array());
    columns
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Refuses a flow that uses a connector that the environment's data policy blocks:
/// `{"blocked": ["shared_x"], "status": 403}`. Without a status the outer one is 400.
pub(super) fn check_data_policy(
    organization: &Organization,
    connector: &str,
) -> Result<(), ODataError> {
    let key = format!("data-policy/{}", organization.environment);
    let Some(policy) = organization.draft.get(&key) else {
        return Ok(());
    };
    let blocked = policy["blocked"].as_array();
    if !blocked.is_some_and(|blocked| blocked.contains(&json!(connector))) {
        return Ok(());
    }
    let message = format!(
        "The flow uses the API \"{connector}\", which a data loss prevention policy blocks."
    );
    let mut error = ODataError::flow_service("Forbidden", "DlpViolation", &message);
    if policy["status"] == json!(403) {
        error.status = 403;
    }
    Err(error)
}
