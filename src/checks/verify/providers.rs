//! Is every provider whole, and does nothing of a provider that is gone still run?

use std::collections::BTreeSet;

use uuid::Uuid;

use super::sight::Sight;
use crate::base::text::count;
use crate::checks::finding::{Cure, Finding, Probe};
use crate::checks::reading::{Rows, told};
use crate::domain::flows::{Deployer, deployer, is_deployed_by, is_on};
use crate::domain::providers::{Catalogue, Provider};
use crate::domain::{Refresh, flows, seals};
use crate::engine::Known;

/// Judges actions and deployed flows.
pub(super) fn ask(refresh: &Refresh, sight: &Sight, known: Option<&Known>) -> Vec<Finding> {
    let runbook = refresh.runbook.file().display();
    let whole = Probe::new(
        "every active provider has an action for each action of its definition",
        "wait six minutes after an activation and verify again; then activate the provider again \
         (IOM app > Providers > Installed)",
    );
    let on = Probe::new(
        "the flows that active providers deployed are on",
        "turn them on in the maker portal (Solutions > Cloud flows)",
    );
    let orphans = Probe::new(
        "no flow of a provider that is gone is on",
        "turn it off: it may process each message a second time",
    );
    let options = &refresh.runbook.steps.activate_flows.options;
    let excepted = |id: Uuid, name: &str| {
        options
            .except
            .iter()
            .any(|pattern| flows::is_named(&pattern.value, id, name))
    };
    let old: BTreeSet<Uuid> = known
        .map(|known| seals::rows(known, seals::PROVIDERS, "provider"))
        .unwrap_or_default()
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let catalogue = told(&sight.catalogue);
    vec![
        whole.settle(
            catalogue
                .clone()
                .map(|catalogue| actions(&whole, &runbook.to_string(), catalogue)),
        ),
        on.settle(
            catalogue
                .clone()
                .and_then(|c| Ok(deployed(&on, c, told(&sight.flows)?, excepted))),
        ),
        orphans
            .settle(catalogue.and_then(|c| Ok(orphaned(&orphans, c, told(&sight.flows)?, &old)))),
    ]
}

fn active(catalogue: &Catalogue) -> impl Iterator<Item = &Provider> {
    catalogue.providers.values().filter(|p| p.active)
}

fn actions(probe: &Probe, runbook: &str, catalogue: &Catalogue) -> Finding {
    let mut lacking = Vec::new();
    let mut wrong = None;
    for provider in active(catalogue) {
        let Some(definition) = provider.definition else {
            lacking.push(format!("'{}' has no definition", provider.name));
            continue;
        };
        let has = catalogue.actions_of(provider.id);
        for missing in catalogue.expected_actions(definition).difference(&has) {
            lacking.push(format!("'{}' lacks '{missing}'", provider.name));
            wrong = wrong.or_else(|| catalogue.definition_of(provider));
        }
    }
    let probe = match wrong {
        Some(definition) => &probe.clone().if_failed(Cure::Reinstall {
            runbook: runbook.to_owned(),
            definition: definition.logical_name.clone(),
        }),
        None => probe,
    };
    probe.none_of(&lacking, &count(active(catalogue).count(), "provider"))
}

fn deployed(
    probe: &Probe,
    catalogue: &Catalogue,
    flows: &Rows,
    excepted: impl Fn(Uuid, &str) -> bool,
) -> Finding {
    let mut off = Vec::new();
    let mut without = Vec::new();
    let mut seen = 0;
    for provider in active(catalogue) {
        let ids = BTreeSet::from([provider.id]);
        let before = seen;
        for (id, row) in flows {
            let name = flows::name(*id, row);
            if !is_deployed_by(&name, &ids) {
                continue;
            }
            seen += 1;
            if !is_on(row) && !excepted(*id, &name) {
                off.push(format!("'{name}' of '{}'", provider.name));
            }
        }
        let acts = provider
            .definition
            .is_some_and(|definition| !catalogue.expected_actions(definition).is_empty());
        if acts && seen == before {
            without.push(format!("'{}' has deployed no flow", provider.name));
        }
    }
    if off.is_empty() && seen == 0 && !without.is_empty() {
        // This tenant may name deployed flows otherwise.
        return probe.unknown("no flow's name holds the id of a provider");
    }
    off.extend(without);
    probe.none_of(&off, &format!("{seen} flows"))
}

