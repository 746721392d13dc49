//! A phase to its fixpoint: survey, apply, survey again, until no change is left; then its barrier.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::change::keys_of;
use super::context::poll_interval;
use super::edits::FirstSeen;
use super::manual_task::task_name;
use super::note::recorded;
use super::pass::Pass;
use super::{
    Barrier, Change, EventKind, Executor, Failure, FailureKind, Location, Note, Phase, Step, Survey,
};
use crate::journal::{Ended, LaunchOutcome, Noted, Verified};

/// How a phase ended.
pub(super) struct Converged {
    /// How many surveys it took.
    pub(super) passes: u32,
    /// How many changes were applied.
    pub(super) applied: usize,
    /// The failures that stay open, by the key of their change. Empty if the phase reached its
    /// fixpoint.
    pub(super) failures: Vec<(String, Failure)>,
    /// That a person was asked for something beside the failures.
    pub(super) waiting: Option<Failure>,
    /// The notes of its survey, which stop nothing.
    pub(super) notes: Vec<Note>,
}

/// How far a phase has come.
#[derive(Default)]
struct PhaseState {
    pass: u32,
    applied: usize,
    first_seen: FirstSeen,
    failed: FailedChanges,
    /// The changes that failed permanently in this process, also those that a person makes now.
    tried: BTreeSet<String>,
}

/// The changes of a phase that failed, by key.
#[derive(Default)]
struct FailedChanges {
    /// Failed in the last pass; another pass may help.
    retryable: BTreeMap<String, Failure>,
    /// Not tried again by this process.
    permanent: BTreeMap<String, Failure>,
}

impl Executor {
    /// Surveys and applies until no change is left that can be applied. The notes of the survey are
    /// emitted at the end, even if changes failed: they may say why. An error ends the run.
    pub(super) async fn converge(
        &self,
        step: &Step,
        phase: &Phase,
        survey: &dyn Survey,
    ) -> Result<Converged, Failure> {
        let mut result = self.reach_fixpoint(step, phase, survey).await;
        let failed = result.as_ref().err().map(|failure| failure.kind);
        if failed.is_none_or(|kind| kind == FailureKind::Failed) {
            let notes = self.emit_notes(step, survey).await;
            match &mut result {
                Ok(converged) if converged.failures.is_empty() => converged.notes = notes,
                // The phase has no end that would record them.
                _ if notes.is_empty() => {}
                _ => {
                    let (notes, remedies) = recorded(&notes);
                    let warnings = Noted {
                        step: Some(step.name.clone()),
                        notes,
                        remedies,
                    };
                    self.context.record(warnings).await?;
                }
            }
        }
        result
    }

    /// Emits and returns the notes of a survey. A note stops nothing, and neither does a failure to
    /// read it.
    async fn emit_notes(&self, step: &Step, survey: &dyn Survey) -> Vec<Note> {
        let view = self.journal_view();
        let notes = match view.require_read(survey.notes(&view).await) {
            Ok(notes) => notes,
            Err(failure) => vec![format!("not checked: {}", failure.message).into()],
        };
        for note in &notes {
            self.context.events.emit(EventKind::Noted {
                step: step.name.clone(),
                message: note.text.clone(),
                remedy: note.remedy.clone(),
            });
        }
        notes
    }

    fn emit_surveyed(&self, step: &Step, phase: &Phase, changes: &[Change], pass: u32) {
        let state = self.context.journal.state();
        let left: BTreeSet<&str> = changes.iter().map(|change| change.key.as_str()).collect();
        self.context.events.emit(EventKind::Surveyed {
            step: step.name.clone(),
            phase: phase.name.to_owned(),
            changes: changes.len(),
            pass,
            done: state.done_changes(&step.name, None, &left),
            done_in_phase: state.done_changes(&step.name, Some(phase.name), &left),
        });
    }

