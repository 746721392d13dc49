//! OData as Dataverse speaks it: addresses, query options, filters, preferences, errors.
//!
//! - `path`: the segments of an address.
//! - `query`: `$select`, `$filter`, `$orderby`, `$top`, `$count`, `$expand`, `$skiptoken`.
//! - `filter`: the text of a filter becomes an expression.
//! - `evaluate`: an expression is asked of a row.
//! - `preferences`: the `Prefer` header.
//! - `error`: why a request is refused.

pub(crate) mod error;
pub(crate) mod evaluate;
pub(crate) mod filter;
pub(crate) mod path;
pub(crate) mod preferences;
pub(crate) mod query;
