//! What runs when rows change: service endpoints and the steps that use them, plug-in steps with a
//! configuration, callback registrations of the flows that are on, classic workflows, an SLA.

use serde_json::{Value, json};

use super::super::Seeder;
use super::super::ids::id;
use crate::rehearsal::behaviour::organization::lookup_value;
use crate::rehearsal::behaviour::outside::flows::registration_url;

/// The messages: number and name.
const MESSAGES: [(u32, &str); 2] = [(1, "Create"), (2, "Update")];

/// The messages of tables: number, message and table.
const FILTERS: [(u32, u32, &str); 5] = [
    (1, 1, "salesorder"),
    (2, 2, "environmentvariablevalue"),
    (3, 2, "connectionreference"),
    (4, 2, "msdyn_iomprovider"),
    (5, 2, "salesorder"),
];

/// The numbers of the service endpoints.
const AUDIT: u32 = 1;
const ORDER_HUB: u32 = 2;
const SERVICE_BUS: u32 = 3;

/// The number of the plug-in's type.
const PLUG_IN: u32 = 101;

/// The step that waits in production's queue of jobs.
pub(super) const QUEUED_STEP: u32 = 102;

/// The classic workflow that waits there.
pub(super) const CONFIRMATION: u32 = 40;

pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    insert_messages(seeder);
    insert_endpoints(seeder);
    insert_steps(seeder);
    insert_registrations(seeder);
    insert_workflows(seeder);
}

fn insert_messages(seeder: &mut Seeder<'_, '_>) {
    for (number, name) in MESSAGES {
        seeder.insert("sdkmessage", &id("e1", number), json!({"name": name}));
    }
    for (number, message, table) in FILTERS {
        let row = json!({
            "primaryobjecttypecode": table,
            "sdkmessageid": lookup_value("sdkmessage", &id("e1", message)),
        });
        seeder.insert("sdkmessagefilter", &id("e2", number), row);
    }
}

fn insert_endpoints(seeder: &mut Seeder<'_, '_>) {
    let webhook = |name: &str, url: &str| {
        json!({
            "name": name, "contract": 8, "messageformat": 2, "url": url,
            "authtype": 4, "authvalue": "rehearsal-only-webhook-key", "isauthvalueset": true,
            "ismanaged": false, "componentstate": 0, "iscustomizable": customizable(true),
        })
    };
    let rows = [
        (
            AUDIT,
            webhook("Contoso audit", "https://audit.contoso.com/events"),
        ),
        (
            ORDER_HUB,
            webhook("Contoso order hub", "https://hooks.contoso.com/orders"),
        ),
        (
            SERVICE_BUS,
            json!({
                "name": "Contoso orders (Service Bus)", "contract": 2, "messageformat": 2,
                "namespaceaddress": "sb://contoso-prod.servicebus.windows.net/",
                "solutionnamespace": "contoso-prod", "path": "orders",
                "authtype": 2, "saskeyname": "iom", "saskey": "rehearsal-only-sas-key",
                "issaskeyset": true, "ismanaged": false, "componentstate": 0,
                "iscustomizable": customizable(true),
            }),
        ),
    ];
    for (number, row) in rows {
        seeder.insert("serviceendpoint", &id("e3", number), row);
    }
}

fn customizable(value: bool) -> Value {
    json!({
        "Value": value,
        "CanBeChanged": value,
        "ManagedPropertyLogicalName": "iscustomizableanddeletable",
    })
}