    async fn reach_fixpoint(
        &self,
        step: &Step,
        phase: &Phase,
        survey: &dyn Survey,
    ) -> Result<Converged, Failure> {
        let mut state = PhaseState::default();
        loop {
            self.context.may_begin()?;
            state.pass += 1;
            let view = self.journal_view().of_process(state.tried.clone());
            let changes = match view.require_read(survey.survey(&view).await) {
                Ok(changes) => changes,
                Err(failure) => {
                    self.wait_for_evidence(step, phase, failure).await?;
                    state.pass -= 1;
                    continue;
                }
            };
            self.record_done_by_hand(step, phase, &changes).await?;
            self.emit_surveyed(step, phase, &changes, state.pass);
            state.failed.keep_those_of(&changes);
            state.first_seen.add(&changes);
            if changes.is_empty() {
                break;
            }
            let (manual, mut changes): (Vec<_>, Vec<_>) =
                changes.into_iter().partition(Change::is_manual);
            // Only what a person makes can follow them.
            let automatic: Vec<String> = match manual.as_slice() {
                [] => Vec::new(),
                _ => changes.iter().map(|change| change.key.clone()).collect(),
            };
            changes.retain(|change| !state.failed.permanent.contains_key(&change.key));
            let is_waived = self.is_waived(step, phase);
            if !is_waived {
                changes = without_followers(changes, keys_of(&manual));
            }
            if changes.is_empty() {
                let has_failed = !state.failed.permanent.is_empty();
                if !has_failed && !is_waived {
                    self.hand_out(step, phase, &manual).await?;
                    // Waiting for a person uses no attempt.
                    state.pass -= 1;
                    continue;
                }
                if !has_failed {
                    // A waiver proves nothing: what the survey still finds is not done.
                    let left = keys_of(&manual);
                    self.close_launches(step, phase, &state.first_seen, &left)
                        .await?;
                    return Ok(state.into_converged());
                }
            } else if state.pass > step.attempts {
                state.failed.give_up(step, phase, &changes);
            } else if self.apply_pass(step, phase, changes, &mut state).await? {
                continue;
            }
            // A change has failed. What a person can make all the same is handed out.
            let possible = without_followers(manual, automatic);
            let waiting = self.hand_out_beside(step, phase, &possible).await?;
            return Ok(Converged {
                waiting,
                ..state.into_converged()
            });
        }
        self.close_launches(step, phase, &state.first_seen, &BTreeSet::new())
            .await?;
        self.complete_task(step, phase).await?;
        self.wait_for_barrier(step, phase, survey).await?;
        Ok(state.into_converged())
    }

    /// Applies the changes of one pass. Returns whether another survey is useful.
    async fn apply_pass(
        &self,
        step: &Step,
        phase: &Phase,
        changes: Vec<Change>,
        state: &mut PhaseState,
    ) -> Result<bool, Failure> {
        let pass = Pass {
            first_seen: &state.first_seen,
            failed: &state.failed.permanent,
            is_last: state.pass == step.attempts,
        };
        let results = self.apply_all(step, phase, changes, &pass).await?;
        state.failed.retryable.clear();
        state.applied += results.applied;
        let mut is_given_up = false;
        // The next survey may ask a person for a change that was refused in two processes.
        let mut is_refused_again = false;
        let journal = self.context.journal.state();
        for (change, failure) in results.failed {
            is_given_up |= change.is_launch() && change.is_destructive() && !failure.retryable;
            let refused = journal.refused.get(change.key.as_str());
            is_refused_again |= refused.is_some_and(|refused| refused.not_allowed);
            if !failure.retryable {
                state.tried.insert(change.key.clone());
            }
            state.failed.add(step, phase, &change, failure);
        }
        self.context.may_begin()?;
        if let Some(ending) = state.failed.ending() {
            return Err(ending);
        }
        // Only a person who knows that a destructive launch failed may begin it again.
        let has_progress = results.applied > 0;
        let is_useful = has_progress || !state.failed.retryable.is_empty() || is_refused_again;
        if is_given_up || !is_useful {
            let FailedChanges {
                retryable,
                permanent,
            } = &mut state.failed;
            permanent.append(retryable);
            return Ok(false);
        }
        Ok(true)
    }

    /// Records that a launch in doubt has succeeded if the survey shows its end state: nothing
    /// polls it any more. `first_seen` is what the surveys of this process found: a launch of an
    /// earlier process that is not among it had ended before. `left` are the changes that the survey
    /// still finds and that a person has waived: a launch of such a change is given up.
    async fn close_launches(
        &self,
        step: &Step,
        phase: &Phase,
        first_seen: &FirstSeen,
        left: &BTreeSet<&str>,
    ) -> Result<(), Failure> {
        let state = self.context.journal.state();
        let here = state
            .launches
            .values()
            .filter(|launch| launch.intent.step == step.name && launch.intent.phase == phase.name);
        for launch in here.filter(|launch| launch.verified.is_none()) {
            let key = launch.intent.key.clone();
            let observed = json!({ "survey": "nothing is left to do" });
            let outcome = launch.outcome();
            if left.contains(key.as_str()) {
                if outcome.is_none() {
                    let ended = Ended {
                        key,
                        outcome: LaunchOutcome::GivenUp,
                        detail: json!({ "waived": task_name(step, phase) }),
                        unread_since: None,
                    };
                    self.context.record(ended).await?;
                }
                continue;
            }
            let requested = self.context.requested_earlier(launch);
            let unread_since = requested.filter(|_| first_seen.get(&key).is_none());
            if outcome.is_none() {
                let ended = Ended {
                    key: key.clone(),
                    outcome: LaunchOutcome::Succeeded,
                    detail: observed.clone(),
                    unread_since,
                };
                self.context.record(ended).await?;
            }
            if matches!(outcome, None | Some(LaunchOutcome::Succeeded)) {
                let verified = Verified {
                    key: key.clone(),
                    observed,
                    unread_since,
                    service_seconds: None,
                };
                self.context.record(verified).await?;
                let intent = &launch.intent;
                self.emit_done(&step.name, phase.name, &key, &intent.name, intent.kind);
            }
        }
        Ok(())
    }

