//! Phase `refresh-tables`: refreshes the tables of each recorded map, as the button *Refresh
//! tables* does. Without it, a map does not start after a reset (codes DIPV1018 to DIPV1025). It is
//! a launch that is harmless to repeat.
//!
//! The gateway has no request that shows whether tables were refreshed, so a success response
//! proves only that the request was accepted. The map's start is the proof: if it fails because a
//! schema is stale, phase `maps` sends the request again ([`repeat_if_stale`]) and then starts the
//! map.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::recorded_for_gateway;
use crate::clients::EntityMap;
use crate::domain::dual_write::error_codes::is_stale_schema;
use crate::domain::dual_write::gateway::{GatewayState, acknowledged_gateway};
use crate::domain::failure::launch_error;
use crate::domain::keys::MapChange;
use crate::domain::{RefreshContext, keys};
use crate::engine::{
    Action, Change, Failure, Found, JournalView, Launch, Proof, Repeat, Started, Survey, WriteError,
};

/// Finds maps whose tables this run has not refreshed.
pub(super) struct RefreshTables(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for RefreshTables {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let Some(recorded) = recorded_for_gateway(refresh, journal) else {
            return Ok(Vec::new());
        };
        let left = recorded.initialised().filter(|map| {
            !journal.is_launch_proved(&keys::dual_write_map(&map.name, MapChange::RefreshTables))
        });
        Ok(left.map(|map| refresh_change(refresh, &map.name)).collect())
    }
}

fn refresh_change(refresh: &Arc<RefreshContext>, map: &str) -> Change {
    Change {
        key: keys::dual_write_map(map, MapChange::RefreshTables),
        name: format!("refresh the tables of dual-write map '{map}'"),
        before: json!({ "refreshed": false }).into(),
        after: json!({ "refreshed": true }).into(),
        follows: Vec::new(),
        action: Action::Launch(Arc::new(Tables {
            refresh: Arc::clone(refresh),
            map: map.to_owned(),
        })),
    }
}

/// The same for a map whose start failed because a schema is stale: an earlier refresh was accepted
/// and not applied, or the tables have changed since then.
pub(super) fn repeat_if_stale(refresh: &Arc<RefreshContext>, map: &EntityMap) -> Option<Change> {
    let is_stale = map.last_failure().is_some_and(|why| is_stale_schema(&why));
    is_stale.then(|| refresh_change(refresh, &map.name))
}

struct Tables {
    refresh: Arc<RefreshContext>,
    map: String,
}

impl Tables {
    /// The map's project.
    async fn project(&self) -> Result<String, Failure> {
        let linked = GatewayState::read(&self.refresh).await?;
        let project = linked.map(&self.map).and_then(|map| map.project.clone());
        project.ok_or_else(|| Failure::failed(format!("the map '{}' has no project", self.map)))
    }
}

#[async_trait]
impl Launch for Tables {
    fn repeat(&self) -> Repeat {
        Repeat::Harmless
    }

    async fn probe(&self) -> Result<Value, Failure> {
        Ok(json!({ "project": self.project().await? }))
    }

    async fn request(&self) -> Result<Started, WriteError> {
        let refused = |failure| WriteError::Refused(failure);
        let project = self.project().await.map_err(refused)?;
        let gateway = acknowledged_gateway(&self.refresh).map_err(refused)?;
        // The request takes the name that is in the field mappings.
        let mappings = gateway.field_mappings(&project).await;
        let name = mappings
            .map_err(|error| WriteError::Refused(error.into()))?
            .name;
        let date = gateway.refresh_tables(&name).await;
        Ok(Started {
            handle: json!({ "project": project }),
            service_date: date.map_err(launch_error)?,
        })
    }

    async fn find(&self, _probed: &Value) -> Result<Found, Failure> {
        Ok(Found::Unlisted)
    }

    fn has_operation(&self) -> bool {
        false
    }

    async fn verify(&self, _handle: &Value) -> Result<Proof, Failure> {
        let project = self.project().await?;
        let mappings = acknowledged_gateway(&self.refresh)?
            .field_mappings(&project)
            .await?;
        // This proves only that the request was accepted: see the head of this file.
        let observed = json!({ "accepted": true, "directions": mappings.legs.len() });
        Ok(Proof::Proved(observed))
    }

    fn expected_duration(&self) -> Duration {
        Duration::from_mins(1)
    }

    fn timeout(&self) -> Duration {
        Duration::from_mins(10)
    }
}
