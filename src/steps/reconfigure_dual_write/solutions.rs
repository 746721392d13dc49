//! Phase `solutions`: applies the solutions that contain the recorded versions, one by one. Several
//! solutions in one request create duplicates. Only the gateway does this; without it, it is a line
//! in the worksheet of `maps`, because only running maps show the effect.
//!
//! Each is a launch. If its outcome is unknown, the maps show it: the solution was applied if its
//! versions are listed, and was not applied if no version is listed after 15 minutes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::recorded_and_now;
use crate::domain::dual_write::gateway::{GatewayState, acknowledged_gateway, progress};
use crate::domain::dual_write::recorded::RecordedMap;
use crate::domain::failure::launch_error;
use crate::domain::{RefreshContext, keys};
use crate::engine::{
    Action, Change, Failure, Found, JournalView, Launch, Progress, Proof, Repeat, Started, Survey,
    TargetComparison, WriteError,
};

/// How long after a request the gateway may take to list the solution's versions (an estimate:
/// applying takes minutes, and a second request in the meantime creates duplicates).
const LISTING_DELAY: Duration = Duration::from_mins(15);

/// Finds solutions whose versions are not listed.
pub(super) struct Solutions(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for Solutions {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let Some((recorded, now)) = recorded_and_now(refresh, journal).await? else {
            return Ok(Vec::new());
        };
        let mut wanted: BTreeMap<&str, Vec<&RecordedMap>> = BTreeMap::new();
        for map in recorded.initialised() {
            if let Some(solution) = &map.solution
                && !now
                    .as_ref()
                    .is_some_and(|now| lists_recorded_version(now, map))
            {
                wanted.entry(solution).or_default().push(map);
            }
        }
        let mut changes: Vec<Change> = Vec::new();
        for (solution, maps) in wanted {
            let follows = changes.last().map(|change: &Change| change.key.clone());
            let names: Vec<&str> = maps.iter().map(|map| map.name.as_str()).collect();
            changes.push(Change {
                key: keys::dual_write_solution(solution),
                name: format!("apply the dual-write solution '{solution}'"),
                before: json!({ "maps": [] }).into(),
                after: json!({ "maps": names }).into(),
                follows: follows.into_iter().collect(),
                action: Action::Launch(Arc::new(ApplySolution {
                    refresh: Arc::clone(refresh),
                    solution: solution.to_owned(),
                    maps: maps.into_iter().cloned().collect(),
                })),
            });
        }
        Ok(changes)
    }
}

/// Does the gateway list a recorded map with its recorded version?
pub(super) fn lists_recorded_version(now: &GatewayState, map: &RecordedMap) -> bool {
    now.map(&map.name).is_some_and(|listed| {
        map.version.is_none()
            || listed.template.version == map.version
            || listed
                .templates
                .iter()
                .any(|template| template.version == map.version)
    })
}

struct ApplySolution {
    refresh: Arc<RefreshContext>,
    solution: String,
    maps: Vec<RecordedMap>,
}

impl ApplySolution {
    /// The recorded maps of the solution that are not listed.
    async fn missing(&self) -> Result<Vec<String>, Failure> {
        let now = GatewayState::read(&self.refresh).await?;
        let missing = self
            .maps
            .iter()
            .filter(|map| !lists_recorded_version(&now, map));
        Ok(missing
            .map(|map| format!("'{}' {}", map.name, map.shown_version()))
            .collect())
    }
}

#[async_trait]
impl Launch for ApplySolution {
    fn repeat(&self) -> Repeat {
        Repeat::WhenAbsent(LISTING_DELAY)
    }

    async fn probe(&self) -> Result<Value, Failure> {
        let linked = GatewayState::read(&self.refresh).await?;
        let gateway = acknowledged_gateway(&self.refresh)?;
        let solutions = gateway.solutions(&linked.link).await?;
        let found = solutions
            .iter()
            .find(|one| one.unique_name.eq_ignore_ascii_case(&self.solution));
        match found {
            Some(solution) => Ok(json!({
                "version": solution.version,
                "missing": self.missing().await?,
            })),
            None => Err(Failure::failed(format!(
                "the target has no dual-write solution '{}'",
                self.solution
            ))
            .with_help(
                "the copy brought the source's solutions: import it into the target (and into the \
                 source, for the next refresh), then run again",
            )
            .permanent()),
        }
    }

    async fn request(&self) -> Result<Started, WriteError> {
        let refused = |failure| WriteError::Refused(failure);
        let linked = GatewayState::read(&self.refresh).await.map_err(refused)?;
        let gateway = acknowledged_gateway(&self.refresh).map_err(refused)?;
        let id = gateway.apply_solution(&linked.link, &self.solution).await;
        Ok(Started {
            handle: json!({ "request": id.map_err(launch_error)? }),
            service_date: None,
        })
    }

    async fn find(&self, _probed: &Value) -> Result<Found, Failure> {
        Ok(if self.missing().await?.is_empty() {
            // No request can be polled: the maps show the end.
            Found::Operation(json!({ "found": self.solution }))
        } else {
            Found::Absent
        })
    }

    async fn compare_target(&self, probed: &Value) -> Result<TargetComparison, Failure> {
        let Some(before) = probed["missing"].as_array() else {
            return Ok(TargetComparison::NothingRecorded);
        };
        let missing = self.missing().await?;
        Ok(if before.len() == missing.len() {
            TargetComparison::Same
        } else {
            TargetComparison::Changed(format!("still not listed: {}", missing.join(", ")))
        })
    }

    async fn poll(&self, handle: &Value) -> Result<Progress, Failure> {
        let Some(id) = handle["request"].as_str() else {
            return Ok(Progress::Succeeded(Value::Null));
        };
        let linked = GatewayState::read(&self.refresh).await?;
        let gateway = acknowledged_gateway(&self.refresh)?;
        Ok(progress(gateway.solution_request(&linked.link, id).await?))
    }

    async fn verify(&self, _handle: &Value) -> Result<Proof, Failure> {
        let missing = self.missing().await?;
        Ok(if missing.is_empty() {
            Proof::Proved(json!({ "solution": self.solution }))
        } else {
            Proof::NotYet(format!("not listed yet: {}", missing.join(", ")))
        })
    }

    fn expected_duration(&self) -> Duration {
        Duration::from_mins(2)
    }

    fn timeout(&self) -> Duration {
        Duration::from_hours(1)
    }

    fn settle_timeout(&self) -> Duration {
        Duration::from_mins(5)
    }
}
