//! Each orchestration's tiles before, detached and after.
//!
//! The tiles come from the sealed graph. What each slot held, holds and should hold comes from the
//! intents that cleared and restored it, so the picture shows what the run recorded.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::journal::{ChangeState, SealedRow, State};
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

    /// The mark as a word, without its sign.
    pub(in super::super) fn word(self) -> &'static str {
        self.as_text().split_once(' ').map_or("", |(_, word)| word)
    }
}

/// The orchestrations whose slots the run changed, by name. Takes what reads a graph's outline.
pub(super) fn gather(
    state: &State,
    outline: &impl Fn(&str) -> Option<GraphOutline>,
) -> Vec<OrchestrationPicture> {
    // A seal of one provider that is reinstalled again has a number at its end; the newest wins.
    let seals = state.seals.values();
    let seals = seals.filter(|seal| seal.seal.starts_with("orchestrations"));
    let mut rows: BTreeMap<&str, &SealedRow> = BTreeMap::new();
    for row in seals.flat_map(|seal| &seal.captures) {
        if let Some(id) = row.key.strip_prefix("orchestration/") {
            rows.insert(id, row);
        }
    }
    let mut pictures: Vec<OrchestrationPicture> = rows
        .into_iter()
        .filter_map(|(id, row)| {
            let change = |what: &str| changed(state, &format!("orchestration/{id}/{what}"));
            picture(row, change("clear"), change("restore"), outline)
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
    row: &SealedRow,
    clear: Option<&ChangeState>,
    restore: Option<&ChangeState>,
    outline: &impl Fn(&str) -> Option<GraphOutline>,
) -> Option<OrchestrationPicture> {
    let clear = clear?;
    let fields: Value = serde_json::from_str(&row.text).ok()?;
    let graph = graph_of(&fields, outline)?;
    let quoted = clear.intent.name.split_once('\'');
    let name = quoted.map_or(clear.intent.name.as_str(), |(_, rest)| {
        rest.strip_suffix('\'').unwrap_or(rest)
    });
    let removes_tiles = clear.intent.name.starts_with("remove ");
    let cleared = &clear.intent.payload;
    let mut stages = vec![stage("Before", &graph, &cleared.before, Mark::Old)];
    if clear.done.is_some() {
        let mut detached = stage("Detached", &graph, &cleared.after, Mark::Old);
        if removes_tiles {
            without_empty_tiles(&mut detached);
        }
        stages.push(detached);
    }
    if let Some(restore) = restore {
        let title = if restore.done.is_some() {
            "After"
        } else {
            "After (not done yet)"
        };
        // What the run cleared and does not restore stays empty.
        let mut values = cleared.after.clone();
        merge(&mut values, &restore.intent.after);
        stages.push(stage(title, &graph, &values, Mark::New));
    }
    Some(OrchestrationPicture {
        name: clean(name),
        stages,
    })
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

fn merge(values: &mut Value, over: &Value) {
    for kind in ["slots", "dangling"] {
        for (pointer, value) in over
            .get(kind)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            values[kind][pointer] = value.clone();
        }
    }
}

/// A stage. Takes the values of slots and dangling ids by pointer, and what a filled slot holds.
fn stage(title: &'static str, graph: &GraphOutline, values: &Value, filled: Mark) -> Stage {
    let picture = |tile: &OutlineTile| {
        let (mark, action) = content(&tile.pointer, values, filled);
        TilePicture {
            name: clean(&tile.name),
            mark,
            action,
        }
    };
    let mut arrows = graph.arrows.clone();
    for label in arrows.iter_mut().filter_map(|arrow| arrow.label.as_mut()) {
        *label = clean(label);
    }
    Stage {
        title,
        tiles: graph.tiles.iter().map(picture).collect(),
        arrows,
    }
}

/// What the tile at a pointer holds.
fn content(tile: &str, values: &Value, filled: Mark) -> (Mark, Option<String>) {
    let within = |pointer: &str| {
        pointer
            .strip_prefix(tile)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let here = |kind: &str| {
        let values = values.get(kind).and_then(Value::as_object);
        let mut values = values.into_iter().flatten();
        values
            .find(|(pointer, _)| within(pointer))
            .map(|(_, value)| value)
    };
    if let Some(value) = here("dangling") {
        return (Mark::Dangling, text(value));
    }
    match here("slots") {
        None => (Mark::Plain, None),
        Some(Value::Null) => (Mark::Empty, None),
        Some(value) => (filled, text(value)),
    }
}

/// The text of a value. That an action is the new one says its mark already.
fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    Some(clean(text.strip_prefix("new action of ").unwrap_or(text)))
}

/// Takes the empty tiles out: what led to one leads to what followed it.
fn without_empty_tiles(stage: &mut Stage) {
    while let Some(gone) = stage.tiles.iter().position(|it| it.mark == Mark::Empty) {
        let (at, others): (Vec<_>, Vec<_>) = std::mem::take(&mut stage.arrows)
            .into_iter()
            .partition(|arrow| arrow.from == gone || arrow.to == gone);
        stage.arrows = others;
        for incoming in at.iter().filter(|arrow| arrow.to == gone) {
            for outgoing in at.iter().filter(|arrow| arrow.from == gone) {
                stage.arrows.push(OutlineArrow {
                    from: incoming.from,
                    to: outgoing.to,
                    label: incoming.label.clone(),
                });
            }
        }
        stage.tiles.remove(gone);
        for arrow in &mut stage.arrows {
            arrow.from -= usize::from(arrow.from > gone);
            arrow.to -= usize::from(arrow.to > gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn graph() -> GraphOutline {
        let tile = |id: &str| OutlineTile {
            pointer: format!("/nodes/id={id}"),
            name: id.to_owned(),
        };
        let arrow = |from, to| OutlineArrow {
            from,
            to,
            label: None,
        };
        GraphOutline {
            tiles: ["n1", "n2", "n20", "n3"].map(tile).to_vec(),
            arrows: vec![arrow(0, 1), arrow(1, 2), arrow(2, 3)],
        }
    }

    fn marks(stage: &Stage) -> Vec<Mark> {
        stage.tiles.iter().map(|tile| tile.mark).collect()
    }

    #[test]
    fn a_slot_marks_its_own_tile_and_no_other() {
        let values = json!({
            "slots": { "/nodes/id=n2/providerAction": "msdyn_a/b" },
            "dangling": { "/nodes/id=n3/providerAction": "an id" },
        });
        let before = stage("Before", &graph(), &values, Mark::Old);
        let expected = [Mark::Plain, Mark::Old, Mark::Plain, Mark::Dangling];
        assert_eq!(marks(&before), expected);
        assert_eq!(before.tiles[1].action.as_deref(), Some("msdyn_a/b"));
    }

    #[test]
    fn a_tile_that_was_taken_out_has_its_neighbours_joined() {
        let values = json!({ "slots": { "/nodes/id=n2/a": null } });
        let mut detached = stage("Detached", &graph(), &values, Mark::Old);
        without_empty_tiles(&mut detached);
        let names: Vec<&str> = detached.tiles.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["n1", "n20", "n3"]);
        let arrows: Vec<_> = detached.arrows.iter().map(|it| (it.from, it.to)).collect();
        assert_eq!(arrows, [(1, 2), (0, 1)]);
    }

    #[test]
    fn what_is_not_restored_stays_empty() {
        let mut values = json!({ "slots": { "/nodes/id=n1/a": null, "/nodes/id=n2/a": null } });
        merge(
            &mut values,
            &json!({ "slots": { "/nodes/id=n2/a": "new" } }),
        );
        let after = stage("After", &graph(), &values, Mark::New);
        assert_eq!(marks(&after)[..2], [Mark::Empty, Mark::New]);
    }
}
