//! What goes otherwise than one would think: objects of the world, planted by a seed.
//!
//! - how much of its work *Activate system* does, and how often it does not do all;
//! - how often the activation of a definition's providers fails, and with which message;
//! - the name that an action gets when it is made anew;
//! - how the flows of a definition's providers are named.

use serde_json::{Value, json};

use crate::rehearsal::world::store::Draft;

/// The key of: how much *Activate system* does, in hundredths, and how many times more.
pub(crate) fn half_activation() -> String {
    "quirk/half-activation".to_owned()
}

/// The key of: the message with which activations of a definition's providers fail, and how many
/// times more.
pub(crate) fn failing_activation(definition: &str) -> String {
    format!("quirk/failing-activation/{definition}")
}

/// The key of: the name of a logic definition's action when it is made anew.
pub(crate) fn action_name(logic: &str) -> String {
    format!("quirk/action-name/{logic}")
}

/// The key of: `display` where the flows of a definition's providers are named after their display
/// names.
pub(crate) fn flow_names(definition: &str) -> String {
    format!("quirk/flow-names/{definition}")
}

/// A quirk that shows a number of times: how it is, if it shows now. It is counted.
pub(super) fn strikes(draft: &mut Draft<'_>, key: &str) -> Option<Value> {
    let mut quirk = draft.get(key)?.clone();
    let left = quirk["left"].as_u64().filter(|left| *left > 0)?;
    quirk["left"] = json!(left - 1);
    draft.put(key.to_owned(), quirk.clone());
    Some(quirk)
}

/// A quirk that is a text.
pub(super) fn text(draft: &Draft<'_>, key: &str) -> Option<String> {
    draft.get(key)?.as_str().map(str::to_owned)
}
