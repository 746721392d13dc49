//! Step 7, `restore-provider-actions`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `stop` | orchestrations that somebody published after step 5, with slots still to fill | stops each, because a published one is read-only |
//! | `restore` | each orchestration's graph, the new providers' actions | puts the new action of the same logic definition into each recorded slot that is empty |
//! | `publish-policies` | the policies that orchestrations to be published use | publishes those that are not |
//! | `publish` | orchestrations that were published when they were recorded, or that `stop` has stopped | publishes each again; asks a person about one that was deleted |
//!
//! An old action is matched with a new one by the logic definition, which step 6 does not delete,
//! else by logical names, else by names and aliases within the new instance; see `matching.rs`. Ids
//! that belonged to no action when they were recorded are shown and never changed. A tile that step
//! 5 removed is restored in its place, in the same write. The flows that publishing the present
//! graph compiles, newer than the launch, are its proof. If the outcome of a launch is unknown, the
//! program looks for that proof, and publishes again without it: publishing twice is harmless.
//!
//! ```text
//! mod.rs         the phases; fills slots, restores tiles
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
use tokio::try_join;
use uuid::Uuid;

use self::matching::{ActionMatcher, Match};
use self::publishing::{PublishOrchestrations, PublishPolicies};
use super::StepDefinition;
use crate::clients::{Row, Table};
use crate::domain::graph::{Content, Slot};
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Fields, text};
use crate::domain::publication::is_published;
use crate::domain::row_changes::RowReader;
use crate::domain::sealed_orchestrations::{
    RecordedOrchestration, graph_values, read_slots, recorded_orchestrations, stop_orchestration,
};
use crate::domain::{RefreshContext, graph, keys};
use crate::engine::{Change, Failure, JournalView, Phase, Survey};
use crate::runbook::{IomColumn, IomRequest, IomTable, StepName};

pub(super) const DEFINITION: StepDefinition = StepDefinition {
    name: StepName::RestoreProviderActions,
    needs: &[
        StepName::DetachProviderActions,
        StepName::ReinstallProviders,
    ],
    repeats_open_checks: false,
    phases,
    manual_remedy: "open each listed orchestration in the designer, choose the provider action in the tile, \
                    save and publish; import one that is missing with a solution of the source",
};

fn phases(refresh: &Arc<RefreshContext>) -> Vec<Phase> {
    vec![
        Phase::changes("stop", StopAgain(Arc::clone(refresh))),
        // These edits are the ones that step 5 makes at the same time. Publishing is not: it does
        // much inside IOM, and Microsoft says nothing about two at once.
        Phase::changes(keys::RESTORE_ACTIONS, Restore(Arc::clone(refresh)))
            .with_concurrency(PARALLEL),
        Phase::changes("publish-policies", PublishPolicies(Arc::clone(refresh))),
        Phase::changes(
            keys::PUBLISH_ORCHESTRATIONS,
            PublishOrchestrations(Arc::clone(refresh)),
        ),
    ]
}

/// How many orchestrations are edited at once.
const PARALLEL: usize = 4;

/// The orchestrations as the tenant has them now, and the matcher of their actions.
struct Present<'a> {
    table: Arc<Table>,
    /// The column of the graph.
    column: &'a str,
    rows: BTreeMap<Uuid, Fields>,
    matcher: ActionMatcher,
}

impl<'a> Present<'a> {
    async fn read(refresh: &'a RefreshContext, journal: &JournalView) -> Result<Self, Failure> {
        let names = &refresh.names;
        let view = refresh.view(journal);
        let table = view.table(names.table(IomTable::Orchestration)).await?;
        let (matcher, rows) = try_join!(
            ActionMatcher::read(refresh, journal, view),
            view.by_id(&table.logical_name),
        )?;
        Ok(Self {
            table,
            column: names.column(IomColumn::OrchestrationGraph)?,
            rows,
            matcher,
        })
    }
}

/// Finds orchestrations that were published between steps 5 and 7 and are still to be edited.
struct StopAgain(Arc<RefreshContext>);

#[async_trait]
impl Survey for StopAgain {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        // A plan that begins before step 5 sees them published; step 5 will stop them.
        if journal.is_planning() {
            return Ok(Vec::new());
        }
        let present = Present::read(refresh, journal).await?;
        let (table, column, matcher) = (&present.table, present.column, &present.matcher);
        let mut changes = Vec::new();
        for orchestration in recorded_orchestrations(&refresh.names, journal, &matcher.old)? {
            let id = orchestration.id;
            let Some(row) = present.rows.get(&id).filter(|row| is_published(row)) else {
                continue;
            };
            let graph = text(row, column);
            if slots_to_fill(journal, &orchestration, graph.as_deref(), matcher)?.is_empty() {
                continue;
            }
            let key = keys::orchestration_stop_again(id);
            changes.push(stop_orchestration(refresh, table, key, id, row));
        }
        Ok(changes)
    }
}

/// Finds the recorded slots that do not hold their new action yet.
struct Restore(Arc<RefreshContext>);

