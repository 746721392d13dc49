//! What a run does at this moment, from its events: for the table at a terminal.

use std::collections::BTreeMap;
use std::time::Duration;

use super::TaskCommands;
use super::change_counts::{StepCounts, known_total};
use super::documents::StepCondition;
use crate::base::redaction::redacted_line;
use crate::base::text::escape;
use crate::engine::{EventKind, StepLine, StepTotal};
use crate::journal::StepOutcome;

/// What a run does now. Times are those of the program's clock, since this process began.
#[derive(Debug, Default)]
pub(super) struct LiveRun {
    /// The steps of the run, in order.
    pub(super) steps: Vec<LiveStep>,
    /// The place of the running step among them.
    pub(super) running: Option<usize>,
    /// What the running step does.
    pub(super) current: Current,
    /// The arguments that name the runbook and its state file.
    arguments: String,
}

/// One step.
#[derive(Debug, Default)]
pub(super) struct LiveStep {
    pub(super) name: String,
    pub(super) condition: Condition,
    /// How many changes the plan has for it.
    pub(super) planned: Option<usize>,
    /// How many changes are made, also by a person.
    pub(super) done: usize,
    /// Once it has ended: what all processes of the run did in it.
    pub(super) total: Option<StepTotal>,
    /// How long it should take.
    pub(super) expected: Option<Duration>,
    /// For how long earlier processes worked on it, and since it ended also this one.
    pub(super) worked: Duration,
    /// How long it had taken before it was opened again.
    pub(super) before: Duration,
    /// When this process began it.
    pub(super) began: Duration,
    /// Is it done since an earlier process, and only surveyed again?
    pub(super) again: bool,
    /// Why it is skipped or does not begin.
    pub(super) note: Option<String>,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Condition {
    #[default]
    Waiting,
    Running,
    Done,
    Failed,
    Skipped,
    /// It needs something that failed.
    Blocked,
}

/// What the running step does.
#[derive(Debug, Default)]
pub(super) struct Current {
    pub(super) phase: String,
    /// The names of the changes that are being made, the newest last.
    pub(super) changes: Vec<String>,
    /// What the run waits for, with what the service reports about it and since when, by name.
    pub(super) waits: BTreeMap<String, Reported>,
    /// How many changes this phase has, also those of earlier processes, by its last survey.
    pub(super) found: usize,
    /// How many of them are made.
    pub(super) found_done: usize,
    /// What follows the manual task that waits for a person, if one does; its name is among `waits`.
    pub(super) task: Option<String>,
    /// The request that waits before it is sent again.
    pub(super) pause: Option<Pause>,
    /// The writes that have had no response for longer than usual, by address and request.
    pub(super) slow_writes: BTreeMap<(String, String), SlowWrite>,
    /// How many attempts of changes failed in this step and are tried again.
    pub(super) retries: usize,
    /// How often a request of this step waited, by the service's name.
    pub(super) pauses: BTreeMap<String, usize>,
}

/// What a service reports about what the run waits for.
#[derive(Debug)]
pub(super) struct Reported {
    pub(super) note: String,
    pub(super) since: Duration,
}

/// A write that has no response, although writes are usually answered by now. Texts as they came.
#[derive(Debug)]
pub(super) struct SlowWrite {
    pub(super) service: String,
    pub(super) since: Duration,
}

/// A request that waits before it is sent again.
#[derive(Debug)]
pub(super) struct Pause {
    pub(super) service: String,
    pub(super) reason: String,
    pub(super) until: Duration,
    pub(super) attempt: u32,
}

impl LiveRun {
    /// Takes in an event. Takes the present time.
    pub(super) fn update(&mut self, event: &EventKind, now: Duration) {
        match event {
            EventKind::RunBegan {
                steps, arguments, ..
            } => {
                self.steps = steps.iter().map(LiveStep::of).collect();
                self.arguments.clone_from(arguments);
            }
            EventKind::StepBegan { step } => self.begin_step(step, now),
            EventKind::StepNotBegun { step, why } => {
                if let Some(step) = self.step(step) {
                    step.condition = Condition::Blocked;
                    step.note = Some(escape(why).into_owned());
                }
            }
            EventKind::StepEnded {
                step,
                outcome,
                note,
                total,
                ..
            } => self.end_step(step, *outcome, note.as_deref(), *total),
            EventKind::PhaseBegan { phase, .. } => self.current.begin_phase(phase),
            EventKind::Surveyed {
                step,
                changes,
                done,
                done_in_phase,
                ..
            } => {
                self.current.found = done_in_phase + changes;
                self.current.found_done = *done_in_phase;
                if let Some(step) = self.step(step) {
                    step.done = *done;
                }
            }
            EventKind::ChangeBegan { name, .. } => {
                self.current.task = None;
                self.current.changes.push(escape(name).into_owned());
            }
            EventKind::ChangeDone { step, name, .. } => {
                self.current.end_change(name);
                self.current.found_done += 1;
                if let Some(step) = self.step(step) {
                    step.done += 1;
                }
            }
            EventKind::ChangeFailed { name, again, .. } => {
                self.current.end_change(name);
                self.current.retries += usize::from(*again);
            }
            EventKind::ChangeOpen { name, .. } => self.current.end_change(name),
            EventKind::ManualTask {
                task, needs_waiver, ..
            } => {
                let commands = TaskCommands::new(&self.arguments, task, *needs_waiver);
                self.current.task = Some(commands.while_waiting());
            }
            EventKind::Progress { .. }
            | EventKind::Waiting { .. }
            | EventKind::SlowWrite { .. }
            | EventKind::SlowWriteEnded { .. } => self.current.update_waits(event, now),
            EventKind::Sealed { .. }
            | EventKind::OperationResumed { .. }
            | EventKind::Noted { .. }
            | EventKind::RunEnded { .. } => {}
        }
    }

