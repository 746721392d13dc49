//! The dual-write gateway, as Microsoft's own *Dual-write-automations* speaks to it. It takes a
//! person's token and no application's.

use serde_json::{Value, json};

use super::Turn;
use super::authentication;
use super::message::Answer;
use crate::rehearsal::behaviour::directory::Kind;
use crate::rehearsal::behaviour::dual_write::catalogue::known;
use crate::rehearsal::behaviour::dual_write::maps::Map;
use crate::rehearsal::behaviour::dual_write::{DualWrite, linked};
use crate::rehearsal::behaviour::organization::text;

/// The segments below `/api`.
const MANAGEMENT: [&str; 2] = ["DualWriteManagement", "1.0"];

/// Answers a request.
pub(super) fn answer(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    let token = authentication::token(turn)?;
    if token.kind != Kind::Person {
        let why = "The token is an application's. Only a delegated token of a user is accepted.";
        return Err(Answer::error(401, "Unauthorized", why));
    }
    let request = turn.request;
    let segments = request.below("/api").unwrap_or_default();
    let segments: Vec<&str> = match segments.as_slice() {
        [first, second, rest @ ..] if [*first, *second] == MANAGEMENT => [&["M"], rest].concat(),
        all => all.to_vec(),
    };
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["M", "Version"]) => Ok(Answer::json(200, &json!("1.0"))),
        ("GET", ["M", "Environments"]) => Ok(environments(turn)),
        ("GET", ["M", "Entities"]) => maps(turn),
        ("GET", ["ConnectionSet", name]) => connection_set(turn, name),
        ("POST", ["ConnectionSet", id, "Reset"]) => reset(turn, id),
        ("POST", ["M", "Start"]) => start(turn),
        ("GET", ["M", "Status", id]) => Ok(status(turn, id)),
        ("POST", ["M", "SolutionAware", id, "SwitchActive", template]) => {
            switch(turn, id, template)
        }
        ("GET", ["M", "SolutionAware", id, "Solutions"]) => solutions(turn, id),
        ("POST", ["M", "SolutionAware", id, "RestoreTemplates"]) => apply(turn, id),
        ("GET", ["M", "SolutionAware", id, "Status", request]) => {
            let dual_write = by_id(turn, id)?;
            let shown = dual_write.shown_solution_request(request);
            shown.map_or_else(
                || Err(missing("request")),
                |shown| Ok(Answer::json(200, &shown)),
            )
        }
        ("POST", ["M", "GetTemplatePrerequisiteSequences", id]) => prerequisites(turn, id),
        ("GET", ["M", project, "FieldMappings"]) => field_mappings(turn, project),
        ("POST", ["Project", name, "Refresh"]) => refresh(turn, name),
        ("POST", ["dataset", name, "IntegrationKeys"]) => keys(turn, name),
        _ => Err(Answer::error(
            404,
            "NotFound",
            "No route of the gateway fits.",
        )),
    }
}

fn missing(what: &str) -> Answer {
    Answer::error(404, "NotFound", &format!("The {what} could not be found."))
}

fn bad(why: &str) -> Answer {
    Answer::error(400, "BadRequest", why)
}

fn body(turn: &Turn<'_, '_>) -> Result<Value, Answer> {
    turn.request.json().map_err(|error| bad(&error.to_string()))
}

fn of<'turn, 'world>(
    turn: &'turn mut Turn<'_, 'world>,
    environment: String,
) -> DualWrite<'turn, 'world> {
    DualWrite {
        draft: &mut turn.draft,
        schema: turn.schema,
        environment,
    }
}

/// The environment whose connection set has an id.
fn by_id<'turn, 'world>(
    turn: &'turn mut Turn<'_, 'world>,
    id: &str,
) -> Result<DualWrite<'turn, 'world>, Answer> {
    let found = linked(&turn.draft, |link| link["set"]["id"] == id);
    let (environment, _) = found.ok_or_else(|| missing("connection set"))?;
    Ok(of(turn, environment))
}

