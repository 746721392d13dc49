//! An environment as BAP describes it. The response leaves out empty members, so nearly every field
//! may be missing.

use serde_json::Value;
use uuid::Uuid;

use super::json::text_at;

/// An environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// Its id: a GUID, or `Default-` and the tenant's GUID.
    pub id: String,
    /// Its display name.
    pub display_name: Option<String>,
    /// Its kind: `Sandbox`, `Production`, `Developer`, ….
    pub sku: Option<String>,
    /// Its geography: `europe`.
    pub location: Option<String>,
    /// Its tenant.
    pub tenant: Option<String>,
    /// `states.management`: `Ready`, `Running`; also `NotSpecified` of healthy environments.
    pub management_state: Option<String>,
    /// `states.runtime`: `Enabled`, `AdminMode`, `Disabled`, ….
    pub runtime_state: Option<String>,
    /// Background operations: `Enabled` or `Disabled`.
    pub background_operations: Option<String>,
    /// Its Dataverse, if it has one.
    pub dataverse: Option<DataverseInstance>,
    /// Its Finance and Operations, if one is linked.
    pub finance_operations: Option<LinkedApp>,
    /// `Standard` for a managed environment, otherwise `Basic`.
    pub protection_level: Option<String>,
    /// Who manages the key that encrypts its data: `Microsoft` in recordings.
    pub key_managed_by: Option<String>,
    /// The lifecycle operation that is running.
    pub ongoing_operation: Option<OngoingOperation>,
    /// Why the service does not allow a copy; `None` if it does not say so. Whether this concerns
    /// the environment as source or as target is not published.
    pub copy_disallowed: Option<String>,
    /// The whole response.
    pub raw: Value,
}

/// An environment's Dataverse.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataverseInstance {
    /// Its URL, without the slash that the service puts at the end.
    pub url: Option<String>,
    /// The organization's id.
    pub organization_id: Option<String>,
    /// The organization's unique name.
    pub unique_name: Option<String>,
    /// Its state: `Ready`, `Provisioning`, ….
    pub state: Option<String>,
    /// The id of the security group that restricts it; `None` if it is open to all users.
    pub security_group: Option<String>,
}

/// The Finance and Operations of an environment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkedApp {
    /// `Internal` for a unified environment, `Linked` for one that LCS manages.
    pub kind: Option<String>,
    /// Its URL, without a slash at the end.
    pub url: Option<String>,
    /// Its id in LCS, or as an application.
    pub id: Option<String>,
}

/// The lifecycle operation that is running on an environment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OngoingOperation {
    /// Its id.
    pub id: Option<String>,
    /// What it does: `Copy`, `Edit`.
    pub kind: Option<String>,
}

impl Environment {
    /// Parses BAP's JSON; `None` without a name or properties.
    pub fn from_value(raw: Value) -> Option<Self> {
        let properties = raw.get("properties")?;
        let text = |pointer: &str| text_at(properties, pointer);
        let object = |member: &str| properties.get(member).filter(|value| value.is_object());
        let trimmed = |url: String| url.trim_end_matches('/').to_owned();
        let linked = object("linkedEnvironmentMetadata");
        Some(Self {
            id: text_at(&raw, "/name")?,
            display_name: text("/displayName"),
            sku: text("/environmentSku"),
            location: text_at(&raw, "/location"),
            tenant: text("/tenantId"),
            management_state: text("/states/management/id"),
            runtime_state: text("/states/runtime/id"),
            background_operations: text("/linkedEnvironmentMetadata/backgroundOperationsState"),
            dataverse: linked.map(|linked| DataverseInstance {
                url: text_at(linked, "/instanceUrl").map(trimmed),
                organization_id: text_at(linked, "/resourceId"),
                unique_name: text_at(linked, "/uniqueName"),
                state: text_at(linked, "/instanceState"),
                security_group: text_at(linked, "/securityGroupId").filter(|id| !is_zero(id)),
            }),
            finance_operations: object("linkedAppMetadata").map(|app| LinkedApp {
                kind: text_at(app, "/type"),
                url: text_at(app, "/url").map(trimmed),
                id: text_at(app, "/id"),
            }),
            protection_level: text("/governanceConfiguration/protectionLevel"),
            key_managed_by: text("/protectionStatus/keyManagedBy"),
            ongoing_operation: object("ongoingOperation").map(|operation| OngoingOperation {
                id: text_at(operation, "/id"),
                kind: text_at(operation, "/type/id"),
            }),
            copy_disallowed: copy_disallowed(properties),
            raw,
        })
    }

    /// Whether it is ready: the management state is `Ready`, or `NotSpecified` with a Dataverse
    /// that is ready, as recorded from healthy environments.
    pub fn is_ready(&self) -> bool {
        let dataverse = self.dataverse.as_ref().and_then(|d| d.state.as_deref());
        match self.management_state.as_deref() {
            Some("Ready") => true,
            Some("NotSpecified") | None => dataverse == Some("Ready"),
            _ => false,
        }
    }

    /// Its states in one line, for people.
    pub fn describe_states(&self) -> String {
        let shown = |state: Option<&str>| state.unwrap_or("not reported").to_owned();
        let dataverse = self.dataverse.as_ref().and_then(|d| d.state.as_deref());
        format!(
            "management {}, runtime {}, background operations {}, Dataverse {}",
            shown(self.management_state.as_deref()),
            shown(self.runtime_state.as_deref()),
            shown(self.background_operations.as_deref()),
            shown(dataverse),
        )
    }
}

