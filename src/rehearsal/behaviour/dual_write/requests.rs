//! Requests to maps and solutions: accepted immediately, they succeed or fail later.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::DualWriteEnvironment;
use super::catalogue;
use super::maps::{Map, NOT_RUNNING, PAUSED, RUNNING, STOPPED};
use crate::rehearsal::behaviour::quirks;
use crate::rehearsal::behaviour::timers::{self, Timer};
use crate::rehearsal::clock::Moment;
use crate::rehearsal::schema::Schema;
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GatewayRequest {
    id: String,
    pub(crate) environment: String,
    /// The map or solution.
    #[serde(rename = "of")]
    target: RequestTarget,
    /// The number of the action.
    action: String,
    /// Its state, the number that the gateway returns.
    state: String,
    /// The error, if it failed.
    error: Option<String>,
    /// When it was sent.
    began: Moment,
    /// When it ends or ended.
    ends: Moment,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RequestTarget {
    /// A map, by its name.
    Map(String),
    /// A solution, by its unique name.
    Solution(String),
}

/// The states of requests: waiting, succeeded, failed.
const WAITING: &str = "1";
const DONE: &str = "2";
const FAILED: &str = "3";

/// The key of the quirk that applying a solution fails: `{"left": 1, "message": "…"}`.
pub(crate) fn failing_solution(unique_name: &str) -> String {
    format!("quirk/failing-solution/{unique_name}")
}

/// The key of the quirk that starting a map fails: `{"left": 1, "message": "…"}`.
pub(crate) fn failing_start(map: &str) -> String {
    format!("quirk/failing-start/{map}")
}

fn key(id: &str) -> String {
    format!("dual-write-request/{id}")
}

impl DualWriteEnvironment<'_, '_> {
    /// Starts a request to a map and returns its id.
    pub(crate) fn start_map_request(&mut self, map: &mut Map, action: &str) -> String {
        let seconds = if action == "8" { 10 } else { 30 };
        let target = RequestTarget::Map(map.name.clone());
        let id = self.start_request(target, action, Duration::from_secs(seconds));
        map.requests.insert(0, id.clone());
        self.save_map(map);
        id
    }

    /// Starts a request to apply a solution and returns its id.
    pub(crate) fn start_solution_request(&mut self, unique_name: &str) -> String {
        let target = RequestTarget::Solution(unique_name.to_owned());
        self.start_request(target, "2", Duration::from_mins(1))
    }

    fn start_request(&mut self, target: RequestTarget, action: &str, duration: Duration) -> String {
        let number = self.draft.count("dual-write/requests");
        let id = names::identifier(&["request", &self.environment, &number.to_string()]);
        let request = GatewayRequest {
            id: id.clone(),
            environment: self.environment.clone(),
            target,
            action: action.to_owned(),
            state: WAITING.to_owned(),
            error: None,
            began: self.draft.now(),
            ends: self.draft.now() + duration,
        };
        let timer = Timer::EndDualWriteRequest {
            request: id.clone(),
        };
        timers::set(self.draft, duration, &timer);
        self.save_request(&request);
        id
    }

    fn save_request(&mut self, request: &GatewayRequest) {
        self.draft.save(key(&request.id), request);
    }

    pub(crate) fn request(&self, id: &str) -> Option<GatewayRequest> {
        self.draft.load(&key(id))
    }

    /// A request as the gateway returns it with its map.
    pub(crate) fn request_json(&self, id: &str) -> Option<Value> {
        let request = self.request(id)?;
        Some(json!({
            "requestId": request.id,
            "action": request.action,
            "createdOn": request.began.to_iso_seconds(),
            "modifiedOn": request.ends.to_iso_seconds(),
            "state": request.state,
            "errorMessage": request.error,
            "errorUri": null,
            "rootActivityId": names::identifier(&["activity", id]),
        }))
    }

    /// A request to a solution as its own route returns it.
    pub(crate) fn solution_request_json(&self, id: &str) -> Option<Value> {
        let request = self.request(id)?;
        Some(json!({
            "requestId": request.id,
            "action": request.action,
            "state": request.state,
            "result": {"message": request.error, "status": request.state},
            "rootActivityId": names::identifier(&["activity", id]),
        }))
    }

    pub(crate) fn end(&mut self, mut request: GatewayRequest) {
        let result = match &request.target {
            RequestTarget::Solution(name) => self.end_solution(name),
            RequestTarget::Map(name) => match self.map(name) {
                Some(map) => self.end_map(map, &request.action),
                // A reset deleted it.
                None => Err("The map does not exist any more.".to_owned()),
            },
        };
        request.state = match &result {
            Ok(()) => DONE.to_owned(),
            Err(_) => FAILED.to_owned(),
        };
        request.error = result.err();
        self.save_request(&request);
    }

    fn end_solution(&mut self, name: &str) -> Result<(), String> {
        if let Some(quirk) = quirks::consume(self.draft, &failing_solution(name)) {
            return Err(message(&quirk));
        }
        if self.apply_solution(name) {
            Ok(())
        } else {
            Err("Failed to apply solution".to_owned())
        }
    }

    fn end_map(&mut self, mut map: Map, action: &str) -> Result<(), String> {
        match action {
            "1" => {
                self.check_start(&map)?;
                self.write_configuration(&map);
                RUNNING.clone_into(&mut map.state);
            }
            "4" => {
                self.remove_configuration(&map);
                if map.state != NOT_RUNNING {
                    STOPPED.clone_into(&mut map.state);
                }
            }
            "5" if map.state == RUNNING => {
                self.set_project_status(&map, "Queueing");
                PAUSED.clone_into(&mut map.state);
            }
            "6" if map.state == PAUSED => {
                self.set_project_status(&map, "Enabled");
                RUNNING.clone_into(&mut map.state);
            }
            "8" => self.initialise(&mut map),
            _ => return Err(format!("The action {action} is not valid for this map.")),
        }
        self.save_map(&map);
        Ok(())
    }

    /// Checks that a map can start. The codes are those of Microsoft Learn (*Dual-write error
    /// codes*); the texts after a code are invented.
    fn check_start(&mut self, map: &Map) -> Result<(), String> {
        if let Some(quirk) = quirks::consume(self.draft, &failing_start(&map.name)) {
            return Err(message(&quirk));
        }
        let Some(definition) = catalogue::definition(&map.name) else {
            return Err("The map is not known.".to_owned());
        };
        if map.project.is_none() {
            return Err("The map has not been initialised.".to_owned());
        }
        if !map.is_stopped() {
            return Err(format!("The map is in state {}.", map.state));
        }
        let table = definition.dataverse.0;
        if self.key_of(table).is_none_or(|key| key.is_empty()) {
            return Err(format!(
                "DIPV1003: The integration key for the entity {table} is missing."
            ));
        }
        if !map.refreshed {
            return Err(format!(
                "DIPV1018: The schema of the entity {table} is stale."
            ));
        }
        for needed in definition.needs {
            if self.map(needed).is_none_or(|map| map.state != RUNNING) {
                return Err(format!(
                    "The prerequisite table map '{needed}' is not running."
                ));
            }
        }
        self.check_connectivity()
    }
}

fn message(quirk: &Value) -> String {
    quirk["message"].as_str().unwrap_or_default().to_owned()
}

/// Ends the request with an id, in its environment.
pub(crate) fn end(draft: &mut Draft<'_>, schema: &Schema, id: &str) {
    if let Some(request) = draft.load::<GatewayRequest>(&key(id)) {
        let environment = request.environment.clone();
        DualWriteEnvironment {
            draft,
            schema,
            environment,
        }
        .end(request);
    }
}
