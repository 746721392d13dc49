//! Installed providers: twelve and a second, inactive BigCommerce in the source; five in the
//! target. The thin seed has BigCommerce in both.

use serde_json::{Value, json};

use super::catalogue::{Definition, FlowNames, Logic};
use super::definitions::{TRANSFORMATION as SHIPPED, client_data, numbered};
use super::flows::{self, FlowState};
use super::ids::{BIGCOMMERCE, id};
use super::references::{ACTIVE, INCOMPLETE};
use super::{Seed, Seeder};
use crate::rehearsal::behaviour::organization::lookup_value;

/// The second instance of BigCommerce.
const SECOND: u32 = 150;

/// ShipStation, to which the warehouse mapping of the whole seed belongs.
const SHIPSTATION: u32 = 800;

/// BigCommerce's transformation as the customer changed it.
const CHANGED: &str = "let\n    // Contoso: \"gift wrap\" lines are no products\n    Source = Json.Document(Payload),\n    Order = Source[order],\n    Lines = List.Select(Order[lines], each [sku] <> \"GIFT-WRAP\")\nin\n    Order & [lines = Lines]";

/// An older version of BigCommerce's transformation, in the target.
const OLDER: &str = "let\n    // UAT: test orders only\n    Source = Json.Document(Payload),\n    Order = Source[order]\nin\n    if Order[test] then Order else null";

/// The customer's change of ShipStation's transformation, which the target does not have.
const ONLY_IN_SOURCE: &str = "let\n    Source = Table.FromRecords({Payload}),\n    \"Ship to\" = Source{0}[shipTo]\nin\n    \"Ship to\"\t// tab, \u{fc}mlaut and \"quotes\" are Contoso's\n";

/// An instance of a definition.
struct Instance<'catalogue> {
    definition: &'catalogue Definition,
    number: u32,
    name: &'catalogue str,
    active: bool,
}

/// Inserts the providers and the warehouse mapping.
pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    let (is_source, catalogue) = (seeder.side.is_source(), seeder.catalogue);
    for definition in &catalogue.definitions {
        let installed = if is_source {
            definition.installed
        } else {
            definition.in_target
        };
        if installed {
            let instance = Instance {
                definition,
                number: definition.number,
                name: &definition.name,
                active: true,
            };
            insert_instance(seeder, &instance);
        }
    }
    match seeder.seed {
        Seed::Thin => insert_mapping(seeder, "Main warehouse", BIGCOMMERCE),
        Seed::Whole if is_source => {
            if let Some(definition) = catalogue.definition(BIGCOMMERCE) {
                let second = Instance {
                    definition,
                    number: SECOND,
                    name: "BigCommerce 1",
                    active: false,
                };
                insert_instance(seeder, &second);
            }
            insert_mapping(seeder, "127", SHIPSTATION);
        }
        Seed::Whole => {}
    }
}

fn insert_mapping(seeder: &mut Seeder<'_, '_>, name: &str, provider: u32) {
    let side = seeder.side;
    let row = json!({
        "msdyn_name": name,
        "msdyn_providerid": lookup_value("msdyn_iomprovider", &side.own("10", provider)),
        "msdyn_externalfieldname": "warehouseId",
        "msdyn_externalfieldvalue": "5426",
    });
    seeder.insert("msdyn_iomwarehousemapping", &side.own("14", 1), row);
}

fn insert_instance(seeder: &mut Seeder<'_, '_>, instance: &Instance<'_>) {
    let definition = instance.definition;
    let provider = seeder.side.own("10", instance.number);
    let row = json!({
        "msdyn_name": instance.name,
        "msdyn_providerdefinitionid":
            lookup_value("msdyn_iomproviderdefinition", &id("70", definition.number)),
        "statecode": i32::from(!instance.active),
        "statuscode": if instance.active { 1 } else { 2 },
    });
    seeder.insert("msdyn_iomprovider", &provider, row);
    let lookup = lookup_value("msdyn_iomprovider", &provider);
    insert_connections(seeder, instance, &lookup);
    insert_settings(seeder, instance, &lookup);
    for logic in definition.logic.iter().filter(|_| instance.active) {
        insert_deployed(seeder, definition, logic, &provider);
    }
}

