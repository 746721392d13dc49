//! JSON values as their texts, where many of them are in memory.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A JSON value as its text. A change has two of them and is in the plan, in a survey and in the state;
/// parsed, a small object takes more than ten times the memory of its text.
///
/// Clones share the text. It is equal to a text or a value if the values are equal, also with their
/// members in another order.
#[derive(Clone)]
pub struct JsonText(Arc<str>);

impl JsonText {
    /// The value `null`, which takes no memory of its own.
    pub fn null() -> Self {
        static NULL: LazyLock<Arc<str>> = LazyLock::new(|| "null".into());
        Self(Arc::clone(&NULL))
    }

    /// Is it `null`?
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    /// The text, without spaces between its parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value.
    pub fn value(&self) -> Value {
        // It was made from a value, and a value that is nested too deeply is refused before it is
        // written.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl From<&Value> for JsonText {
    fn from(value: &Value) -> Self {
        Self(value.to_string().into())
    }
}

impl From<Value> for JsonText {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || *self == other.value()
    }
}

impl Eq for JsonText {}

impl PartialEq<Value> for JsonText {
    fn eq(&self, value: &Value) -> bool {
        self.value() == *value
    }
}

impl PartialEq<JsonText> for Value {
    fn eq(&self, text: &JsonText) -> bool {
        text == self
    }
}

impl fmt::Debug for JsonText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl JsonSchema for JsonText {
    fn schema_name() -> Cow<'static, str> {
        Value::schema_name()
    }

    fn inline_schema() -> bool {
        Value::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Value::json_schema(generator)
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(Value::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_written_and_read_as_the_value_itself() {
        for value in [
            json!(null),
            json!("é\n\"x\""),
            json!({ "b": 1, "a": [true, { "c": 90_071_992_547_409_931_u64 }] }),
        ] {
            let kept = JsonText::from(&value);
            assert_eq!(kept.value(), value);
            assert_eq!(kept, value);
            assert_eq!(kept.is_null(), value.is_null());
            assert_eq!(serde_json::to_string(&kept).unwrap(), value.to_string());
            assert_eq!(serde_json::to_value(&kept).unwrap(), value);
            let read: JsonText = serde_json::from_str(&value.to_string()).unwrap();
            assert_eq!(read, kept);
            let read: JsonText = serde_json::from_value(value).unwrap();
            assert_eq!(read, kept);
        }
    }

    #[test]
    fn the_order_of_members_does_not_count() {
        let texts = [
            r#"{"a":1,"b":[2]}"#,
            r#"{ "b": [2], "a": 1 }"#,
            r#"{"a":1,"b":[3]}"#,
        ];
        let [kept, same, other] = texts.map(|text| serde_json::from_str::<JsonText>(text).unwrap());
        assert!(kept == same && kept == same.value() && kept != other);
    }
}
