//! Everything of production that acts on the outside, in the source only: a copy brings it.
//!
//! - `messages`: service endpoints, plug-in steps, callback registrations, classic workflows.
//! - `mail`: mailboxes, server profiles, a queue, mail that waits. `jobs`: system jobs that wait.
//! - `addresses`: sites, documents, data sources, scripts, a bot.
//! - `finance`: batch jobs, mail and business events of Finance and Operations.
//!
//! The marks of production are hosts below `contoso.com`, hosts of the cloud with `contoso` in their
//! name, and the addresses of its flows. Cloud flows, variables, parameters, transformations and the custom
//! connector are in their own files.

mod addresses;
mod finance;
mod jobs;
mod mail;
mod messages;

use super::Seeder;

/// Inserts the rows.
pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    messages::insert(seeder);
    mail::insert(seeder);
    jobs::insert(seeder);
    addresses::insert(seeder);
    finance::insert(seeder);
}
