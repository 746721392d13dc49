//! The dialect of a tenant's graphs, learned from all of them: which members hold actions, what
//! such a member looks like when it is empty, and which of them hold an id that no action has.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::GraphError;
use super::json::{child, is_own_name, members, string, value_at};
use super::slots::{SlotKind, id_in, lookup_of, slots};
use super::walk::{Object, walk};

/// One member of an empty slot.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Empty {
    /// This value: `null`, `""`, or an object of nothing else.
    Value(String),
    /// Nothing: the member is left out.
    Absent,
}

/// How a slot of one kind is written when it is empty: the id or lookup, and the name beside an id.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct EmptySlot {
    pub(crate) id: Empty,
    pub(crate) name: Empty,
}

impl Default for EmptySlot {
    fn default() -> Self {
        let null = Empty::Value("null".to_owned());
        Self {
            id: null.clone(),
            name: null,
        }
    }
}

/// How this tenant writes its graphs, learned from all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialect {
    empty_slots: BTreeMap<SlotKind, EmptySlot>,
}

/// An id in the place of an action that no action has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Dangling {
    /// Its pointer.
    pub(crate) pointer: String,
    /// The tile's name.
    pub(crate) tile: String,
    /// The id.
    pub(crate) id: Uuid,
    /// The name next to it.
    pub(crate) name: Option<String>,
}

impl Dangling {
    /// Where it is: its pointer, its tile and its id.
    pub(crate) fn place(&self) -> (&str, &str, Uuid) {
        (&self.pointer, &self.tile, self.id)
    }
}

/// What makes two tiles alike: the names of their members, and what they say they are.
type Shape = (Vec<String>, Vec<(String, String)>);

impl Dialect {
    /// Learns from every graph of a tenant. One that cannot be read teaches nothing; the step
    /// that edits it reports why.
    pub(crate) fn learn<'a>(
        graphs: impl Iterator<Item = &'a str> + Clone,
        actions: &BTreeMap<Uuid, String>,
    ) -> Self {
        // The members that hold actions, and the shapes of their tiles.
        let mut kinds: BTreeMap<SlotKind, Vec<Shape>> = BTreeMap::new();
        for graph in graphs.clone() {
            for slot in slots(graph, actions).unwrap_or_default() {
                let object = slot.pointer.rfind('/').map(|at| &slot.pointer[..at]);
                let object = value_at(graph, object.unwrap_or_default());
                let shape = shape(&object.ok().flatten().unwrap_or_default(), &slot.kind.key);
                kinds.entry(slot.kind).or_default().push(shape);
            }
        }
        let mut seen: BTreeMap<SlotKind, BTreeMap<EmptySlot, usize>> = BTreeMap::new();
        for graph in graphs {
            // An unreadable graph ends its walk; what was seen before counts anyway.
            let walked = walk(graph, &mut |object| {
                for (kind, shapes) in &kinds {
                    if let Some(empty) = empty_slot_in(object, kind, shapes) {
                        *seen
                            .entry(kind.clone())
                            .or_default()
                            .entry(empty)
                            .or_default() += 1;
                    }
                }
                Ok(Vec::new())
            });
            drop(walked);
        }
        let empty_slots = kinds.into_keys().map(|kind| {
            let candidates = seen.remove(&kind).unwrap_or_default();
            // An empty value is better evidence than a missing member.
            let best = candidates
                .into_iter()
                .max_by_key(|(empty, times)| (empty.id != Empty::Absent, *times));
            (kind, best.map(|(empty, _)| empty).unwrap_or_default())
        });
        Self {
            empty_slots: empty_slots.collect(),
        }
    }

    /// How an empty slot of this kind is written; `null` if the tenant shows none.
    pub(crate) fn empty_slot(&self, kind: &SlotKind) -> EmptySlot {
        self.empty_slots.get(kind).cloned().unwrap_or_default()
    }

    /// The ids of a graph in the places of actions that no action has.
    pub(crate) fn dangling(
        &self,
        graph: &str,
        actions: &BTreeMap<Uuid, String>,
    ) -> Result<Vec<Dangling>, GraphError> {
        let mut found: Vec<Dangling> = Vec::new();
        walk(graph, &mut |object| {
            let mut done = Vec::new();
            for kind in self.empty_slots.keys() {
                let Some(dangling) = dangling(object, kind, actions) else {
                    continue;
                };
                if !done.contains(&kind.key) {
                    done.push(kind.key.clone());
                    found.push(dangling);
                }
            }
            Ok(done)
        })?;
        Ok(found)
    }
}

