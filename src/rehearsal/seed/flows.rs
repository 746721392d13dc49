//! Cloud flows: the platform's, the customer's of every kind, and one in the target that the copy
//! destroys.

use serde_json::{Value, json};

use super::catalogue::reference_name;
use super::ids::{BIGCOMMERCE, PULL_ORDERS, id};
use super::references::{DATAVERSE, OUTLOOK};
use super::solutions::{self, CUSTOMER, ORDER_MANAGEMENT};
use super::{Seed, Seeder};
use crate::rehearsal::application::SOURCE_ENVIRONMENT;
use crate::rehearsal::behaviour::flows::{client_data, flow_row};

/// The platform's flow *IOM Raise Business Event*.
const RAISE_EVENT: u32 = 1;
/// The parent. Its id sorts before its child's, so that turning on flows in the order of their ids
/// fails.
const PARENT: u32 = 2;
/// The child that it calls.
const CHILD: u32 = 3;
/// A flow that is off in the source.
const OFF: u32 = 4;

/// The customer's flows of the thin seed.
const THIN: [u32; 3] = [PARENT, CHILD, OFF];

/// The customer's connector, as the library's definitions name it.
const CUSTOM_CONNECTOR: &str = "shared_crfff-5frequestbin-5f3d1c9a7e";

/// The platform's flows with a manual trigger: number and name. The thin seed has the first one.
const PLATFORM: [(u32, &str); 4] = [
    (RAISE_EVENT, "IOM Raise Business Event"),
    (11, "IOM Provider Transformer"),
    (12, "IOM Unit conversion"),
    (13, "IOM Create fulfillment order"),
];

/// The platform's flow that calls the first of them.
const CREATION: (u32, &str) = (14, "IOM Sales Order Creation");

/// The state of a flow, and whether a managed solution brought it.
#[derive(Clone, Copy)]
pub(super) struct FlowState {
    state: i64,
    status: i64,
    managed: bool,
}

impl FlowState {
    /// Turned on.
    pub(super) const ON: Self = Self {
        state: 1,
        status: 2,
        managed: false,
    };
    /// Turned off.
    const OFF: Self = Self {
        state: 0,
        status: 1,
        managed: false,
    };
    /// Suspended by a data policy.
    const SUSPENDED: Self = Self {
        state: 2,
        status: 3,
        managed: false,
    };
    /// Turned on, and managed.
    const ON_AND_MANAGED: Self = Self {
        managed: true,
        ..Self::ON
    };
}

pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    insert_platform_flows(seeder);
    insert_custom_connectors(seeder);
    if seeder.side.is_source() {
        for flow in customer_flows(seeder) {
            if seeder.seed == Seed::Whole || THIN.contains(&flow.number) {
                let id = id("30", flow.number);
                insert_flow(seeder, &id, &flow.name, flow.state, &flow.data);
                solutions::insert_component(seeder, CUSTOMER, &id);
            }
        }
    } else {
        let id = seeder.side.own("30", 9);
        insert_empty(seeder, &id, "UAT - Smoke test", FlowState::ON);
        solutions::insert_component(seeder, CUSTOMER, &id);
    }
}

/// Inserts a flow without actions that uses the reference for Dataverse.
pub(super) fn insert_empty(seeder: &mut Seeder<'_, '_>, id: &str, name: &str, state: FlowState) {
    let data = client_data(&[DATAVERSE], &button(), &json!({}));
    insert_flow(seeder, id, name, state, &data);
}

/// Inserts a flow with this client data.
pub(super) fn insert_flow(
    seeder: &mut Seeder<'_, '_>,
    id: &str,
    name: &str,
    state: FlowState,
    data: &str,
) {
    let mut row = flow_row(name, data);
    row.insert("ismanaged".to_owned(), json!(state.managed));
    row.insert("statecode".to_owned(), json!(state.state));
    row.insert("statuscode".to_owned(), json!(state.status));
    if state.state == FlowState::SUSPENDED.state {
        let reason = "The flow uses connectors that a data policy keeps apart.";
        row.insert("suspensionreasondetails".to_owned(), json!(reason));
    }
    seeder.insert("workflow", id, Value::Object(row));
}

