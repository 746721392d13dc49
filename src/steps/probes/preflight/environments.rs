//! Could a run succeed? Read-only questions, each answered pass, fail or unknown, with what was read
//! and what to do. Before the copy, whatever is provably impossible stops the run.

use crate::clients::{Environment, FinanceOperations, Package};
use crate::engine::{Failure, FailureKind};
use crate::runbook::{IomTable, Word as _};

use super::Refresh;
use super::providers::Catalogue;
use super::view::View;

/// The answer to a read-only question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is as it must be.
    Pass,
    /// It is not.
    Fail,
    /// It cannot be read; neither good nor bad.
    Unknown,
}

/// A question, its answer, what was read, and what to do.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The question's name.
    pub probe: String,
    /// The answer.
    pub verdict: Verdict,
    /// What was read.
    pub read: String,
    /// What to do, where the answer is not `Pass`.
    pub remedy: Option<String>,
    /// How a run ends that meets a `Fail`.
    pub kind: FailureKind,
}

impl Finding {
    fn judged(probe: &str, good: bool, read: impl Into<String>, remedy: &str) -> Self {
        Self {
            probe: probe.to_owned(),
            verdict: if good { Verdict::Pass } else { Verdict::Fail },
            read: read.into(),
            remedy: (!good).then(|| remedy.to_owned()),
            kind: FailureKind::Refused,
        }
    }

    fn unknown(probe: &str, read: impl Into<String>, remedy: &str) -> Self {
        Self {
            probe: probe.to_owned(),
            verdict: Verdict::Unknown,
            read: read.into(),
            remedy: Some(remedy.to_owned()),
            kind: FailureKind::Refused,
        }
    }

    fn not_allowed(mut self) -> Self {
        self.kind = FailureKind::NotAllowed;
        self
    }

    fn wrong(mut self) -> Self {
        self.kind = FailureKind::Wrong;
        self
    }
}

/// Asks every question, with reads alone. A service that cannot be reached is an answer, not an
/// error; only a request to stop ends it early.
pub async fn preflight(refresh: &Refresh) -> Result<Vec<Finding>, Failure> {
    let mut findings = pair(refresh);
    findings.push(candidate(refresh).await);
    for (side, environment) in sides(refresh) {
        findings.push(order_management(refresh, side, environment).await);
    }
    findings.push(caller(refresh, "source").await);
    findings.push(caller(refresh, "target").await);
    for (side, finance) in [
        ("source", &refresh.source_finance),
        ("target", &refresh.target_finance),
    ] {
        if let Some(finance) = finance {
            findings.push(finance_and_operations(side, finance).await);
        }
    }
    findings.push(names(refresh));
    findings.push(definitions(refresh).await);
    Ok(findings)
}

fn sides(refresh: &Refresh) -> [(&'static str, &Environment); 2] {
    [
        ("source", &refresh.source_environment),
        ("target", &refresh.target_environment),
    ]
}

/// The answers that the two environments' own descriptions give (Microsoft Learn, *Copy an
/// environment*: same tenant, same region, no production target; managed only to managed).
fn pair(refresh: &Refresh) -> Vec<Finding> {
    let (source, target) = (&refresh.source_environment, &refresh.target_environment);
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "not told".to_owned());
    let both = |one: &Option<String>, other: &Option<String>| {
        format!("source {}, target {}", shown(one), shown(other))
    };
    let mut findings = vec![
        Finding::judged(
            "the environments are of one tenant",
            source.tenant == target.tenant,
            both(&source.tenant, &target.tenant),
            "a copy stays within a tenant: choose another pair",
        ),
        Finding::judged(
            "the environments are of one region",
            source.location == target.location,
            both(&source.location, &target.location),
            "a copy stays within a region: choose another pair",
        ),
        Finding::judged(
            "both environments are managed, or neither is",
            source.protection_level == target.protection_level,
            both(&source.protection_level, &target.protection_level),
            "enable or disable 'managed environment' on one of them first",
        ),
    ];
    if let Some(reason) = &target.copy_disallowed {
        findings.push(Finding::judged(
            "the target may be copied onto",
            false,
            reason,
            "remove the reason, or choose another target",
        ));
    }
    for (side, environment) in sides(refresh) {
        findings.push(Finding::judged(
            &format!("the {side} is ready"),
            environment.is_ready(),
            environment.states(),
            "wait until the admin center shows it as ready",
        ));
        let running = environment.ongoing_operation.as_ref();
        let kind = running.map(|operation| operation.kind.clone().unwrap_or_default());
        findings.push(Finding::judged(
            &format!("no operation is running on the {side}"),
            running.is_none(),
            kind.unwrap_or_else(|| "none".to_owned()),
            "wait for its end, then run again",
        ));
    }
    findings.push(unified(target));
    findings
}

/// Is the target one that a single copy serves whole?
fn unified(target: &Environment) -> Finding {
    let kind = target
        .finance_operations
        .as_ref()
        .map(|app| app.kind.clone().unwrap_or_default());
    let unified = kind
        .as_deref()
        .is_none_or(|kind| kind.eq_ignore_ascii_case("Internal"));
    Finding::judged(
        "the target's Finance and Operations is unified",
        unified,
        kind.unwrap_or_else(|| "none is linked".to_owned()),
        "its database is refreshed through LCS, which this version does not do",
    )
    .wrong()
}

