//! `iomcopy complete`: a manual task is done: the evidence is read and recorded, or waived.

use serde_json::json;

use super::arguments::{CompleteArguments, Output};
use super::confirm::who;
use super::exit::DONE;
use super::session::Session;
use super::{connect, document};
use crate::clock::Clock;
use crate::engine::{
    Failure, FailureKind, Known, Narrator, Phase, Work, Worksheet, proved, unreadable_evidence,
};
use crate::journal::{self, Completed, Opening};
use crate::report::{CompleteDocument, TaskOutcome, Version, document as written};
use crate::steps;
use crate::text::escape;

/// Reads the evidence of a task from the tenant and records it; with `--waive`, records that it was
/// waived, by whom and why. For a run that has exited: one that still waits polls the evidence
/// itself, and holds the state file's lock.
pub(super) async fn complete(
    session: &Session,
    arguments: &CompleteArguments,
) -> Result<u8, Failure> {
    let runbook = document::read(&arguments.runbook)?;
    let path = session.state_path(&arguments.runbook, &runbook.name.value);
    let opening = journal::resume(&path, Clock::new(1.0), false)?;
    let result = record(session, arguments, runbook, &opening).await;
    let (reason, exit, message) = match &result {
        Ok(_) => ("waiting", DONE, None),
        Err(failure) => (
            "waiting",
            session.code(failure.kind),
            Some(failure.message.clone()),
        ),
    };
    opening.journal.close(reason, exit, message).await?;
    result
}

async fn record(
    session: &Session,
    arguments: &CompleteArguments,
    runbook: crate::runbook::Runbook,
    opening: &Opening,
) -> Result<u8, Failure> {
    let task = &arguments.task;
    let state = opening.journal.state();
    if !state.waiting().any(|waiting| waiting.waiting.task == *task) {
        let open: Vec<&str> = state
            .waiting()
            .map(|waiting| waiting.waiting.task.as_str())
            .collect();
        let open = if open.is_empty() {
            "none is".to_owned()
        } else {
            format!("open: {}", open.join(", "))
        };
        return Err(Failure::new(
            FailureKind::Wrong,
            format!("no task '{task}' is open; {open}"),
        ));
    }
    if let Some(reason) = &arguments.waive {
        let waived = Completed {
            task: task.clone(),
            evidence: json!("waived"),
            who: who(),
            waived: Some(reason.clone()),
        };
        opening.journal.append(waived).await?;
        let line = format!("waived: {task} ({reason}); it stands in the state file");
        let outcome = TaskOutcome::Waived;
        tell(session, task, outcome, Some(reason), &line);
        return Ok(DONE);
    }
    let connected =
        connect::connect(session, runbook, |clock| Narrator::new(clock, Vec::new())).await?;
    let list = steps::all(&connected.refresh);
    let phase = find(&list, task)?;
    let Work::Changes(survey) = &phase.work else {
        return Err(Failure::new(
            FailureKind::Wrong,
            format!("'{task}' is no phase that a person completes"),
        ));
    };
    let known = Known::from_journal(state);
    let left = survey.survey(&known).await;
    connected.stop().await;
    let left = left.map_err(|failure| failure.during(unreadable_evidence(task)))?;
    if !left.is_empty() {
        let worksheet = Worksheet::of(&left);
        for line in worksheet.instructions() {
            session.printer.remark(&format!("  [ ] {}", escape(line)));
        }
        return Err(worksheet.undone(task));
    }
    opening.journal.append(proved(task, who())).await?;
    let line = format!("done: {task}; the tenant shows it");
    tell(session, task, TaskOutcome::Done, None, &line);
    Ok(DONE)
}

/// Says how the task ended: as one line, or as one JSON document.
fn tell(session: &Session, task: &str, outcome: TaskOutcome, reason: Option<&String>, line: &str) {
    session.printer.data(&match session.output {
        Output::Human => line.to_owned(),
        Output::Json => written(&CompleteDocument {
            v: Version,
            task: task.to_owned(),
            outcome,
            reason: reason.cloned(),
        }),
    });
}

fn find<'a>(list: &'a [crate::engine::Step], task: &str) -> Result<&'a Phase, Failure> {
    let (step, phase) = task.split_once('/').unwrap_or((task, ""));
    let found = list
        .iter()
        .filter(|candidate| candidate.name == step)
        .flat_map(|candidate| &candidate.phases)
        .find(|candidate| candidate.name == phase);
    found.ok_or_else(|| Failure::new(FailureKind::Wrong, format!("no step has a phase '{task}'")))
}
