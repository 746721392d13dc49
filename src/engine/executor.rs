//! The run: every step in order, every phase to its fixpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde_json::json;

use super::apply::{Place, launch, set};
use super::context::poll_interval;
use super::event::seconds;
use super::{
    Action, Barrier, Capture, Captured, Change, Context, EventKind, Failure, FailureKind, Known,
    Phase, Step, Survey, Work,
};
use crate::journal::{
    Capture as SealedRow, Completed, Failed, Finished, PhaseBegan, PhaseEnded, Record, StepBegan,
    StepEnded, StepOutcome, Waiting,
};
use crate::text;

/// How often a capture is listed anew when two listings in a row do not agree.
const LISTINGS: u32 = 5;

/// How often the evidence of a manual task is read while a person is at the terminal.
const EVIDENCE_INTERVAL: Duration = Duration::from_secs(30);

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
    /// Runs every step to its end, or to the first failure.
    pub async fn run(&self) -> Result<Outcome, Failure> {
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

    fn known(&self) -> Known {
        Known::from_journal(self.context.journal.state())
    }

    /// Lists until two listings in a row agree, then seals. A seal that is there already is read
    /// back and kept.
    async fn capture(&self, step: &Step, capture: &dyn Capture) -> Result<usize, Failure> {
        let known = self.known();
        let name = known.seal_name(capture.seal());
        let seal = name.as_str();
        if known.has_seal(capture.seal()) {
            self.context.journal.verify_seal(seal)?;
            return Ok(0);
        }
        let mut before = capture.list(&known).await?;
        for _ in 0..LISTINGS {
            self.context.may_begin()?;
            let after = capture.list(&known).await?;
            if fingerprints(&before) == fingerprints(&after) {
                let rows = after.into_iter().map(|row| SealedRow {
                    key: row.key,
                    etag: row.etag,
                    text: row.text,
                });
                let summary = self.context.journal.seal(seal, rows.collect()).await?;
                self.context.narrator.tell(EventKind::Sealed {
                    step: step.name.to_owned(),
                    seal: seal.to_owned(),
                    count: summary.count,
                });
                return Ok(0);
            }
            before = after;
        }
        Err(Failure::failed(format!(
            "{LISTINGS} listings in a row did not agree: the environment is being edited"
        ))
        .with_help("ask the others to stop editing it, then run again"))
    }

    /// Surveys and applies until nothing is left to do; returns passes and changes applied.
    async fn converge(
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
            let changes = survey.survey(&self.known()).await?;
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
                break;
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
            let mut progress = false;
            for (change, result) in self.apply_all(step, phase, changes, last).await {
                match result {
                    Ok(()) => {
                        applied += 1;
                        progress = true;
                    }
                    Err(failure) => {
                        failures.insert(change.key.clone(), named(&change, failure));
                    }
                }
            }
            self.context.may_begin()?;
            if let Some(failure) = failures.values().find(|failure| failure.ends_the_run()) {
                return Err(failure.clone());
            }
            if !progress && failures.values().all(|failure| !failure.passing) {
                return Err(together(failures.into_values().collect()));
            }
        }
        self.complete(step, phase).await?;
        self.hold(step, phase, survey).await?;
        Ok((pass, applied))
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

    /// All asks of a phase make one worksheet and one manual task. With a person at the terminal its
    /// evidence is polled until something has changed; else the run ends here, waiting.
    async fn ask(&self, step: &Step, phase: &Phase, asks: &[Change]) -> Result<(), Failure> {
        let task = task_name(step, phase);
        let worksheet = Worksheet::of(asks);
        let is_known = self
            .context
            .journal
            .state()
            .tasks
            .get(task.as_str())
            .is_some_and(|known| {
                known.completed.is_none() && known.waiting.worksheet == worksheet.value()
            });
        if !is_known {
            let record = Waiting {
                task: task.clone(),
                worksheet: worksheet.value(),
            };
            self.context.journal.append(record).await?;
        }
        if !is_known || !self.context.attended {
            self.context.narrator.tell(EventKind::ManualTask {
                task: task.clone(),
                instructions: worksheet.instructions.clone(),
                evidence: worksheet.evidence.clone(),
            });
        }
        if self.context.attended {
            let note = format!("{} left for you to do", text::count(asks.len(), "thing"));
            self.context
                .narrator
                .progress(step.name, &task, &note, Duration::ZERO);
            return self.context.pause(EVIDENCE_INTERVAL).await;
        }
        let names: Vec<&str> = asks.iter().map(|change| change.name.as_str()).collect();
        let failure = Failure::new(
            FailureKind::Waiting,
            format!("a person must act ({task}): {}", names.join("; ")),
        );
        Err(failure.with_help(format!(
            "do it, then run again, or prove it with `iomcopy complete RUNBOOK {task}`; read as proof: {}",
            worksheet.evidence.join("; ")
        )))
    }

    fn is_waived(&self, step: &Step, phase: &Phase) -> bool {
        let state = self.context.journal.state();
        let task = state.tasks.get(task_name(step, phase).as_str());
        task.and_then(|task| task.completed.as_ref())
            .is_some_and(|done| done.waived.is_some())
    }

    /// A manual task whose phase has come to its end is completed: the survey is the evidence.
    async fn complete(&self, step: &Step, phase: &Phase) -> Result<(), Failure> {
        let task = task_name(step, phase);
        let state = self.context.journal.state();
        if state
            .tasks
            .get(task.as_str())
            .is_some_and(|task| task.completed.is_none())
        {
            let evidence = json!({ "survey": "nothing is left to do" });
            let who = "survey".to_owned();
            self.context
                .journal
                .append(Completed {
                    task,
                    evidence,
                    who,
                    waived: None,
                })
                .await?;
        }
        Ok(())
    }

    /// Applies changes side by side, `concurrency` at once, each after those it follows. Once the
    /// run is asked to stop, nothing new is begun and what is under way is awaited.
    async fn apply_all(
        &self,
        step: &Step,
        phase: &Phase,
        changes: Vec<Change>,
        last: bool,
    ) -> Vec<(Change, Result<(), Failure>)> {
        let place = Place {
            step: step.name,
            phase: phase.name,
        };
        let mut open: BTreeSet<String> = changes.iter().map(|change| change.key.clone()).collect();
        let mut failed: BTreeSet<String> = BTreeSet::new();
        let mut queue = changes;
        let mut running = FuturesUnordered::new();
        let mut results = Vec::new();
        let mut stopping = false;
        loop {
            let mut held_back = Vec::new();
            for change in std::mem::take(&mut queue) {
                let blocked = change.follows.iter().any(|key| open.contains(key));
                if let Some(first) = change.follows.iter().find(|key| failed.contains(*key)) {
                    let failure =
                        Failure::failed(format!("not begun: it follows {first}, which failed"));
                    open.remove(&change.key);
                    failed.insert(change.key.clone());
                    results.push((change, Err(failure)));
                } else if stopping || blocked || running.len() >= step.concurrency {
                    held_back.push(change);
                } else {
                    running.push(async move {
                        let result = self.apply(place, &change, last).await;
                        (change, result)
                    });
                }
            }
            queue = held_back;
            if running.is_empty() && !stopping && !queue.is_empty() {
                // What follows each other in a circle is begun all the same: the service decides.
                let mut change = queue.remove(0);
                change.follows.clear();
                queue.insert(0, change);
                continue;
            }
            let Some((change, result)) = running.next().await else {
                break;
            };
            open.remove(&change.key);
            if let Err(failure) = &result {
                failed.insert(change.key.clone());
                stopping |= failure.ends_the_run();
            }
            stopping |= self.context.cancellation.asked();
            results.push((change, result));
        }
        results
    }

    async fn apply(&self, place: Place<'_>, change: &Change, last: bool) -> Result<(), Failure> {
        let narrator = &self.context.narrator;
        let began = self.context.clock.elapsed();
        narrator.tell(EventKind::ChangeBegan {
            step: place.step.to_owned(),
            phase: place.phase.to_owned(),
            key: change.key.clone(),
            name: change.name.clone(),
            kind: change.kind(),
        });
        let result = self.apply_kind(place, change).await;
        match &result {
            Ok(()) => narrator.tell(EventKind::ChangeDone {
                step: place.step.to_owned(),
                phase: place.phase.to_owned(),
                key: change.key.clone(),
                name: change.name.clone(),
                kind: change.kind(),
                elapsed: seconds(self.context.clock.elapsed().saturating_sub(began)),
            }),
            Err(failure) => narrator.tell(EventKind::ChangeFailed {
                step: place.step.to_owned(),
                phase: place.phase.to_owned(),
                key: change.key.clone(),
                name: change.name.clone(),
                message: failure.message.clone(),
                help: failure.help.clone(),
                again: failure.passing && !failure.ends_the_run() && !last,
            }),
        }
        result
    }

    async fn apply_kind(&self, place: Place<'_>, change: &Change) -> Result<(), Failure> {
        if change.is_destructive() && !self.confirmed.contains(&change.key) {
            return Err(unconfirmed(change));
        }
        match &change.action {
            Action::Set(set) => set::apply(&self.context, place, change, set.as_ref()).await,
            Action::Remove {
                set,
                seal,
                captured,
            } => {
                self.require_captured(seal, captured)?;
                set::apply(&self.context, place, change, set.as_ref()).await
            }
            Action::Launch(launch) => {
                launch::apply(&self.context, place, change, launch.as_ref()).await
            }
            Action::Ask(_) => Ok(()),
        }
    }

    /// Only what is in a verified seal may be removed; the seal is read back from the disk first.
    fn require_captured(&self, seal: &str, captured: &str) -> Result<(), Failure> {
        let seal = &self.known().seal_name(seal);
        self.context.journal.verify_seal(seal)?;
        let state = self.context.journal.state();
        let holds = state
            .verified_seal(seal)
            .is_some_and(|held| held.capture(captured).is_some());
        if holds {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "it is not in the seal '{seal}' ({captured}): not removed"
        ))
        .with_help("it appeared after the capture; look at it, then begin a new run"))
    }
}

