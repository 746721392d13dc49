//! Lifecycle Services: a project's environments, its operations, and the refresh of a database.
//!
//! After-effects as Microsoft Learn has them (*Refresh database*, *Database movement operations*):
//! the target stays up until the copy reaches its server and is then away without warning; all users
//! but `Admin` are disabled, batch jobs are withheld, dual-write's configuration is gone. That
//! `DBMovementAPI` is enabled is documented for the copy of a unified environment and taken over
//! here.

use std::time::Duration;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::finance_operations::{away_key, facts_key, rows_key};
use super::operations;
use super::timers::{self, Timer};
use super::{dual_write, environments};
use crate::rehearsal::clock::Moment;
use crate::rehearsal::faults::Fate;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

/// How long a refresh takes.
const LASTS: Duration = Duration::from_hours(2);

/// How long after it was accepted it runs.
const ACCEPTED: Duration = Duration::from_mins(2);

/// How long after it runs the target is away.
const REACHES_THE_SERVER: Duration = Duration::from_mins(30);

/// How long after a failure what was there is being put back, and how long that takes.
const BEFORE_ROLLBACK: Duration = Duration::from_mins(3);
const ROLLBACK: Duration = Duration::from_mins(40);

/// How many triggers a day holds.
const QUOTA: usize = 3;

/// The users that a refresh leaves enabled.
const KEPT: [&str; 2] = ["Admin", "DBMovementAPI"];

/// The sets of dual-write's configuration, which a refresh empties.
const DUAL_WRITE: [&str; 3] = [
    "DualWriteProjectConfigurations",
    "DualWriteProjectFieldConfigurations",
    "BusinessEventsDefinitions",
];

/// One operation of an environment, as its history keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Activity {
    /// Its id.
    pub(crate) id: String,
    /// The environment of the project that it changes.
    pub(crate) environment: String,
    /// The environment that it reads.
    pub(crate) source: Option<String>,
    /// Its type: `SFSourceDbToSandbox`.
    pub(crate) kind: String,
    /// Its type for people.
    pub(crate) title: String,
    /// Its state, in the service's word.
    pub(crate) state: String,
    /// When it began, as the service writes times.
    pub(crate) started: String,
    /// When it ended.
    pub(crate) ended: Option<String>,
    /// How it ends, where not well.
    pub(crate) fate: Option<Fate>,
}

/// Why a trigger is refused.
pub(crate) type Refused = String;

/// A time as the service writes it: UTC, without saying so.
pub(crate) fn written(moment: Moment) -> String {
    moment.in_ticks().trim_end_matches('Z').to_owned()
}

/// What the keys of a project's environments begin with.
pub(crate) const ENVIRONMENTS: &str = "lcs-environment/";

/// The key of a project's environment: its object has `shown`, what is answered of it, and
/// `environment`, the environment of the Power Platform that it is linked to.
pub(crate) fn environment_key(id: &str) -> String {
    format!("{ENVIRONMENTS}{id}")
}

fn activity_key(id: &str) -> String {
    format!("lcs-activity/{id}")
}

/// The operations of an environment, the newest first.
pub(crate) fn history(draft: &Draft<'_>, environment: &str) -> Vec<Activity> {
    let mut found: Vec<Activity> = draft
        .under("lcs-activity/")
        .filter_map(|(_, value)| serde_json::from_value(value.clone()).ok())
        .filter(|one: &Activity| one.environment == environment)
        .collect();
    found.sort_by(|one, other| other.started.cmp(&one.started));
    found
}

/// One operation.
pub(crate) fn activity(draft: &Draft<'_>, id: &str) -> Option<Activity> {
    let value = draft.get(&activity_key(&id.to_lowercase()))?;
    serde_json::from_value(value.clone()).ok()
}

fn save(draft: &mut Draft<'_>, activity: &Activity) {
    let value = serde_json::to_value(activity).unwrap_or_default();
    draft.put(activity_key(&activity.id), value);
}

fn shown<'draft>(draft: &'draft Draft<'_>, id: &str, field: &str) -> Option<&'draft str> {
    draft.get(&environment_key(id))?["shown"][field].as_str()
}

