//! Users: who has access to an organization, and application users that the admin API adds.

use serde_json::{Value, json};

use super::environments;
use super::organization::{
    Caller, Organization, SYSTEM_ADMINISTRATOR, SYSTEM_CUSTOMIZER, lookup, row_of, text,
};
use crate::rehearsal::application::{CLIENT, CLIENT_OBJECT};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

/// Sets the caller: the user with this value in this column, or the user that it acts for.
pub(crate) fn set_caller(
    organization: &mut Organization,
    (column, value): (&str, &str),
    acts_for: Option<&str>,
) -> Result<(), ODataError> {
    let facts = organization
        .draft
        .get(&names::organization(&organization.id));
    let provisioned_at = facts
        .and_then(|facts| facts["callersFrom"].as_u64())
        .unwrap_or(0);
    if organization.draft.now().milliseconds() < provisioned_at {
        return Err(not_a_member());
    }
    let own = user_with(organization, column, value)?;
    check_access(organization, &own)?;
    organization.caller = own;
    if let Some(object) = acts_for {
        let user = organization.caller.user.clone().unwrap_or_default();
        if !organization.has_template(&user, &[SYSTEM_ADMINISTRATOR]) {
            return Err(ODataError::new(
                403,
                "0x8004A110",
                "Caller does not have enough privilege to act on behalf of another user.",
            ));
        }
        let other = user_with(organization, "azureactivedirectoryobjectid", object)?;
        check_access(organization, &other)?;
        organization.caller = other;
    }
    Ok(())
}

fn not_a_member() -> ODataError {
    ODataError::new(
        403,
        "0x80072560",
        "The user is not a member of the organization.",
    )
}

fn user_with(organization: &Organization, column: &str, value: &str) -> Result<Caller, ODataError> {
    let users = organization.borrowed_rows("systemuser");
    let user = users
        .into_iter()
        .find(|user| text(user, column).is_some_and(|found| found.eq_ignore_ascii_case(value)))
        .filter(|user| user.get("isdisabled") != Some(&Value::Bool(true)))
        .ok_or_else(not_a_member)?;
    Ok(Caller {
        user: text(user, "systemuserid").map(str::to_owned),
        object: text(user, "azureactivedirectoryobjectid").map(str::to_owned),
    })
}

fn check_access(organization: &Organization, caller: &Caller) -> Result<(), ODataError> {
    let user = caller.user.as_deref().unwrap_or_default();
    if organization.roles_of(user).is_empty() {
        let message = format!("The user with id {user} has not been assigned any roles.");
        return Err(ODataError::new(403, "0x80042F09", message));
    }
    let is_closed =
        environments::in_administration_mode(organization.draft, &organization.environment);
    let administrators = [SYSTEM_ADMINISTRATOR, SYSTEM_CUSTOMIZER];
    if is_closed && !organization.has_template(user, &administrators) {
        return Err(ODataError::new(
            403,
            "0x8004A113",
            "The user does not have permissions to access the org when it is in Admin Only mode.",
        ));
    }
    Ok(())
}

/// Refuses a write of a caller who is neither an administrator nor a customizer.
pub(crate) fn check_write_privilege(
    organization: &Organization,
    table: &str,
) -> Result<(), ODataError> {
    let user = organization.caller.user.as_deref().unwrap_or_default();
    if organization.has_template(user, &[SYSTEM_ADMINISTRATOR, SYSTEM_CUSTOMIZER]) {
        return Ok(());
    }
    let message = format!("Principal user (Id={user}) is missing prvWrite{table} privilege.");
    Err(ODataError::new(403, "0x80040220", message))
}

/// Adds an application as a System Administrator of an environment, or enables its existing user.
pub(crate) fn add_application_user(
    draft: &mut Draft<'_>,
    schema: &Schema,
    environment: &str,
    client: &str,
) -> Result<(), String> {
    if !client.eq_ignore_ascii_case(CLIENT) {
        return Err(format!(
            "The application '{client}' was not found in the tenant."
        ));
    }
    let organization = Organization::in_environment(draft, schema, environment);
    let mut organization =
        organization.ok_or_else(|| "The environment has no Dataverse database.".to_owned())?;
    add_or_enable(&mut organization).map_err(|error| error.message)
}

fn add_or_enable(organization: &mut Organization) -> Result<(), ODataError> {
    let table = organization.table("systemuser")?;
    let existing = organization
        .rows("systemuser")
        .into_iter()
        .find(|user| text(user, "applicationid") == Some(CLIENT));
    let id = if let Some(mut user) = existing {
        let id = text(&user, "systemuserid").unwrap_or_default().to_owned();
        user.insert("isdisabled".to_owned(), json!(false));
        organization.save(table, user);
        id
    } else {
        let id = names::identifier(&["application-user", &organization.id]);
        let row = row_of(json!({
            "fullname": "# iomcopy rehearsal",
            "applicationid": CLIENT,
            "azureactivedirectoryobjectid": CLIENT_OBJECT,
            "isdisabled": false,
            "accessmode": 4,
        }));
        organization.insert(table, &id, row);
        id
    };
    let role = organization
        .rows("role")
        .into_iter()
        .find(|role| lookup(role, "roletemplateid") == Some(SYSTEM_ADMINISTRATOR));
    let role = role
        .as_ref()
        .and_then(|role| text(role, "roleid"))
        .unwrap_or_default();
    associate(
        organization,
        "systemuserroles",
        ("systemuserid", &id),
        ("roleid", role),
    )
}

/// Inserts a pair into an intersect table, unless it exists.
pub(crate) fn associate(
    organization: &mut Organization,
    pairs: &str,
    one: (&str, &str),
    other: (&str, &str),
) -> Result<(), ODataError> {
    let table = organization.table(pairs)?;
    let pair = find_pair(organization, pairs, one, other);
    if pair.is_none() {
        let id = names::identifier(&[pairs, one.1, other.1]);
        let row = row_of(json!({one.0: one.1, other.0: other.1}));
        organization.insert(table, &id, row);
    }
    Ok(())
}

/// The id of a pair.
pub(crate) fn find_pair(
    organization: &Organization,
    pairs: &str,
    one: (&str, &str),
    other: (&str, &str),
) -> Option<String> {
    let table = organization.schema.table(pairs)?;
    organization
        .borrowed_rows(pairs)
        .into_iter()
        .find(|pair| text(pair, one.0) == Some(one.1) && text(pair, other.0) == Some(other.1))
        .and_then(|pair| text(pair, &table.primary_id))
        .map(str::to_owned)
}
