//! The Dataverse Web API, version 9.2.
//!
//! - [`client`]: [`Dataverse`], which only reads. The source is reached through it.
//! - [`writer`]: [`DataverseWriter`], which also writes. Only the target is reached through it.
//! - [`metadata`]: tables, columns, relationships and option labels; `metadata_reads` reads them
//!   once, `metadata_cache` keeps them.
//! - [`caller`]: the caller, the organization, and whether a user is System Administrator.

mod caller;
mod client;
mod metadata;
mod metadata_cache;
mod metadata_reads;
mod writer;

pub use caller::{Organization, WhoAmI};
pub use client::Dataverse;
pub use metadata::{Column, OptionLabel, Relationship, Table};
pub use writer::DataverseWriter;
