//! What runs when a row is created, updated or deleted.

use serde_json::{Value, json};

use super::service_endpoints::hosts_of_step;
use super::{calls, hosts, jobs};
use crate::rehearsal::behaviour::environments;
use crate::rehearsal::behaviour::organization::{Organization, Row, lookup, number, text};
use crate::rehearsal::odata::error::ODataError;

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
) -> Result<(), ODataError> {
    let event = Event {
        message,
        table,
        columns: changes.map_or(Vec::new(), |row| row.keys().map(String::as_str).collect()),
        why: format!("{} of {table}", message.name()),
    };
    run_steps(organization, &event)?;
    run_callbacks(organization, &event)?;
    run_workflows(organization, &event)
}

fn run_steps(organization: &mut Organization<'_, '_>, event: &Event<'_>) -> Result<(), ODataError> {
    let enabled = |row: &Row| number(row, "statecode") == Some(0);
    let registered = |row: &Row| enabled(row) && is_registered_for(organization, row, event);
    for step in organization.rows_where("sdkmessageprocessingstep", registered) {
        let hosts = hosts_of_step(organization, &step);
        if hosts.is_empty() {
            continue;
        }
        let name = text(&step, "name").unwrap_or_default();
        if number(&step, "mode") == Some(1) && !runs_in_background(organization) {
            let id = text(&step, "sdkmessageprocessingstepid").unwrap_or_default();
            let origin = ("owningextensionid", "sdkmessageprocessingstep", id);
            jobs::queue(organization, jobs::SYSTEM_EVENT, name, origin)?;
        } else {
            let by = format!("plug-in step '{name}'");
            calls::record_all(organization, &by, &hosts, &event.why);
        }
    }
    Ok(())
}

fn is_registered_for(organization: &Organization<'_, '_>, step: &Row, event: &Event<'_>) -> bool {
    let related =
        |table: &str, column: &str| organization.borrowed_row(table, lookup(step, column)?);
    let message = related("sdkmessage", "sdkmessageid");
    let of_message = message.is_some_and(|row| text(row, "name") == Some(event.message.name()));
    let filter = related("sdkmessagefilter", "sdkmessagefilterid");
    let of_table =
        filter.is_some_and(|row| text(row, "primaryobjecttypecode") == Some(event.table));
    let columns = text(step, "filteringattributes").unwrap_or_default();
    let of_columns = event.message != Message::Update
        || columns.is_empty()
        || columns
            .split(',')
            .any(|column| event.columns.contains(&column.trim()));
    of_message && of_table && of_columns
}

/// A callback registration is asynchronous: it calls the flow that registered it.
fn run_callbacks(
    organization: &mut Organization<'_, '_>,
    event: &Event<'_>,
) -> Result<(), ODataError> {
    let registered = |row: &&Row| {
        number(row, "message").is_some_and(|value| event.message.callback_values().contains(&value))
    };
    let registrations =
        organization.rows_with_text("callbackregistration", "entityname", event.table);
    let registrations: Vec<Row> = registrations
        .into_iter()
        .filter(registered)
        .cloned()
        .collect();
    for registration in registrations {
        let id = text(&registration, "callbackregistrationid").unwrap_or_default();
        if runs_in_background(organization) {
            call_back(organization, &registration, &event.why);
        } else {
            let name = text(&registration, "name").unwrap_or_default();
            let origin = ("regardingobjectid", "callbackregistration", id);
            jobs::queue(organization, jobs::CALLBACK, name, origin)?;
        }
    }
    Ok(())
}

/// Calls the flow of a registration.
pub(super) fn call_back(organization: &mut Organization<'_, '_>, registration: &Row, why: &str) {
    let host = text(registration, "url").and_then(hosts::of_location);
    let name = text(registration, "name").unwrap_or_default();
    let by = format!("callback registration '{name}'");
    calls::record_all(organization, &by, host.as_ref(), why);
}

/// Classic workflows: a real-time one runs at once, another one in the background.
fn run_workflows(
    organization: &mut Organization<'_, '_>,
    event: &Event<'_>,
) -> Result<(), ODataError> {
    let triggered = |row: &&Row| {
        let is = |column: &str| row.get(column) == Some(&Value::Bool(true));
        number(row, "category") == Some(0)
            && number(row, "statecode") == Some(1)
            && match event.message {
                Message::Create => is("triggeroncreate"),
                Message::Delete => is("triggerondelete"),
                Message::Update => text(row, "triggeronupdateattributelist")
                    .unwrap_or_default()
                    .split(',')
                    .any(|column| event.columns.contains(&column.trim())),
            }
    };
    let workflows = organization.rows_with_text("workflow", "primaryentity", event.table);
    let workflows: Vec<Row> = workflows.into_iter().filter(triggered).cloned().collect();
    for workflow in workflows {
        let real_time = number(&workflow, "mode") == Some(1);
        if real_time || runs_in_background(organization) {
            run_workflow(organization, &workflow, &event.why);
        } else {
            let name = text(&workflow, "name").unwrap_or_default();
            let id = text(&workflow, "workflowid").unwrap_or_default();
            let origin = ("workflowactivationid", "workflow", id);
            jobs::queue(organization, jobs::WORKFLOW, name, origin)?;
        }
    }
    Ok(())
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
