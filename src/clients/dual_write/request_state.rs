//! The state of a request to the gateway. Fields as Microsoft's own *Dual-write-automations* reads
//! them (`Struct/DWMaps.cs`, `DWEnums.cs`).

use serde_json::Value;

use crate::clients::json::{items_at, text_at};

/// The state of a request to the gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RequestState {
    /// `1`: it is being processed.
    Waiting,
    /// `2`: it succeeded.
    Done,
    /// `3`: it failed, with the reason.
    Failed(String),
    /// Any other state; neither success nor failure.
    Unknown(String),
    /// The gateway does not list the request.
    Missing,
}

impl RequestState {
    /// Parses the gateway's number, with the message of a failure.
    pub(super) fn parse(state: Option<&str>, error: Option<String>) -> Self {
        match state {
            Some("1") => Self::Waiting,
            Some("2") => Self::Done,
            Some("3") => {
                Self::Failed(error.unwrap_or_else(|| "the gateway gives no reason".to_owned()))
            }
            Some(other) => Self::Unknown(other.to_owned()),
            None => Self::Unknown("none given".to_owned()),
        }
    }

    /// The state of a map request among the maps in a status response.
    pub(super) fn find(maps: &Value, id: &str) -> Self {
        let requests = items_at(maps, "").flat_map(|map| items_at(map, "/detail/lastRequests"));
        let has_id = |request: &&Value| {
            text_at(request, "/requestId").is_some_and(|found| found.eq_ignore_ascii_case(id))
        };
        // A request of several maps is listed at each: it has succeeded when all have.
        let states = requests.filter(has_id).map(|request| {
            let state = request.get("state").and_then(Value::as_str);
            Self::parse(state, text_at(request, "/errorMessage"))
        });
        let rank = |state: &Self| match state {
            Self::Failed(_) => 0,
            Self::Unknown(_) | Self::Missing => 1,
            Self::Waiting => 2,
            Self::Done => 3,
        };
        states.min_by_key(rank).unwrap_or(Self::Missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_is_found_by_its_id_and_its_worst_state_counts() {
        let map = |states: &[(&str, &str)]| {
            let requests: Vec<Value> = states
                .iter()
                .map(|(id, state)| json!({"requestId": id, "state": state, "errorMessage": "no key"}))
                .collect();
            json!({"detail": {"lastRequests": requests}})
        };
        let maps = json!([map(&[("A", "2"), ("b", "1")]), map(&[("a", "3")])]);
        assert_eq!(
            RequestState::find(&maps, "a"),
            RequestState::Failed("no key".to_owned())
        );
        assert_eq!(RequestState::find(&maps, "b"), RequestState::Waiting);
        assert_eq!(RequestState::find(&maps, "c"), RequestState::Missing);
        assert_eq!(
            RequestState::find(&json!([map(&[("a", "9")])]), "a"),
            RequestState::Unknown("9".to_owned())
        );
    }
}
