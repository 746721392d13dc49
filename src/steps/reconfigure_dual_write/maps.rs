//! Phase `maps`: maps that ran run again, maps that were stopped are stopped.
//!
//! Through the gateway each map is a set, after the maps that must run before it, and without an
//! initial synchronization, because both halves were copied together. If this run did not copy them
//! together, a person decides about every map; if the copy left out the transactions of Finance and
//! Operations, about the order maps. A start that fails because a schema is stale shows that an
//! earlier refresh of the tables was not applied, so the next pass sends that refresh again first.
//!
//! By hand, one worksheet contains all work after the reset (solutions, versions, keys, tables,
//! start), because only running maps show its effect. The evidence is exact: for each map, its
//! projects in Finance and Operations, and its runtime configuration at the recorded version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::json;

use super::filters::desired_filters;
use super::{recorded_to_restore, refresh_tables};
use crate::clients::MapAction;
use crate::domain::dual_write::evidence::Evidence;
use crate::domain::dual_write::gateway::{
    CONCURRENT_MAPS, GatewayState, MapSet, MapWrite, acknowledged_gateway, map_state, stop_map,
};
use crate::domain::dual_write::recorded::{PreviousState, RecordedDualWrite, RecordedMap};
use crate::domain::dual_write::{by_gateway, read_link_after_reset, recorded_for};
use crate::domain::keys::MapChange;
use crate::domain::manual_change::ManualChange;
use crate::domain::verdict::Answer;
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys};
use crate::engine::{Action, Change, Failure, JournalView, ManualTask, Note, Survey};

/// Finds maps that are not in their recorded state.
pub(super) struct Maps(pub(super) Arc<RefreshContext>);

/// The tables whose rows a copy without transactions leaves out on one side only.
const ORDER_TABLES: [&str; 3] = ["salesorders", "salesorderdetails", "invoices"];

/// Why a person must decide how a map starts; none if both halves have the same rows.
fn reason_to_ask(refresh: &RefreshContext, map: &RecordedMap) -> Option<&'static str> {
    let copy = &refresh.runbook.steps.copy_environments;
    if copy.skip.is_some() {
        return Some(
            "this run did not copy both halves, so the program does not know whether they have the \
             same rows",
        );
    }
    let is_order = map
        .table
        .as_deref()
        .is_some_and(|table| ORDER_TABLES.contains(&table));
    (copy.options.transactionless.value && is_order).then_some(
        "the copy left out the transactions of Finance and Operations, so orders in Dataverse have no \
         counterpart there",
    )
}

#[async_trait]
impl Survey for Maps {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let Some(recorded) = recorded_to_restore(refresh, journal) else {
            return Ok(Vec::new());
        };
        if !by_gateway(refresh, &recorded) {
            return self.manual_tasks(journal, &recorded).await;
        }
        let now = read_link_after_reset(refresh, journal).await?;
        let mut changes = Vec::new();
        let mut starting: Vec<&RecordedMap> = Vec::new();
        for map in recorded.maps.values() {
            let listed = now.as_ref().and_then(|now| now.map(&map.name));
            let runs = listed.is_some_and(|listed| listed.state.is_running());
            match (map.ran(), &now) {
                (true, _) if !runs => starting.push(map),
                (false, Some(now)) if runs && map.state_before == PreviousState::Stopped => {
                    changes.push(stop_map(refresh, now, &map.name, MapChange::StopAtTheEnd));
                }
                _ => {}
            }
        }
        let order = match &now {
            // The gateway returns the order only to a POST, which a plan does not send.
            Some(now) if !journal.is_planning() => prerequisites(refresh, now, &starting).await?,
            _ => BTreeMap::new(),
        };
        let names: BTreeSet<&str> = starting.iter().map(|map| map.name.as_str()).collect();
        for map in starting {
            let before = order.get(&map.name).cloned().unwrap_or_default();
            let mut follows: Vec<String> = before
                .iter()
                .filter(|name| **name != map.name && names.contains(name.as_str()))
                .map(|name| keys::dual_write_map(name, MapChange::Start))
                .collect();
            let listed = now.as_ref().and_then(|now| now.map(&map.name));
            if let Some(tables) = listed
                .filter(|_| reason_to_ask(refresh, map).is_none())
                .and_then(|listed| refresh_tables::repeat_if_stale(refresh, listed))
            {
                follows.push(tables.key.clone());
                changes.push(tables);
            }
            changes.push(self.start(now.as_ref(), map, follows));
        }
        Ok(changes)
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        let Some(recorded) = recorded_to_restore(&self.0, journal) else {
            return Ok(Vec::new());
        };
        Ok(recorded
            .maps
            .values()
            .filter_map(|map| match &map.state_before {
                PreviousState::Paused if map.resumes => Some(Note::from(format!(
                    "dual-write map '{}' was paused before the copy, and runs again, as the runbook \
                     says; what it had queued belonged to the data before the copy and is gone",
                    map.name
                ))),
                PreviousState::Paused => Some(Note::new(
                    format!(
                        "dual-write map '{}' was paused before the copy, and stays stopped: its \
                         queued changes belong to the data before the copy",
                        map.name
                    ),
                    "`paused-maps: run` under reconfigure-dual-write runs such maps again",
                )),
                PreviousState::Unknown(state) => Some(Note::from(format!(
                    "dual-write map '{}' was {state} before the copy, and is not changed",
                    map.name
                ))),
                PreviousState::Running | PreviousState::Stopped => None,
            })
            .collect())
    }
}

