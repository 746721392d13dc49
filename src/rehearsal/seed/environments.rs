//! The environments, their packages and connections.
//!
//! The environment's form is that of a recorded one (Microsoft's Terraform provider for the Power
//! Platform); `linkedAppMetadata` is not in a recording and has the names that provider reads.

use serde_json::{Value, json};

use super::ids::{self, id};
use super::plots::Plot;
use crate::rehearsal::application::{ACT_AS, ACT_AS_OBJECT, CLIENT_OBJECT, TENANT};
use crate::rehearsal::listeners::{Listener, Origins};
use crate::rehearsal::seed::CREATED;
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

/// The directory object of the user who has made most of what there is.
pub(super) const ADA_OBJECT: &str = "ada00000-0000-4000-8000-000000000001";

/// A connection that somebody has made in an environment.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// Its name, which is its id.
    pub(super) name: String,
    /// Its connector: `shared_bigcommerce`.
    pub(super) connector: String,
    /// The name that people see.
    pub(super) title: String,
}

/// Plants what belongs to an environment and is no row of Dataverse.
pub(super) fn plant(
    draft: &mut Draft<'_>,
    plot: &Plot,
    origins: &Origins,
    connections: &[Connection],
) {
    let environment = plot.side.environment();
    draft.put(names::environment(environment), shown(plot, origins));
    for (name, title, version) in [
        (
            "msdyn_IntelligentOrderManagementAnchor",
            "Dynamics 365 Intelligent Order Management",
            "1.1.3417.4",
        ),
        (
            "msdyn_DualWriteAppCoreAnchor",
            "Dual-write application core",
            "1.0.24043.1",
        ),
    ] {
        let key = format!("package/{environment}/{name}");
        draft.put(key, package(name, title, version, "Installed"));
    }
    let portal = "msdyn_IOMOrderReturnsPortalAnchor";
    let title = "Intelligent Order Management Order Returns Portal Anchor";
    draft.put(
        format!("package/{environment}/{portal}"),
        package(portal, title, "1.0.0.78", "None"),
    );
    for made in connections {
        let key = names::connection(environment, &made.name);
        draft.put(key, connection(plot, &made.connector, &made.title));
    }
    super::finance_operations::plant(draft, plot);
}

/// Links an environment to the Finance and Operations that Lifecycle Services manage under this id.
pub(super) fn link(draft: &mut Draft<'_>, plot: &Plot, id: &str) {
    let key = names::environment(plot.side.environment());
    if let Some(mut environment) = draft.get(&key).cloned() {
        let app = &mut environment["properties"]["linkedAppMetadata"];
        app["type"] = json!("Linked");
        app["id"] = json!(id);
        draft.put(key, environment);
    }
}

fn connection(plot: &Plot, connector: &str, title: &str) -> Value {
    let (object, name, address) = if plot.is_source() {
        (ADA_OBJECT, "Ada Admin", "ada@contoso.com")
    } else {
        (ACT_AS_OBJECT, "svc-iom", ACT_AS)
    };
    // Shared with the application, so that it may wire references to it.
    json!({
        "connector": connector,
        "displayName": title,
        "status": "Connected",
        "createdTime": CREATED,
        "owner": {
            "id": object,
            "displayName": name,
            "email": address,
            "type": "User",
            "tenantId": TENANT,
            "userPrincipalName": address,
        },
        "users": [object, ACT_AS_OBJECT, CLIENT_OBJECT],
    })
}

fn package(name: &str, title: &str, version: &str, state: &str) -> Value {
    let installed = state == "Installed";
    json!({
        "id": names::identifier(&["package", name]),
        "uniqueName": name,
        "version": version,
        "localizedDescription": title,
        "localizedName": title,
        "applicationId": names::identifier(&["application", name]),
        "applicationName": title,
        "applicationDescription": null,
        "singlePageApplicationUrl": null,
        "publisherName": "Microsoft Dynamics 365",
        "publisherId": "7ea093b9-252b-4557-a8ae-ad4c1932a412",
        "crmMinversion": "9.1",
        "crmMaxVersion": null,
        "customHandleUpgrade": false,
        "instancePackageId": installed.then(|| names::identifier(&["instance", name])),
        "state": state,
        "catalogVisibility": "None",
        "applicationVisibility": "All",
        "errorDetails": null,
        "startDateUtc": "2021-10-01T00:00:00Z",
        "endDateUtc": "2050-01-01T00:00:00Z",
        "supportedCountries": ["US"],
    })
}

