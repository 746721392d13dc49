//! Whose copy is it? After a lost response, a copy that the service lists may be this run's or another
//! administrator's. What the operation shows of itself must not contradict what this run recorded
//! before its request. What the service does not show is unknown, and contradicts nothing.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clients::{Operation, SignIn, TokenFacts};

/// The members of the copy's intent: the ids of the requester, and the services' time.
const REQUESTED_BY: &str = "requested-by";
const REQUESTED_AT: &str = "requested-at";

/// How much earlier than the recorded time an operation may start: the services' clocks differ.
const CLOCKS_DIFFER: Duration = Duration::from_mins(2);

/// How much later an operation may start: the request follows its intent at once, and the service may
/// queue it.
const QUEUED: Duration = Duration::from_hours(12);

/// What this run knows of its own request.
pub(super) struct OwnRequest {
    /// The ids of its identity; empty if they are not known.
    ids: Vec<String>,
    /// The services' time right before it.
    at: Option<Timestamp>,
    source: Uuid,
}

/// What the intent records of the request. Takes the sign-in to the service, if it is known, and the
/// services' time.
pub(super) async fn describe_request(
    sign_in: Option<&SignIn>,
    at: Option<Timestamp>,
) -> [(&'static str, Value); 2] {
    let facts = match sign_in {
        Some(sign_in) => sign_in.facts().await.unwrap_or_default(),
        None => TokenFacts::default(),
    };
    // A service names the holder by its object in the directory. Without that, nothing is compared.
    let ids: Vec<String> = match facts.object {
        Some(object) => [Some(object), facts.application]
            .into_iter()
            .flatten()
            .collect(),
        None => Vec::new(),
    };
    let at = at.map(|at| at.to_string());
    [(REQUESTED_BY, json!(ids)), (REQUESTED_AT, json!(at))]
}

impl OwnRequest {
    /// Reads it from the intent. Takes the source's id.
    pub(super) fn from_intent(probed: &Value, source: Uuid) -> Self {
        let ids = probed[REQUESTED_BY].as_array().into_iter().flatten();
        Self {
            ids: ids.filter_map(Value::as_str).map(str::to_owned).collect(),
            at: probed[REQUESTED_AT].as_str().and_then(|at| at.parse().ok()),
            source,
        }
    }

    /// What the operation shows that cannot be true of this request; empty if nothing contradicts it.
    pub(super) fn contradictions(&self, operation: &Operation) -> Vec<String> {
        [
            self.other_requester(operation),
            self.other_time(operation),
            self.other_source(&operation.raw),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn other_requester(&self, operation: &Operation) -> Option<String> {
        let requester = operation.requested_by.as_deref()?;
        // `SYSTEM` and other names say nothing about who asked for it.
        let id = Uuid::try_parse(requester).ok()?;
        let is_own = |own: &String| Uuid::try_parse(own).is_ok_and(|own| own == id);
        if self.ids.is_empty() || self.ids.iter().any(is_own) {
            return None;
        }
        let name = operation.requested_by_name.as_deref().unwrap_or("another");
        Some(format!(
            "requested by '{name}' ({requester}), not by this run"
        ))
    }

    fn other_time(&self, operation: &Operation) -> Option<String> {
        let at = self.at?;
        let text = operation.started.as_deref()?;
        let started: Timestamp = text.parse().ok()?;
        if started < at.saturating_sub(CLOCKS_DIFFER).ok()? {
            return Some(format!("started at {text}, before the request of this run"));
        }
        let is_late = started > at.saturating_add(QUEUED).ok()?;
        is_late.then(|| format!("started at {text}, long after the request of this run"))
    }

    fn other_source(&self, raw: &Value) -> Option<String> {
        let named = named_source(raw)?;
        (named != self.source).then(|| format!("from another source ({named})"))
    }
}

/// The source environment that an operation names, in any member that is called so. No public example
/// has one.
fn named_source(value: &Value) -> Option<Uuid> {
    match value {
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            if !name.contains("sourceenvironment") {
                return named_source(value);
            }
            let text = value.as_str().or_else(|| value["id"].as_str())?;
            Uuid::try_parse(text.rsplit('/').next()?).ok()
        }),
        Value::Array(items) => items.iter().find_map(named_source),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Uuid = Uuid::from_u128(1);
    const OURS: &str = "c11e0000-0000-4000-8000-0000000000aa";

    fn contradictions(shown: &Value, intent: &Value) -> Vec<String> {
        let mut operation = json!({ "operationId": "1", "name": "Copy", "status": "InProgress" });
        for (name, value) in shown.as_object().unwrap() {
            operation[name] = value.clone();
        }
        let operation = Operation::from_value(&operation).unwrap();
        OwnRequest::from_intent(intent, SOURCE).contradictions(&operation)
    }

    fn intent() -> Value {
        json!({ REQUESTED_BY: [OURS], REQUESTED_AT: "2026-08-20T08:00:00Z" })
    }

    #[test]
    fn another_admins_copy_contradicts_the_request() {
        for (shown, expected) in [
            (
                json!({"requestedBy": {"userId": Uuid::from_u128(9), "displayName": "Ada"}}),
                "requested by 'Ada'",
            ),
            (
                json!({"startTime": "2026-08-20T07:50:00Z"}),
                "before the request",
            ),
            (
                json!({"startTime": "2026-08-21T08:00:00Z"}),
                "long after the request",
            ),
            (
                json!({"parameters": {"sourceEnvironmentId": Uuid::from_u128(7)}}),
                "from another source",
            ),
        ] {
            let found = contradictions(&shown, &intent());
            assert_eq!(found.len(), 1, "{shown}: {found:?}");
            assert!(found[0].contains(expected), "{found:?}");
        }
    }

    #[test]
    fn what_the_service_does_not_show_contradicts_nothing() {
        let ours = json!({
            "requestedBy": {"userId": OURS.to_uppercase(), "displayName": "svc-copy"},
            "startTime": "2026-08-20T07:59:30.123Z",
            "sourceEnvironment": {"id": format!("/scopes/admin/environments/{SOURCE}")},
        });
        for shown in [
            json!({}),
            json!({"requestedBy": {"displayName": "SYSTEM", "type": "NotSpecified"}}),
            json!({"startTime": "soon"}),
            ours,
        ] {
            assert!(contradictions(&shown, &intent()).is_empty(), "{shown}");
        }
        // Intents of earlier versions, and opaque tokens.
        let other = json!({"requestedBy": {"userId": Uuid::from_u128(9)}});
        assert!(contradictions(&other, &json!({})).is_empty());
    }
}
