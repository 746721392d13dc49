//! Cloud flows: the conditions for turning them on, and the changes they refuse while they are on.

use serde_json::{Map, Value, json};

use super::conditions;
use super::connections::{self, connector_name};
use super::organization::{Organization, Row, lookup_value, number, row_of, set_state, text};
use super::outside;
use super::update::Update;
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::path::guid;
use crate::rehearsal::world::names;

/// The category of cloud flows.
const MODERN_FLOW: i64 = 5;

/// The states of a flow.
const OFF: i64 = 0;
const ON: i64 = 1;

/// The maximum depth in the search for child flows.
const MAX_DEPTH: usize = 50;

/// A new flow is always off (Microsoft Learn, work with cloud flows using code).
pub(super) fn before_create(row: &mut Row) {
    set_state(row, OFF, 1);
}

/// The rules for updates of a flow.
pub(super) fn before_update(
    organization: &Organization,
    update: &mut Update<'_>,
) -> Result<(), ODataError> {
    if number(update.before, "category") != Some(MODERN_FLOW) {
        return Ok(());
    }
    let was_on = number(update.before, "statecode") == Some(ON);
    let will_be_on = number(update.after, "statecode") == Some(ON);
    if was_on && will_be_on {
        if update.sets("clientdata") && update.changes_value("clientdata") {
            return Err(ODataError::new(
                400,
                "0x80060466",
                "Cannot update property \"clientdata\" on a published Modern Flow process.",
            ));
        }
        if update.sets("ownerid") && update.changes_value("ownerid") {
            return Err(ODataError::new(
                400,
                "0x8004500C",
                "A published workflow can only be assigned to the caller.",
            ));
        }
    }
    if will_be_on && !was_on {
        check_activation(organization, update.after)?;
    }
    Ok(())
}

/// Refuses a flow that cannot be turned on. Each connection reference needs a connection that the
/// caller can use, and each child flow must be on.
pub(super) fn check_activation(organization: &Organization, flow: &Row) -> Result<(), ODataError> {
    let data = text(flow, "clientdata").unwrap_or_default();
    let data: Value = serde_json::from_str(data).map_err(|error| {
        let message = format!("Flow clientdata is in invalid format. Details: \"{error}\".");
        ODataError::new(400, "0x80060468", message)
    })?;
    let references = data.pointer("/properties/connectionReferences");
    for (_, reference) in references.and_then(Value::as_object).into_iter().flatten() {
        check_reference(organization, reference)?;
    }
    let mut children = Vec::new();
    child_flows(&data, MAX_DEPTH, &mut children);
    for child in children {
        check_child(organization, flow, &child)?;
    }
    Ok(())
}

fn check_reference(organization: &Organization, reference: &Value) -> Result<(), ODataError> {
    let string = |pointer: &str| reference.pointer(pointer).and_then(Value::as_str);
    let api = string("/api/name").unwrap_or_default();
    conditions::check_data_policy(organization, api)?;
    let Some(name) = string("/connection/connectionReferenceLogicalName") else {
        let connection = string("/connection/name").unwrap_or_default();
        return match connections::connection_problem(organization, connection, api) {
            None => Ok(()),
            Some(_) if connection.is_empty() => Err(ODataError::flow_service(
                "BadRequest",
                "FlowMissingConnection",
                &format!("The flow is missing a connection for the API \"{api}\"."),
            )),
            Some(_) => Err(connections::unauthorized(organization, connection, api)),
        };
    };
    let row = organization
        .rows_with_text(
            "connectionreference",
            "connectionreferencelogicalname",
            name,
        )
        .into_iter()
        .next();
    let connection = row.and_then(|row| text(row, "connectionid"));
    let Some(connection) = connection.filter(|connection| !connection.is_empty()) else {
        return Err(ODataError::flow_service(
            "BadRequest",
            "XrmConnectionReferenceMissingConnection",
            &format!("Connection Id missing for connection reference logical name '{name}'."),
        ));
    };
    let connector = row.and_then(|row| text(row, "connectorid"));
    let connector = connector.map_or(api, connector_name);
    // If the flow names another connector than its reference, the flow's connector counts.
    let connector = if api.is_empty() { connector } else { api };
    match connections::connection_problem(organization, connection, connector) {
        None => Ok(()),
        Some(_) => Err(connections::unauthorized(
            organization,
            connection,
            connector,
        )),
    }
}

