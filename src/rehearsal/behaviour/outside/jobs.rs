//! System jobs: what they do when they run, and which changes of them are accepted.
//!
//! The numbers are those of PAD's entity reference of `asyncoperation`; which jobs reach the outside
//! follows from their names.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;

use super::service_endpoints::hosts_of_step;
use super::{calls, hosts, mail, messages};
use crate::rehearsal::behaviour::organization::{
    Organization, Row, lookup, lookup_of, lookup_value, number, row_of, text,
};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::world::names;

/// An asynchronous plug-in step.
pub(super) const SYSTEM_EVENT: i64 = 1;
/// A classic workflow.
pub(super) const WORKFLOW: i64 = 10;
/// A callback registration.
pub(super) const CALLBACK: i64 = 79;

/// Bulk Email, Quick Campaign, Outgoing Activity: they send mail.
const MAIL: [i64; 3] = [2, 11, 50];

/// Incoming Email Processing, Mailbox Test Access: they read mailboxes.
const MAILBOX: [i64; 2] = [51, 52];

/// Jobs of the platform, which refuse to be canceled, paused or resumed (Microsoft Learn,
/// *Asynchronous service*).
const PLATFORM: [i64; 10] = [9, 16, 18, 19, 20, 22, 24, 25, 27, 31];

/// The columns that an update may set (Microsoft Learn, *Asynchronous service*).
const UPDATABLE: [&str; 3] = ["statecode", "statuscode", "postponeuntil"];

/// The state of a job that has ended.
const COMPLETED: i64 = 3;

/// Queues a job that waits for background operations. `origin` is its column, table and row. Returns
/// the job's id.
pub(in crate::rehearsal::behaviour) fn queue(
    organization: &mut Organization<'_, '_>,
    kind: i64,
    name: &str,
    origin: (&str, &str, &str),
) -> Result<String, ODataError> {
    let table = organization.table("asyncoperation")?;
    let number = organization.draft.count("jobs").to_string();
    let id = names::identifier(&["asyncoperation", &organization.id, &number]);
    let mut row = row_of(json!({"name": name, "operationtype": kind}));
    row.insert(origin.0.to_owned(), lookup_value(origin.1, origin.2));
    organization.insert(table, &id, row);
    Ok(id)
}

/// Whether a job is postponed to a later time.
pub(in crate::rehearsal::behaviour) fn is_postponed(
    organization: &Organization<'_, '_>,
    job: &Row,
) -> bool {
    let until = text(job, "postponeuntil").and_then(|time| time.parse::<Timestamp>().ok());
    let now = organization.draft.now().to_iso_seconds();
    let now = now.parse::<Timestamp>().ok();
    until.is_some_and(|until| now.is_some_and(|now| until > now))
}

/// What a job does to the outside when it runs.
pub(in crate::rehearsal::behaviour) fn run(organization: &mut Organization<'_, '_>, job: &Row) {
    let name = text(job, "name").unwrap_or_default().to_owned();
    let why = format!("system job '{name}' runs");
    if let Some(step) = referenced(organization, job, "owningextensionid") {
        let enabled = number(&step, "statecode") == Some(0);
        let called = hosts_of_step(organization, &step);
        let by = format!("plug-in step '{}'", text(&step, "name").unwrap_or_default());
        if enabled {
            calls::record_all(organization, &by, &called, &why);
        }
        return;
    }
    if let Some(workflow) = referenced(organization, job, "workflowactivationid") {
        if number(&workflow, "statecode") == Some(1) {
            messages::run_workflow(organization, &workflow, &why);
        }
        return;
    }
    let regarding = job.get("regardingobjectid").and_then(lookup_of);
    if let Some(("callbackregistration", id)) = regarding {
        if let Some(registration) = organization.row("callbackregistration", id) {
            messages::call_back(organization, &registration, &why);
        }
        return;
    }
    let kind = number(job, "operationtype").unwrap_or_default();
    let mut called: BTreeSet<String> = hosts::in_text(text(job, "data").unwrap_or_default());
    if MAIL.contains(&kind) {
        called.extend(mail::outgoing_host(organization));
    }
    if MAILBOX.contains(&kind) {
        called.extend(mail::incoming_host(organization));
    }
    let by = format!("system job '{name}'");
    calls::record_all(organization, &by, &called, &why);
}

/// The row that a job's lookup refers to.
fn referenced(organization: &Organization<'_, '_>, job: &Row, column: &str) -> Option<Row> {
    let (table, _) = lookup_of(job.get(column)?)?;
    organization.row(table, lookup(job, column)?)
}

/// Refuses changes that the service does not support.
pub(in crate::rehearsal::behaviour) fn check_update(
    before: &Row,
    changes: &Row,
) -> Result<(), ODataError> {
    if let Some(column) = changes
        .keys()
        .find(|column| !UPDATABLE.contains(&column.as_str()))
    {
        let message = format!("The column {column} of a system job cannot be updated.");
        return Err(ODataError::business_rule(message));
    }
    let name = text(before, "name").unwrap_or_default();
    let kind = number(before, "operationtype").unwrap_or_default();
    if PLATFORM.contains(&kind) {
        let message = format!("The system job '{name}' cannot be canceled, paused or resumed.");
        return Err(ODataError::business_rule(message));
    }
    if number(before, "statecode") == Some(COMPLETED) {
        let message = format!("The system job '{name}' is completed.");
        return Err(ODataError::business_rule(message));
    }
    Ok(())
}
