//! Maps as the gateway lists them: their versions, their states, the requests made of them.
//!
//! Fields as Microsoft's own *Dual-write-automations* reads them (`Struct/DWMaps.cs`,
//! `DWEnums.cs`). Which word belongs to which number of a state is inferred, apart from the names.

use std::fmt;

use serde_json::Value;

use crate::clients::lists::text;

/// One map of an environment.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityMap {
    /// Its name, by which it is found again after a reset: `accounts - Customers V3`.
    pub name: String,
    /// The version that is active.
    pub template: Template,
    /// Every version that could be active.
    pub templates: Vec<Template>,
    /// Its project (`DWM-…`); none before the map has been initialised.
    pub project: Option<String>,
    /// How far it is.
    pub state: MapState,
    /// The table of Finance and Operations.
    pub finance_table: Option<String>,
    /// The entity set of Dataverse: `salesorders`.
    pub dataverse_table: Option<String>,
    /// The whole item.
    pub raw: Value,
}

/// One version of a map.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    /// Its id.
    pub id: String,
    /// Its version; none where the gateway does not say.
    pub version: Option<MapVersion>,
}

/// A map's version: `1.0.0.14`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct MapVersion(pub [u64; 4]);

/// How far a map is. The gateway sends numbers as text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MapState {
    /// `0`.
    None,
    /// `1`: stopped by somebody.
    Stopped,
    /// `2`: its initial synchronization runs.
    InitialSync,
    /// `3`: it catches up with what was queued.
    CatchUp,
    /// `4`.
    Running,
    /// `5`: changes are queued.
    Paused,
    /// `6`: it does not run, and never has since it was initialised.
    NotRunning,
    /// Any other; neither running nor stopped.
    Unknown(String),
}

/// What is asked of a map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MapAction {
    /// Start live synchronization, without an initial one (`1`).
    Start,
    /// Stop it (`4`). Not paused (`5`): a pause queues changes, which are replayed later.
    Stop,
    /// Give it a project (`8`). It is no initial synchronization.
    Initialise,
}

/// How a request is doing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RequestState {
    /// `1`: it is worked on.
    Waiting,
    /// `2`: it ended well.
    Done,
    /// `3`: it ended badly, and why.
    Failed(String),
    /// Any other; neither good nor bad.
    Unknown(String),
    /// The gateway does not show the request.
    Missing,
}

/// What a map's project maps, and under which conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldMappings {
    /// The project's name, under which its tables are refreshed.
    pub name: String,
    /// The directions.
    pub legs: Vec<Leg>,
    /// The whole answer.
    pub raw: Value,
}

/// One direction of a map.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leg {
    /// Where rows come from.
    pub source: Option<String>,
    /// Where they go.
    pub destination: Option<String>,
    /// Which rows of the source are taken; none where all are.
    pub filter: Option<String>,
    /// Which rows are taken in the other direction.
    pub reversed_filter: Option<String>,
}

impl MapState {
    /// Reads the number that the gateway sends.
    pub fn read(text: &str) -> Self {
        match text {
            "0" => Self::None,
            "1" => Self::Stopped,
            "2" => Self::InitialSync,
            "3" => Self::CatchUp,
            "4" => Self::Running,
            "5" => Self::Paused,
            "6" => Self::NotRunning,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// Does it synchronize, or is it about to? A paused map does not, but queues; see
    /// [`Self::is_stopped`].
    pub fn runs(&self) -> bool {
        matches!(self, Self::Running | Self::InitialSync | Self::CatchUp)
    }

    /// Is it certain that it neither synchronizes nor queues?
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::None | Self::Stopped | Self::NotRunning)
    }
}

impl fmt::Display for MapState {
    /// The word of the dual-write page.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Stopped => f.write_str("stopped"),
            Self::InitialSync => f.write_str("initializing"),
            Self::CatchUp => f.write_str("resuming"),
            Self::Running => f.write_str("running"),
            Self::Paused => f.write_str("paused"),
            Self::NotRunning => f.write_str("not running"),
            Self::Unknown(state) => write!(f, "in the unknown state '{state}'"),
        }
    }
}

impl MapAction {
    /// The number that the gateway takes.
    pub(super) const fn number(self) -> &'static str {
        match self {
            Self::Start => "1",
            Self::Stop => "4",
            Self::Initialise => "8",
        }
    }
}

