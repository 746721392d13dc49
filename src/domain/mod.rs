//! Nouns: what is known of a tenant, of Intelligent Order Management and of dual-write. What two
//! steps, or a step and a check, both need belongs here.
//!
//! ```text
//! refresh.rs        what every step is given: the runbook, the clients, both environments
//! view.rs           the target as it is, or as the copy will leave it
//! after_copy.rs     the rules of "as the copy will leave it", each with its source
//! names.rs          IOM's tables and columns: defaults or overrides, checked against metadata
//! seals.rs          the names of the seals, and what goes into them
//! sealed_row.rs     is a row still what the seal holds?
//! environments/     the pair: what replaces the target, and whether that may be under way
//! connections/      which connection and which owner a reference should have
//! flows/            cloud flows: definitions, callers, which should be on
//! source_references.rs
//!                   texts that name the source environment
//! providers.rs      providers, their definitions and actions
//! orchestrations.rs orchestrations as the seal recorded them
//! graph/            an orchestration's JSON: slots found by GUID, edited in place
//! dual_write/       dual-write: what was recorded, what both sides show
//! tenant_set.rs     sets and launches on rows of the target
//! iom_change.rs     changes that order management makes, by writes that the runbook binds
//! service_fields.rs compared fields that the service itself moves
//! failure.rs        a client's error as a step's failure
//! summary.rs        what a run did, in figures, counted from its journal
//! ```

pub(crate) mod after_copy;
pub(crate) mod connections;
pub(crate) mod dual_write;
pub(crate) mod environments;
pub(crate) mod failure;
pub(crate) mod flows;
pub(crate) mod graph;
pub(crate) mod iom_change;
pub(crate) mod names;
pub(crate) mod orchestrations;
pub(crate) mod providers;
pub(crate) mod refresh;
pub(crate) mod sealed_row;
pub(crate) mod seals;
pub(crate) mod service_fields;
pub(crate) mod source_references;
pub(crate) mod summary;
pub(crate) mod tenant_set;
pub(crate) mod view;

pub(crate) use self::failure::marked;
pub use self::names::Names;
pub use self::refresh::{Refresh, Secrets};
pub use self::view::Forecast;