/// What a person is handed for one phase.
pub(super) struct Worksheet {
    instructions: Vec<String>,
    evidence: Vec<String>,
}

impl Worksheet {
    fn of(asks: &[Change]) -> Self {
        let mut instructions: Vec<String> = Vec::new();
        let mut evidence: Vec<String> = Vec::new();
        for change in asks {
            if let Action::Ask(ask) = &change.action {
                for line in &ask.instructions {
                    if !instructions.contains(line) {
                        instructions.push(line.clone());
                    }
                }
                if !evidence.contains(&ask.evidence) {
                    evidence.push(ask.evidence.clone());
                }
            }
        }
        Self {
            instructions,
            evidence,
        }
    }

    fn value(&self) -> serde_json::Value {
        json!({ "instructions": self.instructions, "evidence": self.evidence })
    }
}

/// A manual task's name: `STEP/PHASE`.
fn task_name(step: &Step, phase: &Phase) -> String {
    format!("{}/{}", step.name, phase.name)
}

/// What two listings must agree on, by key.
fn fingerprints(rows: &[Captured]) -> BTreeMap<&str, &str> {
    rows.iter()
        .map(|row| {
            let version = row
                .etag
                .as_deref()
                .or(row.compared.as_deref())
                .unwrap_or(&row.text);
            (row.key.as_str(), version)
        })
        .collect()
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

fn unconfirmed(change: &Change) -> Failure {
    Failure::new(
        FailureKind::Unconfirmed,
        format!(
            "{}: it cannot be undone, and it was not in the plan that was confirmed",
            change.name
        ),
    )
    .with_help("look at `iomcopy plan`, then run again and confirm")
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
