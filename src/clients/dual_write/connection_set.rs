//! The link of two environments, as the gateway records it.
//!
//! Fields as *Dual-write-automations* reads them (`Struct/DWConnectionSet.cs`). After a copy the
//! record may describe another pair, be outdated, or be missing.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::clients::json::{items_at, text_at};

/// The link of an environment, with its names.
#[derive(Clone, Debug, PartialEq)]
pub struct DualWriteLink {
    /// The id of the connection set, which addresses a reset and the list of maps.
    pub id: String,
    /// The name of the connection set, which addresses its reads.
    pub name: String,
    /// The linked Power Platform environment.
    pub environment: Option<String>,
    /// The whole item.
    pub raw: Value,
}

/// A connection set: two environments, the legal entities and the integration keys.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionSet {
    /// Its id.
    pub id: Option<String>,
    /// Its environments.
    pub environments: Vec<LinkedEnvironment>,
    /// The legal entities that synchronize, by their codes.
    pub legal_entities: Vec<String>,
    /// The whole response.
    pub raw: Value,
}

/// One environment of a connection set.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkedEnvironment {
    /// Its name in the gateway, which addresses its integration keys.
    pub name: Option<String>,
    /// Its kind: `AX` for Finance and Operations; `CRM`, or a text with `CDS`, for Dataverse.
    pub target_type: Option<String>,
    /// Its display name.
    pub display_name: Option<String>,
    /// The Power Platform environment.
    pub environment: Option<String>,
    /// Its address.
    pub url: Option<String>,
    /// The Dataverse organization, if the gateway names one.
    pub organization: Option<String>,
    /// Whether it is a development instance.
    pub is_development: bool,
    /// The integration key of each table, by entity set.
    pub keys: BTreeMap<String, Vec<String>>,
}

impl DualWriteLink {
    /// Parses an item; `None` without an id, which means that it is not linked.
    pub fn from_value(raw: &Value) -> Option<Self> {
        Some(Self {
            id: text_at(raw, "/cid")?,
            name: text_at(raw, "/cname")?,
            environment: text_at(raw, "/powerAppsEnvironment"),
            raw: raw.clone(),
        })
    }
}

impl ConnectionSet {
    /// Parses the response; `None` without environments.
    pub fn from_value(raw: Value) -> Option<Self> {
        let environments = raw.get("environments")?.as_object()?;
        let environments = environments
            .values()
            .map(LinkedEnvironment::from_value)
            .collect();
        let mut legal_entities: Vec<String> =
            items_at(&raw, "/dualWriteDetail/legalEntityMappings/mappings")
                .filter_map(|mapping| text_at(mapping, "/left/name"))
                .collect();
        legal_entities.sort();
        legal_entities.dedup();
        Some(Self {
            id: text_at(&raw, "/id"),
            environments,
            legal_entities,
            raw,
        })
    }

    /// Its Dataverse environment.
    pub fn dataverse(&self) -> Option<&LinkedEnvironment> {
        self.environments.iter().find(|one| one.is_dataverse())
    }

    /// Its Finance and Operations environment.
    pub fn finance(&self) -> Option<&LinkedEnvironment> {
        self.environments
            .iter()
            .find(|one| one.target_type.as_deref() == Some("AX"))
    }

    /// The integration key of a Dataverse table, by its entity set.
    pub fn key(&self, table: &str) -> Option<&[String]> {
        let keys = &self.dataverse()?.keys;
        keys.get(table).map(Vec::as_slice)
    }
}

impl LinkedEnvironment {
    fn from_value(value: &Value) -> Self {
        let text = |name: &str| text_at(value, &format!("/{name}"));
        Self {
            name: text("name"),
            target_type: text("targetType"),
            display_name: text("environmentDisplayName"),
            environment: text("powerAppsEnvironment"),
            url: text("directUrl"),
            organization: text("organizationId"),
            is_development: value["isDevInstance"].as_bool().unwrap_or_default(),
            keys: parse_keys(value),
        }
    }

    fn is_dataverse(&self) -> bool {
        self.target_type
            .as_deref()
            .is_some_and(|kind| kind == "CRM" || kind.contains("CDS"))
    }
}

/// The integration keys in an environment's schemas: those named `userKeys` or `userKey`.
fn parse_keys(environment: &Value) -> BTreeMap<String, Vec<String>> {
    items_at(environment, "/schemas")
        .filter_map(|schema| {
            let key = items_at(schema, "/keys")
                .find(|key| matches!(key["name"].as_str(), Some("userKeys" | "userKey")))?;
            let fields = key["fields"].as_array()?.iter();
            let fields = fields.filter_map(|field| field.as_str().map(str::to_owned));
            Some((text_at(schema, "/name")?, fields.collect()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_environment_without_an_id_is_not_linked() {
        let parse = |value: Value| DualWriteLink::from_value(&value);
        assert!(parse(json!({"cid": "", "cname": "n"})).is_none());
        assert!(parse(json!({"cname": "n"})).is_none());
        let link = parse(json!({"cid": "c", "cname": "n", "powerAppsEnvironment": "e"})).unwrap();
        assert_eq!(link.environment.as_deref(), Some("e"));
    }

    #[test]
    fn a_connection_set_has_both_sides_companies_and_keys() {
        let set = ConnectionSet::from_value(json!({
            "id": "c", "environments": {
                "org.crm4.dynamics.com": {"name": "crm-set", "targetType": "CDS_v2", "directUrl": "https://org.crm4.dynamics.com",
                    "powerAppsEnvironment": "e", "schemas": [
                        {"name": "salesorders", "keys": [
                            {"name": "other", "fields": ["x"]},
                            {"name": "userKeys", "fields": ["number", "company.code"]}]},
                        {"name": "accounts", "keys": []}]},
                "fo.operations.dynamics.com": {"name": "ax-set", "targetType": "AX", "schemas": []},
            },
            "dualWriteDetail": {"legalEntityMappings": {"mappings": [
                {"left": {"name": "USMF"}}, {"left": {"name": "DEMF"}}]}},
        }))
        .unwrap();
        assert_eq!(set.legal_entities, ["DEMF", "USMF"]);
        assert_eq!(set.key("salesorders").unwrap(), ["number", "company.code"]);
        assert_eq!(set.key("accounts"), None);
        assert_eq!(set.finance().unwrap().name.as_deref(), Some("ax-set"));
        assert_eq!(set.dataverse().unwrap().name.as_deref(), Some("crm-set"));
        assert!(ConnectionSet::from_value(json!({"error": "x"})).is_none());
    }
}
