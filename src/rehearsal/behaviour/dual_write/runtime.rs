//! The runtime configuration of running maps: rows in Dataverse and projects in Finance and
//! Operations; and the effects of rows that another organization created.
//!
//! The secure part of a row, with its organization, cannot be read through the Web API. It is a
//! separate object of the world under the row's id, which a copy preserves.

use serde_json::{Value, json};

use super::catalogue;
use super::maps::{Map, version_numbers};
use super::{DualWriteEnvironment, dataverse_entry};
use crate::rehearsal::behaviour::finance_operations::rows_key;
use crate::rehearsal::behaviour::organization::{Organization, Row, row_of, text};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::schema::table::Table;
use crate::rehearsal::world::names;

/// The table of the runtime configuration.
const CONFIGURATION: &str = "msdyn_dualwriteruntimeconfig";

/// The entity set of the projects.
const PROJECTS: &str = "DualWriteProjectConfigurations";

/// The application of Finance and Operations for writes to Dataverse.
pub(crate) const FINANCE_AND_OPERATIONS: &str = "00000015-0000-0000-c000-000000000000";
/// Dynamics Data Integration.
pub(crate) const DATA_INTEGRATION: &str = "2e49aa60-1bd3-43b6-8ab6-03ada3d9f08b";
/// The application of Dataverse for writes to Finance and Operations.
pub(crate) const RUNTIME: &str = "6f7d0213-62b1-43a8-b7f4-ff2bb8b7b452";

fn secure_key(row: &str) -> String {
    format!("secure-configuration/{row}")
}

fn project_key(environment: &str, name: &str) -> String {
    format!("{}{name}", rows_key(environment, PROJECTS))
}

/// Records which organization created a row of runtime configuration.
pub(crate) fn write_secure_configuration(organization: &mut Organization<'_, '_>, row: &str) {
    let name = organization
        .rows("organization")
        .first()
        .and_then(|row| text(row, "name").map(str::to_owned));
    let value = json!({"organization": organization.id, "name": name});
    organization.draft.put(secure_key(row), value);
}

/// Refuses a write to a mapped table whose runtime configuration another organization created
/// (Microsoft Learn, *Troubleshoot live synchronization issues*).
pub(crate) fn check_secure_configuration(
    organization: &Organization<'_, '_>,
    table: &Table,
) -> Result<(), ODataError> {
    for row in organization.borrowed_rows(CONFIGURATION) {
        let unsecure: Value = text(row, "msdyn_unsecure")
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let is_active = row.get("statecode") == Some(&json!(0));
        if !is_active || unsecure["SourceEntityName"] != table.set.as_str() {
            continue;
        }
        let id = text(row, "msdyn_dualwriteruntimeconfigid").unwrap_or_default();
        let Some(creator) = organization.draft.get(&secure_key(id)) else {
            continue;
        };
        if creator["organization"] != organization.id.as_str() {
            let own = organization.borrowed_rows("organization");
            let own = own.first().and_then(|row| text(row, "name"));
            let message = format!(
                "SecureConfig Organization ({}) does not match actual CRM Organization ({})",
                creator["name"].as_str().unwrap_or_default(),
                own.unwrap_or_default()
            );
            return Err(ODataError::new(400, "0x80040265", message));
        }
    }
    Ok(())
}

impl DualWriteEnvironment<'_, '_> {
    /// Writes the runtime configuration of a map that starts, on both sides.
    pub(crate) fn write_configuration(&mut self, map: &Map) {
        let (Some(definition), Some(project)) = (catalogue::definition(&map.name), &map.project)
        else {
            return;
        };
        self.remove_configuration(map);
        let key = self.key_of(definition.dataverse.0).unwrap_or_default();
        let address = self.dataverse_address();
        let leg = &map.mapping["legs"][0];
        // One row per direction. The form of the second name is invented.
        for (name, filter) in [
            (project.clone(), leg["sourceFilter"].clone()),
            (
                format!("{project}-CDS"),
                leg["reversedSourceFilter"].clone(),
            ),
        ] {
            let row = json!({
                "ProjectName": name,
                "InternalEntityName": definition.finance.1,
                "ExternalEntityName": definition.dataverse.0,
                "ExternalLogicalEntityName": definition.dataverse.1,
                "ExternalEnvironmentUrl": address,
                "Status": "Enabled",
                "IsDebugMode": "No",
                "IsDelete": "No",
                "IntegrationKey": key.join(","),
                "QueryFilterExpression": filter.as_str().unwrap_or_default(),
            });
            self.draft.put(project_key(&self.environment, &name), row);
        }
        if definition.both_ways {
            self.configure_dataverse(map, definition);
        }
    }

