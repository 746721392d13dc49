//! Phase `stop-maps` of step 1: the target's dual-write maps are stopped before the copy or the
//! refresh, also if the runbook skips step 8.
//!
//! Maps are stopped and not paused: a pause queues changes, which would be replayed after the copy.
//! The gateway stops them if the runbook acknowledges it; otherwise a person does. The evidence
//! is that no project of Finance and Operations is enabled. The phase finds nothing if
//! dual-write was not in use, and nothing once the copy or refresh may be running: the target may
//! be unavailable then, and its maps are about to be overwritten.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use crate::domain::dual_write::evidence::Evidence;
use crate::domain::dual_write::gateway::{GatewayState, stop_map};
use crate::domain::dual_write::recorded::RecordedDualWrite;
use crate::domain::environments::has_begun;
use crate::domain::keys::MapChange;
use crate::domain::manual_change::ManualChange;
use crate::domain::{RefreshContext, keys};
use crate::engine::{Change, Failure, JournalView, Survey};

/// Finds maps of the target that are not stopped.
pub(super) struct StopMaps(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for StopMaps {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let recorded = RecordedDualWrite::from_journal(journal);
        if has_begun(refresh, journal) || !recorded.in_use() {
            return Ok(Vec::new());
        }
        if refresh.services.dual_write.is_none() {
            return self.manual_tasks(journal).await;
        }
        let linked = GatewayState::read(refresh).await?;
        Ok(linked
            .maps
            .iter()
            .filter(|map| !map.state.is_stopped())
            .map(|map| stop_map(refresh, &linked, &map.name, MapChange::Stop))
            .collect())
    }
}

impl StopMaps {
    async fn manual_tasks(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let evidence = Evidence {
            // Before the copy, no row is out of date.
            old: std::collections::BTreeSet::new(),
            ..Evidence::read(&self.0, journal).await?
        };
        let running = evidence.running();
        Ok(running
            .into_iter()
            .map(|(map, shown)| {
                ManualChange {
                key: keys::dual_write_map(&map, MapChange::Stop),
                name: format!("stop dual-write map '{map}'"),
                before: json!({ "state": shown }),
                after: json!({ "state": "stopped" }),
                instructions: vec![format!("stop '{map}'")],
                evidence: "no project of Finance and Operations is enabled or queues, and \
                           Dataverse has no active runtime configuration"
                    .to_owned(),
            }
            .into_change()
            .with_advice([format!(
                "Finance and Operations of '{}' > Data management > Dual-write: stop these maps; do \
                 not pause them",
                self.0.runbook.target.name
            )])
            })
            .collect())
    }
}
