//! A phase to its fixpoint: survey, apply, survey again, until nothing is left; then its barrier.

use std::collections::BTreeMap;

use serde_json::json;

use super::applying::Pass;
use super::context::poll_interval;
use super::edits::FirstSeen;
use super::{Barrier, Change, EventKind, Executor, Failure, FailureKind, Phase, Step, Survey};
use crate::journal::{Ended, LaunchOutcome, Verified};

/// How a phase ended.
pub(super) struct Converged {
    /// How many surveys it took.
    pub(super) passes: u32,
    /// How many changes were applied.
    pub(super) applied: usize,
    /// What stays open, by the key of its change: empty where the phase reached its fixpoint.
    pub(super) failures: Vec<(String, Failure)>,
}

impl Executor {
    /// Surveys and applies until nothing is left that can be done. What the survey notes is told at
    /// the end, also where changes failed: it may be why. An error ends the run.
    pub(super) async fn converge(
        &self,
        step: &Step,
        phase: &Phase,
        survey: &dyn Survey,
    ) -> Result<Converged, Failure> {
        let result = self.fixpoint(step, phase, survey).await;
        let failed = result.as_ref().err().map(|failure| failure.kind);
        if failed.is_none_or(|kind| kind == FailureKind::Failed) {
            self.note(step, survey).await;
        }
        result
    }

    /// Tells what a survey notes. A note stops nothing, so a failure to read for it does not either.
    async fn note(&self, step: &Step, survey: &dyn Survey) {
        let notes = match survey.notes(&self.known()).await {
            Ok(notes) => notes,
            Err(failure) => vec![format!("not looked at: {}", failure.message)],
        };
        for message in notes {
            self.context.narrator.tell(EventKind::Noted {
                step: step.name.to_owned(),
                message,
            });
        }
    }

    async fn fixpoint(
        &self,
        step: &Step,
        phase: &Phase,
        survey: &dyn Survey,
    ) -> Result<Converged, Failure> {
        let mut applied = 0;
        let mut first_seen = FirstSeen::default();
        let mut failed = Failures::default();
        let mut pass = 0;
        loop {
            self.context.may_begin()?;
            pass += 1;
            let changes = match survey.survey(&self.known()).await {
                Ok(changes) => changes,
                Err(failure) => {
                    self.unreadable(step, phase, failure).await?;
                    pass -= 1;
                    continue;
                }
            };
            self.record_by_hand(step, phase, &changes).await?;
            self.context.narrator.tell(EventKind::Surveyed {
                step: step.name.to_owned(),
                phase: phase.name.to_owned(),
                changes: changes.len(),
                pass,
            });
            failed.keep_those_of(&changes);
            first_seen.take(&changes);
            if changes.is_empty() {
                break;
            }
            let (asks, mut changes): (Vec<_>, Vec<_>) =
                changes.into_iter().partition(Change::is_ask);
            changes.retain(|change| !failed.for_good.contains_key(&change.key));
            let open = |failed: Failures| Converged {
                passes: pass,
                applied,
                failures: failed.for_good.into_iter().collect(),
            };
            if changes.is_empty() && !failed.for_good.is_empty() {
                return Ok(open(failed));
            }
            if changes.is_empty() && self.is_waived(step, phase) {
                // What a person took upon themselves is not waited for either.
                self.settle(step, phase).await?;
                return Ok(open(failed));
            }
            if changes.is_empty() {
                self.ask(step, phase, &asks).await?;
                // Waiting for a person spends no attempt.
                pass -= 1;
                continue;
            }
            if pass > step.attempts {
                let left = not_converged(&changes, &failed.for_now, step.attempts);
                failed.for_good.insert(changes[0].key.clone(), left);
                return Ok(open(failed));
            }
            let place = Pass {
                first_seen: &first_seen,
                failed: &failed.for_good,
                is_last: pass == step.attempts,
            };
            let results = self.apply_all(step, phase, changes, &place).await;
            failed.for_now.clear();
            let (mut progress, mut given_up) = (false, false);
            for (change, result) in results {
                let Err(failure) = result else {
                    applied += 1;
                    progress = true;
                    continue;
                };
                given_up |= change.is_launch() && change.is_destructive() && !failure.passing;
                failed.take(&change, failure);
            }
            self.context.may_begin()?;
            if let Some(ending) = failed.ending() {
                return Err(ending);
            }
            // What destroys is begun again only by a person who knows that it failed.
            if given_up || !progress && failed.for_now.is_empty() {
                failed.for_good.append(&mut failed.for_now);
                return Ok(Converged {
                    passes: pass,
                    applied,
                    failures: failed.for_good.into_iter().collect(),
                });
            }
        }
        self.settle(step, phase).await?;
        self.complete(step, phase).await?;
        self.hold(step, phase, survey).await?;
        Ok(Converged {
            passes: pass,
            applied,
            failures: Vec::new(),
        })
    }

