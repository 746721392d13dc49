//! JSON by pointers, edited in place: what is not edited keeps every byte, also in JSON that is
//! kept as a string inside JSON, however that string is escaped.
//!
//! A pointer is RFC 6901's with two additional steps: [`INTO_STRING`] goes from a string into the
//! JSON that it holds, and `id=X` is the item of an array whose own id is X, so that a pointer
//! still leads to its tile when another tile was added or taken away.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::GraphError;

/// The step of a pointer that goes from a string into the JSON that it holds.
pub(crate) const INTO_STRING: &str = "/~json";

/// The beginning of the step to an item of an array that has its own id.
const BY_ID: &str = "id=";

/// How deep a document may be nested.
const DEPTH: usize = 64;

/// A value and its members, borrowed from the text.
pub(crate) enum Node<'a> {
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

/// Reads one level of a document.
pub(crate) fn parse(text: &str, depth: usize) -> Result<Node<'_>, GraphError> {
    if depth > DEPTH {
        return Err(GraphError(format!("it is nested more than {DEPTH} deep")));
    }
    serde_json::from_str(text).map_err(|error| GraphError(error.to_string()))
}

/// The members of an object; empty for any other value.
pub(crate) fn members(text: &str) -> Vec<(String, &str)> {
    match parse(text, 0) {
        Ok(Node::Object(members)) => members
            .into_iter()
            .map(|(key, raw)| (key, raw.get()))
            .collect(),
        _ => Vec::new(),
    }
}

/// The items of an array; empty for any other value.
pub(crate) fn items(text: &str) -> Vec<&str> {
    match parse(text, 0) {
        Ok(Node::Array(items)) => items.into_iter().map(RawValue::get).collect(),
        _ => Vec::new(),
    }
}

/// The raw value of an object's member, by its name in upper or lower case.
pub(crate) fn member<'a>(text: &'a str, name: &str) -> Option<(String, &'a str)> {
    members(text)
        .into_iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
}

/// The text of a JSON string.
pub(crate) fn string(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

/// Is this string a JSON document, as some dialects keep their graph?
pub(crate) fn is_document(text: &str) -> bool {
    let text = text.trim_start();
    (text.starts_with('{') || text.starts_with('['))
        && serde_json::from_str::<&RawValue>(text).is_ok()
}

/// The pointer of a member.
pub(crate) fn child(pointer: &str, member: &str) -> String {
    format!("{pointer}/{}", member.replace('~', "~0").replace('/', "~1"))
}

/// The pointers of an array's items: by their own ids if each has its own, else by
/// index. A list of lookups, an id and a name each, is not a list of things with ids.
pub(crate) fn item_steps(items: &[&str]) -> Vec<String> {
    let ids: Vec<Option<String>> = items.iter().map(|item| item_id(item, true)).collect();
    let is_own = |id: &Option<String>| id.is_some() && ids.iter().filter(|i| *i == id).count() == 1;
    ids.iter()
        .enumerate()
        .map(|(index, id)| match id {
            Some(text) if is_own(id) => format!("{BY_ID}{text}"),
            _ => index.to_string(),
        })
        .collect()
}

/// The members that hold an object's own name; the first that it has is the name. Other members
/// whose names end so (`actionName`) hold the name of something else.
pub(super) const OWN_NAMES: [&str; 2] = ["name", "displayName"];

/// Does a member hold an object's own name?
pub(super) fn is_own_name(key: &str) -> bool {
    OWN_NAMES.iter().any(|own| key.eq_ignore_ascii_case(own))
}

/// An item's own id; if asked, only of an item that is more than an id and a name.
fn item_id(item: &str, is_thing: bool) -> Option<String> {
    let members = members(item);
    let is_more = members
        .iter()
        .any(|(key, _)| !key.eq_ignore_ascii_case("id") && !is_own_name(key));
    let id = members
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case("id") || key.eq_ignore_ascii_case("activityid"));
    id.filter(|_| is_more || !is_thing)
        .and_then(|(_, raw)| string(raw))
}

