//! The top-level command line: the list of commands. The arguments of a command are in the command's
//! file, and those of several commands in `common_arguments`.

use clap::{Parser, Subcommand};

use super::common_arguments::{Common, RunFiles, RunbookArguments};
use super::complete::CompleteArguments;
use super::completions::CompletionsArguments;
use super::fleet::FleetArguments;
use super::graph::GraphArguments;
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
use super::status::StatusArguments;

/// Below the list of commands.
const FIRST_STEPS: &str = "\
First steps:
  iomcopy init                ask for two environments, and write a runbook
  iomcopy validate RUNBOOK    is the runbook valid?
  iomcopy preflight RUNBOOK   could a run succeed?
  iomcopy plan RUNBOOK        what would a run do?
  iomcopy run RUNBOOK         run it, or resume it after a stop or a crash

Exit codes: 0 done, 1 failed, 2 plan has changes, 3 invalid usage or runbook, 4 not signed in or not \
allowed, 5 a guard refused, 10 waiting for a person, 11 confirmation needed, 75 temporary: run \
again, 130/143 interrupted";

/// Refresh a Dynamics 365 Intelligent Order Management environment from another one
#[derive(Debug, Parser)]
#[command(
    name = "iomcopy",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(after_help = FIRST_STEPS)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Command {
    /// The runbook of this command, and the state file that it names: none of a command without a
    /// runbook.
    pub(super) fn run_files(&self) -> Option<RunFiles> {
        Some(match self {
            Self::Validate(arguments) | Self::Preflight(arguments) => arguments.as_run_files(),
            Self::Plan(arguments) => arguments.files.clone(),
            Self::Run(arguments) => arguments.files.clone(),
            Self::Status(arguments) => arguments.files.clone(),
            Self::Complete(arguments) => arguments.files.clone(),
            Self::Verify(files) => files.clone(),
            Self::Report(arguments) => arguments.files.clone(),
            Self::Graph(arguments) => arguments.files.clone(),
            _ => return None,
        })
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a starter runbook for two environments, by flags or by questions
    Init(InitArguments),
    /// Check that a runbook is valid, without network access
    Validate(RunbookArguments),
    /// Check whether a run can succeed, without changing anything
    Preflight(RunbookArguments),
    /// Show what a run would do now, without changing anything
    Plan(PlanArguments),
    /// Run a runbook, or resume it
    Run(RunArguments),
    /// Show the progress of a run, from its state file only
    Status(StatusArguments),
    /// Complete a manual task: check that it is done, or continue without evidence
    Complete(CompleteArguments),
    /// Check whether order management is usable in the target, without changing anything
    Verify(RunFiles),
    /// Report what a run did, from its state file only: Markdown, HTML, worksheets, JUnit, JSON
    Report(ReportArguments),
    /// Print an orchestration's graph before the run, after step 5 and after step 7: Mermaid or SVG
    Graph(GraphArguments),
    /// Show many runs at once, from their state files only
    Fleet(FleetArguments),
    /// Check, cut, show or export a state file
    State(StateArguments),
    /// Serve the rehearsal tenant, a simulated one, until Ctrl-C
    #[cfg(feature = "rehearsal")]
    Rehearsal(RehearsalArguments),
    /// Create entries for a runbook's `iom.requests` from a browser's recording of one click
    ImportHar(ImportHarArguments),
    /// Print the JSON Schema of a runbook, or of a command's JSON output
    Schema(SchemaArguments),
    /// Print the script that completes commands, flags and steps in a shell
    Completions(CompletionsArguments),
    /// Print a manual page
    Man(ManArguments),
}
