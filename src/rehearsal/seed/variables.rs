//! Environment variables. Each environment has its own values, and a copy replaces them. Two have a
//! value only in the source of the whole seed: an address, and a secret.

use serde_json::{Value, json};

use super::ids::id;
use super::{Seed, Seeder};
use crate::rehearsal::behaviour::organization::lookup_value;

/// The types of variables.
const TEXT: i64 = 100_000_000;
const SECRET: i64 = 100_000_005;

/// The secret's value: its place in production's key vault.
const SHOP_KEY: &str = "/subscriptions/5b000000-0000-4000-8000-000000000001/resourceGroups/contoso-prod/providers/Microsoft.KeyVault/vaults/contoso-prod-vault/secrets/shop-key";

/// Inserts the definitions and their values.
pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    let shop = seeder.side.shop;
    let address = ("contoso_ShopAddress", "Address of the shop", TEXT);
    insert_variable(seeder, 1, address, Some(shop));
    if seeder.seed == Seed::Whole {
        let own = |value| seeder.side.is_source().then_some(value);
        let (carrier, key) = (own("https://carrier.contoso.com"), own(SHOP_KEY));
        let address = ("contoso_CarrierAddress", "Address of the carrier", TEXT);
        insert_variable(seeder, 2, address, carrier);
        let secret = ("contoso_ShopKey", "Key of the shop", SECRET);
        insert_variable(seeder, 3, secret, key);
    }
}

/// Inserts a definition (name, display name, type) and its value, if it has one.
fn insert_variable(
    seeder: &mut Seeder<'_, '_>,
    number: u32,
    (name, title, kind): (&str, &str, i64),
    value: Option<&str>,
) {
    let definition = id("82", number);
    let row = json!({
        "schemaname": name,
        "displayname": title,
        "type": kind,
        "isrequired": number == 1,
        "ismanaged": false,
    });
    seeder.insert("environmentvariabledefinition", &definition, row);
    let Some(value) = value else {
        return;
    };
    let row: Value = json!({
        "schemaname": format!("{name}_value"),
        "value": value,
        "environmentvariabledefinitionid":
            lookup_value("environmentvariabledefinition", &definition),
    });
    let id = seeder.side.own("83", number);
    seeder.insert("environmentvariablevalue", &id, row);
}
