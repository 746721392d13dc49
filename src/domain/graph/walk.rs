//! The objects of a graph, with their names and types, visited in their order.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::GraphError;
use super::json::{INTO_STRING, Node, OWN_NAMES, child, is_document, item_steps, parse, string};

/// An object of a graph that a walk visits.
pub(crate) struct Object<'a> {
    pub(crate) pointer: &'a str,
    pub(crate) members: &'a [(String, &'a str)],
    /// The name of the nearest object around it that has one.
    outer: &'a str,
}

impl Object<'_> {
    /// Its own name.
    fn own_name(&self) -> Option<String> {
        OWN_NAMES.iter().find_map(|own| {
            let mut members = self.members.iter();
            let name = members.find(|(key, _)| key.eq_ignore_ascii_case(own));
            name.and_then(|(_, raw)| string(raw))
        })
    }

    /// The tile that a lookup in it belongs to.
    pub(crate) fn tile(&self) -> String {
        self.own_name().unwrap_or_else(|| self.outer.to_owned())
    }

    /// The tile around it, if its own name is that of what it refers to.
    pub(crate) fn outer_tile(&self) -> String {
        self.outer.to_owned()
    }

    /// The members that say what it is: `kind`, `type`, `ActivityTypeId`, ….
    pub(crate) fn types(&self) -> Vec<(String, String)> {
        let is_type = |key: &str| {
            let key = key.to_ascii_lowercase();
            key == "kind" || key.ends_with("type") || key.ends_with("typeid")
        };
        self.members
            .iter()
            .filter(|(key, _)| is_type(key))
            .filter_map(|(key, raw)| Some((key.clone(), string(raw)?)))
            .collect()
    }
}

/// Visits every object of a graph. `visit` returns the members that it has handled; the walk does
/// not enter them.
pub(crate) fn walk(
    text: &str,
    visit: &mut dyn FnMut(&Object<'_>) -> Result<Vec<String>, GraphError>,
) -> Result<(), GraphError> {
    walk_in(text, "", "", 0, visit)
}

fn walk_in(
    text: &str,
    pointer: &str,
    tile: &str,
    depth: usize,
    visit: &mut dyn FnMut(&Object<'_>) -> Result<Vec<String>, GraphError>,
) -> Result<(), GraphError> {
    match parse(text, depth)? {
        Node::Object(members) => {
            let members: Vec<(String, &str)> = members
                .into_iter()
                .map(|(key, raw)| (key, raw.get()))
                .collect();
            let object = Object {
                pointer,
                members: &members,
                outer: tile,
            };
            let done = visit(&object)?;
            let tile = object.tile();
            for (key, raw) in &members {
                if !done.contains(key) {
                    walk_in(raw, &child(pointer, key), &tile, depth + 1, visit)?;
                }
            }
        }
        Node::Array(items) => {
            let items: Vec<&str> = items.into_iter().map(RawValue::get).collect();
            for (step, item) in item_steps(&items).iter().zip(&items) {
                walk_in(item, &child(pointer, step), tile, depth + 1, visit)?;
            }
        }
        Node::Text(inner) if is_document(&inner) => {
            let pointer = format!("{pointer}{INTO_STRING}");
            walk_in(&inner, &pointer, tile, depth + 1, visit)?;
        }
        Node::Text(_) | Node::Other => {}
    }
    Ok(())
}

/// Does a member hold a name, the object's own or another?
pub(super) fn is_name(key: &str) -> bool {
    key.to_ascii_lowercase().ends_with("name")
}

/// Every name in a graph: of tiles, and of what they refer to. A name is the text of a member that
/// is called `name`, or ends so (`displayName`). A graph that cannot be read has none.
pub(crate) fn names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let walked = walk(text, &mut |object| {
        let members = object.members.iter().filter(|(key, _)| is_name(key));
        names.extend(members.filter_map(|(_, raw)| string(raw)));
        Ok(Vec::new())
    });
    // The step that edits an unreadable graph reports why it cannot be read.
    match walked {
        Ok(()) => names,
        Err(_) => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_name_is_a_name_also_in_json_inside_a_string() {
        let inner = r#"{"displayName":"Ship","action":{"id":null,"name":"Send"}}"#;
        let text = serde_json::json!({ "Name": "Order", "draft": inner, "kind": "x" }).to_string();
        let expected = ["Order", "Send", "Ship"].map(str::to_owned);
        assert_eq!(names(&text), BTreeSet::from(expected));
        assert!(names("{").is_empty());
    }
}