fn check_child(organization: &Organization, flow: &Row, child: &str) -> Result<(), ODataError> {
    if text(flow, "workflowid") == Some(child) {
        let message = format!("The flow '{child}' cannot invoke itself.");
        return Err(ODataError::flow_service(
            "BadRequest",
            "FlowCannotInvokeItself",
            &message,
        ));
    }
    let row = organization.row("workflow", child);
    if row.is_some_and(|row| number(&row, "statecode") == Some(ON)) {
        return Ok(());
    }
    let message = format!(
        "Request to Azure Resource Manager failed with error: '{{\"error\":{{\"code\":\"ChildFlowNotActive\",\"message\":\"The child flow '{child}' is not active.\"}}}}'."
    );
    Err(ODataError::flow_service(
        "BadRequest",
        "AzureResourceManagerRequestFailed",
        &message,
    ))
}

/// Collects the flows that actions of type `Workflow` call, at any depth.
fn child_flows(value: &Value, depth: usize, children: &mut Vec<String>) {
    if depth == 0 {
        return;
    }
    match value {
        Value::Object(members) => {
            let is_call = members.get("type").and_then(Value::as_str) == Some("Workflow");
            let child = value
                .pointer("/inputs/host/workflowReferenceName")
                .and_then(Value::as_str);
            if let Some(child) = child.filter(|_| is_call) {
                children.push(guid(child).unwrap_or_else(|| child.to_owned()));
            }
            for member in members.values() {
                child_flows(member, depth - 1, children);
            }
        }
        Value::Array(items) => {
            for item in items {
                child_flows(item, depth - 1, children);
            }
        }
        _ => {}
    }
}

/// Turns a flow on or off without checking its conditions, as the product itself does.
pub(super) fn switch(organization: &mut Organization, flow: &str, on: bool) {
    let (state, status) = if on { (ON, 2) } else { (OFF, 1) };
    organization.change_row("workflow", flow, |row| set_state(row, state, status));
    outside::flows::after_change(organization, flow);
}

/// Creates a flow that is on, or turns on an existing one.
pub(super) fn deploy(
    organization: &mut Organization,
    id: &str,
    name: &str,
    client_data: &str,
) -> Result<(), ODataError> {
    let table = organization.table("workflow")?;
    if organization.row("workflow", id).is_none() {
        organization.insert(table, id, flow_row(name, client_data));
    }
    switch(organization, id, true);
    Ok(())
}

/// The columns of a new flow.
pub(crate) fn flow_row(name: &str, client_data: &str) -> Row {
    row_of(json!({
        "name": name,
        "category": MODERN_FLOW,
        "type": 1,
        "modernflowtype": 0,
        "primaryentity": "none",
        "clientdata": client_data,
        "ismanaged": false,
        "componentstate": 0,
        "iscustomizable": {
            "Value": true,
            "CanBeChanged": true,
            "ManagedPropertyLogicalName": "iscustomizableanddeletable",
        },
        "workflowidunique": names::identifier(&["workflowidunique", name]),
    }))
}

/// The name of a flow that is compiled from a tile or a policy (Microsoft Learn, Intelligent Order
/// Management labs).
pub(crate) fn compiled_name(name: &str) -> String {
    format!("(DO NOT DELETE OR MODIFY) {name}")
}

/// The client data of a flow: connection references (connector and logical name), a trigger and
/// actions.
pub(crate) fn client_data(references: &[(&str, &str)], trigger: &Value, actions: &Value) -> String {
    let mut connections = Map::new();
    for (connector, logical_name) in references {
        connections.insert(
            (*connector).to_owned(),
            json!({
                "impersonation": {},
                "runtimeSource": "embedded",
                "connection": {"connectionReferenceLogicalName": logical_name},
                "api": {"name": connector},
            }),
        );
    }
    json!({
        "properties": {
            "connectionReferences": connections,
            "definition": {
                "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
                "contentVersion": "1.0.0.0",
                "parameters": {
                    "$connections": {"defaultValue": {}, "type": "Object"},
                    "$authentication": {"defaultValue": {}, "type": "SecureObject"},
                },
                "triggers": trigger,
                "actions": actions,
            },
        },
        "schemaVersion": "1.0.0.0",
    })
    .to_string()
}

/// The flows whose name contains a provider's id: `iom_<id>_…` or `… (<id>)`.
pub(super) fn deployed_of(organization: &Organization, provider: &str) -> Vec<String> {
    let mut flows = organization.borrowed_rows("workflow");
    flows.retain(|flow| {
        let name = text(flow, "name").unwrap_or_default().to_lowercase();
        name.starts_with(&format!("iom_{provider}_")) || name.ends_with(&format!("({provider})"))
    });
    flows
        .iter()
        .filter_map(|flow| text(flow, "workflowid").map(str::to_owned))
        .collect()
}

pub(super) fn lookup_to(flow: &str) -> Value {
    lookup_value("workflow", flow)
}
