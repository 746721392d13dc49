//! Is order management usable now? Checks of the target, with reads only.
//!
//! ```text
//! snapshot.rs       what is read of the target, once
//! environment.rs    administration mode, Dataverse, what the copy replaced, the root business
//!                   unit's team
//! remaining_changes.rs
//!                   what each step's survey still finds, and the smallest remedy
//! custom_steps.rs   what the surveys of custom steps do not show
//! system.rs         system connection references and platform flows
//! providers.rs      actions and deployed flows of each provider, flows of deleted providers
//! orchestrations.rs slots, policies and compiled flows of what is published
//! source_references.rs
//!                   rows that still contain references to the source
//! connectors.rs     custom connectors that are named by the source's identifier
//! containment.rs    can anything act on production's behalf?
//! dual_write.rs     Microsoft's health check, rebuilt; each map compared with before the copy
//! release_flow.rs   the flow that releases orders to Finance and Operations: its state, connections and runs; events that expired
//! ```

mod connectors;
mod containment;
mod custom_steps;
mod dual_write;
mod environment;
mod orchestrations;
mod providers;
mod release_flow;
mod remaining_changes;
mod snapshot;
mod source_references;
mod system;

use std::sync::Arc;

pub use self::remaining_changes::step_to_repair;
use self::snapshot::Snapshot;
use super::check_result::CheckResult;
use super::finance_reachable::finance_and_operations;
use crate::domain::RefreshContext;
use crate::engine::{Failure, JournalView, Step};

/// Runs every check. Without a journal, the checks that need one are left out. A service that
/// cannot be reached is a result, not an error; only a request to stop ends it early.
pub async fn verify(
    refresh: &Arc<RefreshContext>,
    steps: &[Step],
    journal: Option<JournalView>,
) -> Result<Vec<CheckResult>, Failure> {
    let mut results = vec![
        environment::open(&refresh.target.environment),
        environment::dataverse(refresh).await?,
    ];
    if let Some(finance) = &refresh.target.finance {
        results.push(finance_and_operations("target", finance, None).await?);
    }
    results.extend(environment::finance(refresh, journal.as_ref()).await?);
    results.extend(remaining_changes::run_checks(refresh, steps, journal.as_ref()).await?);
    results.extend(custom_steps::run_checks(refresh, journal.as_ref()).await?);
    let snapshot = Box::pin(Snapshot::read(refresh)).await?;
    results.extend(system::run_checks(refresh, &snapshot));
    results.extend(providers::run_checks(refresh, &snapshot, journal.as_ref()).await?);
    results.extend(orchestrations::run_checks(
        refresh,
        &snapshot,
        journal.as_ref(),
    ));
    results.extend(source_references::run_checks(
        refresh,
        &snapshot,
        journal.as_ref(),
    ));
    results.push(connectors::run_checks(refresh, &snapshot, journal.as_ref()).await?);
    results.extend(Box::pin(containment::run_checks(refresh, journal.as_ref())).await?);
    results.push(environment::team(refresh, &snapshot, journal.as_ref()));
    results.extend(dual_write::run_checks(refresh, journal.as_ref()).await?);
    results.extend(release_flow::run_checks(refresh, &snapshot).await?);
    Ok(results)
}
