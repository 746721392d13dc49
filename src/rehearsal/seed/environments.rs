//! The environments, their packages and connections.
//!
//! An environment has the form of a recorded one (Microsoft's Terraform provider for the Power
//! Platform). No recording has `linkedAppMetadata`; its names are those that the provider reads.

use serde_json::{Value, json};

use super::catalogue::Catalogue;
use super::ids::{self, id};
use super::sides::SeedSide;
use crate::rehearsal::application::{ACT_AS, ACT_AS_OBJECT, CLIENT_OBJECT, TENANT};
use crate::rehearsal::listeners::{Listener, Origins};
use crate::rehearsal::seed::CREATED;
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

/// The directory object of the user who created most of the seed's objects.
pub(super) const ADA_OBJECT: &str = "ada00000-0000-4000-8000-000000000001";

/// Inserts what belongs to an environment and is not a row of Dataverse.
pub(super) fn insert(
    draft: &mut Draft<'_>,
    side: &SeedSide,
    origins: &Origins,
    catalogue: &Catalogue,
) {
    let environment = side.environment();
    draft.put(
        names::environment(environment),
        environment_object(side, origins),
    );
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
    for connector in &catalogue.connectors {
        let key = names::connection(environment, connector.connection(side));
        draft.put(key, connection(side, &connector.name, &connector.title));
    }
    super::finance_operations::insert(draft, side);
}

/// Links an environment to the Finance and Operations that has this id in Lifecycle Services.
pub(super) fn link(draft: &mut Draft<'_>, side: &SeedSide, id: &str) {
    let key = names::environment(side.environment());
    if let Some(mut environment) = draft.get(&key).cloned() {
        let app = &mut environment["properties"]["linkedAppMetadata"];
        app["type"] = json!("Linked");
        app["id"] = json!(id);
        draft.put(key, environment);
    }
}

fn connection(side: &SeedSide, connector: &str, title: &str) -> Value {
    let (object, name, address) = if side.is_source() {
        (ADA_OBJECT, "Ada Admin", "ada@contoso.com")
    } else {
        (ACT_AS_OBJECT, "svc-iom", ACT_AS)
    };
    // Shared with the application, so that it may use the connection in references.
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

fn environment_object(side: &SeedSide, origins: &Origins) -> Value {
    let environment = side.environment();
    let dataverse = origins.of(Listener::Dataverse(side.kind));
    let finance = origins.of(Listener::FinanceOperations(side.kind));
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
            "displayName": side.name,
            "createdTime": CREATED,
            "createdBy": creator,
            "lastModifiedTime": CREATED,
            "lastModifiedBy": creator,
            "provisioningState": "Succeeded",
            "creationType": "User",
            "environmentSku": side.sku,
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
                "resourceId": side.organization,
                "friendlyName": side.name,
                "uniqueName": side.unique_name,
                "domainName": side.domain,
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
                "securityGroupId": side.security_group,
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
            "lifecycleOperationsEnforcement": enforcement(side),
            "governanceConfiguration": {"protectionLevel": "Basic"},
        },
    })
}

fn enforcement(side: &SeedSide) -> Value {
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
                "message": format!("{kind} cannot be performed on environment of type {}.", side.sku),
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
