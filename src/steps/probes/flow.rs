//! What a cloud flow's definition says: how it starts, which references and connectors it uses
//! (Microsoft Learn, *Work with cloud flows using code*: the form of `clientdata`).

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use crate::steps::connections::connector_name;
use crate::steps::names::{Fields, text};

/// A flow's definition, as far as a probe asks of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Definition {
    /// The logical names of the connection references it uses, lower case.
    pub(super) references: BTreeSet<String>,
    /// The connectors it uses, by their last segment, lower case.
    pub(super) connectors: BTreeSet<String>,
    /// The connectors it is bound to without a reference: such a binding does not survive a copy.
    pub(super) unreferenced: BTreeSet<String>,
    /// Is it started by an HTTP request from outside?
    pub(super) starts_by_http: bool,
}

impl Definition {
    /// Reads a flow's row; a definition that is not JSON says nothing.
    pub(super) fn of(row: &Fields) -> Self {
        let mut definition = Self::default();
        let data =
            text(row, "clientdata").and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let Some(data) = data else { return definition };
        let references = data
            .pointer("/properties/connectionReferences")
            .and_then(Value::as_object);
        for (key, reference) in references.into_iter().flatten() {
            let connector = reference
                .pointer("/api/name")
                .or_else(|| reference.pointer("/api/id"))
                .and_then(Value::as_str)
                .map_or_else(|| connector_name(key), connector_name);
            let logical_name = reference
                .pointer("/connection/connectionReferenceLogicalName")
                .and_then(Value::as_str);
            match logical_name {
                Some(name) => drop(definition.references.insert(name.to_ascii_lowercase())),
                None => drop(definition.unreferenced.insert(connector.clone())),
            }
            definition.connectors.insert(connector);
        }
        let triggers = data
            .pointer("/properties/definition/triggers")
            .and_then(Value::as_object);
        definition.starts_by_http = triggers
            .into_iter()
            .flat_map(|triggers| triggers.values())
            .any(|trigger| is(trigger, "type", "Request") && is(trigger, "kind", "Http"));
        definition
    }
}

fn is(value: &Value, member: &str, expected: &str) -> bool {
    value
        .get(member)
        .and_then(Value::as_str)
        .is_some_and(|found| found.eq_ignore_ascii_case(expected))
}

/// A flow's name, or its id where it has none.
pub(super) fn name(id: Uuid, row: &Fields) -> String {
    text(row, "name").unwrap_or_else(|| id.to_string())
}

/// The provider whose id stands in a deployed flow's name, as far as the name alone tells: surely in
/// `iom_<id>_<logic definition>`, perhaps in `<name> (<id>)`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Deployer {
    /// The prefix is IOM's own.
    Surely(Uuid),
    /// Anybody may end a name so.
    Perhaps(Uuid),
}

/// Reads the deploying provider's id out of a flow's name.
pub(super) fn deployer(name: &str) -> Option<Deployer> {
    let lower = name.to_ascii_lowercase();
    if let Some(id) = lower.strip_prefix("iom_").and_then(|rest| rest.get(..36)) {
        return Uuid::try_parse(id).ok().map(Deployer::Surely);
    }
    let (_, id) = lower.strip_suffix(')')?.rsplit_once(" (")?;
    let is_plain = id.len() == 36;
    Uuid::try_parse(id)
        .ok()
        .filter(|_| is_plain)
        .map(Deployer::Perhaps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(data: &Value) -> Fields {
        json!({ "clientdata": data.to_string() })
            .as_object()
            .unwrap()
            .clone()
    }

    #[test]
    fn references_connectors_and_triggers_are_read() {
        let data = json!({"properties": {
            "connectionReferences": {
                "shared_a": {"api": {"name": "shared_A"},
                    "connection": {"connectionReferenceLogicalName": "New_A_1"}},
                "shared_b": {"api": {"id": "/providers/Microsoft.PowerApps/apis/shared_b"}, "connection": {}}},
            "definition": {"triggers": {"manual": {"type": "request", "kind": "HTTP"}}}}});
        let definition = Definition::of(&row(&data));
        assert_eq!(
            definition.references,
            BTreeSet::from(["new_a_1".to_owned()])
        );
        assert_eq!(
            definition.unreferenced,
            BTreeSet::from(["shared_b".to_owned()])
        );
        assert_eq!(definition.connectors.len(), 2);
        assert!(definition.starts_by_http);
        let button = json!({"properties": {"definition": {"triggers": {"m": {"type": "Request", "kind": "Button"}}}}});
        assert!(!Definition::of(&row(&button)).starts_by_http);
        let no_json = json!({"clientdata": "{"}).as_object().unwrap().clone();
        assert_eq!(Definition::of(&no_json), Definition::default());
    }

    #[test]
    fn a_name_tells_which_provider_deployed_a_flow() {
        let id = Uuid::try_parse("ae892aa5-0000-4000-8000-000000000001").unwrap();
        assert_eq!(
            deployer(&format!("IOM_{}_msdyn_x", id.to_string().to_uppercase())),
            Some(Deployer::Surely(id))
        );
        assert_eq!(
            deployer(&format!("Send ({id})")),
            Some(Deployer::Perhaps(id))
        );
        for name in ["iom_short", "Send (all)", "iom_é", "Send", "(x)"] {
            assert_eq!(deployer(name), None, "{name}");
        }
    }
}
