//! Connection references: the platform's core ones, and those of Intelligent Order Management.

use serde_json::json;

use super::Garden;
use super::environments::Connection;
use super::ids::id;
use super::plots::Plot;

/// The core reference that flows use for Dataverse.
pub(super) const DATAVERSE: (&str, &str) = (
    "shared_commondataserviceforapps",
    "msdyn_iom_commondataserviceforapps",
);

/// The core reference that the provider's flows use for BigCommerce.
pub(super) const BIGCOMMERCE: (&str, &str) = ("shared_bigcommerce", "msdyn_iom_bigcommerce");

/// The connections that they are wired to.
pub(super) fn connections(plot: &Plot) -> Vec<Connection> {
    let made = |name: &str, connector: &str, title: &str| Connection {
        name: name.to_owned(),
        connector: connector.to_owned(),
        title: title.to_owned(),
    };
    vec![
        made(plot.dataverse, DATAVERSE.0, "Microsoft Dataverse"),
        made(plot.bigcommerce, BIGCOMMERCE.0, "BigCommerce"),
    ]
}

/// Plants them. The rows' ids are the same in both environments: solutions bring them.
pub(super) fn plant(garden: &mut Garden<'_, '_>) {
    let plot = garden.plot;
    for (number, title, (connector, name), connection) in [
        (1, "IOM Microsoft Dataverse", DATAVERSE, plot.dataverse),
        (2, "IOM BigCommerce", BIGCOMMERCE, plot.bigcommerce),
    ] {
        core(garden, number, title, (connector, name), Some(connection));
    }
    let url = plot.connection_url(DATAVERSE.0, plot.dataverse);
    platform(garden, 1, "Microsoft Dataverse", &url, ACTIVE);
}

/// A core reference to a connector, by its connector and logical name; not wired where there is no
/// connection. Those that Intelligent Order Management brought are managed.
pub(super) fn core(
    garden: &mut Garden<'_, '_>,
    number: u32,
    title: &str,
    (connector, name): (&str, &str),
    connection: Option<&str>,
) {
    let row = json!({
        "connectionreferencedisplayname": title,
        "connectionreferencelogicalname": name,
        "connectorid": format!("/providers/Microsoft.PowerApps/apis/{connector}"),
        "connectionid": connection,
        "promptingbehavior": 0,
        "ismanaged": name.starts_with("msdyn_"),
        "componentstate": 0,
        "iscustomizable": {
            "Value": true,
            "CanBeChanged": true,
            "ManagedPropertyLogicalName": "iscustomizableanddeletable",
        },
    });
    garden.plant("connectionreference", &id("80", number), row);
}

/// The status of a platform reference whose connection is activated.
pub(super) const ACTIVE: i64 = 1;

/// The status of a platform reference whose connection is not.
pub(super) const INCOMPLETE: i64 = 192_350_000;

/// A platform reference of Intelligent Order Management, with a status of the state active.
pub(super) fn platform(
    garden: &mut Garden<'_, '_>,
    number: u32,
    title: &str,
    url: &str,
    status: i64,
) {
    let row = json!({
        "msdyn_name": title,
        "msdyn_connectionurl": url,
        "statecode": 0,
        "statuscode": status,
    });
    let table = "msdyn_iomplatformconnectionreference";
    garden.plant(table, &id("81", number), row);
}
