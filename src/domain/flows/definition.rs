//! The content of a cloud flow's `clientdata` (Microsoft Learn, *Work with cloud flows using
//! code*).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::addresses::{Outside, outside};
use super::origins::ForeignDefaults;
use super::walk::{PARAMETERS, each_object, is_variable};
use crate::domain::connections::connector_name;
use crate::domain::names::Fields;

/// A flow's definition, read from its row.
pub(crate) struct FlowDefinition(Value);

impl FlowDefinition {
    /// The definition that a row of `workflow` holds; none if its `clientdata` is not JSON.
    pub(crate) fn from_row(row: &Fields) -> Option<Self> {
        Self::from_text(row.get("clientdata")?.as_str()?)
    }

    /// The definition in this text; none if it is not JSON.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// The flows that it calls: its actions of type `Workflow` name the child's `workflowid`.
    pub(crate) fn children(&self) -> BTreeSet<Uuid> {
        let mut found = BTreeSet::new();
        each_object(&self.0, "", &mut |_, members| {
            let is_call = members.get("type").and_then(Value::as_str) == Some("Workflow");
            let child = members
                .get("inputs")
                .and_then(|inputs| inputs.pointer("/host/workflowReferenceName"))
                .and_then(Value::as_str)
                .and_then(|child| Uuid::try_parse(child).ok());
            found.extend(child.filter(|_| is_call));
        });
        found
    }

    /// The logical names of the connection references that it uses, lower case. The keys of
    /// `connectionReferences` are the flow's own and name nothing outside it.
    pub(crate) fn references(&self) -> BTreeSet<String> {
        self.connection_references()
            .filter_map(logical_name)
            .map(str::to_ascii_lowercase)
            .collect()
    }

    /// The connectors that it is bound to without a reference, as `connectors` names them: such a
    /// binding is to a connection of the environment where it was made.
    pub(crate) fn unreferenced(&self) -> BTreeSet<String> {
        self.connection_references()
            .filter(|reference| logical_name(reference).is_none())
            .filter_map(connector)
            .collect()
    }

    /// The connectors that it uses, by the last segment of their ids, lower case.
    pub(crate) fn connectors(&self) -> BTreeSet<String> {
        let mut found: BTreeSet<String> =
            self.connection_references().filter_map(connector).collect();
        each_object(&self.0, "", &mut |_, members| {
            let api = members.get("apiId").and_then(Value::as_str);
            // An expression instead of an id names nothing that can be compared.
            found.extend(api.filter(|api| !api.starts_with('@')).map(connector_name));
        });
        found
    }

    /// Does it start by an HTTP request from outside? The address of such a flow holds its
    /// environment, so its callers need another one after a copy.
    pub(crate) fn starts_by_http(&self) -> bool {
        self.triggers().any(|trigger| {
            let kind = trigger.get("kind").and_then(Value::as_str);
            is(trigger, "Request") && kind.is_none_or(|kind| kind.eq_ignore_ascii_case("Http"))
        })
    }

    /// Does it start by itself from time to time: by the clock, or because its trigger polls?
    pub(crate) fn recurs(&self) -> bool {
        self.triggers()
            .any(|trigger| is(trigger, "Recurrence") || trigger.get("recurrence").is_some())
    }

    /// Where its actions and triggers reach. Takes the defaults of environment variables that are
    /// production's.
    pub(super) fn outside(&self, foreign: &ForeignDefaults) -> Outside {
        outside(&self.0, foreign)
    }

    /// Its text without the values of environment variables that its author saw: the service reads
    /// the environment's own values when the flow is turned on (Microsoft Learn, *Use environment
    /// variables in solution cloud flows*).
    pub(super) fn own_text(&self) -> String {
        let mut value = self.0.clone();
        for place in PARAMETERS {
            let parameters = value.pointer_mut(place).and_then(Value::as_object_mut);
            for parameter in parameters.into_iter().flat_map(|them| them.values_mut()) {
                if is_variable(parameter)
                    && let Some(members) = parameter.as_object_mut()
                {
                    members.remove("defaultValue");
                }
            }
        }
        value.to_string()
    }

