//! Empties and fills the slots of a graph, and reads what a slot holds.

use uuid::Uuid;

use super::GraphError;
use super::dialect::{Dialect, Empty};
use super::json::{cut, paste, replace, string, value_at};
use super::slots::{Slot, id_in};

/// Empties these slots, each in the way that the tenant's own empty ones are written.
pub(crate) fn clear(text: &str, slots: &[Slot], dialect: &Dialect) -> Result<String, GraphError> {
    let mut text = text.to_owned();
    for slot in slots {
        let empty_slot = dialect.empty_slot(&slot.kind);
        for (index, member) in slot.members.iter().enumerate() {
            let empty = if index == 0 {
                &empty_slot.id
            } else {
                &empty_slot.name
            };
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

impl Slot {
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

#[cfg(test)]
mod tests {
    use super::super::slots::{count_places, slots};
    use super::super::testing::{OLD, actions};
    use super::*;

    const NEW: &str = "21000000-0000-4000-8000-000000000301";

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
}
