//! `iomcopy complete`: completes a manual task. Its evidence is read and recorded, or waived.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::actor::current_actor;
use super::common_arguments::{Output, RunFiles};
use super::connect;
use super::did_you_mean;
use super::exit_code::DONE;
use super::session::Session;
use super::step_names::TASK;
use crate::base::clock::Clock;
use crate::base::text::{count, escape, list_first};
use crate::engine::{
    Change, Failure, FailureKind, JournalView, Phase, Step, Work, Worksheet, completed,
    done_by_hand, unreadable_evidence,
};
use crate::journal::{
    self, ChangeKind, Completed, JournalError, LockedStateFile, Record, ResumeOptions, State,
};
use crate::report::{CompleteDocument, TaskOutcome, Version, document};
use crate::runbook::Runbook;

/// How many changes that the program makes are named; more are counted.
const NAMED: usize = 5;

/// The arguments of `complete`.
#[derive(Debug, Args)]
pub(super) struct CompleteArguments {
    #[command(flatten)]
    files: RunFiles,
    /// The manual task, as `iomcopy status` names it
    #[arg(value_name = "STEP/PHASE", value_parser = TASK, hide_possible_values = true)]
    pub(super) task: String,
    /// Continue without evidence; the reason is recorded with your name and the time
    #[arg(long, value_name = "REASON")]
    pub(super) waive: Option<String>,
}

/// Reads the evidence of a task from the tenant and records it; with `--waive`, records who waived it
/// and why. For a run that has exited: a run that still waits polls the evidence itself, and holds
/// the lock on the state file.
pub(super) async fn complete(
    session: &Session,
    arguments: &CompleteArguments,
) -> Result<u8, Failure> {
    let completed = Box::pin(complete_task(session, arguments)).await;
    completed.map_err(|failure| arguments.files.named_in(failure))
}

async fn complete_task(session: &Session, arguments: &CompleteArguments) -> Result<u8, Failure> {
    if let Some(reason) = &arguments.waive {
        require_reason(reason)?;
    }
    let (runbook, path) = arguments.files.read()?;
    let given = arguments.files.container();
    let remote_copy = connect::open_state_copy(&runbook, given, &path, false)?;
    let options = ResumeOptions {
        remote_copy: remote_copy.as_ref(),
        ..ResumeOptions::default()
    };
    if remote_copy.is_none() && !journal::exists(&path) {
        let message = format!("the run has not begun: {} does not exist", path.display());
        let help = format!("`iomcopy run {}` begins it", arguments.files.as_arguments());
        return Err(Failure::new(FailureKind::InvalidInput, message).with_help(help));
    }
    let now = Clock::new(1.0).time_of_day();
    let locked = journal::lock_state_file_with(&path, now, options)
        .map_err(|error| locked_by_run(error, &path))?;
    let task = &arguments.task;
    require_open(&locked.state(), task)?;
    if let Some(reason) = &arguments.waive {
        let reason = reason.trim();
        let waived = Completed {
            task: task.clone(),
            evidence: json!("waived"),
            who: current_actor(),
            waived: Some(reason.to_owned()),
        };
        let open = other_tasks(&locked.state(), task);
        record(session, locked, vec![Record::from(waived)]).await?;
        let line = format!("waived: {task} ({reason}); recorded in the state file");
        let outcome = TaskOutcome::Waived;
        print_outcome(session, arguments, outcome, &line, open);
        return Ok(DONE);
    }
    let journal = JournalView::from_journal(locked.state()).with_state_file(&path);
    let left = Box::pin(require_evidence(session, runbook, &journal, task)).await?;
    // The survey finds no change of the worksheet, so every one of them is done.
    let mut records = done_by_hand(&locked.state(), task, &left);
    let mut done = completed(task, current_actor());
    if !left.is_empty() {
        done.evidence = json!({ "survey": "nothing is left for a person" });
    }
    records.push(Record::from(done));
    let open = other_tasks(&locked.state(), task);
    record(session, locked, records).await?;
    let rest = describe_rest(&left);
    let line = format!("done: {task}; verified in the tenant{rest}");
    print_outcome(session, arguments, TaskOutcome::Done, &line, open);
    Ok(DONE)
}

/// What the program makes after what a person did, by name; empty if nothing is left.
fn describe_rest(left: &[Change]) -> String {
    if left.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = left.iter().map(|change| change.name.as_str()).collect();
    format!(
        "; the next run makes {}: {}",
        count(names.len(), "change"),
        escape(&list_first(&names, NAMED, "; "))
    )
}

/// The other tasks that wait for a person.
fn other_tasks(state: &State, task: &str) -> Vec<String> {
    let open = state.waiting().map(|waiting| waiting.waiting.task.clone());
    open.filter(|open| open != task).collect()
}

