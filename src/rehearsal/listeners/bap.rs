//! The older admin API (Business Application Platform): environments, runtime state, copy,
//! lifecycle operations.
//!
//! Shapes as recorded by Microsoft's Terraform provider for the Power Platform; routes as the
//! administration module for PowerShell and that provider send them.

use serde_json::{Value, json};

use super::authentication;
use super::message::Answer;
use super::{Listener, Turn};
use crate::rehearsal::application::TENANT;
use crate::rehearsal::behaviour::copy::{self, CopyRequest};
use crate::rehearsal::behaviour::operations::{self, Operation, State};
use crate::rehearsal::behaviour::{administration, environments, users};
use crate::rehearsal::odata::error::Refusal;
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

/// Answers a request.
pub(super) fn answer(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    let token = authentication::token(turn)?;
    authentication::administrator(turn, &token)?;
    let version = turn.request.option("api-version").unwrap_or_default();
    if !VERSIONS.contains(&version) {
        let text = format!("The api-version '{version}' is invalid.");
        return Err(Answer::error(400, "InvalidApiVersion", &text));
    }
    let request = turn.request;
    let segments = request.below(ROOT).unwrap_or_default();
    let answer = match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["scopes", "admin", "environments"]) => {
            let all = turn.draft.under("environment/");
            let value: Vec<Value> = all
                .map(|(_, environment)| shown(turn, environment))
                .collect();
            Answer::json(200, &json!({"value": value}))
        }
        ("GET", ["scopes", "admin", "environments", id]) => {
            let environment = environments::environment(&turn.draft, id);
            let environment = environment.ok_or_else(|| not_found(id))?;
            Answer::json(200, &shown(turn, environment))
        }
        ("PATCH", ["scopes", "admin", "environments", id]) => edit(turn, id, &token.object)?,
        ("POST", ["environments", id, "copyTo"]) => copied(turn, id, &token.object)?,
        ("POST", ["scopes", "admin", "environments", id, "addAppUser"]) => add_user(turn, id)?,
        ("GET", ["lifecycleOperations"]) => list(turn)?,
        ("GET", ["lifecycleOperations", id]) => {
            let operation = operations::operation(&turn.draft, id).ok_or_else(|| {
                let text = format!("The operation '{id}' could not be found.");
                Answer::error(404, "OperationNotFound", &text)
            })?;
            let answer = Answer::json(200, &shown_operation(turn, &operation));
            match operation.state {
                State::Running => answer.with("Retry-After", "10"),
                State::Succeeded => answer,
            }
        }
        _ => Answer::error(404, "NotFound", "No route of the rehearsal tenant fits."),
    };
    Ok(answer
        .with_unique("x-ms-correlation-id")
        .with_unique("x-ms-service-request-id"))
}

fn not_found(environment: &str) -> Answer {
    let text = format!("The environment '{environment}' could not be found.");
    Answer::error(404, "EnvironmentNotFound", &text)
}

fn busy(turn: &Turn<'_, '_>, environment: &str) -> Result<(), Answer> {
    if operations::ongoing(&turn.draft, &environment.to_lowercase()).is_some() {
        let text = copy::not_startable(environment);
        return Err(Answer::error(409, "OperationNotStartable", &text));
    }
    Ok(())
}

