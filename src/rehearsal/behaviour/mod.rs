//! The tenant's behaviour without HTTP: the effects of writes, deletions, actions and operations.
//!
//! - `organization`: the rows of one Dataverse organization, for one caller.
//! - `writes`: create, update and delete, with the rules of each table; `update`: what those rules
//!   see.
//! - `states`, `ownership`, `deletion`: rules of all tables.
//! - `flows`, `connections`: cloud flows, connection references and connections.
//! - `providers`, `orchestrations`, `policies`, `graph`, `system`: Intelligent Order Management.
//! - `quirks`: surprising behaviour of the services.
//! - `conditions`: conditions under which an environment refuses what it usually allows.
//! - `environments`, `operations`, `copy`, `administration`: environments and their operations.
//! - `dual_write`: links, maps and their requests, runtime configuration.
//! - `database_refresh`: the database refresh of Lifecycle Services.
//! - `directory`: who can sign in to the tenant; `users`: who has access to an organization.
//! - `finance_operations`: who has access to Finance and Operations, its rows and actions.
//! - `outside`: what acts on the outside world, and the record of each call.
//! - `timers`: delayed effects; `due_timers` runs those that are due.

pub(crate) mod administration;
pub(crate) mod conditions;
pub(crate) mod connections;
pub(crate) mod copy;
pub(crate) mod database_refresh;
mod deletion;
pub(crate) mod directory;
pub(crate) mod dual_write;
pub(crate) mod due_timers;
pub(crate) mod environments;
pub(crate) mod finance_operations;
pub(crate) mod flows;
pub(crate) mod graph;
pub(crate) mod operations;
pub(crate) mod orchestrations;
pub(crate) mod organization;
pub(crate) mod outside;
mod ownership;
pub(crate) mod policies;
pub(crate) mod providers;
pub(crate) mod quirks;
mod states;
pub(crate) mod system;
pub(crate) mod timers;
mod update;
pub(crate) mod users;
pub(crate) mod writes;