/// Inserts the steps. The first acts in administration mode, when a variable is written.
fn insert_steps(seeder: &mut Seeder<'_, '_>) {
    let assembly = json!({"name": "Contoso.Plugins", "version": "1.0.0.0"});
    seeder.insert("pluginassembly", &id("e5", PLUG_IN), assembly);
    let plug_in = json!({
        "typename": "Contoso.Plugins.NotifyShop", "assemblyname": "Contoso.Plugins",
        "pluginassemblyid": lookup_value("pluginassembly", &id("e5", PLUG_IN)),
    });
    seeder.insert("plugintype", &id("e5", PLUG_IN), plug_in);
    let secure = json!({"secureconfig": "rehearsal-only-shop-key"});
    let secured = id("e6", 1);
    seeder.insert("sdkmessageprocessingstepsecureconfig", &secured, secure);
    let endpoint = |number| lookup_value("serviceendpoint", &id("e3", number));
    let steps = [
        (
            101,
            "Contoso audit: Update of environmentvariablevalue",
            endpoint(AUDIT),
            2,
            0,
        ),
        (
            QUEUED_STEP,
            "Contoso order hub: Update of connectionreference",
            endpoint(ORDER_HUB),
            3,
            1,
        ),
        (
            103,
            "Contoso orders (Service Bus): Create of salesorder",
            endpoint(SERVICE_BUS),
            1,
            1,
        ),
        (
            104,
            "Contoso.Plugins.NotifyShop: Update of msdyn_iomprovider",
            lookup_value("plugintype", &id("e5", PLUG_IN)),
            4,
            0,
        ),
    ];
    for (number, name, handler, filter, mode) in steps {
        let is_plug_in = number == 104;
        let message = FILTERS[filter - 1].1;
        let row = json!({
            "name": name,
            "plugintypeid": is_plug_in.then(|| handler.clone()),
            "eventhandler": handler,
            "sdkmessageid": lookup_value("sdkmessage", &id("e1", message)),
            "sdkmessagefilterid": lookup_value("sdkmessagefilter", &id("e2", FILTERS[filter - 1].0)),
            "mode": mode, "stage": 40, "rank": 1, "asyncautodelete": mode == 1,
            "configuration": is_plug_in.then_some("{\"shop\":\"https://shop.contoso.com/api/status\"}"),
            "sdkmessageprocessingstepsecureconfigid": is_plug_in
                .then(|| lookup_value("sdkmessageprocessingstepsecureconfig", &secured)),
            "ismanaged": false, "componentstate": 0, "iscustomizable": customizable(true),
            "ishidden": {"Value": false, "CanBeChanged": true, "ManagedPropertyLogicalName": "ishidden"},
        });
        seeder.insert("sdkmessageprocessingstep", &id("e4", number), row);
    }
}

/// Inserts the registrations of the flows that wait for new orders: their addresses are those of
/// production's flows.
fn insert_registrations(seeder: &mut Seeder<'_, '_>) {
    let environment = seeder.side.environment();
    for (number, flow, name) in [
        (1, id("30", 25), "Contoso - Notify the shop"),
        (2, id("30", 14), "IOM Sales Order Creation"),
    ] {
        let row = json!({
            "name": name, "entityname": "salesorder", "message": 1, "scope": 4, "runas": 3,
            "url": registration_url(environment, &flow),
        });
        seeder.insert("callbackregistration", &id("e7", number), row);
    }
}

fn insert_workflows(seeder: &mut Seeder<'_, '_>) {
    let workflow = |name: &str, mode: i32, xaml: &str| {
        json!({
            "name": name, "category": 0, "type": 1, "primaryentity": "salesorder", "mode": mode,
            "triggeroncreate": true, "xaml": xaml, "ismanaged": false, "componentstate": 0,
            "iscustomizable": customizable(true), "statecode": 1, "statuscode": 2,
        })
    };
    let mail = "<Activity><mxswa:SendEmail Subject=\"Your order\" /></Activity>";
    let loyalty =
        "<Activity><Contoso:AddPoints Address=\"https://loyalty.contoso.com/points\" /></Activity>";
    let warning = id("30", CONFIRMATION + 2);
    for (number, row) in [
        (
            CONFIRMATION,
            workflow("Contoso - Order confirmation", 0, mail),
        ),
        (
            CONFIRMATION + 1,
            workflow("Contoso - Loyalty points", 1, loyalty),
        ),
        (CONFIRMATION + 2, workflow("Contoso - SLA warning", 0, mail)),
    ] {
        seeder.insert("workflow", &id("30", number), row);
    }
    let row = json!({
        "name": "Contoso response times", "objecttypecode": "salesorder", "isdefault": true,
        "workflowid": lookup_value("workflow", &warning),
        "ismanaged": false, "componentstate": 0, "statecode": 1, "statuscode": 2,
    });
    seeder.insert("sla", &id("e8", 1), row);
}
