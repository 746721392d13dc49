//! Dynamics Lifecycle Services (LCS): the database refresh of the environments that it manages.
//!
//! - [`client`]: [`Lcs`]: trigger, status, history, environments of one project.
//! - [`envelope`]: the envelope of every response; the quota's message.
//! - [`state`]: [`RefreshState`], the state of a refresh.
//! - [`history`]: [`HistoryEntry`], the history of an environment.
//! - [`environment`]: [`LcsEnvironment`], an environment of a project.
//!
//! Facts: Microsoft Learn, *Database movement API* (create refresh, get status, throttling,
//! versioning support), *Environment API* (metadata, history); the types of history as d365fo.tools
//! has them. The service accepts a user's token only, never an application's. Microsoft has
//! announced its end; only this module and the step's `database_refresh` depend on its API, so that
//! another service can replace it.

mod client;
mod envelope;
mod environment;
mod history;
mod state;

pub use client::{Lcs, RefreshStatus, Triggered};
pub use envelope::{Quota, parse_lcs_time};
pub use environment::LcsEnvironment;
pub use history::HistoryEntry;
pub use state::RefreshState;
