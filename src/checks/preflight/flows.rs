//! The source's cloud flows: patterns of the runbook, and what a person must know of them.

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use super::snapshot::{SUSPENDED, Snapshot, old_providers};
use crate::base::text::count;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::available;
use crate::domain::connections::custom_connectors::CustomConnectors;
use crate::domain::flows::rules::{DesiredState, NAMES_PRODUCTION, Rules, SourceFlows};
use crate::domain::flows::{COMPILED, FlowDefinition, is_deployed_by};
use crate::domain::names::Fields;
use crate::domain::{RefreshContext, flows};
use crate::engine::Failure;
use crate::runbook::{StepName, TurnOn};

/// Checks the source's flows; nothing if step 4 is skipped.
pub(super) fn run_checks(refresh: &RefreshContext, snapshot: &Snapshot) -> Vec<CheckResult> {
    if refresh.runbook.steps.activate_flows.is_skipped() {
        return Vec::new();
    }
    vec![
        patterns(refresh, snapshot),
        suspended(snapshot),
        refused_by_policy(refresh, snapshot),
        http_triggers(snapshot),
        traces(refresh, snapshot),
    ]
}

/// The source's flows that step 4 will turn on, by the runbook and the source's states.
pub(super) fn wanted_on<'a>(
    refresh: &'a RefreshContext,
    snapshot: &'a Snapshot,
) -> Result<impl Iterator<Item = (Uuid, Fields)> + 'a, Failure> {
    let is_skipped = refresh.runbook.steps.activate_flows.is_skipped();
    let wanted = if is_skipped {
        None
    } else {
        let rules = rules(refresh, snapshot)?;
        let all = available(&snapshot.flows)?.iter();
        Some(all.filter(move |(id, row)| rules.desired_state(*id, row) == DesiredState::On))
    };
    Ok(wanted.into_iter().flatten())
}

/// The rules of step 4 over what the source holds.
fn rules<'a>(refresh: &'a RefreshContext, snapshot: &Snapshot) -> Result<Rules<'a>, Failure> {
    let old = old_providers(available(&snapshot.catalogue)?);
    let policies = available(&snapshot.policies)?.iter();
    Ok(Rules::new(
        refresh,
        None,
        SourceFlows::from_rows(available(&snapshot.flows)?.iter()),
        old,
        policies,
    ))
}

fn patterns(refresh: &RefreshContext, snapshot: &Snapshot) -> CheckResult {
    let check = Check::protecting(
        StepName::ActivateFlows,
        "every pattern of activate-flows matches a cloud flow of the source",
        "patterns of activate-flows match no cloud flow of the source",
        "correct the pattern, or leave it out; `*` matches any run of characters",
    )
    .invalid_input();
    let options = &refresh.runbook.steps.activate_flows.options;
    let turned_on = match &options.turn_on.value {
        TurnOn::Flows(patterns) => patterns.as_slice(),
        TurnOn::All | TurnOn::AsInSource => &[],
    };
    let replaced = options.replace.iter().map(|replacement| &replacement.flow);
    let patterns: Vec<(&str, String)> = turned_on
        .iter()
        .chain(&options.except)
        .chain(replaced)
        .map(|pattern| (pattern.value.as_str(), refresh.runbook.place(pattern.span)))
        .collect();
    check.settle(
        available(&snapshot.flows).map(|flows| judge_patterns(&check, &patterns, flows.iter())),
    )
}

fn judge_patterns(
    check: &Check,
    patterns: &[(&str, String)],
    flows: impl Iterator<Item = (Uuid, Fields)>,
) -> CheckResult {
    let flows: Vec<(Uuid, String)> = flows.map(|(id, row)| (id, flows::name(id, &row))).collect();
    let idle: Vec<String> = patterns
        .iter()
        .filter(|(pattern, _)| {
            let mut flows = flows.iter();
            !flows.any(|(id, name)| flows::is_named(pattern, *id, name))
        })
        .map(|(pattern, place)| format!("'{pattern}' ({place})"))
        .collect();
    check.none_of(
        &idle,
        &format!("{} patterns, {} flows", patterns.len(), flows.len()),
    )
}

fn suspended(snapshot: &Snapshot) -> CheckResult {
    let check = Check::protecting(
        StepName::ActivateFlows,
        "no cloud flow of the source is suspended",
        "cloud flows are suspended in the source",
        "allow their connectors in the target's data policy; otherwise these flows stay off there",
    );
    check.settle(available(&snapshot.flows).map(|flows| judge_suspended(&check, flows.iter())))
}