/// An environment: while an operation changes it, the operation is shown in it.
fn shown(turn: &Turn<'_, '_>, environment: &Value) -> Value {
    let mut environment = environment.clone();
    let id = environment["name"].as_str().unwrap_or_default().to_owned();
    if let Some(operation) = operations::ongoing(&turn.draft, &id) {
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

fn location(turn: &Turn<'_, '_>, operation: &Operation) -> String {
    let origin = turn.origins.of(Listener::Bap);
    let version = turn.request.option("api-version").unwrap_or_default();
    format!(
        "{origin}{ROOT}lifecycleOperations/{}?api-version={version}",
        operation.id
    )
}

fn edit(turn: &mut Turn<'_, '_>, id: &str, caller: &str) -> Result<Answer, Answer> {
    environments::environment(&turn.draft, id).ok_or_else(|| not_found(id))?;
    busy(turn, id)?;
    let body = turn
        .request
        .json()
        .map_err(|error| Answer::error(400, "InvalidRequestContent", &error.to_string()))?;
    let environment = id.to_lowercase();
    let operation = administration::begin(&mut turn.draft, &environment, &body, caller);
    // Later versions make the environment a managed one on the side (Microsoft's Terraform
    // provider for the Power Platform says so).
    if turn.request.option("api-version") > Some("2021-04-01") {
        let pointer = "/properties/governanceConfiguration/protectionLevel";
        environments::set(&mut turn.draft, &environment, pointer, json!("Standard"));
    }
    Ok(match operation {
        None => Answer::empty(204),
        Some(operation) => {
            let location = location(turn, &operation);
            Answer::empty(202)
                .with("Location", location)
                .with("Retry-After", "5")
        }
    })
}

fn copied(turn: &mut Turn<'_, '_>, target: &str, caller: &str) -> Result<Answer, Answer> {
    let bad = |text: &str| Answer::error(400, "InvalidRequestContent", text);
    let body = turn
        .request
        .json()
        .map_err(|error| bad(&error.to_string()))?;
    // Members are read whatever their case: Microsoft's own tools differ.
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
    copy::check(&turn.draft, &request)
        .map_err(|refusal| Answer::error(refusal.status, refusal.code, &refusal.message))?;
    let operation = copy::begin(&mut turn.draft, &request, caller);
    let location = location(turn, &operation);
    Ok(Answer::empty(202)
        .with("Operation-Location", location)
        .with("Retry-After", "30"))
}

fn add_user(turn: &mut Turn<'_, '_>, id: &str) -> Result<Answer, Answer> {
    let environment = id.to_lowercase();
    environments::environment(&turn.draft, &environment).ok_or_else(|| not_found(id))?;
    let body = turn.request.json().unwrap_or_default();
    let client = body["servicePrincipalAppId"].as_str().unwrap_or_default();
    users::add_application_user(&mut turn.draft, turn.schema, &environment, client)
        .map_err(|text| Answer::error(400, "InvalidApplicationId", &text))?;
    Ok(Answer::json(200, &json!({})))
}

fn list(turn: &Turn<'_, '_>) -> Result<Answer, Answer> {
    let bad = |text: &str| Answer::error(400, "InvalidRequestContent", text);
    let filter = turn.request.option("$filter");
    let options = QueryOptions::read(filter.map(|filter| ("$filter", filter)))
        .map_err(|refusal| bad(&refusal.message))?;
    let environments: Vec<String> = turn
        .draft
        .under("environment/")
        .filter_map(|(key, _)| key.strip_prefix("environment/").map(str::to_owned))
        .collect();
    let mut value = Vec::new();
    for environment in environments {
        let fits = match &options.filter {
            None => true,
            Some(filter) => evaluate::holds(filter, &|property| match property {
                "environment" => Ok(json!(environment)),
                _ => Err(Refusal::bad_request(format!(
                    "'{property}' cannot be filtered."
                ))),
            })
            .map_err(|refusal| bad(&refusal.message))?,
        };
        if fits {
            value.extend(operations::of_environment(&turn.draft, &environment));
        }
    }
    let value: Vec<Value> = value
        .iter()
        .map(|operation| shown_operation(turn, operation))
        .collect();
    Ok(Answer::json(200, &json!({"value": value})))
}

fn shown_operation(turn: &Turn<'_, '_>, operation: &Operation) -> Value {
    let now = turn.draft.now();
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
                "firstActionDateTime": began.in_ticks(),
                "lastActionDateTime": stage.ended.unwrap_or(now).in_ticks(),
            }))
        })
        .collect();
    let (state, last) = match operation.state {
        State::Running => ("Running", now),
        State::Succeeded => ("Succeeded", operation.ends),
    };
    json!({
        "id": operation.id,
        "links": links(operation),
        "type": {"id": operation.kind},
        "typeDisplayName": operation.kind,
        "state": {"id": state},
        "createdDateTime": operation.began.in_ticks(),
        "lastActionDateTime": last.in_ticks(),
        "requestedBy": {
            "id": operation.requested_by,
            "displayName": "ServicePrincipal",
            "type": "ServicePrincipal",
            "tenantId": TENANT,
        },
        "stages": stages,
    })
}