impl fmt::Display for MapVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, build, revision] = self.0;
        write!(f, "{major}.{minor}.{build}.{revision}")
    }
}

impl std::str::FromStr for MapVersion {
    type Err = std::num::ParseIntError;

    /// Reads `1.0.0.14`; parts that are left out are 0, and what follows the fourth is ignored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = [0; 4];
        for (part, digits) in parts.iter_mut().zip(text.trim().split('.')) {
            *part = digits.parse()?;
        }
        Ok(Self(parts))
    }
}

impl MapVersion {
    /// Reads an object of `major`, `minor`, `build` and `revision`, whatever the case of the names.
    pub fn from_value(value: &Value) -> Option<Self> {
        let members = value.as_object()?;
        let part = |name: &str| {
            let found = members
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.and_then(|(_, number)| number.as_u64())
        };
        Some(Self([
            part("major")?,
            part("minor")?,
            part("build").unwrap_or(0),
            part("revision").unwrap_or(0),
        ]))
    }
}

impl Template {
    fn from_value(value: &Value) -> Option<Self> {
        Some(Self {
            id: text(value, "/id")?,
            version: value.get("version").and_then(MapVersion::from_value),
        })
    }
}

impl EntityMap {
    /// Reads an item of the list; none where it has no name or no version.
    pub fn from_value(raw: &Value) -> Option<Self> {
        let detail = raw.get("detail")?;
        let template = detail.get("template").and_then(Template::from_value);
        let id = text(detail, "/tid");
        let template = match (template, id) {
            (Some(template), _) => template,
            (None, Some(id)) => Template { id, version: None },
            (None, None) => return None,
        };
        let templates = detail.get("templates").and_then(Value::as_array);
        let state = match detail.get("state") {
            Some(Value::String(state)) => MapState::read(state),
            Some(other) => MapState::Unknown(other.to_string()),
            None => MapState::Unknown("none given".to_owned()),
        };
        Some(Self {
            name: text(detail, "/tName")?,
            template,
            templates: templates
                .into_iter()
                .flatten()
                .filter_map(Template::from_value)
                .collect(),
            project: text(detail, "/pid").filter(|pid| !pid.is_empty()),
            state,
            finance_table: text(raw, "/leftEntity/name"),
            dataverse_table: text(raw, "/rightEntity/name"),
            raw: raw.clone(),
        })
    }
}

impl EntityMap {
    /// Why the last request that was made of the map failed; none where it did not.
    pub fn last_failure(&self) -> Option<String> {
        let request = self.raw.pointer("/detail/lastRequest")?;
        match request_state(
            text(request, "/state").as_deref(),
            text(request, "/errorMessage"),
        ) {
            RequestState::Failed(why) => Some(why),
            _ => None,
        }
    }
}

impl FieldMappings {
    /// Reads a project; none where it has no name.
    pub fn from_value(raw: Value) -> Option<Self> {
        let legs = raw.pointer("/entityMappingTasks/0/legs")?.as_array()?;
        let filled = |leg: &Value, name: &str| {
            text(leg, &format!("/{name}")).filter(|text| !text.trim().is_empty())
        };
        let legs = legs
            .iter()
            .map(|leg| Leg {
                source: filled(leg, "sourceSchema"),
                destination: filled(leg, "destinationSchema"),
                filter: filled(leg, "sourceFilter"),
                reversed_filter: filled(leg, "reversedSourceFilter"),
            })
            .collect();
        Some(Self {
            name: text(&raw, "/name")?,
            legs,
            raw,
        })
    }
}

/// The state of a request: in an object with `state`, and the text that explains a bad end.
pub(super) fn request_state(state: Option<&str>, error: Option<String>) -> RequestState {
    match state {
        Some("1") => RequestState::Waiting,
        Some("2") => RequestState::Done,
        Some("3") => {
            RequestState::Failed(error.unwrap_or_else(|| "the gateway gives no reason".to_owned()))
        }
        Some(other) => RequestState::Unknown(other.to_owned()),
        None => RequestState::Unknown("none given".to_owned()),
    }
}