fn judge_suspended(check: &Check, flows: impl Iterator<Item = (Uuid, Fields)>) -> CheckResult {
    let (mut found, mut all) = (Vec::new(), 0);
    for (id, row) in flows {
        all += 1;
        if row.get("statecode").and_then(Value::as_i64) == Some(SUSPENDED) {
            found.push(format!("'{}'", flows::name(id, &row)));
        }
    }
    check.warn_of(&found, &count(all, "cloud flow"))
}

/// Will a data policy of the target refuse a flow that should be on? No API that the program may
/// call shows the policies themselves. Flows that they suspended in the target show them: a flow
/// with the same connectors, and perhaps more, breaks the same rule, because a policy blocks
/// connectors or the combination of some (Microsoft Learn, *Data policies*).
fn refused_by_policy(refresh: &RefreshContext, snapshot: &Snapshot) -> CheckResult {
    let check = Check::protecting(
        StepName::ActivateFlows,
        "no flow that should be on has all connectors of a flow that is suspended in the target",
        "a data policy of the target has suspended flows with the connectors of flows that should be on",
        "let an administrator of the data policies allow the connectors in the target, or leave the \
         flow off by `except` of activate-flows; the run continues without a flow that is refused",
    );
    let answer = wanted_on(refresh, snapshot).and_then(|wanted| {
        let source = available(&snapshot.connectors)?.values();
        let target = available(&snapshot.target.connectors)?.values();
        let custom = CustomConnectors::from_rows(source, target);
        let used = |id: Uuid, row: &Fields| -> Option<Used> {
            let connectors = FlowDefinition::from_row(row)?.connectors();
            let here = connectors.iter().map(|one| custom.in_target(one));
            Some((flows::name(id, row), here.collect()))
        };
        let wanted: Vec<Used> = wanted.filter_map(|(id, row)| used(id, &row)).collect();
        let suspended = available(&snapshot.target.suspended)?.iter();
        let suspended: Vec<Used> = suspended.filter_map(|(id, row)| used(*id, row)).collect();
        Ok(judge_policy(&check, &wanted, &suspended))
    });
    check.settle(answer)
}

/// A flow's name, and the connectors that it uses.
type Used = (String, BTreeSet<String>);

fn judge_policy(check: &Check, wanted: &[Used], suspended: &[Used]) -> CheckResult {
    let mut found = Vec::new();
    for (name, connectors) in wanted {
        let alike = suspended
            .iter()
            .find(|(_, refused)| !refused.is_empty() && refused.is_subset(connectors));
        if let Some((other, refused)) = alike {
            let refused: Vec<&str> = refused.iter().map(String::as_str).collect();
            let refused = refused.join(", ");
            found.push(format!(
                "'{name}' uses {refused}, as '{other}' does, which is suspended in the target"
            ));
        }
    }
    let good = format!(
        "{} should be on, {} suspended in the target",
        count(wanted.len(), "flow"),
        count(suspended.len(), "flow")
    );
    check.warn_of(&found, &good)
}

/// The problem that step 4, once it is done, notes for each flow.
pub(super) const NEW_URLS: &str = "flows with an HTTP trigger get another URL in the target";

fn http_triggers(snapshot: &Snapshot) -> CheckResult {
    let check = Check::protecting(
        StepName::ActivateFlows,
        "the callers of flows with an HTTP trigger know their new URLs",
        NEW_URLS,
        "give the new URL to the callers that should call the target; production's callers keep theirs",
    );
    let answer = available(&snapshot.flows).and_then(|flows| {
        let old = old_providers(available(&snapshot.catalogue)?);
        Ok(judge_http(&check, flows.iter(), &old))
    });
    check.settle(answer)
}

/// Flows that providers deployed are called by IOM itself, which learns the new URLs.
fn judge_http(
    check: &Check,
    flows: impl Iterator<Item = (Uuid, Fields)>,
    old_providers: &BTreeSet<Uuid>,
) -> CheckResult {
    let (mut found, mut all) = (Vec::new(), 0);
    for (id, row) in flows {
        all += 1;
        let name = flows::name(id, &row);
        let is_found = !is_deployed_by(&name, old_providers)
            && !name.starts_with(COMPILED)
            && FlowDefinition::from_row(&row).is_some_and(|definition| definition.starts_by_http());
        if is_found {
            found.push(format!("'{name}'"));
        }
    }
    check.warn_of(&found, &count(all, "cloud flow"))
}

