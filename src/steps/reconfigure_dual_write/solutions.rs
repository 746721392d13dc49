//! Phase `solutions`: the solutions that hold the recorded versions are applied, one by one. Several
//! in one request make duplicates. Through the gateway alone; by hand it is a line of the worksheet of
//! `maps`, because nothing but running maps shows it.
//!
//! Each is a launch. In doubt the maps are looked at: with the solution's versions listed it was
//! applied, without any of them after a quarter of an hour it was not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::domain::Refresh;
use crate::domain::dual_write::by_gateway;
use crate::domain::dual_write::gateway::{Linked, acknowledged, progress};
use crate::domain::dual_write::record::{Recorded, RecordedMap};
use crate::domain::failure::launch_error;
use crate::engine::{
    Action, Change, Failure, Found, Known, Launch, Progress, Repeat, Started, Survey, Trace,
    Verdict, WriteError,
};

/// How long applying a solution may take until the gateway lists its versions (an estimate: applying
/// takes minutes, and a second request while the first works makes duplicates).
const APPLIED: Duration = Duration::from_mins(15);

/// Finds solutions whose versions are not listed.
pub(super) struct Solutions(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Solutions {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let recorded = Recorded::of(known);
        if !by_gateway(refresh, &recorded) {
            return Ok(Vec::new());
        }
        let now = crate::domain::dual_write::now(refresh, known).await?;
        let mut wanted: BTreeMap<&str, Vec<&RecordedMap>> = BTreeMap::new();
        for map in recorded.initialised() {
            if let Some(solution) = &map.solution
                && !now.as_ref().is_some_and(|now| lists(now, map))
            {
                wanted.entry(solution).or_default().push(map);
            }
        }
        let mut changes: Vec<Change> = Vec::new();
        for (solution, maps) in wanted {
            let follows = changes.last().map(|change: &Change| change.key.clone());
            let names: Vec<&str> = maps.iter().map(|map| map.name.as_str()).collect();
            changes.push(Change {
                key: format!("dual-write/solution/{solution}"),
                name: format!("apply the dual-write solution '{solution}'"),
                before: json!({ "maps": [] }),
                after: json!({ "maps": names }),
                follows: follows.into_iter().collect(),
                action: Action::Launch(Arc::new(Apply {
                    refresh: Arc::clone(refresh),
                    solution: solution.to_owned(),
                    maps: maps.into_iter().cloned().collect(),
                })),
            });
        }
        Ok(changes)
    }
}

/// Is a recorded map listed, with its version among those that could be active?
pub(super) fn lists(now: &Linked, map: &RecordedMap) -> bool {
    now.map(&map.name).is_some_and(|listed| {
        map.version.is_none()
            || listed.template.version == map.version
            || listed
                .templates
                .iter()
                .any(|template| template.version == map.version)
    })
}

struct Apply {
    refresh: Arc<Refresh>,
    solution: String,
    maps: Vec<RecordedMap>,
}

impl Apply {
    /// The recorded maps of the solution that are not listed.
    async fn missing(&self) -> Result<Vec<String>, Failure> {
        let now = Linked::read(&self.refresh).await?;
        let missing = self.maps.iter().filter(|map| !lists(&now, map));
        Ok(missing
            .map(|map| format!("'{}' {}", map.name, map.shown_version()))
            .collect())
    }
}

#[async_trait]
impl Launch for Apply {
    fn repeat(&self) -> Repeat {
        Repeat::WhenAbsent(APPLIED)
    }

    async fn probe(&self) -> Result<Value, Failure> {
        let linked = Linked::read(&self.refresh).await?;
        let gateway = acknowledged(&self.refresh)?;
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
            .lasting()),
        }
    }

    async fn request(&self) -> Result<Started, WriteError> {
        let refused = |failure| WriteError::Refused(failure);
        let linked = Linked::read(&self.refresh).await.map_err(refused)?;
        let gateway = acknowledged(&self.refresh).map_err(refused)?;
        let id = gateway.apply_solution(&linked.link, &self.solution).await;
        Ok(Started {
            handle: json!({ "request": id.map_err(launch_error)? }),
            service_date: None,
        })
    }

    async fn find(&self, _probed: &Value) -> Result<Found, Failure> {
        Ok(if self.missing().await?.is_empty() {
            // An empty request id is asked after nowhere: the maps show the end.
            Found::Operation(json!({ "found": self.solution }))
        } else {
            Found::Absent
        })
    }

    async fn trace(&self, probed: &Value) -> Result<Trace, Failure> {
        let Some(before) = probed["missing"].as_array() else {
            return Ok(Trace::NothingKept);
        };
        let missing = self.missing().await?;
        Ok(if before.len() == missing.len() {
            Trace::Same
        } else {
            Trace::Changed(format!("still not listed: {}", missing.join(", ")))
        })
    }

    async fn poll(&self, handle: &Value) -> Result<Progress, Failure> {
        let Some(id) = handle["request"].as_str() else {
            return Ok(Progress::Succeeded(Value::Null));
        };
        let linked = Linked::read(&self.refresh).await?;
        let gateway = acknowledged(&self.refresh)?;
        Ok(progress(gateway.solution_request(&linked.link, id).await?))
    }

    async fn verify(&self, _handle: &Value) -> Result<Verdict, Failure> {
        let missing = self.missing().await?;
        Ok(if missing.is_empty() {
            Verdict::Proved(json!({ "solution": self.solution }))
        } else {
            Verdict::NotYet(format!("these are not listed: {}", missing.join(", ")))
        })
    }

    fn expected(&self) -> Duration {
        Duration::from_mins(2)
    }

    fn timeout(&self) -> Duration {
        Duration::from_hours(1)
    }

    fn patience(&self) -> Duration {
        Duration::from_mins(5)
    }
}
