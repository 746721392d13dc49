//! Is order management usable now? Asked of the target, with reads alone.
//!
//! ```text
//! sight.rs          what is read of the target, once
//! environment.rs    administration mode, Dataverse, the root business unit's team
//! left.rs           what each step's survey still finds, and the smallest cure
//! system.rs         system connection references and platform flows
//! providers.rs      actions and deployed flows of each provider, flows of providers that are gone
//! orchestrations.rs slots, policies and compiled flows of what is published
//! traces.rs         rows that still name the source
//! dual_write.rs     Microsoft's health check, rebuilt; each map as before the copy
//! release_flow.rs   the F&O release flow: on, wired, its runs; events that expired
//! ```

mod dual_write;
mod environment;
mod left;
mod orchestrations;
mod providers;
mod release_flow;
mod sight;
mod system;
mod traces;

use std::sync::Arc;

use self::sight::Sight;
use super::finding::Finding;
use super::services::finance_and_operations;
use crate::domain::Refresh;
use crate::engine::{Failure, Known};

/// Asks every question. Takes what the journal knows; none where there is no state file, and then
/// nothing is asked that needs one. A service that cannot be reached is an answer, not an error;
/// only a request to stop ends it early.
pub async fn verify(refresh: &Arc<Refresh>, known: Option<Known>) -> Result<Vec<Finding>, Failure> {
    let mut findings = vec![
        environment::open(&refresh.target_environment),
        environment::dataverse(refresh).await?,
    ];
    if let Some(finance) = &refresh.target_finance {
        findings.push(finance_and_operations("target", finance).await?);
    }
    findings.extend(left::ask(refresh, known.as_ref()).await?);
    let sight = Box::pin(Sight::read(refresh)).await?;
    findings.extend(system::ask(refresh, &sight));
    findings.extend(providers::ask(refresh, &sight, known.as_ref()));
    findings.extend(orchestrations::ask(refresh, &sight, known.as_ref()));
    findings.extend(traces::ask(refresh, &sight, known.as_ref()));
    findings.push(environment::team(refresh, &sight, known.as_ref()));
    findings.extend(dual_write::ask(refresh, known.as_ref()).await?);
    findings.extend(release_flow::ask(refresh, &sight).await?);
    Ok(findings)
}
