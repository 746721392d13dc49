//! Lifecycle Services: database movement and the environments of one project.
//!
//! The status is 200 whatever happened, unless signing in failed or a limit was met (Microsoft Learn,
//! *Database movement API*, *Environment API*). Only a person's token is taken.

use serde_json::{Value, json};

use super::Turn;
use super::authentication;
use super::message::Answer;
use crate::rehearsal::application::LCS_PROJECT;
use crate::rehearsal::behaviour::database_refresh::{self as refreshes, Activity};
use crate::rehearsal::behaviour::directory::Kind;
use crate::rehearsal::clock::Moment;
use crate::rehearsal::world::names;

/// How many entries a page holds.
const PAGE: usize = 20;

/// How many calls of the environment API are answered in how many milliseconds.
const CALLS: usize = 6;
const WINDOW: u64 = 30_000;

/// Answers a request.
pub(super) fn answer(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    let token = authentication::token(turn).map_err(|_| Answer::empty(401))?;
    if token.kind != Kind::Person {
        return Err(Answer::empty(401));
    }
    let path = turn.request.path.clone();
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (project, rest) = match segments.as_slice() {
        [api, version, what, "project", project, rest @ ..] => (
            (*project).to_owned(),
            [&[*api, *version, *what], rest].concat(),
        ),
        _ => return Err(Answer::empty(404)),
    };
    if project != LCS_PROJECT.to_string() || turn.draft.under(refreshes::ENVIRONMENTS).count() == 0
    {
        let why = format!("The user is no member of the project {project}.");
        return Ok(enveloped(false, Some(&why), json!({})));
    }
    match (turn.request.method.as_str(), rest.as_slice()) {
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
        ) => Ok(refresh(turn, source, target)),
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
        ) => Ok(status(turn, environment, id)),
        ("GET", ["environmentinfo", "v1", "detail"]) => {
            limited(turn, "project")?;
            Ok(environments(turn))
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
            limited(turn, environment)?;
            Ok(history(turn, environment))
        }
        _ => Err(Answer::empty(404)),
    }
}

fn enveloped(is_success: bool, error: Option<&str>, more: Value) -> Answer {
    enveloped_as(&names::unique(), is_success, error, more)
}

fn enveloped_as(call: &str, is_success: bool, error: Option<&str>, more: Value) -> Answer {
    let mut body = json!({
        "IsSuccess": is_success,
        "OperationActivityId": call,
        "ErrorMessage": error,
        "VersionEOL": "9999-12-31T23:59:59.9999999",
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    Answer::json(200, &body)
}

fn refresh(turn: &mut Turn<'_, '_>, source: &str, target: &str) -> Answer {
    match refreshes::begin(&mut turn.draft, source, target) {
        Ok(activity) => enveloped_as(&activity.id, true, None, json!({})),
        Err(why) => enveloped(false, Some(&why), json!({})),
    }
}

fn status(turn: &Turn<'_, '_>, environment: &str, id: &str) -> Answer {
    let activity = refreshes::activity(&turn.draft, id);
    let Some(activity) = activity.filter(|one| one.environment == environment) else {
        let why = format!("No operation {id} of the environment is known.");
        return enveloped(false, Some(&why), json!({}));
    };
    let more = json!({
        "ProjectId": LCS_PROJECT,
        "EnvironmentId": activity.environment,
        "ActivityId": activity.id,
        "CompletionDate": activity.ended,
        "OperationStatus": activity.state,
    });
    enveloped(true, None, more)
}

fn environments(turn: &Turn<'_, '_>) -> Answer {
    let wanted = |shown: &Value| {
        let fits = |option: &str, field: &str| {
            let asked = turn.request.option(option);
            asked.is_none_or(|asked| shown[field] == asked)
        };
        fits("environmentId", "EnvironmentId") && fits("environmentName", "EnvironmentName")
    };
    let data: Vec<Value> = turn
        .draft
        .under(refreshes::ENVIRONMENTS)
        .map(|(_, environment)| environment["shown"].clone())
        .filter(wanted)
        .collect();
    let more = json!({"ResultPageCurrent": 1, "ResultHasMorePages": false, "Data": data});
    enveloped(true, None, more)
}

fn history(turn: &Turn<'_, '_>, environment: &str) -> Answer {
    let page = turn.request.option("page");
    let page = page.and_then(|page| page.parse().ok()).unwrap_or(1_usize);
    let all = refreshes::history(&turn.draft, environment);
    let from = page.saturating_sub(1) * PAGE;
    let data: Vec<Value> = all.iter().skip(from).take(PAGE).map(entry).collect();
    let more = json!({
        "ResultPageCurrent": page,
        "ResultHasMorePages": all.len() > from + PAGE,
        "Data": data,
    });
    enveloped(true, None, more)
}

fn entry(activity: &Activity) -> Value {
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

/// Counts a call of the environment API; too many in a short time are refused until some are past.
fn limited(turn: &mut Turn<'_, '_>, whose: &str) -> Result<(), Answer> {
    let key = format!("lcs-calls/{whose}");
    let now = turn.draft.now().milliseconds();
    let calls = turn.draft.get(&key).and_then(Value::as_array);
    let mut calls: Vec<u64> = calls
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .filter(|call| *call + WINDOW > now)
        .collect();
    if let [oldest, .., _] = calls.as_slice()
        && calls.len() >= CALLS
    {
        let left = Moment::from_milliseconds(oldest + WINDOW - now).milliseconds();
        let seconds = left.div_ceil(1000).to_string();
        return Err(Answer::empty(429).with("Retry-After", seconds));
    }
    calls.push(now);
    turn.draft.put(key, json!(calls));
    Ok(())
}
