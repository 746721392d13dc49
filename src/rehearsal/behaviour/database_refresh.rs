//! Lifecycle Services: a project's environments, its operations, and the database refresh.
//!
//! The effects are those that Microsoft Learn describes (*Refresh database*, *Database movement
//! operations*): the target is available until the copy reaches its server, and then unavailable
//! without warning; all users except `Admin` are disabled, batch jobs are withheld, dual-write's
//! configuration is deleted. Microsoft documents for the copy of a unified environment that
//! `DBMovementAPI` is enabled; here a refresh does the same.

use std::time::Duration;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::finance_operations::{facts_key, rows_key, unavailable_key};
use super::operations;
use super::timers::{self, Timer};
use super::{dual_write, environments, outside};
use crate::rehearsal::clock::Moment;
use crate::rehearsal::faults::FailureMode;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

const DURATION: Duration = Duration::from_hours(2);

/// The time from its acceptance to its start.
const START_DELAY: Duration = Duration::from_mins(2);

/// The time from its start until the target is unavailable.
const UNTIL_UNAVAILABLE: Duration = Duration::from_mins(30);

/// The time from a failure to its rollback, and the duration of the rollback.
const ROLLBACK_DELAY: Duration = Duration::from_mins(3);
const ROLLBACK_DURATION: Duration = Duration::from_mins(40);

/// The maximum number of refreshes per day.
const QUOTA: usize = 3;

/// The users that are enabled after a refresh.
const ENABLED_USERS: [&str; 2] = ["Admin", "DBMovementAPI"];

/// The sets of dual-write's configuration, which a refresh clears.
const DUAL_WRITE: [&str; 3] = [
    "DualWriteProjectConfigurations",
    "DualWriteProjectFieldConfigurations",
    "BusinessEventsDefinitions",
];

/// An operation in the history of an environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Activity {
    pub(crate) id: String,
    /// The environment that it changes, by its id in Lifecycle Services.
    pub(crate) environment: String,
    /// The environment that it reads.
    pub(crate) source: Option<String>,
    /// Its type: `SFSourceDbToSandbox`.
    pub(crate) kind: String,
    /// The display name of its type.
    pub(crate) title: String,
    /// Its state, as the service names it.
    pub(crate) state: String,
    /// When it began, in the service's format.
    pub(crate) started: String,
    /// When it ended.
    pub(crate) ended: Option<String>,
    /// How it fails, if it does.
    #[serde(rename = "fate")]
    pub(crate) failure_mode: Option<FailureMode>,
}

/// A time in the service's format: UTC without a time zone.
pub(crate) fn format_time(moment: Moment) -> String {
    moment.to_iso_ticks().trim_end_matches('Z').to_owned()
}

/// The prefix of the keys of a project's environments.
pub(crate) const ENVIRONMENTS: &str = "lcs-environment/";

/// The key of a project's environment. Its object has `shown`, which the service returns, and
/// `environment`, the linked environment of the Power Platform.
pub(crate) fn environment_key(id: &str) -> String {
    format!("{ENVIRONMENTS}{id}")
}

fn activity_key(id: &str) -> String {
    format!("lcs-activity/{id}")
}

/// The operations of an environment, the newest first.
pub(crate) fn history(draft: &Draft<'_>, environment: &str) -> Vec<Activity> {
    let mut found: Vec<Activity> = draft.load_under("lcs-activity/");
    found.retain(|one| one.environment == environment);
    found.sort_by(|one, other| other.started.cmp(&one.started));
    found
}

/// One operation.
pub(crate) fn activity(draft: &Draft<'_>, id: &str) -> Option<Activity> {
    draft.load(&activity_key(&id.to_lowercase()))
}

/// Saves an operation.
pub(crate) fn save(draft: &mut Draft<'_>, activity: &Activity) {
    draft.save(activity_key(&activity.id), activity);
}

fn detail<'draft>(draft: &'draft Draft<'_>, id: &str, field: &str) -> Option<&'draft str> {
    draft.get(&environment_key(id))?["shown"][field].as_str()
}

/// Starts a refresh, or returns the message why not.
pub(crate) fn begin(draft: &mut Draft<'_>, source: &str, target: &str) -> Result<Activity, String> {
    for id in [source, target] {
        if draft.get(&environment_key(id)).is_none() {
            return Err(format!("The environment {id} is not one of the project."));
        }
    }
    if detail(draft, target, "EnvironmentType") == Some("Production") {
        return Err("A production environment cannot be the target of a refresh.".to_owned());
    }
    let release = "CurrentApplicationReleaseName";
    if detail(draft, source, release) != detail(draft, target, release) {
        return Err(
            "The application versions of the source and target environments are not compatible."
                .to_owned(),
        );
    }
    let running = ["NotStarted", "InProgress", "RollbackInProgress"];
    let history = history(draft, target);
    if history
        .iter()
        .any(|one| running.contains(&one.state.as_str()))
    {
        return Err("Another operation is in progress on the target environment.".to_owned());
    }
    let last_day: Vec<&Activity> = history
        .iter()
        .filter(|one| is_within_a_day(&one.started, draft.now()) && one.kind.contains("Db"))
        .collect();
    if let Some(oldest) = last_day.get(QUOTA - 1) {
        return Err(format!(
            "Maximum allowed API operations are {QUOTA} from {}",
            oldest.started
        ));
    }
    let number = draft.count("lcs-activities");
    let activity = Activity {
        id: names::identifier(&["lcs-activity", target, &number.to_string()]),
        environment: target.to_owned(),
        source: Some(source.to_owned()),
        kind: "SFSourceDbToSandbox".to_owned(),
        title: "Refresh database".to_owned(),
        state: "NotStarted".to_owned(),
        started: format_time(draft.now()),
        ended: None,
        failure_mode: operations::failure_mode(draft),
    };
    save(draft, &activity);
    schedule(draft, &activity, START_DELAY);
    Ok(activity)
}

