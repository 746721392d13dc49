//! Administration mode and background operations.

use std::time::Duration;

use serde_json::{Value, json};

use super::environments;
use super::operations::Operation;
use super::timers::{self, Timer};
use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::store::Draft;

/// The duration of an edit.
const DURATION: Duration = Duration::from_mins(1);

/// The members of an environment that a PATCH can change: the same pointers in its body and in the
/// environment.
const MEMBERS: [&str; 5] = [
    "/properties/displayName",
    "/properties/description",
    "/properties/states/runtime/id",
    "/properties/linkedEnvironmentMetadata/backgroundOperationsState",
    "/properties/linkedEnvironmentMetadata/securityGroupId",
];

/// Starts an edit with the members of a request's body; `None` if nothing would change.
pub(crate) fn begin(
    draft: &mut Draft<'_>,
    environment: &str,
    body: &Value,
    requested_by: &str,
) -> Option<Operation> {
    let mut request = serde_json::Map::new();
    for member in MEMBERS {
        if let Some(value) = body.pointer(member) {
            let now = environments::environment(draft, environment)?.pointer(member);
            if now != Some(value) {
                request.insert(member.to_owned(), value.clone());
            }
        }
    }
    if request.is_empty() {
        return None;
    }
    let request = Value::Object(request);
    let operation = Operation::begin(draft, environment, "Edit", DURATION, requested_by, request);
    let timer = Timer::EndEdit {
        operation: operation.id.clone(),
    };
    timers::set(draft, DURATION, &timer);
    Some(operation)
}

/// Ends an edit: the environment has the requested values, but background operations do not run in
/// administration mode (powerplatform-build-tools issue 1203).
pub(super) fn end(draft: &mut Draft<'_>, schema: &Schema, operation: Operation) {
    let environment = operation.environment.clone();
    let were_on = environments::runs_background_operations(draft, &environment);
    if let Some(members) = operation.request.as_object() {
        for (pointer, value) in members {
            environments::set(draft, &environment, pointer, value.clone());
        }
    }
    let background = "/properties/linkedEnvironmentMetadata/backgroundOperationsState";
    if environments::in_administration_mode(draft, &environment) {
        environments::set(draft, &environment, background, json!("Disabled"));
    }
    if environments::runs_background_operations(draft, &environment) {
        super::connections::resume_jobs(draft, schema, &environment);
        if !were_on {
            super::outside::background_operations_come_on(draft, schema, &environment);
        }
    }
    operation.succeed(draft);
}
