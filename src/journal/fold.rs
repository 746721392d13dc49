//! The one function that decides which record may follow which. The writer asks it before it
//! writes, and replay asks it of what it reads, so that a file which a run could not have written
//! is seen as such.
//!
//! Each arm looks before it changes anything: a refused record leaves the state as it was.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::text;

use super::error::IllegalTransition;
use super::payload::{
    Abandoned, Captured, ChangeKind, Completed, Done, Ended, Intent, LaunchOutcome, Launched,
    PhaseBegan, PhaseEnded, SealVerified, Sealed, StepBegan, StepEnded, StepOutcome, Verified,
    Waiting,
};
use super::record::{Entry, Record, RunId};
use super::seal::manifest_digest;
use super::state::{
    CapturedRow, ChangeState, LaunchState, Manifest, PhaseState, SealState, Stamped, State,
    StepState, TaskState,
};

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

    fn step_began(&mut self, entry: &Entry, began: &StepBegan) -> Result<(), Refused> {
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

    fn step_ended(&mut self, entry: &Entry, ended: &StepEnded) -> Result<(), Refused> {
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

    fn phase_began(&mut self, entry: &Entry, began: &PhaseBegan) -> Result<(), Refused> {
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

    fn phase_ended(&mut self, entry: &Entry, ended: &PhaseEnded) -> Result<(), Refused> {
        self.require_running(&ended.step, &ended.phase)?;
        self.running = Some((ended.step.clone(), None));
        let step = self.step_entry(entry, &ended.step);
        if let Some(phase) = step.phases.iter_mut().find(|p| p.phase == ended.phase) {
            phase.ended = Some(entry.time);
            phase.passes = ended.passes;
            phase.changes = ended.changes;
        }
        Ok(())
    }

    fn require_running(&self, step: &str, phase: &str) -> Result<(), Refused> {
        match &self.running {
            Some((running, Some(within))) if running == step && within == phase => Ok(()),
            _ => Err(format!("the phase `{step}/{phase}` is not running")),
        }
    }

    fn captured(&mut self, captured: &Captured) -> Result<(), Refused> {
        let name = &captured.seal;
        if self.seal(name).is_some_and(|seal| seal.verified) {
            return Err(format!("the seal `{name}` is closed and verified"));
        }
        if text::sha256(captured.text.as_bytes()) != captured.sha256 {
            return Err(format!(
                "the text of `{}` is not the one whose digest it carries",
                captured.key
            ));
        }
        let row = Arc::new(CapturedRow {
            key: captured.key.clone(),
            etag: captured.etag.clone(),
            text: captured.text.clone(),
            sha256: captured.sha256.clone(),
        });
        let seal = Arc::make_mut(self.seal_entry(name));
        // Closed but never verified: nothing was destroyed on its word, and it begins anew.
        if seal.manifest.take().is_some() {
            seal.captures.clear();
        }
        seal.captures.push(row);
        Ok(())
    }

    fn sealed(&mut self, entry: &Entry, sealed: &Sealed) -> Result<(), Refused> {
        let name = &sealed.seal;
        let rows = match self.seal(name) {
            Some(seal) if seal.verified => {
                return Err(format!("the seal `{name}` is closed and verified"));
            }
            // Where nothing was captured since it was closed, there is nothing to close.
            Some(seal) if seal.manifest.is_some() => &[],
            Some(seal) => seal.captures.as_slice(),
            None => &[],
        };
        if rows.len() != sealed.count {
            return Err(format!(
                "the seal `{name}` counts {} and {} stand before it",
                sealed.count,
                text::count(rows.len(), "capture"),
            ));
        }
        if manifest_digest(rows) != sealed.sha256 {
            return Err(format!(
                "the digest of the seal `{name}` is not that of its captures"
            ));
        }
        let mut keys = BTreeSet::new();
        if let Some(twice) = rows.iter().find(|row| !keys.insert(&row.key)) {
            return Err(format!("the seal `{name}` holds `{}` twice", twice.key));
        }
        let first = entry.number.saturating_sub(rows.len() as u64);
        let seal = Arc::make_mut(self.seal_entry(name));
        seal.captures.truncate(sealed.count);
        seal.manifest = Some(Manifest {
            count: sealed.count,
            sha256: sealed.sha256.clone(),
            time: entry.time,
            records: (first, entry.number),
        });
        Ok(())
    }

    fn seal_verified(&mut self, verified: &SealVerified) -> Result<(), Refused> {
        let Some(seal) = self
            .seals
            .get_mut(verified.seal.as_str())
            .filter(|seal| seal.manifest.is_some())
        else {
            return Err(format!("the seal `{}` is not closed", verified.seal));
        };
        let seal = Arc::make_mut(seal);
        seal.verified = true;
        seal.copy.clone_from(&verified.copy);
        Ok(())
    }

    fn seal_entry(&mut self, name: &str) -> &mut Arc<SealState> {
        self.seals.entry(name.into()).or_insert_with(|| {
            Arc::new(SealState {
                seal: name.to_owned(),
                captures: Vec::new(),
                manifest: None,
                verified: false,
                copy: None,
            })
        })
    }

    /// Drops the captures that were not sealed: whoever captured them did not reach the end, and
    /// what they show may have changed since.
    fn void_unsealed(&mut self) {
        self.seals.retain(|_, seal| seal.manifest.is_some());
    }

    fn abandoned(&mut self, abandoned: &Abandoned) -> Result<(), Refused> {
        if let Some(unknown) = abandoned
            .seals
            .iter()
            .find(|name| self.seal(name).is_none())
        {
            return Err(format!("there is no seal `{unknown}`"));
        }
        for name in &abandoned.seals {
            self.seals.remove(name.as_str());
            self.abandoned.push(name.clone());
        }
        Ok(())
    }

    fn intent(&mut self, entry: &Entry, intent: &Intent) -> Result<(), Refused> {
        self.require_running(&intent.step, &intent.phase)?;
        let key = &intent.key;
        let stamped = Stamped::new(entry, intent);
        if intent.kind != ChangeKind::Launch {
            if self.launch(key).is_some() {
                return Err(format!("`{key}` is a launch"));
            }
            let change = ChangeState {
                intent: stamped,
                done: None,
            };
            self.sets.insert(key.as_str().into(), Arc::new(change));
            return Ok(());
        }
        if self.set(key).is_some() {
            return Err(format!("`{key}` is not a launch"));
        }
        let attempt = match self.launch(key) {
            None => 1,
            Some(launch) => match launch.outcome() {
                Some(LaunchOutcome::Failed | LaunchOutcome::Absent) => {
                    launch.attempt.saturating_add(1)
                }
                Some(LaunchOutcome::Succeeded) => {
                    return Err(format!("the launch `{key}` has succeeded already"));
                }
                None => return Err(format!("how the launch `{key}` ended is not known")),
            },
        };
        let launch = LaunchState {
            intent: stamped,
            attempt,
            launched: None,
            ended: None,
            verified: None,
        };
        self.launches.insert(key.as_str().into(), Arc::new(launch));
        Ok(())
    }

    fn launched(&mut self, entry: &Entry, launched: &Launched) -> Result<(), Refused> {
        let launch = self.open_launch(&launched.key)?;
        if launch.launched.is_some() {
            return Err(format!(
                "the launch `{}` has a handle already",
                launched.key
            ));
        }
        launch.launched = Some(Stamped::new(entry, launched));
        Ok(())
    }

    fn ended(&mut self, entry: &Entry, ended: &Ended) -> Result<(), Refused> {
        let launch = self.open_launch(&ended.key)?;
        launch.ended = Some(Stamped::new(entry, ended));
        Ok(())
    }

    /// The launch of this key that has an intent and no end.
    fn open_launch(&mut self, key: &str) -> Result<&mut LaunchState, Refused> {
        match self.launches.get_mut(key) {
            None => Err(format!("there is no intent for the launch `{key}`")),
            Some(launch) if launch.ended.is_some() => {
                Err(format!("the launch `{key}` has ended already"))
            }
            Some(launch) => Ok(Arc::make_mut(launch)),
        }
    }

    fn verified(&mut self, entry: &Entry, verified: &Verified) -> Result<(), Refused> {
        let key = &verified.key;
        match self.launches.get_mut(key.as_str()) {
            Some(launch) if launch.outcome() == Some(LaunchOutcome::Succeeded) => {
                Arc::make_mut(launch).verified = Some(Stamped::new(entry, verified));
                Ok(())
            }
            Some(_) => Err(format!("the launch `{key}` has not ended well")),
            None => Err(format!("there is no intent for the launch `{key}`")),
        }
    }

    fn done(&mut self, entry: &Entry, done: &Done) -> Result<(), Refused> {
        match self.sets.get_mut(done.key.as_str()) {
            None => Err(format!("there is no intent for `{}`", done.key)),
            Some(change) if change.done.is_some() => Err(format!("`{}` is done already", done.key)),
            Some(change) => {
                Arc::make_mut(change).done = Some(Stamped::new(entry, done));
                Ok(())
            }
        }
    }

    fn waits(&mut self, entry: &Entry, waiting: &Waiting) {
        let task = TaskState {
            waiting: Stamped::new(entry, waiting),
            completed: None,
        };
        self.tasks
            .insert(waiting.task.as_str().into(), Arc::new(task));
    }

    fn completed(&mut self, entry: &Entry, completed: &Completed) -> Result<(), Refused> {
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