fn is_within_a_day(started: &str, now: Moment) -> bool {
    let time = |text: &str| text.parse::<DateTime>().ok();
    match (time(started), time(&format_time(now))) {
        (Some(started), Some(now)) => {
            now.duration_since(started) < jiff::SignedDuration::from_hours(24)
        }
        _ => false,
    }
}

fn schedule(draft: &mut Draft<'_>, activity: &Activity, after: Duration) {
    let timer = Timer::AdvanceRefresh {
        activity: activity.id.clone(),
    };
    timers::set(draft, after, &timer);
}

/// Moves a refresh to its next state. The states and their order are those of Microsoft Learn.
pub(super) fn advance(draft: &mut Draft<'_>, schema: &Schema, mut activity: Activity) {
    let target = linked_environment(draft, &activity.environment);
    let is_unavailable = draft.get(&unavailable_key(&target)).is_some();
    let after = match (
        activity.state.as_str(),
        activity.failure_mode,
        is_unavailable,
    ) {
        ("NotStarted", ..) => {
            "InProgress".clone_into(&mut activity.state);
            Some(UNTIL_UNAVAILABLE)
        }
        ("InProgress", _, false) => {
            draft.put(unavailable_key(&target), json!(503));
            Some(DURATION.saturating_sub(START_DELAY + UNTIL_UNAVAILABLE))
        }
        ("InProgress", None, true) => {
            let source = linked_environment(draft, activity.source.as_deref().unwrap_or_default());
            replace_database(draft, schema, &source, &target);
            end(draft, &mut activity, "Completed");
            draft.delete(&unavailable_key(&target));
            None
        }
        ("InProgress", Some(FailureMode::Abort), true) => {
            end(draft, &mut activity, "Aborted");
            None
        }
        ("InProgress", Some(mode), true) => {
            end(draft, &mut activity, "Failed");
            draft.put(unavailable_key(&target), json!(404));
            (mode != FailureMode::Fail).then_some(ROLLBACK_DELAY)
        }
        ("Failed", ..) => {
            "RollbackInProgress".clone_into(&mut activity.state);
            activity.ended = None;
            Some(ROLLBACK_DURATION)
        }
        ("RollbackInProgress", Some(FailureMode::FailToRollBack), _) => {
            end(draft, &mut activity, "RollbackFailed");
            None
        }
        ("RollbackInProgress", ..) => {
            end(draft, &mut activity, "RollbackCompleted");
            draft.delete(&unavailable_key(&target));
            None
        }
        _ => None,
    };
    save(draft, &activity);
    if let Some(after) = after {
        schedule(draft, &activity, after);
    }
}

fn end(draft: &Draft<'_>, activity: &mut Activity, state: &str) {
    state.clone_into(&mut activity.state);
    activity.ended = Some(format_time(draft.now()));
}

/// The environment of the Power Platform that an environment of the project is linked to.
fn linked_environment(draft: &Draft<'_>, id: &str) -> String {
    let environment = draft.get(&environment_key(id));
    let environment = environment.and_then(|found| found["environment"].as_str());
    environment.unwrap_or_default().to_owned()
}

/// Replaces the target's rows by the source's, with the effects of a refresh.
fn replace_database(draft: &mut Draft<'_>, schema: &Schema, source: &str, target: &str) {
    let administrator = format!("{}Admin", rows_key(target, "SystemUsers"));
    let target_administrator = draft.get(&administrator).cloned();
    environments::replace(
        draft,
        &format!("finance-operations/{target}/"),
        &format!("finance-operations/{source}/"),
        &format!("finance-operations/{target}/"),
    );
    // `Admin` stays the target's administrator.
    if let Some(row) = target_administrator {
        draft.put(administrator, row);
    }
    disable_users(draft, target);
    outside::finance::after_refresh(draft, target);
    for set in DUAL_WRITE {
        draft.delete_under(&rows_key(target, set));
    }
    dual_write::reset::after_replacement(draft, schema, target);
    let mut facts = draft.get(&facts_key(target)).cloned().unwrap_or_default();
    if let Some(facts) = facts.as_object_mut() {
        facts.remove("entityListRefreshed");
        facts.insert("batch".to_owned(), json!("Withhold"));
        facts.insert("maintenanceMode".to_owned(), json!(false));
        facts.insert("changeTracking".to_owned(), json!(false));
    }
    draft.put(facts_key(target), facts);
}

/// Disables all users except the administrator and the user for programs.
fn disable_users(draft: &mut Draft<'_>, environment: &str) {
    let users: Vec<(String, Value)> = draft
        .under(&rows_key(environment, "SystemUsers"))
        .map(|(key, user)| (key.to_owned(), user.clone()))
        .collect();
    for (key, mut user) in users {
        let is_enabled = ENABLED_USERS.iter().any(|name| user["UserID"] == *name);
        user["Enabled"] = json!(is_enabled);
        draft.put(key, user);
    }
}
