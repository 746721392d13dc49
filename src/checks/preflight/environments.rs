//! The pair of environments: what their own descriptions tell, whether the service offers the copy,
//! whether Intelligent Order Management is installed.

use crate::base::text::count;
use crate::checks::finding::{Finding, Probe};
use crate::checks::reading::kept;
use crate::clients::{Environment, Package};
use crate::domain::Refresh;
use crate::engine::Failure;
use crate::runbook::StepName;

/// The answers that the two environments' own descriptions give (Microsoft Learn, *Copy an
/// environment*: same tenant, same region, no production target; managed only to managed).
pub(super) fn pair(refresh: &Refresh) -> Vec<Finding> {
    judged(&refresh.source_environment, &refresh.target_environment)
}

fn judged(source: &Environment, target: &Environment) -> Vec<Finding> {
    let mut findings = vec![
        Probe::new(
            "the target is another environment than the source",
            "name two environments: the target is overwritten",
        )
        .wrong()
        .judged(
            !source.id.eq_ignore_ascii_case(&target.id) && differ(url(source), url(target)),
            format!("source {}, target {}", source.id, target.id),
        ),
        Probe::new(
            "the environments are of one tenant",
            "a copy stays within a tenant: choose another pair",
        )
        .judged(
            source.tenant == target.tenant,
            both(source, target, |e| &e.tenant),
        ),
        Probe::new(
            "the environments are of one region",
            "a copy stays within a region: choose another pair",
        )
        .judged(
            source.location == target.location,
            both(source, target, |e| &e.location),
        ),
        Probe::new(
            "both environments are managed, or neither is",
            "enable or disable 'managed environment' on one of them first",
        )
        .judged(
            source.protection_level == target.protection_level,
            both(source, target, |e| &e.protection_level),
        ),
    ];
    if let Some(reason) = &target.copy_disallowed {
        let probe = Probe::new(
            "the target may be copied onto",
            "remove the reason, or choose another target",
        );
        findings.push(probe.fail(reason));
    }
    for (side, environment) in [("source", source), ("target", target)] {
        let ready = Probe::new(
            format!("the {side} is ready"),
            "wait until the admin center shows it as ready",
        );
        findings.push(ready.judged(environment.is_ready(), environment.states()));
        let running = environment.ongoing_operation.as_ref();
        let kind = running.map(|operation| operation.kind.clone().unwrap_or_default());
        let idle = Probe::new(
            format!("no operation is running on the {side}"),
            "wait for its end, then run again",
        );
        findings.push(idle.judged(running.is_none(), kind.unwrap_or_else(|| "none".to_owned())));
    }
    findings
}

fn both(
    source: &Environment,
    target: &Environment,
    of: impl Fn(&Environment) -> &Option<String>,
) -> String {
    let shown = |environment| {
        of(environment)
            .clone()
            .unwrap_or_else(|| "not told".to_owned())
    };
    format!("source {}, target {}", shown(source), shown(target))
}

fn url(environment: &Environment) -> Option<&str> {
    environment.dataverse.as_ref()?.url.as_deref()
}

/// Two addresses that are both known and the same lead to one organization.
fn differ(one: Option<&str>, other: Option<&str>) -> bool {
    one.is_none() || one != other
}

/// Does the service offer the target for a copy of the source?
pub(super) async fn candidate(refresh: &Refresh) -> Result<Finding, Failure> {
    let probe = Probe::new(
        "the service offers the target for a copy of the source",
        "give the caller the right to list copy candidates, or look in the admin center why the \
         target cannot be chosen",
    )
    .before(StepName::CopyEnvironments);
    let source = refresh.runbook.source.value;
    match refresh.power_platform.copy_candidates(source).await {
        Ok(candidates) => {
            let target = refresh.target_id().to_string();
            let offered = candidates
                .iter()
                .any(|candidate| candidate.environment.eq_ignore_ascii_case(&target));
            Ok(probe.judged(offered, count(candidates.len(), "candidate")))
        }
        Err(error) => Ok(probe.settle(kept(Err(error.into()))?)),
    }
}