    /// A launch that was left in doubt, and whose end the survey shows, has ended well: nothing asks
    /// after it any more, so that is recorded here.
    async fn settle(&self, step: &Step, phase: &Phase) -> Result<(), Failure> {
        let state = self.context.journal.state();
        let here = state
            .launches
            .values()
            .filter(|launch| launch.intent.step == step.name && launch.intent.phase == phase.name);
        for launch in here.filter(|launch| launch.verified.is_none()) {
            let key = launch.intent.key.clone();
            let observed = json!({ "survey": "nothing is left to do" });
            if launch.ended.is_none() {
                let outcome = LaunchOutcome::Succeeded;
                let ended = Ended {
                    key: key.clone(),
                    outcome,
                    detail: observed.clone(),
                };
                self.context.journal.append(ended).await?;
            }
            if launch
                .outcome()
                .is_none_or(|outcome| outcome == LaunchOutcome::Succeeded)
            {
                self.context
                    .journal
                    .append(Verified { key, observed })
                    .await?;
            }
        }
        Ok(())
    }

    /// Waits until the phase's barrier has passed.
    async fn hold(&self, step: &Step, phase: &Phase, survey: &dyn Survey) -> Result<(), Failure> {
        let began = self.context.clock.elapsed();
        let before = self.context.since_last_change(step.name, phase.name);
        loop {
            let seen = self.context.clock.elapsed().saturating_sub(began);
            let elapsed = before.saturating_add(seen);
            let awaited = match survey.barrier(&self.known()).await {
                Ok(Barrier::Passed) => return Ok(()),
                Ok(Barrier::Holds(awaited)) => awaited,
                Err(failure) if failure.kind == FailureKind::Temporary => failure.message,
                Err(failure) => return Err(failure),
            };
            if seen > step.timeout {
                return Err(Failure::temporary(format!("still waiting: {awaited}"))
                    .with_help("run again to go on waiting"));
            }
            self.context
                .narrator
                .progress(step.name, phase.name, &awaited, elapsed);
            self.context.pause(poll_interval(elapsed)).await?;
        }
    }
}

/// The changes of a phase that failed, by key.
#[derive(Default)]
struct Failures {
    /// In the last pass, and another pass may help.
    for_now: BTreeMap<String, Failure>,
    /// For good: not tried again by this process.
    for_good: BTreeMap<String, Failure>,
}

impl Failures {
    fn take(&mut self, change: &Change, failure: Failure) {
        let failure = failure.during(&change.name);
        let failures = if failure.passing {
            &mut self.for_now
        } else {
            &mut self.for_good
        };
        failures.insert(change.key.clone(), failure);
    }

    /// What a survey no longer finds to do is open no longer, whatever has failed before.
    fn keep_those_of(&mut self, changes: &[Change]) {
        self.for_good
            .retain(|key, _| changes.iter().any(|change| change.key == *key));
    }

    /// The failure that ends the run, with what else failed, if there is one.
    fn ending(&self) -> Option<Failure> {
        let all = || self.for_good.values().chain(self.for_now.values());
        let ending = all().find(|failure| failure.ends_the_run())?.clone();
        let others = all().filter(|failure| !failure.ends_the_run());
        Some(also_failed(ending, others))
    }
}

fn not_converged(
    changes: &[Change],
    failures: &BTreeMap<String, Failure>,
    attempts: u32,
) -> Failure {
    let failures = changes
        .iter()
        .map(|change| {
            failures.get(&change.key).cloned().unwrap_or_else(|| {
                Failure::failed(format!(
                    "{}: applied, and a new survey finds it still to do",
                    change.name
                ))
            })
        })
        .collect();
    let failure = together(failures);
    failure.during(format!(
        "not done after {}",
        if attempts == 1 {
            "1 pass".to_owned()
        } else {
            format!("{attempts} passes")
        }
    ))
}

/// Several failures as one: each on a line of its own, with its help. Where every one is a matter
/// of permissions, so is the whole.
pub(super) fn together(mut failures: Vec<Failure>) -> Failure {
    if failures.len() == 1 {
        return failures.remove(0);
    }
    let is_forbidden = |failure: &Failure| failure.kind == FailureKind::NotAllowed;
    let kind = if failures.iter().all(is_forbidden) {
        FailureKind::NotAllowed
    } else {
        FailureKind::Failed
    };
    let message = format!("{} changes failed{}", failures.len(), lines(&failures));
    Failure::new(kind, message).of_one_change().lasting()
}

/// A failure that ends the run, with the others that are open.
pub(super) fn also_failed<'a>(
    ending: Failure,
    others: impl IntoIterator<Item = &'a Failure>,
) -> Failure {
    let others = lines(others);
    if others.is_empty() {
        return ending;
    }
    let message = format!("{}\nalso failed:{others}", ending.message);
    Failure { message, ..ending }
}

fn lines<'a>(failures: impl IntoIterator<Item = &'a Failure>) -> String {
    let lines = failures.into_iter().map(|failure| match &failure.help {
        Some(help) => format!("\n  - {}\n    help: {help}", failure.message),
        None => format!("\n  - {}", failure.message),
    });
    lines.collect()
}
