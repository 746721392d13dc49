//! An invalid command line.

use std::ffi::OsString;
use std::io::Write as _;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::arguments::Arguments;
use super::exit_code::{DONE, INVALID_INPUT, exit_code_without_output};
use crate::base::suggestions::nearest;
use crate::base::text::escape_in_lines;
use crate::engine::{Failure, FailureKind};
use crate::report::{FailureDocument, Palette, Printer, document};

/// Prints clap's message about a command line, and returns the exit code. Help and version are data on
/// stdout, everything else goes to stderr; with JSON output, an error is also a document.
pub(super) fn report_usage(mut error: clap::Error, arguments: &[OsString]) -> u8 {
    suggest_name(&mut error, arguments);
    suggest_confirm_target(&mut error);
    let printer = Printer::new(Palette::plain(), false, false);
    let exit = if error.use_stderr() {
        INVALID_INPUT
    } else {
        DONE
    };
    let message = error.to_string();
    if escape_in_lines(&message) == message {
        // clap prints its message with colours.
        let written = error.print();
        if !error.use_stderr() {
            printer.note_written(written.and_then(|()| std::io::stdout().flush()));
        }
    } else {
        printer.error(message.trim_end());
    }
    if error.use_stderr() && wants_json(arguments) {
        let first_line = message.lines().next().unwrap_or_default();
        let first_line = first_line.trim_start_matches("error: ");
        let failure = Failure::new(FailureKind::InvalidInput, first_line)
            .with_help("`iomcopy help` shows every command, and `iomcopy help COMMAND` its flags");
        printer.data(&document(&FailureDocument::new(&failure, INVALID_INPUT)));
    }
    match printer.lost() {
        Some(_) => exit_code_without_output(exit),
        None => exit,
    }
}

/// Suggests the command or the value that was probably meant, where clap suggests none: it compares
/// short names too strictly, such as `rn` with `run`.
fn suggest_name(error: &mut clap::Error, arguments: &[OsString]) {
    let (given, suggested) = match error.kind() {
        ErrorKind::InvalidSubcommand => (
            ContextKind::InvalidSubcommand,
            ContextKind::SuggestedSubcommand,
        ),
        ErrorKind::InvalidValue => (ContextKind::InvalidValue, ContextKind::SuggestedValue),
        _ => return,
    };
    let Some(ContextValue::String(given)) = error.get(given) else {
        return;
    };
    if error.get(suggested).is_some() {
        return;
    }
    let names: Vec<String> = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) => values.clone(),
        _ if error.kind() == ErrorKind::InvalidSubcommand => {
            let command = command_of(arguments, given);
            let commands = command.get_subcommands();
            commands.map(|known| known.get_name().to_owned()).collect()
        }
        _ => return,
    };
    let Some(meant) = nearest(given, names.iter().map(String::as_str)) else {
        return;
    };
    let meant = meant.to_owned();
    error.insert(
        suggested,
        match suggested {
            ContextKind::SuggestedSubcommand => ContextValue::Strings(vec![meant]),
            _ => ContextValue::String(meant),
        },
    );
}

/// The command that a command line names before this word.
fn command_of(arguments: &[OsString], word: &str) -> clap::Command {
    let mut command = Arguments::command();
    let before = arguments.iter().skip(1).take_while(|given| *given != word);
    for given in before {
        if let Some(named) = command.find_subcommand(given) {
            command = named.clone();
        }
    }
    command
}

/// Suggests `--confirm-target` for `--confirm`. Of the flags that begin with it, a run needs this one
/// first, and clap suggests another. (With clap's own mechanism, `UnknownArgumentValueParser`,
/// `--confirm` would be a flag that exists: it would want a value, and clap would suggest it for
/// `--confrm`.)
fn suggest_confirm_target(error: &mut clap::Error) {
    let given = error.get(ContextKind::InvalidArg);
    let is_confirm = matches!(given, Some(ContextValue::String(flag)) if flag == "--confirm");
    if is_confirm && error.get(ContextKind::SuggestedArg).is_some() {
        let suggested = ContextValue::String("--confirm-target".to_owned());
        error.insert(ContextKind::SuggestedArg, suggested);
        // It has the flag that clap suggests.
        error.remove(ContextKind::Usage);
    }
}

/// `help COMMAND` as `COMMAND --help`: clap's own `help` has no flags, and no suggestion for a command
/// that does not exist.
pub(super) fn help_as_flag(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_none_or(|command| command != "help") {
        return arguments;
    }
    arguments.remove(1);
    arguments.retain(|argument| argument != "--help" && argument != "-h");
    arguments.push("--help".into());
    arguments
}

/// Does this invalid command line ask for JSON?
fn wants_json(arguments: &[OsString]) -> bool {
    let is = |at: usize, text: &str| arguments.get(at).is_some_and(|given| given == text);
    (0..arguments.len())
        .any(|at| is(at, "--output=json") || (is(at, "--output") && is(at + 1, "json")))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    /// What an invalid command line gets as tips.
    fn tips(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let mut error = Arguments::try_parse_from(&words).unwrap_err();
        suggest_name(&mut error, &words);
        let message = error.to_string();
        let tips = message.lines().filter(|line| line.contains("tip:"));
        tips.collect()
    }

    #[test]
    fn a_short_name_with_a_typing_error_gets_a_suggestion() {
        for (line, meant) in [
            ("iomcopy rn uat.yaml", "'run'"),
            ("iomcopy rnu uat.yaml", "'run'"),
            ("iomcopy mn", "'man'"),
            ("iomcopy --output json rn uat.yaml", "'run'"),
            ("iomcopy state ct uat.jsonl", "'cut'"),
            ("iomcopy state chek uat.jsonl", "'check'"),
            ("iomcopy report uat.yaml --format jsn", "'json'"),
            ("iomcopy graph uat.yaml O --format sgv", "'svg'"),
        ] {
            let tips = tips(line);
            assert!(tips.contains(meant), "{line}: {tips}");
        }
        assert_eq!(tips("iomcopy xyz"), "");
        assert_eq!(tips("iomcopy state zz"), "");
    }

    #[test]
    fn the_tip_for_confirm_is_the_flag_that_a_run_needs_first() {
        let words = ["iomcopy", "run", "uat.yaml", "--confirm", "UAT"];
        let mut error = Arguments::try_parse_from(words).unwrap_err();
        suggest_confirm_target(&mut error);
        let message = error.to_string();
        assert!(message.contains("'--confirm-target'"), "{message}");
        assert!(!message.contains("--confirm-repeat"), "{message}");
    }

    #[test]
    fn help_of_a_command_is_its_flag() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let help = |line: &str| help_as_flag(words(line));
        assert_eq!(help("iomcopy help run"), words("iomcopy run --help"));
        assert_eq!(help("iomcopy help --help"), words("iomcopy --help"));
        assert_eq!(help("iomcopy run help"), words("iomcopy run help"));
    }

    #[test]
    fn json_output_is_recognized_in_an_invalid_command_line() {
        let wants =
            |line: &str| wants_json(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(wants("iomcopy --output json rum uat.yaml"));
        assert!(wants("iomcopy run --output=json"));
        assert!(!wants("iomcopy run --output human"));
        assert!(!wants("iomcopy run --output"));
    }
}
