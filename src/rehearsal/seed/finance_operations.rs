//! Finance and Operations of an environment: users, the applications that sign in as them,
//! companies.

use serde_json::{Value, json};

use super::sides::SeedSide;
use crate::rehearsal::application::{ACT_AS, CLIENT};
use crate::rehearsal::behaviour::finance_operations::{facts_key, rows_key};
use crate::rehearsal::world::store::Draft;

/// The application of another system that is registered only in the target.
pub(crate) const WAREHOUSE_APPLICATION: &str = "c11e0000-0000-4000-8000-000000000007";

/// Inserts its rows and facts.
pub(super) fn insert(draft: &mut Draft<'_>, side: &SeedSide) {
    let environment = side.environment();
    let facts = json!({"applicationVersion": "10.0.44", "platformVersion": "7.0.7690.21"});
    draft.put(facts_key(environment), facts);
    let mut put = |set: &str, key: &str, row: Value| {
        draft.put(format!("{}{key}", rows_key(environment, set)), row);
    };
    for (id, name) in [
        ("usmf", "Contoso Entertainment System USA"),
        ("demf", "Contoso Entertainment System Germany"),
    ] {
        let row = json!({"LegalEntityId": id, "Name": name});
        put("LegalEntities", id, row);
        let row = json!({"dataAreaId": id, "WarehouseId": "11", "WarehouseName": "Main warehouse"});
        put("Warehouses", &format!("{id},11"), row);
    }
    let user = |id: &str, name: &str, alias: &str, enabled: bool| {
        json!({
            "UserID": id, "UserName": name, "Alias": alias, "Enabled": enabled, "Company": "usmf",
        })
    };
    let mut users = vec![
        ("Admin", "Ada Admin", "ada@contoso.com", true),
        ("svciom", "svc-iom", ACT_AS, true),
        ("cleo", "Cleo Clerk", "cleo@contoso.com", true),
        ("gone", "Gus Gone", "gus@contoso.com", false),
    ];
    let mut clients = vec![(CLIENT, "Admin", "iomcopy rehearsal")];
    if !side.is_source() {
        users.push(("svcwms", "svc-wms-uat", "svc-wms-uat@contoso.com", true));
        clients.push((WAREHOUSE_APPLICATION, "svcwms", "Warehouse system, UAT"));
    }
    for (id, name, alias, enabled) in users {
        put("SystemUsers", id, user(id, name, alias, enabled));
    }
    for (client, user, name) in clients {
        let row = json!({"AADClientId": client, "UserId": user, "Name": name});
        put("SysAADClients", client, row);
    }
    let row = json!({
        "UserId": "Admin",
        "SecurityRoleIdentifier": "-SYSADMIN-",
        "SecurityRoleName": "System administrator",
    });
    put("SecurityUserRoles", "Admin,-SYSADMIN-", row);
    if !side.is_source() {
        let row = json!({
            "UserId": "svcwms",
            "SecurityRoleIdentifier": "ContosoWarehouseService",
            "SecurityRoleName": "Contoso warehouse service",
        });
        put("SecurityUserRoles", "svcwms,ContosoWarehouseService", row);
    }
}
