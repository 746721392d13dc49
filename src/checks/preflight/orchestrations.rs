//! Can every orchestration be edited, and which slots dangle already?

use std::collections::BTreeMap;

use uuid::Uuid;

use super::sight::Sight;
use crate::checks::finding::{Finding, Probe, named};
use crate::checks::reading::told;
use crate::domain::Refresh;
use crate::domain::graph::{Dialect, slots};
use crate::domain::names::Names;
use crate::runbook::IomTable;

/// An orchestration: its name and its graph.
type Graph = (String, String);

/// Judges the source's orchestrations; nothing where step 5 is skipped.
pub(super) fn ask(refresh: &Refresh, sight: &Sight) -> Option<Finding> {
    if refresh.runbook.steps.detach_provider_actions.skip.is_some() {
        return None;
    }
    let probe = Probe::new(
        "every orchestration of the source can be edited",
        "open it in the designer and save it, or delete it, before the copy",
    );
    let names = Names::of(refresh);
    let answer = told(&sight.orchestrations).and_then(|rows| {
        let actions = told(&sight.catalogue)?.action_names();
        let mut graphs = Vec::new();
        for (id, row) in rows {
            let name = names.title(IomTable::Orchestration, row, *id);
            let graph = names.text(row, "orchestration.graph")?;
            // An orchestration that nobody has drawn yet holds no graph.
            let graph = graph.filter(|graph| !graph.trim().is_empty());
            graphs.extend(graph.map(|graph| (name, graph)));
        }
        Ok(judged(&probe, &graphs, &actions))
    });
    Some(probe.settle(answer))
}

fn judged(probe: &Probe, graphs: &[Graph], actions: &BTreeMap<Uuid, String>) -> Finding {
    let mut unreadable = Vec::new();
    let mut loose = Vec::new();
    let mut found = 0;
    let dialect = Dialect::learn(graphs.iter().map(|(_, graph)| graph.as_str()), actions);
    for (name, graph) in graphs {
        let read = slots(graph, actions)
            .and_then(|slots| Ok((slots.len(), dialect.dangling(graph, actions)?)));
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
        return probe.fail(named(&unreadable));
    }
    let mut read = format!(
        "{} orchestrations, {} slots with provider actions",
        graphs.len(),
        found
    );
    if !loose.is_empty() {
        read += &format!(
            "; dangling already, and left as they are: {}",
            named(&loose)
        );
    }
    probe.pass(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;

    #[test]
    fn what_cannot_be_edited_fails_and_what_dangles_is_told() {
        let known = "20000000-0000-4000-8000-000000000101";
        let gone = "20000000-0000-4000-8000-000000009999";
        let actions = BTreeMap::from([(Uuid::try_parse(known).unwrap(), "Send".to_owned())]);
        let graph =
            |id: &str| format!(r#"{{"name":"Fulfil","action":{{"id":"{id}","name":"Send"}}}}"#);
        let probe = Probe::new("editable", "open it");
        let good = [
            ("Order".to_owned(), graph(known)),
            ("Returns".to_owned(), graph(gone)),
        ];
        let finding = judged(&probe, &good, &actions);
        assert_eq!(finding.verdict, Verdict::Pass);
        assert!(
            finding
                .read
                .contains(&format!("'Returns', tile 'Fulfil': {gone}")),
            "{}",
            finding.read
        );
        let bad = [("Order".to_owned(), "{".to_owned())];
        let finding = judged(&probe, &bad, &actions);
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.read.starts_with("'Order': "), "{}", finding.read);
    }
}
