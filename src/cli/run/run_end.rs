//! The end of a process's part of a run: the state file closed, the end reported, the summary
//! printed.

use std::collections::BTreeMap;

use serde_json::json;

use super::suggested_commands;
use crate::base::clock::Clock;
use crate::cli::common_arguments::{Output, RunFiles};
use crate::cli::connect::Connected;
use crate::cli::exit_code::{DONE, outcome_name};
use crate::cli::session::{Session, run_ended_event};
use crate::cli::step_names::step_names;
use crate::cli::warnings::is_answered;
use crate::domain::RefreshContext;
use crate::domain::containment::{Inventory, inventory};
use crate::domain::lost_orchestrations::lost_finding;
use crate::domain::summary::{Summary, summary};
use crate::engine::{Failure, FailureKind, JournalView, Outcome};
use crate::journal::{self, Closed, Occupancy, OpenStateFile, State};
use crate::report::{
    Estimates, Findings, NextCommand, TaskCommands, recorded_findings, status_table,
};
use crate::runbook::{Keyword as _, StepName};
use crate::steps;

/// Closes the state file and reports how the run ended. Returns the exit code.
pub(super) async fn end_run(
    session: &Session,
    files: &RunFiles,
    connected: &Connected,
    state_file: &OpenStateFile,
    result: Result<Outcome, Failure>,
) -> u8 {
    let result = result.map_err(|failure| files.named_in(failure));
    let mut figures = count_results(&connected.refresh, state_file);
    let finding = match &result {
        Ok(Outcome::Finished) => {
            let journal = JournalView::from_journal(state_file.journal.state());
            let open = open_surfaces(connected, &journal, &mut figures).await;
            match figures {
                Ok(_) => joined(open, lost_orchestrations(connected, &journal, files).await),
                // The finding says that everything is unknown.
                Err(_) => open,
            }
        }
        _ => None,
    };
    let outcome = result.as_ref().copied();
    let ending = Ending {
        outcome,
        finding: finding.as_ref(),
    };
    let closed = close(session, state_file, ending, figures.as_ref().ok()).await;
    let unclosed = unclosed_finding(session, ending, closed);
    let finding = finding.as_ref().or(unclosed.as_ref());
    let ending = Ending { outcome, finding };
    let failure = ending.failure();
    let exit = ending.exit(session);
    let name = finding.map_or_else(
        || result_name(outcome),
        |finding| outcome_name(finding.kind),
    );
    let event = run_ended_event(name, exit, failure, json!(figures.as_ref().ok()));
    connected.events.emit(event);
    session.printer.hide_live();
    let mut next = None;
    if session.output == Output::Human {
        let ending = outcome.err();
        let figures = figures.as_ref();
        next = print_result(session, files, connected, state_file, figures, ending);
    }
    if let Some(failure) = failure {
        let help = failure.help.as_deref();
        let help = help.map(|help| without_next(help, next.as_deref()));
        session.print_failure_with(failure, help.as_deref());
    }
    // Last, where the reader looks: what comes before it may be longer than the terminal.
    if let Some(command) = next {
        let (state, arguments) = (state_file.journal.state(), files.as_arguments());
        let lines = next_lines(&arguments, command, &state, failure);
        if !lines.is_empty() {
            session.printer.text(&format!("\n{}", lines.join("\n")));
        }
    }
    exit
}

/// A help without the next command, which comes below it.
fn without_next(help: &str, next: Option<&str>) -> String {
    let before = next.and_then(|next| help.strip_suffix(&format!(": {next}")));
    before.map_or_else(
        || help.to_owned(),
        |before| format!("{before} (the command below)"),
    )
}

/// What follows a run: the command, and what a person does before it if the run failed. `is_asked`: a
/// manual task waits for a person.
fn next_command(command: String, is_asked: bool, failure: Option<&Failure>) -> NextCommand {
    let first = match failure.map(|failure| failure.kind) {
        None | Some(FailureKind::Interrupted) => return NextCommand::to_continue(command),
        Some(FailureKind::Temporary) => "wait until the service is available",
        Some(FailureKind::Waiting) => TaskCommands::FIRST,
        Some(FailureKind::Unconfirmed) => "decide whether to confirm it",
        Some(_) => "correct what failed",
    };
    let is_waiting = failure.is_some_and(|failure| failure.kind == FailureKind::Waiting);
    if is_asked && !is_waiting {
        let both = format!("{first} and {}", TaskCommands::FIRST);
        return NextCommand::once_done(both, command);
    }
    NextCommand::once_done(first, command)
}

