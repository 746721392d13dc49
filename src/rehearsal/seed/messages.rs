//! The messages of the platform that write many rows, and the tables that support them: tables of
//! solutions, and connection references; not cloud flows (Microsoft Learn, table reference).

use serde_json::json;

use super::Seeder;
use super::ids::id;
use crate::rehearsal::behaviour::organization::lookup_value;

/// The messages.
const MESSAGES: [&str; 3] = ["CreateMultiple", "UpdateMultiple", "UpsertMultiple"];

pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    let schema = seeder.organization.schema;
    let supports = |name: &str, custom| custom || name == "connectionreference";
    let tables = schema.tables().iter();
    let tables: Vec<&str> = tables
        .filter(|table| supports(&table.logical_name, table.custom))
        .map(|table| table.logical_name.as_str())
        .collect();
    for (message, number) in MESSAGES.into_iter().zip(1..) {
        let message_id = id("f6", number);
        seeder.insert("sdkmessage", &message_id, json!({"name": message}));
        for (table, place) in tables.iter().zip(1..) {
            let row = json!({
                "primaryobjecttypecode": table,
                "sdkmessageid": lookup_value("sdkmessage", &message_id),
            });
            seeder.insert("sdkmessagefilter", &id("f7", number * 1000 + place), row);
        }
    }
}
