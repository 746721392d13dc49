//! Has another run left the target unfinished? Then the target does not hold its own settings, and
//! a capture would record the source's settings as the target's. Where the runbook skips the copy,
//! the same traces show that somebody made it already, and perhaps captured nothing before.
//!
//! A copy brings the source's providers under their ids; step 6 gives every provider a new id. So
//! an id that both environments have is of a copy whose run has not reached step 6. Step 5 empties
//! the slots of provider actions, and step 7 fills them again.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::snapshot::{Graph, Snapshot};
use crate::base::text::count;
use crate::checks::check::{Check, named};
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::{Rows, available};
use crate::domain::environments::UNFINISHED_RUN;
use crate::domain::graph::{Content, content};
use crate::domain::own_settings::UNCAPTURED;
use crate::domain::providers::Catalogue;
use crate::domain::verdict::Verdict;
use crate::domain::{OwnSettings, RefreshContext};
use crate::engine::{Failure, FailureKind};
use crate::runbook::{IomColumn, IomTable, StepName};

/// Checks the target's providers and orchestrations; nothing if step 6 is skipped, and if the user
/// accepts what is found.
pub(super) fn run_checks(refresh: &RefreshContext, snapshot: &Snapshot) -> Vec<CheckResult> {
    let steps = &refresh.runbook.steps;
    if steps.copy_environments.is_skipped() {
        let mut results = Vec::from_iter(uncaptured(refresh, snapshot));
        if refresh.own_settings == OwnSettings::InTarget {
            results.extend(without_actions(refresh, snapshot));
        }
        return results;
    }
    if steps.reinstall_providers.is_skipped() || refresh.own_settings != OwnSettings::InTarget {
        return Vec::new();
    }
    let providers = Check::protecting(
        StepName::CopyEnvironments,
        "no unfinished run has left the source's providers in the target",
        "an unfinished run has left the source's providers in the target",
        UNFINISHED_RUN,
    );
    let source = available(&snapshot.catalogue);
    let answer = source.and_then(|source| {
        Ok(copied(
            &providers,
            source,
            available(&snapshot.target.catalogue)?,
        ))
    });
    let mut results = vec![providers.settle(answer)];
    results.extend(without_actions(refresh, snapshot));
    results
}

/// Nothing if step 5 is skipped.
fn without_actions(refresh: &RefreshContext, snapshot: &Snapshot) -> Option<CheckResult> {
    if refresh.runbook.steps.detach_provider_actions.is_skipped() {
        return None;
    }
    let check = Check::protecting(
        StepName::CopyEnvironments,
        "no unfinished run has left the target's orchestrations without actions",
        "an unfinished run has left orchestrations of the target without actions",
        UNFINISHED_RUN,
    );
    Some(check.settle(detached(refresh, snapshot, &check)))
}

/// Did somebody copy over the target, so that its own settings are unknown? Without a proof that nobody
/// did, only the user can accept that; nothing if a capture is given.
fn uncaptured(refresh: &RefreshContext, snapshot: &Snapshot) -> Option<CheckResult> {
    if refresh.own_settings == OwnSettings::Captured {
        return None;
    }
    let check = Check::protecting(
        StepName::ExitAdministrationMode,
        "the target is no copy of the source whose own settings nobody captured",
        UNCAPTURED,
        UNCAPTURED_COPY,
    );
    let both = available(&snapshot.catalogue)
        .and_then(|source| Ok((source, available(&snapshot.target.catalogue)?)));
    let result = match both {
        Ok((source, target)) => no_copy(&check, source, target),
        Err(failure) if failure.kind == FailureKind::Temporary => {
            return Some(check.unread(failure));
        }
        Err(failure) => check.fail(format!(
            "nothing shows that it is none: {}",
            failure.message
        )),
    };
    let is_accepted = refresh.own_settings == OwnSettings::GivenUp;
    Some(match result.verdict {
        Verdict::Fail if is_accepted => check.warn(result.found),
        _ => result,
    })
}

/// Passes if the providers show that the target is no copy of the source.
fn no_copy(check: &Check, source: &Catalogue, target: &Catalogue) -> CheckResult {
    if source.providers.is_empty() {
        return check.fail("the source has no provider, so nothing shows that it is none");
    }
    copied(check, source, target)
}

/// What to do about a copy whose target nobody captured.
const UNCAPTURED_COPY: &str = "run with --from-capture and the sealed copy of a seal 'before-copy' that was made \
     before that copy; or restore a backup of the target from before it (admin center > Backups) and \
     remove `skip` of copy-environments; or accept with --abandon-captures that the target's own \
     settings are lost: environment variables then keep production's values until a person changes \
     them";

fn copied(check: &Check, source: &Catalogue, target: &Catalogue) -> CheckResult {
    let both = source
        .providers
        .keys()
        .filter_map(|id| target.providers.get(id));
    let both: Vec<String> = both
        .map(|provider| {
            format!(
                "provider '{}' has the id that it has in the source",
                provider.name
            )
        })
        .collect();
    check.none_of(&both, &count(target.providers.len(), "provider"))
}

