//! Steps of a finished run, opened again for one provider or for a repair: they have not ended, and
//! what they do counts from there.

use std::sync::Arc;

use super::Refusal;
use crate::journal::payload::{Reopened, RepairBegan, StepOutcome};
use crate::journal::record::Entry;
use crate::journal::state::{ReopenedBy, Stamped, State, StepReopening};

impl State {
    pub(super) fn reopen(&mut self, entry: &Entry, reopened: &Reopened) -> Result<(), Refusal> {
        self.require_no_step()?;
        self.reopened.push(Stamped::new(entry, reopened));
        self.reopen_steps(entry, &reopened.steps, ReopenedBy::Again);
        // The plan of the other steps is still theirs.
        let mut planned = std::mem::take(&mut self.planned);
        planned.retain(|step, _| !reopened.steps.is_empty() && !reopened.steps.contains(step));
        self.open_again();
        self.planned = planned;
        Ok(())
    }

    /// Only a finished run is repaired: the steps of any other run are surveyed again anyway.
    pub(super) fn begin_repair(
        &mut self,
        entry: &Entry,
        repair: &RepairBegan,
    ) -> Result<(), Refusal> {
        self.require_no_step()?;
        if self.finished.is_none() {
            return Err("the run has not finished".to_owned());
        }
        self.repair = Some(Stamped::new(entry, repair));
        self.reopen_steps(entry, std::slice::from_ref(&repair.step), ReopenedBy::Only);
        let mut planned = std::mem::take(&mut self.planned);
        planned.remove(&repair.step);
        self.open_again();
        self.planned = planned;
        Ok(())
    }

    /// The steps that a record opens again have not ended, and their changes are counted from there. A
    /// skipped step stays skipped.
    fn reopen_steps(&mut self, entry: &Entry, names: &[String], by: ReopenedBy) {
        let before = names.iter().map(|name| {
            let step = self.step(name);
            let took = step.map(|step| {
                let earlier = step.took_before_reopening();
                earlier.saturating_add(self.step_duration(step))
            });
            (self.all_done_changes(name), took.unwrap_or_default())
        });
        let before: Vec<_> = before.collect();
        for (name, (changes, took)) in names.iter().zip(before) {
            let mut steps = self.steps.iter_mut();
            let Some(step) = steps.find(|step| step.step == *name) else {
                continue;
            };
            if step.outcome == Some(StepOutcome::Skipped) {
                continue;
            }
            let step = Arc::make_mut(step);
            step.reopened = Some(StepReopening {
                number: entry.number,
                by,
                worked: step.worked,
                took,
                changes,
                waits: true,
            });
            step.ended = None;
            step.outcome = None;
            step.note = None;
            step.earlier = None;
        }
    }

