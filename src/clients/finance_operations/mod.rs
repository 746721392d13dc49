//! Finance and Operations: its data services (OData under `/data/`).
//!
//! - [`client`]: [`FinanceOperations`], which only reads. The source is reached through it.
//! - [`writer`]: [`FinanceOperationsWriter`], which also writes. Only the target is reached through
//!   it.
//! - [`key`]: [`EntityKey`], one row by its key.
//! - [`reachability`]: whether it responds and accepts the caller.
//!
//! Addresses, query options, keys and actions as documented by Microsoft Learn (*Open Data Protocol
//! (OData)*, *Data management package REST API*).

mod client;
mod key;
mod reachability;
mod writer;

pub use client::FinanceOperations;
pub use key::EntityKey;
pub use reachability::Reachability;
pub use writer::FinanceOperationsWriter;