/// The zero id means no security group.
fn is_zero(id: &str) -> bool {
    Uuid::try_parse(id).is_ok_and(|id| id.is_nil())
}

/// The reason of `Copy` among the disallowed operations; its message may be missing.
fn copy_disallowed(properties: &Value) -> Option<String> {
    let disallowed = properties.pointer("/lifecycleOperationsEnforcement/disallowedOperations")?;
    let copy = disallowed
        .as_array()?
        .iter()
        .find(|operation| text_at(operation, "/type/id").as_deref() == Some("Copy"))?;
    let reason = text_at(copy, "/reason/message").or_else(|| text_at(copy, "/reason/type"));
    Some(reason.unwrap_or_else(|| "the service gives no reason".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A recorded response, shortened (the tests of the Terraform provider for Power Platform).
    fn recorded() -> Value {
        json!({
            "id": "/providers/Microsoft.BusinessAppPlatform/scopes/service/environments/00000000-0000-0000-0000-000000000001",
            "type": "Microsoft.BusinessAppPlatform/scopes/environments",
            "location": "switzerland", "name": "00000000-0000-0000-0000-000000000001",
            "properties": {
                "tenantId": "123", "azureRegion": "switzerlandnorth", "displayName": "displayname",
                "environmentSku": "Sandbox",
                "linkedEnvironmentMetadata": {
                    "resourceId": "00000000-0000-0000-0000-000000000001",
                    "uniqueName": "unqa7a3ad3827f8ee1190486045bd29e",
                    "instanceUrl": "https://00000000-0000-0000-0000-000000000001.crm4.dynamics.com/",
                    "instanceState": "Ready", "backgroundOperationsState": "Enabled",
                },
                "states": {"management": {"id": "NotSpecified"}, "runtime": {"id": "Enabled",
                    "runtimeReasonCode": "NotSpecified", "requestedBy": {"displayName": "SYSTEM", "type": "NotSpecified"}}},
                "lifecycleOperationsEnforcement": {
                    "allowedOperations": [{"type": {"id": "Copy"}}],
                    "disallowedOperations": [{"type": {"id": "RotateCustomerManagedKey"}, "reason": {"type": "EnvironmentCmkLinked"}}]},
                "governanceConfiguration": {"protectionLevel": "Basic"},
            },
        })
    }

    #[test]
    fn a_recorded_environment_is_parsed() {
        let environment = Environment::from_value(recorded()).unwrap();
        assert!(environment.is_ready());
        assert_eq!(environment.sku.as_deref(), Some("Sandbox"));
        let dataverse = environment.dataverse.unwrap();
        assert_eq!(
            dataverse.url.as_deref(),
            Some("https://00000000-0000-0000-0000-000000000001.crm4.dynamics.com")
        );
        assert_eq!(dataverse.security_group, None);
        assert_eq!(environment.protection_level.as_deref(), Some("Basic"));
        assert_eq!(
            (environment.copy_disallowed, environment.finance_operations),
            (None, None)
        );
        assert_eq!(environment.raw, recorded());
    }

    #[test]
    fn a_running_copy_is_parsed() {
        let mut value = recorded();
        value["properties"]["ongoingOperation"] = json!({"id": "8f2c", "type": {"id": "Copy"}});
        value["properties"]["states"]["management"]["id"] = json!("Running");
        value["properties"]["states"]["runtime"]["id"] = json!("AdminMode");
        value["properties"]["protectionStatus"] = json!({"keyManagedBy": "Microsoft"});
        value["properties"]["linkedAppMetadata"] = json!({"id": "3f0b", "type": "Internal",
            "url": "https://contoso-uat.operations.dynamics.com/"});
        value["properties"]["linkedEnvironmentMetadata"]["securityGroupId"] =
            json!("00000000-0000-0000-0000-000000000000");
        value["properties"]["lifecycleOperationsEnforcement"]["disallowedOperations"] = json!([
            {"type": {"id": "Copy"}, "reason": {"message": "Copy cannot be performed on environment of type Default."}}]);
        let environment = Environment::from_value(value).unwrap();
        assert!(!environment.is_ready());
        assert_eq!(
            environment
                .ongoing_operation
                .as_ref()
                .unwrap()
                .kind
                .as_deref(),
            Some("Copy")
        );
        assert_eq!(
            environment.describe_states(),
            "management Running, runtime AdminMode, background operations Enabled, Dataverse Ready"
        );
        assert_eq!(environment.key_managed_by.as_deref(), Some("Microsoft"));
        assert_eq!(environment.dataverse.unwrap().security_group, None);
        let app = environment.finance_operations.unwrap();
        assert_eq!(
            app.url.as_deref(),
            Some("https://contoso-uat.operations.dynamics.com")
        );
        assert!(
            environment
                .copy_disallowed
                .unwrap()
                .contains("type Default")
        );
    }

    #[test]
    fn an_environment_without_dataverse_is_parsed() {
        let value = json!({"name": "e", "properties": {"linkedEnvironmentMetadata": null}});
        let environment = Environment::from_value(value).unwrap();
        assert_eq!(environment.dataverse, None);
        assert!(!environment.is_ready());
        assert_eq!(Environment::from_value(json!({"value": []})), None);
    }
}
