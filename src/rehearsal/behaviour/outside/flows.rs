//! Cloud flows that are on: the hosts that their HTTP actions and custom connectors call, and their
//! callback registrations.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{calls, hosts, messages};
use crate::rehearsal::behaviour::connections::connector_name;
use crate::rehearsal::behaviour::organization::{Organization, number, row_of, text};
use crate::rehearsal::world::names;

/// The maximum depth in the search of a definition.
const MAX_DEPTH: usize = 50;

/// A flow was changed or switched: one that is on calls its hosts, and its trigger is registered;
/// one that is off has no registration.
pub(in crate::rehearsal::behaviour) fn after_change(
    organization: &mut Organization<'_, '_>,
    id: &str,
) {
    let Some(flow) = organization.row("workflow", id) else {
        return;
    };
    if number(&flow, "category") != Some(5) {
        return;
    }
    let registration = names::identifier(&["callbackregistration", &organization.id, id]);
    if number(&flow, "statecode") != Some(1) {
        organization.remove_row("callbackregistration", &registration);
        return;
    }
    let data = text(&flow, "clientdata").unwrap_or_default();
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let name = text(&flow, "name").unwrap_or_default();
    let called = hosts_of(organization, &data);
    let by = format!("cloud flow '{name}'");
    calls::record_all(organization, &by, &called, "the flow is on");
    register(organization, &registration, (id, name), &data);
}

/// The hosts that a flow calls.
fn hosts_of(organization: &Organization<'_, '_>, data: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Some(definition) = data.pointer("/properties/definition") {
        collect(definition, MAX_DEPTH, &mut found);
    }
    let references = data.pointer("/properties/connectionReferences");
    for (_, reference) in references.and_then(Value::as_object).into_iter().flatten() {
        let api = reference.pointer("/api/name").and_then(Value::as_str);
        if let Some(api) = api {
            found.extend(host_of_connector(organization, api));
        }
    }
    found
}

/// Collects the hosts of HTTP actions, at any depth: the members `uri` and `url`.
fn collect(value: &Value, depth: usize, found: &mut BTreeSet<String>) {
    if depth == 0 {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member.as_str()) {
                    ("uri" | "url", Some(address)) => found.extend(hosts::in_text(address)),
                    _ => collect(member, depth - 1, found),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                collect(item, depth - 1, found);
            }
        }
        _ => {}
    }
}

/// The host of a custom connector, from its definition.
fn host_of_connector(organization: &Organization<'_, '_>, api: &str) -> Option<String> {
    let connectors = organization.rows_where("connector", |row| {
        let id = text(row, "connectorinternalid").unwrap_or_default();
        id.eq_ignore_ascii_case(connector_name(api))
    });
    let definition = text(connectors.first()?, "openapidefinition")?;
    let definition: Value = serde_json::from_str(definition).ok()?;
    hosts::of_location(definition["host"].as_str()?)
}

/// Registers the trigger of a flow that waits for rows of Dataverse.
fn register(
    organization: &mut Organization<'_, '_>,
    registration: &str,
    (id, name): (&str, &str),
    data: &Value,
) {
    let triggers = data.pointer("/properties/definition/triggers");
    let parameters = triggers
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .find_map(|(_, trigger)| trigger.pointer("/inputs/parameters"));
    let member = |name: &str| parameters.and_then(|parameters| parameters.get(name));
    let table = member("subscriptionRequest/entityname").and_then(Value::as_str);
    let message = member("subscriptionRequest/message").and_then(Value::as_i64);
    let (Some(entity), Some(message)) = (table, message) else {
        return;
    };
    if organization
        .row("callbackregistration", registration)
        .is_some()
    {
        return;
    }
    let Ok(table) = organization.table("callbackregistration") else {
        return;
    };
    let url = registration_url(&organization.environment, id);
    let row = messages::registration_row(name, entity, message, &url);
    organization.insert(table, registration, row_of(row));
}

/// The address at which a flow of an environment is called back. The host is invented: real ones
/// differ for each environment too.
pub(crate) fn registration_url(environment: &str, flow: &str) -> String {
    format!("https://{environment}.flow.example/workflows/{flow}/triggers/run?sig=rehearsal")
}
