//! Slots: found by the ids of known actions, emptied, filled again, read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use uuid::Uuid;

use super::GraphError;
use super::dialect::{Dialect, Empty};
use super::json::{
    Cutting, INTO_STRING, Node, OWN_NAMES, child, cut, cutting, is_document, is_own_name,
    item_steps, members, parse, paste, replace, string, value_at,
};

/// One place that holds a provider action.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Slot {
    /// The JSON pointer of the member that is the slot.
    pub(crate) pointer: String,
    /// The name of the tile: the nearest enclosing object's own name.
    pub(crate) tile: String,
    /// The action that it holds.
    pub(crate) action: Uuid,
    /// Its form, which decides how it is emptied.
    pub(crate) kind: SlotKind,
    /// The members that make it: a whole lookup object, or an id and its name beside it.
    members: Vec<Member>,
    /// The member that holds the id: its index in `members`, and the pointer within it.
    id: (usize, String),
    /// The same for the action's name, if the slot has one.
    name: Option<(usize, String)>,
}

/// One member of a slot, as it was.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Member {
    container: String,
    key: String,
    original: String,
    cutting: Cutting,
}

impl Member {
    fn pointer(&self) -> String {
        child(&self.container, &self.key)
    }
}

/// What distinguishes slots of one kind from other members.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct SlotKind {
    /// The member's name.
    pub(crate) key: String,
    /// Is it an object of an id and a name, or a plain id?
    pub(crate) is_lookup: bool,
    /// The name of the member beside a plain id that holds the action's name.
    pub(crate) name_key: Option<String>,
    /// Beside a plain id: the members that say what their object is.
    pub(crate) types: Vec<(String, String)>,
}

/// Does a member hold a name, the object's own or another?
fn is_name(key: &str) -> bool {
    key.to_ascii_lowercase().ends_with("name")
}

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

/// Finds the slots of a graph, in their order. Takes the known actions with their
/// names.
pub(crate) fn slots(text: &str, actions: &BTreeMap<Uuid, String>) -> Result<Vec<Slot>, GraphError> {
    let mut found = Vec::new();
    walk(text, &mut |object| {
        let mut done = Vec::new();
        for (key, raw) in object.members {
            let slot = match lookup_of(raw) {
                Some(_) => lookup_slot(text, object, key, raw, actions)?,
                None => plain_slot(text, object, key, raw, actions)?,
            };
            if let Some(slot) = slot {
                done.push(key.clone());
                found.push(slot);
            }
        }
        Ok(done)
    })?;
    Ok(found)
}

/// How many places of an orchestration these are, each with its tile and its id. A graph may hold a
/// draft beside the copy that is published, both as text: what is in the same place of both counts
/// once.
pub(crate) fn count_places<'a>(
    places: impl IntoIterator<Item = (&'a str, &'a str, Uuid)>,
) -> usize {
    let places = places.into_iter().map(|(pointer, tile, id)| {
        let inner = pointer.rsplit_once(INTO_STRING).and_then(|(text, rest)| {
            let (around, key) = text.rsplit_once('/')?;
            let mut copies = ["draft", "published"].into_iter();
            copies
                .any(|copy| key.eq_ignore_ascii_case(copy))
                .then(|| format!("{around}/*{rest}"))
        });
        (inner.unwrap_or_else(|| pointer.to_owned()), tile, id)
    });
    places.collect::<BTreeSet<_>>().len()
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

/// The names of the members that hold the id and its own name, if this is a *lookup*: an object of
/// an id and little else.
pub(crate) fn lookup_of(raw: &str) -> Option<(String, Option<String>)> {
    if !raw.starts_with('{') {
        return None;
    }
    let members = members(raw);
    let is_lookup =
        members.len() <= 4 && members.iter().all(|(_, raw)| !raw.starts_with(['{', '[']));
    let called = |name: &str| {
        let found = members
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(key, _)| key.clone())
    };
    is_lookup.then_some(())?;
    let name = OWN_NAMES.iter().find_map(|own| called(own));
    Some((called("id")?, name))
}

/// The id in a JSON string, in upper or lower case, with or without braces.
pub(crate) fn id_in(raw: &str) -> Option<Uuid> {
    if !raw.starts_with('"') {
        return None;
    }
    let text = string(raw)?;
    let text = text.trim();
    let bare = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        .unwrap_or(text);
    if bare.len() == 36 {
        Uuid::try_parse(bare).ok()
    } else {
        None
    }
}

