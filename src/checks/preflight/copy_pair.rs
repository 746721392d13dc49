//! Can the source's Finance and Operations be copied onto the target's? By the kinds of both in
//! Microsoft's table.

use uuid::Uuid;

use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::clients::{Dataverse, Environment, ErrorKind};
use crate::domain::RefreshContext;
use crate::domain::verdict::Verdict;
use crate::engine::Failure;
use crate::runbook::StepName;

/// Whose Finance and Operations an environment has, by the kinds of Microsoft's table (*Copy an LCS
/// environment to a unified environment*).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum FinanceKind {
    /// It has none.
    None,
    /// Lifecycle Services manages it: a sandbox.
    LcsSandbox,
    /// Lifecycle Services manages it: production.
    LcsProduction,
    /// A cloud-hosted environment: a virtual machine for development.
    CloudHosted,
    /// Unified, for developers.
    UnifiedDeveloper,
    /// Unified, a sandbox.
    UnifiedSandbox,
    /// Unified, production.
    UnifiedProduction,
    /// A kind that is not known.
    Other,
}

impl FinanceKind {
    /// The kinds that an environment may be, by `linkedAppMetadata` and the environment's own type
    /// (rules of d365bap.tools) and, if it was read, how its Finance and Operations are deployed.
    /// Without the latter there are two for a unified environment of the type `Sandbox`: those for
    /// developers have this type as well.
    fn possible(environment: &Environment, deployment: Option<&str>) -> &'static [Self] {
        let Some(app) = &environment.finance_operations else {
            return &[Self::None];
        };
        let sku = environment.sku.as_deref().unwrap_or_default();
        let url = app.url.as_deref().unwrap_or_default().to_ascii_lowercase();
        let is_hosted = url.contains("axcloud") || url.contains("cloudax");
        match (app.kind.as_deref().unwrap_or_default(), sku) {
            ("Linked", _) if is_hosted => &[Self::CloudHosted],
            ("Linked", "Production") => &[Self::LcsProduction],
            ("Linked", _) => &[Self::LcsSandbox],
            ("Internal", sku) => Self::unified(sku, deployment.unwrap_or_default()),
            _ => &[Self::Other],
        }
    }

    /// The words are those of `deploymentType` (Power Platform API) and of
    /// `applicationdeploymenttype` (Dataverse, as d365bap.tools reads it).
    fn unified(sku: &str, deployment: &str) -> &'static [Self] {
        match (deployment, sku) {
            ("UnifiedDeveloper" | "OnlineDev", _) | ("", "Developer") => &[Self::UnifiedDeveloper],
            ("UnifiedSandbox" | "Sandbox", _) => &[Self::UnifiedSandbox],
            ("UnifiedProduction", _) | ("", "Production") => &[Self::UnifiedProduction],
            ("", "Sandbox") => &[Self::UnifiedDeveloper, Self::UnifiedSandbox],
            _ => &[Self::Other],
        }
    }

    /// The name of the kind, for people.
    fn described(kinds: &[Self]) -> &'static str {
        match kinds {
            [one] => one.name(),
            _ => "unified (sandbox or developer)",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "none is linked",
            Self::LcsSandbox => "a sandbox that LCS manages",
            Self::LcsProduction => "a production environment that LCS manages",
            Self::CloudHosted => "a cloud-hosted development machine",
            Self::UnifiedDeveloper => "unified, for developers",
            Self::UnifiedSandbox => "a unified sandbox",
            Self::UnifiedProduction => "unified production",
            Self::Other => "of an unknown kind",
        }
    }
}

/// The pairs that Microsoft supports: into unified environments as its table has it (*Copy an LCS
/// environment to a unified environment*), within LCS by a refresh (*Database movement
/// operations*). A copy between two unified environments works as well (A. Blake, 2026-09-02).
const SUPPORTED: [(FinanceKind, FinanceKind); 11] = [
    (FinanceKind::None, FinanceKind::None),
    (FinanceKind::LcsSandbox, FinanceKind::UnifiedDeveloper),
    (FinanceKind::LcsProduction, FinanceKind::UnifiedDeveloper),
    (FinanceKind::LcsSandbox, FinanceKind::UnifiedSandbox),
    (FinanceKind::UnifiedSandbox, FinanceKind::UnifiedDeveloper),
    (FinanceKind::UnifiedSandbox, FinanceKind::UnifiedSandbox),
    (FinanceKind::UnifiedDeveloper, FinanceKind::UnifiedDeveloper),
    (
        FinanceKind::UnifiedProduction,
        FinanceKind::UnifiedDeveloper,
    ),
    (FinanceKind::UnifiedProduction, FinanceKind::UnifiedSandbox),
    (FinanceKind::LcsSandbox, FinanceKind::LcsSandbox),
    (FinanceKind::LcsProduction, FinanceKind::LcsSandbox),
];

