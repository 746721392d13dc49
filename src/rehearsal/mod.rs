//! The rehearsal tenant: a stand-in for Microsoft's services. The program calls it over HTTP, with
//! the same clients and credentials.
//!
//! It shares no code with the other modules, so it cannot share their mistakes: it has its own
//! clock, its own OData and its own model of every service.
//!
//! - `tenant`: starting, stopping, endpoints.
//! - `application`: the ids and credentials of the tenant, and the two environments.
//! - `clock`: simulated time.
//! - `world`: the objects, and the file that they are replayed from.
//! - `schema`: Dataverse's tables as data.
//! - `seed`: the content of a new world; `variant`: the kind of tenant.
//! - `ports`: the ports that a world keeps.
//! - `behaviour`: what writes, actions and copies do, without HTTP.
//! - `odata`: addresses, filters, preferences, errors.
//! - `listeners`: the services over HTTP.
//! - `faults`: failures on purpose. `protection`: the limits of Dataverse for each user.
//!
//! The tenant handles one request at a time: it runs the timers that are due, lets the service
//! respond, writes a line to the world's file, and only then sends the response. So the file always
//! has everything that any client has received.

mod application;
mod behaviour;
mod clock;
mod faults;
mod listeners;
mod odata;
mod ports;
mod protection;
mod schema;
mod seed;
mod tenant;
#[cfg(test)]
mod tests;
mod variant;
mod world;

pub use application::{
    ACT_AS, CLIENT, DUAL_WRITE_TOKEN, LCS_PROJECT, LCS_SOURCE, LCS_TARGET, LCS_TOKEN, MACHINE_KEY,
    PASSWORD, SECRET, SERVICE_CONNECTION, SOURCE_ENVIRONMENT, TARGET_ENVIRONMENT, TENANT,
    TENANT_DOMAIN,
};
pub use faults::{FailureMode, Fault, FaultError, FaultKind};
pub use listeners::tls::TlsError;
pub use schema::table_names::{TableNames, TableNamesError};
pub use seed::{Seed, SeedError, Volume};
pub use tenant::{Endpoints, Options, Rehearsal, ServiceEndpoint, StartError};
pub use variant::{DualWrite, Management, Variant, VariantError};
pub use world::log::LogError as WorldError;
