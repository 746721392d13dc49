//! How a process's part of a run ends: the state file closed, the end told, the summary printed.

use serde_json::json;

use super::arguments::{Output, RunArguments};
use super::connect::Connected;
use super::exit::{DONE, word};
use super::session::Session;
use crate::domain::summary::{Summary, summary};
use crate::engine::{EventKind, Failure, Known, Outcome};
use crate::journal::{self, Closed, Occupancy, Opening};
use crate::report::{end_table, headline};
use crate::steps::NAMES;

/// Closes the state file with how the process ended, the figures, and what was found on the way.
pub(super) async fn close(
    session: &Session,
    opening: &Opening,
    result: Result<Outcome, &Failure>,
    figures: Option<&Summary>,
) -> u8 {
    let (reason, exit, message) = match result {
        Ok(Outcome::Finished) => ("finished", DONE, None),
        Ok(Outcome::Stopped) => ("stopped", DONE, None),
        Err(failure) => (
            word(failure.kind),
            session.code(failure.kind),
            Some(failure.message.clone()),
        ),
    };
    let closed = Closed {
        figures: figures.map(|figures| json!(figures)),
        notes: session.notes.all(),
        ..Closed::new(reason, exit, message)
    };
    // A journal that was closed already, or cannot be written, has nothing more to be told.
    if opening.journal.state().is_open()
        && let Err(error) = opening.journal.append(closed).await
    {
        session.printer.complain(&format!("warning: {error}"));
    }
    exit
}

/// What the run did so far, in figures; none where what was recorded cannot be counted.
pub(super) fn figures(connected: &Connected, opening: &Opening) -> Option<Summary> {
    let known = Known::from_journal(opening.journal.state());
    summary(&connected.refresh, &known).ok()
}

/// Tells how it ended: the last event, the table, the figures, where the state file is.
pub(super) fn tell_end(
    session: &Session,
    arguments: &RunArguments,
    connected: &Connected,
    opening: &Opening,
    result: Result<Outcome, &Failure>,
    figures: Option<Summary>,
    exit: u8,
) {
    let state = opening.journal.state();
    let figures = figures.unwrap_or_default();
    let failure = result.err();
    connected.narrator.tell(EventKind::RunEnded {
        outcome: match result {
            Ok(Outcome::Finished) => "finished".to_owned(),
            Ok(Outcome::Stopped) => "stopped".to_owned(),
            Err(failure) => word(failure.kind).to_owned(),
        },
        exit,
        message: failure.map(headline),
        help: failure.and_then(|failure| failure.help.clone()),
        kind: failure.map(|failure| failure.kind),
        diagnostics: failure
            .map(|failure| failure.marks.clone())
            .unwrap_or_default(),
        summary: json!(figures),
    });
    session.printer.hide_all();
    if session.output == Output::Json {
        return;
    }
    let named = session.named(&arguments.runbook);
    let path = opening.journal.path().to_owned();
    if let Ok(mut reading) = journal::read(&path) {
        // The lock that is seen is this process's own.
        reading.occupancy = Occupancy::Free;
        let table = end_table(&reading, &NAMES, &named, session.data_palette());
        session.printer.data(&format!("\n{}", table.trim_end()));
    }
    if state.finished.is_some() {
        session
            .printer
            .data(&format!("\n{}", figures.lines().join("\n")));
    }
    session
        .printer
        .data(&format!("\nstate file: {}", path.display()));
}
