//! The library: nineteen definitions, of which twelve are installed in the source.

use serde_json::{Value, json};

use super::catalogue::{Catalogue, Definition, Logic, reference_name};
use crate::rehearsal::behaviour::flows;
use crate::rehearsal::behaviour::organization::lookup_value;
use crate::rehearsal::seed::Garden;
use crate::rehearsal::seed::ids::id;
use crate::rehearsal::seed::library::TRANSFORMATION;
use crate::rehearsal::seed::references::DATAVERSE;

/// The id that stands in a logic definition for the instance's own.
const NO_PROVIDER: &str = "00000000-0000-0000-0000-000000000000";

/// Numbers of what belongs to something: its own, and those that follow.
pub(super) fn numbered<T>(of: u32, things: &[T]) -> impl Iterator<Item = (u32, &T)> {
    (of..).zip(things)
}

/// Plants them.
pub(super) fn plant(garden: &mut Garden<'_, '_>, catalogue: &Catalogue) {
    for definition in &catalogue.definitions {
        let key = id("70", definition.number);
        let row = json!({
            "msdyn_name": definition.name,
            "msdyn_logicalname": definition.logical_name,
            "msdyn_servicetype": definition.service_type,
            "msdyn_isactive": true,
        });
        garden.plant("msdyn_iomproviderdefinition", &key, row);
        let lookup = lookup_value("msdyn_iomproviderdefinition", &key);
        children(garden, catalogue, definition, &lookup);
    }
}

fn children(
    garden: &mut Garden<'_, '_>,
    catalogue: &Catalogue,
    definition: &Definition,
    lookup: &Value,
) {
    let of = definition.number;
    for (number, connector) in numbered(of, &definition.connectors) {
        let title = catalogue
            .connectors
            .iter()
            .find(|one| one.name == *connector)
            .map_or(definition.name.as_str(), |one| one.title.as_str());
        let row = json!({
            "msdyn_name": title,
            "msdyn_logicalname": reference_name(connector),
            "msdyn_connectorid": format!("/providers/Microsoft.PowerApps/apis/{connector}"),
            "msdyn_providerdefinitionid": lookup,
        });
        let table = "msdyn_iomproviderdefinitionconnectionref";
        garden.plant(table, &id("72", number), row);
    }
    for (number, parameter) in numbered(of, &definition.parameters) {
        let row = json!({
            "msdyn_name": parameter.name,
            "msdyn_logicalname": parameter.logical_name,
            "msdyn_issecret": parameter.secret,
            "msdyn_providerdefinitionid": lookup,
        });
        let table = "msdyn_iomproviderdefinitionparameter";
        garden.plant(table, &id("73", number), row);
    }
    for (number, transformation) in numbered(of, &definition.transformations) {
        let row = json!({
            "msdyn_name": transformation.name,
            "msdyn_logicalname": transformation.logical_name,
            "msdyn_transformation": TRANSFORMATION,
            "msdyn_providerdefinitionid": lookup,
        });
        let table = "msdyn_iomproviderdefinitiontransformation";
        garden.plant(table, &id("74", number), row);
    }
    for logic in &definition.logic {
        let row = json!({
            "msdyn_name": logic.name,
            "msdyn_logicalname": logic.logical_name,
            "msdyn_logictype": logic.kind,
            "msdyn_timeoutminutes": 5,
            "msdyn_maxretryattempts": 3,
            "msdyn_clientdata": client_data(definition, logic, NO_PROVIDER),
            "msdyn_providerdefinitionid": lookup,
        });
        let table = "msdyn_iomproviderdefinitionlogicdefinition";
        garden.plant(table, &id("71", logic.number), row);
    }
}

/// The text of a flow of a definition's instance, with the instance's id in it. Pullers run by the
/// clock, everything else is called.
pub(super) fn client_data(definition: &Definition, logic: &Logic, provider: &str) -> String {
    let trigger = if logic.is_puller() {
        json!({"Recurrence": {
            "type": "Recurrence",
            "recurrence": {"frequency": "Minute", "interval": 10},
        }})
    } else {
        json!({"manual": {
            "type": "Request",
            "kind": "Http",
            "inputs": {"schema": {"type": "object", "properties": {
                "text": {"title": "ProviderActionExecutionEventId", "type": "string"},
                "text_1": {"title": "EntityRecordId", "type": "string"},
            }}},
        }})
    };
    let actions = json!({
        "Provider": {
            "type": "Compose",
            "runAfter": {},
            "inputs": {"ProviderId": provider, "Logic": logic.logical_name},
        },
    });
    let names: Vec<String> = definition
        .connectors
        .iter()
        .map(|connector| reference_name(connector))
        .collect();
    let mut references = vec![DATAVERSE];
    references.extend(
        definition
            .connectors
            .iter()
            .zip(&names)
            .map(|(connector, name)| (connector.as_str(), name.as_str()))
            .filter(|reference| *reference != DATAVERSE),
    );
    flows::client_data(&references, &trigger, &actions)
}
