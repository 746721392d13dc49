//! The plan: every phase surveyed, nothing applied.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::manual::task_name;
use super::{Action, Change, Failure, FailureKind, Known, Step, Work};
use crate::base::text;
use crate::journal::ChangeKind;

/// The changes of all steps, as a run would make them now.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Plan {
    /// Each step in order.
    pub steps: Vec<PlannedStep>,
}

/// The changes of one step.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct PlannedStep {
    /// The step's name.
    pub name: String,
    /// Why the runbook leaves it out, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
    /// Its changes in the order of their phases.
    pub changes: Vec<PlannedChange>,
}

/// One change of a plan.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
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
    /// How long it is expected to take, in seconds.
    pub expected_seconds: u64,
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
            expected_seconds: change.expected().as_secs(),
        }
    }
}

impl Plan {
    /// Surveys every phase of every step with reads alone. A capture phase is listed once, so that
    /// later surveys know what its seal would hold.
    pub async fn make(steps: &[Step], known: Known) -> Result<Self, Failure> {
        let mut plan = Self { steps: Vec::new() };
        plan.survey(steps, known).await?;
        Ok(plan)
    }

    /// The same as far as it can be read now: up to a phase whose service is away, and why that one
    /// was not surveyed. In the middle of a run what it replaces may be away.
    pub async fn as_far_as_readable(
        steps: &[Step],
        known: Known,
    ) -> Result<(Self, Option<Failure>), Failure> {
        let mut plan = Self { steps: Vec::new() };
        match plan.survey(steps, known).await {
            Ok(()) => Ok((plan, None)),
            Err(failure) if failure.kind == FailureKind::Temporary => Ok((plan, Some(failure))),
            Err(failure) => Err(failure),
        }
    }

    /// Surveys; what was found before a failure is kept.
    async fn survey(&mut self, steps: &[Step], mut known: Known) -> Result<(), Failure> {
        for step in steps {
            self.steps.push(PlannedStep {
                name: step.name.to_owned(),
                skip: step.skip.clone(),
                changes: Vec::new(),
            });
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
                        let mut found = survey
                            .survey(&known)
                            .await
                            .map_err(|failure| failure.during(&place))?;
                        if known.is_waived(&task_name(step, phase)) {
                            found.retain(|change| !change.is_ask());
                        }
                        let found = found.iter().map(|c| PlannedChange::of(phase.name, c));
                        if let Some(planned) = self.steps.last_mut() {
                            planned.changes.extend(found);
                        }
                    }
                }
            }
        }
        Ok(())
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

    fn changes(&self) -> impl Iterator<Item = &PlannedChange> {
        self.steps.iter().flat_map(|step| &step.changes)
    }

    /// How long the services are expected to take.
    pub fn automatic_time(&self) -> Duration {
        let automatic = self
            .changes()
            .filter(|change| change.kind != ChangeKind::Ask);
        Duration::from_secs(automatic.map(|change| change.expected_seconds).sum())
    }

    /// How long a person is expected to take.
    pub fn human_time(&self) -> Duration {
        let by_hand = self
            .changes()
            .filter(|change| change.kind == ChangeKind::Ask);
        Duration::from_secs(by_hand.map(|change| change.expected_seconds).sum())
    }

    /// The window to book: half as long again as expected, in whole hours.
    pub fn window(&self) -> Duration {
        let expected = (self.automatic_time() + self.human_time()).as_secs();
        Duration::from_hours((expected * 3 / 2).div_ceil(3600))
    }

    /// What this plan would do otherwise than an earlier one, a line each: changes that came, that
    /// went, and whose intended value is another.
    pub fn differences(&self, earlier: &Self) -> Vec<String> {
        let of = |plan: &Self| -> BTreeMap<String, (String, Value)> {
            let changes = plan.changes();
            changes
                .map(|c| (c.key.clone(), (c.name.clone(), c.after.clone())))
                .collect()
        };
        let (now, then) = (of(self), of(earlier));
        let came = now.iter().filter(|(key, _)| !then.contains_key(*key));
        let went = then.iter().filter(|(key, _)| !now.contains_key(*key));
        let other = now.iter().filter(|(key, (_, after))| {
            then.get(*key)
                .is_some_and(|(_, approved)| approved != after)
        });
        came.map(|(key, (name, _))| format!("new: {name} ({key})"))
            .chain(went.map(|(key, (name, _))| format!("gone: {name} ({key})")))
            .chain(
                other.map(|(key, (name, after))| format!("changed: {name} ({key}): now {after}")),
            )
            .collect()
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
