//! The end of a process's part of a run: the state file closed, the end reported, the summary
//! printed.

use std::collections::BTreeMap;

use serde_json::json;

use super::suggested_commands;
use crate::cli::common_arguments::{Output, RunFiles};
use crate::cli::connect::Connected;
use crate::cli::exit_code::{DONE, outcome_name};
use crate::cli::session::{Session, run_ended_event};
use crate::cli::step_names::step_names;
use crate::domain::summary::{Summary, summary};
use crate::engine::{Failure, JournalView, Outcome};
use crate::journal::{self, Closed, Occupancy, OpenStateFile};
use crate::report::status_table;

/// Closes the state file and reports how the run ended. Returns the exit code.
pub(super) async fn end_run(
    session: &Session,
    files: &RunFiles,
    connected: &Connected,
    state_file: &OpenStateFile,
    result: Result<Outcome, Failure>,
) -> u8 {
    let figures = count_results(connected, state_file);
    let outcome = result.as_ref().map(|outcome| *outcome);
    let exit = close(session, state_file, outcome, figures.as_ref()).await;
    let figures = figures.unwrap_or_default();
    let event = run_ended_event(result_name(outcome), exit, outcome.err(), json!(figures));
    connected.events.emit(event);
    session.printer.hide_all();
    if session.output == Output::Human {
        let ending = result.as_ref().err();
        print_result(session, files, connected, state_file, &figures, ending);
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
        not_begun: result
            .err()
            .map_or_else(BTreeMap::new, |failure| (*failure.not_begun).clone()),
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

/// Prints the table of the steps, the figures, and the path of the state file. The failure with
/// which the run ends is printed after it.
fn print_result(
    session: &Session,
    files: &RunFiles,
    connected: &Connected,
    state_file: &OpenStateFile,
    figures: &Summary,
    ending: Option<&Failure>,
) {
    let path = state_file.journal.path();
    if let Ok(mut contents) = journal::read_state_file(path) {
        // The lock on the file is this process's own.
        contents.occupancy = Occupancy::Free;
        let palette = session.data_palette();
        let ending = ending.map_or("", |failure| &failure.message);
        let names = step_names(&connected.refresh.runbook, Some(&contents.state));
        let commands = suggested_commands(files, &contents);
        let table = status_table(&contents, &names, &commands, palette, Some(ending));
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
