//! Runs the timers that are due.

use serde::Deserialize as _;

use super::organization::Organization;
use super::timers::{Place, Timer};
use super::{administration, connections, copy, database_refresh, dual_write, operations};
use super::{orchestrations, providers, system};
use crate::rehearsal::clock::Moment;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::store::Draft;

/// Runs each timer that is due, with the time of its moment.
pub(crate) fn run(draft: &mut Draft<'_>, schema: &Schema) {
    let now = draft.now();
    while let Some((key, due, timer)) = first_due(draft, now) {
        draft.set_now(due);
        draft.delete(&key);
        if let Some(timer) = timer {
            run_timer(draft, schema, timer);
        }
    }
    draft.set_now(now);
}

fn first_due(draft: &Draft<'_>, now: Moment) -> Option<(String, Moment, Option<Timer>)> {
    let (key, value) = draft.under("timer/").next()?;
    let due = key
        .strip_prefix("timer/")?
        .split('-')
        .next()?
        .parse()
        .ok()?;
    let due = Moment::from_milliseconds(due);
    (due <= now).then(|| (key.to_owned(), due, Timer::deserialize(value).ok()))
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
    if let Some(mut organization) = Organization::in_environment(draft, schema, &place.environment)
        && organization.id == place.organization
    {
        organization.caller = place.caller;
        act(&mut organization);
    }
}
