//! The run: every step in order, every phase to its fixpoint.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use tracing::Instrument as _;

use super::change_phase::Converged;
use super::event::{StepTotal, seconds};
use super::note::recorded;
use super::run_progress::RunProgress;
use super::{
    Context, EventKind, Failure, FailureKind, FailureScope, JournalView, Location, Phase, Step,
    Work, spans,
};
use crate::journal::{
    Failed, Finished, PhaseBegan, PhaseEnded, Record, StepBegan, StepEnded, StepOutcome,
};

/// Runs the steps of a runbook.
pub struct Executor {
    /// The journal, the clock, the cancellation and the events.
    pub context: Context,
    /// The steps in order.
    pub steps: Arc<[Step]>,
    /// The last step to run, if not all.
    pub until: Option<String>,
    /// The only step to run, if not all: the repair of a finished run.
    pub only: Option<String>,
    /// The keys of destructive changes that the user confirmed.
    pub confirmed: BTreeSet<String>,
    /// The manual tasks whose worksheet this process has shown.
    pub shown: Mutex<BTreeSet<String>>,
}

/// How a run without a failure ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Every step has ended.
    Finished,
    /// The step named by `until` has ended.
    Stopped,
}

impl Executor {
    /// Runs every step to its end. A step that fails stops only the steps that need it; the failure
    /// at the end lists each of them with its reason. If the journal cannot be written, no further
    /// request is sent, and the run ends with that failure: changes in parallel then only report
    /// that they were stopped.
    pub async fn run(&self) -> Result<Outcome, Failure> {
        let Context {
            journal,
            cancellation,
            ..
        } = &self.context;
        journal.halt_on_failure(cancellation);
        let result = self.run_steps().await;
        match journal.failure() {
            Some(error) => Err(Failure::from(error)),
            None => result,
        }
    }

    async fn run_steps(&self) -> Result<Outcome, Failure> {
        let mut progress = RunProgress::new(&self.steps);
        let mut outcome = Outcome::Finished;
        let only = self.only.as_deref();
        let steps = self.steps.iter();
        for step in steps.filter(|step| only.is_none_or(|only| step.name == only)) {
            if let Err(failure) = self.context.may_begin() {
                return Err(progress.end_with(failure));
            }
            if let Some(why) = progress.not_begun(step) {
                self.context.events.emit(EventKind::StepNotBegun {
                    step: step.name.clone(),
                    why: why.to_owned(),
                });
            } else if let Err(failure) = self.traced_step(step).await {
                if failure.ends_the_run() {
                    return Err(progress.end_with(failure));
                }
                progress.fail(step, failure);
            }
            if self.until.as_deref() == Some(step.name.as_str()) {
                outcome = Outcome::Stopped;
                break;
            }
        }
        if let Some(failure) = progress.into_failure() {
            return Err(failure);
        }
        if outcome == Outcome::Finished {
            self.context.record(Finished {}).await?;
        }
        Ok(outcome)
    }

    async fn traced_step(&self, step: &Step) -> Result<(), Failure> {
        let span = spans::of_step(step);
        let result = self.try_step(step).instrument(span.clone()).await;
        spans::record_failure(&span, &result);
        result
    }

