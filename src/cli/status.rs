//! `iomcopy status`: how far a run is, from its state file alone.

use super::arguments::{Output, RunbookArguments};
use super::document;
use super::exit::DONE;
use super::session::Session;
use crate::engine::Failure;
use crate::journal;
use crate::report::{document as written, not_begun_document, status_document, status_table};
use crate::steps::NAMES;

/// Reads the state file without repairing it, and shows it. Exit 0 whatever the state.
pub(super) fn status(session: &Session, arguments: &RunbookArguments) -> Result<u8, Failure> {
    let runbook = document::read(&arguments.runbook)?;
    let path = session.state_path(&arguments.runbook, &runbook.name.value);
    let named = session.named(&arguments.runbook);
    if !journal::exists(&path) {
        let line = match session.output {
            Output::Human => format!(
                "not begun: there is no {}\nnext: iomcopy run {named}",
                path.display()
            ),
            Output::Json => written(&not_begun_document(&NAMES, &named)),
        };
        session.printer.data(&line);
        return Ok(DONE);
    }
    let reading = journal::read(&path)?;
    let text = match session.output {
        Output::Human => status_table(&reading, &NAMES, &named, session.data_palette()),
        Output::Json => written(&status_document(&reading, &NAMES, &named)),
    };
    session.printer.data(text.trim_end());
    Ok(DONE)
}
