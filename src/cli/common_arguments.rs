//! The flags of every command, and the arguments that several commands have.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum, ValueHint};

use super::connect;
use super::runbook_file::read_runbook;
use crate::base::shell::quote_argument;
use crate::engine::Failure;
use crate::runbook::{Keyword, Runbook, find_keyword};

/// The commands that a failure's help names with `RUNBOOK`.
const WITH_RUNBOOK: [&str; 8] = [
    "complete",
    "plan",
    "preflight",
    "report",
    "run",
    "status",
    "validate",
    "verify",
];

/// The heading of these flags in the help of a command.
const GLOBAL: &str = "Options of every command";

/// The flags of every command.
#[derive(Clone, Debug, Args)]
pub(super) struct Common {
    /// Output format
    #[arg(long, global = true, value_enum, default_value = "human", help_heading = GLOBAL)]
    pub(super) output: Output,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value = "auto", help_heading = GLOBAL)]
    pub(super) color: Color,
    /// Show more detail: passed checks, the values that a plan changes, phases, survey results; twice:
    /// also every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = GLOBAL)]
    pub(super) verbose: u8,
    /// Show only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    pub(super) quiet: bool,
}

/// Output format.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Output {
    /// Text for people
    Human,
    /// JSON for programs
    Json,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Color {
    /// If the output is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The arguments of a command that only needs a runbook.
#[derive(Debug, Args)]
pub(super) struct RunbookArguments {
    /// The runbook file
    #[arg(value_hint = ValueHint::FilePath)]
    pub(super) runbook: PathBuf,
    /// Values file: replaces single values of the runbook, such as `target.environment`, so that one
    /// runbook serves several targets [default: the runbook's `values`]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) values: Option<PathBuf>,
}

impl RunbookArguments {
    /// Reads the runbook.
    pub(super) fn read(&self) -> Result<Runbook, Failure> {
        read_runbook(&self.runbook, self.values.as_deref())
    }

    /// The files of a run with this runbook.
    pub(super) fn as_run_files(&self) -> RunFiles {
        RunFiles {
            runbook: self.runbook.clone(),
            values: self.values.clone(),
            state: None,
        }
    }
}

/// A runbook, and the state file of its run.
#[derive(Clone, Debug, Args)]
pub(super) struct RunFiles {
    /// The runbook file
    #[arg(value_hint = ValueHint::FilePath)]
    pub(super) runbook: PathBuf,
    /// Values file: replaces single values of the runbook, such as `target.environment`, so that one
    /// runbook serves several targets [default: the runbook's `values`]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) values: Option<PathBuf>,
    /// State file [default: <name>.iomcopy.jsonl next to the runbook]; or the address of a container
    /// of Azure Storage that holds it too, as `state` in the runbook
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) state: Option<PathBuf>,
}

impl RunFiles {
    /// Reads the runbook, and returns the path of its state file with it.
    pub(super) fn read(&self) -> Result<(Runbook, PathBuf), Failure> {
        let runbook = read_runbook(&self.runbook, self.values.as_deref())?;
        let file = self.state.clone().filter(|_| self.container().is_none());
        let path = file.unwrap_or_else(|| state_file_beside(&self.runbook, &runbook));
        Ok((runbook, path))
    }

    /// As [`read`](Self::read), for a command that only reads the state: the file is first brought
    /// up to its copy at a service, if there is one.
    pub(super) fn read_state(&self) -> Result<(Runbook, PathBuf), Failure> {
        let (runbook, path) = self.read()?;
        connect::refresh_state(&runbook, self.container(), &path)?;
        Ok((runbook, path))
    }

    /// The address of a container, if `--state` names one instead of a file.
    pub(super) fn container(&self) -> Option<&str> {
        let text = self.state.as_deref()?.to_str()?;
        let is_address = text.starts_with("https://") || text.starts_with("http://");
        is_address.then_some(text)
    }

    /// Replaces `RUNBOOK` in the commands of a failure's help by these files, also where its message
    /// has the help of the failures in it: the code that makes the failure does not know them.
    pub(super) fn named_in(&self, mut failure: Failure) -> Failure {
        let arguments = self.as_arguments();
        let named = |help: String, command: &str| {
            let (general, exact) = (
                format!("iomcopy {command} RUNBOOK"),
                format!("iomcopy {command} {arguments}"),
            );
            help.replace(&general, &exact)
        };
        let all_named = |text: String| WITH_RUNBOOK.into_iter().fold(text, named);
        failure.help = failure.help.map(all_named);
        if !failure.failures.is_empty() {
            failure.message = all_named(failure.message);
        }
        for single in &mut failure.failures {
            single.help = single.help.take().map(all_named);
        }
        failure
    }

    /// The arguments that name these files in a command that a message suggests.
    pub(super) fn as_arguments(&self) -> String {
        let quoted = |path: &Path| quote_argument(&path.display().to_string());
        let option = |flag: &str, path: &Option<PathBuf>| {
            path.as_ref()
                .map(|path| format!(" --{flag} {}", quoted(path)))
                .unwrap_or_default()
        };
        format!(
            "{}{}{}",
            quoted(&self.runbook),
            option("values", &self.values),
            option("state", &self.state)
        )
    }
}

/// The path of a runbook's state file: beside the file, with the runbook's name.
pub(super) fn state_file_beside(file: &Path, runbook: &Runbook) -> PathBuf {
    file.with_file_name(format!("{}.iomcopy.jsonl", runbook.name.value))
}

/// Parses one of the runbook's keywords.
pub(super) fn keyword_parser<K: Keyword + Send + Sync>() -> impl TypedValueParser<Value = K> {
    let names = K::ALL.iter().map(|choice| choice.keyword());
    PossibleValuesParser::new(names)
        .try_map(|given| find_keyword(&given).ok_or("it is not one of the possible values"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::runbook_text;

    #[test]
    fn help_names_the_files_of_this_command() {
        let files = RunFiles {
            runbook: "my uat.yaml".into(),
            values: None,
            state: Some("uat.jsonl".into()),
        };
        let help =
            "check it with `iomcopy complete RUNBOOK a/b`; `iomcopy status RUNBOOK` shows it";
        let failure = files.named_in(Failure::failed("x").with_help(help));
        let exact = "\"my uat.yaml\" --state uat.jsonl";
        assert_eq!(
            failure.help.unwrap_or_default(),
            format!(
                "check it with `iomcopy complete {exact} a/b`; `iomcopy status {exact}` shows it"
            )
        );
        assert_eq!(files.named_in(Failure::failed("x")).help, None);
    }

    #[test]
    fn each_file_of_values_has_a_state_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let runbook = write("refresh.yaml", &runbook_text("public", ""));
        let mut states = Vec::new();
        for target in ["uat", "test", "training"] {
            let id = format!(
                "{0}{0}{0}{0}{0}{0}{0}{0}-3333-3333-3333-333333333333",
                states.len()
            );
            let text = format!("name: {target}\ntarget: {{ environment: {id}, name: {target} }}\n");
            let files = RunFiles {
                runbook: runbook.clone(),
                values: Some(write(&format!("{target}.values.yaml"), &text)),
                state: None,
            };
            let (read, state) = files.read().unwrap_or_else(|failure| panic!("{failure:?}"));
            assert_eq!(read.target.name.value, target);
            assert!(files.as_arguments().contains("refresh.yaml --values "));
            states.push(state);
        }
        let names = ["uat", "test", "training"].map(|name| format!("{name}.iomcopy.jsonl"));
        assert_eq!(states, names.map(|name| folder.path().join(name)));
    }
}
