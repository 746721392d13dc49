//! The pair of environments: what their descriptions show, whether the service offers the copy,
//! whether Intelligent Order Management is installed.

use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::clients::{Environment, Package};
use crate::domain::RefreshContext;
use crate::domain::failure::unless_interrupted;
use crate::engine::Failure;
use crate::runbook::StepName;

/// The answers that the two environments' own descriptions give (Microsoft Learn, *Copy an
/// environment*: same tenant, same region, no production target; managed only to managed).
pub(super) fn pair(refresh: &RefreshContext) -> Vec<CheckResult> {
    judge(&refresh.source.environment, &refresh.target.environment)
}

fn judge(source: &Environment, target: &Environment) -> Vec<CheckResult> {
    let mut results = vec![
        Check::protecting(
            StepName::CopyEnvironments,
            "the target is another environment than the source",
            "the target is the source",
            "name two environments: the target is overwritten",
        )
        .invalid_input()
        .pass_if(
            !source.id.eq_ignore_ascii_case(&target.id) && differ(url(source), url(target)),
            format!("source {}, target {}", source.id, target.id),
        ),
        Check::protecting(
            StepName::CopyEnvironments,
            "the environments are of one tenant",
            "the environments belong to different tenants",
            "a copy stays within a tenant: choose another pair",
        )
        .pass_if(
            source.tenant == target.tenant,
            both(source, target, |e| &e.tenant),
        ),
        Check::protecting(
            StepName::CopyEnvironments,
            "the environments are of one region",
            "the environments are in different regions",
            "a copy stays within a region: choose another pair",
        )
        .pass_if(
            source.location == target.location,
            both(source, target, |e| &e.location),
        ),
        Check::protecting(
            StepName::CopyEnvironments,
            "both environments are managed, or neither is",
            "one environment is managed and the other is not",
            "enable or disable 'managed environment' on one of them first",
        )
        .pass_if(
            source.protection_level == target.protection_level,
            format!(
                "source {}, target {}",
                management(source),
                management(target)
            ),
        ),
        keys(source, target),
    ];
    if let Some(reason) = &target.copy_disallowed {
        let check = Check::protecting(
            StepName::CopyEnvironments,
            "the target may be copied onto",
            "the target does not accept a copy",
            "remove the reason, or choose another target",
        );
        results.push(check.fail(reason));
    }
    for (side, environment) in [("source", source), ("target", target)] {
        results.extend(judge_one(side, environment));
    }
    results
}

/// Is this environment ready, and does nothing run on it? `side` is `source` or `target`.
fn judge_one(side: &str, environment: &Environment) -> [CheckResult; 2] {
    let ready = Check::protecting(
        StepName::CopyEnvironments,
        format!("the {side} is ready"),
        format!("the {side} is not ready"),
        "wait until the admin center shows it as ready",
    );
    let is_ready = ready.pass_if(environment.is_ready(), environment.describe_states());
    let running = environment.ongoing_operation.as_ref();
    let kind = running.map(|operation| operation.kind.clone().unwrap_or_default());
    let idle = Check::protecting(
        StepName::CopyEnvironments,
        format!("no operation is running on the {side}"),
        format!("an operation is running on the {side}"),
        "wait for its end, then run again",
    );
    let is_idle = idle.pass_if(
        running.is_none(),
        kind.unwrap_or_else(|| format!("the {side} shows no operation")),
    );
    [is_ready, is_idle]
}

/// An environment with a customer-managed key is copied only onto one that has the same key
/// (Microsoft Learn, *Manage your customer-managed encryption key*, environment database
/// operations). Which key it is, the descriptions do not show.
///
/// Two other permanent refusals of the copy cannot be foreseen. Only Microsoft Graph, which the
/// program does not call, shows whether a security group still exists. No service shows how much
/// capacity the tenant has left: an environment shows its own consumption, not the entitlement.
fn keys(source: &Environment, target: &Environment) -> CheckResult {
    let check = Check::protecting(
        StepName::CopyEnvironments,
        "the same encryption key protects both environments",
        "the encryption keys of the environments may differ",
        "a copy needs one key on both sides: in the admin center, compare the environments' encryption, \
         and apply the same enterprise policy to both or to neither",
    );
    let read = both(source, target, |e| &e.key_managed_by);
    match (&source.key_managed_by, &target.key_managed_by) {
        (Some(one), Some(other)) if !one.eq_ignore_ascii_case(other) => check.fail(read),
        (Some(one), Some(_)) if !one.eq_ignore_ascii_case("Microsoft") => {
            check.warn(format!("{read}; whether it is one key is not shown"))
        }
        (Some(_), Some(_)) | (None, None) => check.pass(read),
        _ => check.unknown(read),
    }
}

