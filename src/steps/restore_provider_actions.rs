//! Step 7, `restore-provider-actions`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `restore` | each orchestration's graph, the new providers' actions | puts the new action of the same logic definition into each recorded slot that is empty |
//! | `publish-policies` | the policies that orchestrations to be published use | publishes those that are not |
//! | `publish` | orchestrations that were published when they were recorded | publishes each again |
//!
//! Old and new are joined by the logic definition, which step 6 does not delete. Publishing is
//! proved by what it compiled: the flows that it had compiled in the source are on again. A launch
//! in doubt is looked for in that proof, and repeated where there is none: publishing twice does no
//! harm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::detach_provider_actions::{
    Recorded, graph_reading, is_published, old_catalogue, recorded, slot_values,
};
use super::flows::{self, COMPILED};
use super::graph::{self, Content, Slot};
use super::names::{Names, is_labelled, label, text};
use super::providers::Catalogue;
use super::tenant_set::{Fill, IomWrite, Reader, RowReader};
use super::view::View;
use super::{Refresh, seals};
use crate::clients::Row;
use crate::engine::{Change, Failure, Known, Phase, Reading, Survey};
use crate::runbook::{IomRequest, IomTable, Publish};

pub(super) fn phases(refresh: &Arc<Refresh>) -> Vec<Phase> {
    vec![
        Phase::changes("restore", Restore(Arc::clone(refresh))),
        Phase::changes("publish-policies", PublishPolicies(Arc::clone(refresh))),
        Phase::changes("publish", PublishOrchestrations(Arc::clone(refresh))),
    ]
}

/// What was, what is, and how the one becomes the other.
struct Join {
    old: Catalogue,
    new: Catalogue,
}

impl Join {
    async fn read(refresh: &Refresh, known: &Known, view: View<'_>) -> Result<Self, Failure> {
        let old = old_catalogue(refresh, known)?;
        let new = Catalogue::read(refresh, view).await?;
        Ok(Self { old, new })
    }

    /// The words for the new action that replaces an old one.
    fn wanted(&self, old_action: Uuid) -> Option<String> {
        Some(format!("new action of {}", self.old.described(old_action)?))
    }

    /// What an id in a slot is, in the same words.
    fn described(&self, id: Uuid) -> Option<String> {
        if self.old.actions.contains_key(&id) {
            return self.old.described(id);
        }
        Some(format!("new action of {}", self.new.described(id)?))
    }

    /// The new action that replaces an old one: of the same logic definition, of an instance that
    /// is none of the old ones. The newest instance's, were there two.
    fn replacement(&self, old_action: Uuid) -> Option<(Uuid, String)> {
        let logic = self.old.actions.get(&old_action)?.logic?;
        let definition = self.old.logic.get(&logic)?.definition?;
        let instance = self
            .new
            .new_instance(definition, &self.old.provider_ids())?;
        let mut fitting =
            self.new.actions.values().filter(|action| {
                action.provider == Some(instance.id) && action.logic == Some(logic)
            });
        let found = fitting.next()?;
        fitting
            .next()
            .is_none()
            .then(|| (found.id, found.name.clone()))
    }
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
            let (id, name) = (orchestration.id, orchestration.name);
            let before = slot_values(&slots, |_| Value::Null);
            let after = slot_values(&slots, |slot| json!(join.wanted(slot.action)));
            let by_hand = slots
                .iter()
                .map(|slot| {
                    let action = join.old.actions.get(&slot.action).map(|a| a.name.clone());
                    format!(
                        "IOM app > Orchestrations > Flows > '{name}' > tile '{}': choose the newly created provider action '{}'",
                        slot.tile,
                        action.unwrap_or_default()
                    )
                })
                .chain([format!("save '{name}'")])
                .collect();
            let reader = {
                let (join, column, slots) = (Arc::clone(&join), column.to_owned(), slots.clone());
                RowReader {
                    refresh: Arc::clone(refresh),
                    entity_set: table.entity_set.clone(),
                    id,
                    project: move |row: Option<&Row>| {
                        graph_reading(row, &column, &slots, |action| join.described(action))
                    },
                }
            };
            let join = Arc::clone(&join);
            changes.push(Change {
                key: format!("orchestration/{id}/restore"),
                name: format!("restore the provider actions of orchestration '{name}'"),
                before,
                after: after.clone(),
                follows: Vec::new(),
                action: IomWrite {
                    request: IomRequest::EditOrchestration,
                    reader: Arc::new(reader),
                    after,
                    by_hand,
                    evidence: "every recorded slot holds the new action of its logic definition"
                        .to_owned(),
                    patience: Duration::from_mins(1),
                }
                .action(refresh, move |reading| {
                    let current = reading.basis.as_str().unwrap_or_default();
                    let graph = filled(current, &slots, &join)?;
                    Ok(Fill {
                        id: Some(id),
                        graph: Some(graph),
                        ..Fill::default()
                    })
                }),
            });
        }
        Ok(changes)
    }
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
        let open = match content {
            Content::Empty => true,
            Content::Id(id) => known.is_planning() && join.old.actions.contains_key(&id),
            Content::Other(_) => false,
        };
        if !open {
            continue;
        }
        if !known.is_planning() && join.replacement(slot.action).is_none() {
            return Err(no_replacement(orchestration, slot, join));
        }
        slots.push(slot.clone());
    }
    Ok(slots)
}