/// Whether the data of one kind can be copied to another. Unknown if no page says so.
fn copy_support(source: FinanceKind, target: FinanceKind) -> Verdict {
    if SUPPORTED.contains(&(source, target)) {
        return Verdict::Pass;
    }
    let is_unified = matches!(
        target,
        FinanceKind::UnifiedDeveloper
            | FinanceKind::UnifiedSandbox
            | FinanceKind::UnifiedProduction
    );
    let is_refused = match source {
        FinanceKind::CloudHosted => is_unified,
        // The service reports success and leaves Finance and Operations as they were (A. Blake,
        // 2026-09-02; d365bap.tools).
        FinanceKind::UnifiedDeveloper => target == FinanceKind::UnifiedSandbox,
        _ => false,
    };
    // Nothing is copied or refreshed into production.
    let is_production = matches!(
        target,
        FinanceKind::UnifiedProduction | FinanceKind::LcsProduction
    );
    if is_refused || is_production {
        Verdict::Fail
    } else {
        Verdict::Unknown
    }
}

/// The same for environments that may be of several kinds: unknown if these differ.
fn pair_support(sources: &[FinanceKind], targets: &[FinanceKind]) -> Verdict {
    let mut verdicts = sources.iter().flat_map(|source| {
        targets
            .iter()
            .map(move |target| copy_support(*source, *target))
    });
    let first = verdicts.next().unwrap_or(Verdict::Unknown);
    if verdicts.all(|verdict| verdict == first) {
        first
    } else {
        Verdict::Unknown
    }
}

/// How an environment's Finance and Operations are deployed, or why no service shows it.
type Deployment = Result<String, String>;

/// Checks the pair. How they are deployed is read only if the descriptions do not answer the
/// question.
pub(super) async fn check_pair(refresh: &RefreshContext) -> Result<CheckResult, Failure> {
    let (source, target) = (&refresh.source.environment, &refresh.target.environment);
    let mut sources = FinanceKind::possible(source, None);
    let mut targets = FinanceKind::possible(target, None);
    let mut unread = Vec::new();
    if sources.len() > 1 && pair_support(sources, targets) == Verdict::Unknown {
        let id = refresh.runbook.source.value;
        match deployment(refresh, id, &refresh.source.dataverse).await? {
            Ok(deployment) => sources = FinanceKind::possible(source, Some(&deployment)),
            Err(why) => unread.push(format!("source: {why}")),
        }
    }
    if targets.len() > 1 && pair_support(sources, targets) == Verdict::Unknown {
        let id = refresh.target_id();
        match deployment(refresh, id, &refresh.target.dataverse).await? {
            Ok(deployment) => targets = FinanceKind::possible(target, Some(&deployment)),
            Err(why) => unread.push(format!("target: {why}")),
        }
    }
    Ok(judge_pair(sources, targets, &unread))
}

async fn deployment(
    refresh: &RefreshContext,
    environment: Uuid,
    dataverse: &Dataverse,
) -> Result<Deployment, Failure> {
    let platform = &refresh.services.power_platform;
    let not_shown = match platform.deployment_type(environment).await {
        Ok(Some(deployment)) if deployment != "Unknown" => return Ok(Ok(deployment)),
        Ok(_) => "the Power Platform API does not show how it is deployed".to_owned(),
        Err(error) if error.kind == ErrorKind::Cancelled => return Err(error.into()),
        Err(error) => error.to_string(),
    };
    let details = dataverse
        .get_path("msprov_getfinopsapplicationdetails")
        .await;
    let details = match details {
        Ok(details) => details.unwrap_or_default(),
        Err(error) if error.kind == ErrorKind::Cancelled => return Err(error.into()),
        Err(error) => return Ok(Err(format!("{not_shown}; {error}"))),
    };
    Ok(match details["applicationdeploymenttype"].as_str() {
        Some(deployment) if !deployment.is_empty() => Ok(deployment.to_owned()),
        _ => Err(format!("{not_shown}, and Dataverse does not either")),
    })
}