/// For each map, the names of the maps that must run before it.
async fn prerequisites(
    refresh: &RefreshContext,
    now: &GatewayState,
    starting: &[&RecordedMap],
) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let gateway = acknowledged_gateway(refresh)?;
    let reads: Vec<_> = starting
        .iter()
        .filter_map(|map| {
            let template = &now.map(&map.name)?.template.id;
            Some(async move {
                let sequences = gateway.prerequisites(&now.link, template).await?;
                Ok::<_, Failure>((map.name.clone(), sequences))
            })
        })
        .collect();
    let reads = stream::iter(reads).buffered(CONCURRENT_MAPS);
    let read: Vec<_> = reads.try_collect().await?;
    let named = read.into_iter().map(|(name, sequences)| {
        let names = sequences.into_iter().flatten().filter_map(|id| {
            let of = |map: &&crate::clients::EntityMap| {
                map.template.id == id || map.templates.iter().any(|one| one.id == id)
            };
            now.maps.iter().find(of).map(|map| map.name.clone())
        });
        (name, names.collect())
    });
    Ok(named.collect())
}

impl Maps {
    fn start(&self, now: Option<&GatewayState>, map: &RecordedMap, follows: Vec<String>) -> Change {
        let listed = now.and_then(|now| now.map(&map.name));
        let action = match reason_to_ask(&self.0, map) {
            Some(why) => Action::ManualTask(ManualTask {
                advice: vec![format!(
                    "{why}. Decide how these maps start, and start them"
                )],
                instructions: vec![format!(
                    "'{}': Data management > Dual-write > Run, with or without initial \
                         synchronization",
                    map.name
                )],
                evidence: "the state of each map at the gateway".to_owned(),
                ..ManualTask::default()
            }),
            None => MapSet::action(&self.0, &map.name, MapWrite::Action(MapAction::Start)),
        };
        Change {
            key: keys::dual_write_map(&map.name, MapChange::Start),
            name: format!("start dual-write map '{}'", map.name),
            before: match now {
                Some(_) => map_state(listed).into(),
                None => json!({ "state": "stopped" }).into(),
            },
            after: json!({ "state": "running" }).into(),
            follows,
            action,
        }
    }