fn insert_platform_flows(seeder: &mut Seeder<'_, '_>) {
    let transformer = reference_name("shared_iomdatatransformer");
    let mut references = vec![DATAVERSE];
    let mut flows = PLATFORM.to_vec();
    match seeder.seed {
        Seed::Thin => flows.truncate(1),
        Seed::Whole => references.push(("shared_iomdatatransformer", transformer.as_str())),
    }
    for (number, name) in flows {
        let data = client_data(&references, &button(), &json!({}));
        insert_platform_flow(seeder, number, name, &data);
    }
    if seeder.seed == Seed::Whole {
        let call = call(&id("30", RAISE_EVENT));
        let data = client_data(&[DATAVERSE], &row_added(), &json!({"Raise_event": call}));
        insert_platform_flow(seeder, CREATION.0, CREATION.1, &data);
    }
}

fn insert_platform_flow(seeder: &mut Seeder<'_, '_>, number: u32, name: &str, data: &str) {
    let id = id("30", number);
    insert_flow(seeder, &id, name, FlowState::ON_AND_MANAGED, data);
    solutions::insert_component(seeder, ORDER_MANAGEMENT, &id);
}

/// Inserts the rows of custom connectors. The customer's solution brought them to both
/// environments, each of which gave them its own identifier. The thin seed has none.
fn insert_custom_connectors(seeder: &mut Seeder<'_, '_>) {
    let (side, catalogue) = (seeder.side, seeder.catalogue);
    let custom = catalogue
        .connectors
        .iter()
        .filter_map(|connector| Some((connector, connector.custom_name.as_deref()?)));
    for ((connector, name), number) in custom.zip(1..) {
        let row = json!({
            "name": name,
            "displayname": connector.title,
            "connectorinternalid": connector.name_in(side),
            "connectortype": 1,
            "openapidefinition": "{\"swagger\":\"2.0\",\"host\":\"requestbin.contoso.com\"}",
            "ismanaged": false,
            "componentstate": 0,
        });
        seeder.insert("connector", &id("84", number), row);
    }
}

struct CustomerFlow {
    number: u32,
    name: String,
    state: FlowState,
    data: String,
}

fn customer_flows(seeder: &Seeder<'_, '_>) -> Vec<CustomerFlow> {
    let flow = |number, name: &str, state, data| CustomerFlow {
        number,
        name: name.to_owned(),
        state,
        data,
    };
    let (on, off) = (FlowState::ON, FlowState::OFF);
    let plain = |trigger: Value, actions: Value| client_data(&[DATAVERSE], &trigger, &actions);
    let hourly_flow = || plain(hourly(), json!({}));
    let custom_reference = reference_name(CUSTOM_CONNECTOR);
    let custom = [DATAVERSE, (CUSTOM_CONNECTOR, custom_reference.as_str())];
    let custom = client_data(&custom, &hourly(), &json!({}));
    let report = client_data(&[OUTLOOK], &hourly(), &json!({}));
    vec![
        flow(
            PARENT,
            "Contoso - Order intake",
            on,
            plain(button(), call_in_loop()),
        ),
        flow(
            CHILD,
            "Contoso - Write order note",
            on,
            plain(button(), json!({})),
        ),
        flow(
            OFF,
            "Contoso - Legacy export",
            off,
            plain(button(), json!({})),
        ),
        // Its id sorts before those of the flows that it calls, and of their children.
        flow(
            0,
            "Contoso - Nightly orders",
            on,
            plain(hourly(), json!({"Order_intake": call(&id("30", PARENT))})),
        ),
        flow(
            21,
            "Contoso - Order webhook",
            on,
            plain(webhook(), json!({})),
        ),
        flow(22, "Contoso - Post to RequestBin", on, custom),
        flow(
            23,
            "Contoso - Suspended carrier sync",
            FlowState::SUSPENDED,
            hourly_flow(),
        ),
        flow(24, "Contoso - Poll carrier", on, hourly_flow()),
        flow(
            25,
            "Contoso - Notify the shop",
            on,
            plain(row_added(), call_to_the_shop(seeder)),
        ),
        flow(26, "Contoso - Daily report", on, report),
        flow(
            28,
            "Contoso - Book the carrier",
            on,
            plain(hourly(), call_to_the_carrier()),
        ),
        // Off, not part of Intelligent Order Management, and it must stay as it is.
        flow(
            27,
            &format!(
                "Contoso - Watch iom_{}_msdyn_bigcommerce_pullsalesorder",
                seeder.side.own("10", BIGCOMMERCE)
            ),
            off,
            plain(hourly(), watch_of_puller(seeder)),
        ),
    ]
}