#[async_trait]
impl Survey for Restore {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let Present {
            table,
            column,
            rows,
            matcher,
        } = Present::read(refresh, journal).await?;
        let matcher = Arc::new(matcher);
        let mut changes = Vec::new();
        for orchestration in recorded_orchestrations(&refresh.names, journal, &matcher.old)? {
            let current = rows
                .get(&orchestration.id)
                .and_then(|row| text(row, column));
            let slots = slots_to_fill(journal, &orchestration, current.as_deref(), &matcher)?;
            if slots.is_empty() {
                continue;
            }
            let (id, name, original) = (orchestration.id, orchestration.name, orchestration.graph);
            let dangling = orchestration.dangling;
            let before = graph_values(&slots, &dangling, |_| Value::Null);
            let after = graph_values(&slots, &dangling, |slot| {
                json!(matcher.describe_replacement(slot.action))
            });
            let by_hand = slots
                .iter()
                .map(|slot| instruction(&name, slot, &matcher))
                .chain([format!("save '{name}'")])
                .collect();
            let reader = {
                let (matcher, column, slots) =
                    (Arc::clone(&matcher), column.to_owned(), slots.clone());
                RowReader::shared(refresh, &table.entity_set, id, move |row: Option<&Row>| {
                    read_slots(row, &column, &slots, &dangling, |slot, id| {
                        matcher.describe(slot.action, id)
                    })
                })
            };
            let matcher = Arc::clone(&matcher);
            let title = name.clone();
            changes.push(
                IomChange {
                    key: keys::orchestration_restore(id),
                    name: format!("restore the provider actions of orchestration '{name}'"),
                    before,
                    after,
                    request: IomRequest::EditOrchestration,
                    by_hand,
                    evidence: "every recorded slot holds the new action of its logic definition"
                        .to_owned(),
                    settle_timeout: Duration::from_mins(1),
                }
                .filled_by(refresh, reader, id, move |reading| {
                    let current = reading.basis.as_str().unwrap_or_default();
                    let graph = fill_slots(&title, current, &original, &slots, &matcher)?;
                    Ok(Fill::id(id).graph(graph))
                }),
            );
        }
        Ok(changes)
    }
}

/// What a person does to fill a slot. It names the action by its present name.
fn instruction(orchestration: &str, slot: &Slot, matcher: &ActionMatcher) -> String {
    let tile = format!(
        "IOM app > Orchestrations > Flows > '{orchestration}' > tile '{}'",
        slot.tile
    );
    let old = matcher.old.actions.get(&slot.action);
    let old = old.map(|action| action.name.clone()).unwrap_or_default();
    let name = match matcher.replacement(slot.action) {
        Match::One(_, name) => name,
        _ => old.clone(),
    };
    let provider = matcher
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

/// The slots to fill: the empty ones, and, in a plan, those that step 5 will empty.
fn slots_to_fill(
    journal: &JournalView,
    orchestration: &RecordedOrchestration,
    current: Option<&str>,
    matcher: &ActionMatcher,
) -> Result<Vec<Slot>, Failure> {
    let Some(current) = current else {
        return Ok(Vec::new());
    };
    let mut slots = Vec::new();
    for slot in &orchestration.slots {
        let content = graph::content(current, slot)
            .map_err(|e| Failure::failed(format!("orchestration '{}': {e}", orchestration.name)))?;
        if content == Content::Empty && is_recreated(current, orchestration, slot, matcher)? {
            continue;
        }
        let open = match content {
            Content::Empty => true,
            Content::Id(id) => journal.is_planning() && matcher.old.actions.contains_key(&id),
            Content::Other(_) => false,
        };
        if !open {
            continue;
        }
        if !journal.is_planning() {
            require_replacement(matcher, &orchestration.name, slot)?;
        }
        slots.push(slot.clone());
    }
    Ok(slots)
}

/// Has a person recreated a tile that was removed? Such a tile has the old name, the new action and
/// another id.
fn is_recreated(
    current: &str,
    orchestration: &RecordedOrchestration,
    slot: &Slot,
    matcher: &ActionMatcher,
) -> Result<bool, Failure> {
    let Match::One(id, name) = matcher.replacement(slot.action) else {
        return Ok(false);
    };
    let found = graph::is_gone(current, slot).and_then(|is_gone| {
        let fitting = graph::slots(current, &BTreeMap::from([(id, name)]))?;
        Ok(is_gone && fitting.iter().any(|found| found.tile == slot.tile))
    });
    found.map_err(|e| Failure::failed(format!("orchestration '{}': {e}", orchestration.name)))
}

/// The one new action of a slot: its id and name.
fn require_replacement(
    matcher: &ActionMatcher,
    orchestration: &str,
    slot: &Slot,
) -> Result<(Uuid, String), Failure> {
    match matcher.replacement(slot.action) {
        Match::One(id, name) => Ok((id, name)),
        found => {
            let place = format!("orchestration '{orchestration}', tile '{}'", slot.tile);
            Err(matcher.match_failure(&found, &place, slot.action))
        }
    }
}

/// The graph with the removed tiles restored, and the new actions in these slots.
fn fill_slots(
    orchestration: &str,
    current: &str,
    original: &str,
    slots: &[Slot],
    matcher: &ActionMatcher,
) -> Result<String, Failure> {
    let mut fills = Vec::new();
    for slot in slots {
        fills.push((slot, require_replacement(matcher, orchestration, slot)?));
    }
    let fills = fills
        .iter()
        .map(|(slot, (id, name))| (*slot, *id, name.as_str()));
    graph::put_back(current, original, slots)
        .and_then(|whole| graph::fill(&whole, fills))
        .map_err(|error| {
            Failure::failed(error.to_string())
                .with_help("restore the tile in the designer with its new action, then run again")
                .permanent()
        })
}
