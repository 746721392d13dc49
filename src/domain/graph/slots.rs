//! Finds the slots of a graph, by the ids of known actions.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::GraphError;
use super::json::{
    Cutting, INTO_STRING, OWN_NAMES, child, cutting, is_own_name, members, string, value_at,
};
use super::walk::{Object, is_name, walk};

/// One place that holds a provider action.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Slot {
    /// The JSON pointer of the member that is the slot.
    pub(crate) pointer: String,
    /// The name of the tile: the nearest enclosing object's own name.
    pub(crate) tile: String,
    /// The action that it holds.
    pub(crate) action: Uuid,
    /// Its kind, which decides how it is emptied.
    pub(crate) kind: SlotKind,
    /// The members that make it: a whole lookup object, or an id and its name beside it.
    pub(super) members: Vec<Member>,
    /// The member that holds the id: its index in `members`, and the pointer within it.
    pub(super) id: (usize, String),
    /// The same for the action's name, if the slot has one.
    pub(super) name: Option<(usize, String)>,
}

impl Slot {
    /// Where it is: its pointer, its tile and its action.
    pub(crate) fn place(&self) -> (&str, &str, Uuid) {
        (&self.pointer, &self.tile, self.action)
    }
}

/// One member of a slot, as it was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Member {
    pub(super) container: String,
    pub(super) key: String,
    pub(super) original: String,
    pub(super) cutting: Cutting,
}

impl Member {
    pub(super) fn pointer(&self) -> String {
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

#[cfg(test)]
mod tests {
    use super::super::testing::{OLD, actions};
    use super::*;

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
            let slots = slots(&text, &actions()).unwrap();
            assert_eq!(slots[0].tile, tile, "{text}");
        }
    }

    #[test]
    fn broken_json_is_an_error() {
        assert!(slots("{", &actions()).is_err());
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(slots(&deep, &actions()).is_err());
    }
}
