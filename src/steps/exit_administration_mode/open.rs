//! Phase `open`: administration mode off, background operations on.
//!
//! The reply to this change may be lost while its operation runs, and the service then refuses a second
//! one as busy. The operation that runs on the target is waited for in both cases: what is read back
//! afterwards decides whether it was this change's own.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::admit::{Admission, admission};
use super::read;
use crate::clients::{Environment, OperationHandle, OperationState};
use crate::domain::failure::launch_error;
use crate::domain::view::View;
use crate::domain::{Refresh, after_copy, service_fields};
use crate::engine::{
    Action, Barrier, Change, Failure, Known, Progress, Reading, Set, Survey, WriteError, Written,
};

/// Finds whether the environment is still closed.
pub(super) struct Open(pub(super) Arc<Refresh>);

fn state(environment: &Environment) -> Value {
    json!({
        "runtime": environment.runtime_state,
        "background-operations": environment.background_operations,
    })
}

#[async_trait]
impl Survey for Open {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let environment = read(refresh).await?;
        let environment = match refresh.view(known) {
            View::Target(_) => environment,
            View::AfterCopy(_) => after_copy::environment(&environment),
        };
        let before = state(&environment);
        let after = json!({ "runtime": "Enabled", "background-operations": "Enabled" });
        if before == after {
            return Ok(Vec::new());
        }
        Ok(vec![Change {
            key: format!("administration-mode/{}", refresh.target_id()),
            name: format!(
                "take '{}' out of administration mode",
                refresh.runbook.target.name
            ),
            before,
            after,
            follows: Vec::new(),
            action: Action::Set(Arc::new(RuntimeState(Arc::clone(refresh)))),
        }])
    }

    async fn barrier(&self, _known: &Known) -> Result<Barrier, Failure> {
        match self.0.target.who_am_i().await {
            Ok(_) => Ok(Barrier::Passed),
            Err(error) => match admission(&error) {
                Admission::Closed => Ok(Barrier::Holds(
                    "the admin API says that administration mode is off, and Dataverse does not \
                     know it yet"
                        .to_owned(),
                )),
                Admission::NoUser | Admission::Refused => Ok(Barrier::Holds(format!(
                    "the target refuses the caller so far: {}",
                    error.message
                ))),
                Admission::Unknown => Err(error.into()),
            },
        }
    }
}

struct RuntimeState(Arc<Refresh>);

/// The member of a handle that holds the id of an operation that was found on the target.
const RUNNING: &str = "running-on-target";

impl RuntimeState {
    /// The id of the operation that runs on the target, where it may be a change of its state.
    async fn running(&self) -> Result<Option<String>, Failure> {
        let operation = read(&self.0).await?.ongoing_operation;
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
        Ok(Reading::of(state(&read(&self.0).await?)))
    }

    async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
        let handle = self
            .0
            .bap
            .set_runtime_state(self.0.target_id(), "Enabled", "Enabled")
            .await;
        match handle {
            Ok(handle) => Ok(Written {
                operation: handle.map(|handle| json!(handle)),
            }),
            Err(error) if error.is_clear_refusal() => Err(error.into()),
            Err(error) => match self.running().await {
                Ok(Some(id)) => Ok(Written {
                    operation: Some(json!({ RUNNING: id })),
                }),
                // What is read back decides: a 409 may come from this change's own operation.
                Ok(None) | Err(_) => Err(launch_error(error)),
            },
        }
    }

    fn only_people_write(&self, member: &str) -> bool {
        service_fields::only_people_write(member)
    }

    async fn poll(&self, operation: &Value) -> Result<Progress, Failure> {
        if let Some(id) = operation.get(RUNNING) {
            let now = self.running().await?;
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
        let Some(operation) = self.0.bap.operation(&handle).await? else {
            return Ok(Progress::Missing);
        };
        Ok(match operation.state {
            OperationState::Succeeded => Progress::Succeeded(operation.raw),
            OperationState::Failed => Progress::Failed(
                operation
                    .error
                    .unwrap_or_else(|| "no reason given".to_owned()),
            ),
            OperationState::Running | OperationState::ValidationPassed => {
                Progress::Running(operation.stage.unwrap_or_else(|| "running".to_owned()))
            }
            OperationState::Unknown(state) => Progress::Running(format!("state '{state}'")),
        })
    }
}
