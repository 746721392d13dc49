//! What is asked of maps and solutions: it is accepted at once and ends later, well or badly.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::DualWrite;
use super::catalogue;
use super::maps::{Map, NOT_RUNNING, PAUSED, RUNNING, STOPPED};
use crate::rehearsal::behaviour::quirks;
use crate::rehearsal::behaviour::timers::{self, Timer};
use crate::rehearsal::clock::Moment;
use crate::rehearsal::world::names;

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Its id.
    id: String,
    /// The environment.
    pub(crate) environment: String,
    /// What it is asked of.
    of: Of,
    /// The number of the action.
    action: String,
    /// How far it is, as the number that is shown.
    state: String,
    /// Why it ended badly.
    error: Option<String>,
    /// When it was asked for.
    began: Moment,
    /// When it ended, or will.
    ends: Moment,
}

/// What something is asked of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Of {
    /// A map, by its name.
    Map(String),
    /// A solution, by its unique name.
    Solution(String),
}

/// Requests that wait, that ended well, and that ended badly: states as they are shown.
const WAITING: &str = "1";
const DONE: &str = "2";
const FAILED: &str = "3";

/// The key of: how often applying a solution fails, `{"left": 1, "message": "…"}`.
pub(crate) fn failing_solution(unique_name: &str) -> String {
    format!("quirk/failing-solution/{unique_name}")
}

/// The key of: how often starting a map fails, `{"left": 1, "message": "…"}`.
pub(crate) fn failing_start(map: &str) -> String {
    format!("quirk/failing-start/{map}")
}

fn key(id: &str) -> String {
    format!("dual-write-request/{id}")
}

impl DualWrite<'_, '_> {
    /// Asks something of a map; returns the id of the request.
    pub(crate) fn ask_map(&mut self, map: &mut Map, action: &str) -> String {
        let lasts = if action == "8" { 10 } else { 30 };
        let of = Of::Map(map.name.clone());
        let id = self.ask(of, action, Duration::from_secs(lasts));
        map.requests.insert(0, id.clone());
        self.keep(map);
        id
    }

    /// Asks for a solution to be applied; returns the id of the request.
    pub(crate) fn ask_solution(&mut self, unique_name: &str) -> String {
        let of = Of::Solution(unique_name.to_owned());
        self.ask(of, "2", Duration::from_mins(1))
    }

    fn ask(&mut self, of: Of, action: &str, lasts: Duration) -> String {
        let number = self.draft.count("dual-write/requests");
        let id = names::identifier(&["request", &self.environment, &number.to_string()]);
        let asked = Asked {
            id: id.clone(),
            environment: self.environment.clone(),
            of,
            action: action.to_owned(),
            state: WAITING.to_owned(),
            error: None,
            began: self.draft.now(),
            ends: self.draft.now() + lasts,
        };
        let timer = Timer::EndDualWriteRequest {
            request: id.clone(),
        };
        timers::set(self.draft, asked.ends, &timer);
        self.keep_request(&asked);
        id
    }

    fn keep_request(&mut self, asked: &Asked) {
        let value = serde_json::to_value(asked).unwrap_or_default();
        self.draft.put(key(&asked.id), value);
    }

    /// A request by its id.
    pub(crate) fn request(&self, id: &str) -> Option<Asked> {
        read(self.draft.get(&key(id))?)
    }

    /// A request as it is shown at its map.
    pub(crate) fn shown_request(&self, id: &str) -> Option<Value> {
        let asked = self.request(id)?;
        Some(json!({
            "requestId": asked.id,
            "action": asked.action,
            "createdOn": asked.began.in_seconds(),
            "modifiedOn": asked.ends.in_seconds(),
            "state": asked.state,
            "errorMessage": asked.error,
            "errorUri": null,
            "rootActivityId": names::identifier(&["activity", id]),
        }))
    }

    /// A request of a solution as its own route shows it.
    pub(crate) fn shown_solution_request(&self, id: &str) -> Option<Value> {
        let asked = self.request(id)?;
        Some(json!({
            "requestId": asked.id,
            "action": asked.action,
            "state": asked.state,
            "result": {"message": asked.error, "status": asked.state},
            "rootActivityId": names::identifier(&["activity", id]),
        }))
    }

    /// Ends a request.
    pub(crate) fn end(&mut self, mut asked: Asked) {
        let result = match &asked.of {
            Of::Solution(name) => self.end_solution(name),
            Of::Map(name) => match self.map(name) {
                Some(map) => self.end_map(map, &asked.action),
                // A reset took it away.
                None => Err("The map does not exist any more.".to_owned()),
            },
        };
        asked.state = match &result {
            Ok(()) => DONE.to_owned(),
            Err(_) => FAILED.to_owned(),
        };
        asked.error = result.err();
        self.keep_request(&asked);
    }

    fn end_solution(&mut self, name: &str) -> Result<(), String> {
        if let Some(quirk) = quirks::strikes(self.draft, &failing_solution(name)) {
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
                self.may_start(&map)?;
                self.leave_configuration(&map);
                RUNNING.clone_into(&mut map.state);
            }
            "4" => {
                self.take_configuration(&map);
                if map.state != NOT_RUNNING {
                    STOPPED.clone_into(&mut map.state);
                }
            }
            "5" if map.state == RUNNING => PAUSED.clone_into(&mut map.state),
            "6" if map.state == PAUSED => RUNNING.clone_into(&mut map.state),
            "8" => self.initialise(&mut map),
            _ => return Err(format!("The action {action} is not valid for this map.")),
        }
        self.keep(&map);
        Ok(())
    }

    /// Why a map cannot start, if it cannot. Forms of the texts as Microsoft Learn has them (*Dual-write
    /// error codes*); the words after a code are this tenant's.
    fn may_start(&mut self, map: &Map) -> Result<(), String> {
        if let Some(quirk) = quirks::strikes(self.draft, &failing_start(&map.name)) {
            return Err(message(&quirk));
        }
        let Some(known) = catalogue::known(&map.name) else {
            return Err("The map is not known.".to_owned());
        };
        if map.project.is_none() {
            return Err("The map has not been initialised.".to_owned());
        }
        if !map.is_at_rest() {
            return Err(format!("The map is in state {}.", map.state));
        }
        let table = known.dataverse.0;
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
        for needed in known.needs {
            if self.map(needed).is_none_or(|map| map.state != RUNNING) {
                return Err(format!(
                    "The prerequisite table map '{needed}' is not running."
                ));
            }
        }
        self.may_connect()
    }
}

fn message(quirk: &Value) -> String {
    quirk["message"].as_str().unwrap_or_default().to_owned()
}

fn read(value: &Value) -> Option<Asked> {
    serde_json::from_value(value.clone()).ok()
}

/// Ends the request with an id, in whichever environment it was made.
pub(crate) fn end(
    draft: &mut crate::rehearsal::world::store::Draft<'_>,
    schema: &crate::rehearsal::schema::Schema,
    id: &str,
) {
    let Some(asked) = draft.get(&key(id)).and_then(read) else {
        return;
    };
    let environment = asked.environment.clone();
    DualWrite {
        draft,
        schema,
        environment,
    }
    .end(asked);
}
