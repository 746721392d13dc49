//! Dynamics Lifecycle Services (LCS): the database refresh of the environments that it manages.
//!
//! - [`client`]: [`Lcs`]: trigger, status, history, environments of one project.
//! - [`envelope`]: what every answer is wrapped in; the quota's message.
//! - [`state`]: [`RefreshState`], how a refresh is doing.
//! - [`history`]: [`HistoryEntry`], what happened to an environment.
//! - [`environment`]: [`LcsEnvironment`], what an environment is.
//!
//! Facts: Microsoft Learn, *Database movement API* (create refresh, get status, throttling, versioning
//! support), *Environment API* (metadata, history); the types of history as d365fo.tools has them. The service takes a
//! person's token only, never an application's. Its pages announce its end; nothing beside this
//! folder and the step's `database_refresh` knows its form, so that another service can take its place.

mod client;
mod envelope;
mod environment;
mod history;
mod state;

pub use client::{Lcs, RefreshStatus, Triggered};
pub use envelope::{Quota, lcs_time};
pub use environment::LcsEnvironment;
pub use history::HistoryEntry;
pub use state::RefreshState;
