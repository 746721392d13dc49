//! Manual tasks: what a person is handed, how long they are waited for, what proves them done.

use std::sync::PoisonError;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Action, Change, EventKind, Executor, Failure, FailureKind, Phase, Step};
use crate::base::text;
use crate::journal::{Completed, Done, Intent, Record, Stamped, State, Waiting};

/// How often the evidence of a manual task is read while a person is at the terminal.
const EVIDENCE_INTERVAL: Duration = Duration::from_secs(30);

impl Executor {
    /// All asks of a phase make one worksheet and one manual task. With a person at the terminal its
    /// evidence is polled until something has changed; else the run ends here, waiting.
    pub(super) async fn ask(
        &self,
        step: &Step,
        phase: &Phase,
        asks: &[Change],
    ) -> Result<(), Failure> {
        let task = task_name(step, phase);
        let worksheet = Worksheet::of(asks);
        // Of a task that is half done the rest is asked for, and that is nothing new.
        let is_known = self
            .context
            .journal
            .state()
            .tasks
            .get(task.as_str())
            .is_some_and(|known| {
                known.completed.is_none() && worksheet.is_part_of(&known.waiting.worksheet)
            });
        let mut records = self.handed_out(step, phase, asks);
        if !is_known {
            let waiting = Waiting {
                task: task.clone(),
                worksheet: worksheet.value(),
            };
            records.insert(0, Record::from(waiting));
        }
        if !records.is_empty() {
            self.context.journal.append_all(records).await?;
        }
        // Another process showed it to somebody who may have closed that window since.
        let was_shown = self.was_shown(&task);
        if !is_known || !self.context.attended || !was_shown {
            self.context.narrator.tell(EventKind::ManualTask {
                task: task.clone(),
                things: worksheet.things.len(),
                instructions: worksheet.instructions.clone(),
                evidence: worksheet.evidence.clone(),
            });
        }
        if self.context.attended {
            let note = format!("{} left for you to do", text::count(asks.len(), "thing"));
            self.wait_for_person(step, &task, &note).await
        } else {
            Err(worksheet.undone(&task))
        }
    }

    /// Did this process show the worksheet of this task already? It is shown when the task is new, and
    /// once in each process that waits for it.
    fn was_shown(&self, task: &str) -> bool {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        !shown.insert(task.to_owned())
    }

    /// The records of what a person is handed now and was not handed before.
    fn handed_out(&self, step: &Step, phase: &Phase, asks: &[Change]) -> Vec<Record> {
        let state = self.context.journal.state();
        let is_open = |change: &&Change| {
            let ask = state.asks.get(change.key.as_str());
            ask.is_some_and(|ask| ask.done.is_none())
        };
        let new = asks.iter().filter(|change| !is_open(change));
        let records = new.map(|change| {
            Record::from(Intent {
                step: step.name.to_owned(),
                phase: phase.name.to_owned(),
                key: change.key.clone(),
                kind: change.kind(),
                name: change.name.clone(),
                before: change.before.clone(),
                after: change.after.clone(),
                detail: Value::Null,
            })
        });
        records.collect()
    }

    /// Records what a person has done of what they were handed: the survey no longer finds it. Takes
    /// what the survey found.
    pub(super) async fn record_by_hand(
        &self,
        step: &Step,
        phase: &Phase,
        found: &[Change],
    ) -> Result<(), Failure> {
        let state = self.context.journal.state();
        let done = done_by_hand(&state, &task_name(step, phase), found);
        if !done.is_empty() {
            self.context.journal.append_all(done).await?;
        }
        Ok(())
    }

    /// Waits until the evidence of a manual task is worth reading again. Takes what is said meanwhile.
    async fn wait_for_person(&self, step: &Step, task: &str, note: &str) -> Result<(), Failure> {
        self.context
            .narrator
            .progress(step.name, task, note, Duration::ZERO);
        self.context.pause(EVIDENCE_INTERVAL).await
    }

    /// What follows when a phase cannot be surveyed: while a person at the terminal is waited for,
    /// evidence that cannot be read just now is neither done nor not done, and is read again later.
    pub(super) async fn unreadable(
        &self,
        step: &Step,
        phase: &Phase,
        failure: Failure,
    ) -> Result<(), Failure> {
        let task = task_name(step, phase);
        let state = self.context.journal.state();
        let waits = state.waiting().any(|task_| task_.waiting.task == task);
        if !waits || failure.kind != FailureKind::Temporary {
            return Err(failure);
        }
        if !self.context.attended {
            return Err(failure.during(unreadable_evidence(&task)));
        }
        let note = format!("the evidence cannot be read: {}", failure.message);
        self.wait_for_person(step, &task, &note).await
    }

