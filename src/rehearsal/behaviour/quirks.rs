//! Surprising behaviour of the services. Quirks are objects of the world that the seed inserts:
//!
//! - which share of its work *Activate system* does, and how many more times it does only that;
//! - how many more times the activation of a definition's providers fails, and with which message;
//! - the name that an action gets when it is created again;
//! - how the flows of a definition's providers are named.

use serde_json::{Value, json};

use crate::rehearsal::world::store::Draft;

/// The key of an incomplete *Activate system*: `{"hundredths": 60, "left": 1}`.
pub(crate) fn incomplete_activate_system_key() -> String {
    "quirk/half-activation".to_owned()
}

/// The key of a failing activation of a definition's providers: `{"message": "…", "left": 1}`.
pub(crate) fn failing_activation_key(definition: &str) -> String {
    format!("quirk/failing-activation/{definition}")
}

/// The key of the name that the action of a logic definition gets when it is created again.
pub(crate) fn action_name_key(logic: &str) -> String {
    format!("quirk/action-name/{logic}")
}

/// The key of how the flows of a definition's providers are named: the value `display` means after
/// the providers' display names.
pub(crate) fn flow_names_key(definition: &str) -> String {
    format!("quirk/flow-names/{definition}")
}

/// A quirk that happens a number of times: returns it and counts down, or returns nothing if none
/// is left.
pub(super) fn consume(draft: &mut Draft<'_>, key: &str) -> Option<Value> {
    let mut quirk = draft.get(key)?.clone();
    let left = quirk["left"].as_u64().filter(|left| *left > 0)?;
    quirk["left"] = json!(left - 1);
    draft.put(key.to_owned(), quirk.clone());
    Some(quirk)
}

pub(super) fn text(draft: &Draft<'_>, key: &str) -> Option<String> {
    draft.get(key)?.as_str().map(str::to_owned)
}