    fn triggers(&self) -> impl Iterator<Item = &Value> {
        ["/properties/definition/triggers", "/definition/triggers"]
            .into_iter()
            .filter_map(|place| self.0.pointer(place)?.as_object())
            .flat_map(|triggers| triggers.values())
    }

    /// `connectionReferences` is under `properties`; older flows have it at the top or under
    /// `definition`.
    fn connection_references(&self) -> impl Iterator<Item = &Value> {
        [
            "/properties/connectionReferences",
            "/connectionReferences",
            "/properties/definition/connectionReferences",
            "/definition/connectionReferences",
        ]
        .into_iter()
        .filter_map(|place| self.0.pointer(place)?.as_object())
        .flat_map(|references| references.values())
    }
}

fn logical_name(reference: &Value) -> Option<&str> {
    reference
        .pointer("/connection/connectionReferenceLogicalName")?
        .as_str()
}

fn connector(reference: &Value) -> Option<String> {
    let api = reference
        .pointer("/api/name")
        .or_else(|| reference.pointer("/api/id"))?;
    api.as_str().map(connector_name)
}

fn is(trigger: &Value, kind: &str) -> bool {
    let found = trigger.get("type").and_then(Value::as_str);
    found.is_some_and(|found| found.eq_ignore_ascii_case(kind))
}

/// A connector's name without the suffix that each environment gives a custom connector:
/// the same connector is `shared_x-5f0a1b2c3d4e5f6071` in one and has another end elsewhere. `-5f`
/// is an underscore, encoded.
pub(crate) fn stem(connector: &str) -> String {
    let readable = connector.to_ascii_lowercase().replace("-5f", "_");
    match readable.rsplit_once(['_', '-']) {
        Some((stem, suffix))
            if suffix.len() >= 8 && suffix.chars().all(|c| c.is_ascii_hexdigit()) =>
        {
            stem.to_owned()
        }
        _ => readable,
    }
}

/// The connectors of a definition that its environment has under another id: the
/// id in the definition, and the one that is there. Takes the ids of the environment's custom
/// connectors and of those that the source has; a connector of the source that is here under no id
/// is given with none.
pub(crate) fn moved_connectors(
    used: &BTreeSet<String>,
    here: &BTreeSet<String>,
    source: &BTreeSet<String>,
) -> Vec<(String, Option<String>)> {
    let by_stem: BTreeMap<String, &String> = here.iter().map(|id| (stem(id), id)).collect();
    used.iter()
        .filter(|id| !here.contains(*id))
        .filter_map(|id| match by_stem.get(&stem(id)) {
            Some(now) => Some((id.clone(), Some((*now).clone()))),
            None => source.contains(id).then(|| (id.clone(), None)),
        })
        .collect()
}

