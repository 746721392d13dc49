//! Steps, phases and manual tasks. Steps run one after the other, and so do the phases of a step.

use std::sync::Arc;

use super::Refused;
use crate::journal::payload::{
    Completed, Failed, PhaseBegan, PhaseEnded, StepBegan, StepEnded, StepOutcome, Waiting,
};
use crate::journal::record::Entry;
use crate::journal::state::{PhaseState, Stamped, State, StepState, TaskState};

impl State {
    pub(super) fn step_began(&mut self, entry: &Entry, began: &StepBegan) -> Result<(), Refused> {
        if let Some((running, _)) = &self.running {
            return Err(format!("the step `{running}` has not ended"));
        }
        self.running = Some((began.step.clone(), None));
        let step = self.step_entry(entry, &began.step);
        step.ended = None;
        step.outcome = None;
        step.note = None;
        Ok(())
    }

    pub(super) fn step_ended(&mut self, entry: &Entry, ended: &StepEnded) -> Result<(), Refused> {
        match &self.running {
            Some((running, _)) if *running == ended.step => {}
            // A skipped step need not begin.
            None if ended.outcome == StepOutcome::Skipped => {}
            _ => return Err(format!("the step `{}` is not running", ended.step)),
        }
        self.running = None;
        let step = self.step_entry(entry, &ended.step);
        step.ended = Some(entry.time);
        step.outcome = Some(ended.outcome);
        step.note.clone_from(&ended.note);
        Ok(())
    }

    /// The step of this name, put last where it is new.
    fn step_entry(&mut self, entry: &Entry, name: &str) -> &mut StepState {
        let at = self.steps.iter().position(|step| step.step == name);
        let at = at.unwrap_or_else(|| {
            self.steps.push(StepState {
                step: name.to_owned(),
                began: entry.time,
                ended: None,
                outcome: None,
                note: None,
                phases: Vec::new(),
            });
            self.steps.len() - 1
        });
        &mut self.steps[at]
    }

    pub(super) fn phase_began(&mut self, entry: &Entry, began: &PhaseBegan) -> Result<(), Refused> {
        match &self.running {
            Some((step, None)) if *step == began.step => {}
            Some((step, Some(phase))) if *step == began.step => {
                return Err(format!("the phase `{phase}` has not ended"));
            }
            _ => return Err(format!("the step `{}` is not running", began.step)),
        }
        self.running = Some((began.step.clone(), Some(began.phase.clone())));
        self.void_unsealed();
        let step = self.step_entry(entry, &began.step);
        match step.phases.iter_mut().find(|p| p.phase == began.phase) {
            Some(phase) => phase.ended = None,
            None => step.phases.push(PhaseState {
                phase: began.phase.clone(),
                began: entry.time,
                ended: None,
                passes: 0,
                changes: 0,
            }),
        }
        Ok(())
    }

    pub(super) fn phase_ended(&mut self, entry: &Entry, ended: &PhaseEnded) -> Result<(), Refused> {
        self.require_running(&ended.step, &ended.phase)?;
        self.running = Some((ended.step.clone(), None));
        self.settle_edits(&ended.step, &ended.phase);
        let step = self.step_entry(entry, &ended.step);
        if let Some(phase) = step.phases.iter_mut().find(|p| p.phase == ended.phase) {
            phase.ended = Some(entry.time);
            phase.passes = ended.passes;
            phase.changes = ended.changes;
        }
        Ok(())
    }

    /// A phase in which something failed for good runs no longer, and has not ended.
    pub(super) fn failed(&mut self, entry: &Entry, failed: &Failed) {
        if let Some((step, phase)) = &mut self.running
            && *step == failed.step
            && phase.is_some()
            && *phase == failed.phase
        {
            *phase = None;
        }
        self.failures.push(Stamped::new(entry, failed));
    }

    pub(super) fn require_running(&self, step: &str, phase: &str) -> Result<(), Refused> {
        match &self.running {
            Some((running, Some(within))) if running == step && within == phase => Ok(()),
            _ => Err(format!("the phase `{step}/{phase}` is not running")),
        }
    }

    pub(super) fn waits(&mut self, entry: &Entry, waiting: &Waiting) {
        let task = TaskState {
            waiting: Stamped::new(entry, waiting),
            completed: None,
        };
        self.tasks
            .insert(waiting.task.as_str().into(), Arc::new(task));
    }

    pub(super) fn completed(
        &mut self,
        entry: &Entry,
        completed: &Completed,
    ) -> Result<(), Refused> {
        match self.tasks.get_mut(completed.task.as_str()) {
            None => Err(format!("no task `{}` waits", completed.task)),
            Some(task) if task.completed.is_some() => Err(format!(
                "the task `{}` is completed already",
                completed.task
            )),
            Some(task) => {
                Arc::make_mut(task).completed = Some(Stamped::new(entry, completed));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::payload::Finished;
    use crate::journal::record::Record;
    use crate::journal::testing::{
        began, completed, entry, fold, opened, phase_began, phase_ended, step_began, step_ended,
        waiting,
    };

    fn open() -> State {
        fold(vec![began().into(), opened("ops-1").into()])
    }

    fn next(state: &mut State, record: Record) -> Result<(), String> {
        state
            .next(&entry(state.next_number, record))
            .map_err(|illegal| illegal.why)
    }

    #[test]
    fn steps_and_phases_run_one_after_the_other() {
        let mut state = open();
        assert!(next(&mut state, phase_began("s", "p")).is_err());
        assert!(next(&mut state, step_ended("s", StepOutcome::Done)).is_err());
        next(&mut state, step_began("s")).unwrap();
        assert!(next(&mut state, step_began("t")).is_err());
        assert!(next(&mut state, phase_ended("s", "p")).is_err());
        next(&mut state, phase_began("s", "p")).unwrap();
        assert!(next(&mut state, phase_began("s", "q")).is_err());
        next(&mut state, phase_ended("s", "p")).unwrap();
        next(&mut state, phase_began("s", "q")).unwrap();
        // A phase that fails does not end; its step does.
        next(&mut state, step_ended("s", StepOutcome::Failed)).unwrap();
        let step = state.step("s").unwrap();
        assert!(step.phase("p").unwrap().ended.is_some());
        assert!(step.phase("q").unwrap().ended.is_none());
    }

    #[test]
    fn a_step_that_failed_begins_again_and_keeps_its_place() {
        let mut state = open();
        for outcome in [StepOutcome::Failed, StepOutcome::Done] {
            next(&mut state, step_began("s")).unwrap();
            assert_eq!(state.step("s").unwrap().outcome, None);
            next(&mut state, step_ended("s", outcome)).unwrap();
            next(&mut state, step_ended("t", StepOutcome::Skipped)).unwrap();
        }
        let names: Vec<_> = state.steps.iter().map(|step| step.step.as_str()).collect();
        assert_eq!(names, ["s", "t"]);
    }

    #[test]
    fn a_task_is_completed_once_and_may_wait_again() {
        let mut state = open();
        assert!(next(&mut state, completed("s/p")).is_err());
        next(&mut state, waiting("s/p")).unwrap();
        assert!(next(&mut state, Finished {}.into()).is_err());
        next(&mut state, completed("s/p")).unwrap();
        assert!(next(&mut state, completed("s/p")).is_err());
        assert_eq!(state.waiting().count(), 0);
        next(&mut state, waiting("s/p")).unwrap();
        assert_eq!(state.waiting().count(), 1);
    }
}
