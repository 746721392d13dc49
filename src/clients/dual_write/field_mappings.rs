//! The field mappings of a map's project. Fields as Microsoft's own *Dual-write-automations* reads
//! them.

use serde_json::Value;

use crate::clients::json::text_at;

/// The field mappings of a map's project, with their filters.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldMappings {
    /// The project's name, which addresses a refresh of its tables.
    pub name: String,
    /// The directions.
    pub legs: Vec<Leg>,
    /// The whole response.
    pub raw: Value,
}

/// One direction of a map.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leg {
    /// Where rows come from.
    pub source: Option<String>,
    /// The filter of the source's rows; `None` for all rows.
    pub filter: Option<String>,
    /// The filter in the other direction.
    pub reversed_filter: Option<String>,
}

impl FieldMappings {
    /// Parses a project; `None` without a name or directions.
    pub fn from_value(raw: Value) -> Option<Self> {
        let legs = raw.pointer("/entityMappingTasks/0/legs")?.as_array()?;
        let filled = |leg: &Value, name: &str| {
            text_at(leg, &format!("/{name}")).filter(|text| !text.trim().is_empty())
        };
        let legs = legs
            .iter()
            .map(|leg| Leg {
                source: filled(leg, "sourceSchema"),
                filter: filled(leg, "sourceFilter"),
                reversed_filter: filled(leg, "reversedSourceFilter"),
            })
            .collect();
        Some(Self {
            name: text_at(&raw, "/name")?,
            legs,
            raw,
        })
    }
}
