//! The dual-write gateway, with the requests of Microsoft's *Dual-write-automations*. It accepts
//! only a user's token.

use serde_json::{Value, json};

use super::RequestContext;
use super::authentication;
use super::message::Response;
use crate::rehearsal::behaviour::directory::PrincipalKind;
use crate::rehearsal::behaviour::dual_write::catalogue::definition;
use crate::rehearsal::behaviour::dual_write::maps::Map;
use crate::rehearsal::behaviour::dual_write::{DualWriteEnvironment, find_link};
use crate::rehearsal::behaviour::organization::text;

/// The segments below `/api`.
const MANAGEMENT: [&str; 2] = ["DualWriteManagement", "1.0"];

/// Handles a request.
pub(super) fn handle(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    let token = authentication::authenticate(context)?;
    if token.kind != PrincipalKind::Person {
        let why = "The token is an application's. Only a delegated token of a user is accepted.";
        return Err(Response::error(401, "Unauthorized", why));
    }
    let request = context.request;
    let segments = request.segments_below("/api").unwrap_or_default();
    let segments: Vec<&str> = match segments.as_slice() {
        [first, second, rest @ ..] if [*first, *second] == MANAGEMENT => [&["M"], rest].concat(),
        all => all.to_vec(),
    };
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["M", "Version"]) => Ok(Response::json(200, &json!("1.0"))),
        ("GET", ["M", "Environments"]) => Ok(environments(context)),
        ("GET", ["M", "Entities"]) => maps(context),
        ("GET", ["ConnectionSet", name]) => connection_set(context, name),
        ("POST", ["ConnectionSet", id, "Reset"]) => reset(context, id),
        ("POST", ["M", "Start"]) => start(context),
        ("GET", ["M", "Status", id]) => Ok(status(context, id)),
        ("POST", ["M", "SolutionAware", id, "SwitchActive", template]) => {
            switch(context, id, template)
        }
        ("GET", ["M", "SolutionAware", id, "Solutions"]) => solutions(context, id),
        ("POST", ["M", "SolutionAware", id, "RestoreTemplates"]) => apply(context, id),
        ("GET", ["M", "SolutionAware", id, "Status", request]) => {
            let dual_write = find_by_set(context, id)?;
            let shown = dual_write.solution_request_json(request);
            shown.map_or_else(
                || Err(missing("request")),
                |shown| Ok(Response::json(200, &shown)),
            )
        }
        ("POST", ["M", "GetTemplatePrerequisiteSequences", id]) => prerequisites(context, id),
        ("GET", ["M", project, "FieldMappings"]) => field_mappings(context, project),
        ("POST", ["Project", name, "Refresh"]) => refresh(context, name),
        ("POST", ["dataset", name, "IntegrationKeys"]) => keys(context, name),
        _ => Err(Response::error(
            404,
            "NotFound",
            "No route of the gateway fits.",
        )),
    }
}

fn missing(what: &str) -> Response {
    Response::error(404, "NotFound", &format!("The {what} could not be found."))
}

fn bad(why: &str) -> Response {
    Response::error(400, "BadRequest", why)
}

fn body(context: &RequestContext<'_, '_>) -> Result<Value, Response> {
    context
        .request
        .json()
        .map_err(|error| bad(&error.to_string()))
}

fn dual_write_of<'context, 'world>(
    context: &'context mut RequestContext<'_, 'world>,
    environment: String,
) -> DualWriteEnvironment<'context, 'world> {
    DualWriteEnvironment {
        draft: &mut context.draft,
        schema: context.schema,
        environment,
    }
}

/// The environment whose connection set has an id.
fn find_by_set<'context, 'world>(
    context: &'context mut RequestContext<'_, 'world>,
    id: &str,
) -> Result<DualWriteEnvironment<'context, 'world>, Response> {
    let found = find_link(&context.draft, |link| link["set"]["id"] == id);
    let (environment, _) = found.ok_or_else(|| missing("connection set"))?;
    Ok(dual_write_of(context, environment))
}

