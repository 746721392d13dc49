//! Phases `integration-keys` and `legal-entities`: what the link itself holds is as it was recorded.
//! Keys are sets by the gateway. A reset names the legal entities; should another set be shown
//! afterwards, a person corrects it, because no request is known that adds one.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::domain::Refresh;
use crate::domain::dual_write::by_gateway;
use crate::domain::dual_write::gateway::{KeySet, key};
use crate::domain::dual_write::record::Recorded;
use crate::engine::{Action, Ask, Change, Failure, Known, Survey};

/// Finds tables whose integration key is not the recorded one.
pub(super) struct IntegrationKeys(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for IntegrationKeys {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let recorded = Recorded::of(known);
        if !by_gateway(refresh, &recorded) {
            return Ok(Vec::new());
        }
        let now = crate::domain::dual_write::now(refresh, known).await?;
        let mut changes = Vec::new();
        for map in recorded.initialised() {
            let (Some(table), Some(columns)) = (&map.table, &map.key) else {
                continue;
            };
            let before = now
                .as_ref()
                .map_or_else(|| json!({ "key": null }), |now| key(&now.set, table));
            let after = json!({ "key": columns });
            if before == after {
                continue;
            }
            changes.push(Change {
                key: format!("dual-write/key/{table}"),
                name: format!("set the integration key of {table}: {}", columns.join(", ")),
                before,
                after,
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

/// Finds whether the link has other legal entities than the recorded ones.
pub(super) struct LegalEntities(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for LegalEntities {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let recorded = Recorded::of(known);
        let (true, Some(wanted)) = (by_gateway(refresh, &recorded), recorded.legal_entities) else {
            return Ok(Vec::new());
        };
        // The reset of the forecast brings them.
        let Some(now) = crate::domain::dual_write::now(refresh, known).await? else {
            return Ok(Vec::new());
        };
        let found = &now.set.legal_entities;
        if *found == wanted {
            return Ok(Vec::new());
        }
        let shown = |codes: &[String]| {
            if codes.is_empty() {
                "none".to_owned()
            } else {
                codes.join(", ")
            }
        };
        Ok(vec![Change {
            key: "dual-write/legal-entities".to_owned(),
            name: format!("link the legal entities {}", shown(&wanted)),
            before: json!(found),
            after: Value::from(wanted.clone()),
            follows: Vec::new(),
            action: Action::Ask(Ask {
                instructions: vec![format!(
                    "Finance and Operations > Data management > Dual-write > Legal entities: the link \
                     has {}, and must have {}",
                    shown(found),
                    shown(&wanted)
                )],
                evidence: "the legal entities of the connection set".to_owned(),
            }),
        }])
    }
}
