//! Installed providers: one of BigCommerce, active, in each environment.

use serde_json::json;

use super::Garden;
use super::flows::{self, Is};
use super::ids::{BIGCOMMERCE, id};
use super::library;
use super::references;
use crate::rehearsal::behaviour::organization::lookup_value;

/// The transformation as the customer has changed it.
pub(super) const TRANSFORMATION: &str = "let\n    // Contoso: \"gift wrap\" lines are no products\n    Source = Json.Document(Payload),\n    Order = Source[order],\n    Lines = List.Select(Order[lines], each [sku] <> \"GIFT-WRAP\")\nin\n    Order & [lines = Lines]";

/// Plants it.
pub(super) fn plant(garden: &mut Garden<'_, '_>) {
    let plot = garden.plot;
    let provider = plot.own("10", BIGCOMMERCE);
    let row = json!({
        "msdyn_name": "BigCommerce",
        "msdyn_providerdefinitionid": library::definition(),
    });
    garden.plant("msdyn_iomprovider", &provider, row);
    let lookup = lookup_value("msdyn_iomprovider", &provider);
    let definition = |table: &str, kind: &str, number| lookup_value(table, &id(kind, number));
    let row = json!({
        "msdyn_name": "BigCommerce",
        "msdyn_providerid": lookup,
        "msdyn_connectionreferencedefinitionid":
            definition("msdyn_iomproviderdefinitionconnectionref", "72", BIGCOMMERCE),
        "msdyn_connectionurl": plot.connection_url(references::BIGCOMMERCE.0, plot.bigcommerce),
    });
    let table = "msdyn_iomproviderconnectionreference";
    garden.plant(table, &plot.own("11", BIGCOMMERCE), row);
    let row = json!({
        "msdyn_name": "BigCommerce Store Hash",
        "msdyn_providerid": lookup,
        "msdyn_parameterdefinitionid":
            definition("msdyn_iomproviderdefinitionparameter", "73", BIGCOMMERCE),
        "msdyn_value": plot.store_hash,
    });
    garden.plant(
        "msdyn_iomproviderparameter",
        &plot.own("12", BIGCOMMERCE),
        row,
    );
    let script = if plot.is_source() {
        TRANSFORMATION
    } else {
        library::TRANSFORMATION
    };
    let row = json!({
        "msdyn_name": "BigCommerce sales order",
        "msdyn_providerid": lookup,
        "msdyn_transformationdefinitionid":
            definition("msdyn_iomproviderdefinitiontransformation", "74", BIGCOMMERCE),
        "msdyn_transformation": script,
    });
    garden.plant(
        "msdyn_iomprovidertransformation",
        &plot.own("13", BIGCOMMERCE),
        row,
    );
    for (number, name, logical_name, logic_type) in library::LOGIC {
        if logic_type == 192_350_001 {
            let row = json!({
                "msdyn_name": name,
                "msdyn_providerid": lookup,
                "msdyn_logicdefinitionid":
                    definition("msdyn_iomproviderdefinitionlogicdefinition", "71", number),
            });
            garden.plant("msdyn_iomprovideraction", &plot.own("20", number), row);
        }
        let name = format!("iom_{provider}_{logical_name}");
        let data = library::client_data(&provider);
        flows::with_data(garden, &plot.own("31", number), &name, Is::ON, &data);
    }
    let row = json!({
        "msdyn_name": "Main warehouse",
        "msdyn_providerid": lookup,
        "msdyn_externalfieldname": "warehouseId",
        "msdyn_externalfieldvalue": "5426",
    });
    garden.plant("msdyn_iomwarehousemapping", &plot.own("14", 1), row);
}