/// A pointer's parent and last step; `None` for the root.
pub(crate) fn parent(pointer: &str) -> Option<(&str, &str)> {
    pointer.rfind('/').map(|at| pointer.split_at(at))
}

fn first_step(pointer: &str) -> (String, &str) {
    let pointer = pointer.strip_prefix('/').unwrap_or(pointer);
    let (step, rest) = pointer
        .find('/')
        .map_or((pointer, ""), |at| pointer.split_at(at));
    (step.replace("~1", "/").replace("~0", "~"), rest)
}

/// The member or item that a step leads to.
fn stepped<'a>(text: &'a str, step: &str, depth: usize) -> Result<Option<&'a str>, GraphError> {
    Ok(match parse(text, depth)? {
        Node::Object(members) => members
            .into_iter()
            .find(|(key, _)| key == step)
            .map(|(_, raw)| raw.get()),
        Node::Array(items) => match step.strip_prefix(BY_ID) {
            Some(id) => items
                .into_iter()
                .map(RawValue::get)
                .find(|item| item_id(item, false).as_deref() == Some(id)),
            None => step
                .parse()
                .ok()
                .and_then(|index: usize| items.get(index))
                .map(|raw| raw.get()),
        },
        Node::Text(_) | Node::Other => None,
    })
}

/// The text of the value at a pointer.
pub(crate) fn value_at(text: &str, pointer: &str) -> Result<Option<String>, GraphError> {
    if pointer.is_empty() {
        return Ok(Some(text.trim().to_owned()));
    }
    if let Some(rest) = into_string(pointer) {
        return match parse(text, 0)? {
            Node::Text(inner) if is_document(&inner) => value_at(&inner, rest),
            _ => Ok(None),
        };
    }
    let (step, rest) = first_step(pointer);
    match stepped(text, &step, 0)? {
        Some(raw) => value_at(raw, rest),
        None => Ok(None),
    }
}

fn into_string(pointer: &str) -> Option<&str> {
    pointer
        .strip_prefix(INTO_STRING)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// One replacement within a text.
pub(crate) struct Splice {
    range: Range<usize>,
    text: String,
}

/// Edits the value at a pointer; every other byte stays. `change` maps the value's text to the ranges
/// to replace. A pointer that leads nowhere is an error, so that no edit is lost in
/// silence.
fn edit(
    text: &str,
    pointer: &str,
    change: &dyn Fn(&str) -> Result<Splice, GraphError>,
) -> Result<String, GraphError> {
    let splice = splice_at(text, pointer, change, 0)?;
    Ok(format!(
        "{}{}{}",
        &text[..splice.range.start],
        splice.text,
        &text[splice.range.end..]
    ))
}

fn splice_at(
    text: &str,
    pointer: &str,
    change: &dyn Fn(&str) -> Result<Splice, GraphError>,
    depth: usize,
) -> Result<Splice, GraphError> {
    if pointer.is_empty() {
        return change(text);
    }
    let nowhere = || GraphError(format!("there is nothing at {pointer}"));
    if let Some(rest) = into_string(pointer) {
        let Node::Text(inner) = parse(text, depth)? else {
            return Err(nowhere());
        };
        let splice = splice_at(&inner, rest, change, depth + 1)?;
        let places = places(text);
        let place = |at: usize| places.get(at).copied().ok_or_else(nowhere);
        return Ok(Splice {
            range: place(splice.range.start)?..place(splice.range.end)?,
            text: escaped(&splice.text, text),
        });
    }
    let (step, rest) = first_step(pointer);
    let raw = stepped(text, &step, depth)?.ok_or_else(nowhere)?;
    let start = offset(text, raw);
    let splice = splice_at(raw, rest, change, depth + 1)?;
    Ok(Splice {
        range: start + splice.range.start..start + splice.range.end,
        text: splice.text,
    })
}

/// Where a part that is borrowed from a text begins in it: the distance of their beginnings.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

/// Where each byte of a JSON string's text begins in its literal, and where the literal's closing
/// quote is.
fn places(literal: &str) -> Vec<usize> {
    let mut places = Vec::with_capacity(literal.len());
    let mut at = literal.find('"').map_or(0, |quote| quote + 1);
    while let Some(character) = literal[at..].chars().next() {
        let (length, bytes) = match character {
            '"' => break,
            '\\' => escape_at(&literal[at..]),
            other => (other.len_utf8(), other.len_utf8()),
        };
        places.extend(std::iter::repeat_n(at, bytes));
        at += length;
    }
    places.push(at);
    places
}

/// How long an escape is in the literal, and how many bytes it represents.
fn escape_at(text: &str) -> (usize, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    match unit(0) {
        // Two escapes make one character of four bytes.
        Some(0xD800..=0xDBFF) => (12, 4),
        Some(code) => (6, char::from_u32(code).map_or(3, char::len_utf8)),
        None => (2, 1),
    }
}

/// Text as it is written inside a literal, with quotes escaped as this literal has them.
fn escaped(text: &str, literal: &str) -> String {
    let quote = if literal.contains("\\u0022") {
        "\\u0022"
    } else {
        "\\\""
    };
    let mut result = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '"' => result.push_str(quote),
            '\\' => result.push_str("\\\\"),
            c if c.is_control() => {
                let literal = serde_json::Value::from(c.to_string()).to_string();
                result.push_str(literal.trim_matches('"'));
            }
            c => result.push(c),
        }
    }
    result
}

