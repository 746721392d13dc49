//! Members of JSON objects whose names differ in case from response to response.

use serde_json::{Map, Value};

/// A member of a JSON object, regardless of the case of its name.
pub fn field_any_case<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = members
        .iter()
        .find(|(member, _)| member.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}
