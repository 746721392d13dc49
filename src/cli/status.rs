//! `iomcopy status`: how far a run is, from its state file alone.

use super::common_arguments::{Output, RunbookArguments};
use super::exit_code::DONE;
use super::runbook_file::read_runbook;
use super::session::Session;
use crate::engine::Failure;
use crate::journal;
use crate::report::{document, not_begun_document, status_document, status_table};
use crate::steps;

/// Reads the state file without repairing it, and shows it. Exit 0 in every state.
pub(super) fn status(session: &Session, arguments: &RunbookArguments) -> Result<u8, Failure> {
    let runbook = read_runbook(&arguments.runbook)?;
    let path = session.state_path(&arguments.runbook, &runbook.name.value);
    let next = session.arguments_for(&arguments.runbook);
    if !journal::exists(&path) {
        let line = match session.output {
            Output::Human => format!(
                "not begun: {} does not exist\nnext: iomcopy run {next}",
                path.display()
            ),
            Output::Json => document(&not_begun_document(&steps::names(), &next)),
        };
        session.printer.data(&line);
        return Ok(DONE);
    }
    let reading = journal::read_state_file(&path)?;
    let text = match session.output {
        Output::Human => status_table(&reading, &steps::names(), &next, session.data_palette()),
        Output::Json => document(&status_document(&reading, &steps::names(), &next)),
    };
    session.printer.data(text.trim_end());
    Ok(DONE)
}
