//! Orchestrations as the seal recorded them, and as steps 5 and 7 compare them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::RefreshContext;
use super::graph::{self, Content, Dangling, Dialect, Slot};
use super::iom_change::{Fill, IomChange};
use super::names::{Fields, Names};
use super::providers::Catalogue;
use super::publication::{UNPUBLISHED, is_published, publication_state};
use super::row_changes::RowReader;
use super::seals::{self, Part};
use crate::clients::{Row, Table};
use crate::engine::{Change, Failure, JournalView, Reading};
use crate::runbook::{IomColumn, IomRequest, IomTable, Keyword as _};

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
        IomTable::Orchestration.keyword(),
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
        IomTable::Orchestration.keyword(),
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

/// The slots of an orchestration whose action would have no successor: the definition that has the
/// action is not among the reinstalled ones. An action whose definition is not known is left out.
pub(crate) fn without_successor(
    orchestration: &str,
    slots: &[Slot],
    catalogue: &Catalogue,
    installed_again: &BTreeSet<String>,
) -> Vec<String> {
    let lost = slots.iter().filter_map(|slot| {
        let definition = catalogue.definition_of_action(slot.action)?;
        let logical_name = &definition.logical_name;
        if installed_again.contains(&logical_name.to_ascii_lowercase()) {
            return None;
        }
        let name = catalogue.actions.get(&slot.action)?.name.as_str();
        Some(format!(
            "'{orchestration}', tile '{}': action '{name}' of `{logical_name}`",
            slot.tile
        ))
    });
    let mut lost: Vec<String> = lost.collect();
    lost.dedup();
    lost
}

/// Stops an orchestration, because a published one is read-only. Takes the change's key and the row.
pub(crate) fn stop_orchestration(
    refresh: &Arc<RefreshContext>,
    table: &Table,
    key: String,
    id: Uuid,
    row: &Fields,
) -> Change {
    let name = refresh.names.title(IomTable::Orchestration, row, id);
    let change = IomChange {
        key,
        name: format!("stop orchestration '{name}'"),
        before: json!({ "state": publication_state(row) }),
        after: json!({ "state": UNPUBLISHED }),
        request: IomRequest::StopOrchestration,
        by_hand: vec![format!(
            "IOM app > Orchestrations > Flows > '{name}': stop it, so that it can be edited"
        )],
        evidence: "every orchestration with provider actions is unpublished".to_owned(),
        settle_timeout: Duration::from_mins(5),
    };
    let reader = RowReader::shared(refresh, &table.entity_set, id, state_of);
    change.filled(refresh, reader, Fill::id(id))
}

/// The catalogue that the seal `providers` holds.
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

/// What the slots of a graph hold now, in words if the action is known, with the graph's text
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
    use crate::domain::providers::{Provider, ProviderAction, ProviderDefinition};
    use crate::domain::publication::labelled;
    use crate::engine::ListedRow;
    use crate::runbook::Iom;

    #[test]
    fn an_orchestration_that_is_published_by_its_status_alone_is_recorded_as_published() {
        let capture = |number: u128, status: &str| {
            let table = IomTable::Orchestration.keyword();
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

    #[test]
    fn an_action_of_a_definition_that_is_not_installed_again_has_no_successor() {
        let (definition, action) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut catalogue = Catalogue::default();
        let fedex = ProviderDefinition {
            id: definition,
            logical_name: "msdyn_FedEx".to_owned(),
            name: "FedEx".to_owned(),
            active: true,
        };
        catalogue.definitions.insert(definition, fedex);
        let ship = ProviderAction {
            id: action,
            name: "Ship".to_owned(),
            provider: Some(Uuid::from_u128(3)),
            logic: None,
        };
        catalogue.actions.insert(action, ship);
        let graph = json!({ "name": "Send", "action": { "id": action } }).to_string();
        let slots = find_slots("Order", &graph, &catalogue.action_names()).unwrap();
        let lost = |catalogue: &Catalogue, again: &str| {
            without_successor(
                "Order",
                &slots,
                catalogue,
                &BTreeSet::from([again.to_owned()]),
            )
        };
        assert!(
            lost(&catalogue, "another").is_empty(),
            "its definition is not known"
        );
        let provider = Provider {
            id: Uuid::from_u128(3),
            name: "FedEx".to_owned(),
            definition: Some(definition),
            active: false,
        };
        catalogue.providers.insert(provider.id, provider);
        assert_eq!(
            lost(&catalogue, "another"),
            ["'Order', tile 'Send': action 'Ship' of `msdyn_FedEx`"]
        );
        assert!(lost(&catalogue, "msdyn_fedex").is_empty());
    }
}
