//! What phase `turn-on` keeps of the cloud flows. A definition is large and there may be thousands:
//! each is judged as it arrives, and only the facts stay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use crate::base::sync::lock;
use crate::domain::flows::reach::FlowReach;
use crate::domain::flows::rules::{DesiredState, Rules};
use crate::domain::flows::{self, FlowDefinition, SwitchColumns, cloud_flows};
use crate::domain::names::Fields;
use crate::domain::view::View;
use crate::engine::Failure;

/// The facts about one flow.
pub(super) struct FlowFacts {
    pub(super) name: String,
    pub(super) is_on: bool,
    pub(super) wanted: DesiredState,
    /// How far it reaches once the runbook's replacements are made.
    pub(super) reach: FlowReach,
    /// What its definition uses; none if it should not be on, or has no definition that can be
    /// read.
    pub(super) uses: Option<FlowUses>,
    /// What switching it needs, if it should be switched.
    pub(super) switch: Option<Box<SwitchColumns>>,
}

/// What the definition of a flow uses.
#[derive(Debug)]
pub(super) struct FlowUses {
    pub(super) children: BTreeSet<Uuid>,
    /// Shared by the flows that use the same.
    pub(super) connectors: Arc<BTreeSet<String>>,
    pub(super) starts_by_http: bool,
}

impl FlowFacts {
    /// Reads every flow.
    pub(super) async fn read(
        view: View<'_>,
        rules: &Rules<'_>,
    ) -> Result<BTreeMap<Uuid, Self>, Failure> {
        let connectors = ConnectorSets::default();
        cloud_flows(view, |id, row| {
            Some(Self::new(rules, &connectors, id, &row))
        })
        .await
    }

    fn new(rules: &Rules<'_>, connectors: &ConnectorSets, id: Uuid, row: &Fields) -> Self {
        let is_on = flows::is_on(row);
        let (wanted, reach) = rules.judge(id, row);
        let is_switched = if is_on {
            !rules.named_now(id, row).is_empty()
        } else {
            wanted == DesiredState::On
        };
        let uses = (wanted == DesiredState::On)
            .then(|| FlowUses::from_row(row, connectors))
            .flatten();
        Self {
            name: flows::name(id, row),
            is_on,
            wanted,
            reach,
            uses,
            switch: is_switched.then(|| Box::new(SwitchColumns::from_row(row))),
        }
    }
}

impl FlowUses {
    pub(super) fn from_row(row: &Fields, connectors: &ConnectorSets) -> Option<Self> {
        let definition = FlowDefinition::from_row(row)?;
        Some(Self {
            children: definition.children(),
            connectors: connectors.share(definition.connectors()),
            starts_by_http: definition.starts_by_http(),
        })
    }
}

/// The different sets of connectors that flows use: many use the same.
#[derive(Default)]
pub(super) struct ConnectorSets(Mutex<BTreeSet<Arc<BTreeSet<String>>>>);

impl ConnectorSets {
    fn share(&self, connectors: BTreeSet<String>) -> Arc<BTreeSet<String>> {
        let mut sets = lock(&self.0);
        if let Some(known) = sets.get(&connectors) {
            return Arc::clone(known);
        }
        let connectors = Arc::new(connectors);
        sets.insert(Arc::clone(&connectors));
        connectors
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A tenant may have thousands of flows, whose definitions would be most of the memory.
    #[test]
    fn neither_the_definition_of_a_flow_nor_its_row_is_kept() {
        let connectors = ConnectorSets::default();
        let kept = |name: &str| {
            let actions: Vec<_> = (0..1_000)
                .map(|number| json!({ "type": "Compose", "inputs": format!("text {number}") }))
                .collect();
            let data = json!({ "properties": {
                "connectionReferences": { "a": { "api": { "name": "shared_office365" } } },
                "definition": { "actions": actions } } });
            let row = json!({ "name": name, "statecode": 0, "clientdata": data.to_string() });
            let row = row.as_object().unwrap();
            let uses = FlowUses::from_row(row, &connectors).unwrap();
            (uses, SwitchColumns::from_row(row))
        };
        let [one, two] = ["One", "Two"].map(kept);
        let text = format!("{one:?}");
        assert!(text.contains("shared_office365"), "{text}");
        assert!(text.len() < 500, "{} bytes: {text}", text.len());
        assert!(Arc::ptr_eq(&one.0.connectors, &two.0.connectors));
    }
}
