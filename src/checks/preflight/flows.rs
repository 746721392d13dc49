//! The source's cloud flows: patterns of the runbook, and what a person must know of them.

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use super::sight::{Sight, old_providers};
use crate::checks::finding::{Finding, Probe};
use crate::checks::reading::{Rows, told};
use crate::domain::flows::rules::{NAMES_PRODUCTION, Rules, Wanted};
use crate::domain::flows::{COMPILED, Definition, is_deployed_by};
use crate::domain::names::Fields;
use crate::domain::{Refresh, flows};
use crate::engine::Failure;
use crate::runbook::TurnOn;

/// The state of a flow that a data loss prevention policy has switched off.
const SUSPENDED: i64 = 2;

/// Judges the source's flows; nothing where step 4 is skipped.
pub(super) fn ask(refresh: &Refresh, sight: &Sight) -> Vec<Finding> {
    if refresh.runbook.steps.activate_flows.skip.is_some() {
        return Vec::new();
    }
    vec![
        patterns(refresh, sight),
        suspended(sight),
        http_triggers(sight),
        traces(refresh, sight),
    ]
}

/// The source's flows that step 4 will turn on, by the runbook and the source's states.
pub(super) fn wanted_on<'a>(
    refresh: &Refresh,
    sight: &'a Sight,
) -> Result<Vec<(Uuid, &'a Fields)>, Failure> {
    if refresh.runbook.steps.activate_flows.skip.is_some() {
        return Ok(Vec::new());
    }
    let rules = rules(refresh, sight)?;
    let all = told(&sight.flows)?;
    let wanted = all
        .iter()
        .filter(|(id, row)| rules.wanted(**id, row) == Wanted::On);
    Ok(wanted.map(|(id, row)| (*id, row)).collect())
}

/// The rules of step 4 over what the source holds.
fn rules<'a>(refresh: &'a Refresh, sight: &Sight) -> Result<Rules<'a>, Failure> {
    let old = old_providers(told(&sight.catalogue)?);
    let policies = told(&sight.policies)?.iter();
    Ok(Rules::over(
        refresh,
        told(&sight.flows)?.iter(),
        old,
        policies,
    ))
}

fn patterns(refresh: &Refresh, sight: &Sight) -> Finding {
    let probe = Probe::new(
        "every pattern of activate-flows matches a cloud flow of the source",
        "correct the pattern, or leave it out; `*` matches any run of characters",
    )
    .wrong();
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
    probe.settle(told(&sight.flows).map(|flows| patterns_judged(&probe, &patterns, flows)))
}

fn patterns_judged(probe: &Probe, patterns: &[(&str, String)], flows: &Rows) -> Finding {
    let idle: Vec<String> = patterns
        .iter()
        .filter(|(pattern, _)| {
            !flows
                .iter()
                .any(|(id, row)| flows::is_named(pattern, *id, &flows::name(*id, row)))
        })
        .map(|(pattern, place)| format!("'{pattern}' ({place})"))
        .collect();
    probe.none_of(
        &idle,
        &format!("{} patterns, {} flows", patterns.len(), flows.len()),
    )
}

fn suspended(sight: &Sight) -> Finding {
    let probe = Probe::new(
        "no cloud flow of the source is suspended",
        "a data policy switched it off: let the policy allow its connectors in the target, or expect \
         that it cannot be turned on there",
    );
    probe.settle(told(&sight.flows).map(|flows| suspended_judged(&probe, flows)))
}

fn suspended_judged(probe: &Probe, flows: &Rows) -> Finding {
    let found: Vec<String> = flows
        .iter()
        .filter(|(_, row)| row.get("statecode").and_then(Value::as_i64) == Some(SUSPENDED))
        .map(|(id, row)| format!("'{}'", flows::name(*id, row)))
        .collect();
    probe.unless_any(&found, "none is")
}

fn http_triggers(sight: &Sight) -> Finding {
    let probe = Probe::new(
        "the callers of flows with an HTTP trigger know their new URLs",
        "after the copy the flow has another URL in the target: tell it to everybody who calls it there",
    );
    let answer = told(&sight.flows).and_then(|flows| {
        let old = old_providers(told(&sight.catalogue)?);
        Ok(http_judged(&probe, flows, &old))
    });
    probe.settle(answer)
}

/// What providers deployed is called by IOM itself, which learns the new URLs.
fn http_judged(probe: &Probe, flows: &Rows, old_providers: &BTreeSet<Uuid>) -> Finding {
    let found: Vec<String> = flows
        .iter()
        .map(|(id, row)| (flows::name(*id, row), row))
        .filter(|(name, row)| {
            !is_deployed_by(name, old_providers)
                && !name.starts_with(COMPILED)
                && Definition::of(row).is_some_and(|definition| definition.starts_by_http())
        })
        .map(|(name, _)| format!("'{name}'"))
        .collect();
    probe.unless_any(&found, "no flow of the source has one")
}

/// Is something of the source written into a flow that should be on, and does no rule mend it?
fn traces(refresh: &Refresh, sight: &Sight) -> Finding {
    let probe = Probe::new(
        "no flow that should be on has the source written into it",
        format!(
            "write a rule for it under `replace` of the step at {}: without one it is left off, \
             because it would act on the source",
            refresh
                .runbook
                .place(refresh.runbook.steps.activate_flows.span)
        ),
    );
    let answer = rules(refresh, sight).and_then(|rules| {
        let mut found = Vec::new();
        for (id, row) in told(&sight.flows)? {
            if rules.wanted(*id, row) == Wanted::Off(NAMES_PRODUCTION) {
                let named = rules.named_by(*id, row).into_iter();
                let name = flows::name(*id, row);
                found.extend(named.map(|mark| format!("'{name}': {}", mark.what)));
            }
        }
        Ok(probe.unless_any(&found, "none has"))
    });
    probe.settle(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;
    use crate::checks::reading::numbered as rows;
    use serde_json::json;

    fn probe() -> Probe {
        Probe::new("well", "mend it")
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
            patterns_judged(&probe(), &patterns, &flows)
        };
        assert_eq!(of(&["nightly *", &id]).verdict, Verdict::Pass);
        let finding = of(&["Nightly *", "Legacy *"]);
        assert_eq!(
            (finding.verdict, finding.read.as_str()),
            (Verdict::Fail, "'Legacy *' (x.yaml:1:1)")
        );
    }

    #[test]
    fn a_suspended_flow_is_named() {
        assert_eq!(
            suspended_judged(&probe(), &rows(&[json!({"statecode": 1})])).verdict,
            Verdict::Pass
        );
        let finding =
            suspended_judged(&probe(), &rows(&[json!({"name": "Leaky", "statecode": 2})]));
        assert_eq!(
            (finding.verdict, finding.read.as_str()),
            (Verdict::Unknown, "'Leaky'")
        );
    }

    #[test]
    fn callers_of_http_flows_must_be_told_but_not_iom_itself() {
        let provider = Uuid::from_u128(7);
        let data = json!({"properties": {"definition": {"triggers": {"m": {"type": "Request", "kind": "Http"}}}}});
        let flow = |name: &str| json!({"name": name, "clientdata": data.to_string()});
        let old = BTreeSet::from([provider]);
        let deployed = rows(&[flow(&format!("iom_{provider}_msdyn_x"))]);
        assert_eq!(
            http_judged(&probe(), &deployed, &old).verdict,
            Verdict::Pass
        );
        let finding = http_judged(&probe(), &rows(&[flow("Webhook")]), &old);
        assert_eq!(
            (finding.verdict, finding.read.as_str()),
            (Verdict::Unknown, "'Webhook'")
        );
    }
}
