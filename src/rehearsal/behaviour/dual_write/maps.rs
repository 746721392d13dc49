//! Maps of an environment: their versions, the active version, their projects.
//!
//! Versions are rows of `msdyn_dualwriteentitymap` and have the ids of these rows. The gateway
//! stores its own data about them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalogue::{self, MAPS};
use super::{DualWriteEnvironment, dataverse_entry};
use crate::rehearsal::behaviour::organization::{Organization, Row, text};
use crate::rehearsal::world::names;

/// A map as the gateway stores it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Map {
    pub(crate) name: String,
    /// The id of the active version.
    pub(crate) template: String,
    /// The ids of the available versions.
    pub(crate) templates: Vec<String>,
    /// Its project, once it has been initialised.
    pub(crate) project: Option<String>,
    /// Its state, the number that the gateway returns.
    pub(crate) state: String,
    /// Whether its tables were refreshed since the version was activated.
    pub(crate) refreshed: bool,
    /// Its mapping: that of the active version when it was activated.
    pub(crate) mapping: Value,
    /// The ids of its requests, the newest first.
    pub(crate) requests: Vec<String>,
}

/// The states of maps: stopped, running, paused, never started.
pub(crate) const STOPPED: &str = "1";
pub(crate) const RUNNING: &str = "4";
pub(crate) const PAUSED: &str = "5";
pub(crate) const NOT_RUNNING: &str = "6";

impl Map {
    /// Whether it neither synchronizes nor queues.
    pub(crate) fn is_stopped(&self) -> bool {
        [STOPPED, NOT_RUNNING, "0"].contains(&self.state.as_str())
    }
}

fn key(environment: &str, name: &str) -> String {
    format!("dual-write/{environment}/map/{name}")
}

