//! Cloud flows: the platform's, and the customer's of every kind.

use serde_json::{Value, json};

use super::catalogue::{Catalogue, reference_name};
use super::references::OUTLOOK;
use crate::rehearsal::application::SOURCE_ENVIRONMENT;
use crate::rehearsal::behaviour::flows as rules;
use crate::rehearsal::seed::Garden;
use crate::rehearsal::seed::flows::{self, Is};
use crate::rehearsal::seed::ids::{BIGCOMMERCE, PULL_ORDERS, id};
use crate::rehearsal::seed::references::DATAVERSE;
use crate::rehearsal::seed::solutions::{self, CUSTOMER, ORDER_MANAGEMENT};

/// The customer's connector.
const CUSTOM_CONNECTOR: &str = "shared_crfff-5frequestbin-5f3d1c9a7e";

/// The platform's flows that are called: number and name.
const PLATFORM: [(u32, &str); 4] = [
    (1, "IOM Raise Business Event"),
    (11, "IOM Provider Transformer"),
    (12, "IOM Unit conversion"),
    (13, "IOM Create fulfillment order"),
];

/// The platform's flow that calls the first of them.
const CREATION: (u32, &str) = (14, "IOM Sales Order Creation");

/// A flow of the customer's.
struct Own {
    number: u32,
    name: String,
    is: Is,
    data: String,
}

/// Plants them.
pub(super) fn plant(garden: &mut Garden<'_, '_>, catalogue: &Catalogue) {
    let transformer = reference_name("shared_iomdatatransformer");
    let references = [
        DATAVERSE,
        ("shared_iomdatatransformer", transformer.as_str()),
    ];
    for (number, name) in PLATFORM {
        let data = rules::client_data(&references, &button(), &json!({}));
        platform(garden, number, name, &data);
    }
    let call = call(&id("30", PLATFORM[0].0));
    let data = rules::client_data(&[DATAVERSE], &row_added(), &json!({"Raise_event": call}));
    platform(garden, CREATION.0, CREATION.1, &data);
    if garden.plot.is_source() {
        custom_connector(garden);
        for own in customers(garden, catalogue) {
            let id = id("30", own.number);
            flows::with_data(garden, &id, &own.name, own.is, &own.data);
            solutions::component(garden, CUSTOMER, &id);
        }
    } else {
        let id = garden.plot.own("30", 9);
        flows::flow(garden, &id, "UAT - Smoke test", Is::ON, &json!({}));
        solutions::component(garden, CUSTOMER, &id);
    }
}

fn platform(garden: &mut Garden<'_, '_>, number: u32, name: &str, data: &str) {
    let id = id("30", number);
    flows::with_data(garden, &id, name, Is::ON.managed(), data);
    solutions::component(garden, ORDER_MANAGEMENT, &id);
}

/// The connector's row that the customer's solution brought.
fn custom_connector(garden: &mut Garden<'_, '_>) {
    let name = CUSTOM_CONNECTOR.trim_start_matches("shared_");
    let row = json!({
        "name": name,
        "displayname": "RequestBin",
        "connectorinternalid": CUSTOM_CONNECTOR,
        "connectortype": 1,
        "openapidefinition": "{\"swagger\":\"2.0\",\"host\":\"requestbin.contoso.com\"}",
        "ismanaged": false,
        "componentstate": 0,
    });
    garden.plant("connector", &id("84", 1), row);
}

/// The customer's flows.
fn customers(garden: &Garden<'_, '_>, catalogue: &Catalogue) -> Vec<Own> {
    let plot = garden.plot;
    let own = |number, name: &str, is, data| Own {
        number,
        name: name.to_owned(),
        is,
        data,
    };
    let plain =
        |trigger: &Value, actions: &Value| rules::client_data(&[DATAVERSE], trigger, actions);
    let nothing = json!({});
    let child = call(&id("30", flows::CHILD));
    let in_loop = json!({"For_each_order": {
        "type": "Foreach", "runAfter": {}, "foreach": "@[]", "actions": {"Write_order_note": child},
    }});
    let grandchild = json!({"Order_intake": call(&id("30", flows::PARENT))});
    let webhook = json!({"manual": {
        "type": "Request", "kind": "Http",
        "inputs": {"schema": {"type": "object"}, "triggerAuthenticationType": "All"},
    }});
    let bin = reference_name(CUSTOM_CONNECTOR);
    let through_connector =
        rules::client_data(&[DATAVERSE, (CUSTOM_CONNECTOR, &bin)], &hourly(), &nothing);
    let connection = catalogue.connection(DATAVERSE.0, plot).unwrap_or_default();
    let fixed = json!({"Notify_the_shop": {
        "type": "Http", "runAfter": {},
        "inputs": {
            "method": "POST",
            "uri": format!("{}/api/orders", plot.shop),
            "body": {
                "environment": SOURCE_ENVIRONMENT,
                "organization": format!("https://{}.crm.dynamics.com", plot.domain),
                "connection": connection,
            },
        },
    }});
    let watched = format!(
        "Contoso - Watch iom_{}_msdyn_bigcommerce_pullsalesorder",
        plot.own("10", BIGCOMMERCE)
    );
    let watching = json!({"Runs": {
        "type": "Compose", "runAfter": {}, "inputs": {"flow": plot.own("31", PULL_ORDERS)},
    }});
    vec![
        own(
            flows::PARENT,
            "Contoso - Order intake",
            Is::ON,
            plain(&button(), &in_loop),
        ),
        own(
            flows::CHILD,
            "Contoso - Write order note",
            Is::ON,
            plain(&button(), &nothing),
        ),
        own(
            flows::OFF,
            "Contoso - Legacy export",
            Is::OFF,
            plain(&button(), &nothing),
        ),
        // Its id comes before those of the flows that it calls, and theirs.
        own(
            0,
            "Contoso - Nightly orders",
            Is::ON,
            plain(&hourly(), &grandchild),
        ),
        own(
            21,
            "Contoso - Order webhook",
            Is::ON,
            plain(&webhook, &nothing),
        ),
        own(
            22,
            "Contoso - Post to RequestBin",
            Is::ON,
            through_connector,
        ),
        own(
            23,
            "Contoso - Suspended carrier sync",
            Is::SUSPENDED,
            plain(&hourly(), &nothing),
        ),
        own(
            24,
            "Contoso - Poll carrier",
            Is::ON,
            plain(&hourly(), &nothing),
        ),
        own(
            25,
            "Contoso - Notify the shop",
            Is::ON,
            plain(&row_added(), &fixed),
        ),
        own(
            26,
            "Contoso - Daily report",
            Is::ON,
            rules::client_data(&[OUTLOOK], &hourly(), &nothing),
        ),
        // Not of Intelligent Order Management, off, and to stay as it is.
        own(27, &watched, Is::OFF, plain(&hourly(), &watching)),
    ]
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
