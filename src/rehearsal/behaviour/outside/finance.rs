//! Finance and Operations after a copy: batch jobs, e-mail, business events.
//!
//! A refresh by Lifecycle Services withholds all batch jobs, empties the mail relay and removes the
//! end points of business events (Microsoft Learn, *Database refresh*). No page lists what a unified
//! copy does; this tenant's does the same, unless the object `quirk/unified-copy-keeps-finance` (any
//! value) exists: then everything arrives as it was.

use serde_json::{Value, json};

use super::calls::{self, Call};
use super::hosts;
use crate::rehearsal::behaviour::environments;
use crate::rehearsal::behaviour::finance_operations::rows_key;
use crate::rehearsal::behaviour::organization::{Row, text};
use crate::rehearsal::world::store::Draft;

const BATCH_JOBS: &str = "BatchJobs";
const EMAIL_PARAMETERS: &str = "EmailParameters";
const ENDPOINTS: &str = "BusinessEventsEndpoints";
const EVENTS: &str = "BusinessEventsConfigurations";

/// The key of a quirk: a unified copy leaves everything as it was.
const KEEPS_FINANCE: &str = "quirk/unified-copy-keeps-finance";

/// The states of a job that runs or will run.
const RUNNABLE: [&str; 4] = ["Waiting", "Executing", "Ready", "Scheduled"];

fn rows(draft: &Draft<'_>, environment: &str, set: &str) -> Vec<(String, Value)> {
    let prefix = rows_key(environment, set);
    let rows = draft.under(&prefix);
    rows.map(|(key, row)| (key.to_owned(), row.clone()))
        .collect()
}

/// The effects of a unified copy.
pub(in crate::rehearsal::behaviour) fn after_copy(draft: &mut Draft<'_>, environment: &str) {
    if draft.get(KEEPS_FINANCE).is_none() {
        after_refresh(draft, environment);
    }
}

/// The effects of a refresh by Lifecycle Services.
pub(in crate::rehearsal::behaviour) fn after_refresh(draft: &mut Draft<'_>, environment: &str) {
    withhold_batch_jobs(draft, environment);
    for (key, mut row) in rows(draft, environment, EMAIL_PARAMETERS) {
        row["SMTPRelayServerName"] = json!("");
        draft.put(key, row);
    }
    draft.delete_under(&rows_key(environment, ENDPOINTS));
}

fn withhold_batch_jobs(draft: &mut Draft<'_>, environment: &str) {
    for (key, mut row) in rows(draft, environment, BATCH_JOBS) {
        if is_runnable(&row) {
            row["Status"] = json!("Hold");
            draft.put(key, row);
        }
    }
}

fn is_runnable(job: &Value) -> bool {
    job["Status"]
        .as_str()
        .is_some_and(|status| RUNNABLE.contains(&status))
}

/// The batch jobs that are not withheld run: each calls the hosts that it names; the e-mail
/// distributor calls the mail relay, the business event job the end points of active events.
pub(super) fn act(draft: &mut Draft<'_>, environment: &str) {
    let jobs = rows(draft, environment, BATCH_JOBS).into_iter();
    for (_, job) in jobs.filter(|(_, job)| is_runnable(job)) {
        run(draft, environment, &job);
    }
}

/// A batch job that was changed runs if it can.
pub(in crate::rehearsal::behaviour) fn after_change(
    draft: &mut Draft<'_>,
    environment: &str,
    set: &str,
    key: &str,
) {
    let is_open = environments::runs_background_operations(draft, environment);
    if set != BATCH_JOBS || !is_open {
        return;
    }
    if let Some(job) = draft.get(key).filter(|job| is_runnable(job)).cloned() {
        run(draft, environment, &job);
    }
}

fn run(draft: &mut Draft<'_>, environment: &str, job: &Value) {
    let description = job["JobDescription"].as_str().unwrap_or_default();
    let mut called = hosts::in_text(description);
    if description.contains("Email distributor") {
        let parameters = rows(draft, environment, EMAIL_PARAMETERS);
        called.extend(
            parameters
                .iter()
                .filter_map(|(_, row)| hosts::of_location(row["SMTPRelayServerName"].as_str()?)),
        );
    }
    if description.contains("Business event") {
        called.extend(active_endpoints(draft, environment));
    }
    for host in called {
        let call = Call {
            by: format!("batch job '{description}'"),
            host: &host,
            with: None,
            why: "the batch job runs",
        };
        calls::record_from(draft, environment, &call);
    }
}

/// The hosts of the end points that active events use.
fn active_endpoints(draft: &Draft<'_>, environment: &str) -> Vec<String> {
    let events = rows(draft, environment, EVENTS);
    let is_active = |name: &str| {
        events.iter().any(|(_, event)| {
            event["BusinessEventsEndpoint_Name"] == name && event["Disabled"] != "Yes"
        })
    };
    let endpoints = rows(draft, environment, ENDPOINTS);
    let active = endpoints
        .iter()
        .filter_map(|(_, row)| row.as_object())
        .filter(|row: &&Row| text(row, "Name").is_some_and(is_active));
    active
        .filter_map(|row| hosts::of_location(text(row, "EventGridEndpointURL")?))
        .collect()
}
