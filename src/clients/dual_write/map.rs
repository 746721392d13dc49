//! Maps as the gateway lists them: their templates, states and actions.
//!
//! Fields as Microsoft's own *Dual-write-automations* reads them (`Struct/DWMaps.cs`,
//! `DWEnums.cs`). The words of the states are inferred from the names in that source.

use std::fmt;

use serde_json::Value;

use super::map_version::MapVersion;
use super::request_state::RequestState;
use crate::clients::json::{items_at, text_at};

/// One map of an environment.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityMap {
    /// Its name, which identifies it after a reset too: `accounts - Customers V3`.
    pub name: String,
    /// The active version.
    pub template: Template,
    /// Every version that can be made active.
    pub templates: Vec<Template>,
    /// Its project (`DWM-…`); `None` before the map has been initialised.
    pub project: Option<String>,
    /// Its state.
    pub state: MapState,
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
    /// Its version, if the gateway reports it.
    pub version: Option<MapVersion>,
}

/// The state of a map. The gateway sends numbers as text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MapState {
    /// `0`.
    None,
    /// `1`: a user stopped it.
    Stopped,
    /// `2`: its initial synchronization is running.
    InitialSync,
    /// `3`: it processes the queued changes.
    CatchUp,
    /// `4`.
    Running,
    /// `5`: changes are queued.
    Paused,
    /// `6`: it is not running, and never was since it was initialised.
    NotRunning,
    /// Any other state; neither running nor stopped.
    Unknown(String),
}

/// An action on a map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MapAction {
    /// Start live synchronization, without an initial synchronization (`1`).
    Start,
    /// Stop it (`4`). Not pause it (`5`): a pause queues changes, which are applied later.
    Stop,
    /// Create its project (`8`). This is not an initial synchronization.
    Initialise,
}

impl MapState {
    /// Parses the gateway's number.
    pub fn parse(text: &str) -> Self {
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

    /// Whether it synchronizes or is about to. A paused map does not, but it queues changes; see
    /// [`Self::is_stopped`].
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running | Self::InitialSync | Self::CatchUp)
    }

    /// Whether it certainly neither synchronizes nor queues changes.
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
    /// The gateway's number.
    pub(super) const fn number(self) -> &'static str {
        match self {
            Self::Start => "1",
            Self::Stop => "4",
            Self::Initialise => "8",
        }
    }
}

impl Template {
    fn from_value(value: &Value) -> Option<Self> {
        Some(Self {
            id: text_at(value, "/id")?,
            version: value.get("version").and_then(MapVersion::from_value),
        })
    }
}

impl EntityMap {
    /// Parses an item of the list; `None` without a name or a version.
    pub fn from_value(raw: &Value) -> Option<Self> {
        let detail = raw.get("detail")?;
        let template = detail.get("template").and_then(Template::from_value);
        let by_id = || {
            let id = text_at(detail, "/tid")?;
            Some(Template { id, version: None })
        };
        let state = match detail.get("state") {
            Some(Value::String(state)) => MapState::parse(state),
            Some(other) => MapState::Unknown(other.to_string()),
            None => MapState::Unknown("none given".to_owned()),
        };
        Some(Self {
            name: text_at(detail, "/tName")?,
            template: template.or_else(by_id)?,
            templates: items_at(detail, "/templates")
                .filter_map(Template::from_value)
                .collect(),
            project: text_at(detail, "/pid"),
            state,
            dataverse_table: text_at(raw, "/rightEntity/name"),
            raw: raw.clone(),
        })
    }

    /// Why the last request for the map failed; `None` if it did not.
    pub fn last_failure(&self) -> Option<String> {
        let request = self.raw.pointer("/detail/lastRequest")?;
        let state = text_at(request, "/state");
        match RequestState::parse(state.as_deref(), text_at(request, "/errorMessage")) {
            RequestState::Failed(why) => Some(why),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pitfall_11_states_are_numbers_as_text_and_unknown_ones_are_kept() {
        assert_ne!(MapState::parse("6"), MapState::parse("1"));
        assert_eq!(MapState::parse("6"), MapState::NotRunning);
        let unknown = MapState::parse("17");
        assert_eq!(unknown, MapState::Unknown("17".to_owned()));
        assert!(!unknown.is_running() && !unknown.is_stopped());
        assert!(!MapState::Paused.is_running() && !MapState::Paused.is_stopped());
        // A number that is not text is an unexpected shape.
        let map = EntityMap::from_value(&json!({"detail": {"tid": "t", "tName": "n", "state": 4}}));
        assert_eq!(map.unwrap().state, MapState::Unknown("4".to_owned()));
        // 8 creates the project; an initial synchronization is a start that does not skip it.
        assert_eq!(MapAction::Initialise.number(), "8");
        assert_eq!(MapAction::Start.number(), "1");
    }

    #[test]
    fn a_map_is_parsed_with_all_its_versions() {
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
}
