//! How the tenant behaves, without HTTP: what a write, a deletion, an action does, and when.
//!
//! - `organization`: the rows of one Dataverse organization, seen by one caller.
//! - `writes`: create, update and delete, with the rules of each table.
//! - `states`, `ownership`, `deletion`: rules that all tables share.
//! - `flows`, `connections`: cloud flows and what they connect with.
//! - `providers`, `orchestrations`, `policies`, `graph`, `system`: Intelligent Order Management.
//! - `quirks`: what goes otherwise than one would think.
//! - `environments`, `operations`, `copy`, `administration`: environments and their operations.
//! - `directory`: who can sign in to the tenant; `users`: who may enter an organization.
//! - `timers`: what happens later.

pub(crate) mod administration;
pub(crate) mod connections;
pub(crate) mod copy;
mod deletion;
pub(crate) mod directory;
pub(crate) mod environments;
pub(crate) mod flows;
pub(crate) mod graph;
pub(crate) mod operations;
pub(crate) mod orchestrations;
pub(crate) mod organization;
mod ownership;
pub(crate) mod policies;
pub(crate) mod providers;
pub(crate) mod quirks;
mod states;
pub(crate) mod system;
pub(crate) mod timers;
pub(crate) mod users;
pub(crate) mod writes;
