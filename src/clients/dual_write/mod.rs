//! The gateway behind the dual-write page of Finance and Operations.
//!
//! **Microsoft does not support it and may change it at any time.** Microsoft publishes no HTTP API
//! for dual-write; what is known comes from its own tool *Dual-write-automations*, which says so of
//! itself. So it is spoken to only where the runbook acknowledges that, at an address and with a
//! person's token that the runbook names.
//!
//! - [`address`]: which addresses can be the gateway's.
//! - [`client`]: [`DualWriteGateway`], its reads and its requests.
//! - [`map`]: maps, their versions, states and requests.
//! - [`connection_set`]: the link of two environments, as the gateway records it.
//! - [`solution`]: solutions that hold map versions, and applying one.

mod address;
mod client;
mod connection_set;
mod map;
mod solution;

pub use address::{GatewayAddressError, check_gateway_address};
pub use client::DualWriteGateway;
pub use connection_set::{ConnectionSet, DualWriteLink, LinkedEnvironment};
pub use map::{
    EntityMap, FieldMappings, Leg, MapAction, MapState, MapVersion, RequestState, Template,
};
pub use solution::MapSolution;
