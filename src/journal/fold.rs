//! The one function that decides which record may follow which. The writer calls it before it
//! writes, and replay calls it on what it reads, so that it detects a file which no run could have
//! written.
//!
//! Each arm checks before it changes anything: a refused record leaves the state unchanged.
//!
//! ```text
//! changes.rs    sets, removals, manual changes and launches, from their intent to their end
//! edits.rs      edits of people: detected, confirmed, settled
//! reopening.rs  steps of a finished run, opened again for one provider or for a repair
//! seals.rs      captures and seals
//! steps.rs      steps and phases
//! tasks.rs      manual tasks
//! ```

mod changes;
mod edits;
mod reopening;
mod seals;
mod steps;
mod tasks;

use std::sync::Arc;

use super::error::IllegalTransition;
use super::payload::{Reopened, RepairBegan};
use super::record::{Entry, Record, RunId};
use super::sealed_row::{CaptureFile, Span};
use super::shared_map::SharedMap;
use super::state::{Stamped, State};
use super::work::WorkTimes;

/// Why a record is not allowed; [`State::next`] adds its number and kind.
type Refusal = String;

impl State {
    /// The state after the first record of `run`.
    pub fn first(run: RunId, entry: &Entry) -> Result<Self, IllegalTransition> {
        let Record::Began(began) = &entry.record else {
            return Err(illegal(entry, "the first record is a `began`".to_owned()));
        };
        if entry.number != 1 {
            return Err(illegal(entry, "the first record has number 1".to_owned()));
        }
        Ok(Self {
            run,
            began: Stamped::new(entry, began),
            opened: None,
            closed: None,
            openings: 0,
            confirmed: None,
            runbook_digest: began.runbook_digest.clone(),
            runbook_meaning: began.runbook_meaning.clone().map(Arc::new),
            plan_digest: None,
            planned: [].into(),
            names: [].into(),
            repinned: None,
            steps: Vec::new(),
            running: None,
            launches: [].into(),
            sets: SharedMap::default(),
            manual_changes: SharedMap::default(),
            edits: [].into(),
            seals: [].into(),
            abandoned: Vec::new(),
            tasks: [].into(),
            earlier_tasks: Vec::new(),
            failures: Vec::new(),
            refused: [].into(),
            finished: None,
            first_finished: None,
            reopened: Vec::new(),
            repair: None,
            work: WorkTimes::default(),
            file: CaptureFile::default(),
            next_number: 2,
            last_time: entry.time,
        })
    }

    /// Applies one record, or refuses it and changes nothing. A record of an unknown kind changes
    /// only the number: a caller that must not continue after it has refused it before.
    pub fn next(&mut self, entry: &Entry) -> Result<(), IllegalTransition> {
        self.next_line(entry, None)
    }

    /// As [`next`](Self::next), with the place of the record's line in the state file.
    pub(super) fn next_line(
        &mut self,
        entry: &Entry,
        line: Option<Span>,
    ) -> Result<(), IllegalTransition> {
        if entry.number != self.next_number {
            let why = format!("its number is not {}", self.next_number);
            return Err(illegal(entry, why));
        }
        let running = self.running_indexes();
        self.require_allowed(&entry.record)
            .and_then(|()| self.apply(entry, line))
            .map_err(|why| illegal(entry, why))?;
        // Between a killed process and the next one, nobody worked.
        if let Some(running) = running
            && !matches!(entry.record, Record::Opened(_))
        {
            self.add_work(entry, running);
        }
        self.skip(entry);
        Ok(())
    }

    /// Skips a record without applying it, as a reader of a newer format must.
    pub(super) fn skip(&mut self, entry: &Entry) {
        self.next_number = entry.number.saturating_add(1);
        self.last_time = entry.time;
    }

    /// Requires that a record of this kind is allowed here at all.
    fn require_allowed(&self, record: &Record) -> Result<(), Refusal> {
        let needs_no_process = matches!(
            record,
            Record::Opened(_) | Record::Cut(_) | Record::Unknown { .. }
        );
        if !needs_no_process && !self.is_open() {
            return Err("no process has opened the file".to_owned());
        }
        let may_follow_the_end = needs_no_process
            || matches!(
                record,
                Record::Closed(_)
                    | Record::Takeover(_)
                    | Record::RunbookChanged(_)
                    | Record::Abandoned(_)
                    | Record::Reopened(_)
                    | Record::RepairBegan(_)
            );
        if self.finished.is_some() && !may_follow_the_end {
            return Err("the run has finished".to_owned());
        }
        Ok(())
    }

