//! The surfaces that step 2 recorded before it closed anything, in the seal `surfaces`.
//!
//! The seal holds the list of all surfaces (`surface/<key>`) and, verbatim, each row that the
//! program writes or deletes (`row/<table>/<id>`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kind::KINDS;
use super::policy::Policy;
use super::surface::{Closing, RowWrite, Surface, SurfaceState};
use crate::domain::keys;
use crate::domain::seals::{self, Part};
use crate::engine::{JournalView, Maker};
use crate::runbook::{StepName, Word as _};

/// What keys of recorded surfaces begin with.
pub(crate) const SURFACE: &str = "surface/";

/// What keys of recorded rows begin with.
pub(crate) const ROW: &str = "row/";

/// A surface as the seal holds it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct SealedSurface {
    /// The word of its kind.
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
    /// Nothing was to be done.
    Nothing,
    /// A change of step 2 with this key.
    Change(String),
    /// A change of step 2 that makes it reach the target's own partner.
    Replace {
        /// The change's key.
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
    /// What the seal holds of a surface.
    pub(crate) fn of(surface: &Surface) -> Self {
        let closing = match &surface.closing {
            Closing::Nothing => SealedClosing::Nothing,
            Closing::Set(RowWrite {
                replaces: Some(how),
                ..
            }) => SealedClosing::Replace {
                change: surface.change_key(),
                how: how.clone(),
            },
            Closing::Set(_) | Closing::Remove(_) => SealedClosing::Change(surface.change_key()),
            Closing::ByStep { step, opened_by } => SealedClosing::ByStep {
                step: step.word().to_owned(),
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

    /// Its state as the journal and the runbook show it now. The tenant may show something else: a
    /// person may have opened it since.
    pub(crate) fn state_now(&self, journal: &JournalView, policy: &Policy) -> SurfaceState {
        if self.state != SurfaceState::Open {
            return self.state.clone();
        }
        // A line of a manual task also ends when the runbook allows the thing.
        let is_made = |key: &String| match journal.maker(key) {
            Some(Maker::Program) => true,
            Some(Maker::Person) => policy.keeps(&self.kind, &self.name).is_none(),
            None => false,
        };
        let closed = |how: &str| SurfaceState::Closed(how.to_owned());
        match &self.closing {
            SealedClosing::Change(key) if is_made(key) => {
                closed(StepName::ExitAdministrationMode.word())
            }
            SealedClosing::Replace { change, how } if is_made(change) => {
                SurfaceState::Replaced(how.clone())
            }
            SealedClosing::ByStep { step, opened_by }
                if !opened_by.iter().any(|key| journal.maker(key).is_some()) =>
            {
                closed(step)
            }
            SealedClosing::Ask(key) if is_made(key) => closed("a person"),
            _ => self.allowed(journal, policy),
        }
    }

    /// Its state where the target no longer shows it: nothing of it can act.
    pub(crate) fn state_after(&self) -> SurfaceState {
        match (&self.state, &self.closing) {
            (SurfaceState::Replaced(how), _) | (_, SealedClosing::Replace { how, .. }) => {
                SurfaceState::Replaced(how.clone())
            }
            _ => SurfaceState::Closed("it can no longer act".to_owned()),
        }
    }

    /// Open, unless the runbook or a waiver allows it by now.
    fn allowed(&self, journal: &JournalView, policy: &Policy) -> SurfaceState {
        let has_task = !matches!(
            self.closing,
            SealedClosing::Nothing | SealedClosing::Finding(_) | SealedClosing::ByStep { .. }
        );
        let waived = || is_waived(journal, &self.kind).filter(|_| has_task);
        let allowed = policy.keeps(&self.kind, &self.name).or_else(waived);
        // A change that was sent when the process was killed has no record of its end. The phase
        // that made it ends only when its survey finds nothing left.
        let is_closed = has_task && allowed.is_none() && self.has_phase_ended(journal);
        match allowed {
            Some(by) => SurfaceState::Allowed(by),
            None if is_closed => self.state_after(),
            None => SurfaceState::Open,
        }
    }

    /// Has the phase of step 2 that closes this kind reached its end?
    fn has_phase_ended(&self, journal: &JournalView) -> bool {
        let step = StepName::ExitAdministrationMode.word();
        let kind = KINDS.iter().find(|known| known.word() == self.kind);
        let phase = kind.and_then(|kind| kind.phase());
        phase.is_some_and(|phase| journal.has_phase_ended(step, phase))
    }
}

/// The waiver of the manual task that closes surfaces of this kind, if a person gave one.
pub(crate) fn is_waived(journal: &JournalView, kind: &str) -> Option<String> {
    let kind = KINDS.iter().find(|known| known.word() == kind)?;
    let task = keys::task(StepName::ExitAdministrationMode, kind.phase()?);
    journal
        .is_waived(&task)
        .then(|| format!("the waiver of {task}"))
}

/// Every recorded surface, by its key.
#[derive(Clone, Debug, Default)]
pub(crate) struct SealedSurfaces(BTreeMap<String, SealedSurface>);

impl SealedSurfaces {
    /// From the seal; nothing where there is none yet.
    pub(crate) fn read(journal: &JournalView) -> Self {
        let captures = seals::captures(journal, Part::Surfaces, SURFACE);
        let surfaces = captures.into_iter().filter_map(|(key, value)| {
            let surface = serde_json::from_value::<SealedSurface>(value).ok()?;
            Some((key, surface))
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

/// The text of a recorded surface.
pub(crate) fn to_text(surface: &SealedSurface) -> String {
    serde_json::to_value(surface)
        .unwrap_or(Value::Null)
        .to_string()
}
