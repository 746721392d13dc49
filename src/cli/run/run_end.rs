//! The end of a process's part of a run: the state file closed, the end reported, the summary
//! printed.

use std::path::Path;

use serde_json::json;

use crate::cli::common_arguments::Output;
use crate::cli::connect::Connected;
use crate::cli::exit_code::{DONE, outcome_name};
use crate::cli::session::Session;
use crate::domain::summary::{Summary, summary};
use crate::engine::{EventKind, Failure, JournalView, Outcome};
use crate::journal::{self, Closed, Occupancy, OpenStateFile};
use crate::report::end_table;
use crate::steps;

/// Closes the state file and reports how the run ended. Returns the exit code.
pub(super) async fn end_run(
    session: &Session,
    runbook: &Path,
    connected: &Connected,
    state_file: &OpenStateFile,
    result: Result<Outcome, Failure>,
) -> u8 {
    let figures = count_results(connected, state_file);
    let outcome = result.as_ref().map(|outcome| *outcome);
    let exit = close(session, state_file, outcome, figures.as_ref()).await;
    let figures = figures.unwrap_or_default();
    connected
        .events
        .emit(run_ended_event(outcome, exit, &figures));
    session.printer.hide_all();
    if session.output == Output::Human {
        print_result(session, runbook, state_file, &figures);
    }
    if let Err(failure) = &result {
        session.print_failure(failure);
    }
    exit
}

/// Closes the state file with how the process ended, the figures, and the warnings of this process.
/// Returns the exit code.
pub(super) async fn close(
    session: &Session,
    state_file: &OpenStateFile,
    result: Result<Outcome, &Failure>,
    figures: Option<&Summary>,
) -> u8 {
    let exit = result.map_or_else(|failure| session.exit_code(failure.kind), |_| DONE);
    let message = result.err().map(|failure| failure.message.clone());
    let closed = Closed {
        figures: figures.map(|figures| json!(figures)),
        notes: session.warnings.all(),
        ..Closed::new(result_name(result), exit, message)
    };
    // A journal that is closed already, or cannot be written, takes no further record.
    if state_file.journal.state().is_open()
        && let Err(error) = state_file.journal.append(closed).await
    {
        session.printer.error(&format!("warning: {error}"));
    }
    exit
}

/// The results of the run so far, in figures; `None` if the records cannot be counted.
pub(super) fn count_results(connected: &Connected, state_file: &OpenStateFile) -> Option<Summary> {
    let journal = JournalView::from_journal(state_file.journal.state());
    summary(&connected.refresh, &journal).ok()
}

fn result_name(result: Result<Outcome, &Failure>) -> &'static str {
    match result {
        Ok(Outcome::Finished) => "finished",
        Ok(Outcome::Stopped) => "stopped",
        Err(failure) => outcome_name(failure.kind),
    }
}

fn run_ended_event(result: Result<Outcome, &Failure>, exit: u8, figures: &Summary) -> EventKind {
    let failure = result.err();
    EventKind::RunEnded {
        outcome: result_name(result).to_owned(),
        exit,
        message: failure.map(Failure::headline),
        help: failure.and_then(|failure| failure.help.clone()),
        kind: failure.map(|failure| failure.kind),
        diagnostics: failure
            .map(|failure| failure.marks.clone())
            .unwrap_or_default(),
        failures: failure.map(Failure::items).unwrap_or_default(),
        summary: json!(figures),
    }
}

/// Prints the table of the steps, the figures, and the path of the state file.
fn print_result(session: &Session, runbook: &Path, state_file: &OpenStateFile, figures: &Summary) {
    let arguments = session.arguments_for(runbook);
    let path = state_file.journal.path();
    if let Ok(mut contents) = journal::read_state_file(path) {
        // The lock on the file is this process's own.
        contents.occupancy = Occupancy::Free;
        let palette = session.data_palette();
        let table = end_table(&contents, &steps::names(), &arguments, palette);
        session.printer.data(&format!("\n{}", table.trim_end()));
    }
    if state_file.journal.state().finished.is_some() {
        session
            .printer
            .data(&format!("\n{}", figures.lines().join("\n")));
    }
    session
        .printer
        .data(&format!("\nstate file: {}", path.display()));
}