/// A call of the child flow for each order.
fn call_in_loop() -> Value {
    json!({"For_each_order": {
        "type": "Foreach", "runAfter": {}, "foreach": "@[]",
        "actions": {"Write_order_note": call(&id("30", CHILD))},
    }})
}

/// An HTTP action with fixed ids and addresses of the source.
fn call_to_the_shop(seeder: &Seeder<'_, '_>) -> Value {
    let side = seeder.side;
    let connection = seeder.catalogue.connection(DATAVERSE.0, side);
    json!({"Notify_the_shop": {
        "type": "Http", "runAfter": {},
        "inputs": {
            "method": "POST",
            "uri": format!("{}/api/orders", side.shop),
            "body": {
                "environment": SOURCE_ENVIRONMENT,
                "organization": format!("https://{}.crm.dynamics.com", side.domain),
                "connection": connection.unwrap_or_default(),
            },
        },
    }})
}

/// An HTTP action with a fixed address of production.
fn call_to_the_carrier() -> Value {
    json!({"Book_the_carrier": {
        "type": "Http", "runAfter": {},
        "inputs": {"method": "POST", "uri": "https://carrier.contoso.com/bookings", "body": {}},
    }})
}

/// An action that names a flow of a provider by its id.
fn watch_of_puller(seeder: &Seeder<'_, '_>) -> Value {
    json!({"Runs": {
        "type": "Compose", "runAfter": {},
        "inputs": {"flow": seeder.side.own("31", PULL_ORDERS)},
    }})
}

/// A call of a child flow.
fn call(flow: &str) -> Value {
    json!({
        "type": "Workflow",
        "runAfter": {},
        "inputs": {"host": {"workflowReferenceName": flow}, "body": {}},
    })
}

fn button() -> Value {
    json!({"manual": {
        "type": "Request", "kind": "Button", "inputs": {"schema": {"type": "object"}},
    }})
}

fn hourly() -> Value {
    json!({"Recurrence": {
        "type": "Recurrence", "recurrence": {"frequency": "Hour", "interval": 1},
    }})
}

fn webhook() -> Value {
    json!({"manual": {
        "type": "Request", "kind": "Http",
        "inputs": {"schema": {"type": "object"}, "triggerAuthenticationType": "All"},
    }})
}

/// The trigger of Dataverse's connector when a row is added.
fn row_added() -> Value {
    json!({"When_a_row_is_added": {
        "type": "OpenApiConnectionWebhook",
        "inputs": {
            "host": {
                "connectionName": DATAVERSE.0,
                "operationId": "SubscribeWebhookTrigger",
                "apiId": format!("/providers/Microsoft.PowerApps/apis/{}", DATAVERSE.0),
            },
            "parameters": {
                "subscriptionRequest/message": 1,
                "subscriptionRequest/entityname": "salesorder",
                "subscriptionRequest/scope": 4,
            },
        },
    }})
}
