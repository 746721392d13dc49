//! The top-level command line: the list of commands and the flags that all of them have. The
//! arguments of a command are in the command's file.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::complete::CompleteArguments;
use super::completions::CompletionsArguments;
use super::import_har::ImportHarArguments;
use super::init::InitArguments;
use super::man::ManArguments;
use super::plan::PlanArguments;
#[cfg(feature = "rehearsal")]
use super::rehearsal::RehearsalArguments;
use super::report::ReportArguments;
use super::run::RunArguments;
use super::schema::SchemaArguments;
use super::state::StateArguments;
use crate::runbook::{UnknownWord, Word};

/// Refresh a Dynamics 365 Intelligent Order Management environment from another one
#[derive(Debug, Parser)]
#[command(
    name = "iomcopy",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 plan has changes, 3 invalid usage or runbook, \
4 not signed in or not allowed, 5 a guard refused, 10 waiting for a person, 11 confirmation needed, \
75 temporary: run again, 130/143 interrupted"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The flags of every command.
#[derive(Clone, Debug, Args)]
pub(super) struct Common {
    /// State file [default: <name>.iomcopy.jsonl next to the runbook]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) state: Option<PathBuf>,
    /// Output format
    #[arg(long, global = true, value_enum, default_value = "human")]
    pub(super) output: Output,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(super) color: Color,
    /// Show more detail; twice: show every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Show only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
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

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a runbook, or resume it
    Run(RunArguments),
    /// Show what a run would do now, without changing anything
    Plan(PlanArguments),
    /// Check a runbook, without network access
    Validate(RunbookArguments),
    /// Show the progress of a run, from its state file only
    Status(RunbookArguments),
    /// Complete a manual task: check that it is done, or continue without evidence
    Complete(CompleteArguments),
    /// Check whether a run can succeed, without changing anything
    Preflight(RunbookArguments),
    /// Check whether order management is usable in the target, without changing anything
    Verify(RunbookArguments),
    /// Report what a run did, from its state file only: Markdown, HTML, `JUnit` or JSON
    Report(ReportArguments),
    /// Check, cut or export a state file
    State(StateArguments),
    /// Serve the rehearsal tenant until Ctrl-C
    #[cfg(feature = "rehearsal")]
    Rehearsal(RehearsalArguments),
    /// Write a starter runbook for two environments, without changing them
    Init(InitArguments),
    /// Create entries for a runbook's `iom.requests` from a browser's recording of one click
    ImportHar(ImportHarArguments),
    /// Print the JSON Schema of a runbook, or of a command's JSON output
    Schema(SchemaArguments),
    /// Print the completion script of a shell
    Completions(CompletionsArguments),
    /// Print a manual page
    Man(ManArguments),
}

/// The arguments of a command that only needs a runbook.
#[derive(Debug, Args)]
pub(super) struct RunbookArguments {
    /// The runbook file
    pub(super) runbook: PathBuf,
}

/// Parses one of the runbook's words.
pub(super) fn word_parser<W>() -> impl TypedValueParser<Value = W>
where
    W: Word + FromStr<Err = UnknownWord> + Send + Sync,
{
    let names = W::ALL.iter().map(|choice| choice.word());
    PossibleValuesParser::new(names).try_map(|given| given.parse::<W>())
}
