//! The library: nineteen provider definitions, of which twelve are installed in the source.
//! Solutions bring it, so its rows are the same in both environments, except for the identifiers of
//! custom connectors.

use serde_json::{Value, json};

use super::catalogue::{Definition, Logic, reference_name};
use super::ids::id;
use super::references::DATAVERSE;
use super::{Seed, Seeder};
use crate::rehearsal::behaviour::flows;
use crate::rehearsal::behaviour::organization::lookup_value;
use crate::rehearsal::behaviour::providers::NO_PROVIDER;

/// The transformation that Microsoft ships.
pub(super) const TRANSFORMATION: &str =
    "let\n    Source = Json.Document(Payload),\n    Order = Source[order]\nin\n    Order";

/// Items with consecutive numbers that start at `first`.
pub(super) fn numbered<T>(first: u32, items: &[T]) -> impl Iterator<Item = (u32, &T)> {
    (first..).zip(items)
}

pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    for definition in &seeder.catalogue.definitions {
        let key = id("70", definition.number);
        let description = "Takes orders from a BigCommerce store.";
        let row = json!({
            "msdyn_name": definition.name,
            "msdyn_logicalname": definition.logical_name,
            "msdyn_description": (seeder.seed == Seed::Thin).then_some(description),
            "msdyn_servicetype": definition.service_type,
            "msdyn_isactive": true,
        });
        seeder.insert("msdyn_iomproviderdefinition", &key, row);
        insert_children(seeder, definition, &key);
    }
}

fn insert_children(seeder: &mut Seeder<'_, '_>, definition: &Definition, key: &str) {
    let (first, catalogue) = (definition.number, seeder.catalogue);
    let lookup = lookup_value("msdyn_iomproviderdefinition", key);
    for (number, connector) in numbered(first, &definition.connectors) {
        let title = catalogue.connector_title(connector);
        let own = catalogue.connector_name(connector, seeder.side);
        let row = json!({
            "msdyn_name": title.unwrap_or(&definition.name),
            "msdyn_logicalname": reference_name(connector),
            "msdyn_connectorid": format!("/providers/Microsoft.PowerApps/apis/{own}"),
            "msdyn_providerdefinitionid": lookup,
        });
        let table = "msdyn_iomproviderdefinitionconnectionref";
        seeder.insert(table, &id("72", number), row);
    }
    for (number, parameter) in numbered(first, &definition.parameters) {
        let row = json!({
            "msdyn_name": parameter.name,
            "msdyn_logicalname": parameter.logical_name,
            "msdyn_issecret": (seeder.seed == Seed::Whole).then_some(parameter.secret),
            "msdyn_providerdefinitionid": lookup,
        });
        let table = "msdyn_iomproviderdefinitionparameter";
        seeder.insert(table, &id("73", number), row);
    }
    for (number, transformation) in numbered(first, &definition.transformations) {
        let row = json!({
            "msdyn_name": transformation.name,
            "msdyn_logicalname": transformation.logical_name,
            "msdyn_transformation": TRANSFORMATION,
            "msdyn_providerdefinitionid": lookup,
        });
        let table = "msdyn_iomproviderdefinitiontransformation";
        seeder.insert(table, &id("74", number), row);
    }
    for logic in &definition.logic {
        let row = json!({
            "msdyn_name": logic.name,
            "msdyn_logicalname": logic.logical_name,
            "msdyn_logictype": logic.kind,
            "msdyn_timeoutminutes": 5,
            "msdyn_maxretryattempts": 3,
            "msdyn_clientdata": client_data(seeder, definition, logic, NO_PROVIDER),
            "msdyn_providerdefinitionid": lookup,
        });
        let table = "msdyn_iomproviderdefinitionlogicdefinition";
        seeder.insert(table, &id("71", logic.number), row);
    }
}

/// The client data of a provider's flow, with the provider's id in it.
pub(super) fn client_data(
    seeder: &Seeder<'_, '_>,
    definition: &Definition,
    logic: &Logic,
    provider: &str,
) -> String {
    let (seed, side, catalogue) = (seeder.seed, seeder.side, seeder.catalogue);
    let inputs = match seed {
        Seed::Thin => json!({"ProviderId": provider}),
        Seed::Whole => json!({"ProviderId": provider, "Logic": logic.logical_name}),
    };
    let actions = json!({"Provider": {"type": "Compose", "runAfter": {}, "inputs": inputs}});
    let names: Vec<String> = definition
        .connectors
        .iter()
        .map(|connector| reference_name(connector))
        .collect();
    let connectors = definition.connectors.iter();
    let connectors = connectors.map(|connector| catalogue.connector_name(connector, side));
    let own = connectors.zip(names.iter().map(String::as_str));
    let mut references = vec![DATAVERSE];
    references.extend(own.filter(|reference| *reference != DATAVERSE));
    flows::client_data(&references, &trigger(seed, logic), &actions)
}

/// The trigger of a provider's flow: message pullers run on a schedule, all others are called.
fn trigger(seed: Seed, logic: &Logic) -> Value {
    let schema = match seed {
        Seed::Thin => json!({"type": "object"}),
        Seed::Whole if logic.is_puller() => {
            return json!({"Recurrence": {
                "type": "Recurrence",
                "recurrence": {"frequency": "Minute", "interval": 10},
            }});
        }
        Seed::Whole => json!({"type": "object", "properties": {
            "text": {"title": "ProviderActionExecutionEventId", "type": "string"},
            "text_1": {"title": "EntityRecordId", "type": "string"},
        }}),
    };
    json!({"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": schema}}})
}
