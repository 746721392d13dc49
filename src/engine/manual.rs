//! Manual tasks: what a person is handed, how long they are waited for, what proves them done.

use std::time::Duration;

use serde_json::json;

use super::{Action, Change, EventKind, Executor, Failure, FailureKind, Phase, Step};
use crate::journal::{Completed, Waiting};
use crate::text;

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

    pub(super) fn is_waived(&self, step: &Step, phase: &Phase) -> bool {
        let state = self.context.journal.state();
        let task = state.tasks.get(task_name(step, phase).as_str());
        task.and_then(|task| task.completed.as_ref())
            .is_some_and(|done| done.waived.is_some())
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
}

/// What a person is handed for one phase.
struct Worksheet {
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
