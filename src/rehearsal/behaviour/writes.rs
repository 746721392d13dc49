//! Create, update and delete, with the rules of each table.

use serde_json::Value;

use super::dual_write::runtime;
use super::organization::{Organization, Row};
use super::outside::messages::{self, Message};
use super::outside::{self, jobs, mail, managed};
use super::update::Update;
use super::{
    conditions, connections, deletion, flows, orchestrations, ownership, providers, states,
};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::schema::table::Table;

/// Creates a row. An existing id is refused.
pub(crate) fn create(
    organization: &mut Organization,
    table: &Table,
    id: &str,
    columns: &Row,
) -> Result<(), ODataError> {
    if organization.row(&table.logical_name, id).is_some() {
        return Err(ODataError::already_exists());
    }
    conditions::check_customization(organization, &table.logical_name)?;
    conditions::check_vault(organization, &table.logical_name, columns)?;
    ownership::check(organization, columns)?;
    runtime::check_secure_configuration(organization, table)?;
    let mut row = columns.clone();
    row.retain(|_, value| !value.is_null());
    states::set_status(table, columns, &mut row)?;
    if table.logical_name == "workflow" {
        flows::before_create(&mut row);
    }
    if table.logical_name == "connectionreference" {
        connections::check_connection(organization, &row)?;
    }
    organization.insert(table, id, row);
    messages::happened(
        organization,
        Message::Create,
        &table.logical_name,
        Some(columns),
    )?;
    outside::after_change(organization, &table.logical_name, id);
    Ok(())
}

/// Updates a row with the columns that a request sets.
pub(crate) fn update(
    organization: &mut Organization,
    table: &Table,
    id: &str,
    changes: &Row,
) -> Result<(), ODataError> {
    let before = organization.existing(&table.logical_name, id)?;
    conditions::check_customization(organization, &table.logical_name)?;
    conditions::check_vault(organization, &table.logical_name, &before)?;
    managed::check(table, &before, "Update")?;
    let mut after = before.clone();
    for (column, value) in changes {
        match value {
            Value::Null => {
                after.remove(column);
            }
            value => {
                after.insert(column.clone(), value.clone());
            }
        }
    }
    states::set_status(table, changes, &mut after)?;
    ownership::check(organization, changes)?;
    runtime::check_secure_configuration(organization, table)?;
    let mut update = Update {
        id,
        before: &before,
        after: &mut after,
        changes,
    };
    match table.logical_name.as_str() {
        "asyncoperation" => jobs::check_update(&before, changes)?,
        "mailbox" => mail::before_update(&before, update.after),
        "workflow" => flows::before_update(organization, &mut update)?,
        "connectionreference" => connections::before_update(organization, &update)?,
        "msdyn_iomdesigner" => orchestrations::before_update(organization, &update)?,
        "msdyn_iomprovider" => providers::before_update(organization, &update),
        "msdyn_iomproviderconnectionreference" => {
            providers::before_connection_update(organization, &mut update)?;
        }
        _ => {}
    }
    organization.save(table, after);
    if table.logical_name == "connectionreference" {
        connections::after_update(organization, id)?;
    }
    messages::happened(
        organization,
        Message::Update,
        &table.logical_name,
        Some(changes),
    )?;
    outside::after_change(organization, &table.logical_name, id);
    Ok(())
}

/// Deletes a row.
pub(crate) fn delete(
    organization: &mut Organization,
    table: &Table,
    id: &str,
) -> Result<(), ODataError> {
    let row = organization.existing(&table.logical_name, id)?;
    conditions::check_customization(organization, &table.logical_name)?;
    managed::check(table, &row, "Delete")?;
    if table.logical_name == "msdyn_iomprovider" {
        providers::before_delete(organization, id, &row)?;
    }
    deletion::delete(organization, table, id)?;
    messages::happened(organization, Message::Delete, &table.logical_name, None)
}
