//! The older admin API (Business Application Platform): environments, runtime state, copy,
//! lifecycle operations.
//!
//! The JSON is that of the recordings of Microsoft's Terraform provider for the Power Platform; the
//! routes are those that the administration module for PowerShell and that provider use.

use serde_json::{Value, json};

use super::authentication;
use super::message::Response;
use super::{Listener, RequestContext};
use crate::rehearsal::application::TENANT;
use crate::rehearsal::behaviour::copy::{self, CopyRequest};
use crate::rehearsal::behaviour::operations::{self, Operation, State};
use crate::rehearsal::behaviour::{administration, environments, users};
use crate::rehearsal::odata::error::ODataError;
use crate::rehearsal::odata::evaluate;
use crate::rehearsal::odata::query::QueryOptions;

const ROOT: &str = "/providers/Microsoft.BusinessAppPlatform/";

/// The versions that the service accepts.
const VERSIONS: [&str; 12] = [
    "2016-11-01",
    "2018-01-01",
    "2018-10-01",
    "2019-05-01",
    "2020-06-01",
    "2020-08-01",
    "2020-10-01",
    "2021-04-01",
    "2022-05-01",
    "2023-06-01",
    "2024-05-01",
    "2026-06-01",
];

/// Handles a request.
pub(super) fn handle(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    let token = authentication::authenticate_administrator(context, &VERSIONS)?;
    let request = context.request;
    let segments = request.segments_below(ROOT).unwrap_or_default();
    let response = match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["scopes", "admin", "environments"]) => {
            let all = context.draft.under("environment/");
            let value: Vec<Value> = all
                .map(|(_, environment)| environment_json(context, environment))
                .collect();
            Response::json(200, &json!({"value": value}))
        }
        ("GET", ["scopes", "admin", "environments", id]) => {
            let environment = environments::environment(&context.draft, id);
            let environment = environment.ok_or_else(|| not_found(id))?;
            Response::json(200, &environment_json(context, environment))
        }
        ("PATCH", ["scopes", "admin", "environments", id]) => edit(context, id, &token.object)?,
        ("POST", ["environments", id, "copyTo"]) => start_copy(context, id, &token.object)?,
        ("POST", ["scopes", "admin", "environments", id, "addAppUser"]) => add_user(context, id)?,
        ("GET", ["lifecycleOperations"]) => list(context)?,
        ("GET", ["lifecycleOperations", id]) => {
            let operation = operations::operation(&context.draft, id).ok_or_else(|| {
                let text = format!("The operation '{id}' could not be found.");
                Response::error(404, "OperationNotFound", &text)
            })?;
            let response = Response::json(200, &operation_json(context, &operation));
            match operation.state {
                State::Running => response.with("Retry-After", "10"),
                State::Succeeded | State::Failed => response,
            }
        }
        _ => Response::error(404, "NotFound", "No route of the rehearsal tenant fits."),
    };
    Ok(response
        .with_unique("x-ms-correlation-id")
        .with_unique("x-ms-service-request-id"))
}

fn not_found(environment: &str) -> Response {
    let text = format!("The environment '{environment}' could not be found.");
    Response::error(404, "EnvironmentNotFound", &text)
}

fn check_idle(context: &RequestContext<'_, '_>, environment: &str) -> Result<(), Response> {
    if operations::ongoing(&context.draft, &environment.to_lowercase()).is_some() {
        let text = copy::not_startable(environment);
        return Err(Response::error(409, "OperationNotStartable", &text));
    }
    Ok(())
}

/// An environment, with its running operation if there is one.
fn environment_json(context: &RequestContext<'_, '_>, environment: &Value) -> Value {
    let mut environment = environment.clone();
    let id = environment["name"].as_str().unwrap_or_default().to_owned();
    if let Some(operation) = operations::ongoing(&context.draft, &id) {
        environment["properties"]["ongoingOperation"] = json!({
            "id": operation.id,
            "type": {"id": operation.kind},
            "links": links(&operation),
        });
    }
    environment
}

fn links(operation: &Operation) -> Value {
    json!({
        "self": {"path": format!("{ROOT}lifecycleOperations/{}", operation.id)},
        "environment": {"path": format!("{ROOT}environments/{}", operation.environment)},
    })
}

fn location(context: &RequestContext<'_, '_>, operation: &Operation) -> String {
    let origin = context.origins.origin_of(Listener::Bap);
    let version = context.request.option("api-version").unwrap_or_default();
    format!(
        "{origin}{ROOT}lifecycleOperations/{}?api-version={version}",
        operation.id
    )
}

fn edit(
    context: &mut RequestContext<'_, '_>,
    id: &str,
    caller: &str,
) -> Result<Response, Response> {
    environments::environment(&context.draft, id).ok_or_else(|| not_found(id))?;
    check_idle(context, id)?;
    let body = context
        .request
        .json()
        .map_err(|error| Response::error(400, "InvalidRequestContent", &error.to_string()))?;
    let environment = id.to_lowercase();
    let operation = administration::begin(&mut context.draft, &environment, &body, caller);
    // Later versions also make the environment a managed one (Microsoft's Terraform provider for
    // the Power Platform).
    if context.request.option("api-version") > Some("2021-04-01") {
        let pointer = "/properties/governanceConfiguration/protectionLevel";
        environments::set(&mut context.draft, &environment, pointer, json!("Standard"));
    }
    Ok(match operation {
        None => Response::empty(204),
        Some(operation) => {
            let location = location(context, &operation);
            Response::empty(202)
                .with("Location", location)
                .with("Retry-After", "5")
        }
    })
}

