//! What acts on the outside world, and the record of each call: who called which host, when, why.
//!
//! - `calls`: the record. `hosts`: hosts in texts.
//! - `messages`: what runs when a row is created, updated or deleted: plug-in steps, webhooks,
//!   classic workflows, callback registrations. `service_endpoints`: the hosts of their targets.
//! - `mail`: mailboxes and e-mail that waits. `jobs`: system jobs.
//! - `flows`, `providers`: cloud flows that are on, providers that are active.
//! - `finance`: Finance and Operations after the copy.
//! - `managed`: managed components that may not be changed, so not closed either.
//!
//! Administration mode does not stop it; switched-off background operations stop mailboxes and
//! everything asynchronous, and what is asynchronous waits as a job (Microsoft Learn,
//! *Administration mode*: plug-ins and custom workflow code continue).
//!
//! A world without such rows records no call.

pub(crate) mod calls;
pub(crate) mod finance;
pub(crate) mod flows;
mod hosts;
pub(super) mod jobs;
pub(super) mod mail;
pub(super) mod managed;
pub(super) mod messages;
pub(super) mod providers;
mod service_endpoints;

use super::organization::Organization;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::store::Draft;

/// What acts at once when background operations come on. Jobs that waited run a little later.
pub(super) fn background_operations_come_on(
    draft: &mut Draft<'_>,
    schema: &Schema,
    environment: &str,
) {
    if let Some(mut organization) = Organization::in_environment(draft, schema, environment) {
        mail::act_all(&mut organization);
    }
    finance::act(draft, environment);
}

/// Runs what acts after a write to a row, other than what runs for its message.
pub(super) fn after_change(organization: &mut Organization<'_, '_>, table: &str, id: &str) {
    match table {
        "mailbox" => mail::after_change(organization, id),
        "emailserverprofile" => mail::after_profile_change(organization, id),
        "workflow" => flows::after_change(organization, id),
        "msdyn_iomprovider" => providers::act(organization, id),
        "msdyn_iomproviderparameter" => providers::after_setting(organization, id),
        _ => {}
    }
}
