//! Cloud flows: which are whose, what their definitions say, and why one will not turn on.
//!
//! - here: a flow's row: its state, and who deployed it.
//! - [`Definition`]: its `clientdata`: what calls it, what it calls, what it is connected to.
//! - [`switch`]: switching a flow on or off.
//! - `text`: replacing text in a definition, and showing what is replaced.
//! - [`refused`]: a refusal as a failure: what to do, and whether another pass may hope.

mod definition;
mod refusals;
mod switch;
mod text;

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use super::names::Fields;

pub(super) use definition::{Definition, moved_connectors};
pub(super) use refusals::refused;
pub(super) use switch::{switch, switch_value, switched};
pub(super) use text::{replaced, shown};

/// What a compiled flow's name begins with: one for each tile and each policy of a published
/// orchestration (seen in Microsoft's lab on orchestrations).
pub(super) const COMPILED: &str = "(DO NOT DELETE OR MODIFY) ";

/// The word for a flow that a policy keeps from running.
const SUSPENDED: &str = "suspended";

/// Is it a cloud flow's definition, and not a classic workflow or an activation record?
pub(super) fn is_cloud_flow(row: &Fields) -> bool {
    row.get("category").and_then(Value::as_i64) == Some(5)
        && row.get("type").and_then(Value::as_i64).unwrap_or(1) == 1
}

/// Is it on?
pub(super) fn is_on(row: &Fields) -> bool {
    row.get("statecode").and_then(Value::as_i64) == Some(1)
}

/// `on`, `off` or `suspended`, or the number of a state that is not known.
pub(super) fn state(row: &Fields) -> String {
    match row.get("statecode").and_then(Value::as_i64) {
        Some(0) => "off".to_owned(),
        Some(1) => "on".to_owned(),
        Some(2) => SUSPENDED.to_owned(),
        other => format!("state {other:?}"),
    }
}

/// Was this flow deployed by one of these providers? Deployed flows carry the provider's id in
/// their names: `iom_<id>_<logic definition>` or `<name> (<id>)`.
pub(super) fn is_deployed_by(name: &str, providers: &BTreeSet<Uuid>) -> bool {
    let name = name.to_ascii_lowercase();
    providers
        .iter()
        .any(|id| name.starts_with(&format!("iom_{id}_")) || name.ends_with(&format!("({id})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deployed_flows_are_known_by_the_provider_id_in_their_names() {
        let id = Uuid::try_parse("ae892aa5-0000-4000-8000-000000000001").unwrap();
        let providers = BTreeSet::from([id]);
        assert!(is_deployed_by(
            "iom_AE892AA5-0000-4000-8000-000000000001_msdyn_x",
            &providers
        ));
        assert!(is_deployed_by(
            "IOM Lab Send (ae892aa5-0000-4000-8000-000000000001)",
            &providers
        ));
        assert!(!is_deployed_by("iom_other_msdyn_x", &providers));
    }
}
