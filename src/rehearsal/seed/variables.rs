//! Environment variables. Each environment has its own values, and a copy replaces them.

use serde_json::json;

use super::Seeder;
use super::ids::id;
use crate::rehearsal::behaviour::organization::lookup_value;

/// Inserts the definition and its value.
pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    let definition = id("82", 1);
    let row = json!({
        "schemaname": "contoso_ShopAddress",
        "displayname": "Address of the shop",
        "type": 100_000_000,
        "isrequired": true,
        "ismanaged": false,
    });
    seeder.insert("environmentvariabledefinition", &definition, row);
    let row = json!({
        "schemaname": "contoso_ShopAddress_value",
        "value": seeder.side.shop,
        "environmentvariabledefinitionid":
            lookup_value("environmentvariabledefinition", &definition),
    });
    let id = seeder.side.own("83", 1);
    seeder.insert("environmentvariablevalue", &id, row);
}
