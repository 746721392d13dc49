//! Each orchestration's tiles before, detached and after.
//!
//! The tiles come from the sealed graph. What each slot held, holds and should hold comes from the
//! intents that cleared and restored it, so the picture shows what the run recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::stages::{Edits, stage};
use crate::base::text::count;
use crate::engine::PlannedChange;
use crate::journal::{ChangeState, SealState, SealedRow, State};
use crate::report::run_report::clean;

/// A graph's tiles and arrows, as its reader gives them.
#[derive(Clone, Debug, Default)]
pub struct GraphOutline {
    /// The tiles.
    pub tiles: Vec<OutlineTile>,
    /// What leads from one to another.
    pub arrows: Vec<OutlineArrow>,
}

/// A tile of an outline.
#[derive(Clone, Debug)]
pub struct OutlineTile {
    /// Its JSON pointer; the pointers of its slots begin with it.
    pub pointer: String,
    /// Its name.
    pub name: String,
}

/// What leads from one tile to another, by their indexes.
#[derive(Clone, Debug)]
pub struct OutlineArrow {
    /// From which.
    pub from: usize,
    /// To which.
    pub to: usize,
    /// The branch, if it has a name.
    pub label: Option<String>,
}

/// One orchestration in the stages that it has reached.
#[derive(Debug)]
pub(in super::super) struct OrchestrationPicture {
    pub(in super::super) name: String,
    pub(in super::super) stages: Vec<Stage>,
}

/// One state of an orchestration.
#[derive(Debug)]
pub(in super::super) struct Stage {
    pub(in super::super) title: &'static str,
    pub(in super::super) tiles: Vec<TilePicture>,
    pub(in super::super) arrows: Vec<OutlineArrow>,
}

/// A tile in one stage.
#[derive(Clone, Debug)]
pub(in super::super) struct TilePicture {
    pub(in super::super) name: String,
    pub(in super::super) mark: Mark,
    /// The action that it holds, if it has a slot.
    pub(in super::super) action: Option<String>,
}

/// What a tile holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum Mark {
    /// No provider action, and none before.
    Plain,
    /// An action of the provider before its reinstallation.
    Old,
    /// Nothing, where an action was.
    Empty,
    /// An action of the new provider.
    New,
    /// An id that no action has.
    Dangling,
}

impl Mark {
    /// The mark as a sign and a word; empty for a plain tile.
    pub(in super::super) fn as_text(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Old => "● old action",
            Self::Empty => "○ no action",
            Self::New => "★ new action",
            Self::Dangling => "! dangling",
        }
    }

    /// So many tiles with this mark, in words without its sign.
    pub(in super::super) fn counted(self, number: usize) -> String {
        match self {
            Self::Plain => count(number, "tile"),
            Self::Old => count(number, "old action"),
            Self::Empty => format!("{number} without action"),
            Self::New => count(number, "new action"),
            Self::Dangling => format!("{number} dangling"),
        }
    }
}

/// The orchestrations whose slots the run changed, by name. `outline` parses a graph. `title` reads
/// the name of an orchestration that the run recorded and did not change; without a name it is left
/// out.
pub(super) fn gather(
    state: &State,
    outline: &impl Fn(&str) -> Option<GraphOutline>,
    title: &impl Fn(&Value) -> Option<String>,
) -> Vec<OrchestrationPicture> {
    // A seal of one provider that is reinstalled has a number at its end; the newest wins.
    let seals = state.seals.values();
    let seals = seals.filter(|seal| seal.seal.starts_with("orchestrations"));
    let mut rows: BTreeMap<&str, (&SealState, &Arc<SealedRow>)> = BTreeMap::new();
    for (seal, row) in seals.flat_map(|seal| seal.captures.iter().map(move |row| (seal, row))) {
        if let Some(id) = row.key.strip_prefix("orchestration/") {
            rows.insert(id, (seal, row));
        }
    }
    let mut pictures: Vec<OrchestrationPicture> = rows
        .into_iter()
        .filter_map(|(id, (seal, row))| {
            let text = state.text_of(seal, row).ok()?;
            let row = text.as_str();
            let change = |what: &str| changed(state, &format!("orchestration/{id}/{what}"));
            match change("clear") {
                Some(clear) => picture(row, clear, change("restore"), outline),
                None => unchanged(row, outline, title),
            }
        })
        .collect();
    pictures.sort_by(|one, other| one.name.cmp(&other.name));
    pictures
}