/// The environment with a map that fits, and the map.
fn with_map<'turn, 'world>(
    turn: &'turn mut Turn<'_, 'world>,
    fits: impl Fn(&Map) -> bool,
) -> Result<(DualWrite<'turn, 'world>, Map), Answer> {
    let environments: Vec<String> = turn
        .draft
        .under("dual-write/")
        .filter_map(|(key, _)| {
            let rest = key.strip_prefix("dual-write/")?;
            Some(rest.strip_suffix("/link")?.to_owned())
        })
        .collect();
    for environment in environments {
        let found = of(turn, environment.clone()).map_with(&fits);
        if let Some(map) = found {
            return Ok((of(turn, environment), map));
        }
    }
    Err(missing("map"))
}

/// The link of a host; nothing where no host is written exactly so.
fn environments(turn: &mut Turn<'_, '_>) -> Answer {
    let host = turn.request.option("identifier").unwrap_or_default();
    let found = linked(&turn.draft, |link| link["identifier"] == host);
    let shown = found.map(|(_, link)| {
        let set = &link["set"];
        json!({
            "cid": set["id"], "cname": set["name"], "targetType": "AX",
            "displayName": link["displayName"], "detail": {"isSolutionAware": true},
            "powerAppsEnvironment": link["powerAppsEnvironment"],
        })
    });
    Answer::json(200, &Value::Array(shown.into_iter().collect()))
}

fn maps(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    let id = turn.request.option("cid").unwrap_or_default().to_owned();
    let mut dual_write = by_id(turn, &id)?;
    let maps = dual_write.maps();
    let shown = maps.iter().map(|map| dual_write.shown(map)).collect();
    Ok(Answer::json(200, &Value::Array(shown)))
}

fn connection_set(turn: &mut Turn<'_, '_>, name: &str) -> Result<Answer, Answer> {
    let found = linked(&turn.draft, |link| link["set"]["name"] == name);
    let (_, link) = found.ok_or_else(|| missing("connection set"))?;
    Ok(Answer::json(200, &link["set"]))
}

fn reset(turn: &mut Turn<'_, '_>, id: &str) -> Result<Answer, Answer> {
    let sent = body(turn)?;
    let forced = turn.request.option("forceReset");
    let forced = forced.is_some_and(|forced| forced.eq_ignore_ascii_case("true"));
    let mut dual_write = by_id(turn, id)?;
    dual_write.reset(&sent, forced).map_err(|why| bad(&why))?;
    Ok(Answer::empty(200))
}

