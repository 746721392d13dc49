//! The plan: every phase is surveyed, nothing is applied.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::change::needs_confirmation;
use super::manual_task::task_name;
use super::{Change, Failure, FailureKind, JournalView, Step, Work};
use crate::base::json_text::JsonText;
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
    /// Why the runbook skips it, if it does.
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
    /// Its name for people.
    pub name: String,
    /// The value that is there now.
    pub before: JsonText,
    /// The intended value.
    pub after: JsonText,
    /// Does it end something that only the state file, or nothing, can restore? Of a change by hand
    /// too.
    pub destructive: bool,
    /// How long it is expected to take, in seconds.
    #[serde(rename = "expected-seconds", alias = "expected_seconds")]
    pub expected_seconds: u64,
}

impl PlannedChange {
    fn new(phase: &str, change: Change) -> Self {
        Self {
            phase: phase.to_owned(),
            kind: change.kind(),
            destructive: change.is_destructive(),
            expected_seconds: change.expected_duration().as_secs(),
            key: change.key,
            name: change.name,
            before: change.before,
            after: change.after,
        }
    }

    fn is_by_hand(&self) -> bool {
        self.kind == ChangeKind::ManualTask
    }
}

impl Plan {
    /// Surveys every phase of every step; it only reads. A capture phase is listed once, so that later
    /// surveys know what its seal would hold.
    pub async fn make(steps: &[Step], journal: JournalView) -> Result<Self, Failure> {
        let mut plan = Self { steps: Vec::new() };
        plan.survey(steps, journal).await?;
        Ok(plan)
    }

    /// The same plan up to the first phase whose service is unavailable, and why that phase was not
    /// surveyed. During a run, a service that the run replaces may be unavailable.
    pub async fn as_far_as_readable(
        steps: &[Step],
        journal: JournalView,
    ) -> Result<(Self, Option<Failure>), Failure> {
        let mut plan = Self { steps: Vec::new() };
        match plan.survey(steps, journal).await {
            Ok(()) => Ok((plan, None)),
            Err(failure) if failure.kind == FailureKind::Temporary => Ok((plan, Some(failure))),
            Err(failure) => Err(failure),
        }
    }

    /// Surveys. The changes that were found before a failure stay in the plan.
    async fn survey(&mut self, steps: &[Step], mut journal: JournalView) -> Result<(), Failure> {
        for step in steps {
            self.steps.push(PlannedStep {
                name: step.name.clone(),
                skip: step.skip.clone(),
                changes: Vec::new(),
            });
            let phases = step.phases.iter().filter(|_| step.skip.is_none());
            for phase in phases {
                let place = format!("surveying {}/{}", step.name, phase.name);
                match &phase.work {
                    Work::Capture(capture) if !journal.knows_seal(capture.seal()) => {
                        let captured = capture.list(&journal).await;
                        let captured = journal
                            .require_read(captured)
                            .map_err(|failure| failure.during(&place))?;
                        journal.assume(capture.seal(), captured);
                    }
                    Work::Capture(_) => {}
                    Work::Changes(survey) => {
                        let found = survey.survey(&journal).await;
                        let mut found = journal
                            .require_read(found)
                            .map_err(|failure| failure.during(&place))?;
                        if journal.is_waived(&task_name(step, phase)) {
                            found.retain(|change| !change.is_manual());
                        }
                        let found = found
                            .into_iter()
                            .map(|change| PlannedChange::new(phase.name, change));
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

    /// The changes that cannot be undone, automatic and by hand.
    pub fn destructive_changes(&self) -> impl Iterator<Item = &PlannedChange> {
        self.changes().filter(|change| change.destructive)
    }

    /// The keys of those that the program makes: what a user confirms with the plan.
    pub fn destructive_keys(&self) -> Vec<String> {
        self.destructive_changes()
            .filter(|change| !change.is_by_hand())
            .map(|change| change.key.clone())
            .collect()
    }

    /// The keys without whose confirmation a run stops.
    pub fn keys_to_confirm(&self) -> Vec<String> {
        self.destructive_changes()
            .filter(|change| needs_confirmation(change.kind))
            .map(|change| change.key.clone())
            .collect()
    }

    /// SHA-256 over the pinned part of the runbook, the change keys and the intended values; no
    /// `ETags`, no times, no names.
    pub fn digest(&self, pinned: &str) -> String {
        text::sha256_of_json(&(pinned, Intended(&self.steps)))
    }

    fn changes(&self) -> impl Iterator<Item = &PlannedChange> {
        self.steps.iter().flat_map(|step| &step.changes)
    }

    /// How long the services are expected to take.
    pub fn automatic_time(&self) -> Duration {
        self.expected_time(false)
    }

    /// How long a person is expected to take.
    pub fn human_time(&self) -> Duration {
        self.expected_time(true)
    }

    fn expected_time(&self, by_hand: bool) -> Duration {
        let changes = self.changes();
        let counted = changes.filter(|change| change.is_by_hand() == by_hand);
        Duration::from_secs(counted.map(|change| change.expected_seconds).sum())
    }

    /// How this plan differs from an earlier one, one line for each difference: changes that are new,
    /// that are gone, and whose intended value is different.
    pub fn differences(&self, earlier: &Self) -> Vec<String> {
        let intended = |plan: &Self| -> BTreeMap<String, (String, JsonText)> {
            let changes = plan.changes();
            changes
                .map(|c| (c.key.clone(), (c.name.clone(), c.after.clone())))
                .collect()
        };
        let (now, then) = (intended(self), intended(earlier));
        let new = now.iter().filter(|(key, _)| !then.contains_key(*key));
        let gone = then.iter().filter(|(key, _)| !now.contains_key(*key));
        let changed = now.iter().filter(|(key, (_, after))| {
            then.get(*key)
                .is_some_and(|(_, approved)| approved != after)
        });
        new.map(|(key, (name, _))| format!("new: {name} ({key})"))
            .chain(gone.map(|(key, (name, _))| format!("gone: {name} ({key})")))
            .chain(
                changed.map(|(key, (name, after))| format!("changed: {name} ({key}): now {after}")),
            )
            .collect()
    }

    /// How many changes a person makes by hand.
    pub fn by_hand(&self) -> usize {
        self.changes().filter(|change| change.is_by_hand()).count()
    }
}

/// What the digest of a plan covers of steps. It is written step by step, so that no copy of all
/// changes is in memory.
struct Intended<'a, T>(&'a [T]);

impl Serialize for Intended<'_, PlannedStep> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let steps = self.0.iter();
        serializer.collect_seq(steps.map(|step| (&step.name, Intended(&step.changes))))
    }
}

impl Serialize for Intended<'_, PlannedChange> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let changes = self.0.iter();
        serializer.collect_seq(changes.map(|change| (&change.key, change.kind, &change.after)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn the_digest_covers_keys_kinds_and_intended_values_of_each_step() {
        let change = json!({"phase": "turn-on", "key": "flow/1", "kind": "set", "name": "turn on",
            "before": { "state": "off" }, "after": { "state": "on", "owner": "é\"" },
            "destructive": false, "expected-seconds": 10});
        let step = |name: &str, changes: Vec<PlannedChange>| PlannedStep {
            name: name.to_owned(),
            skip: None,
            changes,
        };
        let changes = vec![from_value(change).unwrap()];
        let steps = vec![step("first", changes), step("second", Vec::new())];
        let covered = r#"["pinned",[["first",[["flow/1","set",{"state":"on","owner":"é\""}]]],["second",[]]]]"#;
        assert_eq!(
            Plan { steps }.digest("pinned"),
            text::sha256(covered.as_bytes())
        );
    }
}
