//! What runs when a row is created, updated or deleted.

use serde_json::{Value, json};

use super::service_endpoints::hosts_of_step;
use super::{calls, hosts, jobs};
use crate::rehearsal::behaviour::environments;
use crate::rehearsal::behaviour::organization::{Organization, Row, lookup, number, text};
use crate::rehearsal::world::names;

/// What happens to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rehearsal::behaviour) enum Message {
    Create,
    Update,
    Delete,
}

impl Message {
    /// Its name in the table `sdkmessage`.
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
        }
    }

    /// The values of a callback registration's `message` that include it (PAD, entity reference of
    /// `callbackregistration`).
    const fn callback_values(self) -> [i64; 4] {
        match self {
            Self::Create => [1, 4, 5, 7],
            Self::Delete => [2, 5, 6, 7],
            Self::Update => [3, 4, 6, 7],
        }
    }
}

/// A write that has happened.
#[derive(Debug)]
struct Event<'event> {
    message: Message,
    table: &'event str,
    /// The columns that it set.
    columns: Vec<&'event str>,
    why: String,
}

/// Runs what is registered for a write.
pub(in crate::rehearsal::behaviour) fn happened(
    organization: &mut Organization<'_, '_>,
    message: Message,
    table: &str,
    changes: Option<&Row>,
) {
    let event = Event {
        message,
        table,
        columns: changes.map_or(Vec::new(), |row| row.keys().map(String::as_str).collect()),
        why: format!("{} of {table}", message.name()),
    };
    run_steps(organization, &event);
    run_callbacks(organization, &event);
    run_workflows(organization, &event);
}

/// The rows of a table that match, without cloning the others.
fn matching(
    organization: &Organization<'_, '_>,
    table: &str,
    matches: impl Fn(&Row) -> bool,
) -> Vec<Row> {
    organization
        .draft
        .under(&names::table(&organization.id, table))
        .filter_map(|(_, row)| row.as_object())
        .filter(|row| matches(row))
        .cloned()
        .collect()
}

fn run_steps(organization: &mut Organization<'_, '_>, event: &Event<'_>) {
    let enabled = |row: &Row| number(row, "statecode") == Some(0);
    for step in matching(organization, "sdkmessageprocessingstep", enabled) {
        if !is_registered_for(organization, &step, event) {
            continue;
        }
        let hosts = hosts_of_step(organization, &step);
        if hosts.is_empty() {
            continue;
        }
        let name = text(&step, "name").unwrap_or_default();
        if number(&step, "mode") == Some(1) && !runs_in_background(organization) {
            let origin = ("owningextensionid", "sdkmessageprocessingstep");
            let id = text(&step, "sdkmessageprocessingstepid").unwrap_or_default();
            jobs::queue(
                organization,
                jobs::SYSTEM_EVENT,
                name,
                (origin.0, origin.1, id),
            );
        } else {
            let by = format!("plug-in step '{name}'");
            calls::record_all(organization, &by, &hosts, &event.why);
        }
    }
}

fn is_registered_for(organization: &Organization<'_, '_>, step: &Row, event: &Event<'_>) -> bool {
    let related = |table: &str, column: &str| organization.row(table, lookup(step, column)?);
    let message = related("sdkmessage", "sdkmessageid");
    let of_message = message
        .as_ref()
        .and_then(|row| text(row, "name"))
        .is_some_and(|name| name == event.message.name());
    let filter = related("sdkmessagefilter", "sdkmessagefilterid");
    let of_table = filter
        .as_ref()
        .and_then(|row| text(row, "primaryobjecttypecode"))
        .is_some_and(|table| table == event.table);
    let columns = text(step, "filteringattributes").unwrap_or_default();
    let of_columns = event.message != Message::Update
        || columns.is_empty()
        || columns
            .split(',')
            .any(|column| event.columns.contains(&column.trim()));
    of_message && of_table && of_columns
}

/// A callback registration is asynchronous: it calls the flow that registered it.
fn run_callbacks(organization: &mut Organization<'_, '_>, event: &Event<'_>) {
    let registered = |row: &Row| {
        text(row, "entityname") == Some(event.table)
            && number(row, "message")
                .is_some_and(|value| event.message.callback_values().contains(&value))
    };
    for registration in matching(organization, "callbackregistration", registered) {
        let id = text(&registration, "callbackregistrationid").unwrap_or_default();
        if runs_in_background(organization) {
            call_back(organization, &registration, &event.why);
        } else {
            let name = text(&registration, "name").unwrap_or_default();
            let origin = ("regardingobjectid", "callbackregistration", id);
            jobs::queue(organization, jobs::CALLBACK, name, origin);
        }
    }
}

/// Calls the flow of a registration.
pub(super) fn call_back(organization: &mut Organization<'_, '_>, registration: &Row, why: &str) {
    let host = text(registration, "url").and_then(hosts::of_location);
    let name = text(registration, "name").unwrap_or_default();
    let by = format!("callback registration '{name}'");
    calls::record_all(organization, &by, host.as_ref(), why);
}

/// Classic workflows: a real-time one runs at once, another one in the background.
fn run_workflows(organization: &mut Organization<'_, '_>, event: &Event<'_>) {
    let triggered = |row: &Row| {
        let is = |column: &str| row.get(column) == Some(&Value::Bool(true));
        number(row, "category") == Some(0)
            && number(row, "statecode") == Some(1)
            && text(row, "primaryentity") == Some(event.table)
            && match event.message {
                Message::Create => is("triggeroncreate"),
                Message::Delete => is("triggerondelete"),
                Message::Update => text(row, "triggeronupdateattributelist")
                    .unwrap_or_default()
                    .split(',')
                    .any(|column| event.columns.contains(&column.trim())),
            }
    };
    for workflow in matching(organization, "workflow", triggered) {
        let real_time = number(&workflow, "mode") == Some(1);
        if real_time || runs_in_background(organization) {
            run_workflow(organization, &workflow, &event.why);
        } else {
            let name = text(&workflow, "name").unwrap_or_default();
            let id = text(&workflow, "workflowid").unwrap_or_default();
            let origin = ("workflowactivationid", "workflow", id);
            jobs::queue(organization, jobs::WORKFLOW, name, origin);
        }
    }
}

/// Runs a classic workflow: it calls the hosts that it names, and sends mail if it has such a step.
pub(super) fn run_workflow(organization: &mut Organization<'_, '_>, workflow: &Row, why: &str) {
    let xaml = text(workflow, "xaml").unwrap_or_default();
    let mut called = hosts::in_text(xaml);
    if xaml.contains("SendEmail") {
        called.extend(super::mail::outgoing_host(organization));
    }
    let by = format!("workflow '{}'", text(workflow, "name").unwrap_or_default());
    calls::record_all(organization, &by, &called, why);
}

fn runs_in_background(organization: &Organization<'_, '_>) -> bool {
    environments::runs_background_operations(organization.draft, &organization.environment)
}

/// The columns of a new callback registration.
pub(super) fn registration_row(name: &str, table: &str, message: i64, url: &str) -> Value {
    json!({
        "name": name,
        "entityname": table,
        "message": message,
        "scope": 4,
        "runas": 3,
        "url": url,
    })
}
