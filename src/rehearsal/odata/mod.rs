//! OData as Dataverse implements it: addresses, query options, filters, preferences, errors.
//!
//! - `path`: the segments of an address.
//! - `query`: `$select`, `$filter`, `$orderby`, `$top`, `$count`, `$expand`, `$skiptoken`.
//! - `filter`: parsing of filters.
//! - `evaluate`: evaluation of filters for a row.
//! - `preferences`: the `Prefer` header.
//! - `error`: the errors of Dataverse.

pub(crate) mod error;
pub(crate) mod evaluate;
pub(crate) mod filter;
pub(crate) mod path;
pub(crate) mod preferences;
pub(crate) mod query;
