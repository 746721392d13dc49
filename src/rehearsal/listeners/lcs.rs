//! Lifecycle Services: database movement and the environments of one project.
//!
//! The status is always 200, unless authentication failed or a limit was exceeded (Microsoft Learn,
//! *Database movement API*, *Environment API*). Only a user's token is accepted.

use serde_json::{Value, json};

use super::RequestContext;
use super::authentication;
use super::message::Response;
use crate::rehearsal::application::LCS_PROJECT;
use crate::rehearsal::behaviour::database_refresh::{self as refreshes, Activity};
use crate::rehearsal::behaviour::directory::PrincipalKind;
use crate::rehearsal::clock::Moment;
use crate::rehearsal::world::names;

/// The number of entries per page.
const PAGE_SIZE: usize = 20;

/// The maximum number of calls of the environment API in a window, in milliseconds.
const MAX_CALLS: usize = 6;
const WINDOW: u64 = 30_000;

/// Handles a request.
pub(super) fn handle(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    let token = authentication::authenticate(context).map_err(|_| Response::empty(401))?;
    if token.kind != PrincipalKind::Person {
        return Err(Response::empty(401));
    }
    let path = context.request.path.clone();
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (project, rest) = match segments.as_slice() {
        [api, version, what, "project", project, rest @ ..] => (
            (*project).to_owned(),
            [&[*api, *version, *what], rest].concat(),
        ),
        _ => return Err(Response::empty(404)),
    };
    if project != LCS_PROJECT.to_string()
        || context.draft.under(refreshes::ENVIRONMENTS).count() == 0
    {
        let why = format!("The user is not a member of the project {project}.");
        return Ok(envelope(false, Some(&why), json!({})));
    }
    match (context.request.method.as_str(), rest.as_slice()) {
        (
            "POST",
            [
                "databasemovement",
                "v1",
                "refresh",
                "source",
                source,
                "target",
                target,
            ],
        ) => Ok(start_refresh(context, source, target)),
        (
            "GET",
            [
                "databasemovement",
                "v1",
                "fetchstatus",
                "environment",
                environment,
                "operationactivity",
                id,
            ],
        ) => Ok(refresh_status(context, environment, id)),
        ("GET", ["environmentinfo", "v1", "detail"]) => {
            count_call(context, "project")?;
            Ok(environments(context))
        }
        (
            "GET",
            [
                "environmentinfo",
                "v1",
                "history",
                "environment",
                environment,
            ],
        ) => {
            count_call(context, environment)?;
            Ok(history(context, environment))
        }
        _ => Err(Response::empty(404)),
    }
}

fn envelope(is_success: bool, error: Option<&str>, more: Value) -> Response {
    envelope_with_id(&names::unique(), is_success, error, more)
}

fn envelope_with_id(call: &str, is_success: bool, error: Option<&str>, more: Value) -> Response {
    let mut body = json!({
        "IsSuccess": is_success,
        "OperationActivityId": call,
        "ErrorMessage": error,
        "VersionEOL": "9999-12-31T23:59:59.9999999",
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    Response::json(200, &body)
}

fn start_refresh(context: &mut RequestContext<'_, '_>, source: &str, target: &str) -> Response {
    match refreshes::begin(&mut context.draft, source, target) {
        Ok(activity) => envelope_with_id(&activity.id, true, None, json!({})),
        Err(why) => envelope(false, Some(&why), json!({})),
    }
}

fn refresh_status(context: &RequestContext<'_, '_>, environment: &str, id: &str) -> Response {
    let activity = refreshes::activity(&context.draft, id);
    let Some(activity) = activity.filter(|one| one.environment == environment) else {
        let why = format!("No operation {id} of the environment is known.");
        return envelope(false, Some(&why), json!({}));
    };
    let more = json!({
        "ProjectId": LCS_PROJECT,
        "EnvironmentId": activity.environment,
        "ActivityId": activity.id,
        "CompletionDate": activity.ended,
        "OperationStatus": activity.state,
    });
    envelope(true, None, more)
}

fn environments(context: &RequestContext<'_, '_>) -> Response {
    let is_selected = |environment: &Value| {
        let matches = |option: &str, field: &str| {
            let value = context.request.option(option);
            value.is_none_or(|value| environment[field] == value)
        };
        matches("environmentId", "EnvironmentId") && matches("environmentName", "EnvironmentName")
    };
    let data: Vec<Value> = context
        .draft
        .under(refreshes::ENVIRONMENTS)
        .map(|(_, environment)| environment["shown"].clone())
        .filter(is_selected)
        .collect();
    let more = json!({"ResultPageCurrent": 1, "ResultHasMorePages": false, "Data": data});
    envelope(true, None, more)
}

fn history(context: &RequestContext<'_, '_>, environment: &str) -> Response {
    let page = context.request.option("page");
    let page = page.and_then(|page| page.parse().ok()).unwrap_or(1_usize);
    let all = refreshes::history(&context.draft, environment);
    let from = page.saturating_sub(1) * PAGE_SIZE;
    let data: Vec<Value> = all
        .iter()
        .skip(from)
        .take(PAGE_SIZE)
        .map(history_entry)
        .collect();
    let more = json!({
        "ResultPageCurrent": page,
        "ResultHasMorePages": all.len() > from + PAGE_SIZE,
        "Data": data,
    });
    envelope(true, None, more)
}

fn history_entry(activity: &Activity) -> Value {
    json!({
        "Name": activity.title,
        "Type": activity.kind,
        "TypeDisplay": activity.title,
        "StartDateTimeUTC": activity.started,
        "EndDateTimeUTC": activity.ended,
        "Status": activity.state,
        "ActivityId": activity.id,
        "EnvironmentId": activity.environment,
        "ProjectId": LCS_PROJECT,
    })
}

/// Counts a call of the environment API. Too many in one window are refused.
fn count_call(context: &mut RequestContext<'_, '_>, scope: &str) -> Result<(), Response> {
    let key = format!("lcs-calls/{scope}");
    let now = context.draft.now().milliseconds();
    let calls = context.draft.get(&key).and_then(Value::as_array);
    let mut calls: Vec<u64> = calls
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .filter(|call| *call + WINDOW > now)
        .collect();
    if let [oldest, .., _] = calls.as_slice()
        && calls.len() >= MAX_CALLS
    {
        let left = Moment::from_milliseconds(oldest + WINDOW - now).milliseconds();
        let seconds = left.div_ceil(1000).to_string();
        return Err(Response::empty(429).with("Retry-After", seconds));
    }
    calls.push(now);
    context.draft.put(key, json!(calls));
    Ok(())
}
