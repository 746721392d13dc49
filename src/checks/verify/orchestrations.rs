//! Do the orchestrations work that the source has: slots, policies, compiled flows?

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::remaining_changes;
use super::snapshot::Snapshot;
use crate::base::text::count;
use crate::checks::check::{Check, Remedy, named};
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{Rows, available};
use crate::domain::RefreshContext;
use crate::domain::flows::{COMPILED, is_on};
use crate::domain::graph::{self, Dialect, Slot, slots};
use crate::domain::lost_orchestrations::lost_orchestrations;
use crate::domain::names::{Names, text};
use crate::domain::providers::Catalogue;
use crate::domain::publication::is_published;
use crate::domain::sealed_orchestrations::{
    RecordedOrchestration, old_catalogue, recorded_orchestrations,
};
use crate::engine::{Failure, JournalView};
use crate::runbook::{IomColumn, IomTable, Keyword as _, StepName};

/// An orchestration that is published.
struct Published {
    name: String,
    graph: String,
    /// The ids in its recorded graph that belonged to no action even then.
    dangled: BTreeSet<Uuid>,
}

/// Checks the target's published orchestrations, and with a journal those that the source has.
pub(super) fn run_checks(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
    journal: Option<&JournalView>,
) -> Vec<CheckResult> {
    let filled = Check::new(
        "every slot of a published orchestration holds an action of an active provider",
        "slots of published orchestrations hold no action of an active provider",
        "open the orchestration in the designer, choose the newly created provider action in the \
         tile, save and publish",
    );
    let policies = Check::new(
        "every policy that a published orchestration uses is published",
        "policies that published orchestrations use are not published",
        "IOM app > Orchestrations > Policies: publish it",
    );
    let compiled = Check::new(
        "the flows that publishing an orchestration generates are on",
        "flows that publishing an orchestration generated are off",
        "turn on in the maker portal what is off",
    )
    .if_failed(Remedy::ByHand(
        "if one refuses, publish the orchestration again: that generates its flows again"
            .to_owned(),
    ));
    let published = published(refresh, snapshot, journal);
    let published = published.as_deref().map_err(Clone::clone);
    let mut results = vec![
        filled.settle(
            published
                .clone()
                .and_then(|list| Ok(judge_slots(&filled, list, available(&snapshot.catalogue)?))),
        ),
        policies.settle(published.clone().and_then(|list| {
            let rows = available(&snapshot.policies)?;
            Ok(judge_policies(&policies, list, rows, &refresh.names))
        })),
        compiled.settle(
            published
                .and_then(|list| Ok(judge_compiled(&compiled, list, available(&snapshot.flows)?))),
        ),
    ];
    results.extend(journal.map(|journal| check_source(refresh, snapshot, journal)));
    results
}

/// Checks that every orchestration of the source works in the target: one that was emptied and is
/// not published any more passes every check of what is published now.
fn check_source(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
    journal: &JournalView,
) -> CheckResult {
    let step = StepName::RestoreProviderActions.keyword();
    let check = Check::new(
        "every orchestration of the source has its provider actions, and is published if it was",
        "orchestrations of the source have lost their provider actions, or are not published",
        remaining_changes::remedy(refresh, journal, step),
    );
    let judge = || {
        let rows = available(&snapshot.orchestrations)?;
        let actions = available(&snapshot.catalogue)?.action_names();
        let found = lost_orchestrations(refresh, journal, rows, &actions)?;
        let good = count(rows.len(), "orchestration");
        Ok(check.fail_or_warn(&found.lost, &found.excepted, &good))
    };
    check.settle(judge())
}

fn published(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
    journal: Option<&JournalView>,
) -> Result<Vec<Published>, Failure> {
    let dangled = dangled(refresh, journal)?;
    let rows = available(&snapshot.orchestrations)?;
    published_among(&refresh.names, rows, &dangled)
}

fn published_among(
    names: &Names,
    rows: &Rows,
    dangled: &BTreeMap<Uuid, BTreeSet<Uuid>>,
) -> Result<Vec<Published>, Failure> {
    let mut found = Vec::new();
    for (id, row) in rows.iter().filter(|(_, row)| is_published(row)) {
        found.push(Published {
            name: names.title(IomTable::Orchestration, row, *id),
            graph: names
                .text(row, IomColumn::OrchestrationGraph)?
                .unwrap_or_default(),
            dangled: dangled.get(id).cloned().unwrap_or_default(),
        });
    }
    Ok(found)
}

/// The dangling ids that each orchestration had when it was recorded: the refresh did not cause
/// them.
fn dangled(
    refresh: &RefreshContext,
    journal: Option<&JournalView>,
) -> Result<BTreeMap<Uuid, BTreeSet<Uuid>>, Failure> {
    let Some(journal) = journal else {
        return Ok(BTreeMap::new());
    };
    let old = old_catalogue(&refresh.names, journal)?;
    let of = |recorded: RecordedOrchestration| {
        let ids = recorded.dangling.iter().map(|dangling| dangling.id);
        (recorded.id, ids.collect())
    };
    Ok(recorded_orchestrations(&refresh.names, journal, &old)?
        .into_iter()
        .map(of)
        .collect())
}

