//! `iomcopy complete`: a manual task is done: the evidence is read and recorded, or waived.

use std::sync::Arc;

use serde_json::json;

use super::actor::who;
use super::arguments::{CompleteArguments, Output};
use super::exit::DONE;
use super::session::Session;
use super::{connect, document};
use crate::base::clock::Clock;
use crate::base::text::escape;
use crate::engine::{
    Failure, FailureKind, Known, Narrator, Phase, Work, Worksheet, done_by_hand, proved,
    unreadable_evidence,
};
use crate::journal::{self, Completed, Held, Record, State};
use crate::report::{CompleteDocument, TaskOutcome, Version, document as written};
use crate::runbook::Runbook;
use crate::steps;

/// Reads the evidence of a task from the tenant and records it; with `--waive`, records that it was
/// waived, by whom and why. For a run that has exited: one that still waits polls the evidence
/// itself, and holds the state file's lock.
pub(super) async fn complete(
    session: &Session,
    arguments: &CompleteArguments,
) -> Result<u8, Failure> {
    if let Some(reason) = &arguments.waive {
        require_reason(reason)?;
    }
    let runbook = document::read(&arguments.runbook)?;
    let path = session.state_path(&arguments.runbook, &runbook.name.value);
    let held = journal::hold(&path, Clock::new(1.0).time_of_day(), false)?;
    let task = &arguments.task;
    require_open(&held.state(), task)?;
    if let Some(reason) = &arguments.waive {
        let reason = reason.trim();
        let waived = Completed {
            task: task.clone(),
            evidence: json!("waived"),
            who: who(),
            waived: Some(reason.to_owned()),
        };
        record(session, held, vec![Record::from(waived)]).await?;
        let line = format!("waived: {task} ({reason}); it stands in the state file");
        let outcome = TaskOutcome::Waived;
        tell(session, task, outcome, Some(reason), &line);
        return Ok(DONE);
    }
    prove(session, runbook, &held.state(), task).await?;
    // The survey found nothing, so everything that was handed out is done.
    let mut records = done_by_hand(&held.state(), task, &[]);
    records.push(Record::from(proved(task, who())));
    record(session, held, records).await?;
    let line = format!("done: {task}; the tenant shows it");
    tell(session, task, TaskOutcome::Done, None, &line);
    Ok(DONE)
}

/// A waiver without a reason tells nobody anything.
fn require_reason(reason: &str) -> Result<(), Failure> {
    if reason.chars().any(char::is_alphanumeric) {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::Wrong,
        "--waive needs a reason, and this one is empty",
    )
    .with_help("say why the run may go on without proof; the reason is recorded"))
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

/// Opens the state file for these records alone: a call that is refused leaves it as it was.
async fn record(session: &Session, held: Held, records: Vec<Record>) -> Result<(), Failure> {
    let opening = held.open(Clock::new(1.0))?;
    session.warn(&opening.warnings);
    opening.journal.append_all(records).await?;
    opening.journal.close("completed", DONE, None).await?;
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
    let list = steps::all(&connected.refresh, crate::checks::questions);
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
fn tell(session: &Session, task: &str, outcome: TaskOutcome, reason: Option<&str>, line: &str) {
    session.printer.data(&match session.output {
        Output::Human => line.to_owned(),
        Output::Json => written(&CompleteDocument {
            v: Version,
            task: task.to_owned(),
            outcome,
            reason: reason.map(str::to_owned),
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