    /// Did a person say, with a reason, that this phase is to go on without its evidence?
    pub(super) fn is_waived(&self, step: &Step, phase: &Phase) -> bool {
        self.known().is_waived(&task_name(step, phase))
    }

    /// A manual task whose phase has come to its end is completed: the survey is the evidence.
    pub(super) async fn complete(&self, step: &Step, phase: &Phase) -> Result<(), Failure> {
        let task = task_name(step, phase);
        let state = self.context.journal.state();
        if state
            .tasks
            .get(task.as_str())
            .is_some_and(|task| task.completed.is_none())
        {
            let done = proved(&task, "survey".to_owned());
            self.context.journal.append(done).await?;
        }
        Ok(())
    }
}

/// The records of what a person has done of a manual task (`STEP/PHASE`): each change that they were
/// handed, that the phase's survey no longer finds, and that the program did not make itself since.
/// Takes what the survey found.
pub fn done_by_hand(state: &State, task: &str, found: &[Change]) -> Vec<Record> {
    let by_program = |intent: &Stamped<Intent>| {
        let set = state.set(&intent.key).map(|set| set.intent.number);
        let launch = state.launch(&intent.key);
        let launch = launch.map(|launch| launch.intent.number);
        set.max(launch) > Some(intent.number)
    };
    let asks = state.asks.values().filter(|ask| {
        let intent = &ask.intent;
        ask.done.is_none()
            && task.split_once('/') == Some((intent.step.as_str(), intent.phase.as_str()))
            && !by_program(intent)
            && !found.iter().any(|change| change.key == intent.key)
    });
    let done = asks.map(|ask| {
        Record::from(Done {
            key: ask.intent.key.clone(),
            observed: json!({ "survey": "nothing is left to do" }),
        })
    });
    done.collect()
}

/// The record that a manual task is done: its phase's survey finds nothing. Takes who had it read.
pub fn proved(task: &str, who: String) -> Completed {
    Completed {
        task: task.to_owned(),
        evidence: json!({ "survey": "nothing is left to do" }),
        who,
        waived: None,
    }
}

/// What is said before the reason why the evidence of a manual task cannot be read.
pub fn unreadable_evidence(task: &str) -> String {
    format!("the evidence of {task} cannot be read, so it is neither done nor not done")
}

/// What a person is handed for one phase, or what is left of it.
pub struct Worksheet {
    things: Vec<String>,
    instructions: Vec<String>,
    evidence: Vec<String>,
}

impl Worksheet {
    /// The worksheet of what a survey found; what is no ask is named and has no instructions.
    pub fn of(left: &[Change]) -> Self {
        let mut instructions: Vec<String> = Vec::new();
        let mut evidence: Vec<String> = Vec::new();
        for change in left {
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
            things: left.iter().map(|change| change.name.clone()).collect(),
            instructions,
            evidence,
        }
    }

    /// That a task is not done: what is left, by name, and what will be read as proof.
    pub fn undone(&self, task: &str) -> Failure {
        let failure = Failure::new(
            FailureKind::Waiting,
            format!(
                "a person must act ({task}), {} left: {}",
                text::count(self.things.len(), "thing"),
                self.things.join("; ")
            ),
        );
        failure.with_help(format!(
            "do it, then run again, or prove it with `iomcopy complete RUNBOOK {task}`; read as proof: {}",
            self.evidence.join("; ")
        ))
    }

    /// What to do, a line each, with the exact names.
    pub fn instructions(&self) -> &[String] {
        &self.instructions
    }

    /// Is every instruction of it in a worksheet that was handed out?
    fn is_part_of(&self, handed: &Value) -> bool {
        let lines = handed.get("instructions").and_then(Value::as_array);
        lines.is_some_and(|lines| {
            let is_there = |line: &String| lines.iter().any(|handed| handed == line);
            self.instructions.iter().all(is_there)
        })
    }

    fn value(&self) -> Value {
        json!({
            "things": self.things,
            "instructions": self.instructions,
            "evidence": self.evidence,
        })
    }
}

/// A manual task's name: `STEP/PHASE`.
pub(super) fn task_name(step: &Step, phase: &Phase) -> String {
    format!("{}/{}", step.name, phase.name)
}
