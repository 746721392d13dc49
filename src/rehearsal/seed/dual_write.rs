//! Dual-write of both environments: solutions with map versions, companies, roles and application
//! users, the link as the gateway keeps it, and what running maps have left.
//!
//! The target's maps are those of a customer who has made order maps of his own and left them
//! stopped; in the source they run.

use serde_json::{Value, json};

use super::Garden;
use super::environments::solution;
use super::ids::id;
use super::plots::Plot;
use crate::rehearsal::behaviour::dual_write::catalogue::MAPS;
use crate::rehearsal::behaviour::dual_write::maps::{self, Map, NOT_RUNNING, RUNNING, STOPPED};
use crate::rehearsal::behaviour::dual_write::runtime::{
    DATA_INTEGRATION, FINANCE_AND_OPERATIONS, RUNTIME,
};
use crate::rehearsal::behaviour::dual_write::{DualWrite, USER, link_key};
use crate::rehearsal::behaviour::organization::lookup_value;
use crate::rehearsal::listeners::{Listener, Origins};
use crate::rehearsal::world::names;

/// The filters of the order maps (Microsoft Learn, *Set up the Finance and Operations provider*).
const ORDERS_FILTER: &str = "msdyn_ordertype eq 192350000 and _msdyn_company_value ne null and msdyn_isreadytosync eq true and statuscode ne 100003";
const LINES_FILTER: &str = "_msdyn_company_value ne null and _msdyn_shippingsite_value ne null and _msdyn_shippingwarehouse_value ne null and msdyn_isreadytosync eq true and msdyn_statuscode ne 192350001";

/// The solutions that hold map versions, and the one with dual-write's plug-ins: number, unique
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

/// The versions: solution, map (its place in the catalogue), version, filter of Dataverse's rows.
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

/// The active version of each map, as its place in [`VERSIONS`].
const ACTIVE: [usize; 8] = [0, 1, 3, 4, 5, 7, 9, 10];

/// The companies.
const COMPANIES: [(u32, &str, &str); 2] = [
    (1, "USMF", "Contoso Entertainment System USA"),
    (2, "DEMF", "Contoso Entertainment System Germany"),
];

/// The state of a map in an environment.
fn state_of(plot: &Plot, map: usize) -> &'static str {
    match map {
        5 | 6 if !plot.is_source() => NOT_RUNNING,
        7 => STOPPED,
        _ => RUNNING,
    }
}

/// Plants them.
pub(super) fn plant(garden: &mut Garden<'_, '_>, origins: &Origins) {
    solutions(garden);
    plug_ins(garden);
    people(garden);
    companies(garden);
    finance_and_operations(garden);
    link(garden, origins);
    run(garden);
}

fn version_id(version: usize) -> String {
    id("d7", u32::try_from(version).unwrap_or_default() + 1)
}

fn solutions(garden: &mut Garden<'_, '_>) {
    for (number, unique_name, name) in SOLUTIONS {
        let row = json!({
            "friendlyname": name, "uniquename": unique_name, "version": "1.0.24043.1",
            "ismanaged": true, "isvisible": true, "installedon": super::CREATED,
        });
        garden.plant("solution", &solution(number), row);
    }
    for (place, (number, map, version, filter)) in VERSIONS.into_iter().enumerate() {
        let known = &MAPS[map];
        let prefix = if number == 15 { "contoso" } else { "msdyn" };
        let ready = json!({
            "sourceField": null, "destinationField": "msdyn_isreadytosync", "syncDirection": 1,
            "valueTransforms": [{"transformType": "Default", "defaultValue": "true"}],
        });
        let key = json!({
            "sourceField": "Key", "destinationField": known.key[0],
            "syncDirection": if known.both_ways { 3 } else { 1 },
        });
        let fields = if filter.is_empty() {
            json!([key])
        } else {
            json!([key, ready])
        };
        let mapping = json!({
            "name": known.name,
            "legs": [{
                "sourceSchema": known.finance.1, "destinationSchema": known.dataverse.0,
                "sourceFilter": "", "reversedSourceFilter": filter, "fieldMappings": fields,
            }],
        });
        let row = json!({
            "msdyn_name": format!("{prefix}_[{}]", known.name),
            "msdyn_displayname": format!("{} ({})", known.finance.1, known.dataverse.0),
            "msdyn_version": version,
            "msdyn_mapping": mapping.to_string(),
            "solutionid": solution(number),
            "ismanaged": true,
        });
        garden.plant("msdyn_dualwriteentitymap", &version_id(place), row);
    }
}

fn plug_ins(garden: &mut Garden<'_, '_>) {
    for (number, name) in [
        (1, "DualWriteRegistration.Plugins"),
        (2, "DualWriteRuntime.Plugins"),
    ] {
        let assembly = id("d1", number);
        let row = json!({"name": name, "version": "1.0.0.0"});
        garden.plant("pluginassembly", &assembly, row);
        let kind = id("d2", number);
        let row = json!({
            "typename": format!("{name}.Run"), "assemblyname": name,
            "pluginassemblyid": lookup_value("pluginassembly", &assembly),
        });
        garden.plant("plugintype", &kind, row);
        let row = json!({
            "name": format!("{name}: on change"),
            "plugintypeid": lookup_value("plugintype", &kind),
        });
        garden.plant("sdkmessageprocessingstep", &id("d3", number), row);
    }
}

