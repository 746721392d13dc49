//! Rows that hold addresses of production.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::Seeder;
use super::super::ids::id;
use crate::rehearsal::behaviour::organization::lookup_value;

/// A script of a form.
const SCRIPT: &str =
    "function track(order) {\n  return fetch('https://shop.contoso.com/track/' + order);\n}\n";

pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    let site = id("ee", 1);
    let rows = [
        (
            "sharepointsite",
            site.clone(),
            json!({
                "name": "Contoso documents", "isdefault": true, "servicetype": 0,
                "absoluteurl": "https://contoso.sharepoint.com/sites/orders",
            }),
        ),
        (
            "sharepointdocumentlocation",
            id("ee", 2),
            json!({
                "name": "Returns",
                "absoluteurl": "https://contoso.sharepoint.com/sites/orders/returns",
            }),
        ),
        // Follows its site.
        (
            "sharepointdocumentlocation",
            id("ee", 3),
            json!({
                "name": "Orders", "relativeurl": "salesorder",
                "parentsiteorlocation": lookup_value("sharepointsite", &site),
            }),
        ),
        (
            "synapselinkprofile",
            id("ee", 4),
            json!({
                "name": "Contoso lake", "profilestate": 1,
                "containerendpoint": "https://contosolake.dfs.core.windows.net/orders",
            }),
        ),
        (
            "powerpagesite",
            id("ee", 5),
            json!({
                "name": "Contoso returns", "primarydomainname": "returns.contoso.com",
                "content": "{\"website\":\"https://returns.contoso.com\"}", "ismanaged": false,
            }),
        ),
        (
            "bot",
            id("ee", 6),
            json!({
                "name": "Contoso order assistant", "schemaname": "contoso_orderassistant",
                "configuration": "{\"channels\":[\"https://chat.contoso.com/orders\"]}",
                "ismanaged": false, "statecode": 0, "statuscode": 1,
            }),
        ),
        (
            "webresource",
            id("ee", 7),
            json!({
                "name": "contoso_/orders.js", "displayname": "Order tracking",
                "webresourcetype": 3, "content": STANDARD.encode(SCRIPT), "ismanaged": false,
            }),
        ),
        (
            "entitydatasource",
            id("ee", 8),
            json!({
                "name": "Contoso ERP", "entityname": "contoso_erpsource",
                "connectiondefinition": "{\"uri\":\"https://erp.contoso.com/odata\"}",
                "connectiondefinitionsecrets": "{\"key\":\"rehearsal-only-erp-key\"}",
                "ismanaged": false,
            }),
        ),
    ];
    for (table, id, row) in rows {
        seeder.insert(table, &id, row);
    }
}
