//! Texts in JSON values.

use serde_json::Value;

/// The text at a JSON pointer; `None` if it is missing, empty, or not a text.
pub(super) fn text_at(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}
