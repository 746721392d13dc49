//! Members of JSON values.

use serde_json::{Map, Value};

/// The text at a JSON pointer; `None` if it is missing, empty, or not a text.
pub(super) fn text_at(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// The items of the array at a JSON pointer; nothing if it is missing.
pub(super) fn items_at<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    let items = value.pointer(pointer).and_then(Value::as_array);
    items.into_iter().flatten()
}

/// A member of a JSON object, regardless of the case of its name, which differs from response to
/// response.
pub fn field_any_case<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = members
        .iter()
        .find(|(member, _)| member.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}
