//! Dual-write of both environments: solutions with map versions, companies, roles and application
//! users, the link as the gateway stores it, and the runtime configuration of running maps.
//!
//! The customer has their own order maps: they run in the source and were never started in the
//! target.

use serde_json::{Value, json};

use super::Seeder;
use super::environments::solution;
use super::ids::id;
use super::sides::SeedSide;
use crate::rehearsal::behaviour::dual_write::catalogue::MAPS;
use crate::rehearsal::behaviour::dual_write::maps::{self, Map, NOT_RUNNING, RUNNING, STOPPED};
use crate::rehearsal::behaviour::dual_write::runtime::{
    DATA_INTEGRATION, FINANCE_AND_OPERATIONS, RUNTIME,
};
use crate::rehearsal::behaviour::dual_write::{DualWriteEnvironment, USER, link_key};
use crate::rehearsal::behaviour::finance_operations::rows_key;
use crate::rehearsal::behaviour::organization::lookup_value;
use crate::rehearsal::listeners::{Listener, Origins};
use crate::rehearsal::world::names;

/// The filters of the order maps (Microsoft Learn, *Set up the Finance and Operations provider*).
const ORDERS_FILTER: &str = "msdyn_ordertype eq 192350000 and _msdyn_company_value ne null and msdyn_isreadytosync eq true and statuscode ne 100003";
const LINES_FILTER: &str = "_msdyn_company_value ne null and _msdyn_shippingsite_value ne null and _msdyn_shippingwarehouse_value ne null and msdyn_isreadytosync eq true and msdyn_statuscode ne 192350001";

/// The solutions with map versions, and the one with dual-write's plug-ins: number, unique
/// name, name.
const SOLUTIONS: [(u32, &str, &str); 6] = [
    (10, "DualWriteCore", "Dual-write core"),
    (
        11,
        "msdyn_DualWriteAppCoreMaps",
        "Dual-write application core maps",
    ),
    (
        12,
        "Dynamics365GABDualWriteEntityMaps",
        "Party and global address book maps",
    ),
    (
        13,
        "Dynamics365FinanceAndOperationsDualWriteMaps",
        "Finance and Operations maps",
    ),
    (
        14,
        "msdyn_Dynamics365SupplyChainExtendedMaps",
        "Supply Chain extended maps",
    ),
    (15, "ContosoOrderMaps", "Contoso order maps"),
];

/// The map versions: solution, index of the map in [`MAPS`], version, filter of Dataverse's rows.
const VERSIONS: [(u32, usize, &str, &str); 11] = [
    (11, 0, "1.0.0.2", ""),
    (12, 1, "1.0.0.14", ""),
    // Newer than the one that the customer uses.
    (12, 1, "1.0.0.15", ""),
    (13, 2, "1.0.0.3", ""),
    (13, 3, "1.0.0.5", ""),
    (14, 4, "1.0.0.8", ""),
    (14, 5, "1.0.1.5", ""),
    (15, 5, "1.0.1.6", ORDERS_FILTER),
    (14, 6, "1.0.1.3", ""),
    (15, 6, "1.0.1.4", LINES_FILTER),
    (14, 7, "1.0.0.9", ""),
];

/// The index in [`VERSIONS`] of the active version of each map.
const ACTIVE: [usize; 8] = [0, 1, 3, 4, 5, 7, 9, 10];

const COMPANIES: [(u32, &str, &str); 2] = [
    (1, "USMF", "Contoso Entertainment System USA"),
    (2, "DEMF", "Contoso Entertainment System Germany"),
];

/// The state of a map in an environment.
fn initial_state(side: &SeedSide, map: usize) -> &'static str {
    match map {
        5 | 6 if !side.is_source() => NOT_RUNNING,
        7 => STOPPED,
        _ => RUNNING,
    }
}

/// Inserts dual-write's objects.
pub(super) fn insert(seeder: &mut Seeder<'_, '_>, origins: &Origins) {
    insert_solutions(seeder);
    insert_plug_ins(seeder);
    insert_users(seeder);
    insert_companies(seeder);
    insert_finance_and_operations(seeder);
    insert_link(seeder, origins);
    insert_maps(seeder);
}

fn version_id(version: usize) -> String {
    id("d7", u32::try_from(version).unwrap_or_default() + 1)
}