/// Replaces the value at a pointer.
pub(crate) fn replace(text: &str, pointer: &str, replacement: &str) -> Result<String, GraphError> {
    edit(text, pointer, &|value| {
        Ok(Splice {
            range: 0..value.len(),
            text: replacement.to_owned(),
        })
    })
}

/// A member or item that was cut out of its container, with its separator and its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Cutting {
    /// The pointer of the object or array.
    container: String,
    /// The bytes that were cut.
    text: String,
    /// The step to the member or item before it; none if it was the first.
    previous: Option<String>,
    /// Its index.
    index: usize,
}

/// A container's members or items: the step to each, and its range with its key.
fn parts(text: &str) -> Result<Vec<(String, Range<usize>)>, GraphError> {
    let open = text.find(['{', '[']).unwrap_or_default() + 1;
    Ok(match parse(text, 0)? {
        Node::Object(members) => {
            let mut before = open;
            let mut parts = Vec::with_capacity(members.len());
            for (key, raw) in members {
                let value = offset(text, raw.get());
                let start = before + text[before..].find('"').unwrap_or_default();
                before = value + raw.get().len();
                parts.push((key, start..before));
            }
            parts
        }
        Node::Array(raws) => {
            let raws: Vec<&str> = raws.into_iter().map(RawValue::get).collect();
            let steps = item_steps(&raws);
            let ranges = raws.iter().map(|raw| {
                let start = offset(text, raw);
                start..start + raw.len()
            });
            steps.into_iter().zip(ranges).collect()
        }
        Node::Text(_) | Node::Other => Vec::new(),
    })
}

/// The range that takes a part out with one separator.
fn cut_range(text: &str, parts: &[(String, Range<usize>)], index: usize) -> Range<usize> {
    let end = parts[index].1.end;
    if let Some(before) = index.checked_sub(1) {
        return parts[before].1.end..end;
    }
    let open = text.find(['{', '[']).unwrap_or_default() + 1;
    open..parts.get(1).map_or(end, |next| next.1.start)
}