    /// Keeps how long each step took until the run finished for the first time.
    pub(super) fn keep_work_at_finish(&mut self) {
        for step in &mut self.steps {
            if step.worked_at_finish.is_none() {
                let step = Arc::make_mut(step);
                step.worked_at_finish = Some(step.worked);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::payload::{ChangeKind, Finished, Planned, StepForecast, TimeSource};
    use crate::journal::record::Record;
    use crate::journal::testing::{
        began, done, fold, intent, next as next_record, opened, phase_began, step_began, step_ended,
    };

    fn next(state: &mut State, record: impl Into<Record>) -> Result<(), String> {
        next_record(state, record.into())
    }

    /// Does one step with a change of this key, which is done.
    fn run_step(state: &mut State, step: &str, key: &str) {
        next(state, step_began(step)).unwrap();
        next(state, phase_began(step, "p")).unwrap();
        next(state, intent(step, "p", key, ChangeKind::Set)).unwrap();
        next(state, done(key)).unwrap();
        next(state, step_ended(step, StepOutcome::Done)).unwrap();
    }

    fn forecast(changes: usize) -> StepForecast {
        StepForecast {
            changes,
            seconds: 60,
            source: TimeSource::Plan,
        }
    }

    /// A finished run of step `x` with two changes and step `y` with one. Takes how many were planned.
    fn finished_run(planned: [usize; 2]) -> State {
        let mut state = fold(vec![began().into(), opened("ops-1").into()]);
        let [x, y] = planned.map(forecast);
        state.planned = [("x".to_owned(), x), ("y".to_owned(), y)].into();
        run_step(&mut state, "x", "x/1");
        run_step(&mut state, "x", "x/2");
        run_step(&mut state, "y", "y/1");
        next(&mut state, Finished {}).unwrap();
        state
    }

    fn x_is_opened_again() -> Reopened {
        Reopened {
            provider: "msdyn_fedex".to_owned(),
            seals: Vec::new(),
            steps: vec!["x".to_owned()],
            who: "ada".to_owned(),
        }
    }

    #[test]
    fn steps_that_are_opened_again_wait_and_their_changes_are_counted_from_there() {
        let mut state = finished_run([2, 1]);
        next(&mut state, x_is_opened_again()).unwrap();
        let step = |state: &State, name: &str| state.step(name).unwrap().clone();
        assert!(step(&state, "x").waits_again() && step(&state, "x").outcome.is_none());
        assert_eq!(step(&state, "y").outcome, Some(StepOutcome::Done));
        // The plan of the step that is opened again no longer applies.
        assert_eq!(state.planned.keys().collect::<Vec<_>>(), ["y"]);
        let counts = |state: &State| {
            let now = state.progress_since_reopening("x");
            (now.done, now.begun, state.done_before_reopening("x"))
        };
        assert_eq!(counts(&state), (0, 0, 2));
        assert_eq!(state.progress_since_reopening("y").done, 1);
        // One change is made again, and one is new. An interrupted step is not done.
        run_step(&mut state, "x", "x/2");
        next(&mut state, step_began("x")).unwrap();
        next(&mut state, opened("ops-1")).unwrap();
        assert!(!step(&state, "x").waits_again());
        run_step(&mut state, "x", "x/3");
        assert_eq!(counts(&state), (2, 2, 2));
        assert_eq!(state.progress("x", None).done, 3, "no change counts twice");
    }

    #[test]
    fn a_repair_counts_its_own_changes_and_leaves_the_plan_of_the_other_steps() {
        let mut state = finished_run([5, 3]);
        let repair = RepairBegan {
            step: "x".to_owned(),
            who: "ada".to_owned(),
        };
        next(&mut state, repair).unwrap();
        assert!(state.step("x").unwrap().waits_again());
        let planned = Planned {
            digest: "d".to_owned(),
            steps: [("x".to_owned(), forecast(1))].into(),
            names: [].into(),
        };
        next(&mut state, planned).unwrap();
        run_step(&mut state, "x", "x/2");
        next(&mut state, Finished {}).unwrap();
        let now = state.progress_since_reopening("x");
        assert_eq!((now.done, state.done_before_reopening("x")), (1, 2));
        let reopened = state.step("x").unwrap().reopened.unwrap();
        assert_eq!(reopened.by, ReopenedBy::Only);
        assert!(state.step("y").unwrap().reopened.is_none());
        let changes = state.planned.values().map(|planned| planned.changes);
        assert_eq!(changes.collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn a_step_that_was_opened_again_and_interrupted_is_not_done() {
        let mut state = fold(vec![began().into(), opened("ops-1").into()]);
        run_step(&mut state, "x", "x/1");
        next(&mut state, Finished {}).unwrap();
        next(&mut state, x_is_opened_again()).unwrap();
        next(&mut state, step_began("x")).unwrap();
        next(&mut state, opened("ops-1")).unwrap();
        let step = state.step("x").unwrap();
        assert!(step.outcome.is_none() && !step.waits_again() && !step.is_surveyed_again());
    }
}
