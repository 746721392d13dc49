//! The services: one HTTP chain, one file a service.
//!
//! - `http`: the chain (retry, throttle, auth, send), origins, paging, errors of every family.
//! - `identity`: credentials and their tokens.
//! - [`Cloud`], [`LcsGeography`]: the hosts and scopes of each cloud, and of Lifecycle Services.
//! - [`PowerPlatform`]: copy, operations, packages, connections.
//! - [`Bap`]: [`Environment`]s, administration mode, lifecycle operations.
//! - [`Dataverse`] reads and [`DataverseWriter`] writes: rows, metadata, the caller.
//! - [`FinanceOperations`] reads and [`FinanceOperationsWriter`] writes: entity sets and actions.
//! - [`Lcs`]: the database refresh of what Lifecycle Services manages.
//! - [`DualWriteGateway`]: the gateway behind the dual-write page, which Microsoft does not support.
//! - [`Operation`]: long-running operations of both admin APIs, in one form.
//!
//! One [`Http`] and one [`Tokens`] are made for a run; each service is a [`Service`] with an origin
//! and an [`Identity`] of its own. Nothing here knows a step, a journal or a runbook; an
//! [`Observer`] is told of each wait.
//!
//! What the callers can rely on: a token goes to one exact origin; a write is sent again only where
//! it is certain that it was not processed; what cannot be known is [`ErrorKind::Ambiguous`] or an
//! unknown state, never a guess.

mod bap;
mod cloud;
mod copy_request;
mod dataverse;
mod dual_write;
mod environment;
mod error;
mod finance_operations;
#[cfg(test)]
mod foreign_hosts;
mod http;
mod identity;
mod lcs;
mod lists;
mod operation;
mod power_platform;
#[cfg(test)]
pub(crate) mod testing;

pub use bap::Bap;
pub use cloud::{Cloud, DUAL_WRITE_SCOPE, LcsGeography, is_dual_write_gateway, lcs_endpoint};
pub use copy_request::{CopyRequest, CopyType};
pub use dataverse::{
    Column, Condition, Dataverse, DataverseWriter, OptionLabel, Organization, Query, Relationship,
    Row, Table, WhoAmI, Written, literal,
};
pub use dual_write::{
    ConnectionSet, DualWriteGateway, DualWriteLink, EntityMap, FieldMappings, GatewayAddressError,
    Leg, LinkedEnvironment, MapAction, MapSolution, MapState, MapVersion, RequestState, Template,
    check_gateway_address,
};
pub use environment::{DataverseInstance, Environment, LinkedApp, OngoingOperation};
pub use error::{Detail, Error, ErrorKind};
pub use finance_operations::{EntityKey, FinanceOperations, FinanceOperationsWriter, Reachability};
pub use http::{
    Endpoint, Http, Limits, ListBudget, Observer, Origin, OriginError, Service, Silent, Wait,
    WaitReason,
};
pub use identity::{Holder, Identity, Lasting, MachineEndpoint, SignIn, TokenFacts, Tokens};
pub use lcs::{
    HistoryEntry, Lcs, LcsEnvironment, Quota, RefreshState, RefreshStatus, Triggered, lcs_time,
};
pub use operation::{Accepted, Operation, OperationHandle, OperationState, poll_delay};
pub use power_platform::{Connection, CopyCandidate, CopyValidation, Package, PowerPlatform};
