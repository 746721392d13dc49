//! A command line that cannot be understood.

use std::ffi::OsString;
use std::io::Write as _;

use super::exit::{DONE, WRONG, without_output};
use crate::base::text::escape_in_lines;
use crate::engine::{Failure, FailureKind};
use crate::report::{FailureDocument, Palette, Printer, document};

/// Tells what clap says of a command line, and returns the exit code. Help and version are data and
/// go to stdout, the rest goes to stderr; a program that asked for JSON gets a document as well.
pub(super) fn tell(error: &clap::Error, arguments: &[OsString]) -> u8 {
    let printer = Printer::new(Palette::plain(), false, false);
    let exit = if error.use_stderr() { WRONG } else { DONE };
    let said = error.to_string();
    if escape_in_lines(&said) == said {
        // It knows how to colour its own words.
        let shown = error.print();
        if !error.use_stderr() {
            printer.note_written(shown.and_then(|()| std::io::stdout().flush()));
        }
    } else {
        printer.complain(said.trim_end());
    }
    if error.use_stderr() && wants_json(arguments) {
        let message = said.lines().next().unwrap_or_default();
        let message = message.trim_start_matches("error: ");
        let failure = Failure::new(FailureKind::Wrong, message)
            .with_help("`iomcopy help` shows every command, and `iomcopy help COMMAND` its flags");
        printer.data(&document(&FailureDocument::new(&failure, WRONG)));
    }
    match printer.lost() {
        Some(_) => without_output(exit),
        None => exit,
    }
}

/// Did the command line ask for JSON, as far as it can be told?
fn wants_json(arguments: &[OsString]) -> bool {
    let is = |at: usize, text: &str| arguments.get(at).is_some_and(|given| given == text);
    (0..arguments.len())
        .any(|at| is(at, "--output=json") || (is(at, "--output") && is(at + 1, "json")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_for_json_is_seen_in_a_wrong_command_line() {
        let wants =
            |line: &str| wants_json(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(wants("iomcopy --output json rum uat.yaml"));
        assert!(wants("iomcopy run --output=json"));
        assert!(!wants("iomcopy run --output human"));
        assert!(!wants("iomcopy run --output"));
    }
}
