//! The Dataverse Web API, version 9.2.
//!
//! - [`client`]: [`Dataverse`], which only reads. The source is reached through it.
//! - [`writer`]: [`DataverseWriter`], which also writes. The target is reached through it.
//! - [`query`]: what is asked of a table.
//! - [`rows`]: rows with their exact text.
//! - [`metadata`]: tables, columns, relationships and option labels, as the organization has them.
//! - [`who`]: the caller, the organization, and whether a user is System Administrator.

mod client;
mod metadata;
mod query;
mod rows;
mod who;
mod writer;

pub use client::Dataverse;
pub use metadata::{Column, OptionLabel, Relationship, Table};
pub use query::{Query, literal};
pub use rows::Row;
pub use who::{Organization, WhoAmI};
pub use writer::{Condition, DataverseWriter, Written};

// The data services of Finance and Operations speak the same OData.
pub(super) use rows::page;
pub(super) use writer::written;
