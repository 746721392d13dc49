//! Could a run succeed? Before the copy, anything that is provably impossible stops the run;
//! anything that cannot be known yet, or that only a person can judge, is unknown. Each check names
//! the first step that it protects. Which refusal of the rehearsal tenant is foreseen by which check,
//! and which cannot be foreseen and why, is a table in `tests/it/field_before.rs`.
//!
//! ```text
//! environments.rs   the pair: tenant, region, states, operations, IOM's package
//! database.rs       Finance and Operations of the pair: who manages it, what LCS says of both
//! credentials.rs    whose credentials these are, and whether they last
//! access.rs         the caller in both, the owner among the source's users
//! roles.rs          does the owner have a security role?
//! snapshot.rs       what is read of both environments, once
//! wiring/           connections: what the runbook names, what the references need
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
//! own_steps.rs      what each of the customer's own steps would meet
//! requests.rs       what each request of the runbook would send for one row
//! dual_write.rs     is dual-write in use in the target, and is its link the target's own?
//! unfinished_run.rs has another run left the target unfinished?
//! ```

mod access;
mod connectors;
mod containment;
mod credentials;
mod database;
mod dual_write;
mod environments;
mod flows;
mod library;
mod listed_names;
mod orchestrations;
mod organization_settings;
mod own_steps;
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
mod wiring;

use std::sync::Arc;

use self::snapshot::Snapshot;
use super::check::CheckResult;
use super::services::finance_and_operations;
use crate::domain::RefreshContext;
use crate::engine::{Failure, JournalView};
use crate::runbook::StepName;

/// Runs every check, with reads only. A service that cannot be reached is a result, not an error;
/// only a request to stop ends it early.
pub async fn preflight(refresh: &Arc<RefreshContext>) -> Result<Vec<CheckResult>, Failure> {
    let mut results = environments::pair(refresh);
    results.extend(checks_before_copy(refresh).await?);
    results.extend(credentials::run_checks(refresh).await?);
    results.push(access::caller(refresh, "source").await?);
    results.push(access::caller(refresh, "target").await?);
    results.extend(organization_settings::run_checks(refresh).await?);
    for (side, finance) in [
        ("source", refresh.source.finance.as_ref()),
        ("target", refresh.target.finance.as_deref()),
    ] {
        if let Some(finance) = finance {
            results.push(
                finance_and_operations(side, finance, Some(StepName::CopyEnvironments)).await?,
            );
        }
    }
    results.extend(database::run_checks(refresh).await?);
    let snapshot = Box::pin(Snapshot::read(refresh)).await?;
    results.extend(unfinished_run::run_checks(refresh, &snapshot));
    results.extend(target_apps::run_checks(refresh, &snapshot).await?);
    results.extend(access::owners(refresh).await?);
    results.extend(roles::run_checks(refresh).await?);
    results.extend(variables::run_checks(refresh).await?);
    results.extend(wiring::run_checks(refresh, &snapshot));
    results.extend(library::run_checks(refresh, &snapshot));
    results.extend(listed_names::run_checks(refresh, &snapshot));
    results.extend(solutions::run_checks(refresh).await?);
    results.extend(provider_deletion::run_checks(refresh, &snapshot).await?);
    results.extend(provider_settings::run_checks(refresh, &snapshot).await?);
    results.extend(flows::run_checks(refresh, &snapshot));
    results.extend(connectors::run_checks(refresh, &snapshot));
    results.extend(provider_flows::run_checks(refresh, &snapshot).await?);
    results.extend(Box::pin(containment::run_checks(refresh)).await?);
    results.extend(orchestrations::run_checks(refresh, &snapshot));
    results.extend(requests::run_checks(refresh, &snapshot).await?);
    results.extend(dual_write::run_checks(refresh, &snapshot).await?);
    results.extend(own_steps::run_checks(refresh).await?);
    Ok(results)
}

/// The checks before step 1: does the service offer the copy, is IOM installed?
pub(super) async fn checks_before_copy(
    refresh: &RefreshContext,
) -> Result<Vec<CheckResult>, Failure> {
    Ok(vec![
        environments::candidate(refresh).await?,
        environments::order_management(refresh, "source").await?,
        environments::order_management(refresh, "target").await?,
    ])
}

/// The checks before step 3: connections and references that can be read.
pub(super) async fn checks_before_connections(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Vec<CheckResult>, Failure> {
    wiring::checks_before_step(refresh, journal).await
}

/// The checks before step 4: the custom connectors of flows that should be on exist.
pub(super) async fn checks_before_flows(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Vec<CheckResult>, Failure> {
    Ok(vec![
        connectors::checks_before_step(refresh, journal).await?,
    ])
}
