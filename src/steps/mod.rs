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
//! seals.rs        the seals' names and what goes into them
//! names.rs        IOM's tables and columns: defaults or overrides, checked against metadata
//! graph.rs        an orchestration's JSON: slots found by GUID, edited in place
//! flows.rs        cloud flows: which are whose, which call which, why one will not turn on
//! connections.rs  which connection and which owner a reference shall have
//! preflight.rs    could a run succeed? reads only
//! summary.rs      what a run did, in figures, told from its journal
//! failure.rs      a client's error as a step's failure
//! ```

mod activate_flows;
mod after_copy;
mod connections;
mod copy_environments;
mod detach_provider_actions;
mod exit_administration_mode;
mod failure;
mod flows;
mod graph;
mod names;
mod preflight;
mod providers;
mod reconfigure_connections;
mod reconfigure_dual_write;
mod refresh;
mod reinstall_providers;
mod restore_provider_actions;
mod seals;
mod summary;
mod tenant_set;
mod view;

use std::sync::Arc;
use std::time::Duration;

pub use names::Names;
pub use preflight::{Finding, Verdict, preflight};
pub use refresh::{Refresh, Secrets};
pub use summary::summary;

use crate::engine::{Phase, Step};
use crate::runbook::{Common, Located};

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

/// The seals that are made anew when one provider is reinstalled again.
pub const RESEALED: [&str; 2] = [seals::ORCHESTRATIONS, seals::PROVIDERS];

/// The eight steps in order, as this runbook wants them.
pub fn all(refresh: &Arc<Refresh>) -> Vec<Step> {
    let steps = &refresh.runbook.steps;
    let list: [(&'static str, Option<String>, &Common, Vec<Phase>); 8] = [
        (
            "copy-environments",
            reason(steps.copy_environments.skip.as_ref()),
            &steps.copy_environments.common,
            copy_environments::phases(refresh),
        ),
        (
            "exit-administration-mode",
            reason(steps.exit_administration_mode.skip.as_ref()),
            &steps.exit_administration_mode.common,
            exit_administration_mode::phases(refresh),
        ),
        (
            "reconfigure-connections",
            reason(steps.reconfigure_connections.skip.as_ref()),
            &steps.reconfigure_connections.common,
            reconfigure_connections::phases(refresh),
        ),
        (
            "activate-flows",
            reason(steps.activate_flows.skip.as_ref()),
            &steps.activate_flows.common,
            activate_flows::phases(refresh),
        ),
        (
            "detach-provider-actions",
            reason(steps.detach_provider_actions.skip.as_ref()),
            &steps.detach_provider_actions.common,
            detach_provider_actions::phases(refresh),
        ),
        (
            "reinstall-providers",
            reason(steps.reinstall_providers.skip.as_ref()),
            &steps.reinstall_providers.common,
            reinstall_providers::phases(refresh),
        ),
        (
            "restore-provider-actions",
            reason(steps.restore_provider_actions.skip.as_ref()),
            &steps.restore_provider_actions.common,
            restore_provider_actions::phases(refresh),
        ),
        (
            "reconfigure-dual-write",
            reason(steps.reconfigure_dual_write.skip.as_ref()),
            &steps.reconfigure_dual_write.common,
            reconfigure_dual_write::phases(refresh),
        ),
    ];
    // Intelligent Order Management is never asked to do two things at once in steps 6 and 7.
    let alone = ["reinstall-providers", "restore-provider-actions"];
    list.into_iter()
        .map(|(name, skip, common, phases)| Step {
            name,
            skip,
            attempts: common.attempts,
            concurrency: if alone.contains(&name) {
                1
            } else {
                common.concurrency
            },
            timeout: common.timeout.unwrap_or(Duration::from_hours(2)),
            phases,
        })
        .collect()
}

fn reason(skip: Option<&Located<String>>) -> Option<String> {
    skip.map(|reason| reason.value.clone())
}
