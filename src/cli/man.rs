//! `iomcopy man`: a manual page, made of the same words as the help.

use clap::CommandFactory as _;

use super::arguments::{Arguments, ManArguments};
use super::exit::DONE;
use super::session::Session;
use crate::engine::{Failure, FailureKind};

/// Prints the page of the program, or of one of its commands.
pub(super) fn man(session: &Session, arguments: &ManArguments) -> Result<u8, Failure> {
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
                format!("`{}` has no commands of its own", command.get_name())
            } else {
                format!("there are: {}", known.join(", "))
            };
            let message = format!("`{}` has no command `{name}`", command.get_name());
            Failure::new(FailureKind::Wrong, message).with_help(help)
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
        .map_err(|error| Failure::failed(format!("the page cannot be made: {error}")))?;
    session
        .printer
        .data(String::from_utf8_lossy(&page).trim_end());
    Ok(DONE)
}
