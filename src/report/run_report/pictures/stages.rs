//! One orchestration's tiles in one stage: what each holds before, detached and after.

use serde_json::Value;

use super::orchestrations::{GraphOutline, Mark, OutlineArrow, OutlineTile, Stage, TilePicture};
use crate::report::run_report::clean;

/// What steps 5 and 7 do with the slots of one graph.
pub(super) struct Edits<'a> {
    pub(super) before: &'a Value,
    pub(super) cleared: &'a Value,
    /// Is the graph detached, or planned to be?
    pub(super) is_cleared: bool,
    /// Does a tile go with its action?
    pub(super) removes_tiles: bool,
    /// The title of the last stage, and what it puts back.
    pub(super) restored: Option<(&'static str, &'a Value)>,
}

impl Edits<'_> {
    pub(super) fn stages(&self, graph: &GraphOutline) -> Vec<Stage> {
        let mut stages = vec![stage("Before", graph, self.before, Mark::Old)];
        if self.is_cleared {
            let mut detached = stage("Detached", graph, self.cleared, Mark::Old);
            if self.removes_tiles {
                without_empty_tiles(&mut detached);
            }
            stages.push(detached);
        }
        if let Some((title, restored)) = self.restored {
            // What the run cleared and does not restore stays empty.
            let mut values = self.cleared.clone();
            merge(&mut values, restored);
            stages.push(stage(title, graph, &values, Mark::New));
        }
        stages
    }
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
pub(super) fn stage(
    title: &'static str,
    graph: &GraphOutline,
    values: &Value,
    filled: Mark,
) -> Stage {
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