/// Is Intelligent Order Management installed? Its returns portal alone does not count.
pub(super) async fn order_management(refresh: &Refresh, side: &str) -> Result<Finding, Failure> {
    let probe = Probe::new(
        format!("Intelligent Order Management is installed in the {side}"),
        "install it first: the guide presumes it in both environments; or give the caller the right \
         to list application packages",
    )
    .before(StepName::CopyEnvironments);
    let id = if side == "source" {
        refresh.runbook.source.value
    } else {
        refresh.target_id()
    };
    match refresh.power_platform.packages(id).await {
        Ok(packages) => Ok(installed(&probe, &packages)),
        Err(error) => Ok(probe.settle(kept(Err(error.into()))?)),
    }
}

fn installed(probe: &Probe, packages: &[Package]) -> Finding {
    let anchors: Vec<&Package> = packages
        .iter()
        .filter(|package| {
            package
                .unique_name
                .eq_ignore_ascii_case("msdyn_IntelligentOrderManagementAnchor")
        })
        .collect();
    let read = match anchors.first() {
        Some(package) => format!(
            "{} {}",
            package.unique_name,
            package.state.as_deref().unwrap_or("without a state")
        ),
        None => format!("not among {} packages", packages.len()),
    };
    probe.judged(anchors.iter().any(|package| package.is_installed()), read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;
    use serde_json::{Value, json};

    fn environment(id: &str, changed: &[(&str, Value)]) -> Environment {
        let mut raw = json!({"name": id, "location": "europe", "properties": {
            "tenantId": "t", "states": {"management": {"id": "Ready"}},
            "linkedEnvironmentMetadata": {"instanceUrl": format!("https://{id}.crm4.dynamics.com"),
                "instanceState": "Ready"},
            "governanceConfiguration": {"protectionLevel": "Basic"}}});
        for (pointer, value) in changed {
            *raw.pointer_mut(pointer).unwrap() = value.clone();
        }
        Environment::from_value(raw).unwrap()
    }

    fn failed(source: &Environment, target: &Environment) -> Vec<String> {
        let findings = judged(source, target);
        let failed = findings.into_iter().filter(|f| f.verdict == Verdict::Fail);
        failed.map(|finding| finding.probe).collect()
    }

    #[test]
    fn a_pair_that_fits_passes_and_each_difference_is_named() {
        let source = environment("source", &[]);
        assert!(failed(&source, &environment("target", &[])).is_empty());
        for (pointer, value, expected) in [
            ("/properties/tenantId", "other", "one tenant"),
            ("/location", "asia", "one region"),
            (
                "/properties/governanceConfiguration/protectionLevel",
                "Standard",
                "managed",
            ),
            (
                "/properties/states/management/id",
                "Running",
                "the target is ready",
            ),
            (
                "/properties/linkedEnvironmentMetadata/instanceUrl",
                "https://source.crm4.dynamics.com",
                "another environment",
            ),
        ] {
            let target = environment("target", &[(pointer, json!(value))]);
            let failed = failed(&source, &target);
            assert!(
                failed.len() == 1 && failed[0].contains(expected),
                "{failed:?}"
            );
        }
        assert!(failed(&source, &source)[0].contains("another environment"));
    }

    #[test]
    fn an_operation_and_a_refusal_are_named() {
        let mut target = environment("target", &[]);
        target.copy_disallowed = Some("locked".to_owned());
        target.ongoing_operation = Some(crate::clients::OngoingOperation {
            id: None,
            kind: Some("Copy".to_owned()),
        });
        assert_eq!(failed(&environment("source", &[]), &target).len(), 2);
    }

    #[test]
    fn the_returns_portal_alone_is_not_order_management() {
        let package = |name: &str, state: &str| Package {
            unique_name: name.to_owned(),
            name: None,
            version: None,
            state: Some(state.to_owned()),
            raw: Value::Null,
        };
        let probe = Probe::new("installed", "install it");
        let anchor = "msdyn_IntelligentOrderManagementAnchor";
        let of = |packages: &[Package]| installed(&probe, packages).verdict;
        assert_eq!(of(&[package(anchor, "Installed")]), Verdict::Pass);
        assert_eq!(of(&[package(anchor, "None")]), Verdict::Fail);
        assert_eq!(
            of(&[package("msdyn_IOMOrderReturnsPortalAnchor", "Installed")]),
            Verdict::Fail
        );
    }
}