/// The environment with a matching map, and the map.
fn find_by_map<'context, 'world>(
    context: &'context mut RequestContext<'_, 'world>,
    matches: impl Fn(&Map) -> bool,
) -> Result<(DualWriteEnvironment<'context, 'world>, Map), Response> {
    let environments: Vec<String> = context
        .draft
        .under("dual-write/")
        .filter_map(|(key, _)| {
            let rest = key.strip_prefix("dual-write/")?;
            Some(rest.strip_suffix("/link")?.to_owned())
        })
        .collect();
    for environment in environments {
        let found = dual_write_of(context, environment.clone()).find_map(&matches);
        if let Some(map) = found {
            return Ok((dual_write_of(context, environment), map));
        }
    }
    Err(missing("map"))
}

/// The link of a host, which must match exactly.
fn environments(context: &mut RequestContext<'_, '_>) -> Response {
    let host = context.request.option("identifier").unwrap_or_default();
    let found = find_link(&context.draft, |link| link["identifier"] == host);
    let shown = found.map(|(_, link)| {
        let set = &link["set"];
        json!({
            "cid": set["id"], "cname": set["name"], "targetType": "AX",
            "displayName": link["displayName"], "detail": {"isSolutionAware": true},
            "powerAppsEnvironment": link["powerAppsEnvironment"],
        })
    });
    Response::json(200, &Value::Array(shown.into_iter().collect()))
}

fn maps(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    let id = context.request.option("cid").unwrap_or_default().to_owned();
    let mut dual_write = find_by_set(context, &id)?;
    let maps = dual_write.maps();
    let shown = maps.iter().map(|map| dual_write.map_json(map)).collect();
    Ok(Response::json(200, &Value::Array(shown)))
}

fn connection_set(context: &mut RequestContext<'_, '_>, name: &str) -> Result<Response, Response> {
    let found = find_link(&context.draft, |link| link["set"]["name"] == name);
    let (_, link) = found.ok_or_else(|| missing("connection set"))?;
    Ok(Response::json(200, &link["set"]))
}

fn reset(context: &mut RequestContext<'_, '_>, id: &str) -> Result<Response, Response> {
    let sent = body(context)?;
    let forced = context.request.option("forceReset");
    let forced = forced.is_some_and(|forced| forced.eq_ignore_ascii_case("true"));
    let mut dual_write = find_by_set(context, id)?;
    dual_write.reset(&sent, forced).map_err(|why| bad(&why))?;
    Ok(Response::empty(200))
}

