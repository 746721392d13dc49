//! The services: one HTTP chain, and one file or directory per service.
//!
//! - `http`: the chain (retry, throttle, authorize, send), its policy, and its parsing.
//! - `identity`: credentials and their tokens.
//! - `clouds`: [`MicrosoftCloud`], [`LcsRegion`]: the hosts and scopes of each cloud, and of
//!   Lifecycle Services.
//! - `environment`: [`Environment`], as the older admin API (BAP) describes it.
//! - `copy_request`: the request to copy an environment, the same for both admin APIs.
//! - `power_platform`: [`PowerPlatform`]: copy, operations, packages, connections;
//!   `finops_of_environment`: Finance and Operations as it describes them.
//! - `bap`: [`Bap`]: environments, administration mode, lifecycle operations.
//! - `dataverse`: [`Dataverse`] reads and [`DataverseWriter`] writes: rows, metadata, the caller.
//! - `finance_operations`: [`FinanceOperations`] reads and [`FinanceOperationsWriter`] writes:
//!   entity sets and actions.
//! - `odata`: queries, rows and writes, as Dataverse and Finance and Operations share them.
//! - `lcs`: [`Lcs`]: the database refresh of environments that Lifecycle Services manages.
//! - `dual_write`: [`DualWriteGateway`]: the gateway behind the dual-write page, which Microsoft
//!   does not support.
//! - `operation`: [`Operation`]: long-running operations of both admin APIs; `admin_list`: their
//!   lists.
//! - `state_blob`: [`StateBlob`]: a remote state in an append blob.
//! - `webhook`: [`WebhookClient`]: one message to an address of the user's.
//! - `json`: members of JSON values.
//! - `error`: [`Error`], the error of a service: a kind for the program, a message for a person.
//! - `testing`: what the tests of several files use. `foreign_hosts_tests`, `recordings_tests`:
//!   tests of all clients: links that lead to another host, recorded responses.
//!
//! A run creates one [`Http`] and one [`Tokens`]; each service is a [`Service`] with its own origin
//! and [`Identity`]. This module does not know steps, the journal or the runbook; an [`Observer`]
//! receives each wait.
//!
//! Guarantees: a token is sent to one exact origin; a write is retried only if it is certain that
//! it was not processed; an unknown outcome is [`ErrorKind::Ambiguous`] or an unknown state, never
//! a guess.

mod admin_list;
mod bap;
mod clouds;
mod copy_request;
mod dataverse;
mod dual_write;
mod environment;
mod error;
mod finance_operations;
mod finops_of_environment;
#[cfg(test)]
mod foreign_hosts_tests;
mod http;
mod identity;
mod json;
mod lcs;
mod odata;
mod operation;
mod power_platform;
#[cfg(test)]
mod recordings_tests;
mod state_blob;
#[cfg(test)]
pub(crate) mod testing;
mod webhook;

pub use bap::Bap;
pub use clouds::{DUAL_WRITE_SCOPE, LcsRegion, MicrosoftCloud, lcs_endpoint};
pub use copy_request::{CopyRequest, CopyType};
pub use dataverse::{
    Column, Dataverse, DataverseWriter, OptionLabel, Organization, Relationship, Table, WhoAmI,
};
pub use dual_write::{
    ConnectionSet, DualWriteGateway, DualWriteLink, EntityMap, FieldMappings, Leg,
    LinkedEnvironment, MapAction, MapSolution, MapState, MapVersion, RequestState, Template,
    is_dual_write_gateway,
};
pub use environment::{DataverseInstance, Environment, LinkedApp, OngoingOperation};
pub(crate) use error::NOT_AVAILABLE_FOR;
pub use error::{Detail, Error, ErrorKind};
pub use finance_operations::{EntityKey, FinanceOperations, FinanceOperationsWriter, Reachability};
pub use finops_of_environment::OperationError;
#[cfg(feature = "opentelemetry")]
pub(crate) use http::is_local_to_machine;
pub use http::{
    Http, KnownRefusal, Limits, ListBudget, Observer, Origin, OriginError, RetryAdvice, Service,
    ServiceEndpoint, Silent, SlowWrite, Wait, WaitReason, Who, note_unreadable_roots,
};
pub use identity::{
    AzureCli, AzurePipelines, ClientSecret, CredentialLifetime, CredentialSecret, GithubOidc,
    GivenToken, Identity, MachineEndpoint, ManagedIdentity, SignIn, TokenCommand, TokenFacts,
    TokenHolder, Tokens, WorkloadIdentity,
};
pub use json::field_any_case;
pub use lcs::{
    HistoryEntry, Lcs, LcsEnvironment, Quota, RefreshState, RefreshStatus, Triggered,
    parse_lcs_time,
};
pub use odata::{Condition, Query, Row, WriteResponse, literal};
pub use operation::{Accepted, Operation, OperationHandle, OperationState};
pub use power_platform::{Connection, CopyCandidate, Package, PowerPlatform};
pub use state_blob::{StateBlob, StateBlobAddress, StateContainer, StoredCopy, is_storage_host};
pub use webhook::{WebhookClient, WebhookError};
