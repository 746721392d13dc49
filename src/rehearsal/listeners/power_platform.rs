//! The Power Platform API: environment management, application packages, connections.
//!
//! Routes, names and values as Microsoft's generated client and Microsoft Learn (api-version
//! 2024-10-01) have them.

use serde_json::{Value, json};

use super::authentication;
use super::inventory;
use super::message::Answer;
use super::{Listener, Turn};
use crate::rehearsal::behaviour::copy::{self, CopyRefusal, CopyRequest};
use crate::rehearsal::behaviour::environments;
use crate::rehearsal::behaviour::operations::{self, Operation, State};
use crate::rehearsal::clock::Moment;

const VERSIONS: [&str; 3] = ["2024-10-01", "2022-03-01-preview", "1"];

/// Answers a request.
pub(super) fn answer(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    let token = authentication::token(turn)?;
    authentication::administrator(turn, &token)?;
    let version = turn.request.option("api-version").unwrap_or_default();
    if !VERSIONS.contains(&version) {
        let text = format!("The api-version '{version}' is invalid.");
        return Err(Answer::error(400, "InvalidApiVersion", &text));
    }
    let path = turn.request.path.trim_start_matches('/').to_owned();
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let answer = match (turn.request.method.as_str(), segments.as_slice()) {
        ("GET", ["environmentmanagement", "environments"]) => list(turn),
        ("GET", ["environmentmanagement", "environments", id]) => {
            let body = shown(turn, id).ok_or_else(|| not_found(id))?;
            Answer::json(200, &body)
        }
        ("POST", ["environmentmanagement", "environments", id, "copy"]) => {
            copied(turn, id, &token.object)?
        }
        (
            "GET",
            [
                "environmentmanagement",
                "environments",
                id,
                "copyCandidates",
            ],
        ) => candidates(turn, id)?,
        ("GET", ["environmentmanagement", "environments", id, "operations"]) => {
            operation_list(turn, id)?
        }
        (
            "GET",
            [
                "environmentmanagement",
                "environments",
                _,
                "operations",
                operation,
            ]
            | ["environmentmanagement", "operations", operation],
        ) => one_operation(turn, &segments, operation)?,
        ("GET", ["appmanagement", "environments", id, "applicationPackages"]) => {
            inventory::packages(turn, id)?
        }
        ("GET", ["connectivity", "environments", id, "connections"]) => {
            inventory::connections(turn, id)?
        }
        _ => Answer::error(404, "NotFound", "No route of the rehearsal tenant fits."),
    };
    Ok(answer.with_unique("x-ms-correlation-id"))
}

/// The answer that an environment is not there.
pub(super) fn not_found(environment: &str) -> Answer {
    let text = format!("The environment '{environment}' could not be found.");
    Answer::error(404, "EnvironmentNotFound", &text)
}

/// The refusal of environment management: there is no text but in the fields' errors.
fn validation(refusal: &CopyRefusal) -> Answer {
    let body = json!({
        "errorDetail": {
            "code": refusal.code,
            "fieldErrors": {refusal.field: {"errorMessages": [refusal.message]}},
        },
    });
    Answer::json(refusal.status, &body)
}

fn list(turn: &Turn<'_, '_>) -> Answer {
    let ids: Vec<String> = turn
        .draft
        .under("environment/")
        .filter_map(|(key, _)| key.strip_prefix("environment/").map(str::to_owned))
        .collect();
    let value: Vec<Value> = ids.iter().filter_map(|id| shown(turn, id)).collect();
    Answer::json(200, &json!({"value": value}))
}

/// An environment in this API's form, which is flatter than the older one.
fn shown(turn: &Turn<'_, '_>, id: &str) -> Option<Value> {
    let environment = environments::environment(&turn.draft, id)?;
    let at = |pointer: &str| environment.pointer(pointer).cloned().unwrap_or(Value::Null);
    let metadata = |name: &str| at(&format!("/properties/linkedEnvironmentMetadata/{name}"));
    let in_administration_mode = environments::in_administration_mode(&turn.draft, id);
    Some(json!({
        "id": at("/name"),
        "displayName": at("/properties/displayName"),
        "type": at("/properties/environmentSku"),
        "state": at("/properties/states/management/id"),
        "tenantId": at("/properties/tenantId"),
        "geo": at("/location"),
        "azureRegion": at("/properties/azureRegion"),
        "adminMode": if in_administration_mode { "Enabled" } else { "Disabled" },
        "backgroundOperationsState": metadata("backgroundOperationsState"),
        "protectionLevel": at("/properties/governanceConfiguration/protectionLevel"),
        "securityGroupId": metadata("securityGroupId"),
        "dataverseId": metadata("resourceId"),
        "url": metadata("instanceUrl"),
        "domainName": metadata("domainName"),
        "version": metadata("version"),
        "createdDateTime": at("/properties/createdTime"),
        "finOpsMetadata": at("/properties/linkedAppMetadata"),
    }))
}

fn copied(turn: &mut Turn<'_, '_>, target: &str, caller: &str) -> Result<Answer, Answer> {
    let request = copy_request(turn, target).map_err(|refusal| validation(&refusal))?;
    copy::check(&turn.draft, &request).map_err(|refusal| validation(&refusal))?;
    // The name of this option is written with capitals; in any other case it is no option, and
    // the copy is real.
    let only_validates = turn
        .request
        .options()
        .any(|(name, value)| name == "ValidateOnly" && value.eq_ignore_ascii_case("true"));
    if only_validates {
        return Ok(Answer::json(200, &json!({"status": "ValidationPassed"})));
    }
    let operation = copy::begin(&mut turn.draft, &request, caller);
    let origin = turn.origins.of(Listener::PowerPlatform);
    let location = format!(
        "{origin}/environmentmanagement/environments/{}/operations/{}?api-version=2024-10-01",
        operation.environment, operation.id
    );
    Ok(Answer::empty(202)
        .with("Operation-Location", location)
        .with("Retry-After", "30"))
}

