//! Whole tiles: removed with their neighbours joined, and restored.
//!
//! How they are joined depends on the tile's links (`links.rs`). **Nodes and edges**: the edges that
//! led to the tile then lead to its successor. **Actions with `runAfter`**: the action after the tile
//! then runs after the tile's predecessors. **Parents**: the tile's child becomes its parent's child,
//! on the tile's branch. A tile with two successors is a decision, and is never removed.
//!
//! Taking out is a function of the graph alone, so the sealed graph has everything that is needed
//! to put a tile back: its place, and what led to it and from it.

use super::GraphError;
use super::json::{
    Cutting, child, cut, cutting, item_steps, items, member, members, paste, replace, value_at,
};
use super::links::{Links, Tile, tile_of};
use super::slots::Slot;

/// One change that taking a tile out made, with what undoes it.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Undo {
    /// A part was cut.
    Paste(Cutting),
    /// An edge that led to the tile now leads to its successor.
    Edge {
        edges: String,
        /// The edge's text as it reads now, and as it was.
        now: String,
        was: String,
    },
    /// A value was changed.
    Value {
        pointer: String,
        now: String,
        was: String,
    },
}

/// Takes the tiles of these slots out and joins their neighbours.
pub(crate) fn remove_tiles(text: &str, slots: &[Slot]) -> Result<String, GraphError> {
    removed(text, slots).map(|(text, _)| text)
}

/// Puts the tiles of these slots back that are in the original and not in the current graph, with
/// the actions that they held. An edit at one of their places is an error.
pub(crate) fn put_back(
    current: &str,
    original: &str,
    slots: &[Slot],
) -> Result<String, GraphError> {
    let mut gone = Vec::new();
    for slot in slots {
        // No tile was removed whose links are unknown.
        if let Ok(tile) = tile_of(original, slot)
            && value_at(current, &tile.pointer())?.is_none()
        {
            gone.push(slot.clone());
        }
    }
    let (_, undo) = removed(original, &gone)?;
    let mut text = current.to_owned();
    for step in undo.iter().rev() {
        text = undone(&text, step)?;
    }
    Ok(text)
}

fn removed(text: &str, slots: &[Slot]) -> Result<(String, Vec<Undo>), GraphError> {
    let mut text = text.to_owned();
    let mut undo = Vec::new();
    for slot in slots {
        let tile = match tile_of(&text, slot) {
            Ok(tile) => tile,
            // Another slot of the same tile took it out.
            Err(_) if value_at(&text, &slot.pointer)?.is_none() => continue,
            Err(error) => return Err(error),
        };
        let refuse = |why: &str| GraphError(format!("tile '{}' {why}", slot.tile));
        text = match &tile.links {
            Links::Nodes { edges, ends } => {
                without_node(&text, &tile, edges, *ends, &mut undo, &refuse)?
            }
            Links::Actions => without_action(&text, &tile, &mut undo, &refuse)?,
            Links::Parents => without_child(&text, &tile, &mut undo, &refuse)?,
        };
        undo.push(Undo::Paste(cutting(&text, &tile.container, &tile.step)?));
        text = cut(&text, &tile.container, &tile.step)?;
    }
    Ok((text, undo))
}

type Refusal<'a> = &'a dyn Fn(&str) -> GraphError;

fn without_node(
    text: &str,
    tile: &Tile,
    edges: &str,
    (from, to): (&str, &str),
    undo: &mut Vec<Undo>,
    refuse: Refusal<'_>,
) -> Result<String, GraphError> {
    let id = tile.member(text, "id")?;
    let end = |edge: &str, name: &str| member(edge, name).map(|(key, raw)| (key, raw.to_owned()));
    let is_at = |edge: &str, name: &str| end(edge, name).is_some_and(|(_, raw)| raw == id);
    let list = value_at(text, edges)?.unwrap_or_default();
    let all = items(&list);
    let out: Vec<&str> = all
        .iter()
        .copied()
        .filter(|edge| is_at(edge, from))
        .collect();
    if out.len() > 1 {
        return Err(refuse("leads to several tiles: it cannot be removed"));
    }
    let Some(next) = out.first().and_then(|edge| end(edge, to)) else {
        return Err(refuse(
            "leads to no tile: the tiles before it would have no successor",
        ));
    };
    let mut text = text.to_owned();
    for (step, edge) in item_steps(&all).iter().zip(&all) {
        let Some((key, _)) = end(edge, to).filter(|_| is_at(edge, to)) else {
            continue;
        };
        let now = replace(edge, &child("", &key), &next.1)?;
        text = replace(&text, &child(edges, step), &now)?;
        undo.push(Undo::Edge {
            edges: edges.to_owned(),
            now,
            was: (*edge).to_owned(),
        });
    }
    let list = value_at(&text, edges)?.unwrap_or_default();
    let all = items(&list);
    let leaving = item_steps(&all)
        .into_iter()
        .zip(&all)
        .find(|(_, edge)| is_at(edge, from));
    if let Some((step, _)) = leaving {
        undo.push(Undo::Paste(cutting(&text, edges, &step)?));
        text = cut(&text, edges, &step)?;
    }
    Ok(text)
}

