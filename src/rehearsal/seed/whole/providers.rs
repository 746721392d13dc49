//! Installed providers: twelve and a second, inactive BigCommerce in the source; five in the
//! target. Each has all that its definition asks for.

use serde_json::{Value, json};

use super::catalogue::{Catalogue, Definition, FlowNames, Logic};
use super::library::{client_data, numbered};
use crate::rehearsal::behaviour::organization::lookup_value;
use crate::rehearsal::seed::Garden;
use crate::rehearsal::seed::flows::{self, Is};
use crate::rehearsal::seed::ids::{BIGCOMMERCE, id};
use crate::rehearsal::seed::library::TRANSFORMATION as SHIPPED;
use crate::rehearsal::seed::providers::TRANSFORMATION as CHANGED;
use crate::rehearsal::seed::references::{ACTIVE, INCOMPLETE};

/// The second instance of BigCommerce.
const SECOND: u32 = 150;

/// The transformation as the target has it, from an older time.
const OLDER: &str = "let\n    // UAT: test orders only\n    Source = Json.Document(Payload),\n    Order = Source[order]\nin\n    if Order[test] then Order else null";

/// The customer's change of ShipStation's transformation, which the target does not have.
const ONLY_IN_SOURCE: &str = "let\n    Source = Table.FromRecords({Payload}),\n    \"Ship to\" = Source{0}[shipTo]\nin\n    \"Ship to\"\t// tab, \u{fc}mlaut and \"quotes\" are Contoso's\n";

/// ShipStation, to which the mapping of a warehouse belongs.
const SHIPSTATION: u32 = 800;

/// An instance of a definition.
struct Instance<'of> {
    definition: &'of Definition,
    number: u32,
    name: &'of str,
    active: bool,
}

/// Plants them.
pub(super) fn plant(garden: &mut Garden<'_, '_>, catalogue: &Catalogue) {
    let is_source = garden.plot.is_source();
    for definition in &catalogue.definitions {
        let installed = if is_source {
            definition.installed
        } else {
            definition.in_target
        };
        if installed {
            let one = Instance {
                definition,
                number: definition.number,
                name: &definition.name,
                active: true,
            };
            instance(garden, catalogue, &one);
        }
    }
    if let Some(definition) = catalogue.definition(BIGCOMMERCE).filter(|_| is_source) {
        let second = Instance {
            definition,
            number: SECOND,
            name: "BigCommerce 1",
            active: false,
        };
        instance(garden, catalogue, &second);
        let row = json!({
            "msdyn_name": "127",
            "msdyn_providerid":
                lookup_value("msdyn_iomprovider", &garden.plot.own("10", SHIPSTATION)),
            "msdyn_externalfieldname": "warehouseId",
            "msdyn_externalfieldvalue": "5426",
        });
        garden.plant("msdyn_iomwarehousemapping", &garden.plot.own("14", 1), row);
    }
}

fn instance(garden: &mut Garden<'_, '_>, catalogue: &Catalogue, instance: &Instance<'_>) {
    let (plot, definition) = (garden.plot, instance.definition);
    let provider = plot.own("10", instance.number);
    let row = json!({
        "msdyn_name": instance.name,
        "msdyn_providerdefinitionid":
            lookup_value("msdyn_iomproviderdefinition", &id("70", definition.number)),
        "statecode": i32::from(!instance.active),
        "statuscode": if instance.active { 1 } else { 2 },
    });
    garden.plant("msdyn_iomprovider", &provider, row);
    let lookup = lookup_value("msdyn_iomprovider", &provider);
    connections(garden, catalogue, instance, &lookup);
    settings(garden, instance, &lookup);
    for logic in definition.logic.iter().filter(|_| instance.active) {
        deployed(garden, definition, logic, &provider);
    }
}

fn connections(
    garden: &mut Garden<'_, '_>,
    catalogue: &Catalogue,
    instance: &Instance<'_>,
    provider: &Value,
) {
    let (plot, definition) = (garden.plot, instance.definition);
    for (offset, connector) in numbered(0, &definition.connectors) {
        let of = id("72", definition.number + offset);
        let title = catalogue
            .connectors
            .iter()
            .find(|one| one.name == *connector)
            .map(|one| one.title.clone());
        let connection = catalogue.connection(connector, plot).unwrap_or_default();
        let url = plot.connection_url(connector, connection);
        let row = json!({
            "msdyn_name": title,
            "msdyn_providerid": provider,
            "msdyn_connectionreferencedefinitionid":
                lookup_value("msdyn_iomproviderdefinitionconnectionref", &of),
            "msdyn_connectionurl": instance.active.then_some(url),
            "statecode": 0,
            "statuscode": if instance.active { ACTIVE } else { INCOMPLETE },
        });
        let table = "msdyn_iomproviderconnectionreference";
        garden.plant(table, &plot.own("11", instance.number + offset), row);
    }
}

fn settings(garden: &mut Garden<'_, '_>, instance: &Instance<'_>, provider: &Value) {
    let (plot, definition) = (garden.plot, instance.definition);
    for (offset, parameter) in numbered(0, &definition.parameters) {
        let of = id("73", definition.number + offset);
        let row = json!({
            "msdyn_name": parameter.name,
            "msdyn_providerid": provider,
            "msdyn_parameterdefinitionid":
                lookup_value("msdyn_iomproviderdefinitionparameter", &of),
            "msdyn_value": instance.active.then(|| parameter.value(plot)),
        });
        let table = "msdyn_iomproviderparameter";
        garden.plant(table, &plot.own("12", instance.number + offset), row);
    }
    for (offset, transformation) in numbered(0, &definition.transformations) {
        let of = id("74", definition.number + offset);
        let script = match (instance.number, plot.is_source()) {
            (BIGCOMMERCE, true) => CHANGED,
            (BIGCOMMERCE, false) => OLDER,
            (SHIPSTATION, true) => ONLY_IN_SOURCE,
            _ => SHIPPED,
        };
        let row = json!({
            "msdyn_name": transformation.name,
            "msdyn_providerid": provider,
            "msdyn_transformationdefinitionid":
                lookup_value("msdyn_iomproviderdefinitiontransformation", &of),
            "msdyn_transformation": script,
        });
        let table = "msdyn_iomprovidertransformation";
        garden.plant(table, &plot.own("13", instance.number + offset), row);
    }
}

/// What activation has made of a logic definition: a flow that is on, and an action.
fn deployed(garden: &mut Garden<'_, '_>, definition: &Definition, logic: &Logic, provider: &str) {
    let plot = garden.plot;
    if logic.is_action() {
        let of = lookup_value(
            "msdyn_iomproviderdefinitionlogicdefinition",
            &id("71", logic.number),
        );
        let row = json!({
            "msdyn_name": logic.name,
            "msdyn_providerid": lookup_value("msdyn_iomprovider", provider),
            "msdyn_logicdefinitionid": of,
        });
        let table = "msdyn_iomprovideraction";
        garden.plant(table, &plot.own("20", logic.number), row);
    }
    let name = match definition.flow_names {
        FlowNames::Logical => format!("iom_{provider}_{}", logic.logical_name),
        FlowNames::Display => format!("{} ({provider})", logic.name),
    };
    let data = client_data(definition, logic, provider);
    flows::with_data(garden, &plot.own("31", logic.number), &name, Is::ON, &data);
}
