//! Maps of an environment: which versions there are, which is active, their projects.
//!
//! Versions are rows of `msdyn_dualwriteentitymap`; a version's id is its row's. What the gateway
//! makes of them is its own.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::DualWrite;
use super::catalogue::{self, MAPS};
use crate::rehearsal::behaviour::environments;
use crate::rehearsal::behaviour::organization::{Caller, Organization, Row, text};
use crate::rehearsal::world::names;

/// A map as the gateway keeps it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Map {
    /// Its name.
    pub(crate) name: String,
    /// The id of the active version.
    pub(crate) template: String,
    /// The ids of the versions that could be active.
    pub(crate) templates: Vec<String>,
    /// Its project, once it has been initialised.
    pub(crate) project: Option<String>,
    /// How far it is, as the number that is shown.
    pub(crate) state: String,
    /// Whether its tables have been read since the version was chosen.
    pub(crate) refreshed: bool,
    /// What its project maps: the mapping of the active version when it was chosen.
    pub(crate) mapping: Value,
    /// The ids of what was asked of it, the newest first.
    pub(crate) requests: Vec<String>,
}

/// Stopped by somebody, running, paused, and never run: states as they are shown.
pub(crate) const STOPPED: &str = "1";
pub(crate) const RUNNING: &str = "4";
pub(crate) const PAUSED: &str = "5";
pub(crate) const NOT_RUNNING: &str = "6";

impl Map {
    /// Whether it neither synchronizes nor queues.
    pub(crate) fn is_at_rest(&self) -> bool {
        [STOPPED, NOT_RUNNING, "0"].contains(&self.state.as_str())
    }
}

fn key(environment: &str, name: &str) -> String {
    format!("dual-write/{environment}/map/{name}")
}

impl<'world> DualWrite<'_, 'world> {
    /// The organization, as dual-write itself sees it.
    pub(crate) fn organization(&mut self) -> Option<Organization<'_, 'world>> {
        let id = environments::organization(self.draft, &self.environment)?;
        Some(Organization {
            draft: self.draft,
            schema: self.schema,
            id,
            environment: self.environment.clone(),
            caller: Caller::default(),
        })
    }

    /// The maps, in the order in which the tenant knows them.
    pub(crate) fn maps(&self) -> Vec<Map> {
        MAPS.iter().filter_map(|map| self.map(map.name)).collect()
    }

    /// A map by its name.
    pub(crate) fn map(&self, name: &str) -> Option<Map> {
        let value = self.draft.get(&key(&self.environment, name))?;
        serde_json::from_value(value.clone()).ok()
    }

    /// The map whose active version or project this is.
    pub(crate) fn map_with(&self, fits: impl Fn(&Map) -> bool) -> Option<Map> {
        self.maps().into_iter().find(|map| fits(map))
    }

    /// Keeps a map.
    pub(crate) fn keep(&mut self, map: &Map) {
        let value = serde_json::to_value(map).unwrap_or_default();
        self.draft.put(key(&self.environment, &map.name), value);
    }

    /// Forgets a map.
    pub(crate) fn forget(&mut self, name: &str) {
        self.draft.delete(&key(&self.environment, name));
    }

    /// The row of a version.
    pub(crate) fn version(&mut self, template: &str) -> Option<Row> {
        self.organization()?
            .row("msdyn_dualwriteentitymap", template)
    }

    /// Makes a version the active one.
    pub(crate) fn activate(&mut self, map: &mut Map, template: &str) {
        if let Some(row) = self.version(template) {
            template.clone_into(&mut map.template);
            map.mapping = mapping_of(&row);
            map.refreshed = false;
        }
    }

    /// Takes a solution's versions over: each map that it holds is there afterwards, with the
    /// solution's newest version active and nothing else. False where there is no such solution.
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
        versions.sort_by_key(|row| number(text(row, "msdyn_version").unwrap_or_default()));
        for row in versions {
            let Some(known) = name_of(&row).and_then(|name| catalogue::known(&name)) else {
                continue;
            };
            let template = text(&row, "msdyn_dualwriteentitymapid").unwrap_or_default();
            let mut map = self.map(known.name).unwrap_or_else(|| Map {
                name: known.name.to_owned(),
                state: NOT_RUNNING.to_owned(),
                ..Map::default()
            });
            if !map.templates.iter().any(|known| known == template) {
                map.templates.push(template.to_owned());
            }
            if map.is_at_rest() {
                self.activate(&mut map, template);
            }
            self.keep(&map);
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
        self.keep(map);
    }

    /// The integration key of a map's table, if it has one.
    pub(crate) fn key_of(&self, set: &str) -> Option<Vec<String>> {
        let connection_set = self.set()?;
        let environments = connection_set["environments"].as_object()?;
        let dataverse = environments
            .values()
            .find(|one| one["targetType"] == "CRM")?;
        let schema = dataverse["schemas"]
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

    /// Sets integration keys: a member a table.
    pub(crate) fn set_keys(&mut self, keys: &Value) {
        let keys = keys.as_object().cloned().unwrap_or_default();
        self.change_set(|set| {
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

    /// A map as the gateway lists it.
    pub(crate) fn shown(&mut self, map: &Map) -> Value {
        let Some(known) = catalogue::known(&map.name) else {
            return Value::Null;
        };
        let templates: Vec<Value> = map
            .templates
            .iter()
            .map(|id| self.shown_version(id, known.name))
            .collect();
        let requests: Vec<Value> = map
            .requests
            .iter()
            .filter_map(|id| self.shown_request(id))
            .collect();
        let actions = match map.state.as_str() {
            RUNNING => json!(["4", "5"]),
            PAUSED => json!(["4", "6"]),
            _ => json!(["1"]),
        };
        json!({
            "leftEntity": {"targetType": "AX", "name": known.finance.0, "displayName": known.finance.1},
            "rightEntity": {"targetType": "CRM", "name": known.dataverse.0, "displayName": known.dataverse.2},
            "detail": {
                "tid": map.template,
                "tName": map.name,
                "tags": [],
                "template": self.shown_version(&map.template, known.name),
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

    fn shown_version(&mut self, id: &str, name: &str) -> Value {
        let row = self.version(id).unwrap_or_default();
        let [major, minor, build, revision] =
            number(text(&row, "msdyn_version").unwrap_or_default());
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

/// The integration key of a table, as a connection set holds it.
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

/// What a version maps.
pub(crate) fn mapping_of(row: &Row) -> Value {
    let mapping = text(row, "msdyn_mapping").unwrap_or_default();
    serde_json::from_str(mapping).unwrap_or_default()
}

/// The map that a version is of: its mapping says so.
pub(crate) fn name_of(row: &Row) -> Option<String> {
    mapping_of(row)["name"].as_str().map(str::to_owned)
}

/// The publisher's prefix of a version's name: `msdyn_[…]`.
fn author(name: &str) -> String {
    match name.split('_').next() {
        Some("msdyn") | None => "Microsoft".to_owned(),
        Some(prefix) => prefix.to_owned(),
    }
}

/// The four numbers of a version.
pub(crate) fn number(version: &str) -> [u64; 4] {
    let mut numbers = [0; 4];
    for (number, digits) in numbers.iter_mut().zip(version.split('.')) {
        *number = digits.parse().unwrap_or(0);
    }
    numbers
}
