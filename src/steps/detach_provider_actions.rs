//! Step 5, `detach-provider-actions`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `record` | every orchestration, provider, action, definition and policy | nothing; seals `orchestrations` |
//! | `stop` | orchestrations that are published and hold an old action | stops each: a published one is read-only |
//! | `clear` | each orchestration's graph | empties the slots that hold an old action (`how: clear`), or takes their tiles out and joins the neighbours (`how: remove-tile`), and nothing else |
//!
//! *Old* means the providers of the seal. What an empty slot looks like is learned from the sealed
//! graphs. An id that stands where actions stand and that no action has is dangling: it was so
//! before, it is told in the change's `before` and `after`, and it is never touched. A resume finds
//! what is still in the slots; the edit is made on the text that is read at that moment, with its
//! version.

use crate::domain::orchestrations::{
    dangling_of, dialect, graph_reading, graph_values, is_published, old_catalogue, slots_of,
    state_of,
};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clients::Row;
use crate::domain::graph::Slot;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Names, label, text};
use crate::domain::providers::Catalogue;
use crate::domain::tenant_set::RowReader;
use crate::domain::{Refresh, graph, providers, seals};
use crate::engine::{Capture, Captured, Change, Failure, Known, Phase, Survey};
use crate::runbook::{DetachHow, IomRequest, IomTable};

pub(super) fn phases(refresh: &Arc<Refresh>) -> Vec<Phase> {
    vec![
        Phase::capture("record", Record(Arc::clone(refresh))),
        Phase::changes("stop", Stop(Arc::clone(refresh))),
        Phase::changes("clear", Clear(Arc::clone(refresh))),
    ]
}

/// What the seal holds.
const RECORDED: [IomTable; 6] = [
    IomTable::Orchestration,
    IomTable::Policy,
    IomTable::Provider,
    IomTable::ProviderDefinition,
    IomTable::LogicDefinition,
    IomTable::ProviderAction,
];

struct Record(Arc<Refresh>);

#[async_trait]
impl Capture for Record {
    fn seal(&self) -> &'static str {
        seals::ORCHESTRATIONS
    }

    async fn list(&self, known: &Known) -> Result<Vec<Captured>, Failure> {
        providers::capture(&self.0, self.0.view(known), &RECORDED).await
    }
}

struct Stop(Arc<Refresh>);

#[async_trait]
impl Survey for Stop {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = old_catalogue(refresh, known)?;
        let actions = old.action_names();
        let names = Names::of(refresh);
        let view = refresh.view(known);
        let table = view.table(names.table(IomTable::Orchestration)).await?;
        let mut changes = Vec::new();
        for (id, row) in view.by_id(&table.logical_name).await? {
            let name = names.title(IomTable::Orchestration, &row, id);
            let graph = names.text(&row, "orchestration.graph")?.unwrap_or_default();
            if !is_published(&row) || slots_of(&name, &graph, &actions)?.is_empty() {
                continue;
            }
            let change = IomChange {
                key: format!("orchestration/{id}/stop"),
                name: format!("stop orchestration '{name}'"),
                before: json!({ "state": label(&row, "statecode") }),
                after: json!({ "state": "Unpublished" }),
                request: IomRequest::StopOrchestration,
                by_hand: vec![format!(
                    "IOM app > Orchestrations > Flows > '{name}': stop it (leave read-only mode)"
                )],
                evidence: "every orchestration with provider actions is unpublished".to_owned(),
                patience: Duration::from_mins(5),
            };
            let reader = RowReader::of(refresh, &table.entity_set, id, state_of);
            changes.push(change.filled(refresh, reader, Fill::id(id)));
        }
        Ok(changes)
    }
}

struct Clear(Arc<Refresh>);

#[async_trait]
impl Survey for Clear {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = Arc::new(old_catalogue(refresh, known)?);
        let actions = old.action_names();
        let dialect = Arc::new(dialect(refresh, known, &old)?);
        let names = Names::of(refresh);
        let column = names.column("orchestration.graph")?;
        let view = refresh.view(known);
        let table = view.table(names.table(IomTable::Orchestration)).await?;
        let how = refresh
            .runbook
            .steps
            .detach_provider_actions
            .options
            .how
            .value;
        let mut changes = Vec::new();
        for (id, row) in view.by_id(&table.logical_name).await? {
            let name = names.title(IomTable::Orchestration, &row, id);
            let graph = text(&row, column).unwrap_or_default();
            let slots = slots_of(&name, &graph, &actions)?;
            if slots.is_empty() {
                continue;
            }
            if how == DetachHow::RemoveTile {
                // A tile that cannot be taken out is said before anything is changed.
                graph::remove_tiles(&graph, &slots).map_err(|error| {
                    Failure::refused(format!("orchestration '{name}': {error}"))
                        .with_help("`how: clear` keeps the tile and empties it")
                })?;
            }
            let dangling = dangling_of(&name, &graph, &dialect, &actions)?;
            let words = |action: Uuid| old.described(action).unwrap_or_else(|| action.to_string());
            let before = graph_values(&slots, &dangling, |slot| Value::from(words(slot.action)));
            let after = graph_values(&slots, &dangling, |_| Value::Null);
            let by_hand = slots
                .iter()
                .map(|slot| by_hand(&name, how, slot, &old))
                .chain([format!("save '{name}'")])
                .collect();
            let reader = {
                let (old, column, slots) = (Arc::clone(&old), column.to_owned(), slots.clone());
                RowReader::of(refresh, &table.entity_set, id, move |row: Option<&Row>| {
                    graph_reading(row, &column, &slots, &dangling, |_, action| {
                        old.described(action)
                    })
                })
            };
            let dialect = Arc::clone(&dialect);
            changes.push(
                IomChange {
                    key: format!("orchestration/{id}/clear"),
                    name: match how {
                        DetachHow::Clear => {
                            format!("clear the provider actions of orchestration '{name}'")
                        }
                        DetachHow::RemoveTile => {
                            format!("take the provider tiles of orchestration '{name}' out")
                        }
                    },
                    before,
                    after,
                    request: IomRequest::EditOrchestration,
                    by_hand,
                    evidence: "no orchestration holds an action of an old provider".to_owned(),
                    patience: Duration::from_mins(1),
                }
                .filled_by(refresh, reader, move |reading| {
                    let current = reading.basis.as_str().unwrap_or_default();
                    let cleared = match how {
                        DetachHow::Clear => graph::clear(current, &slots, &dialect),
                        DetachHow::RemoveTile => graph::remove_tiles(current, &slots),
                    }
                    .map_err(|error| Failure::failed(error.to_string()))?;
                    Ok(Fill::id(id).graph(cleared))
                }),
            );
        }
        Ok(changes)
    }
}

fn by_hand(orchestration: &str, how: DetachHow, slot: &Slot, old: &Catalogue) -> String {
    let tile = format!(
        "IOM app > Orchestrations > Flows > '{orchestration}' > tile '{}'",
        slot.tile
    );
    let action = old
        .actions
        .get(&slot.action)
        .map(|action| action.name.as_str());
    let action = action.unwrap_or_default();
    match how {
        DetachHow::Clear => format!("{tile}: remove the provider action '{action}'"),
        DetachHow::RemoveTile => {
            format!("{tile}: delete the tile (provider action '{action}'), join its neighbours")
        }
    }
}
