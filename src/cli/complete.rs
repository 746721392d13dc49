//! `iomcopy complete`: completes a manual task. Its evidence is read and recorded, or waived.
//!
//! ```text
//! evidence.rs  what the tenant shows to be left
//! ```

mod evidence;

use std::path::Path;

use clap::Args;
use serde_json::json;

use self::evidence::read_evidence;
use super::actor::current_actor;
use super::common_arguments::{Output, RunFiles};
use super::connect;
use super::did_you_mean;
use super::exit_code::{DONE, WAITING};
use super::run::run_binding::require_same_runbook;
use super::session::Session;
use super::step_names::TASK;
use crate::base::clock::Clock;
use crate::base::text::{count, escape, list_first};
use crate::engine::{
    Change, Failure, FailureKind, JournalView, OpenWorksheet, Worksheet, completed, done_by_hand,
    hand_out_records,
};
use crate::journal::{
    self, Closed, Completed, JournalError, LockedStateFile, Record, ResumeOptions, State,
};
use crate::report::{
    CompleteDocument, TaskCommands, TaskOutcome, Version, document, worksheet_text,
};

/// How many changes that the program makes are named; more are counted.
const NAMED: usize = 5;

/// The arguments of `complete`.
#[derive(Debug, Args)]
pub(super) struct CompleteArguments {
    #[command(flatten)]
    pub(super) files: RunFiles,
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
    if let Some(reason) = &arguments.waive {
        require_reason(reason)?;
    }
    let (runbook, path) = arguments.files.read()?;
    let given = arguments.files.container();
    let remote_state = connect::open_state_copy(&runbook, given, &path, false)?;
    let options = ResumeOptions {
        remote_state: remote_state.as_ref(),
        ..ResumeOptions::default()
    };
    if remote_state.is_none() && !journal::exists(&path) {
        let message = format!("the run has not begun: {} does not exist", path.display());
        let help = format!("`iomcopy run {}` begins it", arguments.files.as_arguments());
        return Err(Failure::new(FailureKind::InvalidInput, message).with_help(help));
    }
    let now = Clock::new(1.0).time_of_day();
    let locked = journal::lock_state_file_with(&path, now, options)
        .map_err(|error| locked_by_run(error, &path))?;
    let task = &arguments.task;
    require_same_runbook(&locked.state(), &runbook)?;
    require_open(&locked.state(), task)?;
    let journal = JournalView::from_journal(locked.state()).with_state_file(&path);
    let read = Box::pin(read_evidence(
        session,
        runbook,
        &journal,
        &locked.state(),
        task,
    ))
    .await?;
    match (read, &arguments.waive) {
        (Ok(left), _) if !left.iter().any(Change::is_manual) => {
            record_done(session, arguments, locked, &left).await
        }
        (Ok(left), None) => record_partly_done(session, arguments, locked, &left).await,
        (read, Some(reason)) => waive(session, arguments, locked, read, reason.trim()).await,
        (Err(unread), None) => Err(unread),
    }
}

/// Records that the task is done. `left` are the changes that follow it, which the program makes.
async fn record_done(
    session: &Session,
    arguments: &CompleteArguments,
    locked: LockedStateFile,
    left: &[Change],
) -> Result<u8, Failure> {
    let task = &arguments.task;
    // The survey finds no change of the worksheet, so every one of them is done.
    let mut records = done_by_hand(&locked.state(), task, left);
    let mut done = completed(task, current_actor());
    if !left.is_empty() {
        done.evidence = json!({ "survey": "nothing is left for a person" });
    }
    records.push(Record::from(done));
    let open = record_end(session, locked, task, records).await?;
    let rest = describe_rest(left);
    let needless = match arguments.waive {
        Some(_) => "; nothing was left to waive",
        None => "",
    };
    let line = format!("done: {task}; verified in the tenant{needless}{rest}");
    print_outcome(session, arguments, Outcome::done(line), open);
    Ok(DONE)
}

