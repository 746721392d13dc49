//! Does what is published work: slots, policies, compiled flows?

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::sight::Sight;
use crate::base::text::count;
use crate::checks::finding::{Cure, Finding, Probe, named};
use crate::checks::reading::{Rows, told};
use crate::domain::Refresh;
use crate::domain::flows::{COMPILED, is_on};
use crate::domain::graph::{Dialect, slots};
use crate::domain::names::{Names, is_labelled, text};
use crate::domain::orchestrations::{Recorded, is_published, old_catalogue, recorded};
use crate::domain::providers::Catalogue;
use crate::engine::{Failure, Known};
use crate::runbook::IomTable;

/// An orchestration that is published.
struct Published {
    name: String,
    graph: String,
    /// The ids that its recorded graph held and that were no action's even then.
    dangled: BTreeSet<Uuid>,
}

/// Judges the target's published orchestrations.
pub(super) fn ask(refresh: &Refresh, sight: &Sight, known: Option<&Known>) -> Vec<Finding> {
    let filled = Probe::new(
        "every slot of a published orchestration holds an action of an active provider",
        "open the orchestration in the designer, choose the newly created provider action in the \
         tile, save and publish",
    );
    let policies = Probe::new(
        "every policy that a published orchestration uses is published",
        "IOM app > Orchestrations > Policies: publish it",
    );
    let compiled = Probe::new(
        "the compiled flows of published orchestrations are on",
        "turn on in the maker portal what is off",
    )
    .if_failed(Cure::ByHand(
        "where one refuses, publish the orchestration again: that compiles its flows anew"
            .to_owned(),
    ));
    let published = published(refresh, sight, known);
    let published = published.as_deref().map_err(Clone::clone);
    vec![
        filled.settle(
            published
                .clone()
                .and_then(|list| Ok(slots_judged(&filled, list, told(&sight.catalogue)?))),
        ),
        policies.settle(published.clone().and_then(|list| {
            let rows = told(&sight.policies)?;
            Ok(policies_judged(&policies, list, rows, Names::of(refresh)))
        })),
        compiled.settle(
            published.and_then(|list| Ok(compiled_judged(&compiled, list, told(&sight.flows)?))),
        ),
    ]
}

fn published(
    refresh: &Refresh,
    sight: &Sight,
    known: Option<&Known>,
) -> Result<Vec<Published>, Failure> {
    let names = Names::of(refresh);
    let dangled = dangled(refresh, known)?;
    let mut found = Vec::new();
    for (id, row) in told(&sight.orchestrations)? {
        if !is_published(row) {
            continue;
        }
        found.push(Published {
            name: names.title(IomTable::Orchestration, row, *id),
            graph: names.text(row, "orchestration.graph")?.unwrap_or_default(),
            dangled: dangled.get(id).cloned().unwrap_or_default(),
        });
    }
    Ok(found)
}

/// What dangled in each orchestration when it was recorded: that is not the refresh's doing.
fn dangled(
    refresh: &Refresh,
    known: Option<&Known>,
) -> Result<BTreeMap<Uuid, BTreeSet<Uuid>>, Failure> {
    let Some(known) = known else {
        return Ok(BTreeMap::new());
    };
    let old = old_catalogue(refresh, known)?;
    let of = |recorded: Recorded| {
        let ids = recorded.dangling.iter().map(|dangling| dangling.id);
        (recorded.id, ids.collect())
    };
    Ok(recorded(refresh, known, &old)?
        .into_iter()
        .map(of)
        .collect())
}