    fn apply(&mut self, entry: &Entry, line: Option<Span>) -> Result<(), Refusal> {
        match &entry.record {
            Record::Began(_) => return Err("the run has already begun".to_owned()),
            Record::Opened(opened) => {
                self.opened = Some(Stamped::new(entry, opened));
                self.closed = None;
                self.openings = self.openings.saturating_add(1);
                self.leave_running();
                self.void_unsealed();
            }
            Record::Closed(closed) => {
                self.closed = Some(Stamped::new(entry, closed));
                self.leave_running();
            }
            Record::Confirmed(confirmed) => self.confirmed = Some(Stamped::new(entry, confirmed)),
            Record::RunbookChanged(changed) => {
                self.runbook_digest.clone_from(&changed.digest);
                self.runbook_meaning = changed.meaning.clone().map(Arc::new);
            }
            Record::Planned(planned) => {
                self.plan_digest = Some(planned.digest.clone());
                // The plan of a repair has only the step that is repaired.
                if self.repair.is_none() {
                    self.planned.clear();
                }
                self.planned.extend(planned.steps.clone());
                self.names.extend(planned.names.clone());
            }
            Record::StepBegan(began) => self.step_began(entry, began)?,
            Record::StepEnded(ended) => self.step_ended(entry, ended)?,
            Record::PhaseBegan(began) => self.phase_began(entry, began)?,
            Record::PhaseEnded(ended) => self.phase_ended(entry, ended)?,
            Record::Captured(captured) => self.captured(captured, line)?,
            Record::Sealed(sealed) => self.sealed(entry, sealed, line)?,
            Record::SealVerified(verified) => self.seal_verified(verified)?,
            Record::Intent(intent) => self.intent(entry, intent)?,
            Record::Launched(launched) => self.launched(entry, launched)?,
            Record::Ended(ended) => self.ended(entry, ended)?,
            Record::Verified(verified) => self.verified(entry, verified)?,
            Record::Done(done) => self.done(entry, done)?,
            Record::HumanEditDetected(edit) => self.edit_detected(entry, edit)?,
            Record::OverwriteConfirmed(confirmed) => self.overwrite_confirmed(entry, confirmed)?,
            Record::Failed(failed) => self.failed(entry, failed),
            Record::Waiting(waiting) => self.waits(entry, waiting),
            Record::Completed(completed) => self.completed(entry, completed)?,
            Record::Repinned(repinned) => self.repinned = Some(Stamped::new(entry, repinned)),
            Record::Abandoned(abandoned) => self.abandoned(abandoned)?,
            Record::Finished(_) => self.finish(entry)?,
            Record::Reopened(reopened) => self.reopen(entry, reopened)?,
            Record::RepairBegan(repair) => self.begin_repair(entry, repair)?,
            Record::Noted(_) | Record::Takeover(_) | Record::Cut(_) | Record::Unknown { .. } => {}
        }
        Ok(())
    }

    /// The state after a new process has recorded `reopened`: for a plan, and for questions to the
    /// user before anything is written.
    pub fn as_reopened(&self, reopened: &Reopened) -> Result<Self, IllegalTransition> {
        self.opened_by(Record::from(reopened.clone()), |state, entry| {
            state.reopen(entry, reopened)
        })
    }

    /// The state after a new process has recorded `repair`: as [`Self::as_reopened`].
    pub fn as_repairing(&self, repair: &RepairBegan) -> Result<Self, IllegalTransition> {
        self.opened_by(Record::from(repair.clone()), |state, entry| {
            state.begin_repair(entry, repair)
        })
    }

    /// The state after a new process, in which no step runs, has recorded this.
    fn opened_by(
        &self,
        record: Record,
        open: impl FnOnce(&mut Self, &Entry) -> Result<(), Refusal>,
    ) -> Result<Self, IllegalTransition> {
        let entry = Entry {
            number: self.next_number,
            time: self.last_time,
            record,
        };
        let mut state = self.clone();
        state.running = None;
        open(&mut state, &entry).map_err(|why| illegal(&entry, why))?;
        Ok(state)
    }

    /// A run that is opened again has not finished, and must be confirmed again.
    fn open_again(&mut self) {
        self.forget_values();
        self.refused.clear();
        self.planned.clear();
        self.finished = None;
        self.confirmed = None;
    }

    fn finish(&mut self, entry: &Entry) -> Result<(), Refusal> {
        self.require_no_step()?;
        if let Some(launch) = self.launches_in_doubt().next() {
            return Err(format!(
                "it is not known how the launch `{}` ended",
                launch.intent.key
            ));
        }
        if let Some(task) = self.waiting().next() {
            return Err(format!("the task `{}` is still waiting", task.waiting.task));
        }
        self.failures.clear();
        self.repair = None;
        self.keep_work_at_finish();
        self.finished = Some(entry.time);
        self.first_finished.get_or_insert(entry.time);
        Ok(())
    }
}