fn insert_solutions(seeder: &mut Seeder<'_, '_>) {
    for (number, unique_name, name) in SOLUTIONS {
        let row = json!({
            "friendlyname": name, "uniquename": unique_name, "version": "1.0.24043.1",
            "ismanaged": true, "isvisible": true, "installedon": super::CREATED,
        });
        seeder.insert("solution", &solution(number), row);
    }
    for (index, (number, map, version, filter)) in VERSIONS.into_iter().enumerate() {
        let definition = &MAPS[map];
        let prefix = if number == 15 { "contoso" } else { "msdyn" };
        let ready = json!({
            "sourceField": null, "destinationField": "msdyn_isreadytosync", "syncDirection": 1,
            "valueTransforms": [{"transformType": "Default", "defaultValue": "true"}],
        });
        let key = json!({
            "sourceField": "Key", "destinationField": definition.key[0],
            "syncDirection": if definition.both_ways { 3 } else { 1 },
        });
        let fields = if filter.is_empty() {
            json!([key])
        } else {
            json!([key, ready])
        };
        let mapping = json!({
            "name": definition.name,
            "legs": [{
                "sourceSchema": definition.finance.1, "destinationSchema": definition.dataverse.0,
                "sourceFilter": "", "reversedSourceFilter": filter, "fieldMappings": fields,
            }],
        });
        let row = json!({
            "msdyn_name": format!("{prefix}_[{}]", definition.name),
            "msdyn_displayname": format!("{} ({})", definition.finance.1, definition.dataverse.0),
            "msdyn_version": version,
            "msdyn_mapping": mapping.to_string(),
            "solutionid": solution(number),
            "ismanaged": true,
        });
        seeder.insert("msdyn_dualwriteentitymap", &version_id(index), row);
    }
}

fn insert_plug_ins(seeder: &mut Seeder<'_, '_>) {
    for (number, name) in [
        (1, "DualWriteRegistration.Plugins"),
        (2, "DualWriteRuntime.Plugins"),
    ] {
        let assembly = id("d1", number);
        let row = json!({"name": name, "version": "1.0.0.0"});
        seeder.insert("pluginassembly", &assembly, row);
        let kind = id("d2", number);
        let row = json!({
            "typename": format!("{name}.Run"), "assemblyname": name,
            "pluginassemblyid": lookup_value("pluginassembly", &assembly),
        });
        seeder.insert("plugintype", &kind, row);
        let row = json!({
            "name": format!("{name}: on change"),
            "plugintypeid": lookup_value("plugintype", &kind),
        });
        seeder.insert("sdkmessageprocessingstep", &id("d3", number), row);
    }
}

fn insert_users(seeder: &mut Seeder<'_, '_>) {
    let side = seeder.side;
    let unit = lookup_value("businessunit", &side.own("b0", 1));
    for (number, name) in [(4, "Dual-write runtime user"), (5, "Dual-write app user")] {
        let role = side.own("b2", number);
        let row = json!({
            "name": name, "businessunitid": unit, "ismanaged": true,
            "parentrootroleid": lookup_value("role", &role),
        });
        seeder.insert("role", &role, row);
    }
    for (number, name, application) in [
        (11, "# Finance and Operations", FINANCE_AND_OPERATIONS),
        (12, "# Dynamics Data Integration", DATA_INTEGRATION),
    ] {
        let user = side.user(number);
        let row = json!({
            "fullname": name, "applicationid": application, "isdisabled": false,
            "accessmode": 4, "islicensed": false, "businessunitid": unit,
        });
        seeder.insert("systemuser", &user, row);
        // The other role is missing.
        let role = side.own("b2", 5);
        let pair = names::identifier(&["systemuserroles", &user, &role]);
        let row = json!({"systemuserid": user, "roleid": role});
        seeder.insert("systemuserroles", &pair, row);
    }
    let (team, role) = (side.own("b1", 1), side.own("b2", 4));
    let pair = names::identifier(&["teamroles", &team, &role]);
    let row = json!({"teamid": team, "roleid": role});
    seeder.insert("teamroles", &pair, row);
}

fn insert_companies(seeder: &mut Seeder<'_, '_>) {
    let side = seeder.side;
    let team = lookup_value("team", &side.own("b1", 1));
    for (number, code, name) in COMPANIES {
        // The source's second company has no owning team.
        let team = (!side.is_source() || number == 1).then(|| team.clone());
        let row = json!({
            "cdm_name": name, "cdm_companycode": code, "cdm_defaultowningteam": team,
        });
        seeder.insert("cdm_company", &id("c0", number), row);
    }
    let row = json!({
        "name": "Order 1", "ordernumber": "O-1", "msdyn_salesordernumber": "SO-000001",
        "msdyn_isreadytosync": true, "msdyn_company": lookup_value("cdm_company", &id("c0", 1)),
    });
    seeder.insert("salesorder", &side.own("50", 1), row);
}

