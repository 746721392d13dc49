//! Step 7, `restore-provider-actions`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `restore` | each orchestration's graph, the new providers' actions | puts the new action of the same logic definition into each recorded slot that is empty |
//! | `publish-policies` | the policies that orchestrations to be published use | publishes those that are not |
//! | `publish` | orchestrations that were published when they were recorded | publishes each again |
//!
//! Old and new are joined by the logic definition, which step 6 does not delete, else by logical
//! names, else by names and aliases within the new instance; see `matching.rs`. Ids that no action
//! had when they were recorded are told and never touched. A tile that step 5 took out is put back
//! where it stood, in the same write. Publishing is proved by what it compiled, newer than the
//! launch. A launch in doubt is looked for in that proof, and repeated where there is none:
//! publishing twice does no harm.
//!
//! ```text
//! mod.rs         the phases; slots filled, tiles put back
//! matching.rs    which new action replaces an old one
//! publishing.rs  policies, then orchestrations, with their proof
//! ```

mod matching;
mod publishing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use self::matching::{Join, Match};
use self::publishing::{PublishOrchestrations, PublishPolicies};
use crate::clients::Row;
use crate::domain::graph::{Content, Slot};
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Names, text};
use crate::domain::orchestrations::{Recorded, graph_reading, graph_values, recorded};
use crate::domain::tenant_set::RowReader;
use crate::domain::{Refresh, graph};
use crate::engine::{Change, Failure, Known, Phase, Survey};
use crate::runbook::{IomRequest, IomTable};

pub(super) fn phases(refresh: &Arc<Refresh>) -> Vec<Phase> {
    vec![
        Phase::changes("restore", Restore(Arc::clone(refresh))),
        Phase::changes("publish-policies", PublishPolicies(Arc::clone(refresh))),
        Phase::changes("publish", PublishOrchestrations(Arc::clone(refresh))),
    ]
}

struct Restore(Arc<Refresh>);

#[async_trait]
impl Survey for Restore {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let names = Names::of(refresh);
        let column = names.column("orchestration.graph")?;
        let view = refresh.view(known);
        let table = view.table(names.table(IomTable::Orchestration)).await?;
        let join = Arc::new(Join::read(refresh, known, view).await?);
        let rows = view.by_id(&table.logical_name).await?;
        let mut changes = Vec::new();
        for orchestration in recorded(refresh, known, &join.old)? {
            let current = rows
                .get(&orchestration.id)
                .and_then(|row| text(row, column));
            let slots = to_fill(known, &orchestration, current.as_deref(), &join)?;
            if slots.is_empty() {
                continue;
            }
            let (id, name, original) = (orchestration.id, orchestration.name, orchestration.graph);
            let dangling = orchestration.dangling;
            let before = graph_values(&slots, &dangling, |_| Value::Null);
            let after = graph_values(&slots, &dangling, |slot| json!(join.wanted(slot.action)));
            let by_hand = slots
                .iter()
                .map(|slot| by_hand(&name, slot, &join))
                .chain([format!("save '{name}'")])
                .collect();
            let reader = {
                let (join, column, slots) = (Arc::clone(&join), column.to_owned(), slots.clone());
                RowReader::of(refresh, &table.entity_set, id, move |row: Option<&Row>| {
                    graph_reading(row, &column, &slots, &dangling, |slot, id| {
                        join.described(slot.action, id)
                    })
                })
            };
            let join = Arc::clone(&join);
            let title = name.clone();
            changes.push(
                IomChange {
                    key: format!("orchestration/{id}/restore"),
                    name: format!("restore the provider actions of orchestration '{name}'"),
                    before,
                    after,
                    request: IomRequest::EditOrchestration,
                    by_hand,
                    evidence: "every recorded slot holds the new action of its logic definition"
                        .to_owned(),
                    patience: Duration::from_mins(1),
                }
                .filled_by(refresh, reader, move |reading| {
                    let current = reading.basis.as_str().unwrap_or_default();
                    let graph = filled(&title, current, &original, &slots, &join)?;
                    Ok(Fill::id(id).graph(graph))
                }),
            );
        }
        Ok(changes)
    }
}