    fn step(&mut self, name: &str) -> Option<&mut LiveStep> {
        self.steps.iter_mut().find(|step| step.name == name)
    }

    fn begin_step(&mut self, name: &str, now: Duration) {
        self.running = self.steps.iter().position(|step| step.name == name);
        self.current = Current::default();
        if let Some(step) = self.step(name) {
            step.condition = Condition::Running;
            step.began = now;
        }
    }

    fn end_step(&mut self, name: &str, outcome: StepOutcome, note: Option<&str>, total: StepTotal) {
        self.running = None;
        self.current = Current::default();
        let Some(step) = self.step(name) else { return };
        step.worked = Duration::try_from_secs_f64(total.seconds).unwrap_or_default();
        step.total = Some(total);
        step.condition = match outcome {
            StepOutcome::Done => Condition::Done,
            StepOutcome::Skipped => Condition::Skipped,
            StepOutcome::Failed => Condition::Failed,
        };
        step.note = note.map(redacted_line);
    }

    /// The running step.
    pub(super) fn running_step(&self) -> Option<&LiveStep> {
        self.running.and_then(|at| self.steps.get(at))
    }

    /// How many changes are made, of how many: of the running step where its plan is known, else of
    /// the running phase. None if nothing is to be made.
    pub(super) fn progress(&self) -> Option<(usize, usize)> {
        let step = self.running_step()?;
        let current = &self.current;
        let left = current.found.saturating_sub(current.found_done);
        let (done, all) = match known_total(step.planned, step.done + left) {
            Some(planned) => (step.done, planned),
            None => (current.found_done, current.found.max(current.found_done)),
        };
        (all > 0).then_some((done, all))
    }
}

impl LiveStep {
    fn of(line: &StepLine) -> Self {
        let seconds = |seconds: Option<u64>| seconds.map(Duration::from_secs);
        Self {
            name: line.name.clone(),
            planned: line.changes,
            done: line.done.unwrap_or_default(),
            expected: seconds(line.expected_seconds),
            worked: seconds(line.worked_seconds).unwrap_or_default(),
            before: seconds(line.seconds_before).unwrap_or_default(),
            again: line.ended == Some(StepOutcome::Done),
            note: line.skip.as_deref().map(|why| escape(why).into_owned()),
            ..Self::default()
        }
    }

    /// How many changes of a step that has ended are made, as text.
    pub(super) fn describe_changes(&self) -> String {
        let condition = match self.condition {
            Condition::Failed => StepCondition::Failed,
            _ => StepCondition::Done,
        };
        let total = self.total.unwrap_or_default();
        StepCounts::of_total(&total, self.planned).describe(condition)
    }

    /// What follows the changes and the time of a step that is done.
    pub(super) fn describe_rest(&self) -> String {
        let total = self.total.unwrap_or_default();
        match self.condition {
            Condition::Done => {
                StepCounts::of_total(&total, self.planned).describe_rest(StepCondition::Done)
            }
            _ => String::new(),
        }
    }

    /// For how long processes have worked on the running step. Another survey of a step that was
    /// done before does not make it longer.
    pub(super) fn elapsed(&self, now: Duration) -> Duration {
        if self.again {
            return self.worked;
        }
        self.worked.saturating_add(self.since_begin(now))
    }

    /// For how long this process has worked on the running step.
    pub(super) fn since_begin(&self, now: Duration) -> Duration {
        now.saturating_sub(self.began)
    }
}

impl Current {
    fn begin_phase(&mut self, phase: &str) {
        *self = Self {
            phase: escape(phase).into_owned(),
            retries: self.retries,
            pauses: std::mem::take(&mut self.pauses),
            ..Self::default()
        };
    }

    fn end_change(&mut self, name: &str) {
        let name = escape(name);
        self.changes.retain(|begun| *begun != name);
        self.waits.remove(&*name);
    }

    /// Takes in a transient event.
    fn update_waits(&mut self, event: &EventKind, now: Duration) {
        match event {
            EventKind::Progress {
                name,
                note,
                elapsed,
                ..
            } => self.report(name, note, *elapsed, now),
            EventKind::Waiting {
                service,
                reason,
                seconds,
                attempt,
            } => {
                let service = escape(service).into_owned();
                *self.pauses.entry(service.clone()).or_default() += 1;
                let wait = Duration::try_from_secs_f64(*seconds).unwrap_or_default();
                self.pause = Some(Pause {
                    service,
                    reason: escape(reason).into_owned(),
                    until: now.saturating_add(wait),
                    attempt: *attempt,
                });
            }
            EventKind::SlowWrite {
                service,
                address,
                request,
                elapsed,
            } => {
                let elapsed = Duration::try_from_secs_f64(*elapsed).unwrap_or_default();
                let write = SlowWrite {
                    service: service.clone(),
                    since: now.saturating_sub(elapsed),
                };
                let key = (address.clone(), request.clone());
                self.slow_writes.insert(key, write);
            }
            EventKind::SlowWriteEnded { address, request } => {
                self.slow_writes.remove(&(address.clone(), request.clone()));
            }
            _ => {}
        }
    }

    fn report(&mut self, name: &str, note: &str, elapsed: f64, now: Duration) {
        let elapsed = Duration::try_from_secs_f64(elapsed).unwrap_or_default();
        let name = escape(name).into_owned();
        // A wait for a person reports no time.
        let earlier = self.waits.get(&name).filter(|_| elapsed.is_zero());
        let since = earlier.map_or(now.saturating_sub(elapsed), |earlier| earlier.since);
        let note = redacted_line(note);
        self.waits.insert(name, Reported { note, since });
    }
}