fn start(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    let sent = body(context)?;
    let action = sent["action"].as_str().unwrap_or_default().to_owned();
    if !["1", "4", "5", "6", "8"].contains(&action.as_str()) {
        return Err(bad("The action is not known."));
    }
    // In the service, a request for several maps has one id; this tenant accepts one map at a time.
    let [detail] = sent["details"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
    else {
        return Err(bad("The rehearsal tenant takes one map a request."));
    };
    let id = detail["cid"].as_str().unwrap_or_default();
    let mut dual_write = find_by_set(context, id)?;
    let map = dual_write.find_map(|map| {
        detail["tid"] == map.template.as_str()
            && (action == "8" || detail["pid"].as_str() == map.project.as_deref())
    });
    let mut map = map.ok_or_else(|| missing("map"))?;
    let request = dual_write.start_map_request(&mut map, &action);
    Ok(Response::json(200, &json!({ "requestId": request })))
}

/// The maps of a request; none after a reset.
fn status(context: &mut RequestContext<'_, '_>, id: &str) -> Response {
    let found = find_by_map(context, |map| map.requests.iter().any(|one| one == id));
    let shown = match found {
        Ok((mut dual_write, map)) => vec![dual_write.map_json(&map)],
        Err(_) => Vec::new(),
    };
    Response::json(200, &Value::Array(shown))
}

fn switch(
    context: &mut RequestContext<'_, '_>,
    id: &str,
    template: &str,
) -> Result<Response, Response> {
    let sent = String::from_utf8_lossy(&context.request.body).into_owned();
    if sent != template {
        return Err(bad("The body is not the bare id of the version."));
    }
    let project = context.request.option("pid").map(str::to_owned);
    let mut dual_write = find_by_set(context, id)?;
    let map = dual_write.find_map(|map| map.templates.iter().any(|other| other == template));
    let mut map = map.ok_or_else(|| missing("version"))?;
    if map.project.is_none() || map.project != project {
        return Err(bad("The project is not the map's."));
    }
    if !map.is_stopped() {
        return Err(bad("The table map is running."));
    }
    dual_write.activate(&mut map, template);
    dual_write.save_map(&map);
    Ok(Response::empty(200))
}

fn solutions(context: &mut RequestContext<'_, '_>, id: &str) -> Result<Response, Response> {
    let mut dual_write = find_by_set(context, id)?;
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
    Ok(Response::json(200, &Value::Array(shown)))
}

fn apply(context: &mut RequestContext<'_, '_>, id: &str) -> Result<Response, Response> {
    let sent = body(context)?;
    let solutions = sent["solutions"].as_array().map(Vec::as_slice);
    let [one] = solutions.unwrap_or_default() else {
        return Err(bad("The rehearsal tenant applies one solution a request."));
    };
    let name = one["criteria"]["uniquename"].as_str().unwrap_or_default();
    let request = find_by_set(context, id)?.start_solution_request(name);
    Ok(Response::json(200, &json!({ "requestId": request })))
}

fn prerequisites(context: &mut RequestContext<'_, '_>, id: &str) -> Result<Response, Response> {
    let sent = body(context)?;
    let dual_write = find_by_set(context, id)?;
    let maps = dual_write.maps();
    let mut sequences = Vec::new();
    for template in sent.as_array().into_iter().flatten() {
        let Some(map) = maps.iter().find(|map| *template == map.template.as_str()) else {
            continue;
        };
        let mut names = Vec::new();
        collect_prerequisites(&map.name, &mut names);
        let sequence: Vec<&str> = names
            .iter()
            .filter_map(|name| maps.iter().find(|map| map.name == *name))
            .map(|map| map.template.as_str())
            .collect();
        sequences.push(json!(sequence));
    }
    Ok(Response::json(200, &Value::Array(sequences)))
}

/// Collects a map and the maps that must run before it, in order.
fn collect_prerequisites(name: &str, names: &mut Vec<&'static str>) {
    let Some(map) = definition(name) else { return };
    for before in map.needs {
        collect_prerequisites(before, names);
    }
    if !names.contains(&map.name) {
        names.push(map.name);
    }
}

fn field_mappings(
    context: &mut RequestContext<'_, '_>,
    project: &str,
) -> Result<Response, Response> {
    let (_, map) = find_by_map(context, |map| map.project.as_deref() == Some(project))?;
    let legs = map.mapping["legs"].clone();
    let shown = json!({
        "name": project, "displayName": map.name,
        "entityMappingTasks": [{"name": map.name, "legs": legs}],
    });
    Ok(Response::json(200, &shown))
}

fn refresh(context: &mut RequestContext<'_, '_>, name: &str) -> Result<Response, Response> {
    let (mut dual_write, mut map) =
        find_by_map(context, |map| map.project.as_deref() == Some(name))?;
    map.refreshed = true;
    dual_write.save_map(&map);
    Ok(Response::empty(200))
}

fn keys(context: &mut RequestContext<'_, '_>, name: &str) -> Result<Response, Response> {
    let sent = body(context)?;
    let found = find_link(&context.draft, |link| {
        let environments = link["set"]["environments"].as_object();
        environments.is_some_and(|all| all.values().any(|one| one["name"] == name))
    });
    let (environment, _) = found.ok_or_else(|| missing("data set"))?;
    dual_write_of(context, environment).set_keys(&sent["integrationKeys"]);
    Ok(Response::empty(200))
}