/// The state of a map request among the maps that its status answer lists.
pub(super) fn request_among(maps: &Value, id: &str) -> RequestState {
    let requests = maps
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|map| map.pointer("/detail/lastRequests")?.as_array())
        .flatten();
    let is_ours = |request: &&Value| {
        text(request, "/requestId").is_some_and(|found| found.eq_ignore_ascii_case(id))
    };
    // A request of several maps is listed at each: it has ended well when all have.
    let mut states: Vec<RequestState> = requests
        .filter(is_ours)
        .map(|request| {
            request_state(
                request.get("state").and_then(Value::as_str),
                text(request, "/errorMessage"),
            )
        })
        .collect();
    let rank = |state: &RequestState| match state {
        RequestState::Failed(_) => 0,
        RequestState::Unknown(_) | RequestState::Missing => 1,
        RequestState::Waiting => 2,
        RequestState::Done => 3,
    };
    states.sort_by_key(rank);
    states.into_iter().next().unwrap_or(RequestState::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pitfall_11_states_are_numbers_as_text_and_the_unknown_is_kept() {
        assert_ne!(MapState::read("6"), MapState::read("1"));
        assert_eq!(MapState::read("6"), MapState::NotRunning);
        let unknown = MapState::read("17");
        assert_eq!(unknown, MapState::Unknown("17".to_owned()));
        assert!(!unknown.runs() && !unknown.is_stopped());
        assert!(!MapState::Paused.runs() && !MapState::Paused.is_stopped());
        // A number that is no text is not what the gateway is known to send.
        let map = EntityMap::from_value(&json!({"detail": {"tid": "t", "tName": "n", "state": 4}}));
        assert_eq!(map.unwrap().state, MapState::Unknown("4".to_owned()));
        // 8 gives a map its project; an initial synchronization is the start without skipping it.
        assert_eq!(MapAction::Initialise.number(), "8");
        assert_eq!(MapAction::Start.number(), "1");
    }

    #[test]
    fn a_map_is_read_with_all_its_versions() {
        let version = |revision: u64| json!({"major": 1, "minor": 0, "build": 0, "revision": revision, "minorRevision": revision});
        let map = EntityMap::from_value(&json!({
            "leftEntity": {"targetType": "AX", "name": "CustCustomerV3Entity"},
            "rightEntity": {"targetType": "CRM", "name": "accounts"},
            "detail": {
                "tid": "t2", "tName": "accounts - Customers V3", "pid": null, "state": "6",
                "template": {"id": "t2", "version": version(14)},
                "templates": [{"id": "t1", "version": version(9)}, {"id": "t2", "version": version(14)}],
                "somethingNew": true,
            },
        }))
        .unwrap();
        assert_eq!(map.template.version.unwrap().to_string(), "1.0.0.14");
        assert_eq!(map.templates.len(), 2);
        assert_eq!((map.project, map.state), (None, MapState::NotRunning));
        assert_eq!(map.dataverse_table.as_deref(), Some("accounts"));
        assert_eq!(map.raw["detail"]["somethingNew"], true);
        assert!(EntityMap::from_value(&json!({"detail": {"tid": "t"}})).is_none());
    }

    #[test]
    fn versions_are_read_from_text_and_from_objects() {
        let read =
            MapVersion::from_value(&json!({"Major": 1, "Minor": 0, "Build": 1, "Revision": 6}));
        assert_eq!(read, "1.0.1.6".parse().ok());
        assert!("1.0.1.6".parse::<MapVersion>().unwrap() < "1.0.1.10".parse().unwrap());
        assert!("one".parse::<MapVersion>().is_err());
    }

    #[test]
    fn a_request_is_found_by_its_id_and_its_worst_end_counts() {
        let map = |states: &[(&str, &str)]| {
            let requests: Vec<Value> = states
                .iter()
                .map(|(id, state)| json!({"requestId": id, "state": state, "errorMessage": "no key"}))
                .collect();
            json!({"detail": {"lastRequests": requests}})
        };
        let maps = json!([map(&[("A", "2"), ("b", "1")]), map(&[("a", "3")])]);
        assert_eq!(
            request_among(&maps, "a"),
            RequestState::Failed("no key".to_owned())
        );
        assert_eq!(request_among(&maps, "b"), RequestState::Waiting);
        assert_eq!(request_among(&maps, "c"), RequestState::Missing);
        assert_eq!(
            request_among(&json!([map(&[("a", "9")])]), "a"),
            RequestState::Unknown("9".to_owned())
        );
    }
}
