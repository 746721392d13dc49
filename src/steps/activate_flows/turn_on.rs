//! Phase `turn-on`: which flows are turned on and off.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::flow_notes::flow_notes;
use super::name_of;
use super::repoint::Repointing;
use crate::clients::{Row, Table};
use crate::domain::connections::{OwnerRow, find_acting_user, find_owner, owner_id};
use crate::domain::flows::rules::{NAMES_PRODUCTION, Rules, Wanted};
use crate::domain::flows::{
    Definition, cloud_flows, surveyed_flow, switch, switch_reading, switch_value, switched,
};
use crate::domain::names::Fields;
use crate::domain::tenant_set::{LatestReading, Request, surveyed, surveyed_row_set};
use crate::domain::{RefreshContext, flows, keys};
use crate::engine::{Action, Change, Failure, JournalView, Survey};

/// Finds the flows that are off and should be on, and those that are on and name the source.
pub(super) struct TurnOn(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for TurnOn {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let view = refresh.view(journal);
        let table = view.table("workflow").await?;
        let flows = cloud_flows(view).await?;
        let rules = Rules::read(refresh, journal).await?;
        rules.check(&flows)?;
        let owner = find_owner(refresh, view).await?;
        let acting_as = find_acting_user(refresh, view).await?;
        let todo: BTreeMap<&Uuid, &Fields> = flows
            .iter()
            .filter(|(id, row)| !flows::is_on(row) && rules.wanted(**id, row) == Wanted::On)
            .collect();
        let repointing = Repointing::read(refresh, journal, &table.entity_set, acting_as).await?;
        let set = table.entity_set.as_str();
        let mut changes: Vec<Change> = flows
            .iter()
            .filter(|(id, row)| flows::is_on(row) && !rules.named_now(**id, row).is_empty())
            .map(|(id, row)| Change {
                key: keys::flow_off(*id),
                name: format!(
                    "turn off cloud flow '{}', which {NAMES_PRODUCTION}",
                    name_of(row)
                ),
                before: switch_value(row),
                after: switched(false),
                follows: Vec::new(),
                action: switch(
                    refresh,
                    set,
                    (*id, surveyed_flow(&table, row)),
                    false,
                    acting_as,
                ),
            })
            .collect();
        for (id, row) in &todo {
            let children = Definition::from_row(row)
                .map(|d| d.children())
                .unwrap_or_default();
            let mut follows: Vec<String> = children
                .iter()
                .filter(|child| *child != *id && todo.contains_key(child))
                .map(|child| keys::flow(*child))
                .collect();
            let mut latest = surveyed_flow(&table, row);
            if let Some((change, read_last)) = owner
                .as_ref()
                .and_then(|owner| set_owner(refresh, &table, (**id, *row), owner, acting_as))
            {
                latest = read_last;
                follows.push(change.key.clone());
                changes.push(change);
            }
            if let Some(change) = repointing.change(**id, row) {
                latest = LatestReading::default();
                follows.push(change.key.clone());
                changes.push(change);
            }
            changes.push(Change {
                key: keys::flow(**id),
                name: format!("turn on cloud flow '{}'", name_of(row)),
                before: switch_value(row),
                after: switched(true),
                follows,
                action: switch(refresh, set, (**id, latest), true, acting_as),
            });
        }
        Ok(changes)
    }

    async fn notes(&self, journal: &JournalView) -> Result<Vec<String>, Failure> {
        flow_notes(&self.0, journal).await
    }
}

/// Gives a flow that is off its owner. The owner of a flow that is on cannot be changed (Dataverse,
/// 0x8004500c). Returns also where the flow is put as the change reads it last, with the version
/// that the change has given it.
fn set_owner(
    refresh: &Arc<RefreshContext>,
    table: &Table,
    (id, row): (Uuid, &Fields),
    owner: &OwnerRow,
    acting_as: Option<Uuid>,
) -> Option<(Change, LatestReading)> {
    let value = |owner: Option<String>| json!({ "owner": owner });
    let (before, after) = (value(owner_id(row)), value(Some(owner.id.to_string())));
    if before == after {
        return None;
    }
    let body = json!({ "ownerid@odata.bind": owner.bind() });
    let request = Request::patch(&table.entity_set, id, &body).acting_as(acting_as);
    let surveyed = surveyed(table, &before, row);
    let has_version = surveyed.is_some();
    let latest = LatestReading::default();
    let read = latest.clone();
    let change = Change {
        key: keys::flow_owner(id),
        name: format!("give cloud flow '{}' its owner", name_of(row)),
        before,
        after,
        follows: Vec::new(),
        action: Action::Set(surveyed_row_set(
            refresh,
            &table.entity_set,
            (id, surveyed),
            move |row: Option<&Row>| {
                let row_now = row.filter(|_| has_version);
                read.set(row_now.map(|row| switch_reading(&row.value)));
                row.map_or(Value::Null, |row| value(owner_id(&row.value)))
            },
            request,
            Duration::from_mins(1),
        )),
    };
    Some((change, latest))
}
