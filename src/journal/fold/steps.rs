//! Steps and phases. Steps run one after the other, and so do the phases of a step.

use std::sync::Arc;
use std::time::Duration;

use super::Refusal;
use crate::journal::payload::{Failed, PhaseBegan, PhaseEnded, StepBegan, StepEnded, StepOutcome};
use crate::journal::record::Entry;
use crate::journal::state::{EndedStep, PhaseState, Stamped, State, StepState};

impl State {
    pub(super) fn step_began(&mut self, entry: &Entry, began: &StepBegan) -> Result<(), Refusal> {
        self.require_no_step()?;
        self.running = Some((began.step.clone(), None));
        self.work.begin(entry.time, began, self.openings);
        let step = self.step_entry(entry, &began.step);
        step.earlier = step.outcome.map(|outcome| EndedStep {
            ended: step.ended,
            outcome,
            note: step.note.clone(),
        });
        step.ended = None;
        step.outcome = None;
        step.note = None;
        if let Some(reopened) = &mut step.reopened {
            reopened.waits = false;
        }
        Ok(())
    }

    pub(super) fn step_ended(&mut self, entry: &Entry, ended: &StepEnded) -> Result<(), Refusal> {
        match &self.running {
            Some((running, _)) if *running == ended.step => {}
            // A skipped step need not begin.
            None if ended.outcome == StepOutcome::Skipped => {}
            _ => return Err(format!("the step `{}` is not running", ended.step)),
        }
        self.running = None;
        if ended.outcome != StepOutcome::Failed {
            self.failures.retain(|failure| failure.step != ended.step);
        }
        let step = self.step_entry(entry, &ended.step);
        step.ended = Some(entry.time);
        step.outcome = Some(ended.outcome);
        step.note.clone_from(&ended.note);
        Ok(())
    }

    /// The step with this name; a new step is added at the end.
    fn step_entry(&mut self, entry: &Entry, name: &str) -> &mut StepState {
        let at = self.steps.iter().position(|step| step.step == name);
        let at = at.unwrap_or_else(|| {
            self.steps.push(Arc::new(StepState {
                step: name.to_owned(),
                began: entry.time,
                ended: None,
                outcome: None,
                worked: Duration::ZERO,
                worked_at_finish: None,
                reopened: None,
                note: None,
                phases: Vec::new(),
                earlier: None,
            }));
            self.steps.len() - 1
        });
        Arc::make_mut(&mut self.steps[at])
    }