fn detached(
    refresh: &RefreshContext,
    snapshot: &Snapshot,
    check: &Check,
) -> Result<CheckResult, Failure> {
    let source = available(&snapshot.graphs)?;
    let target = graphs(refresh, available(&snapshot.target.orchestrations)?)?;
    Ok(emptied(check, source, &target))
}

/// An orchestration's name and graph, by id.
type Graphs = BTreeMap<Uuid, (String, String)>;

fn graphs(refresh: &RefreshContext, rows: &Rows) -> Result<Graphs, Failure> {
    let names = &refresh.names;
    let mut graphs = Graphs::new();
    for (id, row) in rows {
        let name = names.title(IomTable::Orchestration, row, *id);
        let graph = names.text(row, IomColumn::OrchestrationGraph)?;
        let graph = graph.filter(|graph| !graph.trim().is_empty());
        graphs.extend(graph.map(|graph| (*id, (name, graph))));
    }
    Ok(graphs)
}

/// Fails if every slot that holds an action in the source is empty in the same orchestration of
/// the target: a person may have emptied some of them, and does not empty all.
fn emptied(check: &Check, source: &[Graph], target: &Graphs) -> CheckResult {
    let mut empty = BTreeSet::new();
    let mut filled = 0;
    for (id, (name, graph)) in target {
        let Some(before) = source.iter().find(|graph| graph.id == *id) else {
            continue;
        };
        // Another check reports a graph that cannot be read.
        for slot in before.slots.as_deref().unwrap_or_default() {
            match content(graph, slot) {
                Ok(Content::Empty) => {
                    empty.insert(format!("'{name}', tile '{}': no action", slot.tile));
                }
                _ => filled += 1,
            }
        }
    }
    if filled == 0 && !empty.is_empty() {
        return check.fail(named(&Vec::from_iter(empty)));
    }
    check.pass(count(filled, "filled slot"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::graph::slots;
    use crate::domain::providers::Provider;

    fn catalogue(ids: &[u128]) -> Catalogue {
        let provider = |id: &u128| {
            let id = Uuid::from_u128(*id);
            let provider = Provider {
                id,
                name: "BigCommerce".to_owned(),
                definition: None,
                active: true,
            };
            (id, provider)
        };
        Catalogue {
            providers: ids.iter().map(provider).collect(),
            ..Catalogue::default()
        }
    }

    #[test]
    fn a_provider_with_the_sources_id_is_a_trace() {
        let check = Check::new("none", "a problem", UNFINISHED_RUN);
        let trace = copied(&check, &catalogue(&[1, 2]), &catalogue(&[2, 3]));
        assert_eq!(trace.verdict, Verdict::Fail);
        assert!(trace.found.contains("BigCommerce"), "{}", trace.found);
        // Different ids, or no providers in one or both of them: no sign of another run.
        for (source, target) in [
            (&[1, 2][..], &[3][..]),
            (&[], &[3]),
            (&[1], &[]),
            (&[], &[]),
        ] {
            let result = copied(&check, &catalogue(source), &catalogue(target));
            assert_eq!(result.verdict, Verdict::Pass, "{source:?} {target:?}");
        }
    }

    #[test]
    fn only_providers_with_other_ids_show_that_a_target_is_no_copy() {
        let check = Check::new("none", UNCAPTURED, UNCAPTURED_COPY);
        for (source, target, verdict) in [
            (&[1, 2][..], &[1, 2][..], Verdict::Fail),
            (&[1, 2], &[2, 3], Verdict::Fail),
            (&[], &[3], Verdict::Fail),
            (&[1, 2], &[3], Verdict::Pass),
            (&[1, 2], &[], Verdict::Pass),
        ] {
            let result = no_copy(&check, &catalogue(source), &catalogue(target));
            assert_eq!(result.verdict, verdict, "{source:?} {target:?}");
        }
    }

    #[test]
    fn slots_are_a_trace_only_where_all_are_empty() {
        let check = Check::new("none", "a problem", UNFINISHED_RUN);
        let action = Uuid::from_u128(7);
        let actions = BTreeMap::from([(action, "Send".to_owned())]);
        let graph = |one: &str, two: &str| {
            let text = format!(
                r#"{{"tiles":[{{"name":"a","action":"{one}"}},{{"name":"b","action":"{two}"}}]}}"#
            );
            BTreeMap::from([(Uuid::from_u128(1), ("Orders".to_owned(), text))])
        };
        let (old, new) = (action.to_string(), Uuid::from_u128(8).to_string());
        let text = graph(&old, &old).remove(&Uuid::from_u128(1)).unwrap().1;
        let source = [Graph {
            id: Uuid::from_u128(1),
            name: "Orders".to_owned(),
            slots: slots(&text, &actions),
            text,
        }];
        let all = emptied(&check, &source, &graph("", ""));
        assert_eq!(all.verdict, Verdict::Fail);
        assert!(all.found.contains("'Orders', tile 'a'"), "{}", all.found);
        let some = emptied(&check, &source, &graph("", &new));
        assert_eq!(some.verdict, Verdict::Pass);
        let none = emptied(&check, &source, &Graphs::new());
        assert_eq!(none.verdict, Verdict::Pass);
    }
}
