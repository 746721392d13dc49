//! The Power Platform API: environment management, application packages, connections.
//!
//! The routes, names and values are those of Microsoft's generated client and Microsoft Learn
//! (api-version 2024-10-01).

use serde_json::{Value, json};

use super::authentication;
use super::inventory;
use super::message::Response;
use super::{Listener, RequestContext};
use crate::rehearsal::behaviour::copy::{self, CopyError, CopyRequest};
use crate::rehearsal::behaviour::environments;
use crate::rehearsal::behaviour::operations::{self, Operation, State};
use crate::rehearsal::clock::Moment;

/// The first segment of the routes for environments and their operations.
const MANAGEMENT: &str = "environmentmanagement";

const VERSIONS: [&str; 3] = ["2024-10-01", "2022-03-01-preview", "1"];

/// Handles a request.
pub(super) fn handle(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    let token = authentication::authenticate_administrator(context, &VERSIONS)?;
    let path = context.request.path.trim_start_matches('/').to_owned();
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let response = match (context.request.method.as_str(), segments.as_slice()) {
        ("GET", [MANAGEMENT, "environments"]) => list(context),
        ("GET", [MANAGEMENT, "environments", id]) => {
            let body = environment_json(context, id).ok_or_else(|| not_found(id))?;
            Response::json(200, &body)
        }
        ("POST", [MANAGEMENT, "environments", id, "copy"]) => {
            start_copy(context, id, &token.object)?
        }
        ("GET", [MANAGEMENT, "environments", id, "copyCandidates"]) => {
            copy_candidates(context, id)?
        }
        ("GET", [MANAGEMENT, "environments", id, "operations"]) => operation_list(context, id)?,
        (
            "GET",
            [MANAGEMENT, "environments", _, "operations", operation]
            | [MANAGEMENT, "operations", operation],
        ) => one_operation(context, &segments, operation)?,
        ("GET", ["appmanagement", "environments", id, "applicationPackages"]) => {
            inventory::packages(context, id)?
        }
        ("GET", ["connectivity", "environments", id, "connections"]) => {
            inventory::connections(context, id)?
        }
        ("GET", ["dynamics", "environments", id, "finopsproperties"]) => {
            finops_properties(context, id)
        }
        ("GET", ["dynamics", "environments", id, "operationerrors"]) => {
            operation_errors(context, id)
        }
        _ => Response::error(404, "NotFound", "No route of the rehearsal tenant fits."),
    };
    Ok(response.with_unique("x-ms-correlation-id"))
}

/// The response for an unknown environment.
pub(super) fn not_found(environment: &str) -> Response {
    let text = format!("The environment '{environment}' could not be found.");
    Response::error(404, "EnvironmentNotFound", &text)
}

/// How Finance and Operations are deployed in an environment: the object `finops/<environment>`.
fn finops_properties(context: &RequestContext<'_, '_>, id: &str) -> Response {
    let properties = context.draft.get(&format!("finops/{}", id.to_lowercase()));
    properties.map_or_else(
        || Response::error(404, "NotFound", "The environment has no such properties."),
        |properties| Response::json(200, properties),
    )
}

/// The errors of an environment's operations: the objects `operation-error/<environment>/<number>`.
fn operation_errors(context: &RequestContext<'_, '_>, id: &str) -> Response {
    let prefix = format!("operation-error/{}/", id.to_lowercase());
    let errors = context.draft.under(&prefix);
    let errors: Vec<Value> = errors.map(|(_, error)| error.clone()).collect();
    Response::json(200, &json!({"environmentId": id, "errors": errors}))
}

/// An error of environment management, whose text is only in the errors of the fields.
fn validation_error(error: &CopyError) -> Response {
    let body = json!({
        "errorDetail": {
            "code": error.code,
            "fieldErrors": {error.field: {"errorMessages": [error.message]}},
        },
    });
    Response::json(error.status, &body)
}

fn list(context: &RequestContext<'_, '_>) -> Response {
    let ids: Vec<String> = context
        .draft
        .under("environment/")
        .filter_map(|(key, _)| key.strip_prefix("environment/").map(str::to_owned))
        .collect();
    let value: Vec<Value> = ids
        .iter()
        .filter_map(|id| environment_json(context, id))
        .collect();
    Response::json(200, &json!({"value": value}))
}