/// The lines about what follows a run. If the process was stopped while a task waits, also how to
/// check the task: the failure of a run that does not wait names that already. Takes the arguments
/// that name the files, and the next command.
fn next_lines(
    files: &str,
    command: String,
    state: &State,
    failure: Option<&Failure>,
) -> Vec<String> {
    let is_stopped = failure.is_some_and(|failure| failure.kind == FailureKind::Interrupted);
    let task = TaskCommands::of_waiting(files, state).filter(|_| is_stopped);
    let next = match task {
        Some(_) => NextCommand::once_done(TaskCommands::FIRST, command),
        None => next_command(command, state.waiting().next().is_some(), failure),
    };
    let next = next.line(&format!("iomcopy run {files}"));
    let check = task.and_then(|task| task.check());
    let check = check.map(|check| format!("  {check}"));
    next.into_iter().chain(check).collect()
}

/// How a process's part of a run ended.
#[derive(Clone, Copy)]
pub(super) struct Ending<'a> {
    /// The end of its steps.
    pub(super) outcome: Result<Outcome, &'a Failure>,
    /// What is not as it should be, although every step has ended.
    pub(super) finding: Option<&'a Failure>,
}

impl<'a> Ending<'a> {
    /// Why the process does not end well, if it does not.
    fn failure(self) -> Option<&'a Failure> {
        self.outcome.err().or(self.finding)
    }

    /// The exit code of the process.
    fn exit(self, session: &Session) -> u8 {
        let failure = self.failure();
        failure.map_or(DONE, |failure| session.exit_code(failure.kind))
    }
}

/// The finding that something can act on the outside world, although nobody allowed it, or that this
/// is unknown. The journal shows only what this run did: the target is read again, and the figures
/// say what it shows.
pub(super) async fn open_surfaces(
    connected: &Connected,
    journal: &JournalView,
    figures: &mut Result<Summary, Failure>,
) -> Option<Failure> {
    let refresh = &connected.refresh;
    let target = &refresh.runbook.target.name.value;
    let containment = match figures {
        Ok(figures) => figures.containment.as_mut()?,
        Err(unknown) => return Some(uncounted_finding(unknown, target)),
    };
    let now = Box::pin(inventory_now(refresh, journal)).await;
    let now = journal.unread().map_or(now, Err);
    let unread = match now {
        Ok(now) => {
            containment.correct(&now);
            now.check_read().err()
        }
        Err(failure) => Some(failure),
    };
    let file = refresh.runbook.as_argument();
    let open = containment.finding(target, &file);
    joined(open, unread.map(|why| unread_finding(why, target, &file)))
}

/// The finding that the target does not show whether something can act. Takes why, the target's name
/// and the runbook's file.
fn unread_finding(why: Failure, target: &str, runbook: &str) -> Failure {
    let message = format!(
        "it is unknown whether something in '{target}' can act on the outside world: {}",
        why.message
    );
    let help = format!("`iomcopy verify {runbook}` reads it again");
    let help = match &why.help {
        Some(first) => format!("{first}; then {help}"),
        None => help,
    };
    Failure { message, ..why }.with_help(help)
}

/// The finding of a finished run whose results cannot be counted. Takes why, and the target's name.
fn uncounted_finding(unknown: &Failure, target: &str) -> Failure {
    let message = format!(
        "it is unknown what this run restored, whether the orchestrations of the source work in \
         '{target}', and whether something there can act on the outside world: {}",
        unknown.message
    );
    Failure {
        message,
        ..unknown.clone()
    }
}

/// The finding that orchestrations of the source do not work in the target.
pub(super) async fn lost_orchestrations(
    connected: &Connected,
    journal: &JournalView,
    files: &RunFiles,
) -> Option<Failure> {
    let refresh = &connected.refresh;
    let step = &refresh.runbook.steps.restore_provider_actions;
    let name = StepName::RestoreProviderActions.keyword();
    let mut help = steps::repair_remedy(&files.as_arguments(), name);
    if step.is_skipped() {
        help = format!("remove `skip` of {name}; then {help}");
    }
    Box::pin(lost_finding(refresh, journal, &help)).await
}

