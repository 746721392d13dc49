//! Orchestrations as the seal recorded them, and as steps 5 and 7 compare them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::graph::{self, Content, Dangling, Dialect, Slot};
use super::names::{Fields, Names, is_labelled, label};
use super::providers::Catalogue;
use super::{Refresh, seals};
use crate::clients::Row;
use crate::engine::{Failure, Known, Reading};
use crate::runbook::IomTable;

/// An orchestration as the seal recorded it.
#[derive(Clone)]
pub(crate) struct Recorded {
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

/// Is it published?
pub(crate) fn is_published(row: &Fields) -> bool {
    is_labelled(row, "statecode", "Published")
}

/// How this tenant writes its graphs, learned from those that are sealed.
pub(crate) fn dialect(
    refresh: &Refresh,
    known: &Known,
    old: &Catalogue,
) -> Result<Dialect, Failure> {
    let names = Names::of(refresh);
    let mut graphs = Vec::new();
    for (_, row) in seals::rows(known, seals::ORCHESTRATIONS, "orchestration") {
        graphs.extend(names.text(&row, "orchestration.graph")?);
    }
    let graphs = graphs.iter().map(String::as_str);
    Ok(Dialect::learn(graphs, &old.action_names()))
}

/// Every orchestration of the seal with its slots.
pub(crate) fn recorded(
    refresh: &Refresh,
    known: &Known,
    old: &Catalogue,
) -> Result<Vec<Recorded>, Failure> {
    let names = Names::of(refresh);
    let actions = old.action_names();
    let dialect = dialect(refresh, known, old)?;
    // An action of a provider that is not reinstalled again is there, and nothing holds it in vain.
    let all = Catalogue::sealed_whole(refresh, known, seals::ORCHESTRATIONS, "")?.action_names();
    seals::rows(known, seals::ORCHESTRATIONS, "orchestration")
        .into_iter()
        .map(|(id, row)| {
            let name = names.title(IomTable::Orchestration, &row, id);
            let graph = names.text(&row, "orchestration.graph")?.unwrap_or_default();
            let slots = slots_of(&name, &graph, &actions)?;
            Ok(Recorded {
                id,
                published: is_published(&row),
                slots,
                dangling: dangling_of(&name, &graph, &dialect, &all)?,
                name,
                graph,
            })
        })
        .collect()
}

pub(crate) fn dangling_of(
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
        .map_err(|error| unreadable(name, &error))
}

pub(crate) fn slots_of(
    name: &str,
    text: &str,
    actions: &BTreeMap<Uuid, String>,
) -> Result<Vec<Slot>, Failure> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    graph::slots(text, actions).map_err(|error| unreadable(name, &error))
}

pub(crate) fn unreadable(name: &str, error: &graph::GraphError) -> Failure {
    Failure::failed(format!("orchestration '{name}': {error}"))
        .with_help("open it in the designer, save it, then run again")
        .lasting()
}

/// The catalogue that the second seal holds.
pub(crate) fn old_catalogue(refresh: &Refresh, known: &Known) -> Result<Catalogue, Failure> {
    Catalogue::sealed(refresh, known, seals::ORCHESTRATIONS, "")
}

/// An orchestration's state as stopping and publishing compare it.
pub(crate) fn state_of(row: Option<&Row>) -> Reading {
    Reading::of(row.map_or(
        Value::Null,
        |row| json!({ "state": label(&row.value, "statecode") }),
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
        .map(|dangling| (dangling.pointer.clone(), Value::from(told(dangling))))
        .collect();
    json!({ "slots": values, "dangling": left })
}

/// A dangling id as it is told.
pub(crate) fn told(dangling: &Dangling) -> String {
    match &dangling.name {
        Some(name) => format!("{} '{name}', no provider's action", dangling.id),
        None => format!("{}, no provider's action", dangling.id),
    }
}

/// What the slots of a graph hold now, in words where the action is known, with the graph's text
/// as the basis of an edit. Dangling ids that are not where they were are not in it.
pub(crate) fn graph_reading(
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
