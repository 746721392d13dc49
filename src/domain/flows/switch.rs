//! Switching a cloud flow on or off.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{SUSPENDED, state};
use crate::clients::{Error, Row, Table};
use crate::domain::connections::{OwnerRow, owner_id};
use crate::domain::names::{Fields, text};
use crate::domain::row_changes::{Request, send};
use crate::domain::{RefreshContext, service_fields};
use crate::engine::{Action, Change, Failure, Reading, Set, WriteError, Written};

/// Dataverse's codes for a flow whose owner may not be set, or who does not turn it on.
const OF_OWNERS: [&str; 2] = ["0x8004500b", "0x8004500c"];

/// The compared fields of a flow that is switched.
pub(crate) fn switch_value(row: &Fields) -> Value {
    json!({ "state": state(row) })
}

/// The same, of a flow that is on or off.
pub(crate) fn switched(on: bool) -> Value {
    json!({ "state": if on { "on" } else { "off" } })
}

/// The compared fields of a flow that gets its owner too.
fn owned_value(row: &Fields) -> Value {
    json!({ "state": state(row), "owner": owner_id(row) })
}

/// A flow of a survey.
pub(crate) struct SurveyedFlow<'a> {
    id: Uuid,
    /// The table of flows.
    table: &'a Table,
    row: &'a Fields,
    /// Does another change of the same pass write the flow, so that it has a new version then?
    pub(crate) changes_before: bool,
}

impl<'a> SurveyedFlow<'a> {
    pub(crate) fn new(table: &'a Table, id: Uuid, row: &'a Fields) -> Self {
        Self {
            id,
            table,
            row,
            changes_before: false,
        }
    }
}

/// What a flow's change compares, and what it does.
pub(crate) struct SwitchChange {
    before: Value,
    after: Value,
    action: Action,
}

impl SwitchChange {
    /// The change. Takes its key, its name, and the keys of the changes that it follows.
    pub(crate) fn into_change(self, key: String, name: String, follows: Vec<String>) -> Change {
        Change {
            key,
            name,
            before: self.before,
            after: self.after,
            follows,
            action: self.action,
        }
    }
}

/// Switches a flow, as this user of the directory if there is one.
pub(crate) fn switch(
    refresh: &Arc<RefreshContext>,
    flow: &SurveyedFlow<'_>,
    on: bool,
    acting_as: Option<Uuid>,
) -> SwitchChange {
    let before = switch_value(flow.row);
    let request = request(flow, &body(on), acting_as);
    SwitchChange {
        action: action(refresh, flow, (switch_value, &before), (request, None)),
        before,
        after: switched(on),
    }
}

/// Turns a flow on and gives it its owner, in one request, as Microsoft Learn shows it (*Work with
/// cloud flows using code*: owner and state in one PATCH).
pub(crate) fn turn_on_owned(
    refresh: &Arc<RefreshContext>,
    flow: &SurveyedFlow<'_>,
    owner: &OwnerRow,
    acting_as: Option<Uuid>,
) -> SwitchChange {
    let before = owned_value(flow.row);
    if before["owner"] == owner.id.to_string() {
        return switch(refresh, flow, true, acting_as);
    }
    let bind = json!(owner.bind());
    let mut both = body(true);
    both["ownerid@odata.bind"] = bind.clone();
    let both = request(flow, &both, acting_as);
    let parts = [json!({ "ownerid@odata.bind": bind }), body(true)];
    let parts = parts.map(|part| request(flow, &part, acting_as));
    SwitchChange {
        action: action(refresh, flow, (owned_value, &before), (both, Some(parts))),
        before,
        after: json!({ "state": "on", "owner": owner.id.to_string() }),
    }
}

/// The columns that switch a flow. Both are sent, as Microsoft's own tools do (Center of Excellence
/// kit, *activate flows*).
fn body(on: bool) -> Value {
    if on {
        json!({ "statecode": 1, "statuscode": 2 })
    } else {
        json!({ "statecode": 0, "statuscode": 1 })
    }
}

fn request(flow: &SurveyedFlow<'_>, body: &Value, acting_as: Option<Uuid>) -> Request {
    Request::patch(&flow.table.entity_set, flow.id, body)
        .showing(&["statecode", "_ownerid_value"])
        .acting_as(acting_as)
}

/// The compared fields of a row.
type Compared = fn(&Fields) -> Value;

fn action(
    refresh: &Arc<RefreshContext>,
    flow: &SurveyedFlow<'_>,
    (compared, before): (Compared, &Value),
    (request, parts): (Request, Option<[Request; 2]>),
) -> Action {
    let is_current = flow.table.optimistic_concurrency && !flow.changes_before;
    let surveyed = is_current.then(|| reading(compared, flow.row));
    debug_assert!(surveyed.as_ref().is_none_or(|read| read.value == *before));
    Action::Set(Arc::new(Switch {
        refresh: Arc::clone(refresh),
        entity_set: flow.table.entity_set.clone(),
        id: flow.id,
        compared,
        request,
        parts,
        surveyed,
    }))
}

/// The reading of a flow before it is switched.
fn reading(compared: Compared, row: &Fields) -> Reading {
    Reading {
        value: compared(row),
        etag: text(row, "@odata.etag"),
        basis: json!(text(row, "suspensionreasondetails")),
    }
}

struct Switch {
    refresh: Arc<RefreshContext>,
    entity_set: String,
    id: Uuid,
    compared: Compared,
    request: Request,
    /// The same as two requests, for a tenant that refuses it because of the owner.
    parts: Option<[Request; 2]>,
    /// What the survey read of the flow, unless it has another version by now.
    surveyed: Option<Reading>,
}

#[async_trait]
impl Set for Switch {
    async fn read(&self) -> Result<Reading, Failure> {
        let target = &self.refresh.target.dataverse;
        let row = target.get(&self.entity_set, self.id, &[]).await?;
        Ok(row.map_or_else(
            || Reading::of(Value::Null),
            |row| reading(self.compared, &row.value),
        ))
    }

    fn surveyed(&self) -> Option<Reading> {
        self.surveyed.clone()
    }

    async fn write(&self, reading: &Reading) -> Result<Written, WriteError> {
        let was_suspended = is_suspended(reading);
        let row = match self.send(reading).await.map_err(WriteError::from) {
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
            observed: row.map(|row| (self.compared)(&row.value)),
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

impl Switch {
    /// Sends the request; if the tenant refuses the owner and the state together, the owner
    /// first.
    async fn send(&self, reading: &Reading) -> Result<Option<Row>, Error> {
        let sent = send(&self.refresh, &self.request, reading.etag.as_deref()).await;
        match (sent, &self.parts) {
            (Err(error), Some([owner, state])) if is_of_owners(&error) => {
                let row = send(&self.refresh, owner, reading.etag.as_deref()).await?;
                let etag = row.and_then(|row| row.etag);
                send(&self.refresh, state, etag.as_deref()).await
            }
            (sent, _) => sent,
        }
    }
}

/// Did Dataverse refuse a request because of the flow's owner?
fn is_of_owners(error: &Error) -> bool {
    let code = error.code.as_deref().unwrap_or_default();
    OF_OWNERS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(code))
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