/// Does the service offer the target for a copy of the source?
async fn candidate(refresh: &Refresh) -> Finding {
    let probe = "the service offers the target for a copy of the source";
    match refresh
        .power_platform
        .copy_candidates(refresh.runbook.source.value)
        .await
    {
        Ok(candidates) => Finding::judged(
            probe,
            candidates
                .iter()
                .any(|c| c.environment == refresh.target_id().to_string()),
            format!("{} candidates", candidates.len()),
            "look in the admin center why it cannot be chosen as a target",
        ),
        Err(error) => Finding::unknown(
            probe,
            error.to_string(),
            "give the caller the right to read it, or look in the admin center",
        ),
    }
}

/// Is Intelligent Order Management installed? Its returns portal alone does not count.
async fn order_management(refresh: &Refresh, side: &str, environment: &Environment) -> Finding {
    let probe = format!("Intelligent Order Management is installed in the {side}");
    let id = if side == "source" {
        refresh.runbook.source.value
    } else {
        refresh.target_id()
    };
    match refresh.power_platform.packages(id).await {
        Ok(packages) => {
            let installed: Vec<&Package> = packages
                .iter()
                .filter(|package| is_order_management(package))
                .collect();
            Finding::judged(
                &probe,
                installed.iter().any(|package| package.is_installed()),
                match installed.first() {
                    Some(package) => format!(
                        "{} {}",
                        package.unique_name,
                        package.state.as_deref().unwrap_or_default()
                    ),
                    None => format!(
                        "not among {} packages of '{}'",
                        packages.len(),
                        environment.display_name.as_deref().unwrap_or_default()
                    ),
                },
                "install it first: the guide presumes it in both environments",
            )
        }
        Err(error) => Finding::unknown(
            &probe,
            error.to_string(),
            "give the caller the right to list application packages",
        ),
    }
}

fn is_order_management(package: &Package) -> bool {
    package
        .unique_name
        .eq_ignore_ascii_case("msdyn_IntelligentOrderManagementAnchor")
}

/// Is the caller System Administrator here? In the source it must be too: the copy replaces the
/// target's users by the source's, so a caller that the source does not know would be wiped out.
async fn caller(refresh: &Refresh, side: &str) -> Finding {
    let dataverse = if side == "source" {
        &refresh.source
    } else {
        &refresh.target
    };
    let (probe, remedy) = if side == "source" {
        (
            "the caller is System Administrator in the source, and so survives the copy",
            "add the application user to the source with the System Administrator role: the copy \
             replaces the target's users by the source's",
        )
    } else {
        (
            "the caller is System Administrator in the target",
            "give the application user the System Administrator role in the target",
        )
    };
    let answer = match dataverse.who_am_i().await {
        Ok(caller) => dataverse
            .is_system_administrator(caller.user)
            .await
            .map(|is| (is, caller.user.to_string())),
        Err(error) => Err(error),
    };
    match answer {
        Ok((is_administrator, user)) => {
            Finding::judged(probe, is_administrator, format!("user {user}"), remedy).not_allowed()
        }
        Err(error) => Finding::judged(probe, false, error.to_string(), remedy).not_allowed(),
    }
}

async fn finance_and_operations(side: &str, finance: &FinanceOperations) -> Finding {
    let probe = format!("Finance and Operations of the {side} answers");
    match finance.reachable().await {
        Ok(reachability) => Finding::judged(
            &probe,
            reachability.is_reachable(),
            reachability.to_string(),
            "look whether it is under maintenance, and whether the application is registered in it",
        ),
        Err(error) => Finding::unknown(
            &probe,
            error.to_string(),
            "look whether it can be reached from here",
        ),
    }
}

/// Do the tables and columns that the steps use exist, under a name that was found?
fn names(refresh: &Refresh) -> Finding {
    let probe = "IOM's tables and columns are found in the source's metadata";
    let optional = [IomTable::OrchestrationStep, IomTable::WarehouseMapping];
    let missing: Vec<String> = refresh
        .names
        .unresolved()
        .iter()
        .filter(|(key, _)| {
            !optional
                .iter()
                .any(|table| key.split('.').next() == Some(table.word()))
        })
        .map(|(key, name)| format!("{key} ('{name}')"))
        .collect();
    let read = if missing.is_empty() {
        "all found".to_owned()
    } else {
        format!("not found: {}", missing.join(", "))
    };
    let remedy = "write the names that this tenant uses under `iom.tables` and `iom.columns`";
    Finding::judged(probe, missing.is_empty(), read, remedy).wrong()
}

/// Can every active provider of the source be installed again?
async fn definitions(refresh: &Refresh) -> Finding {
    let probe = "every active provider of the source has an active definition in the library";
    let catalogue = match Catalogue::read(refresh, View::Target(&refresh.source)).await {
        Ok(catalogue) => catalogue,
        Err(failure) => return Finding::unknown(probe, failure.message, "see the other findings"),
    };
    let lost: Vec<String> = catalogue
        .providers
        .values()
        .filter(|provider| provider.active)
        .filter(|provider| !catalogue.definition_of(provider).is_some_and(|d| d.active))
        .map(|provider| format!("'{}'", provider.name))
        .collect();
    let read = if lost.is_empty() {
        "all have".to_owned()
    } else {
        format!("not: {}", lost.join(", "))
    };
    Finding::judged(
        probe,
        lost.is_empty(),
        read,
        "bring the definition back before the copy: without it the provider could not be reinstalled",
    )
}
