//! An orchestration's JSON, edited without knowing its schema.
//!
//! The schema is not published, so nothing here depends on it. A **slot** is a place whose value
//! is the id of a known provider action; it is found by that id alone, in whatever case and with or
//! without braces, also in JSON that is kept as a string inside JSON. Edits replace the bytes of
//! the slot and leave every other byte as it was.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

/// The step of a pointer that goes from a string into the JSON that it holds.
const INTO_STRING: &str = "/~json";

/// How deep a document may be nested.
const DEPTH: usize = 64;

/// One place that holds a provider action.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Slot {
    /// JSON pointer of the slot.
    pub(super) pointer: String,
    /// The name of the tile: the nearest enclosing object's own name.
    pub(super) tile: String,
    /// The action that it holds.
    pub(super) action: Uuid,
    /// What was there, by pointer: a whole lookup object, or an id and its name beside it.
    originals: BTreeMap<String, String>,
    /// Pointers of id and name, relative to the original that holds them.
    id: (String, String),
    name: Option<(String, String)>,
}

/// Why a graph cannot be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct GraphError(String);

impl fmt::Display for GraphError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "its graph is not JSON that can be edited safely: {}",
            self.0
        )
    }
}

/// Finds the slots of a graph, in the order in which they stand. Takes the known actions with
/// their names.
pub(super) fn slots(text: &str, actions: &BTreeMap<Uuid, String>) -> Result<Vec<Slot>, GraphError> {
    let mut found = Vec::new();
    collect(text, "", "", actions, &mut found, 0)?;
    Ok(found)
}

/// Empties these slots: a lookup object becomes `null`, an id and its name become `null`.
pub(super) fn clear(text: &str, slots: &[Slot]) -> Result<String, GraphError> {
    let pointers = slots.iter().flat_map(|slot| slot.originals.keys());
    replace(
        text,
        &pointers
            .map(|pointer| (pointer.clone(), "null".to_owned()))
            .collect(),
    )
}

/// Puts a new action into each of these slots, in the form that was there before.
pub(super) fn fill<'a>(
    text: &str,
    slots: impl IntoIterator<Item = (&'a Slot, Uuid, &'a str)>,
) -> Result<String, GraphError> {
    let mut replacements = BTreeMap::new();
    for (slot, action, name) in slots {
        for (pointer, original) in &slot.originals {
            replacements.insert(
                pointer.clone(),
                slot.renewed(pointer, original, action, name)?,
            );
        }
    }
    replace(text, &replacements)
}

/// What a slot holds in this graph now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Content {
    /// Nothing: empty, or not there.
    Empty,
    /// An id.
    Id(Uuid),
    /// Something else, as text.
    Other(String),
}

/// Reads what a slot holds in this graph now.
pub(super) fn content(text: &str, slot: &Slot) -> Result<Content, GraphError> {
    let (holder, inner) = &slot.id;
    let Some(raw) = value_at(text, holder)? else {
        return Ok(Content::Empty);
    };
    let raw = if inner.is_empty() {
        Some(raw)
    } else {
        value_at(&raw, inner)?
    };
    let Some(raw) = raw else {
        return Ok(Content::Empty);
    };
    if raw == "null" || raw == "\"\"" {
        return Ok(Content::Empty);
    }
    let id = serde_json::from_str::<String>(&raw)
        .ok()
        .and_then(|text| id_of(&text));
    Ok(id.map_or(Content::Other(raw), Content::Id))
}

impl Slot {
    /// The original text of one pointer with a new id and name in it.
    fn renewed(
        &self,
        pointer: &str,
        original: &str,
        action: Uuid,
        name: &str,
    ) -> Result<String, GraphError> {
        let mut renewed = original.to_owned();
        let (holder, inner) = &self.id;
        if holder == pointer {
            let old = value_at(original, inner)?.unwrap_or_default();
            renewed = replace(
                &renewed,
                &BTreeMap::from([(inner.clone(), styled(&old, action))]),
            )?;
        }
        if let Some((holder, inner)) = &self.name
            && holder == pointer
        {
            let name = serde_json::Value::from(name).to_string();
            renewed = replace(&renewed, &BTreeMap::from([(inner.clone(), name)]))?;
        }
        Ok(renewed)
    }
}

