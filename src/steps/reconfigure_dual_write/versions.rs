//! Phase `versions`: each recorded map has a project, and its recorded version is active. A person
//! imports a version that the target does not have: maps are part of solutions, and the copy
//! brought the source's solutions.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::recorded_and_now;
use super::solutions::lists_recorded_version;
use crate::clients::{EntityMap, MapAction};
use crate::domain::dual_write::gateway::{MapSet, MapWrite, map_initialised, map_version};
use crate::domain::dual_write::recorded::RecordedMap;
use crate::domain::keys::MapChange;
use crate::domain::manual_change::ManualChange;
use crate::domain::{RefreshContext, keys};
use crate::engine::{Change, Failure, JournalView, Survey};

/// Finds maps without a project or at another version.
pub(super) struct Versions(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for Versions {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let Some((recorded, now)) = recorded_and_now(refresh, journal).await? else {
            return Ok(Vec::new());
        };
        let mut changes = Vec::new();
        for map in recorded.initialised() {
            let listed = now.as_ref().and_then(|now| now.map(&map.name));
            if let Some(now) = &now
                && !lists_recorded_version(now, map)
            {
                changes.push(import_version(map, listed));
                continue;
            }
            let initialise = listed.is_none_or(|listed| listed.project.is_none());
            if initialise {
                changes.push(self.initialise(map, listed));
            }
            let active = listed.and_then(|listed| listed.template.version);
            if map.version.is_some() && active != map.version {
                changes.extend(self.switch(map, listed, initialise));
            }
        }
        Ok(changes)
    }
}

fn initialise_key(map: &RecordedMap) -> String {
    keys::dual_write_map(&map.name, MapChange::Initialise)
}

impl Versions {
    fn initialise(&self, map: &RecordedMap, listed: Option<&EntityMap>) -> Change {
        Change {
            key: initialise_key(map),
            name: format!("initialise dual-write map '{}'", map.name),
            before: map_initialised(listed).into(),
            after: json!({ "initialised": true }).into(),
            follows: Vec::new(),
            action: MapSet::action(&self.0, &map.name, MapWrite::Action(MapAction::Initialise)),
        }
    }

    fn switch(
        &self,
        map: &RecordedMap,
        listed: Option<&EntityMap>,
        after_initialising: bool,
    ) -> Option<Change> {
        let wanted = map.version?;
        let follows = after_initialising.then(|| initialise_key(map));
        Some(Change {
            key: keys::dual_write_map(&map.name, MapChange::Version),
            name: format!("make {wanted} the active version of '{}'", map.name),
            before: map_version(listed).into(),
            after: json!({ "version": wanted.to_string() }).into(),
            follows: follows.into_iter().collect(),
            action: MapSet::action(&self.0, &map.name, MapWrite::SwitchVersion(wanted)),
        })
    }
}

fn import_version(map: &RecordedMap, listed: Option<&EntityMap>) -> Change {
    let version = map.shown_version();
    ManualChange {
        key: keys::dual_write_map(&map.name, MapChange::BringVersion),
        name: format!("import version {version} of dual-write map '{}'", map.name),
        before: map_version(listed),
        after: json!({ "version": version }),
        instructions: vec![format!("'{}' version {version}", map.name)],
        evidence: "the versions that the dual-write gateway lists".to_owned(),
    }
    .into_change()
    .with_advice([
        "the source does not have these map versions: import the solutions that contain them into the \
         target, then Data management > Dual-write > Apply solution",
    ])
}