/// Two findings as one: the message and the help of the second follow those of the first.
pub(super) fn joined(first: Option<Failure>, second: Option<Failure>) -> Option<Failure> {
    let (mut first, second) = match (first, second) {
        (Some(first), Some(second)) => (first, second),
        (first, second) => return first.or(second),
    };
    first.message = format!("{}; {}", first.message, second.message);
    first.help = match (first.help.take(), second.help) {
        (Some(mine), Some(theirs)) => Some(format!("{mine}; {theirs}")),
        (mine, theirs) => mine.or(theirs),
    };
    Some(first)
}

async fn inventory_now(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<Inventory, Failure> {
    let scope = inventory::scope_now(refresh, Some(journal)).await?;
    Inventory::read(&scope).await
}

/// Closes the state file with how the process ended, the figures, and the warnings of this process.
/// An error: the state file does not show the end.
pub(super) async fn close(
    session: &Session,
    state_file: &OpenStateFile,
    ending: Ending<'_>,
    figures: Option<&Summary>,
) -> Result<(), Failure> {
    let result = ending.outcome;
    let exit = ending.exit(session);
    let message = ending.failure().map(|failure| failure.message.clone());
    let notes = open_warnings(session, &state_file.journal.state());
    let closed = Closed {
        figures: figures.map(|figures| json!(figures)),
        remedies: session.warnings.remedies_of(&notes),
        notes,
        not_begun: result
            .err()
            .map_or_else(BTreeMap::new, |failure| (*failure.not_begun).clone()),
        hindrances: session.end_summary.hindrances(),
        ..Closed::new(result_name(result), exit, message)
    };
    // A journal that is closed already takes no further record.
    if state_file.journal.state().is_open() {
        state_file.journal.append(closed).await?;
    }
    Ok(())
}

/// The finding of a process that would have ended well, if its end could be recorded. After another
/// failure, that is only a warning.
pub(super) fn unclosed_finding(
    session: &Session,
    ending: Ending<'_>,
    closed: Result<(), Failure>,
) -> Option<Failure> {
    let error = closed.err()?;
    if ending.failure().is_none() {
        return Some(error.during("the end of this process is not recorded"));
    }
    session
        .printer
        .error(&format!("warning: {}", error.message));
    None
}

/// The warnings of this process that the run has not answered since.
fn open_warnings(session: &Session, state: &State) -> Vec<String> {
    let is_answered = is_answered(state);
    let mut warnings = session.warnings.all();
    warnings.retain(|warning| !is_answered(warning));
    warnings
}

/// The results of the run so far, in figures. An error if the records cannot be counted, also if a
/// sealed capture could not be read back: the figures would lack what it holds.
pub(super) fn count_results(
    refresh: &RefreshContext,
    state_file: &OpenStateFile,
) -> Result<Summary, Failure> {
    let journal = JournalView::from_journal(state_file.journal.state());
    let figures = summary(refresh, &journal);
    journal.unread().map_or(figures, Err)
}

/// The message of a failure, and those of the single failures in it: where several have the same
/// cause, the whole has it once.
fn all_messages(failure: &Failure) -> String {
    let singles = failure.each().iter().map(|single| single.message.as_str());
    let all: Vec<&str> = [failure.message.as_str()]
        .into_iter()
        .chain(singles)
        .collect();
    all.join("\n")
}

fn result_name(result: Result<Outcome, &Failure>) -> &'static str {
    match result {
        Ok(Outcome::Finished) => "finished",
        Ok(Outcome::Stopped) => "stopped",
        Err(failure) => outcome_name(failure.kind),
    }
}

