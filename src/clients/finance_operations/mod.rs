//! Finance and Operations: its data services (OData under `/data/`).
//!
//! - [`client`]: [`FinanceOperations`], which only reads. The source is reached through it.
//! - [`writer`]: [`FinanceOperationsWriter`], which also writes. The target is reached through it.
//! - [`key`]: [`EntityKey`], one row by its key.
//! - [`reachability`]: is it there, and does it let us in?
//!
//! Addresses, query options, keys and actions as Microsoft Learn has them (*Open Data Protocol
//! (OData)*, *Data management package REST API*).

mod client;
mod key;
mod reachability;
mod writer;

pub use client::FinanceOperations;
pub use key::EntityKey;
pub use reachability::Reachability;
pub use writer::FinanceOperationsWriter;
