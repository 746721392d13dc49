//! Could a run succeed? Before the copy, whatever is provably impossible stops the run; what cannot
//! be known yet, or only a person can judge, is unknown.
//!
//! ```text
//! environments.rs   the pair: tenant, region, states, operations, IOM's package
//! database.rs       Finance and Operations of the pair: who manages it, what LCS says of both
//! credentials.rs    whose credentials these are, and whether they last
//! access.rs         the caller in both, the owner among the source's users
//! roles.rs          has the owner a security role?
//! sight.rs          what is read of both, once
//! wiring.rs         connections: what the runbook names, what the references want
//! library.rs        names, definitions, parameters
//! lists.rs          providers, terms and aliases that the runbook lists
//! solutions.rs      IOM's versions, rows without versions
//! flows.rs          patterns, suspended flows, HTTP triggers, flows that name the source
//! connectors.rs     custom connectors: where they lead, whether the copy brings them
//! removal.rs        rows by which the tenant forbids the deletion of a provider
//! orchestrations.rs graphs that can be edited, slots that dangle
//! dual_write.rs     is dual-write in use in the target, and is its link the target's own?
//! traces.rs         has another run left the target unfinished?
//! ```

mod access;
mod connectors;
mod credentials;
mod database;
mod dual_write;
mod environments;
mod flows;
mod library;
mod lists;
mod orchestrations;
mod removal;
mod roles;
mod sight;
mod solutions;
mod traces;
mod wiring;

use self::sight::Sight;
use super::finding::Finding;
use super::services::finance_and_operations;
use crate::domain::Refresh;
use crate::engine::{Failure, Known};

/// Asks every question, with reads alone. A service that cannot be reached is an answer, not an
/// error; only a request to stop ends it early.
pub async fn preflight(refresh: &Refresh) -> Result<Vec<Finding>, Failure> {
    let mut findings = environments::pair(refresh);
    findings.extend(of_the_copy(refresh).await?);
    findings.extend(credentials::ask(refresh).await?);
    findings.push(access::caller(refresh, "source").await?);
    findings.push(access::caller(refresh, "target").await?);
    for (side, finance) in [
        ("source", refresh.source_finance.as_ref()),
        ("target", refresh.target_finance.as_deref()),
    ] {
        if let Some(finance) = finance {
            findings.push(finance_and_operations(side, finance).await?);
        }
    }
    findings.extend(database::ask(refresh).await?);
    let sight = Box::pin(Sight::read(refresh)).await?;
    findings.extend(traces::ask(refresh, &sight));
    findings.extend(access::owners(refresh).await?);
    findings.extend(roles::ask(refresh).await?);
    findings.extend(wiring::ask(refresh, &sight));
    findings.extend(library::ask(refresh, &sight));
    findings.extend(lists::ask(refresh, &sight));
    findings.extend(solutions::ask(refresh).await?);
    findings.extend(removal::ask(refresh, &sight).await?);
    findings.extend(flows::ask(refresh, &sight));
    findings.extend(connectors::ask(refresh, &sight));
    findings.extend(orchestrations::ask(refresh, &sight));
    findings.extend(dual_write::ask(refresh, &sight).await?);
    Ok(findings)
}

/// What step 1 must know before it begins: does the service offer the copy, is IOM installed?
pub(super) async fn of_the_copy(refresh: &Refresh) -> Result<Vec<Finding>, Failure> {
    Ok(vec![
        environments::candidate(refresh).await?,
        environments::order_management(refresh, "source").await?,
        environments::order_management(refresh, "target").await?,
    ])
}

/// What step 3 must know before it begins: connections and references that can be read.
pub(super) async fn of_connections(
    refresh: &Refresh,
    known: &Known,
) -> Result<Vec<Finding>, Failure> {
    wiring::at_the_head(refresh, known).await
}

/// What step 4 must know before it begins: the custom connectors of flows that shall be on are there.
pub(super) async fn of_flows(refresh: &Refresh, known: &Known) -> Result<Vec<Finding>, Failure> {
    Ok(vec![connectors::at_the_head(refresh, known).await?])
}