fn no_replacement(orchestration: &Recorded, slot: &Slot, join: &Join) -> Failure {
    let wanted = join
        .old
        .described(slot.action)
        .unwrap_or_else(|| slot.action.to_string());
    let candidates: Vec<String> = join
        .new
        .actions
        .values()
        .filter(|action| !join.old.actions.contains_key(&action.id))
        .map(|action| format!("'{}' ({})", action.name, action.id))
        .collect();
    Failure::failed(format!(
        "orchestration '{}', tile '{}': no single new action of {wanted} was found",
        orchestration.name, slot.tile
    ))
    .with_help(if candidates.is_empty() {
        "no provider has a new action: look at step reinstall-providers".to_owned()
    } else {
        format!("the new actions are {}", candidates.join(", "))
    })
}

fn filled(current: &str, slots: &[Slot], join: &Join) -> Result<String, Failure> {
    let mut found = Vec::new();
    for slot in slots {
        let replacement = join.replacement(slot.action).ok_or_else(|| {
            Failure::failed(format!("the new action for tile '{}' is gone", slot.tile))
        })?;
        found.push((slot, replacement));
    }
    let fills = found
        .iter()
        .map(|(slot, (id, name))| (*slot, *id, name.as_str()));
    graph::fill(current, fills).map_err(|error| Failure::failed(error.to_string()))
}

/// The orchestrations that shall be published at the end.
fn to_publish(refresh: &Refresh, known: &Known, old: &Catalogue) -> Result<Vec<Recorded>, Failure> {
    let all = recorded(refresh, known, old)?;
    Ok(
        match refresh
            .runbook
            .steps
            .restore_provider_actions
            .options
            .publish
            .value
        {
            Publish::PreviouslyPublished => all.into_iter().filter(|o| o.published).collect(),
            Publish::All => all,
            Publish::None => Vec::new(),
        },
    )
}

struct PublishPolicies(Arc<Refresh>);

#[async_trait]
impl Survey for PublishPolicies {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let names = Names::of(refresh);
        let old = old_catalogue(refresh, known)?;
        let view = refresh.view(known);
        let graphs = seals::rows(known, seals::ORCHESTRATIONS, "orchestration");
        let mut graph_of = BTreeMap::new();
        for (id, row) in graphs {
            graph_of.insert(
                id,
                names.text(&row, "orchestration.graph")?.unwrap_or_default(),
            );
        }
        let wanted: Vec<String> = to_publish(refresh, known, &old)?
            .iter()
            .filter_map(|orchestration| graph_of.get(&orchestration.id))
            .map(|graph| graph.to_ascii_lowercase())
            .collect();
        let table = view.table(names.table(IomTable::Policy)).await?;
        let mut changes = Vec::new();
        for (id, row) in view.by_id(&table.logical_name).await? {
            // A policy is used where its id stands, in whatever form the graph writes references.
            let used = wanted.iter().any(|graph| graph.contains(&id.to_string()));
            if !used || is_labelled(&row, "statecode", "Published") {
                continue;
            }
            let name = names.title(IomTable::Policy, &row, id);
            let after = json!({ "state": "Published" });
            changes.push(Change {
                key: format!("policy/{id}/publish"),
                name: format!("publish policy '{name}'"),
                before: json!({ "state": label(&row, "statecode") }),
                after: after.clone(),
                follows: Vec::new(),
                action: IomWrite {
                    request: IomRequest::PublishPolicy,
                    reader: Arc::new(RowReader {
                        refresh: Arc::clone(refresh),
                        entity_set: table.entity_set.clone(),
                        id,
                        project: |row: Option<&Row>| super::detach_provider_actions::state_of(row),
                    }),
                    after,
                    by_hand: vec![format!(
                        "IOM app > Orchestrations > Policies > '{name}': publish it"
                    )],
                    evidence: "every policy that a published orchestration uses is published"
                        .to_owned(),
                    patience: Duration::from_mins(10),
                }
                .action(refresh, move |_| Ok(Fill::id(id))),
            });
        }
        Ok(changes)
    }
}

struct PublishOrchestrations(Arc<Refresh>);

