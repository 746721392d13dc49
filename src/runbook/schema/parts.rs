//! Single values as the binder takes them, and maps with their keys.
//!
//! The binder keeps a scalar as the text that was written and takes a number or a truth value where
//! a text belongs; a schema sees them as YAML resolves them, so a text is a string, a number or a
//! boolean here.

use serde_json::{Map, Value, json};

use crate::runbook::model::words::Word;

/// A GUID in the form with hyphens.
const GUID: &str = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";

/// The keys of a map, in order, each with what it means.
pub(super) struct Keys {
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl Keys {
    /// A map without keys.
    pub(super) fn new() -> Self {
        Self {
            properties: Map::new(),
            required: Vec::new(),
        }
    }

    /// A key that may stand there.
    pub(super) fn may(mut self, key: &str, description: &str, schema: Value) -> Self {
        self.properties
            .insert(key.to_owned(), described(description, schema));
        self
    }

    /// A key that must stand there.
    pub(super) fn must(mut self, key: &str, description: &str, schema: Value) -> Self {
        self.required.push(key.to_owned());
        self.may(key, description, schema)
    }

    /// A key that may stand there, and what it means where it does not.
    pub(super) fn with_default(
        self,
        key: &str,
        description: &str,
        default: impl Into<Value>,
        mut schema: Value,
    ) -> Self {
        schema["default"] = default.into();
        self.may(key, description, schema)
    }

    /// The map's schema: these keys and no others. A map that needs no key may have no value.
    pub(super) fn build(self) -> Value {
        let mut schema = json!({ "type": "object" });
        if self.required.is_empty() {
            schema["type"] = json!(["object", "null"]);
        }
        schema["properties"] = Value::Object(self.properties);
        if !self.required.is_empty() {
            schema["required"] = json!(self.required);
        }
        schema["additionalProperties"] = json!(false);
        schema
    }

    /// The same for a map that holds exactly one of its keys.
    pub(super) fn exactly_one(self) -> Value {
        let mut schema = self.build();
        schema["type"] = json!("object");
        schema["minProperties"] = json!(1);
        schema["maxProperties"] = json!(1);
        schema
    }
}

/// A schema with what it means, said first.
fn described(description: &str, schema: Value) -> Value {
    let mut all = Map::from_iter([("description".to_owned(), json!(description))]);
    if let Value::Object(members) = schema {
        all.extend(members);
    }
    Value::Object(all)
}

/// What stands under `definitions`, in a form that may have a description beside it.
pub(super) fn defined(name: &str) -> Value {
    json!({ "allOf": [{ "$ref": format!("#/definitions/{name}") }] })
}

/// A text that is not empty.
pub(super) fn text() -> Value {
    json!({ "type": ["string", "number", "boolean"], "pattern": "\\S" })
}

/// A text that may be empty.
pub(super) fn any_text() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

/// A list of texts.
pub(super) fn texts() -> Value {
    json!({ "type": "array", "items": text() })
}

/// A list of texts that is not empty.
pub(super) fn some_texts() -> Value {
    json!({ "type": "array", "items": text(), "minItems": 1 })
}

/// A map with free keys.
pub(super) fn by_name(values: &Value) -> Value {
    json!({ "type": ["object", "null"], "additionalProperties": values })
}

/// A GUID; the one of zeros is a place that nobody filled in.
pub(super) fn guid() -> Value {
    json!({
        "type": "string",
        "pattern": format!("^{GUID}$"),
        "not": { "const": "00000000-0000-0000-0000-000000000000" },
    })
}

/// A tenant by its domain name or its GUID.
pub(super) fn tenant() -> Value {
    let label = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
    let last = "[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
    json!({ "type": "string", "pattern": format!("^(?:{GUID}|(?:{label}\\.)+{last})$") })
}

/// A user by user principal name or object id.
pub(super) fn user() -> Value {
    json!({ "type": "string", "pattern": format!("^(?:{GUID}|[^@\\s]+@\\S*\\.\\S*)$") })
}

/// A word of a list.
pub(super) fn words<W: Word>() -> Value {
    let words: Vec<&str> = W::ALL.iter().map(|choice| choice.word()).collect();
    json!({ "enum": words })
}

/// A word of a list in a sentence: each with what it means.
pub(super) fn word_list<W: Word>() -> String {
    let words = W::ALL.iter().map(|choice| {
        let meaning = choice.description().trim_end_matches('.');
        format!("`{}` ({meaning})", choice.word())
    });
    words.collect::<Vec<_>>().join(", ")
}

/// A whole number within bounds.
pub(super) fn whole(least: u64, most: u64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

/// A length of time: hours, minutes and seconds in this order.
pub(super) fn duration() -> Value {
    let pattern = "^(?:(?=[0-9])(?:[0-9]+h)?(?: ?[0-9]+m)?(?: ?[0-9]+s)?\
                   |PT(?=[0-9])(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+S)?)$";
    json!({ "type": "string", "pattern": pattern })
}

/// An origin on loopback, where `http:` is taken.
pub(super) const LOOPBACK: &str =
    "^[hH][tT][tT][pP][sS]?://(?:localhost|127(?:\\.[0-9]{1,3}){1,3}|\\[::1\\])(?::[0-9]{1,5})?/?$";

/// An origin: `https://host`, or `http://` on loopback, with nothing after host and port.
pub(super) fn origin() -> Value {
    let secure = "^[hH][tT][tT][pP][sS]://(?:[^\\s/?#@:\\\\<>^|%\\[\\]]+|\\[[0-9A-Fa-f:.]+\\])(?::[0-9]{1,5})?/?$";
    json!({ "type": "string", "anyOf": [{ "pattern": secure }, { "pattern": LOOPBACK }] })
}
