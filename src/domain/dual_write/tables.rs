//! The rows behind dual-write, as they are read: runtime configuration and saved versions of
//! Dataverse, projects of Finance and Operations. They are documented tables, so they can be read
//! if the gateway may not be asked.
//!
//! A map is known by one name everywhere: the entity set of Dataverse, ` - `, and what Finance and
//! Operations calls its entity.

use serde_json::Value;
use uuid::Uuid;

use super::recorded::Filters;
use crate::clients::{MapVersion, field_any_case};
use crate::domain::names::{Fields, is_active, lookup, text};

/// A row of runtime configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Configuration {
    pub(crate) id: Uuid,
    /// The map's name.
    pub(crate) map: String,
    pub(crate) active: bool,
    /// The version of the map that runs.
    pub(crate) version: Option<MapVersion>,
}

/// A row of a project of Finance and Operations. A map has two, one for each direction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Project {
    /// The map's name.
    pub(crate) map: String,
    /// `Enabled`, `Disabled`, `Queueing`.
    pub(crate) status: String,
    /// The Dataverse that it is connected to.
    pub(crate) url: Option<String>,
    /// The integration key.
    pub(crate) key: Option<Vec<String>>,
}

/// A saved version of a map.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SavedVersion {
    /// The map's name.
    pub(crate) map: String,
    pub(crate) version: Option<MapVersion>,
    /// The solution that it is in.
    pub(crate) solution: Option<Uuid>,
    pub(crate) filters: Filters,
}

/// The text of a field of Finance and Operations, regardless of the case of its name: responses
/// disagree (`AADClientId`, `AadClientId`; both are seen in d365bap.tools).
pub(crate) fn field_text<'row>(row: &'row Fields, name: &str) -> Option<&'row str> {
    field_any_case(row, name)?.as_str()
}

/// The same for a boolean field: a JSON boolean, or a word of the enumeration `NoYes`.
pub(crate) fn field_bool(row: &Fields, name: &str) -> Option<bool> {
    match field_any_case(row, name)? {
        Value::Bool(yes) => Some(*yes),
        Value::String(word) if word == "Yes" => Some(true),
        Value::String(word) if word == "No" => Some(false),
        _ => None,
    }
}

fn name(dataverse: &str, finance: &str) -> String {
    format!("{dataverse} - {finance}")
}

impl Configuration {
    /// Reads a row; none if it does not name its map.
    pub(crate) fn from_row(id: Uuid, row: &Fields) -> Option<Self> {
        let unsecure: Value = serde_json::from_str(&text(row, "msdyn_unsecure")?).ok()?;
        let of = |member: &str| unsecure.get(member).and_then(Value::as_str);
        Some(Self {
            id,
            map: name(of("SourceEntityName")?, of("DestinationEntityName")?),
            active: is_active(row),
            version: unsecure
                .get("EntityMapVersion")
                .and_then(MapVersion::from_value),
        })
    }
}

impl Project {
    /// Reads a row; none if it does not name its map.
    pub(crate) fn from_row(row: &Fields) -> Option<Self> {
        let filled = |column: &str| text(row, column).filter(|text| !text.trim().is_empty());
        let key = filled("IntegrationKey").map(|key| {
            key.split(',')
                .map(|column| column.trim().to_owned())
                .collect()
        });
        Some(Self {
            map: name(
                &filled("ExternalEntityName")?,
                &filled("InternalEntityName")?,
            ),
            status: filled("Status").unwrap_or_else(|| "none given".to_owned()),
            url: filled("ExternalEnvironmentUrl"),
            key,
        })
    }
}

impl SavedVersion {
    /// Reads a row; none if it does not name its map. The mapping names it, else the row's name,
    /// which has the form `prefix_[map]`.
    pub(crate) fn from_row(row: &Fields) -> Option<Self> {
        let mapping: Value = text(row, "msdyn_mapping")
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let in_mapping = mapping.get("name").and_then(Value::as_str);
        let in_name = text(row, "msdyn_name");
        let in_name = in_name.as_deref().map(|name| {
            let bracketed = name
                .split_once('[')
                .and_then(|(_, rest)| rest.strip_suffix(']'));
            bracketed.unwrap_or(name)
        });
        let leg = mapping.pointer("/legs/0");
        let filter = |member: &str| {
            let text = leg.and_then(|leg| leg.get(member)?.as_str());
            text.filter(|text| !text.trim().is_empty())
                .map(str::to_owned)
        };
        Some(Self {
            map: in_mapping.or(in_name)?.to_owned(),
            version: text(row, "msdyn_version").and_then(|version| version.parse().ok()),
            solution: lookup(row, "solutionid"),
            filters: Filters {
                finance: filter("sourceFilter"),
                dataverse: filter("reversedSourceFilter"),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(value: Value) -> Fields {
        match value {
            Value::Object(fields) => fields,
            _ => Fields::new(),
        }
    }

    #[test]
    fn the_three_tables_give_a_map_one_name() {
        // The payload of a real row, as it is seen in public code.
        let unsecure = r#"{"ProjectId":"p","SourceEntityName":"salesorders","SourceEnvironmentType":1,"DestinationEntityName":"CDS sales order headers","DestinationEnvironmentType":3,"EntityMapVersion":{"Major":1,"Minor":0,"Build":1,"Revision":6},"FieldMappings":[]}"#;
        let row = fields(json!({"statecode": 0, "msdyn_unsecure": unsecure}));
        let configuration = Configuration::from_row(Uuid::nil(), &row).unwrap();
        let project = Project::from_row(&fields(json!({
            "ProjectName": "DWM-1", "InternalEntityName": "CDS sales order headers",
            "ExternalEntityName": "salesorders", "Status": "Enabled",
            "ExternalEnvironmentUrl": "https://org.crm4.dynamics.com"})))
        .unwrap();
        let saved = SavedVersion::from_row(&fields(json!({
            "msdyn_name": "sst_[salesorders - CDS sales order headers]",
            "msdyn_version": "1.0.1.6"})))
        .unwrap();
        assert_eq!(configuration.map, "salesorders - CDS sales order headers");
        assert_eq!(configuration.map, project.map);
        assert_eq!(project.map, saved.map);
        assert_eq!(configuration.version, saved.version);
        assert!(configuration.active);
        assert_eq!(saved.filters, Filters::default());
    }

    #[test]
    fn a_row_that_names_no_map_is_ignored() {
        assert!(
            Configuration::from_row(Uuid::nil(), &fields(json!({"msdyn_unsecure": "x"}))).is_none()
        );
        assert!(Project::from_row(&fields(json!({"ProjectName": "DWM-1"}))).is_none());
        assert!(SavedVersion::from_row(&fields(json!({}))).is_none());
    }
}
