//! Phase `open`: administration mode off, background operations on.
//!
//! The response to this change may be lost while its operation runs, and the service then refuses a
//! second request as busy. In both cases the program waits for the operation that runs on the
//! target. The state that is read afterwards decides whether that operation was this change's own.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::admit::{Refusal, classify_refusal, refusal_failure};
use crate::clients::{Environment, OperationHandle};
use crate::domain::environments::read_target;
use crate::domain::failure::launch_error;
use crate::domain::operation_progress::operation_progress;
use crate::domain::view::View;
use crate::domain::{RefreshContext, after_copy, keys, service_fields};
use crate::engine::{
    Action, Barrier, Change, Failure, JournalView, Progress, Reading, Set, Survey, WriteError,
    Written,
};

/// Finds whether administration mode is still on, or background operations are off.
pub(super) struct Open(pub(super) Arc<RefreshContext>);

/// The compared fields of the environment.
fn runtime_state(environment: &Environment) -> Value {
    json!({
        "runtime": environment.runtime_state,
        "background-operations": environment.background_operations,
    })
}

#[async_trait]
impl Survey for Open {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let environment = read_target(refresh).await?;
        let environment = match refresh.view(journal) {
            View::AsIs(_) => environment,
            View::AfterCopy(_) => after_copy::environment(&environment),
        };
        let before = runtime_state(&environment);
        let after = json!({ "runtime": "Enabled", "background-operations": "Enabled" });
        if before == after {
            return Ok(Vec::new());
        }
        Ok(vec![Change {
            key: keys::administration_mode(refresh.target_id()),
            name: format!(
                "take '{}' out of administration mode",
                refresh.runbook.target.name
            ),
            before: before.into(),
            after: after.into(),
            follows: Vec::new(),
            action: Action::Set(Arc::new(RuntimeState(Arc::clone(refresh)))),
        }])
    }

    async fn barrier(&self, _journal: &JournalView) -> Result<Barrier, Failure> {
        match self.0.target.dataverse.who_am_i().await {
            Ok(_) => Ok(Barrier::Passed),
            Err(error) => match classify_refusal(&error) {
                Refusal::AdministrationMode => Ok(Barrier::Holds(
                    "administration mode is off in the admin API, but not yet in Dataverse"
                        .to_owned(),
                )),
                Refusal::NoUser | Refusal::Other if error.may_be_provisioning() => {
                    Ok(Barrier::Holds(format!(
                        "the target still refuses the caller: {}",
                        error.message
                    )))
                }
                // Waiting does not help, and each minute of it is lost.
                Refusal::NoUser | Refusal::Other => Err(refusal_failure(error)),
                Refusal::NotRefused => Err(error.into()),
            },
        }
    }
}

struct RuntimeState(Arc<RefreshContext>);

/// The member of a handle that holds the id of an operation found on the target.
const RUNNING: &str = "running-on-target";

impl RuntimeState {
    /// The id of the operation that runs on the target, if it may be a change of its state.
    async fn running_operation(&self) -> Result<Option<String>, Failure> {
        let operation = read_target(&self.0).await?.ongoing_operation;
        let is_edit = |kind: &str| {
            let kind = kind.to_ascii_lowercase();
            ["edit", "update", "enable"]
                .iter()
                .any(|part| kind.contains(part))
        };
        let operation = operation.filter(|found| found.kind.as_deref().is_none_or(is_edit));
        Ok(operation.map(|found| found.id.unwrap_or_default()))
    }
}

#[async_trait]
impl Set for RuntimeState {
    async fn read(&self) -> Result<Reading, Failure> {
        Ok(Reading::of(runtime_state(&read_target(&self.0).await?)))
    }

    async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
        let handle = self
            .0
            .services
            .bap
            .set_runtime_state(self.0.target_id(), "Enabled", "Enabled")
            .await;
        match handle {
            Ok(handle) => Ok(Written {
                operation: handle.map(|handle| json!(handle)),
                ..Written::default()
            }),
            Err(error) if error.is_clear_refusal() => Err(error.into()),
            Err(error) => match self.running_operation().await {
                Ok(Some(id)) => Ok(Written {
                    operation: Some(json!({ RUNNING: id })),
                    ..Written::default()
                }),
                // The state that is read next decides: a 409 may be due to this change's own
                // operation.
                Ok(None) | Err(_) => Err(launch_error(error)),
            },
        }
    }

    fn only_people_write(&self, member: &str) -> bool {
        service_fields::only_people_write(member)
    }

    async fn poll(&self, operation: &Value) -> Result<Progress, Failure> {
        if let Some(id) = operation.get(RUNNING) {
            let now = self.running_operation().await?;
            return Ok(match now {
                Some(running) if json!(running) == *id => {
                    Progress::Running("an operation is running on the target".to_owned())
                }
                _ => Progress::Succeeded(Value::Null),
            });
        }
        let handle: OperationHandle =
            serde_json::from_value(operation.clone()).map_err(|error| {
                Failure::failed(format!("the operation's handle is damaged: {error}"))
            })?;
        let Some(operation) = self.0.services.bap.operation(&handle).await? else {
            return Ok(Progress::Missing);
        };
        Ok(operation_progress(operation))
    }
}
