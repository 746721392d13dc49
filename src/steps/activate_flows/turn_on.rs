//! Phase `turn-on`: which flows are turned on and off.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::try_join;
use uuid::Uuid;

use super::flow_notes::{FlowsRead, flow_notes};
use super::name_of;
use super::repoint::Repointing;
use crate::base::sync::lock;
use crate::domain::connections::custom_connectors::CustomConnectors;
use crate::domain::connections::{find_acting_user, find_owner};
use crate::domain::flows::rules::{DesiredState, NAMES_PRODUCTION, Rules};
use crate::domain::flows::{FlowDefinition, SurveyedFlow, cloud_flows, switch, turn_on_owned};
use crate::domain::names::Fields;
use crate::domain::{RefreshContext, flows, keys};
use crate::engine::{Change, Failure, JournalView, Survey};

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
}

#[async_trait]
impl Survey for TurnOn {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.refresh;
        let view = refresh.view(journal);
        let (table, flows, rules, owner, acting_as, custom) = try_join!(
            view.table("workflow"),
            cloud_flows(view),
            Rules::read(refresh, journal),
            find_owner(refresh, view),
            find_acting_user(refresh, view),
            CustomConnectors::read(refresh, journal),
        )?;
        rules.check(&flows)?;
        let todo: BTreeMap<&Uuid, &Fields> = flows
            .iter()
            .filter(|(id, row)| {
                !flows::is_on(row) && rules.desired_state(**id, row) == DesiredState::On
            })
            .collect();
        let set = &table.entity_set;
        let repointing = Repointing::new(refresh, journal, custom.clone(), set, acting_as);
        let mut changes: Vec<Change> = flows
            .iter()
            .filter(|(id, row)| flows::is_on(row) && !rules.named_now(**id, row).is_empty())
            .map(|(id, row)| {
                let name = name_of(row);
                let name = format!("turn off cloud flow '{name}', which {NAMES_PRODUCTION}");
                let flow = SurveyedFlow::new(&table, *id, row);
                let off = switch(refresh, &flow, false, acting_as);
                off.into_change(keys::flow_off(*id), name, Vec::new())
            })
            .collect();
        for (id, row) in &todo {
            let children = FlowDefinition::from_row(row)
                .map(|d| d.children())
                .unwrap_or_default();
            let mut follows: Vec<String> = children
                .iter()
                .filter(|child| *child != *id && todo.contains_key(child))
                .map(|child| keys::flow(*child))
                .collect();
            let mut flow = SurveyedFlow::new(&table, **id, row);
            if let Some(change) = repointing.change(**id, row) {
                flow.changes_before = true;
                follows.push(change.key.clone());
                changes.push(change);
            }
            // A flow gets its owner when it is turned on: the owner of a flow that is on cannot be
            // changed (Dataverse, 0x8004500c).
            let on = match &owner {
                Some(owner) => turn_on_owned(refresh, &flow, owner, acting_as),
                None => switch(refresh, &flow, true, acting_as),
            };
            let name = format!("turn on cloud flow '{}'", name_of(row));
            changes.push(on.into_change(keys::flow(**id), name, follows));
        }
        let is_last = changes.is_empty() && !journal.is_planning();
        *lock(&self.last) = is_last.then_some(FlowsRead { flows, custom });
        Ok(changes)
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<String>, Failure> {
        let last = lock(&self.last).take();
        Box::pin(flow_notes(&self.refresh, journal, last)).await
    }
}
