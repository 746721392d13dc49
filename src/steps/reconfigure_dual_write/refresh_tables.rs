//! Phase `refresh-tables`: the tables of each recorded map are read anew, as *Refresh tables* does.
//! Without it a map does not start after a reset (codes DIPV1018 to DIPV1025). A launch that is
//! harmless to repeat.
//!
//! The gateway has no request that shows whether tables were refreshed, so a good answer proves only
//! that the request was accepted. The proof is the map's start: where it fails because a schema is
//! stale, phase `maps` sends the request again ([`again`]) and then starts the map.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::clients::EntityMap;
use crate::domain::Refresh;
use crate::domain::dual_write::by_gateway;
use crate::domain::dual_write::findings::is_stale_schema;
use crate::domain::dual_write::gateway::{Linked, acknowledged};
use crate::domain::dual_write::record::Recorded;
use crate::domain::failure::launch_error;
use crate::engine::{
    Action, Change, Failure, Found, Known, Launch, Progress, Repeat, Started, Survey, Verdict,
    WriteError,
};

/// Finds maps whose tables this run has not read anew.
pub(super) struct RefreshTables(pub(super) Arc<Refresh>);

fn key(map: &str) -> String {
    format!("dual-write/map/{map}/tables")
}

#[async_trait]
impl Survey for RefreshTables {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let recorded = Recorded::of(known);
        if !by_gateway(refresh, &recorded) {
            return Ok(Vec::new());
        }
        let left = recorded
            .initialised()
            .filter(|map| !known.launch_proved(&key(&map.name)));
        Ok(left.map(|map| change(refresh, &map.name)).collect())
    }
}

fn change(refresh: &Arc<Refresh>, map: &str) -> Change {
    Change {
        key: key(map),
        name: format!("refresh the tables of dual-write map '{map}'"),
        before: json!({ "refreshed": false }),
        after: json!({ "refreshed": true }),
        follows: Vec::new(),
        action: Action::Launch(Arc::new(Tables {
            refresh: Arc::clone(refresh),
            map: map.to_owned(),
        })),
    }
}

/// The same for a map that is listed with a failed start whose message says that a schema is stale:
/// an earlier refresh was accepted and not applied, or the tables have changed since.
pub(super) fn again(refresh: &Arc<Refresh>, map: &EntityMap) -> Option<Change> {
    let is_stale = map.last_failure().is_some_and(|why| is_stale_schema(&why));
    is_stale.then(|| change(refresh, &map.name))
}

struct Tables {
    refresh: Arc<Refresh>,
    map: String,
}

impl Tables {
    /// The map's project.
    async fn project(&self) -> Result<String, Failure> {
        let linked = Linked::read(&self.refresh).await?;
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
        let gateway = acknowledged(&self.refresh).map_err(refused)?;
        // The route wants the name that the field mappings have.
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

    async fn poll(&self, _handle: &Value) -> Result<Progress, Failure> {
        Ok(Progress::Succeeded(Value::Null))
    }

    async fn verify(&self, _handle: &Value) -> Result<Verdict, Failure> {
        let project = self.project().await?;
        let mappings = acknowledged(&self.refresh)?
            .field_mappings(&project)
            .await?;
        // Accepted, no more: see the head of this file.
        let observed = json!({ "accepted": true, "directions": mappings.legs.len() });
        Ok(Verdict::Proved(observed))
    }

    fn expected(&self) -> Duration {
        Duration::from_mins(1)
    }

    fn timeout(&self) -> Duration {
        Duration::from_mins(10)
    }
}