fn without_action(
    text: &str,
    tile: &Tile,
    undo: &mut Vec<Undo>,
    refuse: Refusal<'_>,
) -> Result<String, GraphError> {
    let own = tile.member(text, "runAfter")?;
    let before = members(&own);
    let container = value_at(text, &tile.container)?.unwrap_or_default();
    let following: Vec<(String, String, String)> = members(&container)
        .into_iter()
        .filter_map(|(key, raw)| {
            let (name, after) = member(raw, "runAfter")?;
            let follows = members(after).iter().any(|(key, _)| *key == tile.step);
            follows.then(|| (key, name, after.to_owned()))
        })
        .collect();
    if following.len() > 1 {
        return Err(refuse("leads to several tiles: it cannot be removed"));
    }
    let mut text = text.to_owned();
    for (key, name, was) in following {
        let others = members(&was);
        let mut entries: Vec<String> = Vec::new();
        let mut add = |key: &str, raw: &str| {
            let entry = format!("{}:{raw}", serde_json::Value::from(key));
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        };
        for (key, raw) in &others {
            if *key == tile.step {
                for (key, raw) in &before {
                    add(key, raw);
                }
            } else {
                add(key, raw);
            }
        }
        let pointer = child(&child(&tile.container, &key), &name);
        let now = format!("{{{}}}", entries.join(","));
        text = replace(&text, &pointer, &now)?;
        undo.push(Undo::Value { pointer, now, was });
    }
    Ok(text)
}

fn without_child(
    text: &str,
    tile: &Tile,
    undo: &mut Vec<Undo>,
    refuse: Refusal<'_>,
) -> Result<String, GraphError> {
    let id = tile.member(text, "ActivityId")?;
    if tile.member(text, "ParentActivityId")? == "null" {
        return Err(refuse("has no parent: it cannot be removed"));
    }
    let list = value_at(text, &tile.container)?.unwrap_or_default();
    let all = items(&list);
    let children: Vec<(String, &str)> = item_steps(&all)
        .into_iter()
        .zip(all)
        .filter(|(_, item)| member(item, "ParentActivityId").is_some_and(|(_, raw)| raw == id))
        .collect();
    if children.len() > 1 {
        return Err(refuse("leads to several tiles: it cannot be removed"));
    }
    let mut text = text.to_owned();
    for (step, item) in children {
        // The child takes the tile's place under its parent: the same branch, the same relation.
        for name in [
            "ParentActivityId",
            "ParentBranchId",
            "ParentRelationshipType",
        ] {
            let Some((key, was)) = member(item, name) else {
                continue;
            };
            let now = tile.member(&text, name)?;
            if now.is_empty() || now == was {
                continue;
            }
            let pointer = child(&child(&tile.container, &step), &key);
            text = replace(&text, &pointer, &now)?;
            undo.push(Undo::Value {
                pointer,
                now,
                was: was.to_owned(),
            });
        }
    }
    Ok(text)
}

fn undone(text: &str, undo: &Undo) -> Result<String, GraphError> {
    let edited = |what: &str| {
        GraphError(format!(
            "it was edited where a tile must be restored: {what} no longer exists"
        ))
    };
    match undo {
        Undo::Paste(cutting) => paste(text, cutting),
        Undo::Edge { edges, now, was } => {
            let list = value_at(text, edges)?.unwrap_or_default();
            let all = items(&list);
            let steps = item_steps(&all);
            let mut found = steps.iter().zip(&all).filter(|(_, edge)| same(edge, now));
            let (step, _) = found.next().ok_or_else(|| edited(now))?;
            replace(text, &child(edges, step), was)
        }
        Undo::Value { pointer, now, was } => {
            let current = value_at(text, pointer)?.ok_or_else(|| edited(pointer))?;
            if same(&current, now) {
                replace(text, pointer, was)
            } else {
                Err(edited(now))
            }
        }
    }
}