fn orphaned(probe: &Probe, catalogue: &Catalogue, flows: &Rows, old: &BTreeSet<Uuid>) -> Finding {
    let mut sure = Vec::new();
    let mut perhaps = Vec::new();
    for (id, row) in flows.iter().filter(|(_, row)| is_on(row)) {
        let name = flows::name(*id, row);
        match deployer(&name) {
            Some(Deployer::Surely(id) | Deployer::Perhaps(id))
                if catalogue.providers.contains_key(&id) => {}
            Some(Deployer::Surely(_)) => sure.push(format!("'{name}'")),
            Some(Deployer::Perhaps(id)) if old.contains(&id) => sure.push(format!("'{name}'")),
            Some(Deployer::Perhaps(_)) => perhaps.push(format!("'{name}' may be one")),
            None => {}
        }
    }
    if sure.is_empty() {
        return probe.unless_any(&perhaps, "none is");
    }
    sure.extend(perhaps);
    probe.fail(crate::checks::finding::named(&sure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;
    use crate::domain::providers::{Action, Logic};
    use serde_json::json;

    const PROVIDER: Uuid = Uuid::from_u128(0x10);
    const GONE: Uuid = Uuid::from_u128(0x11);
    const DEFINITION: Uuid = Uuid::from_u128(0x20);
    const LOGIC: Uuid = Uuid::from_u128(0x30);
    const ACTION: Uuid = Uuid::from_u128(0x40);

    fn catalogue(with_action: bool) -> Catalogue {
        let mut catalogue = Catalogue::default();
        catalogue.providers.insert(
            PROVIDER,
            Provider {
                id: PROVIDER,
                name: "F&O".to_owned(),
                definition: Some(DEFINITION),
                active: true,
            },
        );
        catalogue.logic.insert(
            LOGIC,
            Logic {
                logical_name: "send".to_owned(),
                definition: Some(DEFINITION),
                is_action: true,
            },
        );
        if with_action {
            catalogue.actions.insert(
                ACTION,
                Action {
                    id: ACTION,
                    name: "Send".to_owned(),
                    provider: Some(PROVIDER),
                    logic: Some(LOGIC),
                },
            );
        }
        catalogue
    }

    fn flows(flows: &[(&str, i64)]) -> Rows {
        let row = |(n, (name, state)): (usize, &(&str, i64))| {
            let value = json!({"name": name, "statecode": state});
            (
                Uuid::from_u128(n as u128),
                value.as_object().unwrap().clone(),
            )
        };
        flows.iter().enumerate().map(row).collect()
    }

    fn probe() -> Probe {
        Probe::new("whole", "reinstall")
    }

    #[test]
    fn an_active_provider_has_every_action_of_its_definition() {
        assert_eq!(
            actions(&probe(), "uat.yaml", &catalogue(true)).verdict,
            Verdict::Pass
        );
        let half = actions(&probe(), "uat.yaml", &catalogue(false));
        assert_eq!(
            (half.verdict, half.read.as_str()),
            (Verdict::Fail, "'F&O' lacks 'send'")
        );
    }

    #[test]
    fn what_a_provider_deployed_is_on_unless_the_runbook_excepts_it() {
        let name = format!("iom_{PROVIDER}_send");
        let of = |rows: &[(&str, i64)], excepted: bool| {
            deployed(&probe(), &catalogue(true), &flows(rows), |_, _| excepted).verdict
        };
        assert_eq!(of(&[(&name, 1)], false), Verdict::Pass);
        assert_eq!(of(&[(&name, 0)], false), Verdict::Fail);
        assert_eq!(of(&[(&name, 0)], true), Verdict::Pass);
        assert_eq!(of(&[("Other", 1)], false), Verdict::Unknown);
        let mut two = catalogue(true);
        let mut second = two.providers[&PROVIDER].clone();
        second.id = GONE;
        two.providers.insert(GONE, second);
        let finding = deployed(&probe(), &two, &flows(&[(&name, 1)]), |_, _| false);
        assert_eq!(finding.verdict, Verdict::Fail);
    }

    #[test]
    fn a_flow_of_a_provider_that_is_gone_is_an_orphan() {
        let of = |name: &str, state: i64, old: &[Uuid]| {
            let old = old.iter().copied().collect();
            orphaned(&probe(), &catalogue(true), &flows(&[(name, state)]), &old).verdict
        };
        assert_eq!(of(&format!("iom_{PROVIDER}_send"), 1, &[]), Verdict::Pass);
        assert_eq!(of(&format!("iom_{GONE}_send"), 1, &[]), Verdict::Fail);
        assert_eq!(of(&format!("iom_{GONE}_send"), 0, &[]), Verdict::Pass);
        assert_eq!(of(&format!("Send ({GONE})"), 1, &[]), Verdict::Unknown);
        assert_eq!(of(&format!("Send ({GONE})"), 1, &[GONE]), Verdict::Fail);
    }
}
