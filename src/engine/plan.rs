//! The plan: every phase surveyed, nothing applied.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Action, Change, Failure, Known, Step, Work};
use crate::journal::ChangeKind;
use crate::text;

/// The changes of all steps, as a run would make them now.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Each step in order.
    pub steps: Vec<PlannedStep>,
}

/// The changes of one step.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedStep {
    /// The step's name.
    pub name: String,
    /// Why the runbook leaves it out, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
    /// Its changes in the order of their phases.
    pub changes: Vec<PlannedChange>,
}

/// One change of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedChange {
    /// Its phase.
    pub phase: String,
    /// Its stable key.
    pub key: String,
    /// Its kind.
    pub kind: ChangeKind,
    /// What a person calls it.
    pub name: String,
    /// What is there now.
    pub before: Value,
    /// What shall be there.
    pub after: Value,
    /// Does it end something that cannot be had back without the journal?
    pub destructive: bool,
}

impl PlannedChange {
    fn of(phase: &str, change: &Change) -> Self {
        Self {
            phase: phase.to_owned(),
            key: change.key.clone(),
            kind: change.kind(),
            name: change.name.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
            destructive: change.is_destructive(),
        }
    }
}

impl Plan {
    /// Surveys every phase of every step with reads alone. A capture phase is listed once, so that
    /// later surveys know what its seal would hold.
    pub async fn make(steps: &[Step], mut known: Known) -> Result<Self, Failure> {
        let mut planned = Vec::with_capacity(steps.len());
        for step in steps {
            let mut changes = Vec::new();
            let phases = if step.skip.is_some() {
                &[]
            } else {
                step.phases.as_slice()
            };
            for phase in phases {
                let place = format!("surveying {}/{}", step.name, phase.name);
                match &phase.work {
                    Work::Capture(capture) if !known.has_seal(capture.seal()) => {
                        let captured = capture
                            .list(&known)
                            .await
                            .map_err(|failure| failure.during(&place))?;
                        known.assume(capture.seal(), captured);
                    }
                    Work::Capture(_) => {}
                    Work::Changes(survey) => {
                        let found = survey
                            .survey(&known)
                            .await
                            .map_err(|failure| failure.during(&place))?;
                        changes.extend(found.iter().map(|c| PlannedChange::of(phase.name, c)));
                    }
                }
            }
            planned.push(PlannedStep {
                name: step.name.to_owned(),
                skip: step.skip.clone(),
                changes,
            });
        }
        Ok(Self { steps: planned })
    }

    /// How many changes it holds.
    pub fn len(&self) -> usize {
        self.steps.iter().map(|step| step.changes.len()).sum()
    }

    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys that must be confirmed: what cannot be had back without the journal.
    pub fn destructive_keys(&self) -> Vec<String> {
        let changes = self.steps.iter().flat_map(|step| &step.changes);
        changes
            .filter(|change| change.destructive)
            .map(|change| change.key.clone())
            .collect()
    }

    /// SHA-256 over the pinned part of the runbook, the change keys and the intended values; no
    /// `ETags`, no times, no names.
    pub fn digest(&self, pinned: &str) -> String {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                let changes: Vec<Value> = step
                    .changes
                    .iter()
                    .map(|change| json!([change.key, change.kind, change.after]))
                    .collect();
                json!([step.name, changes])
            })
            .collect();
        text::sha256(json!([pinned, steps]).to_string().as_bytes())
    }

    /// How many changes a person must make by hand.
    pub fn by_hand(&self) -> usize {
        let changes = self.steps.iter().flat_map(|step| &step.changes);
        changes
            .filter(|change| change.kind == ChangeKind::Ask)
            .count()
    }
}

impl Change {
    /// Is it one for a person?
    pub(super) fn is_ask(&self) -> bool {
        matches!(self.action, Action::Ask(_))
    }
}