    /// Runs a step; a failure is recorded. A defect in a step becomes a failed step in the journal,
    /// not a lost run.
    async fn try_step(&self, step: &Step) -> Result<(), Failure> {
        let began = self.context.clock.elapsed();
        let before = self.step_total(step);
        let result = AssertUnwindSafe(self.run_step(step)).catch_unwind().await;
        match result.unwrap_or_else(|panic| Err(describe_panic(&panic))) {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.record_failed_step(step, failure, began, before).await),
        }
    }

    async fn run_step(&self, step: &Step) -> Result<(), Failure> {
        let began = self.context.clock.elapsed();
        let events = &self.context.events;
        events.emit(EventKind::StepBegan {
            step: step.name.clone(),
        });
        let record = StepBegan {
            step: step.name.clone(),
            speed: self.context.clock.recorded_speed(),
            services_stop: self.context.clock.services_stop(),
        };
        self.context.record(record).await?;
        let mut progress = StepProgress::default();
        let outcome = if step.skip.is_some() {
            StepOutcome::Skipped
        } else {
            for phase in &step.phases {
                if let Err(failure) = self.run_next(step, phase, &mut progress).await {
                    return Err(failure.with_others(progress.open()));
                }
            }
            progress.outcome()
        };
        let note = progress.note().or_else(|| step.skip.clone());
        self.end_step(step, outcome, note, progress.changes, began)
            .await?;
        progress.into_failure().map_or(Ok(()), Err)
    }

    /// Runs a phase unless an earlier one that it needs has failed.
    async fn run_next(
        &self,
        step: &Step,
        phase: &Phase,
        progress: &mut StepProgress,
    ) -> Result<(), Failure> {
        if progress.blocks(phase) {
            progress.not_begun.push(phase.name);
            return Ok(());
        }
        let place = format!("{}/{}", step.name, phase.name);
        let location = Location {
            step: step.name.clone(),
            phase: phase.name.to_owned(),
            ..Location::default()
        };
        let span = spans::of_phase(step, phase);
        let result = self.run_phase(step, phase).instrument(span.clone()).await;
        spans::record_failure(&span, &result);
        let converged = result.map_err(|failure| named(failure.located(location), &place))?;
        progress.changes += converged.applied;
        if converged.failures.is_empty() {
            return Ok(());
        }
        progress.failed.push(phase.name);
        let failures = converged.failures.into_iter();
        let failure = Failure::combine(failures.map(|(_, failure)| failure).collect());
        progress.failures.push(failure.during(&place));
        progress.waiting.extend(converged.waiting);
        Ok(())
    }

    async fn end_step(
        &self,
        step: &Step,
        outcome: StepOutcome,
        note: Option<String>,
        changes: usize,
        began: Duration,
    ) -> Result<(), Failure> {
        let ended = StepEnded {
            step: step.name.clone(),
            outcome,
            note: note.clone(),
        };
        self.context.record(ended).await?;
        self.context.events.emit(EventKind::StepEnded {
            step: step.name.clone(),
            outcome,
            note,
            changes,
            elapsed: seconds(self.context.clock.elapsed().saturating_sub(began)),
            total: self.step_total(step),
        });
        Ok(())
    }

    /// Records that a step failed, if its phases have not recorded why. The run ends with the
    /// failure even if it cannot be recorded.
    async fn record_failed_step(
        &self,
        step: &Step,
        failure: Failure,
        began: Duration,
        before: StepTotal,
    ) -> Failure {
        // A step that waits, or was interrupted or throttled, has not failed: the next run
        // continues it.
        if matches!(
            failure.kind,
            FailureKind::Waiting | FailureKind::Interrupted | FailureKind::Temporary
        ) {
            return failure;
        }
        let running = self.context.journal.state().running.clone();
        let Some((_, phase)) = running.filter(|(running, _)| *running == step.name) else {
            return failure;
        };
        let reason = failure.message.lines().next().map(str::to_owned);
        let records = vec![
            failed_record(step, phase, None, &failure),
            Record::from(StepEnded {
                step: step.name.clone(),
                outcome: StepOutcome::Failed,
                note: reason.clone(),
            }),
        ];
        if let Err(error) = self.context.journal.append_all(records).await {
            return Failure::from(error).during(failure);
        }
        let total = self.step_total(step);
        self.context.events.emit(EventKind::StepEnded {
            step: step.name.clone(),
            outcome: StepOutcome::Failed,
            note: reason,
            changes: total.changes_done.saturating_sub(before.changes_done),
            elapsed: seconds(self.context.clock.elapsed().saturating_sub(began)),
            total,
        });
        failure
    }

    fn step_total(&self, step: &Step) -> StepTotal {
        StepTotal::of(&self.context.journal.state(), &step.name)
    }

    /// Runs a phase as far as possible. Each failure that stays open is recorded.
    async fn run_phase(&self, step: &Step, phase: &Phase) -> Result<Converged, Failure> {
        self.context.may_begin()?;
        let events = &self.context.events;
        let (step_name, phase_name) = (step.name.clone(), phase.name.to_owned());
        events.emit(EventKind::PhaseBegan {
            step: step_name.clone(),
            phase: phase_name.clone(),
        });
        let begun = PhaseBegan {
            step: step_name.clone(),
            phase: phase_name.clone(),
        };
        self.context.record(begun).await?;
        let converged = match &phase.work {
            Work::Capture(capture) => Converged {
                passes: 1,
                applied: self.capture(step, capture.as_ref()).await?,
                failures: Vec::new(),
                waiting: None,
                notes: Vec::new(),
            },
            Work::Changes(survey) => self.converge(step, phase, survey.as_ref()).await?,
        };
        let failed = converged.failures.iter().map(|(key, failure)| {
            failed_record(step, Some(phase_name.clone()), Some(key.clone()), failure)
        });
        let mut records: Vec<Record> = failed.collect();
        if records.is_empty() {
            let (notes, remedies) = recorded(&converged.notes);
            records.push(Record::from(PhaseEnded {
                step: step_name.clone(),
                phase: phase_name.clone(),
                passes: converged.passes,
                changes: converged.applied,
                notes,
                remedies,
            }));
        }
        self.context.journal.append_all(records).await?;
        Ok(converged)
    }

    pub(super) fn journal_view(&self) -> JournalView {
        let journal = &self.context.journal;
        JournalView::from_journal(journal.state()).with_state_file(journal.path())
    }
}

