//! Long-running operations of the admin APIs, in one form.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{Error, ErrorKind, presentable};
use super::http::{Response, Service, ServiceError};

/// An operation as the service describes it. A member that the service leaves out is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// Its type as the service writes it: `Copy`, `Edit`.
    pub kind: Option<String>,
    /// Its state.
    pub state: OperationState,
    /// When it started, as the service wrote it.
    pub started: Option<String>,
    /// When it ended, as the service wrote it; for the older API its last action, once it has
    /// ended.
    pub ended: Option<String>,
    /// Who requested it: an id if there is one (`SYSTEM` has none), else a name.
    pub requested_by: Option<String>,
    /// The name of the user that requested it.
    pub requested_by_name: Option<String>,
    /// The environment that it changes, if the service says so.
    pub environment: Option<String>,
    /// The stage that is running or failed, else the last one: `Run`.
    pub stage: Option<String>,
    /// Why it failed, as the service reports it.
    pub error: Option<String>,
    /// How long the service asks to wait before the next poll.
    pub retry_after: Option<Duration>,
    /// The whole response.
    pub raw: Value,
}

/// The state of an operation. Both API families are supported; an unknown word is neither success
/// nor failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OperationState {
    /// Queued, not started, running.
    Running,
    /// Ended successfully.
    Succeeded,
    /// Failed, or was cancelled.
    Failed,
    /// Only a validation ran, and it passed.
    ValidationPassed,
    /// An unknown word.
    Unknown(String),
}

impl OperationState {
    /// Parses the service's word, case-insensitively. BAP: `NotStarted`, `Running`, `Succeeded`,
    /// `Failed` (recorded), and `Completed` as published scripts expect it. Power Platform API:
    /// the values of `OperationStatus` in Microsoft's SDK, api-version 2024-10-01.
    pub fn from_word(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "notstarted" | "running" | "queued" | "inprogress" => Self::Running,
            "succeeded" | "completed" => Self::Succeeded,
            "failed" | "validationfailed" | "canceled" | "cancelled" => Self::Failed,
            "validationpassed" => Self::ValidationPassed,
            _ => Self::Unknown(word.to_owned()),
        }
    }

    /// Whether it has ended, successfully or not. `false` for an unknown state.
    pub fn has_ended(&self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::ValidationPassed
        )
    }
}

/// Where an operation is polled. It is stored in the journal; its origin is checked again at each
/// use.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OperationHandle {
    /// The name of the service that returned it.
    pub service: String,
    /// The absolute URL to poll.
    pub url: String,
    /// The operation's id in the URL.
    pub id: Option<String>,
}

/// The response to a request that starts an operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// Where to poll it; `None` if the response has no link or one that is not followed. Then the
    /// operations of the environment must be listed.
    pub handle: Option<OperationHandle>,
    /// The link that is not followed, because it leads to another origin.
    pub refused_link: Option<String>,
    /// The `Date` header of the response.
    pub service_date: Option<String>,
    /// The service's id of the request (`x-ms-correlation-id`).
    pub correlation: Option<String>,
}

impl Operation {
    /// Parses an operation of either API family; `None` without an id or a state.
    pub fn from_value(value: &Value) -> Option<Self> {
        let text = |pointer: &str| {
            value
                .pointer(pointer)
                .and_then(Value::as_str)
                .filter(|t| !t.is_empty())
        };
        let first = |pointers: &[&str]| pointers.iter().find_map(|p| text(p)).map(str::to_owned);
        let id = first(&["/operationId", "/id"])?;
        let state = OperationState::from_word(&first(&["/state/id", "/status", "/state"])?);
        let ended = first(&["/endTime"]).or_else(|| {
            state
                .has_ended()
                .then(|| first(&["/lastActionDateTime"]))
                .flatten()
        });
        Some(Self {
            kind: first(&["/type/id", "/name", "/typeDisplayName"]),
            started: first(&["/startTime", "/createdDateTime"]),
            ended,
            requested_by: first(&[
                "/requestedBy/userId",
                "/requestedBy/id",
                "/requestedBy/displayName",
            ]),
            requested_by_name: first(&["/requestedBy/displayName"]),
            environment: first(&["/updatedEnvironment/environmentId"]).or_else(|| {
                let path = text("/links/environment/path")?;
                path.rsplit('/')
                    .next()
                    .filter(|id| !id.is_empty())
                    .map(str::to_owned)
            }),
            stage: parse_stage(value),
            error: parse_error(value),
            retry_after: None,
            raw: value.clone(),
            id,
            state,
        })
    }

    /// How long it took by the service's own times; none if it has not ended or they are missing.
    pub fn duration(&self) -> Option<Duration> {
        let time = |text: &Option<String>| text.as_deref()?.parse::<jiff::Timestamp>().ok();
        let took = time(&self.ended)?.duration_since(time(&self.started)?);
        took.try_into().ok()
    }