/// A change that the program or a person makes.
fn changed<'a>(state: &'a State, key: &str) -> Option<&'a ChangeState> {
    let set = state.set(key).map(AsRef::as_ref);
    set.or_else(|| state.manual_changes.get(key).map(AsRef::as_ref))
}

fn picture(
    row: &str,
    clear: &ChangeState,
    restore: Option<&ChangeState>,
    outline: &impl Fn(&str) -> Option<GraphOutline>,
) -> Option<OrchestrationPicture> {
    let fields: Value = serde_json::from_str(row).ok()?;
    let graph = graph_of(&fields, outline)?;
    let quoted = clear.intent.name.split_once('\'');
    let name = quoted.map_or(clear.intent.name.as_str(), |(_, rest)| {
        rest.strip_suffix('\'').unwrap_or(rest)
    });
    let (before, cleared) = (clear.intent.before.value(), clear.intent.after.value());
    let restored = restore.map(|restore| {
        let title = if restore.done.is_some() {
            "After"
        } else {
            "After (not done yet)"
        };
        (title, restore.intent.after.value())
    });
    let edits = Edits {
        before: &before,
        cleared: &cleared,
        is_cleared: clear.done.is_some(),
        removes_tiles: clear.intent.name.starts_with("remove "),
        restored: restored.as_ref().map(|(title, after)| (*title, after)),
    };
    Some(OrchestrationPicture {
        name: clean(name),
        stages: edits.stages(&graph),
    })
}

/// An orchestration as a plan leaves it. Takes its name, the change that clears its slots, and the
/// one that fills them again.
pub(in super::super) fn planned(
    name: &str,
    graph: &GraphOutline,
    clear: &PlannedChange,
    restore: Option<&PlannedChange>,
) -> OrchestrationPicture {
    let (before, cleared) = (clear.before.value(), clear.after.value());
    let restored = restore.map(|restore| restore.after.value());
    let edits = Edits {
        before: &before,
        cleared: &cleared,
        is_cleared: true,
        removes_tiles: clear.name.starts_with("remove "),
        restored: restored.as_ref().map(|restored| ("After", restored)),
    };
    OrchestrationPicture {
        name: clean(name),
        stages: edits.stages(graph),
    }
}

/// An orchestration whose slots the run does not change.
fn unchanged(
    row: &str,
    outline: &impl Fn(&str) -> Option<GraphOutline>,
    title: &impl Fn(&Value) -> Option<String>,
) -> Option<OrchestrationPicture> {
    let fields: Value = serde_json::from_str(row).ok()?;
    let name = title(&fields)?;
    let graph = graph_of(&fields, outline)?;
    Some(OrchestrationPicture {
        name: clean(&name),
        stages: vec![stage("As recorded", &graph, &Value::Null, Mark::Old)],
    })
}

/// An orchestration as an environment holds it now. Takes the values of its slots.
pub(in super::super) fn present(
    name: &str,
    graph: &GraphOutline,
    values: &Value,
) -> OrchestrationPicture {
    OrchestrationPicture {
        name: clean(name),
        stages: vec![stage("Now", graph, values, Mark::Old)],
    }
}

/// The outline of the column that holds the graph: the text with the most tiles, because the
/// column's name may differ in a tenant.
fn graph_of(
    fields: &Value,
    outline: &impl Fn(&str) -> Option<GraphOutline>,
) -> Option<GraphOutline> {
    let texts = fields.as_object()?.values().filter_map(Value::as_str);
    let graphs = texts.filter(|text| text.trim_start().starts_with(['{', '[']));
    graphs
        .filter_map(outline)
        .max_by_key(|graph| graph.tiles.len())
}