/// Does a flow that should be on contain references to the source that no rule replaces?
fn traces(refresh: &RefreshContext, snapshot: &Snapshot) -> CheckResult {
    let check = Check::protecting(
        StepName::ActivateFlows,
        "no flow that should be on has the source written into it",
        "flows that should be on contain references to the source",
        format!(
            "write a rule for it under `replace` of the step at {} or under `containment.replace`, or \
             allow it under `containment.allow`: else it is left off, because it would act on \
             production",
            refresh
                .runbook
                .place(refresh.runbook.steps.activate_flows.span)
        ),
    );
    let answer = rules(refresh, snapshot).and_then(|rules| {
        let mut found = Vec::new();
        let all = available(&snapshot.flows)?;
        for (id, row) in all.iter() {
            if rules.desired_state(id, &row) == DesiredState::Off(NAMES_PRODUCTION) {
                let named = rules.named_by(id, &row).into_iter();
                let name = flows::name(id, &row);
                found.extend(named.map(|mark| format!("'{name}': {}", mark.what)));
            }
        }
        Ok(check.warn_of(&found, &count(all.len(), "cloud flow")))
    });
    check.settle(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::table_reads::{Rows, numbered as rows};
    use crate::domain::verdict::Verdict;
    use serde_json::json;

    fn check() -> Check {
        Check::new("well", "a problem", "repair it")
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_a_mistake() {
        let flows = rows(&[json!({"name": "Nightly export"})]);
        let id = Uuid::from_u128(1).to_string();
        let of = |patterns: &[&str]| {
            let patterns: Vec<(&str, String)> = patterns
                .iter()
                .map(|p| (*p, "x.yaml:1:1".to_owned()))
                .collect();
            judge_patterns(&check(), &patterns, flows.clone().into_iter())
        };
        assert_eq!(of(&["nightly *", &id]).verdict, Verdict::Pass);
        let result = of(&["Nightly *", "Legacy *"]);
        assert_eq!(
            (result.verdict, result.found.as_str()),
            (Verdict::Fail, "'Legacy *' (x.yaml:1:1)")
        );
    }

    #[test]
    fn a_suspended_flow_is_named() {
        assert_eq!(
            judge_suspended(&check(), rows(&[json!({"statecode": 1})]).into_iter()).verdict,
            Verdict::Pass
        );
        let leaky = rows(&[json!({"name": "Leaky", "statecode": 2})]);
        let result = judge_suspended(&check(), leaky.into_iter());
        assert_eq!(
            (result.verdict, result.found.as_str()),
            (Verdict::Unknown, "'Leaky'")
        );
    }

    #[test]
    fn a_flow_with_all_connectors_of_a_suspended_one_is_named() {
        let used = |name: &str, connectors: &[&str]| -> Used {
            let connectors = connectors.iter().map(|one| (*one).to_owned());
            (name.to_owned(), connectors.collect())
        };
        let suspended = [used("Leaky", &["shared_a", "shared_b"]), used("Empty", &[])];
        let of =
            |connectors: &[&str]| judge_policy(&check(), &[used("Report", connectors)], &suspended);
        let both = of(&["shared_a", "shared_b", "shared_c"]);
        assert_eq!(both.label(), "warning");
        assert!(
            both.found
                .contains("'Report' uses shared_a, shared_b, as 'Leaky'"),
            "{}",
            both.found
        );
        assert_eq!(of(&["shared_a"]).verdict, Verdict::Pass);
    }

    #[test]
    fn an_http_flow_is_named_unless_a_provider_deployed_it() {
        let provider = Uuid::from_u128(7);
        let data = json!({"properties": {"definition": {"triggers": {"m": {"type": "Request", "kind": "Http"}}}}});
        let flow = |name: &str| json!({"name": name, "clientdata": data.to_string()});
        let old = BTreeSet::from([provider]);
        let deployed = rows(&[flow(&format!("iom_{provider}_msdyn_x"))]);
        let judge = |flows: Rows| judge_http(&check(), flows.into_iter(), &old);
        assert_eq!(judge(deployed).verdict, Verdict::Pass);
        let result = judge(rows(&[flow("Webhook")]));
        assert_eq!(
            (result.verdict, result.found.as_str()),
            (Verdict::Unknown, "'Webhook'")
        );
    }
}
