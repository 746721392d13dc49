//! Phase `stop-maps` of step 1: the target's maps are stopped before the copy or the refresh, also
//! where the runbook leaves step 8 to a person.
//!
//! Stopped and not paused: a pause queues changes, and they would be replayed into the world after
//! the copy. Through the gateway where the runbook acknowledges it, else by a person; the evidence is
//! that no project of Finance and Operations is enabled. Nothing where dual-write was not in use, and
//! nothing once what replaces the target may be under way: what is left then is its.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use crate::domain::Refresh;
use crate::domain::dual_write::evidence::Evidence;
use crate::domain::dual_write::gateway::{Linked, stop};
use crate::domain::dual_write::record::Recorded;
use crate::engine::{Action, Ask, Change, Failure, Known, Survey};

/// Finds maps of the target that are not stopped.
pub(crate) struct StopMaps {
    /// What every step is given.
    pub(crate) refresh: Arc<Refresh>,
    /// May what replaces the target be under way? Then it is too late, and the target may be away.
    pub(crate) too_late: fn(&Refresh, &Known) -> bool,
}

#[async_trait]
impl Survey for StopMaps {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.refresh;
        let recorded = Recorded::of(known);
        if (self.too_late)(refresh, known) || !recorded.in_use() {
            return Ok(Vec::new());
        }
        if refresh.dual_write.is_none() {
            return self.by_hand(known).await;
        }
        let linked = Linked::read(refresh).await?;
        Ok(linked
            .maps
            .iter()
            .filter(|map| !map.state.is_stopped())
            .map(|map| stop(refresh, &linked, &map.name, "stop"))
            .collect())
    }
}

impl StopMaps {
    async fn by_hand(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let evidence = Evidence {
            // Before the copy nothing is old.
            old: std::collections::BTreeSet::new(),
            ..Evidence::read(&self.refresh, known).await?
        };
        let running = evidence.running();
        Ok(running
            .into_iter()
            .map(|(map, shown)| Change {
                key: format!("dual-write/map/{map}/stop"),
                name: format!("stop dual-write map '{map}'"),
                before: json!({ "state": shown }),
                after: json!({ "state": "stopped" }),
                follows: Vec::new(),
                action: Action::Ask(Ask {
                    instructions: vec![
                        format!(
                            "Finance and Operations of '{}' > Data management > Dual-write: stop these \
                             maps; do not pause them",
                            self.refresh.runbook.target.name
                        ),
                        format!("  stop '{map}'"),
                    ],
                    evidence: "no project of Finance and Operations is enabled or queues, and \
                               Dataverse has no active runtime configuration"
                        .to_owned(),
                }),
            })
            .collect())
    }
}
