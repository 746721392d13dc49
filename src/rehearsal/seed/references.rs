//! Connection references: the platform's core ones, and those of Intelligent Order Management.

use serde_json::json;

use super::Garden;
use super::ids::id;

/// The core reference that flows use for Dataverse.
pub(super) const DATAVERSE: (&str, &str) = (
    "shared_commondataserviceforapps",
    "msdyn_iom_commondataserviceforapps",
);

/// The core reference that the provider's flows use for BigCommerce.
pub(super) const BIGCOMMERCE: (&str, &str) = ("shared_bigcommerce", "msdyn_iom_bigcommerce");

/// Plants them. The rows' ids are the same in both environments: solutions bring them.
pub(super) fn plant(garden: &mut Garden<'_, '_>) {
    let plot = garden.plot;
    for (number, title, (connector, name), connection) in [
        (1, "IOM Microsoft Dataverse", DATAVERSE, plot.dataverse),
        (2, "IOM BigCommerce", BIGCOMMERCE, plot.bigcommerce),
    ] {
        let row = json!({
            "connectionreferencedisplayname": title,
            "connectionreferencelogicalname": name,
            "connectorid": format!("/providers/Microsoft.PowerApps/apis/{connector}"),
            "connectionid": connection,
            "promptingbehavior": 0,
            "ismanaged": true,
            "componentstate": 0,
            "iscustomizable": {
                "Value": true,
                "CanBeChanged": true,
                "ManagedPropertyLogicalName": "iscustomizableanddeletable",
            },
        });
        garden.plant("connectionreference", &id("80", number), row);
    }
    let row = json!({
        "msdyn_name": "Microsoft Dataverse",
        "msdyn_connectionurl": plot.connection_url(DATAVERSE.0, plot.dataverse),
    });
    garden.plant("msdyn_iomplatformconnectionreference", &id("81", 1), row);
}