fn people(garden: &mut Garden<'_, '_>) {
    let plot = garden.plot;
    let unit = lookup_value("businessunit", &plot.own("b0", 1));
    for (number, name) in [(4, "Dual-write runtime user"), (5, "Dual-write app user")] {
        let role = plot.own("b2", number);
        let row = json!({
            "name": name, "businessunitid": unit, "ismanaged": true,
            "parentrootroleid": lookup_value("role", &role),
        });
        garden.plant("role", &role, row);
    }
    for (number, name, application) in [
        (11, "# Finance and Operations", FINANCE_AND_OPERATIONS),
        (12, "# Dynamics Data Integration", DATA_INTEGRATION),
    ] {
        let user = plot.user(number);
        let row = json!({
            "fullname": name, "applicationid": application, "isdisabled": false,
            "accessmode": 4, "islicensed": false, "businessunitid": unit,
        });
        garden.plant("systemuser", &user, row);
        // The other role was forgotten.
        let role = plot.own("b2", 5);
        let pair = names::identifier(&["systemuserroles", &user, &role]);
        let row = json!({"systemuserid": user, "roleid": role});
        garden.plant("systemuserroles", &pair, row);
    }
    let (team, role) = (plot.own("b1", 1), plot.own("b2", 4));
    let pair = names::identifier(&["teamroles", &team, &role]);
    let row = json!({"teamid": team, "roleid": role});
    garden.plant("teamroles", &pair, row);
}

fn companies(garden: &mut Garden<'_, '_>) {
    let plot = garden.plot;
    let team = lookup_value("team", &plot.own("b1", 1));
    for (number, code, name) in COMPANIES {
        // The source's second company has no owning team.
        let team = (!plot.is_source() || number == 1).then(|| team.clone());
        let row = json!({
            "cdm_name": name, "cdm_companycode": code, "cdm_defaultowningteam": team,
        });
        garden.plant("cdm_company", &id("c0", number), row);
    }
    let row = json!({
        "name": "Order 1", "ordernumber": "O-1", "msdyn_salesordernumber": "SO-000001",
        "msdyn_isreadytosync": true, "msdyn_company": lookup_value("cdm_company", &id("c0", 1)),
    });
    garden.plant("salesorder", &plot.own("50", 1), row);
}

fn finance_and_operations(garden: &mut Garden<'_, '_>) {
    let environment = garden.plot.side.environment();
    let mut put = |set: &str, key: &str, row: Value| {
        let key = format!("finance-operations/{environment}/{set}/{key}");
        garden.organization.draft.put(key, row);
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

fn link(garden: &mut Garden<'_, '_>, origins: &Origins) {
    let plot = garden.plot;
    let environment = plot.side.environment();
    let dataverse = origins.of(Listener::Dataverse(plot.side));
    let finance = origins.of(Listener::FinanceOperations(plot.side));
    let host = |url: &str| url.split("://").last().unwrap_or_default().to_owned();
    let set_name = format!("dw-{}-set", plot.domain);
    let schemas: Vec<Value> = MAPS
        .iter()
        .map(|map| maps::schema(map.dataverse.0, &json!(map.key)))
        .collect();
    let side = |name: &str, kind: &str, url: &str, schemas: Value| {
        json!({
            "name": format!("{}-{name}-dataset", plot.domain), "connectionSetName": set_name,
            "targetType": kind, "environmentDisplayName": plot.name,
            "powerAppsEnvironment": environment, "directUrl": url, "isDevInstance": false,
            "schemas": schemas,
        })
    };
    let companies: Vec<Value> = COMPANIES
        .iter()
        .map(|(_, code, _)| {
            let side = json!({"name": code, "id": code});
            json!({"left": side, "right": side})
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
            host(&dataverse): side("crm", "CRM", &dataverse, json!(schemas)),
            host(&finance): side("ax", "AX", &finance, json!([])),
        },
        "dualWriteDetail": {
            "legalEntityMappings": {
                "leftEnvironment": format!("{}-ax-dataset", plot.domain),
                "rightEnvironment": format!("{}-crm-dataset", plot.domain),
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
        "displayName": plot.domain,
        "powerAppsEnvironment": environment,
        "set": set,
    });
    garden.organization.draft.put(link_key(environment), link);
}

/// Maps, and what those that run have left on both sides.
fn run(garden: &mut Garden<'_, '_>) {
    let plot = garden.plot;
    let mut dual_write = DualWrite {
        draft: &mut *garden.organization.draft,
        schema: garden.organization.schema,
        environment: plot.side.environment().to_owned(),
    };
    for (place, known) in MAPS.iter().enumerate() {
        let row = dual_write.version(&version_id(ACTIVE[place]));
        let templates = VERSIONS.iter().enumerate();
        let templates = templates.filter(|(_, (_, map, ..))| *map == place);
        let map = Map {
            name: known.name.to_owned(),
            template: version_id(ACTIVE[place]),
            templates: templates.map(|(version, _)| version_id(version)).collect(),
            project: Some(format!(
                "DWM-{}",
                plot.own("d9", u32::try_from(place).unwrap_or_default() + 1)
            )),
            state: state_of(plot, place).to_owned(),
            refreshed: true,
            mapping: row.map(|row| maps::mapping_of(&row)).unwrap_or_default(),
            requests: Vec::new(),
        };
        dual_write.keep(&map);
        if map.state == RUNNING {
            dual_write.leave_configuration(&map);
        }
    }
}
