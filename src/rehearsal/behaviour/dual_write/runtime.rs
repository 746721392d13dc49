//! What a running map leaves: rows of runtime configuration in Dataverse and of projects in Finance
//! and Operations. And what rows do that another organization has made.
//!
//! The part of a row that tells its organization cannot be read through the Web API; it is an object
//! of the world of its own, under the row's id, which a copy keeps.

use serde_json::{Value, json};

use super::DualWrite;
use super::catalogue;
use super::maps::{Map, number};
use crate::rehearsal::behaviour::organization::{Organization, Row, row_of, text};
use crate::rehearsal::odata::error::Refusal;
use crate::rehearsal::schema::table::Table;
use crate::rehearsal::world::names;

/// The table of the runtime configuration.
const CONFIGURATION: &str = "msdyn_dualwriteruntimeconfig";

/// The entity set of the projects.
const PROJECTS: &str = "DualWriteProjectConfigurations";

/// The application that Finance and Operations writes to Dataverse with.
pub(crate) const FINANCE_AND_OPERATIONS: &str = "00000015-0000-0000-c000-000000000000";
/// Dynamics Data Integration.
pub(crate) const DATA_INTEGRATION: &str = "2e49aa60-1bd3-43b6-8ab6-03ada3d9f08b";
/// The application that Dataverse writes to Finance and Operations with.
pub(crate) const RUNTIME: &str = "6f7d0213-62b1-43a8-b7f4-ff2bb8b7b452";

fn secure_key(row: &str) -> String {
    format!("secure-configuration/{row}")
}

fn project_key(environment: &str, name: &str) -> String {
    format!("finance-operations/{environment}/{PROJECTS}/{name}")
}

/// Says which organization has made a row of runtime configuration.
pub(crate) fn make_secure(organization: &mut Organization<'_, '_>, row: &str) {
    let made = organization
        .rows("organization")
        .first()
        .and_then(|row| text(row, "name").map(str::to_owned));
    let value = json!({"organization": organization.id, "name": made});
    organization.draft.put(secure_key(row), value);
}

/// Refuses a write to a table that is mapped, where its runtime configuration was made by another
/// organization (Microsoft Learn, *Troubleshoot live synchronization issues*).
pub(crate) fn check_secure(
    organization: &Organization<'_, '_>,
    table: &Table,
) -> Result<(), Refusal> {
    for row in organization.rows(CONFIGURATION) {
        let unsecure: Value = text(&row, "msdyn_unsecure")
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let is_active = row.get("statecode") == Some(&json!(0));
        if !is_active || unsecure["SourceEntityName"] != table.set.as_str() {
            continue;
        }
        let id = text(&row, "msdyn_dualwriteruntimeconfigid").unwrap_or_default();
        let Some(made) = organization.draft.get(&secure_key(id)) else {
            continue;
        };
        if made["organization"] != organization.id.as_str() {
            let own = organization.rows("organization");
            let own = own.first().and_then(|row| text(row, "name"));
            let message = format!(
                "SecureConfig Organization ({}) does not match actual CRM Organization ({})",
                made["name"].as_str().unwrap_or_default(),
                own.unwrap_or_default()
            );
            return Err(Refusal::new(400, "0x80040265", message));
        }
    }
    Ok(())
}

impl DualWrite<'_, '_> {
    /// Leaves what a running map has on both sides.
    pub(crate) fn leave_configuration(&mut self, map: &Map) {
        let (Some(known), Some(project)) = (catalogue::known(&map.name), &map.project) else {
            return;
        };
        self.take_configuration(map);
        let key = self.key_of(known.dataverse.0).unwrap_or_default();
        let address = self.dataverse_address();
        let leg = &map.mapping["legs"][0];
        // One row a direction. The form of the second name is this tenant's own.
        for (name, filter) in [
            (project.clone(), leg["sourceFilter"].clone()),
            (
                format!("{project}-CDS"),
                leg["reversedSourceFilter"].clone(),
            ),
        ] {
            let row = json!({
                "ProjectName": name,
                "InternalEntityName": known.finance.1,
                "ExternalEntityName": known.dataverse.0,
                "ExternalLogicalEntityName": known.dataverse.1,
                "ExternalEnvironmentUrl": address,
                "Status": "Enabled",
                "IsDebugMode": "No",
                "IsDelete": "No",
                "IntegrationKey": key.join(","),
                "QueryFilterExpression": filter.as_str().unwrap_or_default(),
            });
            self.draft.put(project_key(&self.environment, &name), row);
        }
        if known.both_ways {
            self.configure_dataverse(map, known);
        }
    }