/// Begins a refresh.
pub(crate) fn begin(
    draft: &mut Draft<'_>,
    source: &str,
    target: &str,
) -> Result<Activity, Refused> {
    for id in [source, target] {
        if draft.get(&environment_key(id)).is_none() {
            return Err(format!("The environment {id} is not one of the project."));
        }
    }
    if shown(draft, target, "EnvironmentType") == Some("Production") {
        return Err("A production environment cannot be the target of a refresh.".to_owned());
    }
    let release = "CurrentApplicationReleaseName";
    if shown(draft, source, release) != shown(draft, target, release) {
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
    let day: Vec<&Activity> = history
        .iter()
        .filter(|one| is_within_a_day(&one.started, draft.now()) && one.kind.contains("Db"))
        .collect();
    if let Some(oldest) = day.get(QUOTA - 1) {
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
        started: written(draft.now()),
        ended: None,
        fate: operations::fate(draft),
    };
    save(draft, &activity);
    next(draft, &activity, ACCEPTED);
    Ok(activity)
}

fn is_within_a_day(started: &str, now: Moment) -> bool {
    let time = |text: &str| text.parse::<DateTime>().ok();
    match (time(started), time(&written(now))) {
        (Some(started), Some(now)) => {
            now.duration_since(started) < jiff::SignedDuration::from_hours(24)
        }
        _ => false,
    }
}

fn next(draft: &mut Draft<'_>, activity: &Activity, after: Duration) {
    let timer = Timer::GoOnWithRefresh {
        activity: activity.id.clone(),
    };
    let due = draft.now() + after;
    timers::set(draft, due, &timer);
}

/// What comes next in a refresh. Its states follow each other as Microsoft Learn names them.
pub(super) fn go_on(draft: &mut Draft<'_>, schema: &Schema, mut activity: Activity) {
    let target = linked(draft, &activity.environment);
    let is_away = draft.get(&away_key(&target)).is_some();
    let after = match (activity.state.as_str(), activity.fate, is_away) {
        ("NotStarted", ..) => {
            "InProgress".clone_into(&mut activity.state);
            Some(REACHES_THE_SERVER)
        }
        ("InProgress", _, false) => {
            draft.put(away_key(&target), json!(503));
            Some(LASTS.saturating_sub(ACCEPTED + REACHES_THE_SERVER))
        }
        ("InProgress", None, true) => {
            let source = linked(draft, activity.source.as_deref().unwrap_or_default());
            replace(draft, schema, &source, &target);
            end(draft, &mut activity, "Completed");
            draft.delete(&away_key(&target));
            None
        }
        ("InProgress", Some(Fate::Abort), true) => {
            end(draft, &mut activity, "Aborted");
            None
        }
        ("InProgress", Some(fate), true) => {
            end(draft, &mut activity, "Failed");
            draft.put(away_key(&target), json!(404));
            (fate != Fate::Fail).then_some(BEFORE_ROLLBACK)
        }
        ("Failed", ..) => {
            "RollbackInProgress".clone_into(&mut activity.state);
            activity.ended = None;
            Some(ROLLBACK)
        }
        ("RollbackInProgress", Some(Fate::FailToRollBack), _) => {
            end(draft, &mut activity, "RollbackFailed");
            None
        }
        ("RollbackInProgress", ..) => {
            end(draft, &mut activity, "RollbackCompleted");
            draft.delete(&away_key(&target));
            None
        }
        _ => None,
    };
    save(draft, &activity);
    if let Some(after) = after {
        next(draft, &activity, after);
    }
}

fn end(draft: &Draft<'_>, activity: &mut Activity, state: &str) {
    state.clone_into(&mut activity.state);
    activity.ended = Some(written(draft.now()));
}

/// The environment of the Power Platform that a project's environment is linked to.
fn linked(draft: &Draft<'_>, id: &str) -> String {
    let environment = draft.get(&environment_key(id));
    let environment = environment.and_then(|found| found["environment"].as_str());
    environment.unwrap_or_default().to_owned()
}

/// The target has the source's rows, as a refresh leaves them.
fn replace(draft: &mut Draft<'_>, schema: &Schema, source: &str, target: &str) {
    let administrator = format!("{}Admin", rows_key(target, "SystemUsers"));
    let kept = draft.get(&administrator).cloned();
    environments::replace(
        draft,
        &format!("finance-operations/{target}/"),
        &format!("finance-operations/{source}/"),
        &format!("finance-operations/{target}/"),
    );
    // `Admin` is the administrator of the target.
    if let Some(kept) = kept {
        draft.put(administrator, kept);
    }
    disable_users(draft, target);
    for set in DUAL_WRITE {
        let rows: Vec<String> = draft
            .under(&rows_key(target, set))
            .map(|(key, _)| key.to_owned())
            .collect();
        for row in rows {
            draft.delete(&row);
        }
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

/// All users but the administrator are disabled; the one that is kept for programs is enabled.
fn disable_users(draft: &mut Draft<'_>, environment: &str) {
    let users: Vec<(String, Value)> = draft
        .under(&rows_key(environment, "SystemUsers"))
        .map(|(key, user)| (key.to_owned(), user.clone()))
        .collect();
    for (key, mut user) in users {
        let is_kept = KEPT.iter().any(|kept| user["UserID"] == *kept);
        user["Enabled"] = json!(is_kept);
        draft.put(key, user);
    }
}