/// The custom connectors that a definition names and an environment does not have under any suffix.
/// A custom connector is recognised by the suffix that an environment gave it.
pub(crate) fn missing_connectors(used: &BTreeSet<String>, here: &BTreeSet<String>) -> Vec<String> {
    let stems: BTreeSet<String> = here.iter().map(|id| stem(id)).collect();
    let is_custom = |id: &str| stem(id) != id.to_ascii_lowercase().replace("-5f", "_");
    used.iter()
        .filter(|id| is_custom(id) && !stems.contains(&stem(id)))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(data: &Value) -> FlowDefinition {
        let row = json!({ "clientdata": data.to_string() });
        FlowDefinition::from_row(row.as_object().unwrap()).unwrap()
    }

    fn triggered_by(trigger: &Value) -> FlowDefinition {
        definition(&json!({"properties":{"definition":{"triggers":{"manual": trigger}}}}))
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_call_of_a_child_is_found_at_any_depth() {
        let child = "7598c284-01ee-4d11-8849-000d3a993550";
        let called = definition(
            &json!({"properties":{"definition":{"actions":{"If":{"type":"If","actions":{
            "Run":{"type":"Workflow","inputs":{"host":{"workflowReferenceName": child}}}}}}}}}),
        );
        assert_eq!(
            called.children(),
            BTreeSet::from([Uuid::try_parse(child).unwrap()])
        );
        let row = json!({ "clientdata": "not json" });
        assert!(FlowDefinition::from_row(row.as_object().unwrap()).is_none());
    }

    #[test]
    fn the_value_of_a_variable_does_not_belong_to_the_flow() {
        let flow = definition(&json!({"properties":{"definition":{"parameters":{
            "Shop (contoso_Shop)":{"defaultValue":"https://shop.contoso.com","type":"String",
                "metadata":{"schemaName":"contoso_Shop"}},
            "fixed":{"defaultValue":"https://own.contoso.com","type":"String"}}}}}));
        let text = flow.own_text();
        assert!(!text.contains("shop.contoso.com") && text.contains("own.contoso.com"));
    }

    #[test]
    fn references_are_named_by_their_logical_names_and_not_by_the_flows_own_keys() {
        let flow = definition(&json!({"properties":{
            "connectionReferences":{
                "shared_commondataserviceforapps":{
                    "runtimeSource":"embedded",
                    "connection":{"name":"x","connectionReferenceLogicalName":"Crdcb_cds_109ea"},
                    "api":{"name":"shared_commondataserviceforapps"}},
                "shared_bin":{"connection":{},"api":{"id":
                    "/providers/Microsoft.PowerApps/apis/shared_crfff-5frequestbin-5f0a1b2c3d4e5f6071"}}},
            "definition":{"actions":{"List":{"inputs":{"host":{
                "apiId":"/providers/Microsoft.PowerApps/apis/shared_Outlook"}}}}}}}));
        assert_eq!(flow.references(), set(&["crdcb_cds_109ea"]));
        assert_eq!(
            flow.unreferenced(),
            set(&["shared_crfff-5frequestbin-5f0a1b2c3d4e5f6071"])
        );
        assert_eq!(
            flow.connectors(),
            set(&[
                "shared_commondataserviceforapps",
                "shared_crfff-5frequestbin-5f0a1b2c3d4e5f6071",
                "shared_outlook"
            ])
        );
    }

    #[test]
    fn only_a_request_from_outside_has_an_address_that_callers_hold() {
        assert!(triggered_by(&json!({"type":"Request","kind":"Http"})).starts_by_http());
        assert!(triggered_by(&json!({"type":"request"})).starts_by_http());
        for kind in ["Button", "PowerAppV2", "Skills"] {
            assert!(!triggered_by(&json!({"type":"Request","kind":kind})).starts_by_http());
        }
        assert!(!triggered_by(&json!({"type":"Recurrence"})).starts_by_http());
    }

    #[test]
    fn a_flow_recurs_by_the_clock_or_because_its_trigger_polls() {
        assert!(triggered_by(&json!({"type":"Recurrence"})).recurs());
        let polls = json!({"type":"OpenApiConnection","recurrence":{"interval":10}});
        assert!(triggered_by(&polls).recurs());
        assert!(!triggered_by(&json!({"type":"OpenApiConnectionWebhook"})).recurs());
    }

    #[test]
    fn a_custom_connector_is_recognized_without_its_suffix() {
        let used = set(&[
            "shared_crfff-5frequestbin-5f0a1b2c3d4e5f6071",
            "shared_gone-5f1111111111111111",
            "shared_same-5f2222222222222222",
            "shared_outlook",
        ]);
        let here = set(&[
            "shared_crfff-5frequestbin-5f9999999999999999",
            "shared_same-5f2222222222222222",
        ]);
        let moved = moved_connectors(&used, &here, &set(&["shared_gone-5f1111111111111111"]));
        assert_eq!(
            moved,
            [
                (
                    "shared_crfff-5frequestbin-5f0a1b2c3d4e5f6071".to_owned(),
                    Some("shared_crfff-5frequestbin-5f9999999999999999".to_owned())
                ),
                ("shared_gone-5f1111111111111111".to_owned(), None),
            ]
        );
    }
}
