//! `iomcopy complete`: a manual task is done: the evidence is read and recorded, or waived.

use std::sync::Arc;

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
use crate::journal::{self, Completed, Held, State};
use crate::report::{CompleteDocument, TaskOutcome, Version, document as written};
use crate::runbook::Runbook;
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
    let held = journal::hold(&path, Clock::new(1.0).time_of_day(), false)?;
    let task = &arguments.task;
    require_open(&held.state(), task)?;
    if let Some(reason) = &arguments.waive {
        let waived = Completed {
            task: task.clone(),
            evidence: json!("waived"),
            who: who(),
            waived: Some(reason.clone()),
        };
        record(session, held, waived).await?;
        let line = format!("waived: {task} ({reason}); it stands in the state file");
        let outcome = TaskOutcome::Waived;
        tell(session, task, outcome, Some(reason), &line);
        return Ok(DONE);
    }
    prove(session, runbook, &held.state(), task).await?;
    record(session, held, proved(task, who())).await?;
    let line = format!("done: {task}; the tenant shows it");
    tell(session, task, TaskOutcome::Done, None, &line);
    Ok(DONE)
}

/// Refuses a task that does not wait for a person.
fn require_open(state: &State, task: &str) -> Result<(), Failure> {
    if state.waiting().any(|waiting| waiting.waiting.task == *task) {
        return Ok(());
    }
    let open: Vec<&str> = state
        .waiting()
        .map(|waiting| waiting.waiting.task.as_str())
        .collect();
    let open = if open.is_empty() {
        "none is".to_owned()
    } else {
        format!("open: {}", open.join(", "))
    };
    Err(Failure::new(
        FailureKind::Wrong,
        format!("no task '{task}' is open; {open}"),
    ))
}

/// Opens the state file for this one record: a call that is refused leaves it as it was.
async fn record(session: &Session, held: Held, completed: Completed) -> Result<(), Failure> {
    let opening = held.open(Clock::new(1.0))?;
    session.warn(&opening.warnings);
    opening.journal.append(completed).await?;
    opening.journal.close("waiting", DONE, None).await?;
    Ok(())
}

/// Reads the evidence of a task from the tenant; fails with what is left where it is not done.
async fn prove(
    session: &Session,
    runbook: Runbook,
    state: &Arc<State>,
    task: &str,
) -> Result<(), Failure> {
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
    let known = Known::from_journal(Arc::clone(state));
    let left = survey.survey(&known).await;
    connected.stop().await;
    let left = left.map_err(|failure| failure.during(unreadable_evidence(task)))?;
    if left.is_empty() {
        return Ok(());
    }
    let worksheet = Worksheet::of(&left);
    for line in worksheet.instructions() {
        session.printer.remark(&format!("  [ ] {}", escape(line)));
    }
    Err(worksheet.undone(task))
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
