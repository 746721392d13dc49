//! Environment variables. Their values are the environment's own, and a copy replaces them.

use serde_json::json;

use super::Garden;
use super::ids::id;
use crate::rehearsal::behaviour::organization::lookup_value;

/// Plants them.
pub(super) fn plant(garden: &mut Garden<'_, '_>) {
    let definition = id("82", 1);
    let row = json!({
        "schemaname": "contoso_ShopAddress",
        "displayname": "Address of the shop",
        "type": 100_000_000,
        "isrequired": true,
        "ismanaged": false,
    });
    garden.plant("environmentvariabledefinition", &definition, row);
    let row = json!({
        "schemaname": "contoso_ShopAddress_value",
        "value": garden.plot.shop,
        "environmentvariabledefinitionid":
            lookup_value("environmentvariabledefinition", &definition),
    });
    let id = garden.plot.own("83", 1);
    garden.plant("environmentvariablevalue", &id, row);
}