    /// A running operation without details: a response of 409 or 202 to a poll.
    fn still_running(handle: &OperationHandle, raw: Value) -> Self {
        Self {
            id: handle.id.clone().unwrap_or_default(),
            kind: None,
            state: OperationState::Running,
            started: None,
            ended: None,
            requested_by: None,
            requested_by_name: None,
            environment: None,
            stage: None,
            error: None,
            retry_after: None,
            raw,
        }
    }
}

/// The most relevant stage: the failed one, else the running one, else the last one that has
/// started.
fn parse_stage(value: &Value) -> Option<String> {
    let stages = value
        .get("stages")
        .or_else(|| value.get("stageStatuses"))?
        .as_array()?;
    let name = |stage: &Value| {
        let name = stage.get("name").or_else(|| stage.get("id"))?;
        name.as_str().map(str::to_owned)
    };
    let word = |stage: &Value| {
        let state = stage.pointer("/state/id").or_else(|| stage.get("status"));
        state
            .and_then(Value::as_str)
            .map(str::to_ascii_lowercase)
            .unwrap_or_default()
    };
    let with = |wanted: &[&str]| {
        stages
            .iter()
            .find(|stage| wanted.contains(&word(stage).as_str()))
    };
    with(&["failed"])
        .or_else(|| with(&["running", "inprogress"]))
        .or_else(|| {
            stages
                .iter()
                .rev()
                .find(|stage| word(stage) != "notstarted")
        })
        .and_then(name)
}

/// The service's reason: BAP's `error`, the Power Platform API's `errorDetail`, of the operation or
/// of a stage.
fn parse_error(value: &Value) -> Option<String> {
    let stages = value.get("stageStatuses").and_then(Value::as_array);
    let of_stages = stages.into_iter().flatten();
    let reason = std::iter::once(value).chain(of_stages).find_map(|holder| {
        ["error", "errorDetail"].iter().find_map(|member| {
            let found = holder.get(*member).filter(|found| found.is_object())?;
            let body = serde_json::json!({ *member: found });
            Some(ServiceError::parse(Some(&body), &[]))
        })
    })?;
    let text = match reason.code {
        Some(code) if reason.message.is_empty() => code,
        Some(code) => format!("{code}: {}", reason.message),
        None => reason.message,
    };
    Some(presentable(&text))
}

/// Reads a response that accepts a request, with the handle in `Operation-Location` (`copyTo`) or
/// `Location` (most others; headers as recorded from the admin API).
pub(super) fn read_accepted(service: &Service, response: &Response) -> Accepted {
    let headers = ["operation-location", "location"];
    let (url, refused_link) = service.resolve_header(response, &headers);
    let handle = url.map(|url| OperationHandle {
        service: service.name().to_owned(),
        id: parse_operation_id(url.path()),
        url: url.into(),
    });
    Accepted {
        handle,
        refused_link,
        service_date: response.date(),
        correlation: response.header("x-ms-correlation-id").map(presentable),
    }
}

/// The id in the path of a poll URL: the segment after `operations` or `lifecycleOperations`.
fn parse_operation_id(path: &str) -> Option<String> {
    let mut segments = path.split('/');
    segments.find(|segment| {
        segment.eq_ignore_ascii_case("operations")
            || segment.eq_ignore_ascii_case("lifecycleOperations")
    })?;
    segments
        .next()
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
}