fn known(raw: &str, actions: &BTreeMap<Uuid, String>) -> Option<Uuid> {
    id_in(raw).filter(|id| actions.contains_key(id))
}

/// A member that is an object of an id and little else: the whole object is the slot.
fn lookup_slot(
    text: &str,
    object: &Object<'_>,
    key: &str,
    raw: &str,
    actions: &BTreeMap<Uuid, String>,
) -> Result<Option<Slot>, GraphError> {
    let Some((id_key, name_key)) = lookup_of(raw) else {
        return Ok(None);
    };
    let id = value_at(raw, &child("", &id_key))?.unwrap_or_default();
    let Some(action) = known(&id, actions) else {
        return Ok(None);
    };
    // Another member may hold the action's name (`actionName`); it is known by the name.
    let expected = actions.get(&action).map(String::as_str);
    let name_key = name_key.or_else(|| {
        let others = members(raw).into_iter();
        let mut named = others.filter(|(key, raw)| is_name(key) && string(raw).is_some());
        named
            .find(|(_, raw)| string(raw).as_deref() == expected)
            .map(|(key, _)| key)
    });
    Ok(Some(Slot {
        pointer: child(object.pointer, key),
        tile: object.tile(),
        action,
        kind: SlotKind {
            key: key.to_owned(),
            is_lookup: true,
            name_key: None,
            types: Vec::new(),
        },
        members: vec![member(text, object, key, raw)?],
        id: (0, child("", &id_key)),
        name: name_key.map(|key| (0, child("", &key))),
    }))
}

/// A member that is an id among other members: the id is the slot, with the name beside it.
fn plain_slot(
    text: &str,
    object: &Object<'_>,
    key: &str,
    raw: &str,
    actions: &BTreeMap<Uuid, String>,
) -> Result<Option<Slot>, GraphError> {
    let Some(action) = known(raw, actions) else {
        return Ok(None);
    };
    let expected = actions.get(&action).map(String::as_str);
    let beside = object.members.iter().find(|(other, raw)| {
        let value = string(raw);
        other != key && value.is_some() && value.as_deref() == expected
    });
    let mut parts = vec![member(text, object, key, raw)?];
    let mut name = None;
    if let Some((key, raw)) = beside {
        parts.push(member(text, object, key, raw)?);
        name = Some((1, String::new()));
    }
    // If the object's own name is next to the id, it is the action's, and the tile is further out.
    let names_action = beside.is_some_and(|(key, _)| is_own_name(key));
    Ok(Some(Slot {
        pointer: child(object.pointer, key),
        tile: if names_action {
            object.outer_tile()
        } else {
            object.tile()
        },
        action,
        kind: SlotKind {
            key: key.to_owned(),
            is_lookup: false,
            name_key: beside.map(|(key, _)| key.clone()),
            types: object.types(),
        },
        members: parts,
        id: (0, String::new()),
        name,
    }))
}

fn member(text: &str, object: &Object<'_>, key: &str, raw: &str) -> Result<Member, GraphError> {
    Ok(Member {
        container: object.pointer.to_owned(),
        key: key.to_owned(),
        original: raw.to_owned(),
        cutting: cutting(text, object.pointer, key)?,
    })
}

/// Empties these slots, each in the form that the tenant's own empty ones have.
pub(crate) fn clear(text: &str, slots: &[Slot], dialect: &Dialect) -> Result<String, GraphError> {
    let mut text = text.to_owned();
    for slot in slots {
        let form = dialect.form(&slot.kind);
        for (index, member) in slot.members.iter().enumerate() {
            let empty = if index == 0 { &form.id } else { &form.name };
            text = match empty {
                Empty::Value(raw) => replace(&text, &member.pointer(), raw)?,
                Empty::Absent => cut(&text, &member.container, &member.key)?,
            };
        }
    }
    Ok(text)
}

/// Puts a new action into each of these slots, in the form that was there before.
pub(crate) fn fill<'a>(
    text: &str,
    slots: impl IntoIterator<Item = (&'a Slot, Uuid, &'a str)>,
) -> Result<String, GraphError> {
    let mut text = text.to_owned();
    for (slot, action, name) in slots {
        for (index, member) in slot.members.iter().enumerate() {
            if value_at(&text, &member.pointer())?.is_none() {
                text = paste(&text, &member.cutting)?;
            }
            let renewed = slot.renewed(index, &member.original, action, name)?;
            text = replace(&text, &member.pointer(), &renewed)?;
        }
    }
    Ok(text)
}

