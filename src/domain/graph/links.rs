//! Finds the tile of a slot, and how it is linked to its neighbours.
//!
//! Three kinds of links are known: **nodes and edges**, **actions with `runAfter`**, and activities
//! that name their **parents**.

use super::GraphError;
use super::json::{child, items, member, members, parent, value_at};
use super::slots::Slot;

/// The members of an edge that hold its two ends.
const EDGES: [(&str, &str); 2] = [("from", "to"), ("source", "target")];

/// A tile, by the pointers of its container and of itself.
pub(super) struct Tile {
    pub(super) container: String,
    pub(super) step: String,
    pub(super) links: Links,
}

/// How a tile is linked to its neighbours.
pub(super) enum Links {
    /// By edges. Takes their pointer and the names of their ends.
    Nodes {
        edges: String,
        ends: (&'static str, &'static str),
    },
    /// By `runAfter`, which names the actions before it.
    Actions,
    /// By the id of its parent.
    Parents,
}

impl Tile {
    pub(super) fn pointer(&self) -> String {
        child(&self.container, &self.step)
    }

    /// The text of one of its members; empty if it has no such member.
    pub(super) fn member(&self, text: &str, name: &str) -> Result<String, GraphError> {
        let tile = value_at(text, &self.pointer())?.unwrap_or_default();
        let found = member(&tile, name).map(|(_, raw)| raw.to_owned());
        Ok(found.unwrap_or_default())
    }
}

/// The tile of a slot: the nearest enclosing object whose links are known.
pub(super) fn tile_of(text: &str, slot: &Slot) -> Result<Tile, GraphError> {
    let mut pointer = slot.pointer.as_str();
    while let Some((container, step)) = parent(pointer) {
        let step = step
            .trim_start_matches('/')
            .replace("~1", "/")
            .replace("~0", "~");
        let tile = value_at(text, pointer)?.unwrap_or_default();
        let around = value_at(text, container)?.unwrap_or_default();
        let links = if around.starts_with('[') && member(&tile, "ParentActivityId").is_some() {
            Some(Links::Parents)
        } else if around.starts_with('{') && member(&tile, "runAfter").is_some() {
            Some(Links::Actions)
        } else if around.starts_with('[') && member(&tile, "id").is_some() {
            edges_beside(text, container)?
        } else {
            None
        };
        if let Some(links) = links {
            return Ok(Tile {
                container: container.to_owned(),
                step,
                links,
            });
        }
        pointer = container;
    }
    Err(GraphError(format!(
        "tile '{}' is connected to its neighbours in an unknown form; `how: clear` empties it",
        slot.tile
    )))
}

/// The list of edges beside a list of nodes.
fn edges_beside(text: &str, nodes: &str) -> Result<Option<Links>, GraphError> {
    let Some((graph, _)) = parent(nodes) else {
        return Ok(None);
    };
    let around = value_at(text, graph)?.unwrap_or_default();
    for (key, raw) in members(&around) {
        if let Some(ends) = ends_of(&items(raw)) {
            return Ok(Some(Links::Nodes {
                edges: child(graph, &key),
                ends,
            }));
        }
    }
    Ok(None)
}

/// The names of the ends of these edges; `None` if these are not edges.
pub(super) fn ends_of(all: &[&str]) -> Option<(&'static str, &'static str)> {
    let ends = EDGES.iter().find(|(from, to)| {
        let has = |edge: &&str| member(edge, from).is_some() && member(edge, to).is_some();
        !all.is_empty() && all.iter().all(has)
    });
    ends.copied()
}
