//! `iomcopy status`: how far a run is, from its state file alone.

use super::common_arguments::{Output, RunFiles};
use super::exit_code::DONE;
use super::run::suggested_commands;
use super::session::Session;
use super::step_names::step_names;
use crate::engine::Failure;
use crate::journal;
use crate::report::{document, not_begun_document, status_document, status_table};

/// Reads the state file without repairing it, and shows it. Exit 0 in every state.
pub(super) fn status(session: &Session, files: &RunFiles) -> Result<u8, Failure> {
    let (runbook, path) = files.read()?;
    let text = if journal::exists(&path) {
        let contents = journal::read_state_file(&path)?;
        let commands = suggested_commands(files, &contents);
        let names = step_names(&runbook, Some(&contents.state));
        match session.output {
            Output::Human => {
                let palette = session.data_palette();
                status_table(&contents, &names, &commands, palette, None)
            }
            Output::Json => document(&status_document(&contents, &names, &commands.next)),
        }
    } else {
        let next = format!("iomcopy run {}", files.as_arguments());
        match session.output {
            Output::Human => {
                let path = path.display();
                format!("not begun: {path} does not exist\nnext: {next}")
            }
            Output::Json => document(&not_begun_document(&step_names(&runbook, None), &next)),
        }
    };
    session.printer.data(text.trim_end());
    Ok(DONE)
}