/// Are these the same JSON, however they are written?
fn same(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || (read(one).is_some() && read(one) == read(other))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::domain::graph::{Content, Dialect, clear, content, fill, slots};

    fn action(number: u128) -> Uuid {
        Uuid::from_u128(0x2000_0000_0000_4000_8000_0000_0000_0000 + number)
    }

    fn actions() -> BTreeMap<Uuid, String> {
        (0..64)
            .map(|n| (action(n), format!("Action \"{n}\"")))
            .collect()
    }

    /// A chain of tiles, some of which hold an action, between a start and an exit, with a decision
    /// in front of it whose other branch leads to the exit at once.
    fn chain(tiles: &[Option<u128>]) -> Vec<(String, Option<u128>)> {
        let name = |index: usize| format!("n{index}");
        tiles
            .iter()
            .enumerate()
            .map(|(index, tile)| (name(index), *tile))
            .collect()
    }

    fn lookup(tile: Option<u128>) -> Value {
        tile.map_or(
            Value::Null,
            |n| json!({ "id": action(n), "name": format!("Action \"{n}\"") }),
        )
    }

    fn nodes_and_edges(tiles: &[(String, Option<u128>)]) -> Value {
        let mut nodes = vec![
            json!({ "id": "start", "kind": "start" }),
            json!({ "id": "if", "kind": "control", "branches": ["Yes", "No"] }),
        ];
        let mut edges = vec![json!({ "from": "start", "to": "if" })];
        let mut last = ("if".to_owned(), Some("Yes"));
        for (id, tile) in tiles {
            nodes.push(json!({ "id": id, "kind": "action", "name": id, "n": 1.50, "providerAction": lookup(*tile) }));
            edges.push(match last.1 {
                Some(branch) => json!({ "from": last.0, "to": id, "branch": branch }),
                None => json!({ "from": last.0, "to": id }),
            });
            last = (id.clone(), None);
        }
        nodes.push(json!({ "id": "exit", "kind": "exit" }));
        edges.push(json!({ "from": last.0, "to": "exit" }));
        edges.push(json!({ "from": "if", "to": "exit", "branch": "No" }));
        json!({ "nodes": nodes, "edges": edges })
    }

    fn run_after(tiles: &[(String, Option<u128>)]) -> Value {
        let mut actions = serde_json::Map::new();
        let mut last: Option<String> = None;
        for (id, tile) in tiles {
            let after = last.map_or(json!({}), |last| json!({ last: ["Succeeded"] }));
            actions.insert(
                id.clone(),
                json!({ "type": "Custom", "name": id, "parameters": {
                    "providerActionId": tile.map(|n| format!("{{{}}}", action(n))),
                    "providerActionName": tile.map(|n| format!("Action \"{n}\"")) },
                    "runAfter": after }),
            );
            last = Some(id.clone());
        }
        json!({ "trigger": {}, "actions": actions })
    }

    fn parents(tiles: &[(String, Option<u128>)]) -> Value {
        let mut all =
            vec![json!({ "ActivityTypeId": "root", "ParentBranchId": 0, "ActivityId": "01" })];
        let mut last = ("01".to_owned(), 2);
        for (id, tile) in tiles {
            all.push(json!({ "ActivityTypeId": "Custom", "ParentActivityId": last.0,
                "ParentBranchId": last.1, "ActivityId": id, "Properties": { "Items": [
                    { "ItemId": tile.map(action), "ActivityTypeId": "ProviderAction",
                      "Name": tile.map(|n| format!("Action \"{n}\"")), "ActivityItemId": 23 } ] } }));
            last = (id.clone(), 0);
        }
        Value::Array(all)
    }

    fn texts(tiles: &[(String, Option<u128>)], pretty: bool) -> Vec<String> {
        let written = |value: &Value| {
            if pretty {
                serde_json::to_string_pretty(value).unwrap()
            } else {
                value.to_string()
            }
        };
        let inner = written(&nodes_and_edges(tiles));
        let upper = tiles
            .iter()
            .filter_map(|(_, tile)| *tile)
            .fold(inner.clone(), |text, n| {
                let id = action(n).to_string();
                text.replace(&id, &format!("{{{}}}", id.to_uppercase()))
            });
        vec![
            inner,
            written(&run_after(tiles)),
            written(&parents(tiles)),
            written(&json!({ "draft": upper, "published": upper })),
        ]
    }

    proptest! {
        #[test]
        fn a_tile_that_is_taken_out_and_put_back_is_unchanged(
            tiles in prop::collection::vec(prop::option::of(0..64_u128), 0..7),
            pretty in any::<bool>(),
        ) {
            for text in texts(&chain(&tiles), pretty) {
                let found = slots(&text, &actions()).unwrap();
                let without = remove_tiles(&text, &found).unwrap();
                prop_assert!(slots(&without, &actions()).unwrap().is_empty());
                for slot in &found {
                    prop_assert_eq!(content(&without, slot).unwrap(), Content::Empty);
                }
                prop_assert_eq!(put_back(&without, &text, &found).unwrap(), text);
            }
        }

        #[test]
        fn a_slot_that_is_emptied_and_filled_differs_only_in_its_ids(
            tiles in prop::collection::vec(prop::option::of(0..64_u128), 0..7),
            pretty in any::<bool>(),
        ) {
            let renewed = |id: Uuid| Uuid::from_u128(id.as_u128() | (1 << 120));
            for text in texts(&chain(&tiles), pretty) {
                let known = actions();
                let found = slots(&text, &known).unwrap();
                let dialect = Dialect::learn([text.as_str()].into_iter(), &known);
                let emptied = clear(&text, &found, &dialect).unwrap();
                prop_assert!(slots(&emptied, &known).unwrap().is_empty());
                let fills = found.iter().map(|slot| {
                    (slot, renewed(slot.action), known[&slot.action].as_str())
                });
                let filled = fill(&emptied, fills).unwrap();
                let mut expected = text.clone();
                for slot in &found {
                    let (old, new) = (slot.action.to_string(), renewed(slot.action).to_string());
                    expected = expected.replace(&old, &new);
                    expected = expected.replace(&old.to_uppercase(), &new.to_uppercase());
                }
                prop_assert_eq!(filled, expected);
            }
        }
    }

    #[test]
    fn neighbours_are_joined_and_a_branch_keeps_its_label() {
        let tiles = chain(&[Some(1), None, Some(2), Some(3)]);
        let [nodes, actions_text, parents, strings] = texts(&tiles, false).try_into().unwrap();
        let read = |text: &str| -> Value {
            let found = slots(text, &actions()).unwrap();
            serde_json::from_str(&remove_tiles(text, &found).unwrap()).unwrap()
        };
        let graph = read(&nodes);
        let expected = json!([
            { "from": "start", "to": "if" },
            { "from": "if", "to": "n1", "branch": "Yes" },
            { "from": "n1", "to": "exit" },
            { "from": "if", "to": "exit", "branch": "No" }
        ]);
        assert_eq!(graph["edges"], expected);
        assert_eq!(graph["nodes"].as_array().unwrap().len(), 4);
        let graph = read(&actions_text);
        assert_eq!(graph["actions"]["n1"]["runAfter"], json!({}));
        let graph = read(&parents);
        assert_eq!(graph[1]["ParentActivityId"], "01");
        assert_eq!(graph[1]["ParentBranchId"], 2);
        let graph = read(&strings);
        let inner: Value = serde_json::from_str(graph["published"].as_str().unwrap()).unwrap();
        assert_eq!(inner["edges"], expected);
    }

    #[test]
    fn a_tile_that_leads_to_two_others_is_never_removed() {
        let node = json!({ "id": "n", "name": "N", "providerAction": lookup(Some(1)) });
        let text = json!({ "nodes": [node], "edges": [
            { "from": "n", "to": "a" }, { "from": "n", "to": "b" }] })
        .to_string();
        let found = slots(&text, &actions()).unwrap();
        let error = remove_tiles(&text, &found).unwrap_err().to_string();
        assert!(error.contains("'N' leads to several tiles"), "{error}");
        let unknown = json!({ "name": "N", "providerAction": lookup(Some(1)) }).to_string();
        let found = slots(&unknown, &actions()).unwrap();
        assert!(remove_tiles(&unknown, &found).is_err());
    }

    #[test]
    fn tiles_that_a_person_added_stay_and_moved_ones_are_reported() {
        let text = nodes_and_edges(&chain(&[None, Some(1), None])).to_string();
        let found = slots(&text, &actions()).unwrap();
        let without = remove_tiles(&text, &found).unwrap();
        let mut edited: Value = serde_json::from_str(&without).unwrap();
        edited["nodes"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({ "id": "new", "kind": "note" }));
        let back = put_back(&edited.to_string(), &text, &found).unwrap();
        let back: Value = serde_json::from_str(&back).unwrap();
        assert_eq!(back["nodes"][0]["id"], "new");
        let original: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["edges"], original["edges"]);
        edited["edges"] = json!([]);
        let error = put_back(&edited.to_string(), &text, &found).unwrap_err();
        assert!(error.to_string().contains("was edited"), "{error}");
    }
}
