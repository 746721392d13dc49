//! Step 5, `detach-provider-actions`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `record` | every orchestration, provider, action, definition and policy | nothing; seals `orchestrations`, unless something has emptied them since the copy |
//! | `stop` | orchestrations that are published and hold an old action | stops each, because a published one is read-only |
//! | `clear` | each orchestration's graph | empties the slots that hold an old action (`how: clear`), or removes their tiles and joins the neighbours (`how: remove-tile`), and nothing else |
//!
//! *Old* means the providers of the seal. The sealed graphs show how an empty slot is written. An
//! id in the place of an action that belongs to no action is dangling: it was so before, the change
//! shows it in `before` and `after`, and no step changes it. A resumed run finds the slots that are
//! not empty yet; it edits the text that it reads at that moment, with its version.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::StepDefinition;
use crate::clients::Row;
use crate::domain::graph::Slot;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::text;
use crate::domain::originals::require_original_orchestrations;
use crate::domain::providers::{Catalogue, TableCapture};
use crate::domain::publication::is_published;
use crate::domain::row_changes::RowReader;
use crate::domain::sealed_orchestrations::{
    find_dangling, find_slots, graph_values, learn_dialect, old_catalogue, read_slots,
    stop_orchestration,
};
use crate::domain::seals::Part;
use crate::domain::summary::dangling_notes;
use crate::domain::{RefreshContext, graph, keys, seals};
use crate::engine::{Change, Failure, JournalView, Note, Phase, Survey};
use crate::runbook::{DetachHow, IomColumn, IomRequest, IomTable, StepName};

pub(super) const DEFINITION: StepDefinition = StepDefinition {
    name: StepName::DetachProviderActions,
    // Only steps 6 and 7 fill what it empties, and they need the connections.
    needs: &[StepName::ReconfigureConnections],
    repeats_open_checks: false,
    phases,
    manual_remedy: "open each listed orchestration in the designer, choose the provider action in the tile, \
                    save and publish",
};

fn phases(refresh: &Arc<RefreshContext>) -> Vec<Phase> {
    let record = TableCapture {
        refresh: Arc::clone(refresh),
        seal: seals::ORCHESTRATIONS,
        tables: &RECORDED,
        require_originals: require_original_orchestrations,
    };
    vec![
        Phase::capture("record", record),
        Phase::changes("stop", Stop(Arc::clone(refresh))),
        Phase::changes("clear", Clear(Arc::clone(refresh))),
    ]
}

/// The tables that the seal holds.
const RECORDED: [IomTable; 6] = [
    IomTable::Orchestration,
    IomTable::Policy,
    IomTable::Provider,
    IomTable::ProviderDefinition,
    IomTable::LogicDefinition,
    IomTable::ProviderAction,
];

struct Stop(Arc<RefreshContext>);

#[async_trait]
impl Survey for Stop {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = old_catalogue(&refresh.names, journal)?;
        let actions = old.action_names();
        let names = &refresh.names;
        let view = refresh.view(journal);
        let table = view.table(names.table(IomTable::Orchestration)).await?;
        let mut changes = Vec::new();
        for (id, row) in view.by_id(&table.logical_name).await? {
            let name = names.title(IomTable::Orchestration, &row, id);
            let graph = names
                .text(&row, IomColumn::OrchestrationGraph)?
                .unwrap_or_default();
            if !is_published(&row) || find_slots(&name, &graph, &actions)?.is_empty() {
                continue;
            }
            let key = keys::orchestration_stop(id);
            changes.push(stop_orchestration(refresh, &table, key, id, &row));
        }
        Ok(changes)
    }
}

struct Clear(Arc<RefreshContext>);

#[async_trait]
impl Survey for Clear {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = Arc::new(old_catalogue(&refresh.names, journal)?);
        let actions = old.action_names();
        let dialect = Arc::new(learn_dialect(&refresh.names, journal, &old)?);
        // Where one provider is reinstalled, the actions of the others exist: they do not dangle.
        let all = Catalogue::sealed_whole(&refresh.names, journal, Part::Orchestrations)?;
        let all = all.action_names();
        let names = &refresh.names;
        let column = names.column(IomColumn::OrchestrationGraph)?;
        let view = refresh.view(journal);
        let table = view.table(names.table(IomTable::Orchestration)).await?;
        let options = &refresh.runbook.steps.detach_provider_actions.options;
        let how = options.how.value;
        let mut changes = Vec::new();
        for (id, row) in view.by_id(&table.logical_name).await? {
            let name = names.title(IomTable::Orchestration, &row, id);
            let graph = text(&row, column).unwrap_or_default();
            let slots = find_slots(&name, &graph, &actions)?;
            if slots.is_empty() {
                continue;
            }
            if how == DetachHow::RemoveTile {
                // A tile that cannot be removed is reported before anything is changed.
                graph::remove_tiles(&graph, &slots).map_err(|error| {
                    Failure::refused(format!("orchestration '{name}': {error}"))
                        .with_help("`how: clear` keeps the tile and empties it")
                })?;
            }
            let dangling = find_dangling(&name, &graph, &dialect, &all)?;
            let before = graph_values(&slots, &dangling, |slot| {
                let action = slot.action;
                Value::from(old.described(action).unwrap_or_else(|| action.to_string()))
            });
            let after = graph_values(&slots, &dangling, |_| Value::Null);
            let by_hand = slots
                .iter()
                .map(|slot| instruction(&name, how, slot, &old))
                .chain([format!("save '{name}'")])
                .collect();
            let reader = {
                let (old, column, slots) = (Arc::clone(&old), column.to_owned(), slots.clone());
                RowReader::shared(refresh, &table.entity_set, id, move |row: Option<&Row>| {
                    read_slots(row, &column, &slots, &dangling, |_, action| {
                        old.described(action)
                    })
                })
            };
            let dialect = Arc::clone(&dialect);
            changes.push(
                IomChange {
                    key: keys::orchestration_clear(id),
                    name: change_name(how, &name),
                    before,
                    after,
                    request: IomRequest::EditOrchestration,
                    by_hand,
                    evidence: "no orchestration holds an action of an old provider".to_owned(),
                    settle_timeout: Duration::from_mins(1),
                }
                .filled_by(refresh, reader, id, move |reading| {
                    let current = reading.basis.as_str().unwrap_or_default();
                    let cleared = match how {
                        DetachHow::Clear => graph::clear(current, &slots, &dialect),
                        DetachHow::RemoveTile => graph::remove_tiles(current, &slots),
                    };
                    let cleared = cleared.map_err(|error| Failure::failed(error.to_string()))?;
                    Ok(Fill::id(id).graph(cleared))
                }),
            );
        }
        Ok(changes)
    }

    /// Names each slot that was dangling before: it needs a look, and no step changes it.
    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        let notes = dangling_notes(&self.0.names, journal)?;
        Ok(notes.into_iter().map(Note::from).collect())
    }
}

fn change_name(how: DetachHow, orchestration: &str) -> String {
    match how {
        DetachHow::Clear => {
            format!("clear the provider actions of orchestration '{orchestration}'")
        }
        DetachHow::RemoveTile => {
            format!("remove the provider tiles of orchestration '{orchestration}'")
        }
    }
}

/// What a person does about one slot.
fn instruction(orchestration: &str, how: DetachHow, slot: &Slot, old: &Catalogue) -> String {
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
