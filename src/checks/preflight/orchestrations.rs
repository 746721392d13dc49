//! Can every orchestration be edited, and which ids dangle already?

use std::collections::BTreeMap;

use uuid::Uuid;

use super::snapshot::{Graph, Snapshot};
use crate::base::text::count;
use crate::checks::check::{Check, named};
use crate::checks::check_result::CheckResult;
use crate::checks::table_reads::available;
use crate::domain::RefreshContext;
use crate::domain::graph::{Dialect, Slot, count_places};
use crate::runbook::StepName;

/// Checks the source's orchestrations; nothing if step 5 is skipped.
pub(super) fn run_checks(refresh: &RefreshContext, snapshot: &Snapshot) -> Option<CheckResult> {
    if refresh.runbook.steps.detach_provider_actions.is_skipped() {
        return None;
    }
    let check = Check::protecting(
        StepName::DetachProviderActions,
        "every orchestration of the source can be edited",
        "orchestrations of the source cannot be edited",
        "open it in the designer and save it, or delete it, before the copy",
    );
    let answer = available(&snapshot.graphs).and_then(|graphs| {
        let actions = available(&snapshot.catalogue)?.action_names();
        Ok(judge(&check, graphs, &actions))
    });
    Some(check.settle(answer))
}

fn judge(check: &Check, graphs: &[Graph], actions: &BTreeMap<Uuid, String>) -> CheckResult {
    let mut unreadable = Vec::new();
    let mut loose = Vec::new();
    let mut found = 0;
    let dialect = Dialect::learn(graphs.iter().map(|graph| graph.text.as_str()), actions);
    for Graph {
        name, text, slots, ..
    } in graphs
    {
        let read = slots.as_ref().map_err(Clone::clone).and_then(|slots| {
            let places = count_places(slots.iter().map(Slot::place));
            Ok((places, dialect.dangling(text, actions)?))
        });
        match read {
            Ok((slots, dangling)) => {
                found += slots;
                loose.extend(
                    dangling
                        .iter()
                        .map(|d| format!("'{name}', tile '{}': {}", d.tile, d.id)),
                );
            }
            Err(error) => unreadable.push(format!("'{name}': {error}")),
        }
    }
    if !unreadable.is_empty() {
        return check.fail(named(&unreadable));
    }
    let mut read = format!(
        "{} with a graph, {found} slots with provider actions",
        count(graphs.len(), "orchestration"),
    );
    if !loose.is_empty() {
        read += &format!(
            "; dangling before the refresh, left unchanged: {}",
            named(&loose)
        );
    }
    check.pass(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::graph::slots;
    use crate::domain::verdict::Verdict;

    #[test]
    fn a_graph_that_cannot_be_edited_fails_and_a_dangling_slot_is_shown() {
        let known = "20000000-0000-4000-8000-000000000101";
        let gone = "20000000-0000-4000-8000-000000009999";
        let actions = BTreeMap::from([(Uuid::try_parse(known).unwrap(), "Send".to_owned())]);
        let graph =
            |id: &str| format!(r#"{{"name":"Fulfil","action":{{"id":"{id}","name":"Send"}}}}"#);
        let check = Check::new("editable", "a problem", "open it");
        let of = |name: &str, text: String| Graph {
            id: Uuid::nil(),
            name: name.to_owned(),
            slots: slots(&text, &actions),
            text,
        };
        let good = [of("Order", graph(known)), of("Returns", graph(gone))];
        let result = judge(&check, &good, &actions);
        assert_eq!(result.verdict, Verdict::Pass);
        assert!(
            result
                .found
                .contains(&format!("'Returns', tile 'Fulfil': {gone}")),
            "{}",
            result.found
        );
        let bad = [of("Order", "{".to_owned())];
        let result = judge(&check, &bad, &actions);
        assert_eq!(result.verdict, Verdict::Fail);
        assert!(result.found.starts_with("'Order': "), "{}", result.found);
    }
}
