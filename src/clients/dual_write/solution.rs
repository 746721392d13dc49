//! Solutions that hold map versions.

use serde_json::Value;

use crate::clients::lists::text;

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
    /// Reads an item; none where it has no name.
    pub fn from_value(value: &Value) -> Option<Self> {
        Some(Self {
            unique_name: text(value, "/uniquename")?,
            name: text(value, "/friendlyname"),
            id: text(value, "/solutionid"),
            version: text(value, "/version"),
            text: value.to_string(),
        })
    }
}
