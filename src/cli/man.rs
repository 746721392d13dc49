//! `iomcopy man`: a manual page, from the text of the help.

use clap::{Args, CommandFactory as _};

use super::arguments::Arguments;
use super::exit_code::DONE;
use crate::engine::{Failure, FailureKind};
use crate::report::Printer;

/// The arguments of `man`.
#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// The command, such as `run` or `state cut`; without it, the page of the program
    pub(super) command: Vec<String>,
}

/// Prints the page of the program, or of one of its commands.
pub(super) fn man(printer: &Printer, arguments: &ManArguments) -> Result<u8, Failure> {
    let mut command = Arguments::command();
    command.build();
    let mut command = &command;
    for name in &arguments.command {
        command = command.find_subcommand(name).ok_or_else(|| {
            let known: Vec<&str> = command
                .get_subcommands()
                .map(clap::Command::get_name)
                .collect();
            let help = if known.is_empty() {
                format!("`{}` has no subcommands", command.get_name())
            } else {
                format!("commands: {}", known.join(", "))
            };
            let message = format!("`{}` has no command `{name}`", command.get_name());
            Failure::new(FailureKind::InvalidInput, message).with_help(help)
        })?;
    }
    let title = command
        .get_display_name()
        .unwrap_or(command.get_name())
        .to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(title.to_uppercase())
        .render(&mut page)
        .map_err(|error| Failure::failed(format!("the manual page cannot be written: {error}")))?;
    printer.data(String::from_utf8_lossy(&page).trim_end());
    Ok(DONE)
}
