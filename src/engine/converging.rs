//! A phase to its fixpoint: survey, apply, survey again, until nothing is left; then its barrier.

use std::collections::BTreeMap;

use serde_json::json;

use super::context::poll_interval;
use super::{Barrier, Change, EventKind, Executor, Failure, FailureKind, Phase, Step, Survey};
use crate::journal::{Ended, LaunchOutcome, Verified};

impl Executor {
    /// Surveys and applies until nothing is left to do; returns passes and changes applied. What the
    /// survey notes is told at the end, also where changes failed: it may be why.
    pub(super) async fn converge(
        &self,
        step: &Step,
        phase: &Phase,
        survey: &dyn Survey,
    ) -> Result<(u32, usize), Failure> {
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
    ) -> Result<(u32, usize), Failure> {
        let mut applied = 0;
        let mut failures: BTreeMap<String, Failure> = BTreeMap::new();
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
            self.context.narrator.tell(EventKind::Surveyed {
                step: step.name.to_owned(),
                phase: phase.name.to_owned(),
                changes: changes.len(),
                pass,
            });
            if changes.is_empty() {
                break;
            }
            let (asks, changes): (Vec<_>, Vec<_>) = changes.into_iter().partition(Change::is_ask);
            if changes.is_empty() && self.is_waived(step, phase) {
                // What a person took upon themselves is not waited for either.
                self.settle(step, phase).await?;
                return Ok((pass, applied));
            }
            if changes.is_empty() {
                self.ask(step, phase, &asks).await?;
                // Waiting for a person spends no attempt.
                pass -= 1;
                continue;
            }
            if pass > step.attempts {
                return Err(not_converged(&changes, &failures, step.attempts));
            }
            let last = pass == step.attempts;
            failures.clear();
            let (mut progress, mut given_up) = (false, false);
            for (change, result) in self.apply_all(step, phase, changes, last).await {
                match result {
                    Ok(()) => {
                        applied += 1;
                        progress = true;
                    }
                    Err(failure) => {
                        given_up |=
                            change.is_launch() && change.is_destructive() && !failure.passing;
                        failures.insert(change.key.clone(), named(&change, failure));
                    }
                }
            }
            self.context.may_begin()?;
            if let Some(failure) = failures.values().find(|failure| failure.ends_the_run()) {
                return Err(failure.clone());
            }
            // What destroys is begun again only by a person who knows that it failed.
            if given_up || !progress && failures.values().all(|failure| !failure.passing) {
                return Err(together(failures.into_values().collect()));
            }
        }
        self.settle(step, phase).await?;
        self.complete(step, phase).await?;
        self.hold(step, phase, survey).await?;
        Ok((pass, applied))
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
        loop {
            let elapsed = self.context.clock.elapsed().saturating_sub(began);
            let awaited = match survey.barrier(&self.known()).await {
                Ok(Barrier::Passed) => return Ok(()),
                Ok(Barrier::Holds(awaited)) => awaited,
                Err(failure) if failure.kind == FailureKind::Temporary => failure.message,
                Err(failure) => return Err(failure),
            };
            if elapsed > step.timeout {
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

fn named(change: &Change, failure: Failure) -> Failure {
    failure.during(&change.name)
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

/// Several failures as one: each on a line of its own, with its help.
fn together(mut failures: Vec<Failure>) -> Failure {
    if failures.len() == 1 {
        return failures.remove(0);
    }
    let lines = failures.iter().map(|failure| match &failure.help {
        Some(help) => format!("\n  - {}\n    help: {help}", failure.message),
        None => format!("\n  - {}", failure.message),
    });
    let message = format!(
        "{} changes failed{}",
        failures.len(),
        lines.collect::<String>()
    );
    Failure::failed(message).lasting()
}
