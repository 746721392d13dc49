//! Could a run succeed? Before the copy, anything that is provably impossible stops the run;
//! anything that cannot be known yet, or that only a person can judge, is unknown. Each check names
//! the first step that it protects. Which refusal of the rehearsal tenant is foreseen by which check,
//! and which cannot be foreseen and why, is a table in `tests/it/field_before.rs`.
//!
//! ```text
//! environments.rs   the pair: tenant, region, states, operations, IOM's package
//! copy_pair.rs      can the source's Finance and Operations be copied onto the target's?
//! database.rs       who manages the target's database, what LCS shows of both
//! credentials.rs    whose credentials these are, and whether they last
//! access.rs         the caller in both, the owner among the source's users
//! roles.rs          does the owner have a security role?
//! snapshot.rs       what is read of both environments, once
//! language.rs       are the labels of states in English?
//! connections/      connections: what the runbook names, what the references need
//! library.rs        names, definitions, parameters
//! listed_names.rs   providers, terms and aliases that the runbook lists
//! solutions.rs      IOM's versions, rows without versions
//! flows.rs          patterns, suspended flows, HTTP triggers, flows that name the source
//! connectors.rs     custom connectors: their hosts, whether the copy brings them
//! containment.rs    what could act on the outside world from the copy, and what is done about it
//! provider_flows.rs flows of definitions that name a custom connector of the source
//! provider_deletion.rs
//!                   rows that block the deletion of a provider
//! provider_settings.rs
//!                   required parameters without a value
//! orchestrations.rs graphs that can be edited, slots that dangle
//! organization_settings.rs
//!                   the IP firewall, blocked customizations
//! variables.rs      secret environment variables that must be written again
//! target_apps.rs    applications of the target that a copy destroys or stops
//! custom_steps.rs   could each custom step succeed?
//! requests.rs       what each request of the runbook would send for one row
//! dual_write.rs     is dual-write in use in the target, and is its link the target's own?
//! unfinished_run.rs has another run left the target unfinished?
//! ```

mod access;
mod connections;
mod connectors;
mod containment;
mod copy_pair;
mod credentials;
mod custom_steps;
mod database;
mod dual_write;
mod environments;
mod flows;
mod language;
mod library;
mod listed_names;
mod orchestrations;
mod organization_settings;
mod provider_deletion;
mod provider_flows;
mod provider_settings;
mod requests;
mod roles;
mod snapshot;
mod solutions;
mod target_apps;
mod unfinished_run;
mod variables;

use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::try_join;

use self::snapshot::Snapshot;
use super::check_result::CheckResult;
use super::finance_reachable::finance_and_operations;
use crate::domain::RefreshContext;
use crate::engine::{Failure, JournalView};
use crate::runbook::StepName;

/// The step that, once it is done, has noted for each thing what this warning of preflight forecasts
/// for several; `None` if no step repeats it. Takes the warning without its label.
pub fn repeated_by(warning: &str) -> Option<StepName> {
    let repeated = [
        (flows::NEW_URLS, StepName::ActivateFlows),
        (provider_settings::NOT_TAKEN, StepName::ReinstallProviders),
    ];
    let mut repeated = repeated.into_iter();
    let found = repeated.find(|(problem, _)| warning.starts_with(problem))?;
    Some(found.1)
}

/// Runs every check, with reads only. A service that cannot be reached is a result, not an error;
/// only a request to stop ends it early.
pub async fn preflight(refresh: &Arc<RefreshContext>) -> Result<Vec<CheckResult>, Failure> {
    // They read at the same time; the order of the results stays the same.
    let (environments, snapshot, owners, roles, variables, solutions, containment, custom_steps) =
        try_join!(
            Box::pin(of_environments(refresh)),
            Box::pin(Snapshot::read(refresh)),
            Box::pin(access::owners(refresh)),
            Box::pin(roles::run_checks(refresh)),
            Box::pin(variables::run_checks(refresh)),
            Box::pin(solutions::run_checks(refresh)),
            Box::pin(containment::run_checks(refresh)),
            Box::pin(custom_steps::run_checks(refresh)),
        )?;
    let (target_apps, deletion, settings, provider_flows, requests, dual_write) = try_join!(
        Box::pin(target_apps::run_checks(refresh, &snapshot)),
        Box::pin(provider_deletion::run_checks(refresh, &snapshot)),
        Box::pin(provider_settings::run_checks(refresh, &snapshot)),
        Box::pin(provider_flows::run_checks(refresh, &snapshot)),
        Box::pin(requests::run_checks(refresh, &snapshot)),
        Box::pin(dual_write::run_checks(refresh, &snapshot)),
    )?;
    let mut results = environments;
    results.extend(unfinished_run::run_checks(refresh, &snapshot));
    results.extend(language::run_checks(&snapshot));
    results.extend(target_apps);
    results.extend(owners);
    results.extend(roles);
    results.extend(variables);
    results.extend(connections::run_checks(refresh, &snapshot));
    results.extend(library::run_checks(refresh, &snapshot));
    results.extend(listed_names::run_checks(refresh, &snapshot));
    results.extend(solutions);
    results.extend(deletion);
    results.extend(settings);
    results.extend(flows::run_checks(refresh, &snapshot));
    results.extend(connectors::run_checks(refresh, &snapshot));
    results.extend(provider_flows);
    results.extend(containment);
    results.extend(orchestrations::run_checks(refresh, &snapshot));
    results.extend(requests);
    results.extend(dual_write);
    results.extend(custom_steps);
    Ok(results)
}

/// The checks of the two environments themselves, and of the caller in them.
async fn of_environments(refresh: &RefreshContext) -> Result<Vec<CheckResult>, Failure> {
    let finance = [
        ("source", refresh.source.finance.as_ref()),
        ("target", refresh.target.finance.as_deref()),
    ];
    let finance = finance.map(|(side, finance)| async move {
        let Some(finance) = finance else {
            return Ok(None);
        };
        let step = Some(StepName::CopyEnvironments);
        finance_and_operations(side, finance, step).await.map(Some)
    });
    let (before_copy, credentials, source, target, settings, finance, database) = try_join!(
        checks_before_copy(refresh),
        credentials::run_checks(refresh),
        access::caller(refresh, "source"),
        access::caller(refresh, "target"),
        organization_settings::run_checks(refresh),
        try_join_all(finance),
        database::run_checks(refresh),
    )?;
    let mut results = environments::pair(refresh);
    results.extend(before_copy);
    results.extend(credentials);
    results.extend([source, target]);
    results.extend(settings);
    results.extend(finance.into_iter().flatten());
    results.extend(database);
    Ok(results)
}

/// The checks before step 1: does the service offer the copy, is IOM installed?
pub(super) async fn checks_before_copy(
    refresh: &RefreshContext,
) -> Result<Vec<CheckResult>, Failure> {
    let (candidate, source, target) = try_join!(
        environments::candidate(refresh),
        environments::order_management(refresh, "source"),
        environments::order_management(refresh, "target"),
    )?;
    Ok(vec![candidate, source, target])
}

/// The checks before step 3: connections and references that can be read.
pub(super) async fn checks_before_connections(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Vec<CheckResult>, Failure> {
    connections::checks_before_step(refresh, journal).await
}

/// The checks before step 4: the custom connectors of flows that should be on exist.
pub(super) async fn checks_before_flows(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Vec<CheckResult>, Failure> {
    Ok(vec![
        Box::pin(connectors::checks_before_step(refresh, journal)).await?,
    ])
}
