//! The organization's own row, business unit, team, roles and users.

use serde_json::json;

use super::Seeder;
use super::environments::USERS;
use super::ids;
use crate::rehearsal::application::{CLIENT, CLIENT_OBJECT};
use crate::rehearsal::behaviour::organization::{
    SYSTEM_ADMINISTRATOR, SYSTEM_CUSTOMIZER, lookup_value,
};
use crate::rehearsal::world::names;

/// The template of the role Basic User.
const BASIC_USER: &str = "236750cd-45ae-4939-ab12-b24b920ced93";

/// Inserts these rows.
pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    let side = seeder.side;
    let row = json!({
        "name": side.unique_name,
        "isdisabled": false,
        "flowruntimetoliveinseconds": 2_419_200,
        "languagecode": 1033,
        "isauditenabled": true,
    });
    seeder.insert("organization", side.organization, row);
    let unit = side.own("b0", 1);
    let row = json!({"name": side.domain, "isdisabled": false});
    seeder.insert("businessunit", &unit, row);
    let unit = lookup_value("businessunit", &unit);
    let team = json!({
        "name": side.domain, "teamtype": 0, "isdefault": true, "businessunitid": unit,
    });
    seeder.insert("team", &side.own("b1", 1), team);
    let group = json!({
        "name": "Order managers", "teamtype": 2, "isdefault": false, "businessunitid": unit,
        "azureactivedirectoryobjectid": "9ee00000-0000-4000-8000-000000000001",
    });
    seeder.insert("team", &side.own("b1", 2), group);
    for (number, name, template) in [
        (1, "System Administrator", SYSTEM_ADMINISTRATOR),
        (2, "System Customizer", SYSTEM_CUSTOMIZER),
        (3, "Basic User", BASIC_USER),
    ] {
        seeder.insert("roletemplate", template, json!({"name": name}));
        let id = side.own("b2", number);
        let row = json!({
            "name": name,
            "businessunitid": unit,
            "roletemplateid": lookup_value("roletemplate", template),
            "parentrootroleid": lookup_value("role", &id),
            "ismanaged": true,
        });
        seeder.insert("role", &id, row);
    }
    let application = json!({
        "fullname": "# iomcopy rehearsal", "applicationid": CLIENT,
        "azureactivedirectoryobjectid": CLIENT_OBJECT, "isdisabled": false, "accessmode": 4,
        "islicensed": false, "businessunitid": unit,
    });
    seeder.insert("systemuser", &side.user(ids::APPLICATION), application);
    for (number, name, address, object) in USERS {
        let row = json!({
            "fullname": name, "domainname": address, "internalemailaddress": address,
            "azureactivedirectoryobjectid": object, "isdisabled": false, "accessmode": 0,
            "islicensed": true, "businessunitid": unit,
        });
        seeder.insert("systemuser", &side.user(number), row);
    }
    for (user, role) in [
        (ids::APPLICATION, 1),
        (ids::SERVICE, 1),
        (ids::ADA, 1),
        (ids::CLERK, 3),
    ] {
        let (user, role) = (side.user(user), side.own("b2", role));
        let id = names::identifier(&["systemuserroles", &user, &role]);
        let row = json!({"systemuserid": user, "roleid": role});
        seeder.insert("systemuserroles", &id, row);
    }
}
