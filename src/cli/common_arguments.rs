//! The flags of every command, and the arguments that several commands have.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::runbook_file::read_runbook;
use crate::base::shell::quote_argument;
use crate::engine::Failure;
use crate::runbook::{Runbook, UnknownWord, Word};

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
    /// Show more detail: checks that pass, phases, what each survey finds; twice: also every request
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
    pub(super) runbook: PathBuf,
}

/// A runbook, and the state file of its run.
#[derive(Clone, Debug, Args)]
pub(super) struct RunFiles {
    /// The runbook file
    pub(super) runbook: PathBuf,
    /// State file [default: <name>.iomcopy.jsonl next to the runbook]
    #[arg(long, value_name = "FILE")]
    pub(super) state: Option<PathBuf>,
}

impl RunFiles {
    /// Reads the runbook, and returns the path of its state file with it.
    pub(super) fn read(&self) -> Result<(Runbook, PathBuf), Failure> {
        let runbook = read_runbook(&self.runbook)?;
        let name = format!("{}.iomcopy.jsonl", runbook.name.value);
        let beside = || self.runbook.with_file_name(name);
        let path = self.state.clone().unwrap_or_else(beside);
        Ok((runbook, path))
    }

    /// The arguments that name these files in a command that a message suggests.
    pub(super) fn as_arguments(&self) -> String {
        let quoted = |path: &Path| quote_argument(&path.display().to_string());
        match &self.state {
            Some(state) => format!("{} --state {}", quoted(&self.runbook), quoted(state)),
            None => quoted(&self.runbook),
        }
    }
}

/// Parses one of the runbook's words.
pub(super) fn word_parser<W>() -> impl TypedValueParser<Value = W>
where
    W: Word + FromStr<Err = UnknownWord> + Send + Sync,
{
    let names = W::ALL.iter().map(|choice| choice.word());
    PossibleValuesParser::new(names).try_map(|given| given.parse::<W>())
}