fn judge_slots(check: &Check, published: &[Published], catalogue: &Catalogue) -> CheckResult {
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
                    "'{name}', tile '{}': '{title}' belongs to '{}', which is not active",
                    slot.tile, provider.name
                )),
                None => bad.push(format!(
                    "'{name}', tile '{}': '{title}' belongs to no provider",
                    slot.tile
                )),
            }
        }
        found += graph::count_places(slots.iter().map(Slot::place));
    }
    let dialect = Dialect::learn(published.iter().map(|o| o.graph.as_str()), &actions);
    let mut before = Vec::new();
    for orchestration in published {
        // A graph that cannot be read is reported above.
        let dangling = dialect.dangling(&orchestration.graph, &actions);
        for dangling in dangling.unwrap_or_default() {
            let seen = format!(
                "'{}', tile '{}': {} belongs to no action",
                orchestration.name, dangling.tile, dangling.id
            );
            if orchestration.dangled.contains(&dangling.id) {
                before.push(format!("{seen}, and belonged to none before the refresh"));
            } else {
                bad.push(seen);
            }
        }
    }
    if bad.is_empty() {
        let good = format!("{} slots of {} orchestrations", found, published.len());
        return check.warn_of(&before, &good);
    }
    bad.extend(before);
    check.fail(named(&bad))
}

/// A policy is used by a graph that contains its id, in any form of a reference.
fn judge_policies(
    check: &Check,
    published: &[Published],
    policies: &Rows,
    names: &Names,
) -> CheckResult {
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
        if !is_published(row) {
            unpublished.push(format!("'{}'", names.title(IomTable::Policy, row, *id)));
        }
    }
    check.none_of(&unpublished, &format!("{used} policies are used"))
}

/// A compiled flow has the name of a tile or a policy of the orchestration. Of several flows with
/// one name, those of drafts may be off. Newer builds may compile differently.
fn judge_compiled(check: &Check, published: &[Published], flows: &Rows) -> CheckResult {
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
        let parts = graph::names(&orchestration.graph);
        let compiled: Vec<(&String, &bool)> = on
            .iter()
            .filter(|(part, _)| parts.contains(*part))
            .collect();
        if compiled.is_empty() {
            without.push(format!(
                "no compiled flow of '{}' is found",
                orchestration.name
            ));
        }
        let idle = compiled.into_iter().filter(|(_, on)| !**on);
        off.extend(idle.map(|(part, _)| format!("'{part}' of '{}'", orchestration.name)));
    }
    let off: Vec<String> = off.into_iter().collect();
    if off.is_empty() {
        return check.warn_of(&without, &count(published.len(), "orchestration"));
    }
    check.none_of(&off, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::providers::{Provider, ProviderAction};
    use crate::domain::publication::labelled;
    use crate::domain::verdict::Verdict;
    use crate::runbook::Iom;
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
        let action = ProviderAction {
            id: ACTION,
            name: "Send".to_owned(),
            provider: Some(PROVIDER),
            logic: None,
        };
        catalogue.actions.insert(ACTION, action);
        catalogue
    }

    fn check() -> Check {
        Check::new("works", "a problem", "publish")
    }

    #[test]
    fn a_slot_holds_an_action_of_an_active_provider() {
        let of = |published: Published, active| {
            judge_slots(&check(), &[published], &catalogue(active)).verdict
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
            judge_policies(
                &check(),
                &[published(ACTION, &[])],
                &rows,
                &Names::default(),
            )
        };
        assert_eq!(of("Published", POLICY).verdict, Verdict::Pass);
        assert_eq!(of("Unpublished", POLICY).found, "'Filter'");
        assert_eq!(of("Unpublished", Uuid::from_u128(9)).verdict, Verdict::Pass);
    }

    #[test]
    fn a_row_that_is_published_by_status_alone_counts_as_published() {
        let names = Names::unchecked(&Iom::default());
        let rows = Rows::from([
            (POLICY, labelled("Active", "Published")),
            (GONE, labelled("Active", "Draft")),
        ]);
        let found = published_among(&names, &rows, &BTreeMap::new()).unwrap();
        let found: Vec<String> = found.into_iter().map(|one| one.name).collect();
        assert_eq!(found, [POLICY.to_string()]);
        let policies = judge_policies(&check(), &[published(ACTION, &[])], &rows, &names);
        assert_eq!(policies.verdict, Verdict::Pass);
    }

    #[test]
    fn compiled_flows_are_found_by_display_names_too() {
        let graph = json!({"tiles": [{"displayName": "Ship"}]}).to_string();
        let orchestration = Published {
            name: "Order".to_owned(),
            graph,
            dangled: BTreeSet::new(),
        };
        let row = json!({"name": format!("{COMPILED}Ship"), "statecode": 0});
        let rows = Rows::from([(ACTION, row.as_object().unwrap().clone())]);
        let off = judge_compiled(&check(), &[orchestration], &rows);
        assert_eq!(
            (off.verdict, off.found.as_str()),
            (Verdict::Fail, "'Ship' of 'Order'")
        );
    }

    #[test]
    fn compiled_flows_of_what_is_published_are_on() {
        let of = |flows: &[(&str, i64)]| {
            let row = |(n, (name, state)): (usize, &(&str, i64))| {
                let row = json!({"name": format!("{COMPILED}{name}"), "statecode": state});
                (Uuid::from_u128(n as u128), row.as_object().unwrap().clone())
            };
            let rows = flows.iter().enumerate().map(row).collect();
            judge_compiled(&check(), &[published(ACTION, &[])], &rows)
        };
        assert_eq!(
            of(&[("Fulfil", 1), ("Draft's tile", 0)]).verdict,
            Verdict::Pass
        );
        assert_eq!(of(&[("Fulfil", 1), ("Fulfil", 0)]).verdict, Verdict::Pass);
        let off = of(&[("Fulfil", 1), ("Bill", 0)]);
        assert_eq!(
            (off.verdict, off.found.as_str()),
            (Verdict::Fail, "'Bill' of 'Order'")
        );
        assert_eq!(of(&[]).verdict, Verdict::Unknown);
    }
}