fn copy_request(turn: &Turn<'_, '_>, target: &str) -> Result<CopyRequest, CopyRefusal> {
    let refusal = |field, message: String| CopyRefusal {
        status: 400,
        code: "InvalidRequestContent",
        field,
        message,
    };
    let body = turn
        .request
        .json()
        .map_err(|error| refusal("body", error.to_string()))?;
    let text = |pointer: &str| {
        body.pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    if text("/copyType").as_deref() != Some("Full") {
        let message = "copyType must be Full or Minimal; the rehearsal tenant copies Full only.";
        return Err(refusal("copyType", message.to_owned()));
    }
    let source = text("/sourceEnvironmentId")
        .ok_or_else(|| refusal("sourceEnvironmentId", "The field is required.".to_owned()))?;
    Ok(CopyRequest {
        source,
        target: target.to_owned(),
        name: text("/copyOptions/environmentNameToOverride"),
        security_group: text("/copyOptions/securityGroupIdToOverride"),
        sent: body,
    })
}

fn candidates(turn: &Turn<'_, '_>, source: &str) -> Result<Answer, Answer> {
    environments::environment(&turn.draft, source).ok_or_else(|| not_found(source))?;
    let collection: Vec<Value> = turn
        .draft
        .under("environment/")
        .filter_map(|(key, environment)| {
            let target = key.strip_prefix("environment/")?.to_owned();
            let request = CopyRequest {
                source: source.to_owned(),
                target: target.clone(),
                ..CopyRequest::default()
            };
            let busy = |refusal: CopyRefusal| (refusal.status == 409).then_some(());
            copy::check(&turn.draft, &request)
                .or_else(|refusal| busy(refusal).ok_or(()))
                .ok()?;
            Some(json!({
                "environmentId": target,
                "displayName": environment.pointer("/properties/displayName"),
                "dataverseOrganizationUrl":
                    environment.pointer("/properties/linkedEnvironmentMetadata/instanceUrl"),
            }))
        })
        .collect();
    let body = json!({"collection": collection, "continuationToken": null});
    Ok(Answer::json(200, &body))
}

fn operation_list(turn: &Turn<'_, '_>, environment: &str) -> Result<Answer, Answer> {
    environments::environment(&turn.draft, environment).ok_or_else(|| not_found(environment))?;
    let limit = turn
        .request
        .option("limit")
        .and_then(|limit| limit.parse().ok());
    let skipped: usize = turn
        .request
        .option("continuationToken")
        .and_then(|token| token.parse().ok())
        .unwrap_or(0);
    let all = operations::of_environment(&turn.draft, &environment.to_lowercase());
    let page: Vec<&Operation> = all.iter().skip(skipped).take(limit.unwrap_or(50)).collect();
    let next = skipped + page.len();
    let collection: Vec<Value> = page
        .into_iter()
        .map(|operation| shown_operation(turn, operation))
        .collect();
    let token = (next < all.len()).then(|| next.to_string());
    let body = json!({"collection": collection, "continuationToken": token});
    Ok(Answer::json(200, &body))
}

fn one_operation(turn: &Turn<'_, '_>, segments: &[&str], id: &str) -> Result<Answer, Answer> {
    let environment = segments.get(2).filter(|_| segments.len() == 5);
    let operation = operations::operation(&turn.draft, id).filter(|operation| {
        environment
            .is_none_or(|environment| environment.eq_ignore_ascii_case(&operation.environment))
    });
    let Some(operation) = operation else {
        let text = format!("The operation '{id}' could not be found.");
        return Err(Answer::error(404, "OperationNotFound", &text));
    };
    let answer = Answer::json(200, &shown_operation(turn, &operation));
    Ok(match operation.state {
        State::Running => answer.with("Retry-After", "30"),
        State::Succeeded => answer,
    })
}

fn shown_operation(turn: &Turn<'_, '_>, operation: &Operation) -> Value {
    let stages: Vec<Value> = operation
        .stages(turn.draft.now())
        .into_iter()
        .map(|stage| {
            let status = match (stage.began, stage.ended) {
                (_, Some(_)) => "Succeeded",
                (Some(_), None) => "InProgress",
                (None, None) => "NotStarted",
            };
            json!({
                "name": stage.name,
                "status": status,
                "startTime": stage.began.map(Moment::in_ticks),
                "endTime": stage.ended.map(Moment::in_ticks),
                "errorDetail": null,
            })
        })
        .collect();
    let at = |pointer| environments::property(&turn.draft, &operation.environment, pointer);
    let ended = operation.state == State::Succeeded;
    json!({
        "operationId": operation.id,
        "name": operation.kind,
        "status": if ended { "Succeeded" } else { "InProgress" },
        "startTime": operation.began.in_ticks(),
        "endTime": ended.then(|| operation.ends.in_ticks()),
        "requestedBy": {
            "userId": operation.requested_by,
            "displayName": "iomcopy rehearsal",
            "type": "ServicePrincipal",
            "tenantId": at("/properties/tenantId"),
        },
        "errorDetail": null,
        "stageStatuses": stages,
        "updatedEnvironment": {
            "environmentId": operation.environment,
            "displayName": at("/properties/displayName"),
            "dataverseOrganizationUrl": at("/properties/linkedEnvironmentMetadata/instanceUrl"),
        },
    })
}
