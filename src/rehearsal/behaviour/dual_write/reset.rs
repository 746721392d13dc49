//! What a reset of the link clears (Microsoft Learn, *Reset dual-write connections*), and the
//! effects on dual-write when a copy or refresh replaces Finance and Operations.

use serde_json::{Value, json};

use super::{DualWriteEnvironment, link_key};
use crate::rehearsal::behaviour::finance_operations::rows_key;
use crate::rehearsal::behaviour::organization::text;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::store::Draft;

impl DualWriteEnvironment<'_, '_> {
    /// Resets the link, or returns the message why not. Deletes maps, versions, keys, filters and
    /// the runtime configuration of both sides; the environments and legal entities are then those
    /// of the request. Refused while maps run, unless it is forced.
    pub(crate) fn reset(&mut self, request: &Value, forced: bool) -> Result<(), String> {
        let maps = self.maps();
        if let Some(map) = maps.iter().find(|map| !map.is_stopped())
            && !forced
        {
            return Err(format!("The table map '{}' must be stopped.", map.name));
        }
        if request["powerAppsEnvironmentName"] != self.environment.as_str() {
            return Err("The environment is not the one that is linked.".to_owned());
        }
        for map in &maps {
            self.delete_map(&map.name);
        }
        self.remove_rows(|_| true);
        self.remove_projects();
        let environments = request["environments"].as_array().cloned();
        let companies: Vec<Value> = request["legalEntities"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|code| {
                let company = json!({"name": code, "id": code});
                json!({"left": company, "right": company})
            })
            .collect();
        self.change_connection_set(|set| {
            let name = set["name"].clone();
            let mut all = serde_json::Map::new();
            for one in environments.unwrap_or_default() {
                let url = one["directUrl"].as_str().unwrap_or_default();
                let host = url.split("://").last().unwrap_or_default().to_owned();
                let environment = json!({
                    "name": one["name"], "connectionSetName": name,
                    "targetType": one["targetType"], "environmentDisplayName": one["displayName"],
                    "powerAppsEnvironment": one["id"], "directUrl": url,
                    "isDevInstance": one["isDevInstance"], "schemas": [],
                });
                all.insert(host, environment);
            }
            set["environments"] = Value::Object(all);
            set["dualWriteDetail"]["legalEntityMappings"]["mappings"] = Value::Array(companies);
        });
        self.rename_root_team();
        Ok(())
    }

    /// Gives the default team of the root business unit the unit's name again. Microsoft documents
    /// that a reset repairs the renamed team (*Copy environments that use Intelligent Order
    /// Management*); that it sets this name is inferred.
    fn rename_root_team(&mut self) {
        let Some(mut organization) = self.organization() else {
            return;
        };
        let root = organization.root_business_unit();
        let name = root.and_then(|unit| text(unit, "name").map(str::to_owned));
        if let Some(name) = name {
            organization.rename_default_team(&name);
        }
    }
}

/// Applies the effects of replacing the database of Finance and Operations: it has no projects, and
/// the user of dual-write's applications is disabled.
pub(crate) fn after_replacement(draft: &mut Draft<'_>, schema: &Schema, environment: &str) {
    if draft.get(&link_key(environment)).is_none() {
        return;
    }
    let mut dual_write = DualWriteEnvironment {
        draft,
        schema,
        environment: environment.to_owned(),
    };
    dual_write.remove_projects();
    let prefix = rows_key(environment, "SystemUsers");
    let users: Vec<(String, Value)> = dual_write
        .draft
        .under(&prefix)
        .filter(|(_, user)| user["UserID"] == super::USER)
        .map(|(key, user)| (key.to_owned(), user.clone()))
        .collect();
    for (key, mut user) in users {
        user["Enabled"] = json!(false);
        dual_write.draft.put(key, user);
    }
}
