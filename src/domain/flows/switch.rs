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

/// What switching a flow needs of its row: the row itself is large.
#[derive(Clone, Debug)]
pub(crate) struct SwitchColumns {
    state: String,
    owner: Option<String>,
    etag: Option<String>,
    /// Why it is suspended, in the service's words.
    suspension: Option<String>,
}

impl SwitchColumns {
    pub(crate) fn from_row(row: &Fields) -> Self {
        Self {
            state: state(row),
            owner: owner_id(row),
            etag: text(row, "@odata.etag"),
            suspension: text(row, "suspensionreasondetails"),
        }
    }

    /// The reading of the flow; its compared fields are the owner too if the owner is set.
    fn into_reading(self, sets_owner: bool) -> Reading {
        let mut value = json!({ "state": self.state });
        if sets_owner {
            value["owner"] = json!(self.owner);
        }
        Reading {
            value,
            etag: self.etag,
            basis: json!(self.suspension),
        }
    }
}

/// A flow of a survey.
pub(crate) struct SurveyedFlow<'a> {
    id: Uuid,
    /// The table of flows.
    table: &'a Table,
    columns: SwitchColumns,
    /// Does another change of the same pass write the flow, so that it has a new version then?
    pub(crate) changes_before: bool,
}

impl<'a> SurveyedFlow<'a> {
    pub(crate) fn new(table: &'a Table, id: Uuid, columns: SwitchColumns) -> Self {
        Self {
            id,
            table,
            columns,
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
            before: self.before.into(),
            after: self.after.into(),
            follows,
            action: self.action,
        }
    }
}

/// Switches a flow, as this user of the directory if there is one.
pub(crate) fn switch(
    refresh: &Arc<RefreshContext>,
    flow: SurveyedFlow<'_>,
    on: bool,
    acting_as: Option<Uuid>,
) -> SwitchChange {
    change(refresh, flow, on, None, acting_as)
}

/// Turns a flow on and gives it its owner, in one request, as Microsoft Learn shows it (*Work with
/// cloud flows using code*: owner and state in one PATCH).
pub(crate) fn turn_on_owned(
    refresh: &Arc<RefreshContext>,
    flow: SurveyedFlow<'_>,
    owner: &Arc<OwnerRow>,
    acting_as: Option<Uuid>,
) -> SwitchChange {
    let has_owner = flow.columns.owner.as_deref() == Some(owner.id.to_string().as_str());
    let owner = (!has_owner).then(|| Arc::clone(owner));
    change(refresh, flow, true, owner, acting_as)
}

fn change(
    refresh: &Arc<RefreshContext>,
    flow: SurveyedFlow<'_>,
    on: bool,
    owner: Option<Arc<OwnerRow>>,
    acting_as: Option<Uuid>,
) -> SwitchChange {
    let SurveyedFlow {
        id, table, columns, ..
    } = flow;
    let is_current = table.optimistic_concurrency && !flow.changes_before;
    let mut after = switched(on);
    if let Some(owner) = &owner {
        after["owner"] = json!(owner.id.to_string());
    }
    SwitchChange {
        before: columns.clone().into_reading(owner.is_some()).value,
        after,
        action: Action::Set(Arc::new(Switch {
            refresh: Arc::clone(refresh),
            entity_set: table.entity_set.as_str().into(),
            id,
            on,
            owner,
            acting_as,
            surveyed: is_current.then_some(columns),
        })),
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

/// One flow's change. It makes its requests when it sends them: a survey may find thousands of
/// flows.
struct Switch {
    refresh: Arc<RefreshContext>,
    entity_set: Box<str>,
    id: Uuid,
    on: bool,
    /// The owner that the flow gets too.
    owner: Option<Arc<OwnerRow>>,
    acting_as: Option<Uuid>,
    /// What the survey read of the flow, unless it has another version by now.
    surveyed: Option<SwitchColumns>,
}

#[async_trait]
impl Set for Switch {
    async fn read(&self) -> Result<Reading, Failure> {
        let target = &self.refresh.target.dataverse;
        let row = target.get(&self.entity_set, self.id, &[]).await?;
        Ok(row.map_or_else(
            || Reading::of(Value::Null),
            |row| self.reading(SwitchColumns::from_row(&row.value)),
        ))
    }

    fn surveyed(&self) -> Option<Reading> {
        let surveyed = self.surveyed.clone();
        surveyed.map(|columns| self.reading(columns))
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
            observed: row.map(|row| self.reading(SwitchColumns::from_row(&row.value)).value),
            ..Written::default()
        })
    }

    fn only_people_write(&self, member: &str) -> bool {
        service_fields::only_people_write(member)
    }

    /// To leave a flow off is safe.
    fn asks_when_undone(&self) -> bool {
        self.on
    }

    /// Switching calls the Flow service, which may take many seconds.
    fn settle_timeout(&self) -> Duration {
        Duration::from_mins(2)
    }
}

impl Switch {
    fn reading(&self, columns: SwitchColumns) -> Reading {
        columns.into_reading(self.owner.is_some())
    }

    /// Sends the request; if the tenant refuses the owner and the state together, the owner
    /// first.
    async fn send(&self, reading: &Reading) -> Result<Option<Row>, Error> {
        let etag = reading.etag.as_deref();
        let Some(owner) = &self.owner else {
            return self.send_body(&body(self.on), etag).await;
        };
        let bind = json!(owner.bind());
        let mut both = body(self.on);
        both["ownerid@odata.bind"] = bind.clone();
        match self.send_body(&both, etag).await {
            Err(error) if is_of_owners(&error) => {
                let owner = json!({ "ownerid@odata.bind": bind });
                let row = self.send_body(&owner, etag).await?;
                let etag = row.and_then(|row| row.etag);
                self.send_body(&body(self.on), etag.as_deref()).await
            }
            sent => sent,
        }
    }

    async fn send_body(&self, body: &Value, etag: Option<&str>) -> Result<Option<Row>, Error> {
        let request = Request::patch(&self.entity_set, self.id, body)
            .showing(&["statecode", "_ownerid_value"])
            .acting_as(self.acting_as);
        send(&self.refresh, &request, etag).await
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
