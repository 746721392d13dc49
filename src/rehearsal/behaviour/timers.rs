//! Timers: delayed effects. They are objects of the world and run before the first request after
//! the moment when they are due, with the time of that moment.

use serde::{Deserialize, Serialize};

use super::organization::{Caller, Organization};
use super::{
    administration, connections, copy, database_refresh, dual_write, environments, operations,
};
use super::{orchestrations, providers, system};
use crate::rehearsal::clock::Moment;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::store::Draft;

/// What a timer does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum Timer {
    /// A copy ends.
    EndCopy {
        /// The operation.
        operation: String,
    },
    /// A database refresh enters its next state.
    #[serde(rename = "go-on-with-refresh")]
    AdvanceRefresh {
        /// The activity.
        activity: String,
    },
    /// An edit of an environment ends.
    EndEdit {
        /// The operation.
        operation: String,
    },
    /// A system job ends, if background operations run.
    EndJob {
        /// The organization.
        place: Place,
        /// The job's row.
        job: String,
    },
    /// *Activate system* ends.
    ActivateSystem {
        /// The organization.
        place: Place,
    },
    /// A provider becomes active.
    ActivateProvider {
        /// The organization.
        place: Place,
        /// The provider's row.
        provider: String,
    },
    /// An orchestration becomes published.
    PublishOrchestration {
        /// The organization.
        place: Place,
        /// The orchestration's row.
        orchestration: String,
    },
    /// A request to the dual-write gateway ends.
    EndDualWriteRequest {
        /// The request.
        request: String,
    },
}

/// The organization in which a timer runs, and its caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The environment.
    pub(crate) environment: String,
    /// The organization.
    pub(crate) organization: String,
    /// The user of the request that set the timer.
    pub(crate) caller: Caller,
}

impl Place {
    /// The organization and caller of a request.
    pub(crate) fn of(organization: &Organization) -> Self {
        Self {
            environment: organization.environment.clone(),
            organization: organization.id.clone(),
            caller: organization.caller.clone(),
        }
    }
}

/// Sets a timer.
pub(crate) fn set(draft: &mut Draft<'_>, due: Moment, timer: &Timer) {
    let number = draft.count("timers");
    // The keys sort in the order in which timers are due.
    let key = format!("timer/{:015}-{number:06}", due.milliseconds());
    draft.put(key, serde_json::to_value(timer).unwrap_or_default());
}

/// Whether a matching timer is set.
pub(crate) fn is_set(draft: &Draft<'_>, matches: impl Fn(&Timer) -> bool) -> bool {
    draft
        .under("timer/")
        .filter_map(|(_, value)| serde_json::from_value(value.clone()).ok())
        .any(|timer: Timer| matches(&timer))
}

/// Runs each timer that is due, with the time of its moment.
pub(crate) fn run_due(draft: &mut Draft<'_>, schema: &Schema) {
    let now = draft.now();
    while let Some((key, due, timer)) = first(draft).filter(|(_, due, _)| *due <= now) {
        draft.set_now(due);
        draft.delete(&key);
        if let Some(timer) = timer {
            run_timer(draft, schema, timer);
        }
    }
    draft.set_now(now);
}

fn first(draft: &Draft<'_>) -> Option<(String, Moment, Option<Timer>)> {
    let (key, value) = draft.under("timer/").next()?;
    let due = key
        .strip_prefix("timer/")?
        .split('-')
        .next()?
        .parse()
        .ok()?;
    let timer = serde_json::from_value(value.clone()).ok();
    Some((key.to_owned(), Moment::from_milliseconds(due), timer))
}

fn run_timer(draft: &mut Draft<'_>, schema: &Schema, timer: Timer) {
    match timer {
        Timer::EndCopy { operation } => {
            if let Some(operation) = operations::operation(draft, &operation) {
                copy::end(draft, schema, operation);
            }
        }
        Timer::AdvanceRefresh { activity } => {
            if let Some(activity) = database_refresh::activity(draft, &activity) {
                database_refresh::advance(draft, schema, activity);
            }
        }
        Timer::EndEdit { operation } => {
            if let Some(operation) = operations::operation(draft, &operation) {
                administration::end(draft, schema, operation);
            }
        }
        Timer::EndJob { place, job } => in_organization(draft, schema, place, |organization| {
            connections::end_job(organization, &job);
        }),
        Timer::ActivateSystem { place } => {
            in_organization(draft, schema, place, system::end_activation);
        }
        Timer::ActivateProvider { place, provider } => {
            in_organization(draft, schema, place, |organization| {
                providers::end_activation(organization, &provider);
            });
        }
        Timer::PublishOrchestration {
            place,
            orchestration,
        } => in_organization(draft, schema, place, |organization| {
            orchestrations::end_publishing(organization, &orchestration);
        }),
        Timer::EndDualWriteRequest { request } => {
            dual_write::requests::end(draft, schema, &request);
        }
    }
}

/// Runs a function on an organization, unless a copy has replaced it.
fn in_organization(
    draft: &mut Draft<'_>,
    schema: &Schema,
    place: Place,
    act: impl FnOnce(&mut Organization<'_, '_>),
) {
    let current = environments::organization(draft, &place.environment);
    if current.as_deref() != Some(&place.organization) {
        return;
    }
    act(&mut Organization {
        draft,
        schema,
        id: place.organization,
        environment: place.environment,
        caller: place.caller,
    });
}