fn slots_judged(probe: &Probe, published: &[Published], catalogue: &Catalogue) -> Finding {
    let actions = catalogue.action_names();
    let mut bad = Vec::new();
    let mut found = 0;
    for orchestration in published {
        let name = &orchestration.name;
        let slots = match slots(&orchestration.graph, &actions) {
            Ok(slots) => slots,
            Err(error) => {
                bad.push(format!("'{name}': {error}"));
                continue;
            }
        };
        for slot in &slots {
            let action = catalogue.actions.get(&slot.action);
            let provider = action
                .and_then(|action| action.provider)
                .and_then(|id| catalogue.providers.get(&id));
            let title = action.map(|action| action.name.clone()).unwrap_or_default();
            match provider {
                Some(provider) if provider.active => {}
                Some(provider) => bad.push(format!(
                    "'{name}', tile '{}': '{title}' is of '{}', which is not active",
                    slot.tile, provider.name
                )),
                None => bad.push(format!(
                    "'{name}', tile '{}': '{title}' is of no provider",
                    slot.tile
                )),
            }
        }
        found += slots.len();
    }
    let dialect = Dialect::learn(published.iter().map(|o| o.graph.as_str()), &actions);
    let mut before = Vec::new();
    for orchestration in published {
        // A graph that cannot be read is told above.
        let dangling = dialect.dangling(&orchestration.graph, &actions);
        for dangling in dangling.unwrap_or_default() {
            let seen = format!(
                "'{}', tile '{}': {} is no action's",
                orchestration.name, dangling.tile, dangling.id
            );
            if orchestration.dangled.contains(&dangling.id) {
                before.push(format!("{seen}, and was none's before the refresh"));
            } else {
                bad.push(seen);
            }
        }
    }
    if bad.is_empty() {
        let good = format!("{} slots of {} orchestrations", found, published.len());
        return probe.unless_any(&before, &good);
    }
    bad.extend(before);
    probe.fail(named(&bad))
}

/// A policy is used where its id stands, in whatever form the graph writes references.
fn policies_judged(
    probe: &Probe,
    published: &[Published],
    policies: &Rows,
    names: &Names,
) -> Finding {
    let graphs: Vec<String> = published
        .iter()
        .map(|orchestration| orchestration.graph.to_ascii_lowercase())
        .collect();
    let mut used = 0;
    let mut unpublished = Vec::new();
    for (id, row) in policies {
        if !graphs.iter().any(|graph| graph.contains(&id.to_string())) {
            continue;
        }
        used += 1;
        if !is_labelled(row, "statecode", "Published") {
            unpublished.push(format!("'{}'", names.title(IomTable::Policy, row, *id)));
        }
    }
    probe.none_of(&unpublished, &format!("{used} policies are used"))
}

/// A compiled flow has the name of a tile or a policy of the orchestration. Of several of one name,
/// those of drafts may be off; newer builds may compile otherwise.
fn compiled_judged(probe: &Probe, published: &[Published], flows: &Rows) -> Finding {
    let mut on: BTreeMap<String, bool> = BTreeMap::new();
    for row in flows.values() {
        let name = text(row, "name").unwrap_or_default();
        if let Some(part) = name.strip_prefix(COMPILED) {
            *on.entry(part.to_owned()).or_default() |= is_on(row);
        }
    }
    let mut off = BTreeSet::new();
    let mut without = Vec::new();
    for orchestration in published {
        let parts = names_in(&orchestration.graph);
        let compiled: Vec<(&String, &bool)> = on
            .iter()
            .filter(|(part, _)| parts.contains(*part))
            .collect();
        if compiled.is_empty() {
            without.push(format!(
                "no compiled flow is known of '{}'",
                orchestration.name
            ));
        }
        let idle = compiled.into_iter().filter(|(_, on)| !**on);
        off.extend(idle.map(|(part, _)| format!("'{part}' of '{}'", orchestration.name)));
    }
    let off: Vec<String> = off.into_iter().collect();
    if off.is_empty() {
        return probe.unless_any(&without, &count(published.len(), "orchestration"));
    }
    probe.none_of(&off, "")
}