impl<'world> DualWriteEnvironment<'_, 'world> {
    /// The organization, without a caller.
    pub(crate) fn organization(&mut self) -> Option<Organization<'_, 'world>> {
        Organization::in_environment(self.draft, self.schema, &self.environment)
    }

    /// The maps, in the order of the catalogue.
    pub(crate) fn maps(&self) -> Vec<Map> {
        MAPS.iter().filter_map(|map| self.map(map.name)).collect()
    }

    pub(crate) fn map(&self, name: &str) -> Option<Map> {
        self.draft.load(&key(&self.environment, name))
    }

    /// The first matching map.
    pub(crate) fn find_map(&self, matches: impl Fn(&Map) -> bool) -> Option<Map> {
        self.maps().into_iter().find(|map| matches(map))
    }

    /// Saves a map.
    pub(crate) fn save_map(&mut self, map: &Map) {
        self.draft.save(key(&self.environment, &map.name), map);
    }

    /// Deletes a map.
    pub(crate) fn delete_map(&mut self, name: &str) {
        self.draft.delete(&key(&self.environment, name));
    }

    pub(crate) fn version(&mut self, template: &str) -> Option<Row> {
        self.organization()?
            .row("msdyn_dualwriteentitymap", template)
    }

    /// Activates a version.
    pub(crate) fn activate(&mut self, map: &mut Map, template: &str) {
        if let Some(row) = self.version(template) {
            template.clone_into(&mut map.template);
            map.mapping = mapping_of(&row);
            map.refreshed = false;
        }
    }

    /// Applies a solution: each of its maps exists afterwards, with the solution's newest version
    /// active. False if there is no such solution.
    pub(crate) fn apply_solution(&mut self, unique_name: &str) -> bool {
        let Some(organization) = self.organization() else {
            return false;
        };
        let solutions = organization.rows("solution");
        let solution = solutions
            .iter()
            .find(|row| text(row, "uniquename") == Some(unique_name))
            .and_then(|row| text(row, "solutionid"));
        let Some(solution) = solution else {
            return false;
        };
        let mut versions: Vec<Row> = organization
            .rows("msdyn_dualwriteentitymap")
            .into_iter()
            .filter(|row| text(row, "solutionid") == Some(solution))
            .collect();
        versions.sort_by_key(|row| version_numbers(text(row, "msdyn_version").unwrap_or_default()));
        for row in versions {
            let Some(definition) = map_name(&row).and_then(|name| catalogue::definition(&name))
            else {
                continue;
            };
            let template = text(&row, "msdyn_dualwriteentitymapid").unwrap_or_default();
            let mut map = self.map(definition.name).unwrap_or_else(|| Map {
                name: definition.name.to_owned(),
                state: NOT_RUNNING.to_owned(),
                ..Map::default()
            });
            if !map.templates.iter().any(|other| other == template) {
                map.templates.push(template.to_owned());
            }
            if map.is_stopped() {
                self.activate(&mut map, template);
            }
            self.save_map(&map);
        }
        true
    }

    /// Gives a map a project.
    pub(crate) fn initialise(&mut self, map: &mut Map) {
        if map.project.is_none() {
            let number = self.draft.count("dual-write/projects");
            let id = names::identifier(&["project", &self.environment, &number.to_string()]);
            map.project = Some(format!("DWM-{id}"));
        }
        self.save_map(map);
    }

    /// The integration key of a table, if it has one.
    pub(crate) fn key_of(&self, set: &str) -> Option<Vec<String>> {
        let connection_set = self.connection_set()?;
        let schema = dataverse_entry(&connection_set)?["schemas"]
            .as_array()?
            .iter()
            .find(|schema| schema["name"] == set)?;
        let fields = schema["keys"][0]["fields"].as_array()?;
        Some(
            fields
                .iter()
                .filter_map(|field| field.as_str().map(str::to_owned))
                .collect(),
        )
    }

    /// Sets integration keys, given as an object from table to fields.
    pub(crate) fn set_keys(&mut self, keys: &Value) {
        let keys = keys.as_object().cloned().unwrap_or_default();
        self.change_connection_set(|set| {
            let environments = set["environments"].as_object_mut();
            let dataverse = environments
                .into_iter()
                .flat_map(|all| all.values_mut())
                .find(|one| one["targetType"] == "CRM");
            let Some(schemas) = dataverse.and_then(|one| one["schemas"].as_array_mut()) else {
                return;
            };
            for (table, fields) in keys {
                schemas.retain(|schema| schema["name"] != table.as_str());
                schemas.push(schema(&table, &fields));
            }
        });
    }

    /// A map as the gateway returns it.
    pub(crate) fn map_json(&mut self, map: &Map) -> Value {
        let Some(definition) = catalogue::definition(&map.name) else {
            return Value::Null;
        };
        let templates: Vec<Value> = map
            .templates
            .iter()
            .map(|id| self.version_json(id, definition.name))
            .collect();
        let requests: Vec<Value> = map
            .requests
            .iter()
            .filter_map(|id| self.request_json(id))
            .collect();
        let actions = match map.state.as_str() {
            RUNNING => json!(["4", "5"]),
            PAUSED => json!(["4", "6"]),
            _ => json!(["1"]),
        };
        json!({
            "leftEntity": {"targetType": "AX", "name": definition.finance.0, "displayName": definition.finance.1},
            "rightEntity": {"targetType": "CRM", "name": definition.dataverse.0, "displayName": definition.dataverse.2},
            "detail": {
                "tid": map.template,
                "tName": map.name,
                "tags": [],
                "template": self.version_json(&map.template, definition.name),
                "templates": templates,
                "pid": map.project,
                "state": map.state,
                "actions": actions,
                "lastRequest": requests.first(),
                "lastRequests": requests,
                "isProjectDeleted": false,
            },
        })
    }

    fn version_json(&mut self, id: &str, name: &str) -> Value {
        let row = self.version(id).unwrap_or_default();
        let [major, minor, build, revision] =
            version_numbers(text(&row, "msdyn_version").unwrap_or_default());
        json!({
            "id": id,
            "name": name,
            "displayName": text(&row, "msdyn_displayname"),
            "author": text(&row, "msdyn_name").map(author),
            "version": {
                "major": major, "minor": minor, "build": build, "revision": revision,
                "majorRevision": 0, "minorRevision": revision,
            },
            "readOnly": row.get("ismanaged") == Some(&json!(true)),
            "description": "",
            "tags": [],
            "createdDateTime": text(&row, "createdon"),
        })
    }
}

/// The integration key of a table, as a connection set has it.
pub(crate) fn schema(table: &str, fields: &Value) -> Value {
    json!({
        "id": format!("sch-{table}"),
        "name": table,
        "displayName": table,
        "keys": [{
            "name": "userKeys", "displayName": "userKeys", "fields": fields,
            "isIntegrationKey": true, "isPrimaryKey": false,
        }],
    })
}

/// The mapping of a version.
pub(crate) fn mapping_of(row: &Row) -> Value {
    let mapping = text(row, "msdyn_mapping").unwrap_or_default();
    serde_json::from_str(mapping).unwrap_or_default()
}

/// The name of a version's map, from its mapping.
pub(crate) fn map_name(row: &Row) -> Option<String> {
    mapping_of(row)["name"].as_str().map(str::to_owned)
}

/// The author of a version, from the publisher's prefix of its name: `msdyn_[…]`.
fn author(name: &str) -> String {
    match name.split('_').next() {
        Some("msdyn") | None => "Microsoft".to_owned(),
        Some(prefix) => prefix.to_owned(),
    }
}

/// The four numbers of a version.
pub(crate) fn version_numbers(version: &str) -> [u64; 4] {
    let mut numbers = [0; 4];
    for (number, digits) in numbers.iter_mut().zip(version.split('.')) {
        *number = digits.parse().unwrap_or(0);
    }
    numbers
}
