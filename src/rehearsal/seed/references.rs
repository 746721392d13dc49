//! Connection references: one per connector, the customer's own, and those of the platform.

use serde_json::{Value, json};

use super::catalogue::reference_name;
use super::ids::id;
use super::{Seed, Seeder};
use crate::rehearsal::behaviour::organization::lookup_value;

/// The connector of Dataverse, and the reference that flows use for it.
pub(super) const DATAVERSE: (&str, &str) = (
    "shared_commondataserviceforapps",
    "msdyn_iom_commondataserviceforapps",
);

/// The customer's own reference to Outlook.
pub(super) const OUTLOOK: (&str, &str) = ("shared_outlook", "contoso_outlook_a1b2c");

/// The customer's reference that no flow uses, and that has no connection.
const UNUSED: (&str, &str) = ("shared_outlook", "contoso_outlook_unused");

/// The status of a reference of Intelligent Order Management whose connection is activated.
pub(super) const ACTIVE: i64 = 1;

/// The status of a reference of Intelligent Order Management whose connection is not activated.
pub(super) const INCOMPLETE: i64 = 192_350_000;

/// The platform's references (Microsoft Learn, set up Intelligent Order Management): title,
/// connector and status. The thin seed has the first one.
const PLATFORM: [(&str, &str, i64); 5] = [
    ("Microsoft Dataverse", DATAVERSE.0, ACTIVE),
    ("Microsoft Dataverse - Application", DATAVERSE.0, ACTIVE),
    ("Microsoft Dataverse - Integration", DATAVERSE.0, ACTIVE),
    (
        "Intelligent Order Management Data Transformer",
        "shared_iomdatatransformer",
        ACTIVE,
    ),
    (
        "Power Automate Management",
        "shared_flowmanagement",
        INCOMPLETE,
    ),
];

/// Inserts the references. Solutions bring them, so their ids are the same in both environments.
pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    let (side, catalogue) = (seeder.side, seeder.catalogue);
    for connector in &catalogue.connectors {
        let title = format!("IOM {}", connector.title);
        let name = reference_name(&connector.name);
        let connection = Some(connector.connection(side));
        let reference = (connector.name_in(side), name.as_str());
        insert_core(seeder, connector.number, &title, reference, connection);
    }
    if seeder.seed == Seed::Whole {
        let connection = catalogue.connection(OUTLOOK.0, side);
        insert_core(seeder, 51, "Contoso Outlook", OUTLOOK, connection);
        insert_core(seeder, 52, "Contoso Outlook (old)", UNUSED, None);
    }
    let count = match seeder.seed {
        Seed::Thin => 1,
        Seed::Whole => PLATFORM.len(),
    };
    for ((title, connector, status), number) in PLATFORM.into_iter().zip(1..).take(count) {
        let connection = catalogue.connection(connector, side).unwrap_or_default();
        let row = json!({
            "msdyn_name": title,
            "msdyn_connectionurl": side.connection_url(connector, connection),
            "statecode": 0,
            "statuscode": status,
        });
        let table = "msdyn_iomplatformconnectionreference";
        seeder.insert(table, &id("81", number), row);
    }
}

/// The lookup to the row of a custom connector, given its identifier in the environment.
fn custom_connector(seeder: &Seeder<'_, '_>, name: &str) -> Option<Value> {
    let connectors = seeder.catalogue.connectors.iter();
    connectors
        .filter(|connector| connector.custom_name.is_some())
        .find(|connector| connector.name_in(seeder.side) == name)
        .map(|_| lookup_value("connector", &id("84", 1)))
}

/// Inserts a core reference, given its connector and logical name. Those of Intelligent Order
/// Management are managed.
pub(super) fn insert_core(
    seeder: &mut Seeder<'_, '_>,
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
        "customconnectorid": custom_connector(seeder, connector),
        "promptingbehavior": 0,
        "ismanaged": name.starts_with("msdyn_"),
        "componentstate": 0,
        "iscustomizable": {
            "Value": true,
            "CanBeChanged": true,
            "ManagedPropertyLogicalName": "iscustomizableanddeletable",
        },
    });
    seeder.insert("connectionreference", &id("80", number), row);
}