/// Records which of the things are done, and fails with those that are left.
async fn record_partly_done(
    session: &Session,
    arguments: &CompleteArguments,
    locked: LockedStateFile,
    left: &[Change],
) -> Result<u8, Failure> {
    let task = &arguments.task;
    let (worksheet, records) = partly_done(&locked.state(), task, left);
    let failure = worksheet.not_done(task);
    let done = names_of_done(&locked.state(), &records);
    if !records.is_empty() {
        let closed = Closed::new("waiting", WAITING, Some(failure.message.clone()));
        record(session, locked, records, closed).await?;
    }
    for name in done {
        session
            .printer
            .info(&format!("  done {} (by hand)", escape(&name)));
    }
    for line in worksheet_text(worksheet.advice(), worksheet.things()) {
        session.printer.info(&line);
    }
    if session.output == Output::Json {
        return Err(failure);
    }
    let files = arguments.files.as_arguments();
    let commands = TaskCommands::new(&files, task, worksheet.needs_waiver());
    let exit = session.print_failure(&worksheet.not_done_above(task, &commands.waive()));
    let (first, next) = (TaskCommands::FIRST, commands.next());
    session.printer.info(&format!("next: {first}, then {next}"));
    Ok(exit)
}

/// Waives the evidence of what is left, or of every open thing if the evidence cannot be read.
async fn waive(
    session: &Session,
    arguments: &CompleteArguments,
    locked: LockedStateFile,
    read: Result<Vec<Change>, Failure>,
    reason: &str,
) -> Result<u8, Failure> {
    let task = &arguments.task;
    let (mut records, things, evidence) = match &read {
        Ok(left) => {
            let (worksheet, records) = partly_done(&locked.state(), task, left);
            let things = worksheet.names();
            let evidence = json!({ "left": things });
            (records, things, evidence)
        }
        Err(unread) => {
            let state = locked.state();
            let open = state.tasks.get(task.as_str());
            let open = open.map(|open| OpenWorksheet::of(&state, open));
            let evidence = json!({ "unread": unread.message });
            (Vec::new(), open.unwrap_or_default().names(), evidence)
        }
    };
    records.push(Record::from(Completed {
        task: task.clone(),
        evidence,
        who: current_actor(),
        waived: Some(reason.to_owned()),
    }));
    let open = record_end(session, locked, task, records).await?;
    let unread = read.err();
    let line = describe_waiver(task, reason, &things, unread.as_ref());
    print_outcome(session, arguments, Outcome::waived(line, things), open);
    Ok(DONE)
}

/// What a waiver covers, one thing a line.
fn describe_waiver(
    task: &str,
    reason: &str,
    things: &[String],
    unread: Option<&Failure>,
) -> String {
    let number = count(things.len(), "thing");
    let mut text = format!("waived: {task} ({reason}), {number}; recorded in the state file");
    for thing in things {
        text += &format!("\n  waived: {}", escape(thing));
    }
    if let Some(unread) = unread {
        text += &format!("\n  all that was open, because {}", unread.message);
    }
    text
}

/// What is left of a task for a person, and the records of what is done and of what is asked for
/// again.
fn partly_done(state: &State, task: &str, left: &[Change]) -> (Worksheet, Vec<Record>) {
    let manual: Vec<Change> = left.iter().filter(|it| it.is_manual()).cloned().collect();
    let mut records = done_by_hand(state, task, left);
    let phase = task.split_once('/').unwrap_or((task, ""));
    records.extend(hand_out_records(state, phase, &manual));
    (Worksheet::new(&manual), records)
}