/// Is the object that held a slot gone?
pub(crate) fn is_gone(text: &str, slot: &Slot) -> Result<bool, GraphError> {
    let holders = slot.members.iter().map(|member| &member.container);
    for holder in holders {
        if value_at(text, holder)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a slot holds in a graph now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Content {
    /// Nothing: empty, or not there.
    Empty,
    /// An id.
    Id(Uuid),
    /// Something else, as text.
    Other(String),
}

/// Reads what a slot holds in this graph now.
pub(crate) fn content(text: &str, slot: &Slot) -> Result<Content, GraphError> {
    let (index, inner) = &slot.id;
    let Some(raw) = value_at(text, &slot.members[*index].pointer())? else {
        return Ok(Content::Empty);
    };
    let raw = if inner.is_empty() {
        Some(raw)
    } else {
        value_at(&raw, inner)?
    };
    Ok(match raw {
        None => Content::Empty,
        Some(raw) if raw == "null" || raw == "\"\"" => Content::Empty,
        Some(raw) => match id_in(&raw) {
            Some(id) if id.is_nil() => Content::Empty,
            Some(id) => Content::Id(id),
            None => Content::Other(raw),
        },
    })
}

impl Slot {
    /// Where it is: its pointer, its tile and its action.
    pub(crate) fn place(&self) -> (&str, &str, Uuid) {
        (&self.pointer, &self.tile, self.action)
    }

    /// The original text of one member with a new id and name in it.
    fn renewed(
        &self,
        index: usize,
        original: &str,
        action: Uuid,
        name: &str,
    ) -> Result<String, GraphError> {
        let mut renewed = original.to_owned();
        if self.id.0 == index {
            let inner = &self.id.1;
            let old = value_at(original, inner)?.unwrap_or_default();
            renewed = replace(&renewed, inner, &styled(&old, action))?;
        }
        if let Some((_, inner)) = self.name.as_ref().filter(|(member, _)| *member == index) {
            let old = value_at(original, inner)?.unwrap_or_default();
            // A name that stays the same keeps its bytes; a lookup without a name keeps none.
            if old != "null" && string(&old).as_deref() != Some(name) {
                let name = serde_json::Value::from(name).to_string();
                renewed = replace(&renewed, inner, &name)?;
            }
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
        let dialect = Dialect::learn([text].into_iter(), &actions());
        let cleared = clear(text, &slots, &dialect).unwrap();
        let new = Uuid::try_parse(NEW).unwrap();
        for slot in &slots {
            assert_eq!(content(text, slot).unwrap(), Content::Id(slot.action));
            assert_eq!(content(&cleared, slot).unwrap(), Content::Empty);
        }
        let fills = slots.iter().map(|slot| (slot, new, "Delta Upload"));
        let filled = fill(&cleared, fills).unwrap();
        for slot in &slots {
            assert_eq!(content(&filled, slot).unwrap(), Content::Id(new));
        }
        (slots, cleared, filled)
    }

    fn renewed(text: &str) -> String {
        text.replace(OLD, NEW)
            .replace(&OLD.to_uppercase(), &NEW.to_uppercase())
            .replace("Bulk Upload", "Delta Upload")
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
        assert_eq!(filled, renewed(&text));
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
        assert_eq!(filled, renewed(&text));
    }

    #[test]
    fn json_inside_a_string_is_edited_in_both_copies_in_its_own_style() {
        let inner = format!(
            r#"{{"nodes":[{{"id":"n1","name":"Upload","providerAction":{{"id":"{{{}}}","name":"Bulk Upload"}}}}]}}"#,
            OLD.to_uppercase()
        );
        let text = serde_json::json!({ "draft": inner, "published": inner }).to_string();
        let (slots, _, filled) = there_and_back(&text);
        assert_eq!(slots.len(), 2);
        assert_eq!(slots[0].pointer, "/draft/~json/nodes/id=n1/providerAction");
        let places = |slots: &[Slot]| count_places(slots.iter().map(Slot::place));
        assert_eq!(places(&slots), 1, "a draft and its published copy");
        assert_eq!(places(&slots[..1]), 1);
        assert_eq!(filled, renewed(&text));
    }

    #[test]
    fn the_empty_form_is_the_tenants_own() {
        let tile = |name: &str, rest: &str| {
            format!(r#"{{"id":"{name}","tile":"Custom","name":"{name}"{rest}}}"#)
        };
        let full = tile(
            "a",
            &format!(r#","action":{{"id":"{OLD}","name":"Bulk Upload"}}"#),
        );
        let forms = [
            (r#","action":"""#, r#""action":"""#),
            (
                r#","action":{"id":null,"name":""}"#,
                r#""action":{"id":null,"name":""}"#,
            ),
            ("", r#""name":"a"}"#),
            (r#","action":null"#, r#""action":null"#),
        ];
        for (rest, expected) in forms {
            let text = format!(r#"{{"nodes":[{},{full}]}}"#, tile("b", rest));
            let (_, cleared, filled) = there_and_back(&text);
            assert!(cleared.contains(expected), "{rest}: {cleared}");
            assert_eq!(filled, renewed(&text), "{rest}");
        }
        // A tile of another kind, which has no such member, does not show the form.
        let text = format!(r#"{{"nodes":[{{"id":"b","tile":"Validate","name":"b"}},{full}]}}"#);
        let (_, cleared, _) = there_and_back(&text);
        assert!(cleared.contains(r#""action":null"#), "{cleared}");
    }

    #[test]
    fn an_id_without_an_action_is_dangling_and_not_a_slot() {
        let lost = "deadbeef-0000-4000-8000-000000000001";
        let text = format!(
            r#"{{"nodes":[{{"name":"A","action":{{"id":"{OLD}","name":"Bulk Upload"}},"policy":{{"id":"{lost}","name":"P"}}}},
                {{"name":"B","action":{{"id":"{lost}","name":"Send to Flexe"}}}},
                {{"name":"C","items":[{{"ItemId":"{OLD}","ActivityTypeId":"Action","Name":"Bulk Upload"}},
                    {{"ItemId":"{lost}","ActivityTypeId":"Policy","Name":"P"}},
                    {{"ItemId":"{lost}","ActivityTypeId":"Action","Name":"Gone"}}]}}]}}"#
        );
        let dialect = Dialect::learn([text.as_str()].into_iter(), &actions());
        let found: Vec<(String, Option<String>)> = dialect
            .dangling(&text, &actions())
            .unwrap()
            .into_iter()
            .map(|dangling| (dangling.tile, dangling.name))
            .collect();
        assert_eq!(
            found,
            [
                ("B".to_owned(), Some("Send to Flexe".to_owned())),
                ("C".to_owned(), Some("Gone".to_owned()))
            ]
        );
        assert_eq!(slots(&text, &actions()).unwrap().len(), 2);
    }

    #[test]
    fn a_display_name_is_a_name_also_in_json_inside_a_string() {
        let inner = r#"{"displayName":"Ship","action":{"id":null,"name":"Send"}}"#;
        let text = serde_json::json!({ "Name": "Order", "draft": inner, "kind": "x" }).to_string();
        let expected = ["Order", "Send", "Ship"].map(str::to_owned);
        assert_eq!(names(&text), BTreeSet::from(expected));
        assert!(names("{").is_empty());
    }

    #[test]
    fn a_tile_is_called_by_its_display_name() {
        for (text, tile) in [
            (
                format!(
                    r#"{{"displayName":"Ship","action":{{"id":"{OLD}","name":"Bulk Upload"}}}}"#
                ),
                "Ship",
            ),
            (
                format!(r#"{{"displayName":"Shown","name":"Own","action":{{"id":"{OLD}"}}}}"#),
                "Own",
            ),
            (
                format!(
                    r#"{{"name":"Tile","step":{{"kind":"x","itemId":"{OLD}","displayName":"Bulk Upload"}}}}"#
                ),
                "Tile",
            ),
        ] {
            let (slots, _, _) = there_and_back(&text);
            assert_eq!(slots[0].tile, tile, "{text}");
        }
    }

    #[test]
    fn the_name_beside_an_id_is_rewritten_under_every_key() {
        for key in ["name", "Name", "displayName", "actionName"] {
            let text = format!(
                r#"{{"displayName":"Ship","action":{{"id":"{OLD}","{key}":"Bulk Upload","providerName":"FedEx"}}}}"#
            );
            let (_, _, filled) = there_and_back(&text);
            assert_eq!(filled, renewed(&text), "{key}");
        }
        // A name of something else stays.
        let text = format!(r#"{{"action":{{"id":"{OLD}","providerName":"FedEx"}}}}"#);
        let (_, _, filled) = there_and_back(&text);
        assert_eq!(filled, renewed(&text));
    }

    #[test]
    fn broken_json_is_an_error() {
        assert!(slots("{", &actions()).is_err());
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(slots(&deep, &actions()).is_err());
    }
}