/// What a person does to fill a slot: the action by the name that it has now.
fn by_hand(orchestration: &str, slot: &Slot, join: &Join) -> String {
    let tile = format!(
        "IOM app > Orchestrations > Flows > '{orchestration}' > tile '{}'",
        slot.tile
    );
    let old = join.old.actions.get(&slot.action);
    let old = old.map(|action| action.name.clone()).unwrap_or_default();
    let name = match join.replacement(slot.action) {
        Match::One(_, name) => name,
        _ => old.clone(),
    };
    let provider = join
        .instance(slot.action)
        .map_or_else(String::new, |provider| {
            format!(" of provider '{}'", provider.name)
        });
    let renamed = if name == old {
        String::new()
    } else {
        format!(" (it was called '{old}')")
    };
    format!("{tile}: choose the newly created provider action '{name}'{provider}{renamed}")
}

/// The slots that are still to be filled: empty ones, and, in a plan, those that step 5 will empty.
fn to_fill(
    known: &Known,
    orchestration: &Recorded,
    current: Option<&str>,
    join: &Join,
) -> Result<Vec<Slot>, Failure> {
    let Some(current) = current else {
        return Ok(Vec::new());
    };
    let mut slots = Vec::new();
    for slot in &orchestration.slots {
        let content = graph::content(current, slot)
            .map_err(|e| Failure::failed(format!("orchestration '{}': {e}", orchestration.name)))?;
        if content == Content::Empty && is_made_again(current, orchestration, slot, join)? {
            continue;
        }
        let open = match content {
            Content::Empty => true,
            Content::Id(id) => known.is_planning() && join.old.actions.contains_key(&id),
            Content::Other(_) => false,
        };
        if !open {
            continue;
        }
        if !known.is_planning() {
            required(join, &orchestration.name, slot)?;
        }
        slots.push(slot.clone());
    }
    Ok(slots)
}

/// Has a person made a tile again that was taken out? It has the name of the old one and the new
/// action, and an id of its own.
fn is_made_again(
    current: &str,
    orchestration: &Recorded,
    slot: &Slot,
    join: &Join,
) -> Result<bool, Failure> {
    let Match::One(id, name) = join.replacement(slot.action) else {
        return Ok(false);
    };
    let found = graph::is_gone(current, slot).and_then(|is_gone| {
        let fitting = graph::slots(current, &BTreeMap::from([(id, name)]))?;
        Ok(is_gone && fitting.iter().any(|found| found.tile == slot.tile))
    });
    found.map_err(|e| Failure::failed(format!("orchestration '{}': {e}", orchestration.name)))
}

/// The one new action of a slot.
fn required(join: &Join, orchestration: &str, slot: &Slot) -> Result<(Uuid, String), Failure> {
    match join.replacement(slot.action) {
        Match::One(id, name) => Ok((id, name)),
        found => {
            let place = format!("orchestration '{orchestration}', tile '{}'", slot.tile);
            Err(join.refused(&found, &place, slot.action))
        }
    }
}

/// The graph with the tiles that are gone put back, and the new actions in these slots.
fn filled(
    orchestration: &str,
    current: &str,
    original: &str,
    slots: &[Slot],
    join: &Join,
) -> Result<String, Failure> {
    let mut fills = Vec::new();
    for slot in slots {
        fills.push((slot, required(join, orchestration, slot)?));
    }
    let fills = fills
        .iter()
        .map(|(slot, (id, name))| (*slot, *id, name.as_str()));
    graph::put_back(current, original, slots)
        .and_then(|whole| graph::fill(&whole, fills))
        .map_err(|error| {
            Failure::failed(error.to_string())
                .with_help("put the tile back in the designer with its new action, then run again")
                .lasting()
        })
}
