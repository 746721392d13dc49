//! The record of a surface, which step 2 writes before it closes anything, in the seal `surfaces`.
//!
//! The seal holds the list of all surfaces (`surface/<key>`) and, verbatim, each row that the
//! program writes or deletes (`row/<table>/<id>`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::surface::{Closing, RowWrite, Surface, SurfaceState};
use crate::domain::seals::{self, Part};
use crate::engine::JournalView;
use crate::runbook::Keyword as _;

/// What keys of recorded surfaces begin with.
pub(crate) const SURFACE: &str = "surface/";

/// What keys of recorded rows begin with.
pub(crate) const ROW: &str = "row/";

/// A surface as the seal holds it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct SealedSurface {
    /// The key of its kind.
    pub(crate) kind: String,
    /// What distinguishes it within its kind.
    pub(crate) id: String,
    /// Its name for people.
    pub(crate) name: String,
    /// What it could do, or where it points.
    pub(crate) reach: String,
    /// Whether it could act when the copy had just ended.
    pub(crate) state: SurfaceState,
    /// What closes it.
    pub(crate) closing: SealedClosing,
}

/// What closes a recorded surface.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SealedClosing {
    /// Nothing had to be done.
    Nothing,
    /// A change of step 2 with this key.
    Change(String),
    /// A change of step 2 that makes it reach the target's own partner.
    Replace {
        /// The change's key; of another surface's change if it reaches that one.
        change: String,
        /// What is replaced by what.
        how: String,
    },
    /// A later step, unless a change with one of these keys is made.
    ByStep {
        /// The step.
        step: String,
        /// The keys of the changes that would open it.
        opened_by: Vec<String>,
    },
    /// A person decides; the key of the manual change.
    Ask(String),
    /// Nothing; what a person can do.
    Finding(String),
}

impl SealedSurface {
    /// A surface whose record this version cannot read: it is unknown whether it can act.
    fn unreadable(key: &str) -> Self {
        let (kind, id) = key.split_once('/').unwrap_or(("", key));
        Self {
            kind: kind.to_owned(),
            id: id.to_owned(),
            name: id.to_owned(),
            reach: "is recorded in a form that this version cannot read".to_owned(),
            state: SurfaceState::Unclear("its record cannot be read".to_owned()),
            closing: SealedClosing::Finding(
                "look at it in the target, or read it with the version that recorded it".to_owned(),
            ),
        }
    }

    /// What the seal holds of a surface.
    pub(crate) fn from_surface(surface: &Surface) -> Self {
        let closing = match &surface.closing {
            Closing::Nothing => SealedClosing::Nothing,
            Closing::Set(RowWrite {
                replaces: Some(how),
                ..
            }) => SealedClosing::Replace {
                change: surface.change_key(),
                how: how.clone(),
            },
            Closing::ByChange { change, how, .. } => SealedClosing::Replace {
                change: change.clone(),
                how: how.clone(),
            },
            Closing::Set(_) | Closing::Remove(_) => SealedClosing::Change(surface.change_key()),
            Closing::ByStep { step, opened_by } => SealedClosing::ByStep {
                step: step.keyword().to_owned(),
                opened_by: opened_by.clone(),
            },
            Closing::Ask { .. } => SealedClosing::Ask(surface.change_key()),
            Closing::Finding(remedy) => SealedClosing::Finding(remedy.clone()),
        };
        Self {
            kind: surface.kind.to_owned(),
            id: surface.id.clone(),
            name: surface.name.clone(),
            reach: surface.reach.clone(),
            state: surface.state.clone(),
            closing,
        }
    }

    /// Its text in the seal.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_value(self)
            .unwrap_or(Value::Null)
            .to_string()
    }
}

/// Every recorded surface, by its key.
#[derive(Clone, Debug, Default)]
pub(crate) struct SealedSurfaces(BTreeMap<String, SealedSurface>);

impl SealedSurfaces {
    /// Reads them from the seal. Empty if the seal does not exist yet.
    pub(crate) fn read(journal: &JournalView) -> Self {
        let captures = seals::captures(journal, Part::Surfaces, SURFACE);
        let surfaces = captures.into_iter().map(|(key, value)| {
            let surface = serde_json::from_value(value);
            let surface = surface.unwrap_or_else(|_| SealedSurface::unreadable(&key));
            (key, surface)
        });
        Self(surfaces.collect())
    }

    /// A recorded surface.
    pub(crate) fn get(&self, key: &str) -> Option<&SealedSurface> {
        self.0.get(key)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SealedSurface> {
        self.0.values()
    }

    /// Is nothing recorded?
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