/// How far a step has come, phase by phase.
#[derive(Default)]
struct StepProgress {
    /// How many changes were applied.
    changes: usize,
    /// One failure for each phase that failed.
    failures: Vec<Failure>,
    /// What a person was asked for in a phase that failed.
    waiting: Vec<Failure>,
    /// The phases in which something failed.
    failed: Vec<&'static str>,
    /// The phases that did not begin, because they need one that failed.
    not_begun: Vec<&'static str>,
}

impl StepProgress {
    /// Does this phase need one that failed or did not begin?
    fn blocks(&self, phase: &Phase) -> bool {
        let mut missing = self.failed.iter().chain(&self.not_begun);
        missing.any(|missing| !phase.independent_of.contains(missing))
    }

    /// What failed, and what waits for a person.
    fn open(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter().chain(&self.waiting)
    }

    fn outcome(&self) -> StepOutcome {
        if self.failures.is_empty() {
            StepOutcome::Done
        } else {
            StepOutcome::Failed
        }
    }

    /// The phases that did not begin, as text.
    fn describe_not_begun(&self) -> Option<String> {
        (!self.not_begun.is_empty()).then(|| {
            format!(
                "not begun, because it needs {}: {}",
                self.failed.join(", "),
                self.not_begun.join(", ")
            )
        })
    }

    /// Why the step failed, in one line, and which phases did not begin.
    fn note(&self) -> Option<String> {
        let reason = self.failures.first()?.message.lines().next()?;
        Some(match self.describe_not_begun() {
            Some(not_begun) => format!("{reason}; {not_begun}"),
            None => reason.to_owned(),
        })
    }

    /// All failures of the step as one.
    fn into_failure(self) -> Option<Failure> {
        if self.failures.is_empty() {
            return None;
        }
        let not_begun = self.describe_not_begun();
        let mut failure = Failure::combine(self.failures).with_others(&self.waiting);
        if let Some(not_begun) = not_begun {
            failure.message = format!("{}\n{not_begun}", failure.message);
        }
        Some(failure)
    }
}

/// The failure of this phase with its name, if its message does not have it.
fn named(failure: Failure, place: &str) -> Failure {
    if failure.message.contains(place) {
        return failure;
    }
    failure.during(place)
}

fn failed_record(
    step: &Step,
    phase: Option<String>,
    key: Option<String>,
    failure: &Failure,
) -> Record {
    Record::from(Failed {
        step: step.name.clone(),
        phase,
        key,
        message: failure.message.clone(),
        help: failure.help.clone(),
        permanent: failure.is_refusal && !failure.retryable,
        not_allowed: failure.kind == FailureKind::NotAllowed,
    })
}

fn describe_panic(panic: &(dyn std::any::Any + Send)) -> Failure {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    let failure = Failure::failed(format!("a defect in iomcopy ended the step: {message}"))
        .with_help("the state file is valid; report the defect with it, then run again")
        .permanent();
    // It is unknown what the defect did, so nothing else begins.
    Failure {
        scope: FailureScope::Run,
        ..failure
    }
}