fn start_copy(
    context: &mut RequestContext<'_, '_>,
    target: &str,
    caller: &str,
) -> Result<Response, Response> {
    let bad = |text: &str| Response::error(400, "InvalidRequestContent", text);
    let body = context
        .request
        .json()
        .map_err(|error| bad(&error.to_string()))?;
    // The case of members does not matter: Microsoft's own tools differ.
    let member = |name: &str| {
        let members = body.as_object()?;
        let (_, value) = members
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        value.as_str().map(str::to_owned)
    };
    if member("CopyType").as_deref() != Some("FullCopy") {
        return Err(bad(
            "CopyType must be FullCopy; the rehearsal tenant does no other.",
        ));
    }
    let request = CopyRequest {
        source: member("SourceEnvironmentId")
            .ok_or_else(|| bad("SourceEnvironmentId is missing."))?,
        target: target.to_owned(),
        name: member("TargetEnvironmentName"),
        security_group: member("TargetSecurityGroupId"),
        sent: body.clone(),
    };
    copy::check(&context.draft, &request)
        .map_err(|error| Response::error(error.status, error.code, &error.message))?;
    let operation = copy::begin(&mut context.draft, &request, caller);
    let location = location(context, &operation);
    Ok(Response::empty(202)
        .with("Operation-Location", location)
        .with("Retry-After", "30"))
}

fn add_user(context: &mut RequestContext<'_, '_>, id: &str) -> Result<Response, Response> {
    let environment = id.to_lowercase();
    environments::environment(&context.draft, &environment).ok_or_else(|| not_found(id))?;
    let body = context.request.json().unwrap_or_default();
    let client = body["servicePrincipalAppId"].as_str().unwrap_or_default();
    users::add_application_user(&mut context.draft, context.schema, &environment, client)
        .map_err(|text| Response::error(400, "InvalidApplicationId", &text))?;
    Ok(Response::json(200, &json!({})))
}

fn list(context: &RequestContext<'_, '_>) -> Result<Response, Response> {
    let bad = |text: &str| Response::error(400, "InvalidRequestContent", text);
    let filter = context.request.option("$filter");
    let options = QueryOptions::parse(filter.map(|filter| ("$filter", filter)))
        .map_err(|error| bad(&error.message))?;
    let environments: Vec<String> = context
        .draft
        .under("environment/")
        .filter_map(|(key, _)| key.strip_prefix("environment/").map(str::to_owned))
        .collect();
    let mut value = Vec::new();
    for environment in environments {
        let matches = match &options.filter {
            None => true,
            Some(filter) => evaluate::matches(filter, &|property| match property {
                "environment" => Ok(json!(environment)),
                _ => Err(ODataError::bad_request(format!(
                    "'{property}' cannot be filtered."
                ))),
            })
            .map_err(|error| bad(&error.message))?,
        };
        if matches {
            value.extend(operations::of_environment(&context.draft, &environment));
        }
    }
    let value: Vec<Value> = value
        .iter()
        .map(|operation| operation_json(context, operation))
        .collect();
    Ok(Response::json(200, &json!({"value": value})))
}

fn operation_json(context: &RequestContext<'_, '_>, operation: &Operation) -> Value {
    let now = context.draft.now();
    let stages: Vec<Value> = operation
        .stages(now)
        .into_iter()
        .filter_map(|stage| {
            let began = stage.began?;
            let state = if stage.ended.is_some() {
                "Succeeded"
            } else {
                "Running"
            };
            Some(json!({
                "id": stage.name,
                "name": stage.name,
                "state": {"id": state},
                "firstActionDateTime": began.to_iso_ticks(),
                "lastActionDateTime": stage.ended.unwrap_or(now).to_iso_ticks(),
            }))
        })
        .collect();
    let (state, last) = match operation.state {
        State::Running => ("Running", now),
        State::Succeeded => ("Succeeded", operation.ends),
        State::Failed => ("Failed", operation.ends),
    };
    let mut json = json!({
        "id": operation.id,
        "links": links(operation),
        "type": {"id": operation.kind},
        "typeDisplayName": operation.kind,
        "state": {"id": state},
        "createdDateTime": operation.began.to_iso_ticks(),
        "lastActionDateTime": last.to_iso_ticks(),
        "requestedBy": {
            "id": operation.requested_by,
            "displayName": "ServicePrincipal",
            "type": "ServicePrincipal",
            "tenantId": TENANT,
        },
        "stages": stages,
    });
    if operation.state == State::Failed {
        json["error"] =
            json!({"code": "CopyFailed", "message": "The copy could not be completed."});
    }
    json
}