/// Every name that stands in a graph.
fn names_in(graph: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Ok(value) = serde_json::from_str(graph) {
        collect(&value, &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if let (true, Some(name)) =
                    (key.to_ascii_lowercase().ends_with("name"), member.as_str())
                {
                    found.insert(name.to_owned());
                }
                collect(member, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
            if let Ok(inner) = serde_json::from_str(text) {
                collect(&inner, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;
    use crate::domain::providers::{Action, Provider};
    use serde_json::json;

    const PROVIDER: Uuid = Uuid::from_u128(0x10);
    const ACTION: Uuid = Uuid::from_u128(0x40);
    const GONE: Uuid = Uuid::from_u128(0x41);
    const POLICY: Uuid = Uuid::from_u128(0x50);

    fn published(action: Uuid, dangled: &[Uuid]) -> Published {
        let tiles = json!({"tiles": [
            {"name": "Fulfil", "action": {"id": ACTION, "name": "Send"}},
            {"name": "Bill", "action": {"id": action, "name": "Bill"}, "policy": POLICY}]});
        Published {
            name: "Order".to_owned(),
            graph: tiles.to_string(),
            dangled: dangled.iter().copied().collect(),
        }
    }

    fn catalogue(active: bool) -> Catalogue {
        let mut catalogue = Catalogue::default();
        let provider = Provider {
            id: PROVIDER,
            name: "F&O".to_owned(),
            definition: None,
            active,
        };
        catalogue.providers.insert(PROVIDER, provider);
        let action = Action {
            id: ACTION,
            name: "Send".to_owned(),
            provider: Some(PROVIDER),
            logic: None,
        };
        catalogue.actions.insert(ACTION, action);
        catalogue
    }

    fn probe() -> Probe {
        Probe::new("works", "publish")
    }

    #[test]
    fn a_slot_holds_an_action_of_an_active_provider() {
        let of = |published: Published, active| {
            slots_judged(&probe(), &[published], &catalogue(active)).verdict
        };
        assert_eq!(of(published(ACTION, &[]), true), Verdict::Pass);
        assert_eq!(of(published(ACTION, &[]), false), Verdict::Fail);
        assert_eq!(of(published(GONE, &[]), true), Verdict::Fail);
        assert_eq!(of(published(GONE, &[GONE]), true), Verdict::Unknown);
        let mut broken = published(ACTION, &[]);
        broken.graph = "{".to_owned();
        assert_eq!(of(broken, true), Verdict::Fail);
    }

    #[test]
    fn a_policy_that_is_used_is_published() {
        let of = |state: &str, id: Uuid| {
            let row = json!({"msdyn_name": "Filter",
                "statecode@OData.Community.Display.V1.FormattedValue": state});
            let rows = Rows::from([(id, row.as_object().unwrap().clone())]);
            policies_judged(
                &probe(),
                &[published(ACTION, &[])],
                &rows,
                &Names::default(),
            )
        };
        assert_eq!(of("Published", POLICY).verdict, Verdict::Pass);
        assert_eq!(of("Unpublished", POLICY).read, "'Filter'");
        assert_eq!(of("Unpublished", Uuid::from_u128(9)).verdict, Verdict::Pass);
    }

    #[test]
    fn compiled_flows_of_what_is_published_are_on() {
        let of = |flows: &[(&str, i64)]| {
            let row = |(n, (name, state)): (usize, &(&str, i64))| {
                let row = json!({"name": format!("{COMPILED}{name}"), "statecode": state});
                (Uuid::from_u128(n as u128), row.as_object().unwrap().clone())
            };
            let rows = flows.iter().enumerate().map(row).collect();
            compiled_judged(&probe(), &[published(ACTION, &[])], &rows)
        };
        assert_eq!(
            of(&[("Fulfil", 1), ("Draft's tile", 0)]).verdict,
            Verdict::Pass
        );
        assert_eq!(of(&[("Fulfil", 1), ("Fulfil", 0)]).verdict, Verdict::Pass);
        let off = of(&[("Fulfil", 1), ("Bill", 0)]);
        assert_eq!(
            (off.verdict, off.read.as_str()),
            (Verdict::Fail, "'Bill' of 'Order'")
        );
        assert_eq!(of(&[]).verdict, Verdict::Unknown);
    }
}
