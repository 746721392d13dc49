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

/// The object of an environment, with places for values: `{name}`.
const ENVIRONMENT: &str = include_str!("environment.json");

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
        let name = connector.name_in(side);
        draft.put(key, connection(side, name, &connector.title));
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

/// The object of an environment: `environment.json` with the values in its places.
fn environment_object(side: &SeedSide, origins: &Origins) -> Value {
    let environment = side.environment();
    let dataverse = origins.origin_of(Listener::Dataverse(side.kind));
    let finance = origins.origin_of(Listener::FinanceOperations(side.kind));
    let values = [
        ("{ada}", ADA_OBJECT),
        ("{bap}", &origins.origin_of(Listener::Bap)),
        ("{created}", CREATED),
        ("{dataverse}", &dataverse),
        ("{domain}", side.domain),
        ("{environment}", environment),
        ("{finance}", &finance),
        (
            "{finance id}",
            &names::identifier(&["finance-operations", environment]),
        ),
        ("{name}", side.name),
        ("{organization}", side.organization),
        ("{security group}", side.security_group),
        ("{sku}", side.sku),
        ("{tenant}", TENANT),
        ("{unique name}", side.unique_name),
    ];
    let text = values
        .iter()
        .fold(ENVIRONMENT.to_owned(), |text, (place, value)| {
            text.replace(place, value)
        });
    serde_json::from_str(&text)
        .expect("environment.json is part of the program, and every test of the seed reads it")
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