#[async_trait]
impl Survey for PublishOrchestrations {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let names = Names::of(refresh);
        let old = old_catalogue(refresh, known)?;
        let view = refresh.view(known);
        let table = view.table(names.table(IomTable::Orchestration)).await?;
        let rows = view.by_id(&table.logical_name).await?;
        let compiled_now = compiled_flows(view).await?;
        let mut changes = Vec::new();
        for orchestration in to_publish(refresh, known, &old)? {
            let compiled = compiled_in_source(known, &orchestration);
            let Some(row) = rows.get(&orchestration.id) else {
                continue;
            };
            let before = publication(is_published(row), &compiled, &compiled_now);
            let after = json!({ "state": "Published", "compiled": true });
            // What still holds an old action is going to be stopped and edited first.
            let graph = names.text(row, "orchestration.graph")?.unwrap_or_default();
            if before == after && !holds_old(&graph, &orchestration.slots, &old) {
                continue;
            }
            let (id, name) = (orchestration.id, orchestration.name);
            changes.push(Change {
                key: format!("orchestration/{id}/publish"),
                name: format!("publish orchestration '{name}'"),
                before: json!({ "state": "Unpublished" }),
                after: after.clone(),
                follows: Vec::new(),
                action: IomWrite {
                    request: IomRequest::PublishOrchestration,
                    reader: Arc::new(PublicationReader {
                        refresh: Arc::clone(refresh),
                        entity_set: table.entity_set.clone(),
                        id,
                        compiled,
                    }),
                    after,
                    by_hand: vec![format!(
                        "IOM app > Orchestrations > Flows > '{name}': publish it"
                    )],
                    evidence: "every orchestration that was published is published and compiled"
                        .to_owned(),
                    patience: Duration::from_mins(15),
                }
                .action(refresh, move |_| Ok(Fill::id(id))),
            });
        }
        Ok(changes)
    }
}

/// Does one of these slots still hold an action of an old provider?
fn holds_old(graph: &str, slots: &[Slot], old: &Catalogue) -> bool {
    slots.iter().any(|slot| {
        matches!(graph::content(graph, slot), Ok(Content::Id(id)) if old.actions.contains_key(&id))
    })
}

/// The compiled flows that this orchestration's tiles had, on, in the source.
fn compiled_in_source(known: &Known, orchestration: &Recorded) -> BTreeSet<String> {
    let tiles: BTreeSet<String> = orchestration
        .slots
        .iter()
        .map(|slot| format!("{COMPILED}{}", slot.tile))
        .collect();
    seals::rows(known, seals::BEFORE_COPY, "source/workflow")
        .into_iter()
        .filter(|(_, row)| flows::is_on(row))
        .filter_map(|(_, row)| text(&row, "name"))
        .filter(|name| tiles.contains(name))
        .collect()
}

/// Reads which compiled flows are on.
async fn compiled_flows(view: View<'_>) -> Result<CompiledFlows, Failure> {
    let rows = view
        .rows_where("workflow", Some("category eq 5 and type eq 1".to_owned()))
        .await?;
    let on = rows
        .iter()
        .filter(|row| flows::is_on(&row.value))
        .filter_map(|row| row.string("name"))
        .filter(|name| name.starts_with(COMPILED))
        .map(str::to_owned);
    Ok(CompiledFlows { on: on.collect() })
}

/// The compiled flows that are on.
struct CompiledFlows {
    on: BTreeSet<String>,
}

fn publication(published: bool, compiled: &BTreeSet<String>, flows: &CompiledFlows) -> Value {
    json!({
        "state": if published { "Published" } else { "Unpublished" },
        "compiled": published && compiled.is_subset(&flows.on),
    })
}

/// Reads whether an orchestration is published and what it compiled is on.
struct PublicationReader {
    refresh: Arc<Refresh>,
    entity_set: String,
    id: Uuid,
    compiled: BTreeSet<String>,
}

#[async_trait]
impl Reader for PublicationReader {
    async fn read(&self) -> Result<Reading, Failure> {
        let row = self
            .refresh
            .target
            .get(&self.entity_set, self.id, &[])
            .await?;
        let Some(row) = row else {
            return Ok(Reading::of(Value::Null));
        };
        let flows = compiled_flows(View::Target(&self.refresh.target)).await?;
        let missing: Vec<&String> = self.compiled.difference(&flows.on).collect();
        let published = is_published(&row.value);
        let said = if published {
            format!("{} of its compiled flows are not on yet", missing.len())
        } else {
            format!(
                "it is {}",
                label(&row.value, "statecode").unwrap_or_default()
            )
        };
        Ok(Reading {
            value: publication(published, &self.compiled, &flows),
            etag: row.etag,
            basis: Value::from(said),
        })
    }
}
