//! Cloud flows: the platform's, the customer's own, and in the target some that the copy destroys.

use serde_json::{Value, json};

use super::Garden;
use super::ids::id;
use super::references::DATAVERSE;
use super::solutions::{self, CUSTOMER, ORDER_MANAGEMENT};
use crate::rehearsal::behaviour::flows;

/// The platform's flow *IOM Raise Business Event*.
pub(crate) const RAISE_EVENT: u32 = 1;
/// The parent. Its id comes before its child's, so that flows cannot be turned on by their ids.
pub(crate) const PARENT: u32 = 2;
/// The child that it calls.
pub(crate) const CHILD: u32 = 3;
/// A flow that is off in the source.
pub(crate) const OFF: u32 = 4;

/// Plants them.
pub(super) fn plant(garden: &mut Garden<'_, '_>) {
    flow(
        garden,
        &id("30", RAISE_EVENT),
        "IOM Raise Business Event",
        Is::ON.managed(),
        &json!({}),
    );
    solutions::component(garden, ORDER_MANAGEMENT, &id("30", RAISE_EVENT));
    if garden.plot.is_source() {
        let child = id("30", CHILD);
        let call = json!({
            "Write_order_note": {
                "type": "Workflow",
                "runAfter": {},
                "inputs": {"host": {"workflowReferenceName": child}, "body": {}},
            },
        });
        let parent = json!({
            "For_each_order": {"type": "Foreach", "runAfter": {}, "foreach": "@[]", "actions": call},
        });
        let nothing = json!({});
        for (number, name, is, actions) in [
            (PARENT, "Contoso - Order intake", Is::ON, &parent),
            (CHILD, "Contoso - Write order note", Is::ON, &nothing),
            (OFF, "Contoso - Legacy export", Is::OFF, &nothing),
        ] {
            let id = id("30", number);
            flow(garden, &id, name, is, actions);
            solutions::component(garden, CUSTOMER, &id);
        }
    } else {
        let id = garden.plot.own("30", 9);
        flow(garden, &id, "UAT - Smoke test", Is::ON, &json!({}));
        solutions::component(garden, CUSTOMER, &id);
    }
}

/// How a flow is.
#[derive(Clone, Copy)]
pub(super) struct Is {
    state: i64,
    status: i64,
    managed: bool,
}

impl Is {
    /// Turned on.
    pub(super) const ON: Self = Self {
        state: 1,
        status: 2,
        managed: false,
    };
    /// Turned off.
    pub(super) const OFF: Self = Self {
        state: 0,
        status: 1,
        managed: false,
    };
    /// Suspended for a policy against data loss.
    pub(super) const SUSPENDED: Self = Self {
        state: 2,
        status: 3,
        managed: false,
    };

    /// And brought by a managed solution.
    pub(super) const fn managed(self) -> Self {
        Self {
            managed: true,
            ..self
        }
    }
}

/// Plants a flow that uses the reference for Dataverse.
pub(super) fn flow(garden: &mut Garden<'_, '_>, id: &str, name: &str, is: Is, actions: &Value) {
    let trigger = json!({
        "manual": {"type": "Request", "kind": "Button", "inputs": {"schema": {"type": "object"}}},
    });
    let data = flows::client_data(&[DATAVERSE], &trigger, actions);
    with_data(garden, id, name, is, &data);
}

/// Plants a flow with a text of its own.
pub(super) fn with_data(garden: &mut Garden<'_, '_>, id: &str, name: &str, is: Is, data: &str) {
    let mut row = flows::flow_row(name, data);
    row.insert("ismanaged".to_owned(), json!(is.managed));
    row.insert("statecode".to_owned(), json!(is.state));
    row.insert("statuscode".to_owned(), json!(is.status));
    if is.state == Is::SUSPENDED.state {
        let reason = "The flow uses connectors that a data policy keeps apart.";
        row.insert("suspensionreasondetails".to_owned(), json!(reason));
    }
    garden.plant("workflow", id, Value::Object(row));
}