/// Reads the response to a poll. 404 is `None`, which says nothing about how the operation ended;
/// 409 and 202 without an operation mean that it is still running (as the Terraform provider for
/// Power Platform found).
pub(super) fn read_poll(
    handle: &OperationHandle,
    response: Result<Response, Error>,
) -> Result<Option<Operation>, Error> {
    let response = match response {
        Ok(response) => response,
        Err(error) => {
            return match error.kind {
                ErrorKind::NotFound => Ok(None),
                ErrorKind::Busy | ErrorKind::Conflict => {
                    let raw = error.body.clone().unwrap_or_default();
                    Ok(Some(Operation::still_running(handle, raw)))
                }
                _ => Err(error),
            };
        }
    };
    let body = response.maybe_value();
    let operation = match body.as_ref().and_then(Operation::from_value) {
        Some(operation) => operation,
        None if response.status() == 202 => {
            Operation::still_running(handle, body.unwrap_or_default())
        }
        None => return Err(response.malformed("the response to a poll contains no operation")),
    };
    Ok(Some(Operation {
        retry_after: response.retry_after(),
        ..operation
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_recorded_successful_operation_is_parsed() {
        let value = json!({
            "id": "b03e1e6d-73db-4367-90e1-2e378bf7e2fc",
            "links": {
                "self": {"path": "/providers/Microsoft.BusinessAppPlatform/lifecycleOperations/b03e1e6d-73db-4367-90e1-2e378bf7e2fc"},
                "environment": {"path": "/providers/Microsoft.BusinessAppPlatform/environments/00000000-0000-0000-0000-000000000001"},
            },
            "type": {"id": "Create"}, "typeDisplayName": "Create", "state": {"id": "Succeeded"},
            "createdDateTime": "2023-10-11T07:45:25.3761337Z",
            "lastActionDateTime": "2023-10-11T07:45:43.4915067Z",
            "requestedBy": {"id": "8784d9fb-deb0-4811-96ce-fbf21cf3a1fc", "displayName": "ServicePrincipal", "type": "ServicePrincipal", "tenantId": "123"},
            "stages": [
                {"id": "Run", "name": "Run", "state": {"id": "Succeeded"}},
                {"id": "Finalize", "name": "Finalize", "state": {"id": "Succeeded"}},
            ],
        });
        let operation = Operation::from_value(&value).unwrap();
        assert_eq!(operation.state, OperationState::Succeeded);
        assert_eq!(operation.kind.as_deref(), Some("Create"));
        assert_eq!(
            operation.ended.as_deref(),
            Some("2023-10-11T07:45:43.4915067Z")
        );
        assert_eq!(operation.duration().map(|took| took.as_secs()), Some(18));
        assert_eq!(
            operation.requested_by.as_deref(),
            Some("8784d9fb-deb0-4811-96ce-fbf21cf3a1fc")
        );
        assert_eq!(
            operation.environment.as_deref(),
            Some("00000000-0000-0000-0000-000000000001")
        );
        assert_eq!(operation.stage.as_deref(), Some("Finalize"));
        assert_eq!(operation.error, None);
    }

    #[test]
    fn a_recorded_failure_has_a_stage_but_no_reason() {
        let value = json!({
            "id": "b03e1e6d-73db-4367-90e1-2e378bf7e2fc",
            "links": {"environment": {"path": ""}},
            "type": {"id": "Create"}, "state": {"id": "Failed"},
            "requestedBy": {"displayName": "SYSTEM", "type": "NotSpecified"},
            "stages": [
                {"name": "Validate", "state": {"id": "Succeeded"}},
                {"name": "Run", "state": {"id": "Failed"}},
            ],
        });
        let operation = Operation::from_value(&value).unwrap();
        assert_eq!(operation.state, OperationState::Failed);
        assert_eq!(operation.stage.as_deref(), Some("Run"));
        assert_eq!(operation.requested_by.as_deref(), Some("SYSTEM"));
        assert_eq!(operation.duration(), None);
        assert_eq!((operation.environment, operation.error), (None, None));
    }

    #[test]
    fn the_newer_form_is_parsed_with_the_error_of_its_stage() {
        let value = json!({
            "operationId": "8f2c", "name": "Copy", "status": "Failed", "startTime": "2026-08-20T08:00:12Z",
            "endTime": "2026-08-20T09:00:12Z", "requestedBy": {"userId": "u", "displayName": "svc-copy"},
            "errorDetail": null,
            "stageStatuses": [{"name": "Run", "status": "Failed", "errorDetail": {
                "code": "CopyFailed", "fieldErrors": {"target": {"errorMessages": ["no space"]}}}}],
        });
        let operation = Operation::from_value(&value).unwrap();
        assert_eq!(
            operation.error.as_deref(),
            Some("CopyFailed: target: no space")
        );
        assert_eq!(operation.kind.as_deref(), Some("Copy"));
        assert_eq!(operation.requested_by_name.as_deref(), Some("svc-copy"));
    }

    #[test]
    fn an_unknown_state_is_neither_success_nor_failure() {
        let state = OperationState::from_word("Postponed");
        assert_eq!(state, OperationState::Unknown("Postponed".to_owned()));
        assert!(!state.has_ended());
        assert_eq!(
            OperationState::from_word("inprogress"),
            OperationState::Running
        );
        assert_eq!(
            OperationState::from_word("NoOperation"),
            OperationState::Unknown("NoOperation".to_owned())
        );
        assert_eq!(Operation::from_value(&json!({"status": "Running"})), None);
    }

    #[test]
    fn the_id_is_parsed_from_poll_urls_of_both_families() {
        let id = |path| parse_operation_id(path);
        assert_eq!(
            id("/providers/Microsoft.BusinessAppPlatform/lifecycleOperations/abc").as_deref(),
            Some("abc")
        );
        assert_eq!(
            id("/environmentmanagement/environments/e/operations/abc").as_deref(),
            Some("abc")
        );
        assert_eq!(
            id("/environmentmanagement/environments/e/operations/"),
            None
        );
        assert_eq!(id("/somewhere/else"), None);
    }
}