    fn configure_dataverse(&mut self, map: &Map, known: &catalogue::Known) {
        let version = self.version(&map.template).unwrap_or_default();
        let [major, minor, build, revision] =
            number(text(&version, "msdyn_version").unwrap_or_default());
        let unsecure = json!({
            "ProjectId": map.project,
            "SourceEntityName": known.dataverse.0,
            "SourceEnvironmentType": 1,
            "DestinationEntityName": known.finance.1,
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
                "msdyn_internalentityname": known.dataverse.0,
                "msdyn_externalentityname": known.finance.1,
                "msdyn_unsecure": unsecure.to_string(),
            }));
            organization.insert(&table, &id, row);
            make_secure(&mut organization, &id);
        }
    }

    /// Takes it away: the projects of Finance and Operations stay, disabled.
    pub(crate) fn take_configuration(&mut self, map: &Map) {
        let Some(project) = map.project.clone() else {
            return;
        };
        for name in [project.clone(), format!("{project}-CDS")] {
            let key = project_key(&self.environment, &name);
            if let Some(mut row) = self.draft.get(&key).cloned() {
                row["Status"] = json!("Disabled");
                self.draft.put(key, row);
            }
        }
        self.take_rows(|row| text(row, "msdyn_name") == Some(&project));
    }

    /// Takes rows of runtime configuration away.
    pub(crate) fn take_rows(&mut self, fits: impl Fn(&Row) -> bool) {
        let Some(mut organization) = self.organization() else {
            return;
        };
        for row in organization.rows(CONFIGURATION) {
            if fits(&row) {
                let id = text(&row, "msdyn_dualwriteruntimeconfigid").unwrap_or_default();
                organization.take(CONFIGURATION, id);
            }
        }
    }

    /// Takes every project of Finance and Operations away, as a database that replaces another does.
    pub(crate) fn take_projects(&mut self) {
        let prefix = project_key(&self.environment, "");
        let keys: Vec<String> = self
            .draft
            .under(&prefix)
            .map(|(key, _)| key.to_owned())
            .collect();
        for key in keys {
            self.draft.delete(&key);
        }
    }

    fn dataverse_address(&self) -> Option<String> {
        let set = self.set()?;
        let environments = set["environments"].as_object()?;
        let dataverse = environments
            .values()
            .find(|one| one["targetType"] == "CRM")?;
        dataverse["directUrl"].as_str().map(str::to_owned)
    }

    /// Why the two halves cannot speak to each other, if they cannot.
    pub(crate) fn may_connect(&mut self) -> Result<(), String> {
        let refused = |to: &str| {
            Err(format!(
                "DW9003 Failed to connect to {to}. Ensure that the service principal has the correct \
                 permissions to access {to}."
            ))
        };
        for application in [DATA_INTEGRATION, RUNTIME] {
            if !self.enters_finance(application) {
                return refused("AX");
            }
        }
        let Some(organization) = self.organization() else {
            return refused("CRM");
        };
        for application in [FINANCE_AND_OPERATIONS, DATA_INTEGRATION] {
            let user = organization
                .rows("systemuser")
                .into_iter()
                .find(|user| text(user, "applicationid") == Some(application));
            let roles = user
                .filter(|user| user.get("isdisabled") != Some(&json!(true)))
                .and_then(|user| text(&user, "systemuserid").map(str::to_owned))
                .map(|id| organization.roles_of(&id))
                .unwrap_or_default();
            if roles.is_empty() {
                return refused("CRM");
            }
        }
        Ok(())
    }

    /// Whether an application is registered in Finance and Operations for a user who is enabled.
    fn enters_finance(&self, application: &str) -> bool {
        let rows = |set: &str| -> Vec<Value> {
            let prefix = format!("finance-operations/{}/{set}/", self.environment);
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
