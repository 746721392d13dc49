//! Phase `maps`: what ran runs again, what was stopped is stopped.
//!
//! Through the gateway each map is a set, after those that must run before it, and without an initial
//! synchronization: both halves were copied together. A start that fails because a schema is stale
//! shows that a refresh of tables was not applied, so the next pass sends it again first. Where they were not, or where the copy left
//! out the orders of Finance and Operations, a person decides about the order maps.
//!
//! By hand one worksheet holds all that leads here from the reset on (solutions, versions, keys,
//! tables), because nothing but running maps shows any of it. The evidence is exact: for each map its
//! projects in Finance and Operations, and its runtime configuration at the recorded version.

use crate::domain::dual_write::start_key;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::filters::wanted;
use super::refresh_tables;
use crate::clients::MapAction;
use crate::domain::Refresh;
use crate::domain::dual_write::evidence::{Answer, Evidence};
use crate::domain::dual_write::gateway::{Act, Linked, MapSet, acknowledged, state, stop};
use crate::domain::dual_write::record::{Recorded, RecordedMap, Was};
use crate::domain::dual_write::{by_gateway, is_left_out};
use crate::domain::view::View;
use crate::engine::{Action, Ask, Change, Failure, Known, Survey};

/// Finds maps that do not do what they did.
pub(super) struct Maps(pub(super) Arc<Refresh>);

/// The tables whose rows a copy without transactions leaves out on one side only.
const ORDER_TABLES: [&str; 3] = ["salesorders", "salesorderdetails", "invoices"];

/// Why a map is not started without asking; none where both halves hold the same rows.
fn unaligned(refresh: &Refresh, map: &RecordedMap) -> Option<&'static str> {
    let copy = &refresh.runbook.steps.copy_environments;
    if copy.skip.is_some() {
        return Some(
            "this run did not copy both halves, so whether they hold the same rows is not known",
        );
    }
    let is_order = map
        .table
        .as_deref()
        .is_some_and(|table| ORDER_TABLES.contains(&table));
    (copy.options.transactionless.value && is_order).then_some(
        "the copy left out the transactions of Finance and Operations: orders of Dataverse have no \
         counterpart there",
    )
}

#[async_trait]
impl Survey for Maps {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let recorded = Recorded::of(known);
        if !recorded.in_use() || is_left_out(refresh) {
            return Ok(Vec::new());
        }
        if !by_gateway(refresh, &recorded) {
            return self.by_hand(known, &recorded).await;
        }
        let now = crate::domain::dual_write::now(refresh, known).await?;
        let mut changes = Vec::new();
        let mut starting: Vec<&RecordedMap> = Vec::new();
        for map in recorded.maps.values() {
            let listed = now.as_ref().and_then(|now| now.map(&map.name));
            let runs = listed.is_some_and(|listed| listed.state.runs());
            match (map.ran(), &now) {
                (true, _) if !runs => starting.push(map),
                (false, Some(now)) if runs && map.was == Was::Stopped => {
                    changes.push(stop(refresh, now, &map.name, "stop-at-the-end"));
                }
                _ => {}
            }
        }
        let order = match &now {
            // The gateway tells the order by a POST, which a plan does not send.
            Some(now) if !known.is_planning() => prerequisites(refresh, now, &starting).await?,
            _ => BTreeMap::new(),
        };
        let names: BTreeSet<&str> = starting.iter().map(|map| map.name.as_str()).collect();
        for map in starting {
            let before = order.get(&map.name).cloned().unwrap_or_default();
            let mut follows: Vec<String> = before
                .iter()
                .filter(|name| **name != map.name && names.contains(name.as_str()))
                .map(|name| start_key(name))
                .collect();
            let listed = now.as_ref().and_then(|now| now.map(&map.name));
            if let Some(tables) = listed
                .filter(|_| unaligned(refresh, map).is_none())
                .and_then(|listed| refresh_tables::again(refresh, listed))
            {
                follows.push(tables.key.clone());
                changes.push(tables);
            }
            changes.push(self.start(now.as_ref(), map, follows));
        }
        Ok(changes)
    }

    async fn notes(&self, known: &Known) -> Result<Vec<String>, Failure> {
        let recorded = Recorded::of(known);
        if !recorded.in_use() || is_left_out(&self.0) {
            return Ok(Vec::new());
        }
        Ok(recorded
            .maps
            .values()
            .filter_map(|map| match &map.was {
                Was::Paused => Some(format!(
                    "dual-write map '{}' was paused before the copy, and is left stopped: what it had \
                     queued belongs to the world before",
                    map.name
                )),
                Was::Unknown(state) => Some(format!(
                    "dual-write map '{}' was {state} before the copy, and is left alone",
                    map.name
                )),
                Was::Running | Was::Stopped => None,
            })
            .collect())
    }
}

/// For each map the maps that must run before it, by name.
async fn prerequisites(
    refresh: &Refresh,
    now: &Linked,
    starting: &[&RecordedMap],
) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let gateway = acknowledged(refresh)?;
    let mut order = BTreeMap::new();
    for map in starting {
        let Some(listed) = now.map(&map.name) else {
            continue;
        };
        let sequences = gateway
            .prerequisites(&now.link, &listed.template.id)
            .await?;
        let names = sequences
            .into_iter()
            .flatten()
            .filter_map(|id| {
                let of = |map: &&crate::clients::EntityMap| {
                    map.template.id == id || map.templates.iter().any(|one| one.id == id)
                };
                now.maps.iter().find(of).map(|map| map.name.clone())
            })
            .collect();
        order.insert(map.name.clone(), names);
    }
    Ok(order)
}

