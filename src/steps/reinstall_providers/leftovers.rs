//! Phases `leftovers` and `orphan-flows`: action rows that deleted providers leave behind, and
//! flows that still run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::{join, try_join};
use uuid::Uuid;

use super::shared_readings::{Shared, configuration};
use crate::clients::Row;
use crate::domain::flows::{switch_value, switched};
use crate::domain::manual_change::ManualChange;
use crate::domain::names::text;
use crate::domain::providers::Catalogue;
use crate::domain::refused_change::by_hand_where_refused;
use crate::domain::row_changes::{Request, row_set};
use crate::domain::{flows, keys};
use crate::engine::{Action, Change, Failure, JournalView, ManualTask, Survey};

/// Finds old action rows whose provider is gone. No request that deletes one is known, so a person
/// does it: builds of IOM before 1.1.03322.1 refuse to activate a provider while such rows exist
/// (Microsoft Learn, *What's new in Intelligent Order Management*, February 2026).
pub(super) struct Leftovers(pub(super) Arc<Shared>);

#[async_trait]
impl Survey for Leftovers {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let (old, present) = self.0.old_and_present(journal, &[]).await?;
        let now = &present.now;
        let changes: Vec<Change> = leftovers(&old.catalogue, now)
            .into_iter()
            .map(|id| {
                let name = now.actions.get(&id).map(|action| action.name.as_str());
                let name = name.unwrap_or_default();
                let logic = old.catalogue.described(id).unwrap_or_default();
                ManualChange {
                    key: keys::provider_action_leftover(id),
                    name: format!("delete leftover action '{name}' ({logic})"),
                    before: json!({ "left": true }),
                    after: Value::Null,
                    instructions: vec![format!(
                        "IOM app > Provider settings > Additional settings > Actions: delete '{name}' ({id}); its provider is gone"
                    )],
                    evidence: "no action of a deleted provider is left".to_owned(),
                }.into_change()
            })
            .collect();
        self.0.hand_on(journal, &changes, &present);
        Ok(changes)
    }
}

/// The sealed actions that still exist although their provider does not.
pub(super) fn leftovers(sealed: &Catalogue, now: &Catalogue) -> Vec<Uuid> {
    let is_left = |id: &&Uuid| {
        now.actions.get(*id).is_some_and(|action| {
            let owner = action.provider.or(sealed.actions[*id].provider);
            owner.is_none_or(|provider| !now.providers.contains_key(&provider))
        })
    };
    sealed.actions.keys().filter(is_left).copied().collect()
}

/// Finds flows that a deleted provider deployed and that are still on: they would handle every
/// message a second time.
pub(super) struct OrphanFlows(pub(super) Arc<Shared>);

#[async_trait]
impl Survey for OrphanFlows {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0.refresh;
        let view = refresh.view(journal);
        let (old, present) = self.0.old_and_present(journal, &[]).await?;
        let now = &present.now;
        let gone: BTreeSet<Uuid> = old
            .ids
            .iter()
            .filter(|id| !now.providers.contains_key(id))
            .copied()
            .collect();
        if gone.is_empty() {
            self.0.hand_on(journal, &[], &present);
            return Ok(Vec::new());
        }
        // The installation needs the instances' rows and the user who installs.
        let tables = configuration(journal);
        let ahead = async {
            let present = self.0.with_tables(journal, Arc::clone(&present), &tables);
            let (present, _) = join!(present, self.0.acting_user(journal));
            Ok::<_, Failure>(present)
        };
        let flows = flows::cloud_flows(view, |_, row| {
            let name = text(&row, "name").unwrap_or_default();
            (flows::is_on(&row) && flows::is_deployed_by(&name, &gone)).then_some(name)
        });
        let (table, flows, present) = try_join!(view.table("workflow"), flows, ahead)?;
        let mut changes = Vec::new();
        for (id, name) in flows {
            // The documented way to turn a flow off (Microsoft Learn, *Work with cloud flows using
            // code*).
            let body = json!({ "statecode": 0, "statuscode": 1 });
            let request = Request::patch(&table.entity_set, id, &body);
            let change = Change {
                key: keys::flow_stop(id),
                name: format!("turn off cloud flow '{name}' of a deleted provider"),
                before: switched(true).into(),
                after: switched(false).into(),
                follows: Vec::new(),
                action: Action::Set(row_set(
                    refresh,
                    &table.entity_set,
                    id,
                    // A flow that was deleted together with its provider counts as off.
                    |row: Option<&Row>| {
                        row.map_or_else(|| switched(false), |row| switch_value(&row.value))
                    },
                    request,
                    Duration::from_mins(2),
                )),
            };
            changes.push(by_hand_where_refused(change, journal, turn_off(&name)));
        }
        self.0.hand_on(journal, &changes, &present);
        Ok(changes)
    }
}

/// What a person does if the service refuses to turn a flow off.
fn turn_off(name: &str) -> ManualTask {
    ManualTask {
        instructions: vec![format!(
            "Power Automate > Solutions > Default Solution > Cloud flows > '{name}': turn it off, or \
             delete it; its provider is gone, and it would handle every message a second time"
        )],
        evidence: "no flow of a deleted provider is on".to_owned(),
        ..ManualTask::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::providers::{Provider, ProviderAction};

    #[test]
    fn an_action_is_a_leftover_once_its_provider_is_gone() {
        let (provider, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let action = |id: u128, provider: Option<Uuid>| {
            let id = Uuid::from_u128(id);
            let action = ProviderAction {
                id,
                name: "Send".to_owned(),
                provider,
                logic: None,
            };
            (id, action)
        };
        let sealed = Catalogue {
            actions: [
                action(10, Some(provider)),
                action(11, Some(provider)),
                action(12, Some(other)),
            ]
            .into(),
            ..Catalogue::default()
        };
        let mut now = Catalogue {
            // One was unlinked, one still names its provider, one is missing, one is not in the
            // seal.
            actions: [
                action(10, None),
                action(11, Some(provider)),
                action(13, None),
            ]
            .into(),
            ..Catalogue::default()
        };
        assert_eq!(
            leftovers(&sealed, &now),
            [Uuid::from_u128(10), Uuid::from_u128(11)]
        );
        now.providers.insert(
            provider,
            Provider {
                id: provider,
                name: "P".to_owned(),
                definition: None,
                active: true,
            },
        );
        assert!(leftovers(&sealed, &now).is_empty());
    }
}
