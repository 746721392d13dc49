//! The outline of a graph for a picture: its tiles, and the arrows between them.
//!
//! It is read from the three kinds of links that `links.rs` knows. A graph without them has no outline
//! and is not drawn: nothing that changes a graph depends on this.

use super::json::{INTO_STRING, child, is_document, item_steps, items, member, members, string};
use super::links::ends_of;

/// How deep a graph is searched for its tiles.
const DEPTH: usize = 12;

/// A graph's tiles and arrows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Outline {
    pub(crate) tiles: Vec<OutlinedTile>,
    pub(crate) arrows: Vec<Arrow>,
}

/// A tile of an outline.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OutlinedTile {
    /// Its pointer; the pointers of its slots begin with it.
    pub(crate) pointer: String,
    /// Its own name, else what it is.
    pub(crate) name: String,
}

/// What leads from one tile to another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Arrow {
    /// The index of the tile where it begins.
    pub(crate) from: usize,
    /// The index of the tile where it ends.
    pub(crate) to: usize,
    /// The branch, if it has a name.
    pub(crate) label: Option<String>,
}

/// The outline of the first graph that a text holds; none if no tile is found.
pub(crate) fn outline(text: &str) -> Option<Outline> {
    find(text, "", 0).filter(|outline| !outline.tiles.is_empty())
}

fn find(text: &str, pointer: &str, depth: usize) -> Option<Outline> {
    if depth > DEPTH {
        return None;
    }
    let start = text.trim_start();
    if start.starts_with('"') {
        let inner = string(text).filter(|inner| is_document(inner))?;
        return find(&inner, &format!("{pointer}{INTO_STRING}"), depth + 1);
    }
    if start.starts_with('[') {
        let all = items(text);
        if all.iter().any(|item| member(item, "ActivityId").is_some()) {
            return Some(of_parents(&all, pointer));
        }
        let steps = item_steps(&all);
        let mut parts = steps.iter().zip(&all);
        return parts.find_map(|(step, item)| find(item, &child(pointer, step), depth + 1));
    }
    let members = members(text);
    if let Some(outline) = of_nodes(&members, pointer) {
        return Some(outline);
    }
    if is_actions(&members) {
        let mut outline = Outline::default();
        add_actions(&mut outline, text, pointer, None, 0);
        return Some(outline);
    }
    let mut parts = members.iter();
    parts.find_map(|(key, raw)| find(raw, &child(pointer, key), depth + 1))
}

/// Its own name, else the first member that says what it is.
fn name_of(tile: &str, otherwise: &str) -> String {
    let members = ["name", "displayName", "kind", "type", "ActivityTypeId"];
    let mut names = members.iter().filter_map(|name| text_of(tile, name));
    let name = names.find(|name| !name.trim().is_empty());
    name.unwrap_or_else(|| otherwise.to_owned())
}

fn text_of(object: &str, name: &str) -> Option<String> {
    member(object, name).and_then(|(_, raw)| string(raw))
}

/// Nodes and edges: two lists side by side.
fn of_nodes(members: &[(String, &str)], pointer: &str) -> Option<Outline> {
    let (edges, ends) = members.iter().find_map(|(_, raw)| {
        let all = items(raw);
        ends_of(&all).map(|ends| (all, ends))
    })?;
    let has_ids = |all: &[&str]| all.iter().all(|item| member(item, "id").is_some());
    let (key, nodes) = members.iter().find_map(|(key, raw)| {
        let all = items(raw);
        let are_nodes = !all.is_empty() && has_ids(&all) && all.len() > 1;
        (are_nodes && all != edges).then_some((key, all))
    })?;
    let list = child(pointer, key);
    let ids: Vec<&str> = nodes.iter().filter_map(|node| raw_of(node, "id")).collect();
    let steps = item_steps(&nodes);
    let tiles = steps.iter().zip(&nodes).map(|(step, node)| {
        let id = text_of(node, "id").unwrap_or_default();
        OutlinedTile {
            pointer: child(&list, step),
            name: name_of(node, &id),
        }
    });
    let index = |edge: &str, end: &str| {
        let id = raw_of(edge, end)?;
        ids.iter().position(|known| *known == id)
    };
    let arrows = edges.iter().filter_map(|edge| {
        let labels = ["branch", "label", "condition", "name"];
        Some(Arrow {
            from: index(edge, ends.0)?,
            to: index(edge, ends.1)?,
            label: labels.iter().find_map(|label| text_of(edge, label)),
        })
    });
    Some(Outline {
        tiles: tiles.collect(),
        arrows: arrows.collect(),
    })
}

fn raw_of<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    member(object, name).map(|(_, raw)| raw)
}

/// Is each of these members an action, and does one say after which it runs?
fn is_actions(members: &[(String, &str)]) -> bool {
    let is_object = |raw: &str| raw.trim_start().starts_with('{');
    members.iter().all(|(_, raw)| is_object(raw))
        && members
            .iter()
            .any(|(_, raw)| member(raw, "runAfter").is_some())
}