/// Prints what needs a second look, the table of the steps, the figures, and the path of the state
/// file: what matters most is last. The failure with which the run ends is printed after it.
/// Returns the next command, if the state file can be read.
fn print_result(
    session: &Session,
    files: &RunFiles,
    connected: &Connected,
    state_file: &OpenStateFile,
    figures: Result<&Summary, &Failure>,
    ending: Option<&Failure>,
) -> Option<String> {
    let path = state_file.journal.path();
    let is_finished = state_file.journal.state().finished.is_some();
    let report = format!("iomcopy report {}", files.as_arguments());
    let contents = journal::read_state_file(path);
    // By the state file, which has the warnings of all processes.
    let warnings = if let Ok(contents) = &contents {
        recorded_findings(contents, is_answered(&contents.state))
    } else {
        let texts = open_warnings(session, &state_file.journal.state());
        let remedies = session.warnings.remedies_of(&texts);
        Findings { texts, remedies }
    };
    if let Ok(contents) = &contents {
        session.end_summary.add_earlier(contents);
    }
    let end_summary = session.end_summary.text(&warnings, &report, !is_finished);
    if !end_summary.is_empty() {
        session.printer.text(end_summary.trim_end());
    }
    let mut next = None;
    if let Ok(mut contents) = contents {
        // The lock on the file is this process's own.
        contents.occupancy = Occupancy::Free;
        let palette = session.data_palette();
        let ending = ending.map_or_else(String::new, all_messages);
        let names = step_names(&connected.refresh.runbook, Some(&contents.state));
        let commands = suggested_commands(files, &contents);
        let estimates = Estimates::at(Clock::new(1.0).time_of_day());
        let table = status_table(
            &contents,
            &names,
            &commands,
            &estimates,
            palette,
            Some(&ending),
        );
        session.printer.text(&format!("\n{}", table.trim_end()));
        next = Some(commands.next);
    }
    let lines = match figures {
        Ok(figures) if is_finished => figures.lines(),
        Ok(figures) => figures.refused_lines(),
        // The finding says that.
        Err(_) if is_finished => Vec::new(),
        Err(unknown) => vec![format!(
            "it is unknown what this run did so far: {}",
            unknown.message
        )],
    };
    if !lines.is_empty() {
        session.printer.text(&format!("\n{}", lines.join("\n")));
    }
    session
        .printer
        .data(&format!("\nstate file: {}", path.display()));
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::began;
    use crate::journal::Waiting;

    #[tokio::test]
    async fn a_run_that_is_stopped_while_a_task_waits_says_what_status_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        let run = "iomcopy run uat.yaml";
        let lines = |failure: &Failure| {
            let state = open.journal.state();
            next_lines("uat.yaml", run.to_owned(), &state, Some(failure))
        };
        let plain = ["next: iomcopy run uat.yaml"];
        assert_eq!(lines(&Failure::interrupted()), plain, "no task waits");
        let waiting = Waiting {
            task: "activate-flows/turn-on".to_owned(),
            worksheet: json!({}),
        };
        open.journal.append(waiting).await.unwrap();
        let expected = [
            "next: do what the worksheet says, then iomcopy run uat.yaml",
            "  only to check it: iomcopy complete uat.yaml activate-flows/turn-on",
        ];
        assert_eq!(lines(&Failure::interrupted()), expected);
        let failed = lines(&Failure::failed("the service failed"));
        assert_eq!(
            failed,
            ["next: correct what failed and do what the worksheet says, then iomcopy run uat.yaml"]
        );
    }

    #[test]
    fn the_next_command_is_there_once() {
        let command = "iomcopy run uat.yaml --confirm-repeat abc";
        let help = format!("remove the cause, then send it again: {command}");
        assert_eq!(
            without_next(&help, Some(command)),
            "remove the cause, then send it again (the command below)"
        );
        for other in [None, Some("iomcopy run uat.yaml")] {
            assert_eq!(without_next(&help, other), help);
        }
    }

    #[test]
    fn a_run_that_failed_is_run_again_once_a_person_has_done_something() {
        let run = "iomcopy run uat.yaml";
        let line =
            |failure: Option<&Failure>| next_command(run.to_owned(), false, failure).line(run);
        let plain = Some("next: iomcopy run uat.yaml");
        assert_eq!(line(None).as_deref(), plain, "it stopped early");
        let interrupted = Failure::interrupted();
        assert_eq!(line(Some(&interrupted)).as_deref(), plain);
        let failed = line(Some(&Failure::failed("no"))).unwrap_or_default();
        assert_eq!(
            failed,
            "next: correct what failed, then iomcopy run uat.yaml"
        );
    }
}