fn start(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    let sent = body(turn)?;
    let action = sent["action"].as_str().unwrap_or_default().to_owned();
    if !["1", "4", "5", "6", "8"].contains(&action.as_str()) {
        return Err(bad("The action is not known."));
    }
    // One request of several maps has one id; this tenant takes one map at a time.
    let [detail] = sent["details"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
    else {
        return Err(bad("The rehearsal tenant takes one map a request."));
    };
    let id = detail["cid"].as_str().unwrap_or_default();
    let mut dual_write = by_id(turn, id)?;
    let map = dual_write.map_with(|map| {
        detail["tid"] == map.template.as_str()
            && (action == "8" || detail["pid"].as_str() == map.project.as_deref())
    });
    let mut map = map.ok_or_else(|| missing("map"))?;
    let request = dual_write.ask_map(&mut map, &action);
    Ok(Answer::json(200, &json!({ "requestId": request })))
}

/// The maps of a request; after a reset there may be none.
fn status(turn: &mut Turn<'_, '_>, id: &str) -> Answer {
    let found = with_map(turn, |map| map.requests.iter().any(|one| one == id));
    let shown = match found {
        Ok((mut dual_write, map)) => vec![dual_write.shown(&map)],
        Err(_) => Vec::new(),
    };
    Answer::json(200, &Value::Array(shown))
}

fn switch(turn: &mut Turn<'_, '_>, id: &str, template: &str) -> Result<Answer, Answer> {
    let sent = String::from_utf8_lossy(&turn.request.body).into_owned();
    if sent != template {
        return Err(bad("The body is not the bare id of the version."));
    }
    let project = turn.request.option("pid").map(str::to_owned);
    let mut dual_write = by_id(turn, id)?;
    let map = dual_write.map_with(|map| map.templates.iter().any(|known| known == template));
    let mut map = map.ok_or_else(|| missing("version"))?;
    if map.project.is_none() || map.project != project {
        return Err(bad("The project is not the map's."));
    }
    if !map.is_at_rest() {
        return Err(bad("The table map is running."));
    }
    dual_write.activate(&mut map, template);
    dual_write.keep(&map);
    Ok(Answer::empty(200))
}

fn solutions(turn: &mut Turn<'_, '_>, id: &str) -> Result<Answer, Answer> {
    let mut dual_write = by_id(turn, id)?;
    let organization = dual_write
        .organization()
        .ok_or_else(|| missing("organization"))?;
    let with_maps: Vec<String> = organization
        .rows("msdyn_dualwriteentitymap")
        .iter()
        .filter_map(|row| text(row, "solutionid").map(str::to_owned))
        .collect();
    let shown: Vec<Value> = organization
        .rows("solution")
        .iter()
        .filter(|row| {
            text(row, "solutionid").is_some_and(|id| with_maps.iter().any(|one| one == id))
        })
        .map(|row| {
            json!({
                "uniquename": row["uniquename"], "friendlyname": row["friendlyname"],
                "version": row["version"], "ismanaged": row["ismanaged"],
                "solutionid": row["solutionid"], "id": row["solutionid"], "description": null,
            })
        })
        .collect();
    Ok(Answer::json(200, &Value::Array(shown)))
}

fn apply(turn: &mut Turn<'_, '_>, id: &str) -> Result<Answer, Answer> {
    let sent = body(turn)?;
    let solutions = sent["solutions"].as_array().map(Vec::as_slice);
    let [one] = solutions.unwrap_or_default() else {
        return Err(bad("The rehearsal tenant applies one solution a request."));
    };
    let name = one["criteria"]["uniquename"].as_str().unwrap_or_default();
    let request = by_id(turn, id)?.ask_solution(name);
    Ok(Answer::json(200, &json!({ "requestId": request })))
}

fn prerequisites(turn: &mut Turn<'_, '_>, id: &str) -> Result<Answer, Answer> {
    let sent = body(turn)?;
    let dual_write = by_id(turn, id)?;
    let maps = dual_write.maps();
    let mut sequences = Vec::new();
    for template in sent.as_array().into_iter().flatten() {
        let Some(map) = maps.iter().find(|map| *template == map.template.as_str()) else {
            continue;
        };
        let mut names = Vec::new();
        needed(&map.name, &mut names);
        let sequence: Vec<&str> = names
            .iter()
            .filter_map(|name| maps.iter().find(|map| map.name == *name))
            .map(|map| map.template.as_str())
            .collect();
        sequences.push(json!(sequence));
    }
    Ok(Answer::json(200, &Value::Array(sequences)))
}

/// The maps that must run before one, and itself, in order.
fn needed(name: &str, names: &mut Vec<&'static str>) {
    let Some(map) = known(name) else { return };
    for before in map.needs {
        needed(before, names);
    }
    if !names.contains(&map.name) {
        names.push(map.name);
    }
}

fn field_mappings(turn: &mut Turn<'_, '_>, project: &str) -> Result<Answer, Answer> {
    let (_, map) = with_map(turn, |map| map.project.as_deref() == Some(project))?;
    let legs = map.mapping["legs"].clone();
    let shown = json!({
        "name": project, "displayName": map.name,
        "entityMappingTasks": [{"name": map.name, "legs": legs}],
    });
    Ok(Answer::json(200, &shown))
}

fn refresh(turn: &mut Turn<'_, '_>, name: &str) -> Result<Answer, Answer> {
    let (mut dual_write, mut map) = with_map(turn, |map| map.project.as_deref() == Some(name))?;
    map.refreshed = true;
    dual_write.keep(&map);
    Ok(Answer::empty(200))
}

fn keys(turn: &mut Turn<'_, '_>, name: &str) -> Result<Answer, Answer> {
    let sent = body(turn)?;
    let found = linked(&turn.draft, |link| {
        let environments = link["set"]["environments"].as_object();
        environments.is_some_and(|all| all.values().any(|one| one["name"] == name))
    });
    let (environment, _) = found.ok_or_else(|| missing("data set"))?;
    of(turn, environment).set_keys(&sent["integrationKeys"]);
    Ok(Answer::empty(200))
}