fn insert_connections(seeder: &mut Seeder<'_, '_>, instance: &Instance<'_>, provider: &Value) {
    let (side, catalogue) = (seeder.side, seeder.catalogue);
    let definition = instance.definition;
    for (offset, connector) in numbered(0, &definition.connectors) {
        let reference = id("72", definition.number + offset);
        let connection = catalogue.connection(connector, side).unwrap_or_default();
        let url = side.connection_url(catalogue.connector_name(connector, side), connection);
        let row = json!({
            "msdyn_name": catalogue.connector_title(connector),
            "msdyn_providerid": provider,
            "msdyn_connectionreferencedefinitionid":
                lookup_value("msdyn_iomproviderdefinitionconnectionref", &reference),
            "msdyn_connectionurl": instance.active.then_some(url),
            "statecode": 0,
            "statuscode": if instance.active { ACTIVE } else { INCOMPLETE },
        });
        let table = "msdyn_iomproviderconnectionreference";
        seeder.insert(table, &side.own("11", instance.number + offset), row);
    }
}

/// Inserts the parameters and the transformations.
fn insert_settings(seeder: &mut Seeder<'_, '_>, instance: &Instance<'_>, provider: &Value) {
    let (side, definition) = (seeder.side, instance.definition);
    for (offset, parameter) in numbered(0, &definition.parameters) {
        let declared = id("73", definition.number + offset);
        let row = json!({
            "msdyn_name": parameter.name,
            "msdyn_providerid": provider,
            "msdyn_parameterdefinitionid":
                lookup_value("msdyn_iomproviderdefinitionparameter", &declared),
            "msdyn_value": instance.active.then(|| parameter.value(side)),
        });
        let table = "msdyn_iomproviderparameter";
        seeder.insert(table, &side.own("12", instance.number + offset), row);
    }
    for (offset, transformation) in numbered(0, &definition.transformations) {
        let shipped = id("74", definition.number + offset);
        let script = match (instance.number, side.is_source(), seeder.seed) {
            (BIGCOMMERCE, true, _) => CHANGED,
            (BIGCOMMERCE, false, Seed::Whole) => OLDER,
            (SHIPSTATION, true, _) => ONLY_IN_SOURCE,
            _ => SHIPPED,
        };
        let row = json!({
            "msdyn_name": transformation.name,
            "msdyn_providerid": provider,
            "msdyn_transformationdefinitionid":
                lookup_value("msdyn_iomproviderdefinitiontransformation", &shipped),
            "msdyn_transformation": script,
        });
        let table = "msdyn_iomprovidertransformation";
        seeder.insert(table, &side.own("13", instance.number + offset), row);
    }
}

/// Inserts what activation creates for a logic definition: a flow that is on, and an action.
fn insert_deployed(
    seeder: &mut Seeder<'_, '_>,
    definition: &Definition,
    logic: &Logic,
    provider: &str,
) {
    let side = seeder.side;
    if logic.is_action() {
        let definition = lookup_value(
            "msdyn_iomproviderdefinitionlogicdefinition",
            &id("71", logic.number),
        );
        let row = json!({
            "msdyn_name": logic.name,
            "msdyn_providerid": lookup_value("msdyn_iomprovider", provider),
            "msdyn_logicdefinitionid": definition,
        });
        let table = "msdyn_iomprovideraction";
        seeder.insert(table, &side.own("20", logic.number), row);
    }
    let name = match definition.flow_names {
        FlowNames::Logical => format!("iom_{provider}_{}", logic.logical_name),
        FlowNames::Display => format!("{} ({provider})", logic.name),
    };
    let data = client_data(seeder, definition, logic, provider);
    let flow = side.own("31", logic.number);
    flows::insert_flow(seeder, &flow, &name, FlowState::ON, &data);
}
