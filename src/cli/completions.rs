//! `iomcopy completions`: the script that completes commands and flags in a shell.

use clap::{Args, CommandFactory as _};

use super::arguments::Arguments;
use super::exit_code::DONE;
use crate::report::Printer;

/// The arguments of `completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

/// Prints the completion script of a shell.
pub(super) fn completions(printer: &Printer, arguments: &CompletionsArguments) -> u8 {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "iomcopy", &mut script);
    let script = String::from_utf8_lossy(&script);
    printer.data(script.trim_end());
    DONE
}