/// Is a dangling id still where it was?
pub(crate) fn still_holds(graph: &str, dangling: &Dangling) -> bool {
    let raw = value_at(graph, &dangling.pointer).ok().flatten();
    raw.is_some_and(|raw| {
        let id = match lookup_of(&raw) {
            Some((id, _)) => value_at(&raw, &child("", &id)).ok().flatten(),
            None => Some(raw),
        };
        id.and_then(|id| id_in(&id)) == Some(dangling.id)
    })
}

fn dangling(
    object: &Object<'_>,
    kind: &SlotKind,
    actions: &BTreeMap<Uuid, String>,
) -> Option<Dangling> {
    let (key, raw) = object.members.iter().find(|(key, _)| *key == kind.key)?;
    let is_unknown = |id: &Uuid| !id.is_nil() && !actions.contains_key(id);
    let text = |pointer: &str| value_at(raw, pointer).ok().flatten();
    let (id, name, tile) = if kind.is_lookup {
        let (id, name) = lookup_of(raw)?;
        let name = name.and_then(|name| string(&text(&child("", &name))?));
        (id_in(&text(&child("", &id))?)?, name, object.tile())
    } else {
        if object.types() != kind.types {
            return None;
        }
        let beside = kind.name_key.as_ref();
        let beside = beside.and_then(|name| object.members.iter().find(|(key, _)| key == name));
        let is_own = kind.name_key.as_deref().is_some_and(is_own_name);
        let tile = if is_own {
            object.outer_tile()
        } else {
            object.tile()
        };
        (id_in(raw)?, beside.and_then(|(_, raw)| string(raw)), tile)
    };
    is_unknown(&id).then(|| Dangling {
        pointer: child(object.pointer, key),
        tile,
        id,
        name,
    })
}

/// How this object leaves a kind of slot empty, if it does.
fn empty_slot_in(object: &Object<'_>, kind: &SlotKind, shapes: &[Shape]) -> Option<EmptySlot> {
    if !kind.is_lookup && object.types() != kind.types {
        return None;
    }
    let raw = |name: &str| {
        let found = object.members.iter().find(|(key, _)| key == name);
        found.map(|(_, raw)| *raw)
    };
    let empty_name = |name: Option<&String>| match name.map(|name| raw(name)) {
        Some(Some(raw)) if is_empty(raw) => Empty::Value(raw.to_owned()),
        Some(None) => Empty::Absent,
        _ => Empty::Value("null".to_owned()),
    };
    match raw(&kind.key) {
        Some(raw) if is_empty(raw) => Some(EmptySlot {
            id: Empty::Value(raw.to_owned()),
            name: empty_name(kind.name_key.as_ref()),
        }),
        Some(_) => None,
        None => {
            let own: Vec<String> = object.members.iter().map(|(key, _)| key.clone()).collect();
            let types = types_in(object.members);
            // The name beside the id may be left out as well.
            let without_name = |names: &[String]| -> Vec<String> {
                let is_other = |name: &&String| Some(*name) != kind.name_key.as_ref();
                names.iter().filter(is_other).cloned().collect()
            };
            // An object that does not say what it is could be anything.
            let is_alike = !types.is_empty()
                && shapes.iter().any(|(names, said)| {
                    without_name(names) == without_name(&own) && *said == types
                });
            is_alike.then(|| EmptySlot {
                id: Empty::Absent,
                name: empty_name(kind.name_key.as_ref()),
            })
        }
    }
}

/// `null`, `""`, a nil id, or an object that holds nothing else.
fn is_empty(raw: &str) -> bool {
    let is_nothing =
        |raw: &str| raw == "null" || raw == "\"\"" || id_in(raw).is_some_and(|id| id.is_nil());
    is_nothing(raw) || (raw.starts_with('{') && members(raw).iter().all(|(_, raw)| is_nothing(raw)))
}

fn shape(object: &str, without: &str) -> Shape {
    let members = members(object);
    let names = members.iter().map(|(key, _)| key.clone());
    (
        names.filter(|key| key != without).collect(),
        types_in(&members),
    )
}

/// The members that say what an object is: `tile`, `kind` and types, with their raw values.
fn types_in(members: &[(String, &str)]) -> Vec<(String, String)> {
    let says = |key: &str| {
        let key = key.to_ascii_lowercase();
        key == "tile" || key == "kind" || key.ends_with("type") || key.ends_with("typeid")
    };
    members
        .iter()
        .filter(|(key, _)| says(key))
        .map(|(key, raw)| (key.clone(), (*raw).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{OLD, actions};
    use super::*;

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
}
