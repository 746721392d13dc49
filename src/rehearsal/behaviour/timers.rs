//! What happens later: timers are part of the world and are carried out, at the moment they were
//! due, before the first request that comes after it.

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
    /// The refresh of a database goes on.
    GoOnWithRefresh {
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
        /// Where it is.
        place: Place,
        /// The job's row.
        job: String,
    },
    /// *Activate system* has done its work.
    ActivateSystem {
        /// Where.
        place: Place,
    },
    /// A provider becomes active.
    ActivateProvider {
        /// Where.
        place: Place,
        /// The provider's row.
        provider: String,
    },
    /// An orchestration becomes published.
    PublishOrchestration {
        /// Where.
        place: Place,
        /// The orchestration's row.
        orchestration: String,
    },
    /// What was asked of the dual-write gateway ends.
    EndDualWriteRequest {
        /// The request.
        request: String,
    },
}

/// Where something happens in Dataverse, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The environment.
    pub(crate) environment: String,
    /// The organization.
    pub(crate) organization: String,
    /// Who asked for it.
    pub(crate) caller: Caller,
}

impl Place {
    /// The place of an organization as a request sees it.
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
    // Keys are in the order in which timers are due.
    let key = format!("timer/{:015}-{number:06}", due.milliseconds());
    draft.put(key, serde_json::to_value(timer).unwrap_or_default());
}

/// Whether such a timer is set.
pub(crate) fn is_set(draft: &Draft<'_>, wanted: impl Fn(&Timer) -> bool) -> bool {
    draft
        .under("timer/")
        .filter_map(|(_, value)| serde_json::from_value(value.clone()).ok())
        .any(|timer: Timer| wanted(&timer))
}

/// Carries out every timer that is due, each at its moment.
pub(crate) fn advance(draft: &mut Draft<'_>, schema: &Schema) {
    let now = draft.now();
    while let Some((key, due, timer)) = first(draft).filter(|(_, due, _)| *due <= now) {
        draft.set_now(due);
        draft.delete(&key);
        if let Some(timer) = timer {
            carry_out(draft, schema, timer);
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

fn carry_out(draft: &mut Draft<'_>, schema: &Schema, timer: Timer) {
    match timer {
        Timer::EndCopy { operation } => {
            if let Some(operation) = operations::operation(draft, &operation) {
                copy::end(draft, schema, operation);
            }
        }
        Timer::GoOnWithRefresh { activity } => {
            if let Some(activity) = database_refresh::activity(draft, &activity) {
                database_refresh::go_on(draft, schema, activity);
            }
        }
        Timer::EndEdit { operation } => {
            if let Some(operation) = operations::operation(draft, &operation) {
                administration::end(draft, schema, operation);
            }
        }
        Timer::EndJob { place, job } => at(draft, schema, place, |organization| {
            connections::end_job(organization, &job);
        }),
        Timer::ActivateSystem { place } => at(draft, schema, place, system::end_activation),
        Timer::ActivateProvider { place, provider } => at(draft, schema, place, |organization| {
            providers::end_activation(organization, &provider);
        }),
        Timer::PublishOrchestration {
            place,
            orchestration,
        } => at(draft, schema, place, |organization| {
            orchestrations::end_publishing(organization, &orchestration);
        }),
        Timer::EndDualWriteRequest { request } => {
            dual_write::requests::end(draft, schema, &request);
        }
    }
}

/// Does something in an organization, unless a copy has put another in its place.
fn at(
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
