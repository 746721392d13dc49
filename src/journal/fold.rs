//! The one function that decides which record may follow which. The writer asks it before it
//! writes, and replay asks it of what it reads, so that a file which a run could not have written
//! is seen as such.
//!
//! Each arm looks before it changes anything: a refused record leaves the state as it was.

mod changes;
mod seals;
mod steps;

use super::error::IllegalTransition;
use super::record::{Entry, Record, RunId};
use super::state::{Stamped, State};

/// Why a record may not follow; its number and kind are added by [`State::next`].
type Refused = String;

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
            plan_digest: None,
            repinned: None,
            steps: Vec::new(),
            running: None,
            launches: [].into(),
            sets: [].into(),
            seals: [].into(),
            abandoned: Vec::new(),
            tasks: [].into(),
            failures: Vec::new(),
            finished: None,
            next_number: 2,
            last_time: entry.time,
        })
    }

    /// Goes on by one record, or refuses it and stays as it was. A record of an unknown kind
    /// changes nothing but the number: whoever may not go on past it refuses it before.
    pub fn next(&mut self, entry: &Entry) -> Result<(), IllegalTransition> {
        if entry.number != self.next_number {
            let why = format!("its number is not {}", self.next_number);
            return Err(illegal(entry, why));
        }
        self.require_place(&entry.record)
            .and_then(|()| self.apply(entry))
            .map_err(|why| illegal(entry, why))?;
        self.step_over(entry);
        Ok(())
    }

    /// Goes on past a record without believing it, as a reader of a newer format has to.
    pub(super) fn step_over(&mut self, entry: &Entry) {
        self.next_number = entry.number.saturating_add(1);
        self.last_time = entry.time;
    }

    /// May a record of this kind stand here at all?
    fn require_place(&self, record: &Record) -> Result<(), Refused> {
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
            );
        if self.finished.is_some() && !may_follow_the_end {
            return Err("the run has finished".to_owned());
        }
        Ok(())
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), Refused> {
        match &entry.record {
            Record::Began(_) => return Err("the run has begun already".to_owned()),
            Record::Opened(opened) => {
                self.opened = Some(Stamped::new(entry, opened));
                self.closed = None;
                self.openings = self.openings.saturating_add(1);
                self.running = None;
                self.failures.clear();
                self.void_unsealed();
            }
            Record::Closed(closed) => {
                self.closed = Some(Stamped::new(entry, closed));
                self.running = None;
            }
            Record::Confirmed(confirmed) => self.confirmed = Some(Stamped::new(entry, confirmed)),
            Record::RunbookChanged(changed) => self.runbook_digest.clone_from(&changed.digest),
            Record::Planned(planned) => self.plan_digest = Some(planned.digest.clone()),
            Record::StepBegan(began) => self.step_began(entry, began)?,
            Record::StepEnded(ended) => self.step_ended(entry, ended)?,
            Record::PhaseBegan(began) => self.phase_began(entry, began)?,
            Record::PhaseEnded(ended) => self.phase_ended(entry, ended)?,
            Record::Captured(captured) => self.captured(captured)?,
            Record::Sealed(sealed) => self.sealed(entry, sealed)?,
            Record::SealVerified(verified) => self.seal_verified(verified)?,
            Record::Intent(intent) => self.intent(entry, intent)?,
            Record::Launched(launched) => self.launched(entry, launched)?,
            Record::Ended(ended) => self.ended(entry, ended)?,
            Record::Verified(verified) => self.verified(entry, verified)?,
            Record::Done(done) => self.done(entry, done)?,
            Record::Failed(failed) => self.failures.push(Stamped::new(entry, failed)),
            Record::Waiting(waiting) => self.waits(entry, waiting),
            Record::Completed(completed) => self.completed(entry, completed)?,
            Record::Repinned(repinned) => self.repinned = Some(Stamped::new(entry, repinned)),
            Record::Abandoned(abandoned) => self.abandoned(abandoned)?,
            Record::Finished(_) => self.finish(entry)?,
            Record::Takeover(_) | Record::Cut(_) | Record::Unknown { .. } => {}
        }
        Ok(())
    }

    fn finish(&mut self, entry: &Entry) -> Result<(), Refused> {
        if let Some((step, _)) = &self.running {
            return Err(format!("the step `{step}` has not ended"));
        }
        if let Some(launch) = self.launches_in_doubt().next() {
            return Err(format!(
                "how the launch `{}` ended is not known",
                launch.intent.key
            ));
        }
        if let Some(task) = self.waiting().next() {
            return Err(format!("the task `{}` waits", task.waiting.task));
        }
        self.finished = Some(entry.time);
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