/// A new id in the form of an old one: its case, its braces.
fn styled(old: &str, id: Uuid) -> String {
    let mut text = id.to_string();
    if old.chars().any(|c| c.is_ascii_uppercase()) {
        text = text.to_ascii_uppercase();
    }
    if old.contains('{') {
        format!("\"{{{text}}}\"")
    } else {
        format!("\"{text}\"")
    }
}

fn id_of(text: &str) -> Option<Uuid> {
    let text = text.trim();
    let bare = text
        .strip_prefix('{')
        .and_then(|t| t.strip_suffix('}'))
        .unwrap_or(text);
    if bare.len() == 36 {
        Uuid::try_parse(bare).ok()
    } else {
        None
    }
}

/// A value and its members, borrowed from the text.
enum Node<'a> {
    Object(Vec<(String, &'a RawValue)>),
    Array(Vec<&'a RawValue>),
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Node<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("JSON")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Node::Object(members))
            }
            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut sequence: A,
            ) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = sequence.next_element()? {
                    items.push(item);
                }
                Ok(Node::Array(items))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Node::Text(text.to_owned()))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Node::Other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Node::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Node::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Node::Other)
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Node::Other)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

fn parse(text: &str, depth: usize) -> Result<Node<'_>, GraphError> {
    if depth > DEPTH {
        return Err(GraphError(format!("it is nested more than {DEPTH} deep")));
    }
    serde_json::from_str(text).map_err(|error| GraphError(error.to_string()))
}

/// Is this string JSON of its own, as some dialects keep their graph?
fn is_document(text: &str) -> bool {
    let text = text.trim_start();
    (text.starts_with('{') || text.starts_with('['))
        && serde_json::from_str::<&RawValue>(text).is_ok()
}

fn child(pointer: &str, member: &str) -> String {
    format!("{pointer}/{}", member.replace('~', "~0").replace('/', "~1"))
}

fn collect(
    text: &str,
    pointer: &str,
    tile: &str,
    actions: &BTreeMap<Uuid, String>,
    found: &mut Vec<Slot>,
    depth: usize,
) -> Result<(), GraphError> {
    match parse(text, depth)? {
        Node::Object(members) => {
            let own_name = members
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case("name"));
            let own_name =
                own_name.and_then(|(_, raw)| serde_json::from_str::<String>(raw.get()).ok());
            for (key, raw) in &members {
                if let Some(slot) = lookup_slot(
                    pointer,
                    key,
                    raw.get(),
                    own_name.as_deref().unwrap_or(tile),
                    actions,
                )? {
                    found.push(slot);
                } else if let Some(slot) = plain_slot(
                    pointer,
                    key,
                    raw.get(),
                    &members,
                    tile,
                    own_name.as_deref(),
                    actions,
                ) {
                    found.push(slot);
                } else {
                    let tile = own_name.as_deref().unwrap_or(tile);
                    collect(
                        raw.get(),
                        &child(pointer, key),
                        tile,
                        actions,
                        found,
                        depth + 1,
                    )?;
                }
            }
        }
        Node::Array(items) => {
            for (index, raw) in items.iter().enumerate() {
                let pointer = child(pointer, &index.to_string());
                collect(raw.get(), &pointer, tile, actions, found, depth + 1)?;
            }
        }
        Node::Text(inner) if is_document(&inner) => {
            let pointer = format!("{pointer}{INTO_STRING}");
            collect(&inner, &pointer, tile, actions, found, depth + 1)?;
        }
        Node::Text(_) | Node::Other => {}
    }
    Ok(())
}

fn action_in(raw: &str, actions: &BTreeMap<Uuid, String>) -> Option<Uuid> {
    if !raw.starts_with('"') {
        return None;
    }
    let id = id_of(&serde_json::from_str::<String>(raw).ok()?)?;
    actions.contains_key(&id).then_some(id)
}

/// A member that is an object of an id and little else: the whole object is the slot.
fn lookup_slot(
    pointer: &str,
    key: &str,
    raw: &str,
    tile: &str,
    actions: &BTreeMap<Uuid, String>,
) -> Result<Option<Slot>, GraphError> {
    if !raw.starts_with('{') {
        return Ok(None);
    }
    let Node::Object(members) = parse(raw, 0)? else {
        return Ok(None);
    };
    let is_lookup = members.len() <= 4
        && members
            .iter()
            .all(|(_, raw)| !raw.get().starts_with(['{', '[']));
    let id = members
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case("id"));
    let Some((id_key, action)) = id
        .and_then(|(key, raw)| Some((key, action_in(raw.get(), actions)?)))
        .filter(|_| is_lookup)
    else {
        return Ok(None);
    };
    let name_key = members
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case("name"));
    let pointer = child(pointer, key);
    Ok(Some(Slot {
        tile: tile.to_owned(),
        action,
        id: (pointer.clone(), child("", id_key)),
        name: name_key.map(|(key, _)| (pointer.clone(), child("", key))),
        originals: BTreeMap::from([(pointer.clone(), raw.to_owned())]),
        pointer,
    }))
}