    /// Waits until the phase's barrier has passed.
    async fn wait_for_barrier(
        &self,
        step: &Step,
        phase: &Phase,
        survey: &dyn Survey,
    ) -> Result<(), Failure> {
        let began = self.context.clock.elapsed();
        let before = self.context.since_last_change(&step.name, phase.name);
        loop {
            let waited = self.context.clock.elapsed().saturating_sub(began);
            let elapsed = before.saturating_add(waited);
            let view = self.journal_view();
            let awaited = match view.require_read(survey.barrier(&view).await) {
                Ok(Barrier::Passed) => return Ok(()),
                Ok(Barrier::Holds(awaited)) => awaited,
                Err(failure) if failure.kind == FailureKind::Temporary => failure.message,
                Err(failure) => return Err(failure),
            };
            if waited > step.barrier_timeout {
                return Err(Failure::temporary(format!("still waiting: {awaited}"))
                    .with_help("run again to continue waiting"));
            }
            self.context
                .events
                .progress(&step.name, phase.name, &awaited, elapsed);
            self.context.pause(poll_interval(elapsed)).await?;
        }
    }
}

impl PhaseState {
    fn into_converged(self) -> Converged {
        Converged {
            passes: self.pass,
            applied: self.applied,
            failures: self.failed.permanent.into_iter().collect(),
            waiting: None,
            notes: Vec::new(),
        }
    }
}

impl FailedChanges {
    fn add(&mut self, step: &Step, phase: &Phase, change: &Change, failure: Failure) {
        let failure = failure
            .during(&change.name)
            .located(location(step, phase, change));
        let failures = if failure.retryable {
            &mut self.retryable
        } else {
            &mut self.permanent
        };
        failures.insert(change.key.clone(), failure);
    }

    /// Drops the failures of changes that the survey no longer finds, because they are done, and of
    /// those for which it asks a person now.
    fn keep_those_of(&mut self, changes: &[Change]) {
        let open = changes.iter().filter(|change| !change.is_manual());
        let open: BTreeSet<&str> = open.map(|change| change.key.as_str()).collect();
        self.permanent.retain(|key, _| open.contains(key.as_str()));
    }

    /// Adds the failure of the changes that are left after the last attempt, under the first one's
    /// key.
    fn give_up(&mut self, step: &Step, phase: &Phase, changes: &[Change]) {
        let failures = changes.iter().map(|change| {
            self.retryable.get(&change.key).cloned().unwrap_or_else(|| {
                Failure::failed(format!(
                    "{}: applied, but the next survey found it not done",
                    change.name
                ))
                .located(location(step, phase, change))
            })
        });
        let passes = match step.attempts {
            1 => "1 pass".to_owned(),
            attempts => format!("{attempts} passes"),
        };
        let failure = Failure::combine(failures.collect());
        let failure = Failure {
            // A later run may succeed.
            retryable: true,
            ..failure.during(format!("not done after {passes}"))
        };
        if let Some(first) = changes.first() {
            self.permanent.insert(first.key.clone(), failure);
        }
    }

    /// The failure that ends the run, together with the other failures, if there is one.
    fn ending(&self) -> Option<Failure> {
        let all = || self.permanent.values().chain(self.retryable.values());
        let ending = all().find(|failure| failure.ends_the_run())?.clone();
        let others = all().filter(|failure| !failure.ends_the_run());
        Some(ending.with_others(others))
    }
}

/// The changes that do not follow one of these, which are not made. The others begin when they are.
fn without_followers(
    mut changes: Vec<Change>,
    not_made: impl IntoIterator<Item: Into<String>>,
) -> Vec<Change> {
    let mut awaited: BTreeSet<String> = not_made.into_iter().map(Into::into).collect();
    loop {
        let follows = |change: &Change| change.follows.iter().any(|key| awaited.contains(key));
        let (later, rest): (Vec<_>, Vec<_>) = changes.into_iter().partition(follows);
        if later.is_empty() {
            return rest;
        }
        awaited.extend(later.into_iter().map(|change| change.key));
        changes = rest;
    }
}

fn location(step: &Step, phase: &Phase, change: &Change) -> Location {
    Location {
        step: step.name.clone(),
        phase: phase.name.to_owned(),
        change: Some(change.key.clone()),
        name: Some(change.name.clone()),
    }
}
