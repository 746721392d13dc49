//! What resetting a link clears (Microsoft Learn, *Reset dual-write connections*), and what the
//! replacement of a half under the link does.

use serde_json::{Value, json};

use super::{DualWrite, link_key};
use crate::rehearsal::behaviour::organization::{lookup, text};
use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::store::Draft;

/// Why a reset is refused.
pub(crate) type Refused = String;

impl DualWrite<'_, '_> {
    /// Resets the link: maps, versions, keys, filters, legal entities and the runtime configuration
    /// of both sides are gone; the environments are those of the request, the legal entities too.
    /// Maps that run refuse it, unless it is forced.
    pub(crate) fn reset(&mut self, request: &Value, forced: bool) -> Result<(), Refused> {
        let maps = self.maps();
        if let Some(map) = maps.iter().find(|map| !map.is_at_rest())
            && !forced
        {
            return Err(format!("The table map '{}' must be stopped.", map.name));
        }
        if request["powerAppsEnvironmentName"] != self.environment.as_str() {
            return Err("The environment is not the one that is linked.".to_owned());
        }
        for map in &maps {
            self.forget(&map.name);
        }
        self.take_rows(|_| true);
        self.take_projects();
        let environments = request["environments"].as_array().cloned();
        let companies: Vec<Value> = request["legalEntities"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|code| {
                let side = json!({"name": code, "id": code});
                json!({"left": side, "right": side})
            })
            .collect();
        self.change_set(|set| {
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
        self.name_root_team();
        Ok(())
    }

    /// The default team of the root business unit has the unit's name again. That a reset mends what
    /// a copy has renamed is documented (*Copy environments that use Intelligent Order Management*);
    /// that it does so by the name is inferred.
    fn name_root_team(&mut self) {
        let Some(mut organization) = self.organization() else {
            return;
        };
        let Ok(table) = organization.table("team") else {
            return;
        };
        let units = organization.rows("businessunit");
        let Some(root) = units
            .iter()
            .find(|unit| lookup(unit, "parentbusinessunitid").is_none())
        else {
            return;
        };
        let id = text(root, "businessunitid");
        for mut team in organization.rows("team") {
            let is_default = team.get("isdefault") == Some(&json!(true));
            if is_default && lookup(&team, "businessunitid") == id {
                team.insert("name".to_owned(), json!(text(root, "name")));
                organization.save(&table, team);
            }
        }
    }
}

/// After a database of Finance and Operations has been replaced: it holds no projects, and the users
/// of the applications of dual-write are disabled.
pub(crate) fn after_replacement(draft: &mut Draft<'_>, schema: &Schema, environment: &str) {
    if draft.get(&link_key(environment)).is_none() {
        return;
    }
    let mut dual_write = DualWrite {
        draft,
        schema,
        environment: environment.to_owned(),
    };
    dual_write.take_projects();
    let prefix = format!("finance-operations/{environment}/SystemUsers/");
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