/// A member that is an id among other members: the id is the slot, with the name beside it.
fn plain_slot(
    pointer: &str,
    key: &str,
    raw: &str,
    members: &[(String, &RawValue)],
    tile: &str,
    own_name: Option<&str>,
    actions: &BTreeMap<Uuid, String>,
) -> Option<Slot> {
    let action = action_in(raw, actions)?;
    let expected = actions.get(&action).map(String::as_str);
    let beside = members.iter().find(|(other, raw)| {
        let value = serde_json::from_str::<String>(raw.get()).ok();
        other != key && value.is_some() && value.as_deref() == expected
    });
    let slot = child(pointer, key);
    let mut originals = BTreeMap::from([(slot.clone(), raw.to_owned())]);
    let name = beside.map(|(key, raw)| {
        let pointer = child(pointer, key);
        originals.insert(pointer.clone(), raw.get().to_owned());
        (pointer, String::new())
    });
    // The object's own name is the action's where it stands beside the id; then the tile is further out.
    let names_action = beside.is_some_and(|(key, _)| key.eq_ignore_ascii_case("name"));
    let tile = own_name
        .filter(|_| !names_action)
        .unwrap_or(tile)
        .to_owned();
    Some(Slot {
        id: (slot.clone(), String::new()),
        pointer: slot,
        tile,
        action,
        originals,
        name,
    })
}

/// The text of the value at a pointer.
fn value_at(text: &str, pointer: &str) -> Result<Option<String>, GraphError> {
    if pointer.is_empty() {
        return Ok(Some(text.trim().to_owned()));
    }
    if let Some(rest) = pointer.strip_prefix(INTO_STRING) {
        return match parse(text, 0)? {
            Node::Text(inner) if is_document(&inner) => value_at(&inner, rest),
            _ => Ok(None),
        };
    }
    let (step, rest) = first_step(pointer);
    match parse(text, 0)? {
        Node::Object(members) => match members.iter().find(|(key, _)| *key == step) {
            Some((_, raw)) => value_at(raw.get(), rest),
            None => Ok(None),
        },
        Node::Array(items) => match step.parse().ok().and_then(|index: usize| items.get(index)) {
            Some(raw) => value_at(raw.get(), rest),
            None => Ok(None),
        },
        Node::Text(_) | Node::Other => Ok(None),
    }
}

fn first_step(pointer: &str) -> (String, &str) {
    let pointer = pointer.strip_prefix('/').unwrap_or(pointer);
    let (step, rest) = pointer
        .find('/')
        .map_or((pointer, ""), |at| pointer.split_at(at));
    (step.replace("~1", "/").replace("~0", "~"), rest)
}

/// Replaces the values at these pointers; every other byte stays. A pointer that leads nowhere is
/// an error, so that no edit is lost in silence.
fn replace(text: &str, replacements: &BTreeMap<String, String>) -> Result<String, GraphError> {
    let mut result = text.to_owned();
    for (pointer, replacement) in replacements {
        result = replace_one(&result, pointer, replacement, 0)?;
    }
    Ok(result)
}