fn both(
    source: &Environment,
    target: &Environment,
    of: impl Fn(&Environment) -> &Option<String>,
) -> String {
    let shown = |environment| {
        of(environment)
            .clone()
            .unwrap_or_else(|| "not shown".to_owned())
    };
    format!("source {}, target {}", shown(source), shown(target))
}

/// Whether an environment is managed, with the service's word for it.
fn management(environment: &Environment) -> String {
    match environment.protection_level.as_deref() {
        Some("Basic") => "not managed (Basic)".to_owned(),
        Some(level) => format!("managed ({level})"),
        None => "not shown".to_owned(),
    }
}

fn url(environment: &Environment) -> Option<&str> {
    environment.dataverse.as_ref()?.url.as_deref()
}

/// Two known, equal addresses lead to one organization.
fn differ(one: Option<&str>, other: Option<&str>) -> bool {
    one.is_none() || one != other
}

/// Does the service offer the target for a copy of the source?
pub(super) async fn candidate(refresh: &RefreshContext) -> Result<CheckResult, Failure> {
    let check = Check::protecting(
        StepName::CopyEnvironments,
        "the service offers the target for a copy of the source",
        "the service does not offer the target for a copy of the source",
        "give the caller the right to list copy candidates, or look in the admin center why the \
         target cannot be chosen",
    )
    .before(StepName::CopyEnvironments);
    let source = refresh.runbook.source.value;
    match refresh
        .services
        .power_platform
        .copy_candidates(source)
        .await
    {
        Ok(candidates) => {
            let target = refresh.target_id().to_string();
            let offered = candidates
                .iter()
                .any(|candidate| candidate.environment.eq_ignore_ascii_case(&target));
            Ok(check.pass_if(offered, count(candidates.len(), "candidate")))
        }
        Err(error) => Ok(check.settle(unless_interrupted(Err(error.into()))?)),
    }
}

/// Is Intelligent Order Management installed? Its returns portal alone does not count.
pub(super) async fn order_management(
    refresh: &RefreshContext,
    side: &str,
) -> Result<CheckResult, Failure> {
    let check = Check::protecting(
            StepName::CopyEnvironments,
        format!("Intelligent Order Management is installed in the {side}"), format!("Intelligent Order Management is not installed in the {side}"),
        "install it first: the guide requires it in both environments; or give the caller the right \
         to list application packages",
    )
    .before(StepName::CopyEnvironments);
    let id = if side == "source" {
        refresh.runbook.source.value
    } else {
        refresh.target_id()
    };
    match refresh.services.power_platform.packages(id).await {
        Ok(packages) => Ok(installed(&check, &packages)),
        Err(error) => Ok(check.settle(unless_interrupted(Err(error.into()))?)),
    }
}

fn installed(check: &Check, packages: &[Package]) -> CheckResult {
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
    check.pass_if(anchors.iter().any(|package| package.is_installed()), read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use serde_json::{Value, json};

    fn environment(id: &str, changed: &[(&str, Value)]) -> Environment {
        let mut raw = json!({"name": id, "location": "europe", "properties": {
            "tenantId": "t", "states": {"management": {"id": "Ready"}},
            "linkedEnvironmentMetadata": {"instanceUrl": format!("https://{id}.crm4.dynamics.com"),
                "instanceState": "Ready"},
            "governanceConfiguration": {"protectionLevel": "Basic"},
            "protectionStatus": {"keyManagedBy": "Microsoft"}}});
        for (pointer, value) in changed {
            *raw.pointer_mut(pointer).unwrap() = value.clone();
        }
        Environment::from_value(raw).unwrap()
    }

    fn failed(source: &Environment, target: &Environment) -> Vec<String> {
        let results = judge(source, target);
        let failed = results.into_iter().filter(|f| f.verdict == Verdict::Fail);
        failed.map(|result| result.check).collect()
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
                "/properties/protectionStatus/keyManagedBy",
                "Customer",
                "encryption key",
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
    fn two_keys_of_the_customer_may_be_different_ones() {
        let key = (
            "/properties/protectionStatus/keyManagedBy",
            json!("Customer"),
        );
        let of = |id| environment(id, std::slice::from_ref(&key));
        let result = keys(&of("source"), &of("target"));
        assert_eq!(
            (result.verdict, result.label()),
            (Verdict::Unknown, "warning")
        );
        let mut hidden = of("target");
        hidden.key_managed_by = None;
        assert_eq!(keys(&of("source"), &hidden).label(), "unknown");
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
        let check = Check::new("installed", "a problem", "install it");
        let anchor = "msdyn_IntelligentOrderManagementAnchor";
        let of = |packages: &[Package]| installed(&check, packages).verdict;
        assert_eq!(of(&[package(anchor, "Installed")]), Verdict::Pass);
        assert_eq!(of(&[package(anchor, "None")]), Verdict::Fail);
        assert_eq!(
            of(&[package("msdyn_IOMOrderReturnsPortalAnchor", "Installed")]),
            Verdict::Fail
        );
    }
}
