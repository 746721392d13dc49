//! Verbs: the eight steps.
//!
//! [`all`] is the list, in order, on one screen. Each step is a file or a directory that opens with
//! its phases: what each reads and changes, and what it does when it resumes with an open outcome.
//! No step imports another; what two steps need is in `domain`.

mod activate_flows;
mod copy_environments;
mod cure;
mod detach_provider_actions;
mod exit_administration_mode;
#[cfg(test)]
mod launches_in_doubt;
pub(crate) mod reconfigure_connections;
pub(crate) mod reconfigure_dual_write;
pub(crate) mod reinstall_providers;
mod restore_provider_actions;

use crate::domain::{Refresh, seals};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use cure::by_hand;

use crate::domain::providers::Catalogue;
use crate::domain::view::View;
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

/// Makes the phase at the head of a step that asks again what `preflight` could not answer.
pub type Questions = fn(&Arc<Refresh>, StepName) -> Phase;

/// The eight steps in order, as this runbook wants them. Takes the questions at their heads.
pub fn all(refresh: &Arc<Refresh>, questions: Questions) -> Vec<Step> {
    let phases: [Vec<Phase>; 8] = [
        copy_environments::phases(refresh, questions),
        exit_administration_mode::phases(refresh),
        reconfigure_connections::phases(refresh, questions),
        activate_flows::phases(refresh, questions),
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