/// The failure to lock the state file. A run that waits for a person holds the lock, and does not
/// need this command.
fn locked_by_run(error: JournalError, path: &Path) -> Failure {
    let is_locked = matches!(error, JournalError::Locked { .. });
    let waits = is_locked
        && journal::read_state_file(path)
            .is_ok_and(|contents| contents.state.waiting().next().is_some());
    let failure = Failure::from(error);
    if !waits {
        return failure;
    }
    failure.with_help(
        "that run reads the evidence itself while it waits for a person; to use `iomcopy complete`, \
         press Ctrl-C there first",
    )
}

/// Refuses a waiver without a reason.
fn require_reason(reason: &str) -> Result<(), Failure> {
    if reason.chars().any(char::is_alphanumeric) {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::InvalidInput,
        "--waive needs a reason, but the reason is empty",
    )
    .with_help("say why the run may continue without evidence; the reason is recorded"))
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
    if open.is_empty() {
        let message = format!("the task '{task}' is not open; no task is open");
        return Err(Failure::new(FailureKind::InvalidInput, message)
            .with_help("`iomcopy status RUNBOOK` shows how far the run is"));
    }
    Err(Failure::new(
        FailureKind::InvalidInput,
        format!("the task '{task}' is not open"),
    )
    .with_help(format!(
        "{}; `iomcopy status RUNBOOK` shows what to do",
        did_you_mean::advice(task, &open, "open tasks")
    )))
}

/// Opens the state file only to write these records: a command that is refused does not change it.
async fn record(
    session: &Session,
    locked: LockedStateFile,
    records: Vec<Record>,
) -> Result<(), Failure> {
    let state_file = locked.open(Clock::new(1.0))?;
    session.warn(&state_file.warnings);
    state_file.journal.append_all(records).await?;
    state_file.journal.close("completed", DONE, None).await?;
    Ok(())
}

/// Reads the evidence of a task from the tenant; fails with what is left for a person. Returns what
/// is left for the program, which follows what the person did.
async fn require_evidence(
    session: &Session,
    runbook: Runbook,
    journal: &JournalView,
    task: &str,
) -> Result<Vec<Change>, Failure> {
    let left = connect::with_services(session, runbook, async |connected| {
        let phase = find_phase(&connected.steps, task)?;
        let Work::Changes(survey) = &phase.work else {
            let message = format!("'{task}' is not a manual task");
            return Err(Failure::new(FailureKind::InvalidInput, message));
        };
        let left = survey.survey(journal).await;
        left.map_err(|failure| failure.during(unreadable_evidence(task)))
    })
    .await?;
    let is_manual = |change: &Change| change.kind() == ChangeKind::ManualTask;
    if !left.iter().any(is_manual) {
        return Ok(left);
    }
    let worksheet = Worksheet::new(&left);
    for line in worksheet.instructions() {
        session.printer.info(&format!("  [ ] {}", escape(line)));
    }
    Err(worksheet.not_done(task))
}

/// Prints the outcome with what follows, or as one JSON document. Takes the other open tasks.
fn print_outcome(
    session: &Session,
    arguments: &CompleteArguments,
    outcome: TaskOutcome,
    line: &str,
    waiting: Vec<String>,
) {
    if session.output == Output::Human {
        session.printer.data(line);
        session
            .printer
            .info(&what_follows(&arguments.files.as_arguments(), &waiting));
        return;
    }
    let reason = arguments.waive.as_ref();
    session.printer.data(&document(&CompleteDocument {
        v: Version,
        task: arguments.task.clone(),
        outcome,
        reason: reason.map(|reason| reason.trim().to_owned()),
        waiting,
    }));
}

/// The tasks that still wait for a person, and the next command.
fn what_follows(files: &str, waiting: &[String]) -> String {
    let Some(first) = waiting.first() else {
        return format!("next: iomcopy run {files}");
    };
    let tasks: Vec<String> = waiting
        .iter()
        .map(|task| escape(task).into_owned())
        .collect();
    format!(
        "still waits for a person:\n  {}\nnext: iomcopy complete {files} {}",
        tasks.join("\n  "),
        escape(first)
    )
}

fn find_phase<'a>(steps: &'a [Step], task: &str) -> Result<&'a Phase, Failure> {
    let (step, phase) = task.split_once('/').unwrap_or((task, ""));
    let found = steps
        .iter()
        .filter(|candidate| candidate.name == step)
        .flat_map(|candidate| &candidate.phases)
        .find(|candidate| candidate.name == phase);
    found.ok_or_else(|| {
        Failure::new(
            FailureKind::InvalidInput,
            format!("no step has the phase '{task}'"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_for_a_person_comes_before_the_next_run() {
        assert_eq!(what_follows("uat.yaml", &[]), "next: iomcopy run uat.yaml");
        let open = ["a/b", "c/d"].map(str::to_owned);
        assert_eq!(
            what_follows("uat.yaml", &open),
            "still waits for a person:\n  a/b\n  c/d\nnext: iomcopy complete uat.yaml a/b"
        );
    }
}