/// Adds actions, and the actions inside them: these follow the one that holds them.
fn add_actions(
    outline: &mut Outline,
    text: &str,
    pointer: &str,
    holder: Option<usize>,
    depth: usize,
) {
    let actions = members(text);
    let first = outline.tiles.len();
    for (key, raw) in &actions {
        outline.tiles.push(OutlinedTile {
            pointer: child(pointer, key),
            name: text_of(raw, "name").unwrap_or_else(|| key.clone()),
        });
    }
    for (at, (key, raw)) in actions.iter().enumerate() {
        let to = first + at;
        let after = raw_of(raw, "runAfter").map(members).unwrap_or_default();
        for (name, states) in &after {
            let Some(before) = actions.iter().position(|(key, _)| key == name) else {
                continue;
            };
            let states: Vec<String> = items(states).into_iter().filter_map(string).collect();
            let label = states.join(", ");
            outline.arrows.push(Arrow {
                from: first + before,
                to,
                label: Some(label).filter(|label| !label.is_empty() && label != "Succeeded"),
            });
        }
        if let Some(from) = holder.filter(|_| after.is_empty()) {
            let label = None;
            outline.arrows.push(Arrow { from, to, label });
        }
        add_held_actions(outline, raw, &child(pointer, key), to, depth + 1);
    }
}

fn add_held_actions(outline: &mut Outline, text: &str, pointer: &str, holder: usize, depth: usize) {
    if depth > DEPTH {
        return;
    }
    for (key, raw) in members(text) {
        let pointer = child(pointer, &key);
        if is_actions(&members(raw)) {
            add_actions(outline, raw, &pointer, Some(holder), depth);
        } else if raw.trim_start().starts_with('{') && key != "runAfter" {
            add_held_actions(outline, raw, &pointer, holder, depth + 1);
        }
    }
}

/// Activities that name their parents.
fn of_parents(all: &[&str], pointer: &str) -> Outline {
    let id = |item: &str| text_of(item, "ActivityId");
    let steps = item_steps(all);
    let tiles = steps.iter().zip(all).map(|(step, item)| {
        let properties = raw_of(item, "Properties");
        let named = properties.and_then(|properties| text_of(properties, "Name"));
        let name = named.unwrap_or_else(|| name_of(item, &id(item).unwrap_or_default()));
        OutlinedTile {
            pointer: child(pointer, step),
            name,
        }
    });
    let ids: Vec<Option<String>> = all.iter().map(|item| id(item)).collect();
    let arrows = all.iter().enumerate().filter_map(|(to, item)| {
        let parent = text_of(item, "ParentActivityId")?;
        let from = ids
            .iter()
            .position(|known| known.as_ref() == Some(&parent))?;
        let label = None;
        Some(Arrow { from, to, label })
    });
    Outline {
        tiles: tiles.collect(),
        arrows: arrows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(outline: &Outline) -> Vec<String> {
        let arrow = |arrow: &Arrow| {
            let name = |at: usize| outline.tiles[at].name.clone();
            let label = arrow.label.as_deref().map(|label| format!(" ({label})"));
            let label = label.unwrap_or_default();
            format!("{} -> {}{label}", name(arrow.from), name(arrow.to))
        };
        outline.arrows.iter().map(arrow).collect()
    }

    #[test]
    fn graphs_with_each_kind_of_links_have_the_same_outline() {
        let nodes = r#"{"nodes":[{"id":"a","name":"A","kind":"step"},
            {"id":"b","name":"B","kind":"step"},{"id":"c","kind":"exit"}],
            "edges":[{"from":"a","to":"b"},{"from":"b","to":"c","branch":"No"}]}"#;
        let found = outline(nodes).unwrap();
        assert_eq!(drawn(&found), ["A -> B", "B -> exit (No)"]);
        assert_eq!(found.tiles[1].pointer, "/nodes/id=b");

        let actions = r#"{"actions":{"A":{"runAfter":{}},"B":{"runAfter":{"A":["Succeeded"]},
            "else":{"actions":{"C":{"runAfter":{}}}}}}}"#;
        let found = outline(actions).unwrap();
        assert_eq!(drawn(&found), ["A -> B", "B -> C"]);
        assert_eq!(found.tiles[2].pointer, "/actions/B/else/actions/C");

        let parents = r#"[{"ActivityId":"01","ActivityTypeId":"root"},
            {"ActivityId":"02","ParentActivityId":"01","name":"B"}]"#;
        let found = outline(parents).unwrap();
        assert_eq!(drawn(&found), ["root -> B"]);

        let quoted = serde_json::json!({ "draft": nodes }).to_string();
        let found = outline(&quoted).unwrap();
        assert_eq!(found.tiles[1].pointer, "/draft/~json/nodes/id=b");
    }

    #[test]
    fn a_text_that_is_not_a_graph_has_no_outline() {
        for text in ["", "null", "{}", "[1]", "no JSON", r#"{"nodes":[]}"#] {
            assert_eq!(outline(text), None, "{text}");
        }
    }
}
