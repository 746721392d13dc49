//! The library: provider definitions, and what instances are made from. Solutions bring it, so its
//! rows are the same in both environments.

use serde_json::{Value, json};

use super::Garden;
use super::ids::{BIGCOMMERCE, PULL_ORDERS, UPDATE_STATUS, id};
use super::references;
use crate::rehearsal::behaviour::flows;
use crate::rehearsal::behaviour::organization::lookup_value;

/// The transformation that Microsoft ships.
pub(super) const TRANSFORMATION: &str =
    "let\n    Source = Json.Document(Payload),\n    Order = Source[order]\nin\n    Order";

/// The logic definitions: number, name, logical name, logic type.
pub(super) const LOGIC: [(u32, &str, &str, i64); 2] = [
    (
        UPDATE_STATUS,
        "Update BigCommerce Sales Order Status",
        "msdyn_bigcommerce_updatesalesorderstatus",
        192_350_001,
    ),
    (
        PULL_ORDERS,
        "Pull BigCommerce Sales Orders",
        "msdyn_bigcommerce_pullsalesorder",
        192_350_003,
    ),
];

/// A lookup to a definition.
pub(super) fn definition() -> Value {
    lookup_value("msdyn_iomproviderdefinition", &id("70", BIGCOMMERCE))
}

/// Plants them.
pub(super) fn plant(garden: &mut Garden<'_, '_>) {
    let row = json!({
        "msdyn_name": "BigCommerce",
        "msdyn_logicalname": "msdyn_bigcommerce",
        "msdyn_description": "Takes orders from a BigCommerce store.",
        "msdyn_servicetype": 192_350_000,
        "msdyn_isactive": true,
    });
    garden.plant("msdyn_iomproviderdefinition", &id("70", BIGCOMMERCE), row);
    let (connector, logical_name) = references::BIGCOMMERCE;
    let row = json!({
        "msdyn_name": "BigCommerce",
        "msdyn_logicalname": logical_name,
        "msdyn_connectorid": format!("/providers/Microsoft.PowerApps/apis/{connector}"),
        "msdyn_providerdefinitionid": definition(),
    });
    let table = "msdyn_iomproviderdefinitionconnectionref";
    garden.plant(table, &id("72", BIGCOMMERCE), row);
    let row = json!({
        "msdyn_name": "BigCommerce Store Hash",
        "msdyn_logicalname": "msdyn_storehash",
        "msdyn_providerdefinitionid": definition(),
    });
    garden.plant(
        "msdyn_iomproviderdefinitionparameter",
        &id("73", BIGCOMMERCE),
        row,
    );
    let row = json!({
        "msdyn_name": "BigCommerce sales order",
        "msdyn_logicalname": "msdyn_bigcommerce_salesorder",
        "msdyn_transformation": TRANSFORMATION,
        "msdyn_providerdefinitionid": definition(),
    });
    let table = "msdyn_iomproviderdefinitiontransformation";
    garden.plant(table, &id("74", BIGCOMMERCE), row);
    for (number, name, logical_name, logic_type) in LOGIC {
        let row = json!({
            "msdyn_name": name,
            "msdyn_logicalname": logical_name,
            "msdyn_logictype": logic_type,
            "msdyn_timeoutminutes": 5,
            "msdyn_maxretryattempts": 3,
            "msdyn_clientdata": client_data("00000000-0000-0000-0000-000000000000"),
            "msdyn_providerdefinitionid": definition(),
        });
        let table = "msdyn_iomproviderdefinitionlogicdefinition";
        garden.plant(table, &id("71", number), row);
    }
}

/// The text of a provider's flow, with the provider's id in it.
pub(super) fn client_data(provider: &str) -> String {
    let trigger = json!({
        "manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {"type": "object"}}},
    });
    let actions = json!({
        "Provider": {"type": "Compose", "runAfter": {}, "inputs": {"ProviderId": provider}},
    });
    let references = [references::DATAVERSE, references::BIGCOMMERCE];
    flows::client_data(&references, &trigger, &actions)
}
