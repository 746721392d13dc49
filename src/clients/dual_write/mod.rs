//! The gateway behind the dual-write page of Finance and Operations.
//!
//! **Microsoft does not support it and may change it at any time.** Microsoft publishes no HTTP API
//! for dual-write; what is known comes from its own tool *Dual-write-automations*, which says so of
//! itself. So it is used only if the runbook acknowledges that, at an address and with a user's
//! token that the runbook names.
//!
//! - [`address`]: valid addresses of the gateway.
//! - [`client`]: [`DualWriteGateway`], its reads and its requests.
//! - [`map`]: maps, their templates, states and actions; [`map_version`]: the version of a map.
//! - [`field_mappings`]: the field mappings of a map's project.
//! - [`request_state`]: the state of a request to the gateway.
//! - [`connection_set`]: the link of two environments, as the gateway records it.
//! - [`solution`]: solutions that contain map versions.

mod address;
mod client;
mod connection_set;
mod field_mappings;
mod map;
mod map_version;
mod request_state;
mod solution;

pub use address::is_dual_write_gateway;
pub use client::DualWriteGateway;
pub use connection_set::{ConnectionSet, DualWriteLink, LinkedEnvironment};
pub use field_mappings::{FieldMappings, Leg};
pub use map::{EntityMap, MapAction, MapState, Template};
pub use map_version::MapVersion;
pub use request_state::RequestState;
pub use solution::MapSolution;