fn illegal(entry: &Entry, why: String) -> IllegalTransition {
    IllegalTransition {
        number: entry.number,
        kind: entry.record.kind().to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::payload::{ChangeKind, Failed, Finished, LaunchOutcome, StepOutcome};
    use crate::journal::testing::{
        began, entry, fold, opened, step_began, step_ended, story, time,
    };

    fn next(state: &mut State, record: impl Into<Record>) -> Result<(), IllegalTransition> {
        state.next(&entry(state.next_number, record.into()))
    }

    #[test]
    fn a_whole_run_folds_into_its_state() {
        let state = fold(story());
        assert_eq!(state.began.runbook, "contoso-uat-refresh");
        assert!(state.is_open());
        assert_eq!(state.plan_digest.as_deref(), Some("bb"));
        assert_eq!(state.repinned.as_ref().unwrap().organization, "o2");
        let copy = state.step("copy-environments").unwrap();
        assert_eq!(copy.outcome, Some(StepOutcome::Done));
        assert_eq!(copy.phase("capture").unwrap().passes, 2);
        let launch = state.launch("copy").unwrap();
        assert_eq!(launch.outcome(), Some(LaunchOutcome::Succeeded));
        assert_eq!(launch.handle().unwrap()["operation"], "op-1");
        assert_eq!(state.verified_seal("target").unwrap().captures.len(), 2);
        let set = state.set("mode").unwrap();
        assert_eq!(set.intent.kind, ChangeKind::Set);
        assert!(set.done.is_some());
        let progress = state.progress("exit-administration-mode", Some("leave"));
        assert_eq!((progress.begun, progress.done), (1, 1));
        assert_eq!(state.progress("activate-flows", None).begun, 0);
    }

    #[test]
    fn a_record_that_skips_a_number_is_refused() {
        let mut state = fold(story());
        let before = state.clone();
        let skipped = entry(state.next_number + 1, step_began("x"));
        assert!(state.next(&skipped).is_err());
        assert_eq!(state, before);
    }

    #[test]
    fn only_the_first_record_begins_a_run() {
        let run = RunId::new(time());
        assert!(State::first(run, &entry(1, opened("ops-1").into())).is_err());
        assert!(State::first(run, &entry(2, began().into())).is_err());
        let mut state = fold(vec![began().into(), opened("ops-1").into()]);
        assert!(next(&mut state, began()).is_err());
    }

    #[test]
    fn nothing_is_done_before_the_file_is_opened_or_after_it_is_closed() {
        let mut state = fold(vec![began().into()]);
        assert!(next(&mut state, step_began("x")).is_err());
        next(&mut state, opened("ops-1")).unwrap();
        next(&mut state, step_began("x")).unwrap();
        next(&mut state, closed()).unwrap();
        assert!(!state.is_open());
        assert!(next(&mut state, closed()).is_err());
        let error = next(&mut state, step_ended("x", StepOutcome::Done)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a `step-ended` is not allowed here: no process has opened the file"
        );
    }

    #[test]
    fn a_new_process_is_in_no_step() {
        let mut state = fold(story());
        let failed = Failed {
            step: "exit-administration-mode".to_owned(),
            phase: None,
            key: None,
            message: "it answered 500".to_owned(),
            help: None,
            permanent: false,
            not_allowed: false,
        };
        next(&mut state, failed).unwrap();
        assert_eq!(state.failures.len(), 1);
        next(&mut state, opened("ops-1")).unwrap();
        assert!(state.running.is_none());
        assert_eq!(state.openings, 2);
        next(&mut state, step_began("exit-administration-mode")).unwrap();
    }

    #[test]
    fn a_finished_run_may_be_opened_and_not_continued() {
        let mut state = fold(vec![began().into(), opened("ops-1").into()]);
        next(&mut state, step_began("x")).unwrap();
        assert!(next(&mut state, Finished {}).is_err());
        next(&mut state, step_ended("x", StepOutcome::Done)).unwrap();
        next(&mut state, Finished {}).unwrap();
        for record in story().into_iter().skip(2) {
            assert!(next(&mut state, record.clone()).is_err(), "{record:?}");
        }
        next(&mut state, closed()).unwrap();
        next(&mut state, opened("ops-1")).unwrap();
        next(&mut state, closed()).unwrap();
        assert!(state.finished.is_some());
    }

    #[test]
    fn one_step_of_a_finished_run_is_opened_again_and_confirmed_again() {
        let repair = || RepairBegan {
            step: "x".to_owned(),
            who: "ada".to_owned(),
        };
        let mut state = fold(vec![began().into(), opened("ops-1").into()]);
        next(&mut state, step_began("x")).unwrap();
        next(&mut state, step_ended("x", StepOutcome::Done)).unwrap();
        assert!(next(&mut state, repair()).is_err(), "it has not finished");
        next(&mut state, Finished {}).unwrap();
        let ahead = state.as_repairing(&repair()).unwrap();
        assert!(state.finished.is_some() && ahead.finished.is_none());
        next(&mut state, repair()).unwrap();
        assert_eq!(state.repair.as_ref().unwrap().step, "x");
        assert!(state.finished.is_none() && state.confirmed.is_none());
        next(&mut state, step_began("x")).unwrap();
        next(&mut state, step_ended("x", StepOutcome::Done)).unwrap();
        next(&mut state, Finished {}).unwrap();
        assert!(state.finished.is_some() && state.repair.is_none());
    }

    fn closed() -> Record {
        crate::journal::payload::Closed::new("interrupted", 130, None).into()
    }

    mod model {
        use proptest::prelude::*;

        use super::*;
        use crate::journal::payload::{Abandoned, Captured, Cut, Sealed};
        use crate::journal::seal;
        use crate::journal::testing::{
            captures, completed, done, ended, intent, launched, lines, phase_began, phase_ended,
            seal_verified, verified, waiting,
        };

        /// Any record over few names, so that sequences often hit the same thing.
        fn any_record() -> impl Strategy<Value = Record> {
            let name = prop::sample::select(vec!["a", "b"]);
            let kind = prop::sample::select(vec![
                ChangeKind::Set,
                ChangeKind::Remove,
                ChangeKind::Launch,
                ChangeKind::ManualTask,
            ]);
            let outcome = prop::sample::select(vec![
                LaunchOutcome::Succeeded,
                LaunchOutcome::Failed,
                LaunchOutcome::Absent,
                LaunchOutcome::GivenUp,
            ]);
            (0..21_u8, name.clone(), name, kind, outcome).prop_map(
                |(which, a, b, kind, outcome)| {
                    let sealed = || seal::seal_records(a, captures());
                    match which {
                        0 => opened("ops-1").into(),
                        1 => closed(),
                        2 | 3 => step_began(a),
                        4 => step_ended(a, StepOutcome::Done),
                        5 | 6 => phase_began(a, b),
                        7 => phase_ended(a, b),
                        8 | 9 => intent(a, b, b, kind),
                        10 => launched(b),
                        11 => ended(b, outcome),
                        12 => verified(b),
                        13 => done(b),
                        14 => waiting(a),
                        15 => completed(a),
                        16 => sealed().swap_remove(0),
                        17 => sealed().swap_remove(2),
                        18 => seal_verified(a),
                        19 => Abandoned {
                            seals: vec![a.to_owned()],
                            reason: String::new(),
                        }
                        .into(),
                        _ => Finished {}.into(),
                    }
                },
            )
        }

        proptest! {
            /// Any sequence either folds or is refused, a refused record leaves no trace, and what
            /// was accepted is accepted on replay and adds up to the same.
            #[test]
            fn live_and_replay_agree(records in prop::collection::vec(any_record(), 0..60)) {
                let mut accepted: Vec<Record> = vec![began().into(), opened("ops-1").into()];
                let mut state = fold(accepted.clone());
                for record in records {
                    let before = state.clone();
                    if next(&mut state, record.clone()).is_ok() {
                        accepted.push(record);
                    } else {
                        prop_assert_eq!(&state, &before);
                    }
                }
                let bytes = lines(accepted.clone()).concat();
                let path = std::path::Path::new("uat.jsonl");
                let replay = crate::journal::replay::replay(path, bytes.as_bytes());
                prop_assert!(replay.damage.is_empty(), "{:?}", replay.damage);
                let read = replay.state.unwrap();
                prop_assert_eq!(read.next_number, state.next_number);
                prop_assert_eq!(&read.launches, &state.launches);
                prop_assert_eq!(&read.seals, &state.seals);
                prop_assert_eq!(&read.steps, &state.steps);
            }

            /// Numbers and texts of any kind do not cause a panic.
            #[test]
            fn strange_values_are_refused(
                number in any::<u64>(),
                count in any::<usize>(),
                text in any::<String>(),
            ) {
                let mut state = fold(story());
                let strange: [Record; 3] = [
                    Sealed { seal: text.clone(), count, sha256: text.clone(), refresh: None }.into(),
                    Captured {
                        seal: "target-2".to_owned(),
                        key: text.clone(),
                        etag: None,
                        sha256: text.clone(),
                        text: text.clone(),
                    }
                    .into(),
                    Cut { at: number, bytes: number, saved_to: text }.into(),
                ];
                for record in strange {
                    _ = state.next(&entry(number, record.clone())).is_ok();
                    _ = next(&mut state, record).is_ok();
                }
            }
        }
    }
}
