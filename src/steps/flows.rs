//! Cloud flows: which are whose, which call which, and why one will not turn on.

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use super::names::Fields;
use crate::clients::{Error, ErrorKind};

/// What a compiled flow's name begins with: one for each tile and each policy of a published
/// orchestration (seen in Microsoft's lab on orchestrations).
pub(super) const COMPILED: &str = "(DO NOT DELETE OR MODIFY) ";

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
        Some(2) => "suspended".to_owned(),
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

/// The flows that a flow calls: its actions of type `Workflow` name the child's `workflowid`.
pub(super) fn children(row: &Fields) -> BTreeSet<Uuid> {
    let mut found = BTreeSet::new();
    let data = row.get("clientdata").and_then(Value::as_str);
    if let Some(data) = data.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        collect_children(&data, &mut found);
    }
    found
}

fn collect_children(value: &Value, found: &mut BTreeSet<Uuid>) {
    match value {
        Value::Object(members) => {
            let is_call = members
                .get("type")
                .and_then(Value::as_str)
                .is_some_and(|kind| kind == "Workflow");
            if is_call
                && let Some(child) = value
                    .pointer("/inputs/host/workflowReferenceName")
                    .and_then(Value::as_str)
                && let Ok(child) = Uuid::try_parse(child)
            {
                found.insert(child);
            }
            members
                .values()
                .for_each(|member| collect_children(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_children(item, found)),
        _ => {}
    }
}

/// The refusals of a flow's activation, and what to do about each (Dataverse 0x80060467 wraps the
/// Flow service's own code; texts as users have published them).
const REFUSALS: [(&str, &str); 12] = [
    (
        "XrmConnectionReferenceMissingConnection",
        "give its connection reference a connection: `connections` of reconfigure-connections",
    ),
    (
        "ConnectionAuthorizationFailed",
        "the connection is another environment's, or not shared with the caller: name one of the target's, owned by or shared with `act-as`",
    ),
    (
        "FlowMissingConnection",
        "the flow is bound to a connection without a reference: open it in the designer, choose the connection, save",
    ),
    (
        "ChildFlowNeverPublished",
        "turn the child flow on first; if that fails, open the child in the designer and save it",
    ),
    (
        "AzureResourceManagerRequestFailed",
        "a child flow is off or a connector is missing: turn the child on, then run again",
    ),
    (
        "FlowCannotInvokeItself",
        "the flow calls itself: open it in the designer and mend the call",
    ),
    (
        "InvalidOpenApiFlow",
        "a connector's or table's schema changed: open the flow in the designer and save it",
    ),
    (
        "DefinitionRequestMissingFields",
        "its definition is incomplete: open it in the designer and complete it",
    ),
    (
        "MissingAdequateQuotaPolicy",
        "its owner has no licence that suffices: assign one, or change the owner",
    ),
    (
        "ChildFlowUnsupportedForInvokerConnections",
        "open the child in the designer: its connections must be its own, not the caller's",
    ),
    (
        "ChildFlowsUnsupportedForNonOpenApiConnections",
        "open the child in the designer and replace the old connector",
    ),
    (
        "ConnectionNotFound",
        "the connection is gone: name another of the target's in the runbook",
    ),
];

/// An error of a write to a flow, with what to do about its inner reason.
pub(super) fn explained(mut error: Error) -> Error {
    if error.kind == ErrorKind::Refused && error.help.is_none() {
        let said = format!(
            "{} {}",
            error.code.as_deref().unwrap_or_default(),
            error.message
        );
        let refusal = REFUSALS.iter().find(|(code, _)| said.contains(code));
        error.help = refusal.map(|(_, help)| (*help).to_owned());
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: &Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_call_of_a_child_is_found_wherever_it_is_nested() {
        let child = "7598c284-01ee-4d11-8849-000d3a993550";
        let data = serde_json::json!({"properties":{"definition":{"actions":{"If":{"type":"If","actions":{
            "Run":{"type":"Workflow","inputs":{"host":{"workflowReferenceName": child}}}}}}}}});
        let row = fields(&serde_json::json!({ "clientdata": data.to_string() }));
        assert_eq!(
            children(&row),
            BTreeSet::from([Uuid::try_parse(child).unwrap()])
        );
        assert!(children(&fields(&serde_json::json!({ "clientdata": "no json" }))).is_empty());
    }

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