fn judge_pair(sources: &[FinanceKind], targets: &[FinanceKind], unread: &[String]) -> CheckResult {
    let check = Check::protecting(
        StepName::CopyEnvironments,
        "the source's Finance and Operations can be copied onto the target's",
        "Microsoft does not support copying this Finance and Operations onto the target's",
        "Microsoft does not support this pair: choose another. From a unified environment for \
         developers onto a unified sandbox, the copy even reports success and leaves Finance and \
         Operations untouched. For what is not known, look at 'Copy an LCS environment to a unified \
         environment', and at `deploymentType` (Power Platform API, finopsproperties) or \
         `applicationdeploymenttype` (Dataverse, msprov_getfinopsapplicationdetails) of both",
    );
    let described = [
        format!("source: {}", FinanceKind::described(sources)),
        format!("target: {}", FinanceKind::described(targets)),
    ];
    let read: Vec<&str> = described.iter().chain(unread).map(String::as_str).collect();
    let read = read.join("; ");
    match pair_support(sources, targets) {
        Verdict::Unknown => check.unknown(read),
        verdict => check.pass_if(verdict == Verdict::Pass, read),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn environment(sku: &str, kind: &str, url: &str) -> Environment {
        let raw = json!({"name": "e", "properties": {"environmentSku": sku,
            "linkedAppMetadata": {"type": kind, "url": url, "id": "AB-cd"}}});
        Environment::from_value(raw).unwrap()
    }

    #[test]
    fn kinds_are_distinguished_by_link_and_address() {
        let of = |sku, kind, url| FinanceKind::possible(&environment(sku, kind, url), None);
        let sandbox = "https://a.sandbox.operations.dynamics.com/";
        assert_eq!(of("Sandbox", "Linked", sandbox), [FinanceKind::LcsSandbox]);
        assert_eq!(
            of("Production", "Linked", "https://a.operations.dynamics.com/"),
            [FinanceKind::LcsProduction]
        );
        assert_eq!(
            of("Sandbox", "Linked", "https://a.axcloud.dynamics.com/"),
            [FinanceKind::CloudHosted]
        );
        assert_eq!(
            of("Developer", "Internal", ""),
            [FinanceKind::UnifiedDeveloper]
        );
        assert_eq!(of("Sandbox", "New", ""), [FinanceKind::Other]);
    }

    /// Unified environments for developers and unified sandboxes both have the type `Sandbox`.
    #[test]
    fn the_deployment_distinguishes_a_developer_environment_from_a_sandbox() {
        let unified = environment("Sandbox", "Internal", "");
        let of = |deployment| FinanceKind::possible(&unified, deployment);
        let both = [FinanceKind::UnifiedDeveloper, FinanceKind::UnifiedSandbox];
        assert_eq!(of(None), both);
        for word in ["UnifiedDeveloper", "OnlineDev"] {
            assert_eq!(of(Some(word)), [FinanceKind::UnifiedDeveloper], "{word}");
        }
        for word in ["UnifiedSandbox", "Sandbox"] {
            assert_eq!(of(Some(word)), [FinanceKind::UnifiedSandbox], "{word}");
        }
        assert_eq!(of(Some("Trial")), [FinanceKind::Other]);
        let [developer, sandbox] = both;
        let answer = |sources: &[FinanceKind], targets: &[FinanceKind]| {
            judge_pair(sources, targets, &["source: not shown".to_owned()]).verdict
        };
        assert_eq!(answer(&[developer], &[sandbox]), Verdict::Fail);
        assert_eq!(answer(&[sandbox], &[sandbox]), Verdict::Pass);
        assert_eq!(answer(&[developer], &[developer]), Verdict::Pass);
        assert_eq!(answer(&both, &[sandbox]), Verdict::Unknown);
        assert_eq!(answer(&both, &[developer]), Verdict::Pass, "for every kind");
        assert_eq!(
            answer(&[FinanceKind::UnifiedProduction], &both),
            Verdict::Pass
        );
    }

    #[test]
    fn the_table_of_pairs_is_microsofts() {
        for (source, target) in [
            (FinanceKind::CloudHosted, FinanceKind::UnifiedSandbox),
            (FinanceKind::CloudHosted, FinanceKind::UnifiedDeveloper),
            (FinanceKind::UnifiedDeveloper, FinanceKind::UnifiedSandbox),
            (
                FinanceKind::UnifiedDeveloper,
                FinanceKind::UnifiedProduction,
            ),
            (FinanceKind::UnifiedSandbox, FinanceKind::UnifiedProduction),
            (FinanceKind::LcsSandbox, FinanceKind::LcsProduction),
        ] {
            let answer = copy_support(source, target);
            assert_eq!(answer, Verdict::Fail, "{source:?} {target:?}");
        }
        let of = |source, target| copy_support(source, target);
        assert_eq!(
            of(FinanceKind::LcsProduction, FinanceKind::LcsSandbox),
            Verdict::Pass
        );
        assert_eq!(
            of(FinanceKind::UnifiedProduction, FinanceKind::UnifiedSandbox),
            Verdict::Pass
        );
        for (source, target) in [
            (FinanceKind::None, FinanceKind::LcsSandbox),
            (FinanceKind::LcsProduction, FinanceKind::UnifiedSandbox),
            (FinanceKind::Other, FinanceKind::UnifiedSandbox),
        ] {
            assert_eq!(
                of(source, target),
                Verdict::Unknown,
                "{source:?} {target:?}"
            );
        }
    }
}
