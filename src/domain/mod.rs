//! Nouns: what the program knows about a tenant, Intelligent Order Management and dual-write. Code
//! that two steps, or a step and a check, need belongs here.
//!
//! ```text
//! refresh.rs        what every step is given: the runbook, both environments, the services
//! view.rs           the target as it is, or as the copy will leave it
//! after_copy.rs     the rules of what a copy leaves, each with its source
//! names.rs          IOM's tables and columns: defaults or overrides, checked against metadata
//! needs.rs          which steps need a table or column of IOM
//! environment_variables.rs
//!                   which environment variables are secrets
//! keys.rs           the keys of changes and the names of manual tasks
//! known_names.rs    the names of owners that surveys have met
//! seals.rs          the names of the seals, and what goes into them
//! sealed_row.rs     is a row still what the seal holds?
//! environments/     the pair: the operations that replace the target, and their state
//! copied_content.rs does the target hold the source's rows?
//! own_settings.rs   is it known what the target had before it was copied over?
//! containment/      what could act on the outside world, and what closes it
//! connections/      which connection and which owner a reference should have
//! flows/            cloud flows: definitions, callers, which should be on
//! source_references.rs
//!                   texts that refer to the source environment
//! custom_steps.rs   custom steps: the rows that they name
//! providers.rs      providers, their definitions and actions
//! lost_orchestrations.rs
//!                   orchestrations of the source that do not work in the target
//! lost_providers.rs providers that are deleted and not reinstalled
//! originals.rs      is what a step is about to seal still the original?
//! provider_rows.rs  the rows of one provider: parameters, transformations, connection references
//! provider_settings.rs
//!                   which value a new provider's setting should have
//! sealed_orchestrations.rs
//!                   orchestrations as the seal recorded them, and as steps 5 and 7 compare them
//! current_orchestrations.rs
//!                   orchestrations as an environment holds them now
//! publication.rs    is a policy or an orchestration published?
//! graph/            an orchestration's JSON: slots found by GUID, edited in place
//! finance_users.rs  users and registered applications of Finance and Operations
//! dual_write/       dual-write: what was recorded, what both sides show
//! row_changes/      sets and launches on rows of the target
//! iom_change.rs     changes that order management makes, by writes that the runbook binds
//! manual_change.rs  changes that only a person can make
//! refused_change.rs changes that a person makes if the service refuses them
//! extended_launch.rs
//!                   a launch that adds to the request or the proof of another
//! service_fields.rs compared fields that the service itself changes
//! operation_progress.rs
//!                   an operation of the admin API as the progress of a change
//! verdict.rs        pass, fail or unknown, with the findings
//! failure.rs        a client's error as a step's failure
//! summary.rs        the figures of a run, counted from its journal
//! ```

pub(crate) mod after_copy;
pub(crate) mod connections;
pub(crate) mod containment;
pub(crate) mod copied_content;
pub(crate) mod current_orchestrations;
pub(crate) mod custom_steps;
pub(crate) mod dual_write;
pub(crate) mod environment_variables;
pub(crate) mod environments;
pub(crate) mod extended_launch;
pub(crate) mod failure;
pub(crate) mod finance_users;
pub(crate) mod flows;
pub(crate) mod graph;
pub(crate) mod iom_change;
pub(crate) mod keys;
pub(crate) mod known_names;
pub(crate) mod lost_orchestrations;
pub(crate) mod lost_providers;
pub(crate) mod manual_change;
pub(crate) mod names;
pub(crate) mod needs;
pub(crate) mod operation_progress;
pub(crate) mod originals;
pub(crate) mod own_settings;
pub(crate) mod provider_rows;
pub(crate) mod provider_settings;
pub(crate) mod providers;
pub(crate) mod publication;
pub(crate) mod refresh;
pub(crate) mod refused_change;
pub(crate) mod row_changes;
pub(crate) mod sealed_orchestrations;
pub(crate) mod sealed_row;
pub(crate) mod seals;
pub(crate) mod service_fields;
pub(crate) mod source_references;
pub(crate) mod summary;
pub mod verdict;
pub(crate) mod view;

pub(crate) use self::failure::failure_at;
pub use self::known_names::KnownNames;
pub use self::names::Names;
pub use self::own_settings::OwnSettings;
pub use self::refresh::{
    Caller, ProcessVariables, RefreshContext, Secrets, Services, Source, Target,
};
pub use self::view::ForecastCache;