/// The cutting that takes out the part of a container that a step names.
pub(crate) fn cutting(text: &str, container: &str, step: &str) -> Result<Cutting, GraphError> {
    let nowhere = || GraphError(format!("there is nothing at {container}/{step}"));
    let value = value_at(text, container)?.ok_or_else(nowhere)?;
    let parts = parts(&value)?;
    let index = parts
        .iter()
        .position(|(found, _)| found == step)
        .ok_or_else(nowhere)?;
    Ok(Cutting {
        container: container.to_owned(),
        text: value[cut_range(&value, &parts, index)].to_owned(),
        previous: index.checked_sub(1).map(|before| parts[before].0.clone()),
        index,
    })
}

/// Takes out the part of a container that a step names.
pub(crate) fn cut(text: &str, container: &str, step: &str) -> Result<String, GraphError> {
    edit(text, container, &|value| {
        let parts = parts(value)?;
        let index = parts.iter().position(|(found, _)| found == step);
        let index = index.ok_or_else(|| GraphError(format!("there is no {step}")))?;
        Ok(Splice {
            range: cut_range(value, &parts, index),
            text: String::new(),
        })
    })
}

/// Puts a cutting back at its place: after the member or item that was before it, else at its
/// index.
pub(crate) fn paste(text: &str, cutting: &Cutting) -> Result<String, GraphError> {
    edit(text, &cutting.container, &|value| {
        let parts = parts(value)?;
        let before = cutting.previous.as_ref().and_then(|previous| {
            let same = parts.iter().position(|(step, _)| step == previous);
            // Items without ids have their index for a step, and it may be past the end by now.
            same.or_else(|| cutting.index.min(parts.len()).checked_sub(1))
        });
        let at = match before {
            Some(before) => parts[before].1.end,
            None => value.find(['{', '[']).unwrap_or_default() + 1,
        };
        let wanted = (before.is_some(), before.is_none() && !parts.is_empty());
        Ok(Splice {
            range: at..at,
            text: separated(&cutting.text, wanted),
        })
    })
}

/// A cutting with a comma before and after it if one is wanted, because its neighbours may be
/// others now. Its own spaces stay.
fn separated(cut: &str, (before, after): (bool, bool)) -> String {
    let mut text = cut.to_owned();
    match (text.trim_start().starts_with(','), before) {
        (true, false) => text = text.replacen(',', "", 1),
        (false, true) => text.insert(0, ','),
        _ => {}
    }
    match (text.trim_end().ends_with(','), after) {
        (true, false) => {
            let comma = text.trim_end().len() - 1;
            text.truncate(comma);
        }
        (false, true) => text.push(','),
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_and_pasted_member_is_unchanged() {
        let text = r#"{ "list" : [ {"id":"a","x":1} , {"id":"b","x":2},3 ], "one":{ "k" : 1 } }"#;
        let places = [
            ("", "list"),
            ("", "one"),
            ("/list", "id=a"),
            ("/list", "id=b"),
            ("/list", "2"),
            ("/one", "k"),
        ];
        for (container, step) in places {
            let cutting = cutting(text, container, step).unwrap();
            let without = cut(text, container, step).unwrap();
            assert!(
                serde_json::from_str::<serde_json::Value>(&without).is_ok(),
                "{without}"
            );
            assert_eq!(value_at(&without, &child(container, step)).unwrap(), None);
            assert_eq!(
                paste(&without, &cutting).unwrap(),
                text,
                "{container}/{step}"
            );
        }
    }

    #[test]
    fn a_literal_keeps_its_own_escapes_but_for_what_is_edited() {
        let text = r#"{"draft":"{\u0022a\u0022:\u0022\ud83d\ude00\/\u00e4\u0022, \u0022b\u0022:[1,\u0022x\u0022]}","z":"\/"}"#;
        let edited = replace(text, "/draft/~json/b/1", "\"y\"").unwrap();
        assert_eq!(edited, text.replace(r"\u0022x\u0022", r"\u0022y\u0022"));
        assert_eq!(
            value_at(text, "/draft/~json/a").unwrap().unwrap(),
            "\"\u{1F600}/\u{e4}\""
        );
    }
}
