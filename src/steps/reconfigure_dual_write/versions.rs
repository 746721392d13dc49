//! Phase `versions`: each recorded map has a project again and its recorded version active. A
//! version that the target does not have is a person's task: maps travel in solutions, and the copy
//! brought the source's.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::solutions::lists;
use crate::clients::{EntityMap, MapAction};
use crate::domain::Refresh;
use crate::domain::dual_write::by_gateway;
use crate::domain::dual_write::gateway::{Act, MapSet, initialised, version};
use crate::domain::dual_write::record::{Recorded, RecordedMap};
use crate::engine::{Action, Ask, Change, Failure, Known, Survey};

/// Finds maps without a project or at another version.
pub(super) struct Versions(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Versions {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let recorded = Recorded::of(known);
        if !by_gateway(refresh, &recorded) {
            return Ok(Vec::new());
        }
        let now = crate::domain::dual_write::now(refresh, known).await?;
        let mut changes = Vec::new();
        for map in recorded.initialised() {
            let listed = now.as_ref().and_then(|now| now.map(&map.name));
            if let Some(now) = &now
                && !lists(now, map)
            {
                changes.push(missing(map, listed));
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
    format!("dual-write/map/{}/initialise", map.name)
}

impl Versions {
    fn initialise(&self, map: &RecordedMap, listed: Option<&EntityMap>) -> Change {
        Change {
            key: initialise_key(map),
            name: format!("initialise dual-write map '{}'", map.name),
            before: initialised(listed),
            after: json!({ "initialised": true }),
            follows: Vec::new(),
            action: self.set(map, Act::Ask(MapAction::Initialise)),
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
            key: format!("dual-write/map/{}/version", map.name),
            name: format!("make {wanted} the active version of '{}'", map.name),
            before: version(listed),
            after: json!({ "version": wanted.to_string() }),
            follows: follows.into_iter().collect(),
            action: self.set(map, Act::Switch(wanted)),
        })
    }

    fn set(&self, map: &RecordedMap, act: Act) -> Action {
        Action::Set(Arc::new(MapSet {
            refresh: Arc::clone(&self.0),
            map: map.name.clone(),
            act,
        }))
    }
}

fn missing(map: &RecordedMap, listed: Option<&EntityMap>) -> Change {
    let version = map.shown_version();
    Change {
        key: format!("dual-write/map/{}/brought", map.name),
        name: format!("bring version {version} of dual-write map '{}'", map.name),
        before: crate::domain::dual_write::gateway::version(listed),
        after: json!({ "version": version }),
        follows: Vec::new(),
        action: Action::Ask(Ask {
            instructions: vec![
                "these versions of maps were the target's own, and the source has none of them: import \
                 the solutions that hold them into the target, then Data management > Dual-write > \
                 Apply solution"
                    .to_owned(),
                format!("  '{}' version {version}", map.name),
            ],
            evidence: "the versions that the dual-write gateway lists".to_owned(),
        }),
    }
}