fn insert_finance_and_operations(seeder: &mut Seeder<'_, '_>) {
    let environment = seeder.side.environment();
    let mut put = |set: &str, key: &str, row: Value| {
        let key = format!("{}{key}", rows_key(environment, set));
        seeder.organization.draft.put(key, row);
    };
    for (_, code, name) in COMPANIES {
        let code = code.to_lowercase();
        put(
            "LegalEntities",
            &code,
            json!({"LegalEntityId": code, "Name": name}),
        );
    }
    put(
        "SystemUsers",
        USER,
        json!({"UserID": USER, "UserName": "Dual-write", "Alias": "dual-write@contoso.com",
            "Enabled": true, "Company": "usmf"}),
    );
    for (application, name) in [
        (DATA_INTEGRATION, "Dynamics Data Integration"),
        (RUNTIME, "Dual-write runtime"),
    ] {
        let row = json!({"AADClientId": application, "UserId": USER, "Name": name});
        put("SysAADClients", application, row);
    }
}

fn insert_link(seeder: &mut Seeder<'_, '_>, origins: &Origins) {
    let side = seeder.side;
    let environment = side.environment();
    let dataverse = origins.origin_of(Listener::Dataverse(side.kind));
    let finance = origins.origin_of(Listener::FinanceOperations(side.kind));
    let host = |url: &str| url.split("://").last().unwrap_or_default().to_owned();
    let set_name = format!("dw-{}-set", side.domain);
    let schemas: Vec<Value> = MAPS
        .iter()
        .map(|map| maps::schema(map.dataverse.0, &json!(map.key)))
        .collect();
    let dataset = |name: &str, kind: &str, url: &str, schemas: Value| {
        json!({
            "name": format!("{}-{name}-dataset", side.domain), "connectionSetName": set_name,
            "targetType": kind, "environmentDisplayName": side.name,
            "powerAppsEnvironment": environment, "directUrl": url, "isDevInstance": false,
            "schemas": schemas,
        })
    };
    let companies: Vec<Value> = COMPANIES
        .iter()
        .map(|(_, code, _)| {
            let company = json!({"name": code, "id": code});
            json!({"left": company, "right": company})
        })
        .collect();
    let set = json!({
        "id": names::identifier(&["connection-set", environment]),
        "name": set_name,
        "displayName": set_name,
        "forDualWrite": true,
        "tenant": crate::rehearsal::application::TENANT,
        "targetTypeList": ["CRM", "AX"],
        "environments": {
            host(&dataverse): dataset("crm", "CRM", &dataverse, json!(schemas)),
            host(&finance): dataset("ax", "AX", &finance, json!([])),
        },
        "dualWriteDetail": {
            "legalEntityMappings": {
                "leftEnvironment": format!("{}-ax-dataset", side.domain),
                "rightEnvironment": format!("{}-crm-dataset", side.domain),
                "mappings": companies,
            },
            "conflictResolution": {"option": "1", "master": "CRM"},
            "isOnFirstPartyAuth": true,
            "isSolutionAware": true,
            "solutionAwareRequests": [],
        },
        "bypassApiHubConnector": false,
        "owner": "admin@contoso.com",
        "createdDateTime": "2025-11-03T10:11:12Z",
        "tags": [],
    });
    let link = json!({
        "identifier": host(&finance),
        "displayName": side.domain,
        "powerAppsEnvironment": environment,
        "set": set,
    });
    seeder.organization.draft.put(link_key(environment), link);
}

/// Inserts the maps, and the runtime configuration of those that run.
fn insert_maps(seeder: &mut Seeder<'_, '_>) {
    let side = seeder.side;
    let mut dual_write = DualWriteEnvironment {
        draft: &mut *seeder.organization.draft,
        schema: seeder.organization.schema,
        environment: side.environment().to_owned(),
    };
    for (index, definition) in MAPS.iter().enumerate() {
        let row = dual_write.version(&version_id(ACTIVE[index]));
        let templates = VERSIONS.iter().enumerate();
        let templates = templates.filter(|(_, (_, map, ..))| *map == index);
        let map = Map {
            name: definition.name.to_owned(),
            template: version_id(ACTIVE[index]),
            templates: templates.map(|(version, _)| version_id(version)).collect(),
            project: Some(format!(
                "DWM-{}",
                side.own("d9", u32::try_from(index).unwrap_or_default() + 1)
            )),
            state: initial_state(side, index).to_owned(),
            refreshed: true,
            mapping: row.map(|row| maps::mapping_of(&row)).unwrap_or_default(),
            requests: Vec::new(),
        };
        dual_write.save_map(&map);
        if map.state == RUNNING {
            dual_write.write_configuration(&map);
        }
    }
}
