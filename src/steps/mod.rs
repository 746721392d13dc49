//! The eight steps, and what they know of Intelligent Order Management.
//!
//! [`all`] is the list, in order, on one screen. Each step has a file that opens with its phases:
//! what each reads and changes, and what it does when resumed in doubt. What they share:
//!
//! ```text
//! refresh.rs      what every step is given: the runbook, the clients, both environments
//! view.rs         the target as it is, or as the copy will leave it
//! after_copy.rs   the rules of "as the copy will leave it", each with its source
//! tenant_set.rs   sets and launches on rows of the target
//! iom_change.rs   changes that order management makes, by writes that the runbook binds
//! marks.rs        what names the source wherever it stands
//! custom_connectors.rs  connectors that each environment knows by another identifier
//! cure.rs         what helps against what a finished run's survey still finds
//! seals.rs        the seals' names and what goes into them
//! sealed_row.rs   is a row still what the seal holds?
//! service_fields.rs
//!                 compared fields that the service itself moves
//! names.rs        IOM's tables and columns: defaults or overrides, checked against metadata
//! graph.rs        an orchestration's JSON: slots found by GUID, edited in place
//! flows.rs        cloud flows: which are whose, which call which
//! connections.rs  which connection and which owner a reference shall have
//! probes/         could a run succeed? is the target usable now? reads only
//! summary.rs      what a run did, in figures, told from its journal
//! failure.rs      a client's error as a step's failure
//! ```

mod activate_flows;
mod after_copy;
mod connections;
mod copy_environments;
mod cure;
mod custom_connectors;
mod detach_provider_actions;
mod exit_administration_mode;
mod failure;
mod flows;
mod graph;
mod iom_change;
#[cfg(test)]
mod launches_in_doubt;
mod marks;
mod names;
mod probes;
mod providers;
mod reconfigure_connections;
mod reconfigure_dual_write;
mod refresh;
mod reinstall_providers;
mod restore_provider_actions;
mod sealed_row;
mod seals;
mod service_fields;
mod summary;
mod tenant_set;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use copy_environments::has_begun;
pub(crate) use cure::by_hand;
pub(crate) use failure::marked;
pub use names::Names;
pub use probes::{Finding, Verdict, preflight, verify};
pub use reconfigure_dual_write::has_running_maps;
pub use refresh::{Refresh, Secrets};
pub use summary::{Summary, summary};
pub use view::Forecast;

use self::providers::Catalogue;
use self::view::View;
use crate::engine::{Failure, Phase, Step};
use crate::runbook::{StepName, Word as _};

/// The names of the eight steps, in order.
pub const NAMES: [&str; 8] = [
    "copy-environments",
    "exit-administration-mode",
    "reconfigure-connections",
    "activate-flows",
    "detach-provider-actions",
    "reinstall-providers",
    "restore-provider-actions",
    "reconfigure-dual-write",
];

/// The seal that is made before the copy: what the target had.
pub const BEFORE_COPY: &str = seals::BEFORE_COPY;

/// The seals that are made anew when one provider is reinstalled again.
pub const RESEALED: [&str; 2] = [seals::ORCHESTRATIONS, seals::PROVIDERS];

/// The logical names of the definitions of the providers that are installed in the target, in order.
pub async fn installed_definitions(refresh: &Refresh) -> Result<BTreeSet<String>, Failure> {
    let catalogue = Catalogue::read(refresh, View::Target(&refresh.target)).await?;
    let definitions = catalogue.providers.values();
    let definitions = definitions.filter_map(|provider| catalogue.definition_of(provider));
    Ok(definitions
        .map(|definition| definition.logical_name.clone())
        .collect())
}

/// The eight steps in order, as this runbook wants them.
pub fn all(refresh: &Arc<Refresh>) -> Vec<Step> {
    let phases: [Vec<Phase>; 8] = [
        copy_environments::phases(refresh),
        exit_administration_mode::phases(refresh),
        reconfigure_connections::phases(refresh),
        activate_flows::phases(refresh),
        detach_provider_actions::phases(refresh),
        reinstall_providers::phases(refresh),
        restore_provider_actions::phases(refresh),
        reconfigure_dual_write::phases(refresh),
    ];
    // Intelligent Order Management is never asked to do two things at once in steps 6 and 7.
    let alone = [
        StepName::ReinstallProviders,
        StepName::RestoreProviderActions,
    ];
    let steps = refresh.runbook.steps.each();
    std::iter::zip(steps, phases)
        .map(|(step, phases)| Step {
            name: step.name.word(),
            skip: step.skip.map(|reason| reason.value.clone()),
            attempts: step.common.attempts,
            concurrency: if alone.contains(&step.name) {
                1
            } else {
                step.common.concurrency
            },
            timeout: step.common.timeout.unwrap_or(Duration::from_hours(2)),
            phases,
        })
        .collect()
}
