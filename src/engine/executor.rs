//! The run: every step in order, every phase to its fixpoint.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use super::event::seconds;
use super::{Context, EventKind, Failure, FailureKind, Known, Phase, Step, Work};
use crate::journal::{
    Failed, Finished, PhaseBegan, PhaseEnded, Record, StepBegan, StepEnded, StepOutcome,
};

/// Runs the steps of a runbook.
pub struct Executor {
    /// The journal, the clock, the wish to stop, and who hears of it.
    pub context: Context,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// The last step to run, if not all.
    pub until: Option<String>,
    /// The destructive keys that were confirmed.
    pub confirmed: BTreeSet<String>,
}

/// How a run that met no failure ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Every step has ended.
    Finished,
    /// The step named by `until` has ended.
    Stopped,
}

impl Executor {
    /// Runs every step to its end, or to the first failure. Once the journal cannot be written, no
    /// request leaves any more, and that is what the run ends with: what was ready beside the failed
    /// record then only says that it was stopped.
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
        for step in &self.steps {
            self.context.may_begin()?;
            // A defect in a step must become a failed step in the journal, not a lost run.
            let result = AssertUnwindSafe(self.run_step(step)).catch_unwind().await;
            let result = result.unwrap_or_else(|panic| Err(defect(&panic)));
            if let Err(failure) = result {
                return Err(self.step_failed(step, failure).await);
            }
            if self.until.as_deref() == Some(step.name) {
                return Ok(Outcome::Stopped);
            }
        }
        self.context
            .journal
            .append(Record::from(Finished {}))
            .await?;
        Ok(Outcome::Finished)
    }

    async fn run_step(&self, step: &Step) -> Result<(), Failure> {
        let began = self.context.clock.elapsed();
        let narrator = &self.context.narrator;
        narrator.tell(EventKind::StepBegan {
            step: step.name.to_owned(),
        });
        self.context
            .journal
            .append(Record::from(StepBegan {
                step: step.name.to_owned(),
            }))
            .await?;
        let mut changes = 0;
        let outcome = if step.skip.is_some() {
            StepOutcome::Skipped
        } else {
            for phase in &step.phases {
                changes += self
                    .run_phase(step, phase)
                    .await
                    .map_err(|failure| failure.during(format!("{}/{}", step.name, phase.name)))?;
            }
            StepOutcome::Done
        };
        self.context
            .journal
            .append(Record::from(StepEnded {
                step: step.name.to_owned(),
                outcome,
                note: step.skip.clone(),
            }))
            .await?;
        narrator.tell(EventKind::StepEnded {
            step: step.name.to_owned(),
            outcome,
            note: step.skip.clone(),
            changes,
            elapsed: seconds(self.context.clock.elapsed().saturating_sub(began)),
        });
        Ok(())
    }

    /// Records that a step failed. The failure itself is what the run ends with, whatever becomes
    /// of the record.
    async fn step_failed(&self, step: &Step, failure: Failure) -> Failure {
        if failure.kind == FailureKind::Failed {
            let record = Record::from(Failed {
                step: step.name.to_owned(),
                phase: None,
                key: None,
                message: failure.message.clone(),
                help: failure.help.clone(),
            });
            if let Err(error) = self.context.journal.append(record).await {
                return Failure::from(error).during(failure);
            }
        }
        failure
    }

    /// Takes a phase to its end; returns how many changes were applied.
    async fn run_phase(&self, step: &Step, phase: &Phase) -> Result<usize, Failure> {
        self.context.may_begin()?;
        let narrator = &self.context.narrator;
        let (step_name, phase_name) = (step.name.to_owned(), phase.name.to_owned());
        narrator.tell(EventKind::PhaseBegan {
            step: step_name.clone(),
            phase: phase_name.clone(),
        });
        let begun = Record::from(PhaseBegan {
            step: step_name.clone(),
            phase: phase_name.clone(),
        });
        self.context.journal.append(begun).await?;
        let (passes, changes) = match &phase.work {
            Work::Capture(capture) => (1, self.capture(step, capture.as_ref()).await?),
            Work::Changes(survey) => self.converge(step, phase, survey.as_ref()).await?,
        };
        let ended = Record::from(PhaseEnded {
            step: step_name,
            phase: phase_name,
            passes,
            changes,
        });
        self.context.journal.append(ended).await?;
        Ok(changes)
    }

    pub(super) fn known(&self) -> Known {
        Known::from_journal(self.context.journal.state())
    }
}

fn defect(panic: &(dyn std::any::Any + Send)) -> Failure {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Failure::failed(format!("a defect in iomcopy ended the step: {said}"))
        .with_help("the state file is right; report this with it, then run again")
        .lasting()
}