    fn configure_dataverse(&mut self, map: &Map, definition: &catalogue::MapDefinition) {
        let version = self.version(&map.template).unwrap_or_default();
        let [major, minor, build, revision] =
            version_numbers(text(&version, "msdyn_version").unwrap_or_default());
        let unsecure = json!({
            "ProjectId": map.project,
            "SourceEntityName": definition.dataverse.0,
            "SourceEnvironmentType": 1,
            "DestinationEntityName": definition.finance.1,
            "DestinationEnvironmentType": 3,
            "EntityMapVersion": {
                "Major": major, "Minor": minor, "Build": build, "Revision": revision,
            },
            "FieldMappings": [],
        });
        let number = self.draft.count("dual-write/configurations");
        let id = names::identifier(&["configuration", &self.environment, &number.to_string()]);
        let Some(mut organization) = self.organization() else {
            return;
        };
        if let Ok(table) = organization.table(CONFIGURATION) {
            let row = row_of(json!({
                "msdyn_name": map.project,
                "msdyn_internalentityname": definition.dataverse.0,
                "msdyn_externalentityname": definition.finance.1,
                "msdyn_unsecure": unsecure.to_string(),
            }));
            organization.insert(table, &id, row);
            write_secure_configuration(&mut organization, &id);
        }
    }

    /// Removes the runtime configuration of a map: its rows in Dataverse are deleted, its projects
    /// in Finance and Operations are disabled.
    pub(crate) fn remove_configuration(&mut self, map: &Map) {
        self.set_project_status(map, "Disabled");
        if let Some(project) = map.project.clone() {
            self.remove_rows(|row| text(row, "msdyn_name") == Some(&project));
        }
    }

    /// Sets the status of a map's projects in Finance and Operations: `Enabled`, `Disabled`, or
    /// `Queueing` while the map is paused.
    pub(crate) fn set_project_status(&mut self, map: &Map, status: &str) {
        let Some(project) = &map.project else {
            return;
        };
        for name in [project.clone(), format!("{project}-CDS")] {
            let key = project_key(&self.environment, &name);
            if let Some(mut row) = self.draft.get(&key).cloned() {
                row["Status"] = json!(status);
                self.draft.put(key, row);
            }
        }
    }

    /// Removes matching rows of runtime configuration.
    pub(crate) fn remove_rows(&mut self, matches: impl Fn(&Row) -> bool) {
        let Some(mut organization) = self.organization() else {
            return;
        };
        for row in organization.rows(CONFIGURATION) {
            if matches(&row) {
                let id = text(&row, "msdyn_dualwriteruntimeconfigid").unwrap_or_default();
                organization.remove_row(CONFIGURATION, id);
            }
        }
    }

    /// Removes all projects of Finance and Operations.
    pub(crate) fn remove_projects(&mut self) {
        self.draft.delete_under(&project_key(&self.environment, ""));
    }

    fn dataverse_address(&self) -> Option<String> {
        let set = self.connection_set()?;
        dataverse_entry(&set)?["directUrl"]
            .as_str()
            .map(str::to_owned)
    }

    /// Checks that Dataverse and Finance and Operations can connect to each other.
    pub(crate) fn check_connectivity(&mut self) -> Result<(), String> {
        let failed = |to: &str| {
            Err(format!(
                "DW9003 Failed to connect to {to}. Ensure that the service principal has the correct \
                 permissions to access {to}."
            ))
        };
        for application in [DATA_INTEGRATION, RUNTIME] {
            if !self.is_registered(application) {
                return failed("AX");
            }
        }
        let Some(organization) = self.organization() else {
            return failed("CRM");
        };
        for application in [FINANCE_AND_OPERATIONS, DATA_INTEGRATION] {
            let user = organization
                .borrowed_rows("systemuser")
                .into_iter()
                .find(|user| text(user, "applicationid") == Some(application));
            let roles = user
                .filter(|user| user.get("isdisabled") != Some(&json!(true)))
                .and_then(|user| text(user, "systemuserid"))
                .map(|id| organization.roles_of(id))
                .unwrap_or_default();
            if roles.is_empty() {
                return failed("CRM");
            }
        }
        Ok(())
    }

    /// Whether an application is registered in Finance and Operations for a user who is enabled.
    fn is_registered(&self, application: &str) -> bool {
        let rows = |set: &str| -> Vec<Value> {
            let prefix = rows_key(&self.environment, set);
            self.draft
                .under(&prefix)
                .map(|(_, row)| row.clone())
                .collect()
        };
        let clients = rows("SysAADClients");
        let user = clients
            .iter()
            .find(|row| row["AADClientId"] == application)
            .map(|row| row["UserId"].clone());
        user.is_some_and(|user| {
            rows("SystemUsers")
                .iter()
                .any(|row| row["UserID"] == user && row["Enabled"] == true)
        })
    }
}
