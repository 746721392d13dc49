//! JSON values that a state keeps, as their texts.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A JSON value as its text. A state keeps two for each change, and parsed, a small object takes more
/// than ten times the memory of its text.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonText(Box<str>);

impl JsonText {
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

impl fmt::Debug for JsonText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
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
            assert_eq!(serde_json::to_string(&kept).unwrap(), value.to_string());
            assert_eq!(serde_json::to_value(&kept).unwrap(), value);
            let read: JsonText = serde_json::from_str(&value.to_string()).unwrap();
            assert_eq!(read, kept);
            let read: JsonText = serde_json::from_value(value).unwrap();
            assert_eq!(read, kept);
        }
    }
}
