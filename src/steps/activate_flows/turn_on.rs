//! Phase `turn-on`: which flows are turned on and off.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::try_join;
use uuid::Uuid;

use super::facts::FlowFacts;
use super::flow_notes::{FlowsRead, flow_notes};
use super::repoint::Repointing;
use crate::base::sync::lock;
use crate::clients::Table;
use crate::domain::connections::custom_connectors::CustomConnectors;
use crate::domain::connections::{find_acting_user, find_owner};
use crate::domain::flows::rules::{NAMES_PRODUCTION, Rules};
use crate::domain::flows::{SurveyedFlow, SwitchColumns, cloud_flows, switch, turn_on_owned};
use crate::domain::names::Fields;
use crate::domain::{RefreshContext, keys};
use crate::engine::{Change, Failure, JournalView, Note, Survey};

/// What switching the flows needs.
type Switches = BTreeMap<Uuid, SwitchColumns>;

/// Finds the flows that are off and should be on, and those that are on and name the source.
pub(super) struct TurnOn {
    refresh: Arc<RefreshContext>,
    /// What the last survey read, if it found nothing left to do: for the notes.
    last: Mutex<Option<FlowsRead>>,
}

impl TurnOn {
    pub(super) fn new(refresh: &Arc<RefreshContext>) -> Self {
        Self {
            refresh: Arc::clone(refresh),
            last: Mutex::default(),
        }
    }

    /// The changes of the flows that name custom connectors of the source, by flow. Their
    /// definitions are read again: few flows do.
    async fn repointed(
        &self,
        journal: &JournalView,
        (flows, to_turn_on): (&BTreeMap<Uuid, FlowFacts>, &Switches),
        custom: &CustomConnectors,
        table: &Table,
        acting_as: Option<Uuid>,
    ) -> Result<BTreeMap<Uuid, Change>, Failure> {
        let names_source = |id: &&Uuid| {
            let uses = flows[*id].uses.as_ref();
            uses.is_some_and(|uses| uses.connectors.iter().any(|used| custom.has_moved(used)))
        };
        let affected: BTreeSet<Uuid> = to_turn_on.keys().filter(names_source).copied().collect();
        if affected.is_empty() {
            return Ok(BTreeMap::new());
        }
        let set = &table.entity_set;
        let repointing = Repointing::new(&self.refresh, journal, custom.clone(), set, acting_as);
        let change = |id, row: Fields| {
            let is_affected = affected.contains(&id);
            is_affected.then(|| repointing.change(id, &row)).flatten()
        };
        cloud_flows(self.refresh.view(journal), change).await
    }
}

#[async_trait]
impl Survey for TurnOn {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.refresh;
        let view = refresh.view(journal);
        let read_flows = async {
            let rules = Rules::read(refresh, journal).await?;
            let mut flows = FlowFacts::read(view, &rules).await?;
            rules.check(&flows.iter().map(|(id, flow)| (*id, flow.name.as_str())))?;
            let switches: Switches = flows
                .iter_mut()
                .filter_map(|(id, flow)| Some((*id, *flow.switch.take()?)))
                .collect();
            Ok((flows, switches))
        };
        let (table, (flows, switches), owner, acting_as, custom) = try_join!(
            view.table("workflow"),
            Box::pin(read_flows),
            find_owner(refresh, view),
            find_acting_user(refresh, view),
            CustomConnectors::read(refresh, journal),
        )?;
        let (to_turn_off, to_turn_on): (Switches, Switches) =
            switches.into_iter().partition(|(id, _)| flows[id].is_on);
        let mut changes: Vec<Change> = to_turn_off
            .into_iter()
            .map(|(id, columns)| {
                let name = &flows[&id].name;
                let name = format!("turn off cloud flow '{name}', which {NAMES_PRODUCTION}");
                let flow = SurveyedFlow::new(&table, id, columns);
                let off = switch(refresh, flow, false, acting_as);
                off.into_change(keys::flow_off(id), name, Vec::new())
            })
            .collect();
        let mut repointed = self
            .repointed(journal, (&flows, &to_turn_on), &custom, &table, acting_as)
            .await?;
        let owner = owner.map(Arc::new);
        let todo: BTreeSet<Uuid> = to_turn_on.keys().copied().collect();
        for (id, columns) in to_turn_on {
            let FlowFacts { name, uses, .. } = &flows[&id];
            let children = uses.iter().flat_map(|uses| &uses.children);
            let mut follows: Vec<String> = children
                .filter(|child| **child != id && todo.contains(child))
                .map(|child| keys::flow(*child))
                .collect();
            let mut flow = SurveyedFlow::new(&table, id, columns);
            if let Some(change) = repointed.remove(&id) {
                flow.changes_before = true;
                follows.push(change.key.clone());
                changes.push(change);
            }
            // A flow gets its owner when it is turned on: the owner of a flow that is on cannot be
            // changed (Dataverse, 0x8004500c).
            let on = match &owner {
                Some(owner) => turn_on_owned(refresh, flow, owner, acting_as),
                None => switch(refresh, flow, true, acting_as),
            };
            let name = format!("turn on cloud flow '{name}'");
            changes.push(on.into_change(keys::flow(id), name, follows));
        }
        let is_last = changes.is_empty() && !journal.is_planning();
        *lock(&self.last) = is_last.then_some(FlowsRead { flows, custom });
        Ok(changes)
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        let last = lock(&self.last).take();
        Box::pin(flow_notes(&self.refresh, journal, last)).await
    }
}