    pub(super) fn phase_began(&mut self, entry: &Entry, began: &PhaseBegan) -> Result<(), Refusal> {
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
                worked: Duration::ZERO,
                passes: 0,
                changes: 0,
            }),
        }
        Ok(())
    }

    pub(super) fn phase_ended(&mut self, entry: &Entry, ended: &PhaseEnded) -> Result<(), Refusal> {
        self.require_running(&ended.step, &ended.phase)?;
        self.running = Some((ended.step.clone(), None));
        self.settle_edits(&ended.step, &ended.phase);
        self.forget_failures(&ended.step, &ended.phase);
        let step = self.step_entry(entry, &ended.step);
        if let Some(phase) = step.phases.iter_mut().find(|p| p.phase == ended.phase) {
            phase.ended = Some(entry.time);
            phase.passes = phase.passes.saturating_add(ended.passes);
            phase.changes = phase.changes.saturating_add(ended.changes);
        }
        Ok(())
    }

    pub(super) fn require_no_step(&self) -> Result<(), Refusal> {
        match &self.running {
            Some((running, _)) => Err(format!("the step `{running}` has not ended")),
            None => Ok(()),
        }
    }

    pub(super) fn require_running(&self, step: &str, phase: &str) -> Result<(), Refusal> {
        match &self.running {
            Some((running, Some(within))) if running == step && within == phase => Ok(()),
            _ => Err(format!("the phase `{step}/{phase}` is not running")),
        }
    }

    /// The process that was in a step has ended. A step that it began again and did not change is
    /// as it was before: done, or failed if that failure is still open.
    pub(super) fn leave_running(&mut self) {
        let Some((name, _)) = self.running.take() else {
            return;
        };
        let is_open = self.failures.iter().any(|failure| failure.step == name);
        let Some(step) = self.steps.iter_mut().find(|step| step.step == name) else {
            return;
        };
        let step = Arc::make_mut(step);
        let earlier = step.earlier.take();
        if let Some(earlier) =
            earlier.filter(|earlier| earlier.outcome != StepOutcome::Failed || is_open)
        {
            step.ended = earlier.ended;
            step.outcome = Some(earlier.outcome);
            step.note = earlier.note;
        }
    }

    /// A step in which a change has begun, or which waits for a person, is not as it was before.
    pub(super) fn touch(&mut self, name: &str) {
        let mut steps = self.steps.iter_mut();
        if let Some(step) = steps.find(|step| step.step == name && step.earlier.is_some()) {
            Arc::make_mut(step).earlier = None;
        }
    }

    /// Records a failure. It replaces the failures of the step in earlier processes, which were
    /// tried again. The phase in which it failed no longer runs, and has not ended.
    pub(super) fn failed(&mut self, entry: &Entry, failed: &Failed) {
        if let Some((step, phase)) = &mut self.running
            && *step == failed.step
            && phase.is_some()
            && *phase == failed.phase
        {
            *phase = None;
        }
        let opened = self.opened.as_ref().map_or(0, |opened| opened.number);
        // They are in the order of their records, so those of earlier processes come first.
        let earlier = self.failures.partition_point(|it| it.number <= opened);
        if self.failures[..earlier]
            .iter()
            .any(|it| it.step == failed.step)
        {
            self.failures
                .retain(|it| it.step != failed.step || it.number > opened);
        }
        let failed = Stamped::new(entry, failed);
        if let Some(key) = failed.key.as_deref().filter(|_| failed.permanent) {
            self.refused.insert(key.into(), failed.clone());
        }
        self.failures.push(failed);
    }

    /// A phase that has got past the place where it failed has not failed.
    pub(super) fn forget_failures(&mut self, step: &str, phase: &str) {
        let is_here =
            |failed: &Failed| failed.step == step && failed.phase.as_deref() == Some(phase);
        self.failures.retain(|failed| !is_here(failed));
    }

    /// The indexes of the running step and phase.
    pub(super) fn running_indexes(&self) -> Option<(usize, Option<usize>)> {
        let (step, phase) = self.running.as_ref()?;
        let at = self.steps.iter().position(|state| state.step == *step)?;
        let phase = phase.as_ref().and_then(|phase| {
            let phases = &self.steps[at].phases;
            phases.iter().position(|state| state.phase == *phase)
        });
        Some((at, phase))
    }

    /// Adds the time since the previous record to the step and phase that were running. The survey of
    /// a step that was done before does not make the step longer, unless it finds a change.
    pub(super) fn add_work(&mut self, entry: &Entry, (step, phase): (usize, Option<usize>)) {
        let added = self.work.extend(entry.time);
        let Some(step) = self.steps.get_mut(step) else {
            return;
        };
        if step.is_surveyed_again() {
            return;
        }
        let step = Arc::make_mut(step);
        step.worked = step.worked.saturating_add(added);
        if let Some(phase) = phase.and_then(|at| step.phases.get_mut(at)) {
            phase.worked = phase.worked.saturating_add(added);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::journal::payload::ChangeKind;
    use crate::journal::record::Record;
    use crate::journal::state::ChangeCounts;
    use crate::journal::testing::{
        began, done, fold, intent, next, opened, phase_began, phase_ended, step_began, step_ended,
        waiting,
    };

    fn open() -> State {
        fold(vec![began().into(), opened("ops-1").into()])
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

    fn failed(step: &str, phase: &str, message: &str) -> Record {
        Failed {
            step: step.to_owned(),
            phase: Some(phase.to_owned()),
            key: None,
            message: message.to_owned(),
            help: None,
            permanent: false,
            not_allowed: false,
        }
        .into()
    }

    fn refused(key: &str, is_permanent: bool) -> Record {
        Failed {
            step: "s".to_owned(),
            phase: Some("p".to_owned()),
            key: Some(key.to_owned()),
            message: "no".to_owned(),
            help: None,
            permanent: is_permanent,
            not_allowed: false,
        }
        .into()
    }

    /// The task that follows a refusal forgets the failure, but not that it was permanent.
    #[test]
    fn a_permanent_refusal_is_known_until_the_change_is_made_by_anyone() {
        let mut state = open();
        let begin = |state: &mut State, kind| {
            next(state, opened("ops-1").into()).unwrap();
            next(state, step_began("s")).unwrap();
            next(state, phase_began("s", "p")).unwrap();
            next(state, intent("s", "p", "a", kind)).unwrap();
        };
        begin(&mut state, ChangeKind::Set);
        next(&mut state, refused("b", false)).unwrap();
        next(&mut state, refused("a", true)).unwrap();
        next(&mut state, step_ended("s", StepOutcome::Failed)).unwrap();
        assert!(state.refused.contains_key("a") && !state.refused.contains_key("b"));
        begin(&mut state, ChangeKind::ManualTask);
        next(&mut state, waiting("s/p")).unwrap();
        assert!(state.failures.is_empty() && state.refused.contains_key("a"));
        next(&mut state, done("a")).unwrap();
        assert!(state.refused.is_empty());
    }

    /// A data policy may refuse every flow of a tenant.
    #[test]
    fn many_failures_are_recorded_in_a_moment() {
        let mut state = open();
        next(&mut state, step_began("s")).unwrap();
        next(&mut state, phase_began("s", "p")).unwrap();
        let begun = Instant::now();
        for number in 0..40_000 {
            next(&mut state, failed("s", "p", &number.to_string())).unwrap();
        }
        assert_eq!(state.failures.len(), 40_000);
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            begun.elapsed()
        );
    }

    fn messages(state: &State) -> Vec<&str> {
        let failures = state.failures.iter();
        failures.map(|failure| failure.message.as_str()).collect()
    }

    #[test]
    fn a_failure_is_kept_until_the_change_is_tried_again_or_its_phase_advances() {
        let mut state = open();
        next(&mut state, step_began("s")).unwrap();
        next(&mut state, phase_began("s", "p")).unwrap();
        next(&mut state, failed("s", "p", "one")).unwrap();
        next(&mut state, failed("s", "p", "two")).unwrap();
        next(&mut state, step_ended("s", StepOutcome::Failed)).unwrap();
        // Refusal, or interrupted before it did anything.
        for _ in 0..2 {
            next(&mut state, opened("ops-1").into()).unwrap();
            assert_eq!(messages(&state), ["one", "two"]);
        }
        assert_eq!(state.step("s").unwrap().outcome, Some(StepOutcome::Failed));
        next(&mut state, step_began("s")).unwrap();
        next(&mut state, phase_began("s", "p")).unwrap();
        next(&mut state, failed("s", "p", "three")).unwrap();
        assert_eq!(messages(&state), ["three"], "it was tried again");
        next(&mut state, opened("ops-1").into()).unwrap();
        next(&mut state, step_began("s")).unwrap();
        next(&mut state, phase_began("s", "p")).unwrap();
        next(&mut state, phase_ended("s", "p")).unwrap();
        assert!(state.failures.is_empty(), "it has come further");
    }

    #[test]
    fn a_step_that_was_only_surveyed_again_is_as_it_was() {
        let mut state = open();
        let begin = |state: &mut State| {
            next(state, step_began("s")).unwrap();
            next(state, phase_began("s", "p")).unwrap();
        };
        let outcome = |state: &State| state.step("s").unwrap().outcome;
        begin(&mut state);
        next(&mut state, failed("s", "p", "one")).unwrap();
        next(&mut state, step_ended("s", StepOutcome::Failed)).unwrap();
        next(&mut state, opened("ops-1").into()).unwrap();
        begin(&mut state);
        assert_eq!(outcome(&state), None);
        next(&mut state, opened("ops-1").into()).unwrap();
        assert_eq!(
            outcome(&state),
            Some(StepOutcome::Failed),
            "it was interrupted"
        );
        begin(&mut state);
        next(&mut state, phase_ended("s", "p")).unwrap();
        next(&mut state, opened("ops-1").into()).unwrap();
        assert_eq!(outcome(&state), None, "the failed step is done");
        begin(&mut state);
        next(&mut state, phase_ended("s", "p")).unwrap();
        next(&mut state, step_ended("s", StepOutcome::Done)).unwrap();
        next(&mut state, opened("ops-1").into()).unwrap();
        begin(&mut state);
        next(&mut state, opened("ops-1").into()).unwrap();
        assert_eq!(
            outcome(&state),
            Some(StepOutcome::Done),
            "it was only surveyed"
        );
        begin(&mut state);
        next(&mut state, intent("s", "p", "a", ChangeKind::Set)).unwrap();
        next(&mut state, opened("ops-1").into()).unwrap();
        assert_eq!(outcome(&state), None, "something was begun");
    }

    #[test]
    fn a_phase_that_is_surveyed_again_keeps_its_changes() {
        let mut state = open();
        for _ in 0..2 {
            next(&mut state, step_began("s")).unwrap();
            next(&mut state, phase_began("s", "p")).unwrap();
            next(&mut state, phase_ended("s", "p")).unwrap();
            next(&mut state, step_ended("s", StepOutcome::Done)).unwrap();
        }
        let step = state.step("s").unwrap();
        assert_eq!(step.phase("p").unwrap().changes, 2);
        assert_eq!(step.phase("p").unwrap().passes, 4);
    }

    #[test]
    fn a_failed_phase_that_now_waits_for_a_person_has_no_failure() {
        let mut state = open();
        next(&mut state, step_began("s")).unwrap();
        next(&mut state, phase_began("s", "p")).unwrap();
        next(&mut state, failed("s", "p", "one")).unwrap();
        next(&mut state, waiting("s/p")).unwrap();
        assert!(state.failures.is_empty());
    }

    #[test]
    fn a_manual_change_is_done_when_the_tenant_shows_it() {
        let mut state = open();
        next(&mut state, step_began("s")).unwrap();
        next(&mut state, phase_began("s", "p")).unwrap();
        next(&mut state, intent("s", "p", "a", ChangeKind::ManualTask)).unwrap();
        next(&mut state, intent("s", "p", "b", ChangeKind::ManualTask)).unwrap();
        assert_eq!(state.by_hand("t"), ChangeCounts::default());
        next(&mut state, done("a")).unwrap();
        let by_hand = state.by_hand("s");
        assert_eq!((by_hand.begun, by_hand.done), (2, 1));
        assert_eq!(state.progress("s", None), ChangeCounts::default());
        // The runbook binds the request now, and the program makes the change itself.
        next(&mut state, intent("s", "p", "b", ChangeKind::Launch)).unwrap();
        next(&mut state, intent("s", "p", "c", ChangeKind::Set)).unwrap();
        next(&mut state, done("c")).unwrap();
        assert_eq!(state.progress("s", None).begun, 2);
        // Nobody is asked for it any more.
        let by_hand = state.by_hand("s");
        assert_eq!((by_hand.begun, by_hand.done), (1, 1));
        assert_eq!(state.done_changes("s", Some("p"), &[].into()), 2);
        assert_eq!(state.done_changes("s", None, &["c"].into()), 1);
        // And the other way round: what the program had done is undone, and a person is asked.
        next(&mut state, intent("s", "p", "c", ChangeKind::ManualTask)).unwrap();
        assert_eq!(state.progress("s", None).done, 0);
        let by_hand = state.by_hand("s");
        assert_eq!((by_hand.begun, by_hand.done), (2, 1));
    }

    #[test]
    fn the_newer_of_two_changes_with_one_key_is_done() {
        let mut state = open();
        next(&mut state, step_began("s")).unwrap();
        next(&mut state, phase_began("s", "p")).unwrap();
        for kind in [ChangeKind::Set, ChangeKind::ManualTask] {
            next(&mut state, intent("s", "p", "a", kind)).unwrap();
        }
        next(&mut state, done("a")).unwrap();
        assert!(state.set("a").unwrap().done.is_none());
        assert_eq!(state.by_hand("s").done, 1);
        next(&mut state, intent("s", "p", "a", ChangeKind::Set)).unwrap();
        next(&mut state, done("a")).unwrap();
        assert!(state.set("a").unwrap().done.is_some());
    }
}
