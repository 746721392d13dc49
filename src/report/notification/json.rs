//! The facts as one JSON object, for a receiver that makes its own message.

use serde_json::{Value, json};

use super::Notice;
use crate::runbook::{Keyword as _, Occasion};

/// The version of this form. A member is added without a new version, and never removed.
const VERSION: u32 = 1;

pub(super) fn message(occasion: Occasion, headline: &str, notice: &Notice) -> Value {
    let mut message = json!({
        "v": VERSION,
        "type": "notification",
        "on": occasion.keyword(),
        "headline": headline,
    });
    if let (Value::Object(members), Value::Object(facts)) = (&mut message, json!(notice)) {
        members.extend(facts);
    }
    message
}
