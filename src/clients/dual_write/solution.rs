//! Solutions that contain map versions.

use serde_json::Value;

use crate::clients::json::text_at;

/// A solution that the gateway can apply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MapSolution {
    /// Its unique name.
    pub unique_name: String,
    /// Its name for people.
    pub name: Option<String>,
    /// The id of its row in Dataverse.
    pub id: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The item as the gateway sent it.
    pub text: String,
}

impl MapSolution {
    /// Parses an item; `None` without a name.
    pub fn from_value(value: &Value) -> Option<Self> {
        Some(Self {
            unique_name: text_at(value, "/uniquename")?,
            name: text_at(value, "/friendlyname"),
            id: text_at(value, "/solutionid"),
            version: text_at(value, "/version"),
            text: value.to_string(),
        })
    }
}
