//! `iomcopy completions`: what completes commands and flags in a shell.

use clap::CommandFactory as _;

use super::arguments::{Arguments, CompletionsArguments};
use super::exit::DONE;
use super::session::Session;

/// Prints the script of a shell.
pub(super) fn completions(session: &Session, arguments: &CompletionsArguments) -> u8 {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "iomcopy", &mut script);
    let script = String::from_utf8_lossy(&script);
    session.printer.data(script.trim_end());
    DONE
}