fn shown(plot: &Plot, origins: &Origins) -> Value {
    let environment = plot.side.environment();
    let dataverse = origins.of(Listener::Dataverse(plot.side));
    let finance = origins.of(Listener::FinanceOperations(plot.side));
    let creator = json!({
        "id": ADA_OBJECT,
        "displayName": "Ada Admin",
        "email": "ada@contoso.com",
        "type": "User",
        "tenantId": TENANT,
        "userPrincipalName": "ada@contoso.com",
    });
    json!({
        "id": format!("/providers/Microsoft.BusinessAppPlatform/scopes/admin/environments/{environment}"),
        "type": "Microsoft.BusinessAppPlatform/scopes/environments",
        "location": "unitedstates",
        "name": environment,
        "properties": {
            "tenantId": TENANT,
            "azureRegion": "eastus",
            "displayName": plot.name,
            "createdTime": CREATED,
            "createdBy": creator,
            "lastModifiedTime": CREATED,
            "lastModifiedBy": creator,
            "provisioningState": "Succeeded",
            "creationType": "User",
            "environmentSku": plot.sku,
            "isDefault": false,
            "clientUris": {
                "admin": format!("https://admin.powerplatform.microsoft.com/environments/environment/{environment}/hub"),
                "maker": format!("https://make.powerapps.com/environments/{environment}/home"),
            },
            "runtimeEndpoints": {
                "microsoft.BusinessAppPlatform": origins.of(Listener::Bap),
            },
            "databaseType": "CommonDataService",
            "linkedEnvironmentMetadata": {
                "resourceId": plot.organization,
                "friendlyName": plot.name,
                "uniqueName": plot.unique_name,
                "domainName": plot.domain,
                "version": "9.2.26021.00142",
                "instanceUrl": format!("{dataverse}/"),
                "instanceApiUrl": dataverse,
                "baseLanguage": 1033,
                "instanceState": "Ready",
                "createdTime": CREATED,
                "backgroundOperationsState": "Enabled",
                "scaleGroup": "NAMCRMLIVESG601",
                "platformSku": "Standard",
                "schemaType": "Full",
                "securityGroupId": plot.security_group,
            },
            "linkedAppMetadata": {
                "id": names::identifier(&["finance-operations", environment]),
                "type": "Internal",
                "url": format!("{finance}/"),
            },
            "trialScenarioType": "None",
            "notificationMetadata": {"state": "NotSpecified", "branding": "NotSpecific"},
            "retentionPeriod": "P7D",
            "lifecycleAuthority": "Environment",
            "states": {
                "management": {"id": "Ready"},
                "runtime": {
                    "runtimeReasonCode": "NotSpecified",
                    "requestedBy": {"displayName": "SYSTEM", "type": "NotSpecified"},
                    "id": "Enabled",
                },
            },
            "updateCadence": {"id": "Moderate"},
            "retentionDetails": {
                "retentionPeriod": "P7D",
                "backupsAvailableFromDateTime": CREATED,
            },
            "protectionStatus": {"keyManagedBy": "Microsoft"},
            "cluster": {
                "category": "Prod",
                "number": "101",
                "uriSuffix": "us-il101.gateway.prod.island",
                "geoShortName": "US",
                "environment": "Prod",
            },
            "connectedGroups": [],
            "lifecycleOperationsEnforcement": enforcement(plot),
            "governanceConfiguration": {"protectionLevel": "Basic"},
        },
    })
}

fn enforcement(plot: &Plot) -> Value {
    let allowed = [
        "Move", "Backup", "Convert", "Copy", "Delete", "Edit", "Enable", "Disable",
    ];
    let allowed: Vec<Value> = allowed
        .iter()
        .map(|kind| json!({"type": {"id": kind}}))
        .collect();
    let refused = |kind: &str, why: &str| {
        json!({
            "type": {"id": kind},
            "reason": {
                "message": format!("{kind} cannot be performed on environment of type {}.", plot.sku),
                "type": why,
            },
        })
    };
    json!({
        "allowedOperations": allowed,
        "disallowedOperations": [
            refused("Promote", "EnvironmentSkuType"),
            {"type": {"id": "RotateCustomerManagedKey"}, "reason": {"type": "EnvironmentCmkLinked"}},
        ],
    })
}

/// The service account and the others, by number: name, sign-in name, directory object.
pub(super) const USERS: [(u32, &str, &str, &str); 3] = [
    (ids::SERVICE, "svc-iom", ACT_AS, ACT_AS_OBJECT),
    (ids::ADA, "Ada Admin", "ada@contoso.com", ADA_OBJECT),
    (
        ids::CLERK,
        "Cleo Clerk",
        "cleo@contoso.com",
        "c1e00000-0000-4000-8000-000000000001",
    ),
];

/// The id of the solution with a number; managed solutions have the same id everywhere.
pub(super) fn solution(number: u32) -> String {
    id("90", number)
}