impl Maps {
    fn start(&self, now: Option<&Linked>, map: &RecordedMap, follows: Vec<String>) -> Change {
        let listed = now.and_then(|now| now.map(&map.name));
        let action = match unaligned(&self.0, map) {
            Some(why) => Action::Ask(Ask {
                instructions: vec![
                    format!("{why}. Decide how these maps begin, and start them yourself:"),
                    format!(
                        "  '{}': Data management > Dual-write > Run, with or without initial \
                         synchronization",
                        map.name
                    ),
                ],
                evidence: "the state of each map at the gateway".to_owned(),
            }),
            None => Action::Set(Arc::new(MapSet {
                refresh: Arc::clone(&self.0),
                map: map.name.clone(),
                act: Act::Ask(MapAction::Start),
            })),
        };
        Change {
            key: start_key(&map.name),
            name: format!("start dual-write map '{}'", map.name),
            before: match now {
                Some(_) => state(listed),
                None => json!({ "state": "stopped" }),
            },
            after: json!({ "state": "running" }),
            follows,
            action,
        }
    }

    async fn by_hand(&self, known: &Known, recorded: &Recorded) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let evidence = match refresh.view(known) {
            View::AfterCopy(_) => Evidence::default(),
            View::Target(_) => Evidence::read(refresh, known).await?,
        };
        let lively = evidence.running();
        let mut changes = Vec::new();
        for map in recorded.maps.values() {
            if map.ran() {
                let answer = evidence.runs(map);
                if let Answer::No(read) | Answer::Unknown(read) = answer {
                    changes.push(self.set_up(recorded, map, &read));
                }
            } else if map.was == Was::Stopped && lively.contains_key(&map.name) {
                changes.push(left_running(map, &lively[&map.name]));
            }
        }
        Ok(changes)
    }

    fn set_up(&self, recorded: &Recorded, map: &RecordedMap, read: &str) -> Change {
        let solutions: BTreeSet<&str> = recorded
            .running()
            .filter_map(|map| map.solution.as_deref())
            .collect();
        let mut instructions = vec![
            "Finance and Operations > Data management > Dual-write, with Health check green:".to_owned(),
            format!(
                "Apply solution, one after the other: {}",
                if solutions.is_empty() {
                    "those that hold the maps below (which they were is not recorded)".to_owned()
                } else {
                    solutions.into_iter().collect::<Vec<_>>().join(", ")
                }
            ),
            "then for each map: Table map version, Integration key, Refresh tables, Run without initial \
             synchronization; maps that others need come first"
                .to_owned(),
        ];
        instructions.push(format!(
            "  '{}': version {}, key {}{}",
            map.name,
            map.shown_version(),
            map.key
                .as_ref()
                .map_or_else(|| "not recorded".to_owned(), |key| key.join(" + ")),
            wanted(map)
                .and_then(|filters| filters.dataverse)
                .map(|filter| format!(", rows of Dataverse: {filter}"))
                .unwrap_or_default()
        ));
        if let Some(why) = unaligned(&self.0, map) {
            instructions.push(format!("  '{}': {why}; decide how it begins", map.name));
        }
        Change {
            key: start_key(&map.name),
            name: format!("set up and start dual-write map '{}'", map.name),
            before: json!({ "read": read }),
            after: json!({ "state": "running", "version": map.version.map(|v| v.to_string()) }),
            follows: Vec::new(),
            action: Action::Ask(Ask {
                instructions,
                evidence: "for each map its two projects in Finance and Operations, enabled and \
                           speaking to the target, and its runtime configuration in Dataverse at the \
                           recorded version"
                    .to_owned(),
            }),
        }
    }
}

/// What a map does now, beside what it did before the copy.
#[derive(Clone, Debug)]
pub(crate) struct MapAnswer {
    /// Its name.
    pub(crate) map: String,
    /// Does it do the same? None where that cannot be told.
    pub(crate) as_before: Option<bool>,
    /// What was read.
    pub(crate) read: String,
}

/// What every recorded map does, by what Dataverse and Finance and Operations show.
pub(crate) async fn map_answers(
    refresh: &Refresh,
    known: &Known,
) -> Result<Vec<MapAnswer>, Failure> {
    let recorded = Recorded::of(known);
    let evidence = Evidence::read(refresh, known).await?;
    let lively = evidence.running();
    Ok(recorded
        .maps
        .values()
        .map(|map| {
            let answer = match &map.was {
                Was::Running => evidence.runs(map),
                Was::Stopped | Was::Paused => match lively.get(&map.name) {
                    Some(read) => Answer::No(format!("it was stopped, and has a {read}")),
                    None => Answer::Yes("it is stopped".to_owned()),
                },
                Was::Unknown(state) => Answer::Unknown(format!("it was {state} before")),
            };
            MapAnswer {
                map: map.name.clone(),
                as_before: match answer {
                    Answer::Yes(_) => Some(true),
                    Answer::No(_) => Some(false),
                    Answer::Unknown(_) => None,
                },
                read: answer.read().to_owned(),
            }
        })
        .collect())
}

fn left_running(map: &RecordedMap, read: &str) -> Change {
    Change {
        key: format!("dual-write/map/{}/stop-at-the-end", map.name),
        name: format!("stop dual-write map '{}'", map.name),
        before: json!({ "read": read }),
        after: json!({ "state": "stopped" }),
        follows: Vec::new(),
        action: Action::Ask(Ask {
            instructions: vec![
                "Finance and Operations > Data management > Dual-write: stop these, which were stopped \
                 before the copy"
                    .to_owned(),
                format!("  stop '{}'", map.name),
            ],
            evidence: "no project of them is enabled, and they have no runtime configuration".to_owned(),
        }),
    }
}
