//! Orchestrations as the seal recorded them, and as steps 5 and 7 compare them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::graph::{self, Content, Dangling, Dialect, Slot};
use super::names::Names;
use super::providers::Catalogue;
use super::publication::{is_published, publication_state};
use super::seals::{self, Part};
use crate::clients::Row;
use crate::engine::{Failure, JournalView, Reading};
use crate::runbook::{IomColumn, IomTable, Word as _};

/// An orchestration as the seal recorded it.
#[derive(Clone)]
pub(crate) struct RecordedOrchestration {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) published: bool,
    /// The text of its graph.
    pub(crate) graph: String,
    /// Where it holds an action of an old provider.
    pub(crate) slots: Vec<Slot>,
    /// Where it holds an id that no action has.
    pub(crate) dangling: Vec<Dangling>,
}

/// How this tenant writes its graphs, learned from those that are sealed.
pub(crate) fn learn_dialect(
    names: &Names,
    journal: &JournalView,
    old: &Catalogue,
) -> Result<Dialect, Failure> {
    let mut graphs = Vec::new();
    for (_, row) in seals::rows(
        journal,
        Part::Orchestrations,
        IomTable::Orchestration.word(),
    ) {
        graphs.extend(names.text(&row, IomColumn::OrchestrationGraph)?);
    }
    let graphs = graphs.iter().map(String::as_str);
    Ok(Dialect::learn(graphs, &old.action_names()))
}

/// Every orchestration of the seal with its slots.
pub(crate) fn recorded_orchestrations(
    names: &Names,
    journal: &JournalView,
    old: &Catalogue,
) -> Result<Vec<RecordedOrchestration>, Failure> {
    let actions = old.action_names();
    let dialect = learn_dialect(names, journal, old)?;
    // An action of a provider that is not reinstalled exists, so its id does not dangle.
    let all = Catalogue::sealed_whole(names, journal, Part::Orchestrations)?.action_names();
    seals::rows(
        journal,
        Part::Orchestrations,
        IomTable::Orchestration.word(),
    )
    .into_iter()
    .map(|(id, row)| {
        let name = names.title(IomTable::Orchestration, &row, id);
        let graph = names
            .text(&row, IomColumn::OrchestrationGraph)?
            .unwrap_or_default();
        let slots = find_slots(&name, &graph, &actions)?;
        Ok(RecordedOrchestration {
            id,
            published: is_published(&row),
            slots,
            dangling: find_dangling(&name, &graph, &dialect, &all)?,
            name,
            graph,
        })
    })
    .collect()
}

pub(crate) fn find_dangling(
    name: &str,
    graph: &str,
    dialect: &Dialect,
    actions: &BTreeMap<Uuid, String>,
) -> Result<Vec<Dangling>, Failure> {
    if graph.trim().is_empty() {
        return Ok(Vec::new());
    }
    dialect
        .dangling(graph, actions)
        .map_err(|error| unreadable_graph(name, &error))
}

pub(crate) fn find_slots(
    name: &str,
    text: &str,
    actions: &BTreeMap<Uuid, String>,
) -> Result<Vec<Slot>, Failure> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    graph::slots(text, actions).map_err(|error| unreadable_graph(name, &error))
}

pub(crate) fn unreadable_graph(name: &str, error: &graph::GraphError) -> Failure {
    Failure::failed(format!("orchestration '{name}': {error}"))
        .with_help("open it in the designer, save it, then run again")
        .permanent()
}

/// The catalogue that the second seal holds.
pub(crate) fn old_catalogue(names: &Names, journal: &JournalView) -> Result<Catalogue, Failure> {
    Catalogue::sealed(names, journal, Part::Orchestrations)
}

/// An orchestration's state as stopping and publishing compare it.
pub(crate) fn state_of(row: Option<&Row>) -> Reading {
    Reading::of(row.map_or(
        Value::Null,
        |row| json!({ "state": publication_state(&row.value) }),
    ))
}

/// What a graph holds: a value for each slot, by pointer, and the dangling ids, which stay.
pub(crate) fn graph_values(
    slots: &[Slot],
    dangling: &[Dangling],
    value: impl Fn(&Slot) -> Value,
) -> Value {
    let values: Map<String, Value> = slots
        .iter()
        .map(|slot| (slot.pointer.clone(), value(slot)))
        .collect();
    if dangling.is_empty() {
        return json!({ "slots": values });
    }
    let left: Map<String, Value> = dangling
        .iter()
        .map(|dangling| {
            (
                dangling.pointer.clone(),
                Value::from(describe_dangling(dangling)),
            )
        })
        .collect();
    json!({ "slots": values, "dangling": left })
}

/// A dangling id in words.
pub(crate) fn describe_dangling(dangling: &Dangling) -> String {
    match &dangling.name {
        Some(name) => format!("{} '{name}', no provider's action", dangling.id),
        None => format!("{}, no provider's action", dangling.id),
    }
}

/// What the slots of a graph hold now, in words where the action is known, with the graph's text
/// as the basis of an edit. A dangling id that has moved is left out.
pub(crate) fn read_slots(
    row: Option<&Row>,
    column: &str,
    slots: &[Slot],
    dangling: &[Dangling],
    described: impl Fn(&Slot, Uuid) -> Option<String>,
) -> Reading {
    let Some(graph) = row.and_then(|row| row.string(column)) else {
        return Reading::of(Value::Null);
    };
    let still: Vec<Dangling> = dangling
        .iter()
        .filter(|dangling| graph::still_holds(graph, dangling))
        .cloned()
        .collect();
    let value = graph_values(slots, &still, |slot| match graph::content(graph, slot) {
        Ok(Content::Empty) => Value::Null,
        Ok(Content::Id(id)) => Value::from(described(slot, id).unwrap_or_else(|| id.to_string())),
        Ok(Content::Other(other)) => Value::from(other),
        Err(error) => Value::from(error.to_string()),
    });
    Reading {
        value,
        etag: None,
        basis: Value::from(graph),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::publication::labelled;
    use crate::engine::ListedRow;
    use crate::runbook::Iom;

    #[test]
    fn an_orchestration_that_is_published_by_its_status_alone_is_recorded_as_published() {
        let capture = |number: u128, status: &str| {
            let table = IomTable::Orchestration.word();
            ListedRow {
                key: Part::Orchestrations.key(&format!("{table}/{}", Uuid::from_u128(number))),
                etag: None,
                text: Value::Object(labelled("Active", status)).to_string(),
                compared: None,
            }
        };
        let rows = vec![capture(1, "Published"), capture(2, "Draft")];
        let journal = JournalView::empty().with_assumed(seals::ORCHESTRATIONS, rows);
        let names = Names::unchecked(&Iom::default());
        let found = recorded_orchestrations(&names, &journal, &Catalogue::default()).unwrap();
        let published: Vec<bool> = found.iter().map(|one| one.published).collect();
        assert_eq!(published, [true, false]);
    }
}
