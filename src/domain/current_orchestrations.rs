//! The orchestrations of an environment as they are now, with what their slots hold.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::RefreshContext;
use super::graph::Dialect;
use super::providers::Catalogue;
use super::sealed_orchestrations::{find_dangling, find_slots, graph_values};
use crate::engine::{Failure, JournalView};
use crate::runbook::{IomColumn, IomTable};

/// One orchestration.
pub(crate) struct CurrentOrchestration {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    /// The text of its graph; empty if it has none.
    pub(crate) text: String,
}

/// The orchestrations of the target, or of the source as the copy will leave it.
pub(crate) struct CurrentOrchestrations {
    catalogue: Catalogue,
    actions: BTreeMap<Uuid, String>,
    dialect: Dialect,
    orchestrations: Vec<CurrentOrchestration>,
}

impl CurrentOrchestrations {
    /// Reads them; which environment, the journal says.
    pub(crate) async fn read(
        refresh: &RefreshContext,
        journal: &JournalView,
    ) -> Result<Self, Failure> {
        let names = &refresh.names;
        let view = refresh.view(journal);
        let catalogue = Catalogue::read(refresh, view).await?;
        let mut orchestrations = Vec::new();
        for (id, row) in view.by_id(names.table(IomTable::Orchestration)).await? {
            let text = names.text(&row, IomColumn::OrchestrationGraph)?;
            orchestrations.push(CurrentOrchestration {
                id,
                name: names.title(IomTable::Orchestration, &row, id),
                text: text.unwrap_or_default(),
            });
        }
        let actions = catalogue.action_names();
        let graphs = orchestrations.iter().map(|graph| graph.text.as_str());
        let dialect = Dialect::learn(graphs, &actions);
        Ok(Self {
            catalogue,
            actions,
            dialect,
            orchestrations,
        })
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[CurrentOrchestration] {
        &self.orchestrations
    }

    /// What the slots of one hold: the form that steps 5 and 7 compare.
    pub(crate) fn values(&self, graph: &CurrentOrchestration) -> Result<Value, Failure> {
        let CurrentOrchestration { name, text, .. } = graph;
        let slots = find_slots(name, text, &self.actions)?;
        let dangling = find_dangling(name, text, &self.dialect, &self.actions)?;
        Ok(graph_values(&slots, &dangling, |slot| {
            let described = self.catalogue.described(slot.action);
            Value::from(described.unwrap_or_else(|| slot.action.to_string()))
        }))
    }
}