/// The names of the things that these records say are done.
fn names_of_done(state: &State, records: &[Record]) -> Vec<String> {
    let names = records.iter().filter_map(|record| {
        let Record::Done(done) = record else {
            return None;
        };
        let asked = state.manual_changes.get(done.key.as_str())?;
        Some(asked.intent.name.clone())
    });
    names.collect()
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

/// A task that waits for a person.
struct OpenTask {
    name: String,
    /// Does nothing in the tenant show that it is done?
    needs_waiver: bool,
}

/// The other tasks that wait for a person.
fn other_tasks(state: &State, task: &str) -> Vec<OpenTask> {
    let open = state.waiting().map(|open| OpenTask {
        name: open.waiting.task.clone(),
        needs_waiver: OpenWorksheet::of(state, open).needs_waiver,
    });
    open.filter(|open| open.name != task).collect()
}

/// The failure to lock the state file. A run that waits for a person holds the lock, and does not
/// need this command.
fn locked_by_run(error: JournalError, path: &Path) -> Failure {
    let is_locked = matches!(error, JournalError::Locked { .. });
    let contents = journal::read_state_file(path).ok().filter(|_| is_locked);
    let task = contents.and_then(|it| TaskCommands::of_waiting("RUNBOOK", &it.state));
    let failure = Failure::from(error);
    match task {
        None => failure,
        Some(task) if task.needs_waiver() => failure.with_help(format!(
            "that run waits until the task is waived, because nothing in the tenant shows that it is \
             done; press Ctrl-C there, then `{}`",
            task.complete()
        )),
        Some(task) => failure.with_help(format!(
            "that run reads the evidence itself while it waits for a person; to use `{}`, press \
             Ctrl-C there first",
            task.complete()
        )),
    }
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
    closed: Closed,
) -> Result<(), Failure> {
    let state_file = locked.open(Clock::new(1.0))?;
    session.warn(&state_file.warnings);
    state_file.journal.append_all(records).await?;
    state_file.journal.append(closed).await?;
    Ok(())
}

/// Records how a task ended. Returns the other open tasks.
async fn record_end(
    session: &Session,
    locked: LockedStateFile,
    task: &str,
    records: Vec<Record>,
) -> Result<Vec<OpenTask>, Failure> {
    let open = other_tasks(&locked.state(), task);
    let closed = Closed::new("completed", DONE, None);
    record(session, locked, records, closed).await?;
    Ok(open)
}

/// How a task ended, for the user.
struct Outcome {
    ending: TaskOutcome,
    line: String,
    /// The things whose evidence was waived, by name.
    waived: Vec<String>,
}

impl Outcome {
    fn done(line: String) -> Self {
        Self {
            ending: TaskOutcome::Done,
            line,
            waived: Vec::new(),
        }
    }

    fn waived(line: String, things: Vec<String>) -> Self {
        Self {
            ending: TaskOutcome::Waived,
            line,
            waived: things,
        }
    }
}

/// Prints the outcome with what follows, or as one JSON document. Takes the other open tasks.
fn print_outcome(
    session: &Session,
    arguments: &CompleteArguments,
    outcome: Outcome,
    waiting: Vec<OpenTask>,
) {
    if session.output == Output::Human {
        session.printer.data(&outcome.line);
        session
            .printer
            .info(&what_follows(&arguments.files.as_arguments(), &waiting));
        return;
    }
    let reason = arguments.waive.as_ref();
    let reason = reason.filter(|_| matches!(outcome.ending, TaskOutcome::Waived));
    session.printer.data(&document(&CompleteDocument {
        v: Version,
        task: arguments.task.clone(),
        outcome: outcome.ending,
        reason: reason.map(|reason| reason.trim().to_owned()),
        waived: outcome.waived,
        waiting: waiting.into_iter().map(|open| open.name).collect(),
    }));
}

/// The tasks that still wait for a person, and the next command.
fn what_follows(files: &str, waiting: &[OpenTask]) -> String {
    let Some(first) = waiting.first() else {
        return format!("next: iomcopy run {files}");
    };
    let tasks: Vec<_> = waiting.iter().map(|open| escape(&open.name)).collect();
    let commands = TaskCommands::new(files, &first.name, first.needs_waiver);
    format!(
        "still waits for a person:\n  {}\nnext: {}",
        tasks.join("\n  "),
        commands.complete()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_for_a_person_comes_before_the_next_run() {
        assert_eq!(what_follows("uat.yaml", &[]), "next: iomcopy run uat.yaml");
        let open = |needs_waiver| {
            ["a/b", "c/d"].map(|name| OpenTask {
                name: name.to_owned(),
                needs_waiver,
            })
        };
        assert_eq!(
            what_follows("uat.yaml", &open(false)),
            "still waits for a person:\n  a/b\n  c/d\nnext: iomcopy complete uat.yaml a/b"
        );
        let waiver = what_follows("uat.yaml", &open(true));
        assert!(waiver.ends_with("a/b --waive \"who, when\""), "{waiver}");
    }
}