    async fn manual_tasks(
        &self,
        journal: &JournalView,
        recorded: &RecordedDualWrite,
    ) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let evidence = match refresh.view(journal) {
            View::AfterCopy(_) => Evidence::default(),
            View::AsIs(_) => Evidence::read(refresh, journal).await?,
        };
        let running = evidence.running();
        let mut changes = Vec::new();
        for map in recorded.maps.values() {
            if map.ran() {
                let answer = evidence.runs(map);
                if let Answer::Fail(read) | Answer::Unknown(read) = answer {
                    changes.push(self.set_up(recorded, map, &read));
                }
            } else if map.state_before == PreviousState::Stopped && running.contains_key(&map.name)
            {
                changes.push(stop_by_hand(map, &running[&map.name]));
            }
        }
        Ok(changes)
    }

    fn set_up(&self, recorded: &RecordedDualWrite, map: &RecordedMap, read: &str) -> Change {
        let solutions: BTreeSet<&str> = recorded
            .running()
            .filter_map(|map| map.solution.as_deref())
            .collect();
        let advice = [
            "Finance and Operations > Data management > Dual-write, with Health check green".to_owned(),
            format!(
                "Apply solution, one after the other: {}",
                if solutions.is_empty() {
                    "those that contain the maps below (their names are not recorded)".to_owned()
                } else {
                    solutions.into_iter().collect::<Vec<_>>().join(", ")
                }
            ),
            "then for each map: Table map version, Integration key, Refresh tables, Run without initial \
             synchronization; maps that others need come first"
                .to_owned(),
        ];
        let mut instructions = vec![format!(
            "'{}': version {}, key {}{}",
            map.name,
            map.shown_version(),
            map.key
                .as_ref()
                .map_or_else(|| "not recorded".to_owned(), |key| key.join(" + ")),
            desired_filters(map)
                .and_then(|filters| filters.dataverse)
                .map(|filter| format!(", rows of Dataverse: {filter}"))
                .unwrap_or_default()
        )];
        if let Some(why) = reason_to_ask(&self.0, map) {
            instructions.push(format!("'{}': {why}; decide how it starts", map.name));
        }
        ManualChange {
            key: keys::dual_write_map(&map.name, MapChange::Start),
            name: format!("set up and start dual-write map '{}'", map.name),
            before: json!({ "read": read }),
            after: json!({ "state": "running", "version": map.version.map(|v| v.to_string()) }),
            instructions,
            evidence: "for each map its two projects in Finance and Operations, enabled and \
                       connected to the target, and its runtime configuration in Dataverse at the \
                       recorded version"
                .to_owned(),
        }
        .into_change()
        .with_advice(advice)
    }
}

/// The state of a map now, compared with its state before the copy.
#[derive(Clone, Debug)]
pub(crate) struct MapAnswer {
    /// Its name.
    pub(crate) map: String,
    /// Is the state the same?
    pub(crate) answer: Answer,
}

/// The state of every recorded map, from Dataverse and Finance and Operations.
pub(crate) async fn map_answers(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Vec<MapAnswer>, Failure> {
    let recorded = recorded_for(refresh, journal);
    let evidence = Evidence::read(refresh, journal).await?;
    let running = evidence.running();
    Ok(recorded
        .maps
        .values()
        .map(|map| {
            let answer = match &map.state_before {
                _ if map.ran() => evidence.runs(map),
                PreviousState::Unknown(state) => Answer::Unknown(format!("it was {state} before")),
                was => {
                    let before = if *was == PreviousState::Paused {
                        "paused"
                    } else {
                        "stopped"
                    };
                    match running.get(&map.name) {
                        Some(read) => Answer::Fail(format!("it was {before}, and has a {read}")),
                        None => Answer::Pass(format!("it was {before}, and is stopped")),
                    }
                }
            };
            MapAnswer {
                map: map.name.clone(),
                answer,
            }
        })
        .collect())
}

fn stop_by_hand(map: &RecordedMap, read: &str) -> Change {
    ManualChange {
        key: keys::dual_write_map(&map.name, MapChange::StopAtTheEnd),
        name: format!("stop dual-write map '{}'", map.name),
        before: json!({ "read": read }),
        after: json!({ "state": "stopped" }),
        instructions: vec![format!("stop '{}'", map.name)],
        evidence: "these maps have no enabled project and no runtime configuration".to_owned(),
    }
    .into_change()
    .with_advice([
        "Finance and Operations > Data management > Dual-write: stop these maps, which were stopped \
         before the copy",
    ])
}
