//! Could a run succeed? Before the copy, whatever is provably impossible stops the run; what cannot
//! be known yet, or only a person can judge, is unknown.
//!
//! ```text
//! environments.rs   the pair: tenant, region, states, operations, IOM's package
//! credentials.rs    whose credentials these are, and whether they last
//! access.rs         the caller in both, the owner among the source's users
//! sight.rs          what is read of both, once
//! wiring.rs         connections: what the runbook names, what the references want
//! library.rs        names, definitions, parameters, provider lists
//! solutions.rs      IOM's versions, rows without versions
//! flows.rs          patterns, suspended flows, HTTP triggers, custom connectors
//! orchestrations.rs graphs that can be edited, slots that dangle
//! dual_write.rs     is dual-write in use in the target?
//! ```

mod access;
mod credentials;
mod dual_write;
mod environments;
mod flows;
mod library;
mod orchestrations;
mod sight;
mod solutions;
mod wiring;

use self::sight::Sight;
use super::finding::Finding;
use super::services::finance_and_operations;
use crate::engine::Failure;
use crate::steps::Refresh;

/// Asks every question, with reads alone. A service that cannot be reached is an answer, not an
/// error; only a request to stop ends it early.
pub async fn preflight(refresh: &Refresh) -> Result<Vec<Finding>, Failure> {
    let mut findings = environments::pair(refresh);
    findings.push(environments::candidate(refresh).await?);
    for side in ["source", "target"] {
        findings.push(environments::order_management(refresh, side).await?);
    }
    findings.extend(credentials::ask(refresh).await?);
    findings.push(access::caller(refresh, "source").await?);
    findings.push(access::caller(refresh, "target").await?);
    for (side, finance) in [
        ("source", &refresh.source_finance),
        ("target", &refresh.target_finance),
    ] {
        if let Some(finance) = finance {
            findings.push(finance_and_operations(side, finance).await);
        }
    }
    let sight = Sight::read(refresh).await?;
    findings.extend(access::owners(refresh).await?);
    findings.extend(wiring::ask(refresh, &sight));
    findings.extend(library::ask(refresh, &sight));
    findings.extend(solutions::ask(refresh).await?);
    findings.extend(flows::ask(refresh, &sight));
    findings.extend(orchestrations::ask(refresh, &sight));
    findings.push(dual_write::ask(refresh, &sight));
    Ok(findings)
}