/// An environment in the form of this API, which is flatter than the older one.
fn environment_json(context: &RequestContext<'_, '_>, id: &str) -> Option<Value> {
    let environment = environments::environment(&context.draft, id)?;
    let at = |pointer: &str| environment.pointer(pointer).cloned().unwrap_or(Value::Null);
    let metadata = |name: &str| at(&format!("/properties/linkedEnvironmentMetadata/{name}"));
    let in_administration_mode = environments::in_administration_mode(&context.draft, id);
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

fn start_copy(
    context: &mut RequestContext<'_, '_>,
    target: &str,
    caller: &str,
) -> Result<Response, Response> {
    let request = copy_request(context, target).map_err(|error| validation_error(&error))?;
    copy::check(&context.draft, &request).map_err(|error| validation_error(&error))?;
    // The name of this option is case-sensitive: with another case, the copy is real.
    let only_validates = context
        .request
        .options()
        .any(|(name, value)| name == "ValidateOnly" && value.eq_ignore_ascii_case("true"));
    if only_validates {
        return Ok(Response::json(200, &json!({"status": "ValidationPassed"})));
    }
    let operation = copy::begin(&mut context.draft, &request, caller);
    let origin = context.origins.origin_of(Listener::PowerPlatform);
    let location = format!(
        "{origin}/environmentmanagement/environments/{}/operations/{}?api-version=2024-10-01",
        operation.environment, operation.id
    );
    Ok(Response::empty(202)
        .with("Operation-Location", location)
        .with("Retry-After", "30"))
}

fn copy_request(context: &RequestContext<'_, '_>, target: &str) -> Result<CopyRequest, CopyError> {
    let invalid = |field, message: String| CopyError {
        status: 400,
        code: "InvalidRequestContent",
        field,
        message,
    };
    let body = context
        .request
        .json()
        .map_err(|error| invalid("body", error.to_string()))?;
    let text = |pointer: &str| {
        body.pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    if text("/copyType").as_deref() != Some("Full") {
        let message = "copyType must be Full or Minimal; the rehearsal tenant copies Full only.";
        return Err(invalid("copyType", message.to_owned()));
    }
    let source = text("/sourceEnvironmentId")
        .ok_or_else(|| invalid("sourceEnvironmentId", "The field is required.".to_owned()))?;
    Ok(CopyRequest {
        source,
        target: target.to_owned(),
        name: text("/copyOptions/environmentNameToOverride"),
        security_group: text("/copyOptions/securityGroupIdToOverride"),
        sent: body,
    })
}

fn copy_candidates(context: &RequestContext<'_, '_>, source: &str) -> Result<Response, Response> {
    environments::environment(&context.draft, source).ok_or_else(|| not_found(source))?;
    let collection: Vec<Value> = context
        .draft
        .under("environment/")
        .filter_map(|(key, environment)| {
            let target = key.strip_prefix("environment/")?.to_owned();
            let request = CopyRequest {
                source: source.to_owned(),
                target: target.clone(),
                ..CopyRequest::default()
            };
            // A running operation does not exclude a candidate.
            let is_busy = |error: CopyError| (error.status == 409).then_some(());
            copy::check(&context.draft, &request)
                .or_else(|error| is_busy(error).ok_or(()))
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
    Ok(Response::json(200, &body))
}

fn operation_list(
    context: &RequestContext<'_, '_>,
    environment: &str,
) -> Result<Response, Response> {
    environments::environment(&context.draft, environment).ok_or_else(|| not_found(environment))?;
    let limit = context
        .request
        .option("limit")
        .and_then(|limit| limit.parse().ok());
    let skipped: usize = context
        .request
        .option("continuationToken")
        .and_then(|token| token.parse().ok())
        .unwrap_or(0);
    let all = operations::of_environment(&context.draft, &environment.to_lowercase());
    let page: Vec<&Operation> = all.iter().skip(skipped).take(limit.unwrap_or(50)).collect();
    let next = skipped + page.len();
    let collection: Vec<Value> = page
        .into_iter()
        .map(|operation| operation_json(context, operation))
        .collect();
    let token = (next < all.len()).then(|| next.to_string());
    let body = json!({"collection": collection, "continuationToken": token});
    Ok(Response::json(200, &body))
}

fn one_operation(
    context: &RequestContext<'_, '_>,
    segments: &[&str],
    id: &str,
) -> Result<Response, Response> {
    let environment = segments.get(2).filter(|_| segments.len() == 5);
    let operation = operations::operation(&context.draft, id).filter(|operation| {
        environment
            .is_none_or(|environment| environment.eq_ignore_ascii_case(&operation.environment))
    });
    let Some(operation) = operation else {
        let text = format!("The operation '{id}' could not be found.");
        return Err(Response::error(404, "OperationNotFound", &text));
    };
    let response = Response::json(200, &operation_json(context, &operation));
    Ok(match operation.state {
        State::Running => response.with("Retry-After", "30"),
        State::Succeeded | State::Failed => response,
    })
}

fn operation_json(context: &RequestContext<'_, '_>, operation: &Operation) -> Value {
    let stages: Vec<Value> = operation
        .stages(context.draft.now())
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
                "startTime": stage.began.map(Moment::to_iso_ticks),
                "endTime": stage.ended.map(Moment::to_iso_ticks),
                "errorDetail": null,
            })
        })
        .collect();
    let at = |pointer| environments::property(&context.draft, &operation.environment, pointer);
    let (status, error) = match operation.state {
        State::Running => ("InProgress", Value::Null),
        State::Succeeded => ("Succeeded", Value::Null),
        State::Failed => (
            "Failed",
            json!({"code": "CopyFailed", "fieldErrors": {"environmentId": {"errorMessages": ["The copy could not be completed."]}}}),
        ),
    };
    let ended = operation.state != State::Running;
    json!({
        "operationId": operation.id,
        "name": operation.kind,
        "status": status,
        "startTime": operation.began.to_iso_ticks(),
        "endTime": ended.then(|| operation.ends.to_iso_ticks()),
        "requestedBy": {
            "userId": operation.requested_by,
            "displayName": "iomcopy rehearsal",
            "type": "ServicePrincipal",
            "tenantId": at("/properties/tenantId"),
        },
        "errorDetail": error,
        "stageStatuses": stages,
        "updatedEnvironment": {
            "environmentId": operation.environment,
            "displayName": at("/properties/displayName"),
            "dataverseOrganizationUrl": at("/properties/linkedEnvironmentMetadata/instanceUrl"),
        },
    })
}
