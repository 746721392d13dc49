//! System jobs that wait in production.

use serde_json::json;

use super::super::Seeder;
use super::super::ids::id;
use super::messages::{CONFIRMATION, QUEUED_STEP};
use crate::rehearsal::behaviour::organization::lookup_value;

pub(super) fn insert(seeder: &mut Seeder<'_, '_>) {
    let step = lookup_value("sdkmessageprocessingstep", &id("e4", QUEUED_STEP));
    let workflow = lookup_value("workflow", &id("30", CONFIRMATION));
    let rows = [
        (
            1,
            json!({
                "name": "Contoso order hub: Update of connectionreference", "operationtype": 1,
                "owningextensionid": step, "messagename": "Update",
                "primaryentitytype": "connectionreference", "statecode": 0, "statuscode": 0,
            }),
        ),
        (
            2,
            json!({
                "name": "Spring newsletter", "operationtype": 2, "statecode": 1, "statuscode": 10,
            }),
        ),
        (
            3,
            json!({
                "name": "Contoso - Order confirmation", "operationtype": 10,
                "workflowactivationid": workflow, "primaryentitytype": "salesorder",
                "statecode": 1, "statuscode": 10,
            }),
        ),
        // Acts only inside.
        (
            4,
            json!({
                "name": "Delete old system jobs", "operationtype": 13, "statecode": 1,
                "statuscode": 10, "recurrencepattern": "FREQ=DAILY;INTERVAL=1;",
                "recurrencestarttime": "2026-03-01T02:00:00Z",
            }),
        ),
        // The platform's: cannot be canceled.
        (
            5,
            json!({
                "name": "Organization Full Text Catalog Index", "operationtype": 25,
                "statecode": 1, "statuscode": 10,
            }),
        ),
    ];
    for (number, row) in rows {
        seeder.insert("asyncoperation", &id("ed", number), row);
    }
}
