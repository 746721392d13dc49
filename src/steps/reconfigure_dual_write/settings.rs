//! Phases `integration-keys` and `legal-entities`: the link has its recorded settings. The gateway
//! sets the keys. A reset names the legal entities; if the link has others afterwards, a person
//! corrects them, because no request that adds one is known.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{recorded_and_now, recorded_for_gateway};
use crate::domain::dual_write::gateway::{KeySet, integration_key};
use crate::domain::dual_write::read_link_after_reset;
use crate::domain::manual_change::ManualChange;
use crate::domain::{RefreshContext, keys};
use crate::engine::{Action, Change, Failure, JournalView, Survey};

/// Finds tables whose integration key is not the recorded one.
pub(super) struct IntegrationKeys(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for IntegrationKeys {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let Some((recorded, now)) = recorded_and_now(refresh, journal).await? else {
            return Ok(Vec::new());
        };
        let mut changes = Vec::new();
        for map in recorded.initialised() {
            let (Some(table), Some(columns)) = (&map.table, &map.key) else {
                continue;
            };
            let before = now.as_ref().map_or_else(
                || json!({ "key": null }),
                |now| integration_key(&now.set, table),
            );
            let after = json!({ "key": columns });
            if before == after {
                continue;
            }
            changes.push(Change {
                key: keys::integration_key(table),
                name: format!("set the integration key of {table}: {}", columns.join(", ")),
                before: before.into(),
                after: after.into(),
                follows: Vec::new(),
                action: Action::Set(Arc::new(KeySet {
                    refresh: Arc::clone(refresh),
                    table: table.clone(),
                    columns: columns.clone(),
                })),
            });
        }
        Ok(changes)
    }
}

/// Finds whether the legal entities of the link differ from the recorded ones.
pub(super) struct LegalEntities(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for LegalEntities {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let recorded = recorded_for_gateway(refresh, journal);
        let Some(wanted) = recorded.and_then(|recorded| recorded.legal_entities) else {
            return Ok(Vec::new());
        };
        // In a forecast, the reset will set them.
        let Some(now) = read_link_after_reset(refresh, journal).await? else {
            return Ok(Vec::new());
        };
        let found = &now.set.legal_entities;
        if *found == wanted {
            return Ok(Vec::new());
        }
        let list = |codes: &[String]| {
            if codes.is_empty() {
                "none".to_owned()
            } else {
                codes.join(", ")
            }
        };
        Ok(vec![ManualChange {
            key: keys::LEGAL_ENTITIES.to_owned(),
            name: format!("link the legal entities {}", list(&wanted)),
            before: json!(found),
            after: Value::from(wanted.clone()),
            instructions: vec![format!(
                "Finance and Operations > Data management > Dual-write > Legal entities: the link \
                 has {}, and must have {}",
                list(found),
                list(&wanted)
            )],
            evidence: "the legal entities of the connection set".to_owned(),
        }.into_change()])
    }
}