fn replace_one(
    text: &str,
    pointer: &str,
    replacement: &str,
    depth: usize,
) -> Result<String, GraphError> {
    if pointer.is_empty() {
        return Ok(replacement.to_owned());
    }
    let nowhere = || GraphError(format!("there is nothing at {pointer}"));
    if let Some(rest) = pointer.strip_prefix(INTO_STRING) {
        let Node::Text(inner) = parse(text, depth)? else {
            return Err(nowhere());
        };
        let edited = replace_one(&inner, rest, replacement, depth + 1)?;
        return Ok(serde_json::Value::from(edited).to_string());
    }
    let (step, rest) = first_step(pointer);
    let node = parse(text, depth)?;
    let raw = match &node {
        Node::Object(members) => members
            .iter()
            .find(|(key, _)| *key == step)
            .map(|(_, raw)| *raw),
        Node::Array(items) => step.parse().ok().and_then(|i: usize| items.get(i)).copied(),
        Node::Text(_) | Node::Other => None,
    };
    let raw = raw.ok_or_else(nowhere)?.get();
    // The raw text is borrowed from `text`, so the distance of their beginnings is its place.
    let start = raw.as_ptr() as usize - text.as_ptr() as usize;
    let edited = replace_one(raw, rest, replacement, depth + 1)?;
    Ok(format!(
        "{}{edited}{}",
        &text[..start],
        &text[start + raw.len()..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "20000000-0000-4000-8000-000000000301";
    const NEW: &str = "21000000-0000-4000-8000-000000000301";

    fn actions() -> BTreeMap<Uuid, String> {
        BTreeMap::from([(Uuid::try_parse(OLD).unwrap(), "Bulk Upload".to_owned())])
    }

    /// Clears, fills with a new action, and returns both texts.
    fn there_and_back(text: &str) -> (Vec<Slot>, String, String) {
        let slots = slots(text, &actions()).unwrap();
        let cleared = clear(text, &slots).unwrap();
        let new = Uuid::try_parse(NEW).unwrap();
        for slot in &slots {
            assert_eq!(content(text, slot).unwrap(), Content::Id(slot.action));
            assert_eq!(content(&cleared, slot).unwrap(), Content::Empty);
        }
        let filled = fill(
            &cleared,
            slots.iter().map(|slot| (slot, new, "Delta Upload")),
        )
        .unwrap();
        for slot in &slots {
            assert_eq!(content(&filled, slot).unwrap(), Content::Id(new));
        }
        (slots, cleared, filled)
    }

    #[test]
    fn a_lookup_object_is_emptied_whole_and_every_other_byte_stays() {
        let text = format!(
            r#"{{ "nodes": [ {{"name":"Upload", "n": 1e5, "providerAction" : {{"id":"{OLD}","name":"Bulk Upload"}} }} ]  }}"#
        );
        let (slots, cleared, filled) = there_and_back(&text);
        assert_eq!(slots[0].pointer, "/nodes/0/providerAction");
        assert_eq!(slots[0].tile, "Upload");
        assert_eq!(
            cleared,
            r#"{ "nodes": [ {"name":"Upload", "n": 1e5, "providerAction" : null } ]  }"#
        );
        assert_eq!(
            filled,
            text.replace(OLD, NEW)
                .replace("Bulk Upload", "Delta Upload")
        );
    }

    #[test]
    fn an_id_among_other_members_takes_the_name_beside_it_along() {
        let text = format!(
            r#"{{"actions":{{"a":{{"name":"Upload","parameters":{{"providerActionId":"{{{OLD}}}","providerActionName":"Bulk Upload","filter":null}}}}}}}}"#
        );
        let (slots, cleared, filled) = there_and_back(&text);
        assert_eq!(slots[0].tile, "Upload");
        assert!(
            cleared.contains(r#""providerActionId":null,"providerActionName":null"#),
            "{cleared}"
        );
        assert_eq!(
            filled,
            text.replace(OLD, NEW)
                .replace("Bulk Upload", "Delta Upload")
        );
    }

    #[test]
    fn json_inside_a_string_is_edited_in_both_copies_in_its_own_style() {
        let inner = format!(
            r#"{{"nodes":[{{"name":"Upload","providerAction":{{"id":"{{{}}}","name":"Bulk Upload"}}}}]}}"#,
            OLD.to_uppercase()
        );
        let text = serde_json::json!({ "draft": inner, "published": inner }).to_string();
        let (slots, _, filled) = there_and_back(&text);
        assert_eq!(slots.len(), 2);
        assert_eq!(slots[0].pointer, "/draft/~json/nodes/0/providerAction");
        let expected = text.replace(&OLD.to_uppercase(), &NEW.to_uppercase());
        assert_eq!(filled, expected.replace("Bulk Upload", "Delta Upload"));
    }

    #[test]
    fn unknown_ids_are_no_slots_and_broken_json_is_said() {
        let dangling =
            r#"{"providerAction":{"id":"deadbeef-0000-4000-8000-000000000001","name":"x"}}"#;
        assert!(slots(dangling, &actions()).unwrap().is_empty());
        assert!(slots("{", &actions()).is_err());
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(slots(&deep, &actions()).is_err());
    }
}
