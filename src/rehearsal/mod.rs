//! The rehearsal tenant: a stand-in for Microsoft's services that is spoken to over HTTP, by the
//! same clients and credentials.
//!
//! It shares no code with the other rooms, so that it cannot share their mistakes: own clock, own
//! OData, own idea of every service.
//!
//! - `tenant`: starting, stopping, endpoints.
//! - `application`: who signs in, and the two environments.
//! - `clock`: simulated time.
//! - `world`: the objects, and the file whose fold they are.
//! - `schema`: Dataverse's tables as data.
//! - `seed`: what a new world holds; `variant`: which kind of tenant it is.
//! - `ports`: which ports a world keeps.
//! - `behaviour`: what writes, actions and copies do, without HTTP.
//! - `odata`: addresses, filters, preferences, errors.
//! - `listeners`: the services over HTTP.
//! - `faults`: what goes wrong on purpose.
//!
//! A request is handled alone: timers that are due come first, the service answers, its line is
//! written to the world's file, and only then is the answer sent. So the file tells, at every
//! moment, all that anybody has been told.

mod application;
mod behaviour;
mod clock;
mod faults;
mod listeners;
mod odata;
mod ports;
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
pub use faults::{Fate, Fault, FaultError, FaultKind};
pub use listeners::tls::TlsError;
pub use schema::skin::{Skin, SkinError};
pub use seed::{Seed, SeedError};
pub use tenant::{Endpoints, Options, Rehearsal, ServiceEndpoint, StartError};
pub use variant::{DualWrite, Management, Variant, VariantError};
pub use world::log::LogError as WorldError;
