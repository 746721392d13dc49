//! Switching a cloud flow on or off.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{SUSPENDED, state};
use crate::clients::Table;
use crate::domain::names::{Fields, text};
use crate::domain::tenant_set::{LatestReading, Request, send};
use crate::domain::{RefreshContext, service_fields};
use crate::engine::{Action, Failure, Reading, Set, WriteError, Written};

/// The compared fields of a flow that is switched.
pub(crate) fn switch_value(row: &Fields) -> Value {
    json!({ "state": state(row) })
}

/// The same, of a flow that is on or off.
pub(crate) fn switched(on: bool) -> Value {
    json!({ "state": if on { "on" } else { "off" } })
}

/// What is read of a flow before it is switched.
pub(crate) fn switch_reading(row: &Fields) -> Reading {
    Reading {
        value: switch_value(row),
        etag: text(row, "@odata.etag"),
        basis: json!(text(row, "suspensionreasondetails")),
    }
}

/// What a survey read of a flow that is switched.
pub(crate) fn surveyed_flow(table: &Table, row: &Fields) -> LatestReading {
    let latest = LatestReading::default();
    latest.set(table.optimistic_concurrency.then(|| switch_reading(row)));
    latest
}

/// Switches a flow, as this user of the directory where there is one. Takes the flow's entity set,
/// its id, and what was read of it last.
pub(crate) fn switch(
    refresh: &Arc<RefreshContext>,
    entity_set: &str,
    (id, latest): (Uuid, LatestReading),
    on: bool,
    acting_as: Option<Uuid>,
) -> Action {
    // Both are sent, as Microsoft's own tools do (Center of Excellence kit, *activate flows*).
    let body = if on {
        json!({ "statecode": 1, "statuscode": 2 })
    } else {
        json!({ "statecode": 0, "statuscode": 1 })
    };
    Action::Set(Arc::new(Switch {
        refresh: Arc::clone(refresh),
        entity_set: entity_set.to_owned(),
        id,
        request: Request::patch(entity_set, id, &body).acting_as(acting_as),
        latest,
    }))
}

struct Switch {
    refresh: Arc<RefreshContext>,
    entity_set: String,
    id: Uuid,
    request: Request,
    latest: LatestReading,
}

#[async_trait]
impl Set for Switch {
    async fn read(&self) -> Result<Reading, Failure> {
        let target = &self.refresh.target.dataverse;
        let row = target.get(&self.entity_set, self.id, &[]).await?;
        Ok(row.map_or_else(
            || Reading::of(Value::Null),
            |row| switch_reading(&row.value),
        ))
    }

    fn surveyed(&self) -> Option<Reading> {
        self.latest.get()
    }

    async fn write(&self, reading: &Reading) -> Result<Written, WriteError> {
        let was_suspended = is_suspended(reading);
        let sent = send(&self.refresh, &self.request, reading.etag.as_deref()).await;
        let row = match sent.map_err(WriteError::from) {
            Ok(row) => row,
            Err(WriteError::Refused(failure)) if was_suspended => {
                let failure = failure.during(suspension(reading));
                return Err(WriteError::Refused(with_suspension_help(failure)));
            }
            Err(error) => return Err(error),
        };
        if was_suspended {
            // A successful response does not lift a suspension, and waiting for it would not help.
            let now = self.read().await.map_err(WriteError::InDoubt)?;
            if is_suspended(&now) {
                let failure = Failure::failed(suspension(&now));
                return Err(WriteError::Refused(with_suspension_help(failure)));
            }
        }
        Ok(Written {
            observed: row.map(|row| switch_value(&row.value)),
            ..Written::default()
        })
    }

    fn only_people_write(&self, member: &str) -> bool {
        service_fields::only_people_write(member)
    }

    /// Switching calls the Flow service, which may take many seconds.
    fn settle_timeout(&self) -> Duration {
        Duration::from_mins(2)
    }
}

fn is_suspended(reading: &Reading) -> bool {
    reading.value.pointer("/state").and_then(Value::as_str) == Some(SUSPENDED)
}

/// Why a flow is suspended, in the service's words.
fn suspension(reading: &Reading) -> String {
    match reading.basis.as_str().filter(|reason| !reason.is_empty()) {
        Some(reason) => format!("it is suspended: {reason}"),
        None => "it is suspended, and no reason is given (usually a data loss prevention policy)"
            .to_owned(),
    }
}

fn with_suspension_help(failure: Failure) -> Failure {
    failure
        .with_help(
            "the administrator of the tenant's data policies must allow its connectors in this \
             environment; or except it under `except`",
        )
        .permanent()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspension_is_shown_with_its_reason_and_is_permanent() {
        let reading = Reading {
            basis: json!("policy 'Business only' blocks shared_twitter"),
            ..Reading::of(json!({ "state": "suspended" }))
        };
        assert!(is_suspended(&reading) && !is_suspended(&Reading::of(switched(false))));
        assert!(suspension(&reading).contains("'Business only'"));
        let failure = with_suspension_help(Failure::failed(suspension(&reading)));
        assert!(!failure.retryable && failure.help.is_some());
        assert!(suspension(&Reading::of(json!({ "state": "suspended" }))).contains("no reason"));
    }
}
