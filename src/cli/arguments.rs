//! What was typed.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

use crate::rehearsal::{DualWrite, Management, Seed, Skin};
use crate::report::Command as Described;
use crate::runbook::{Cloud, CredentialKind, IomRequest, UnknownWord, Word};

/// Refresh a Dynamics 365 Intelligent Order Management environment from another one
#[derive(Debug, Parser)]
#[command(
    name = "iomcopy",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 plan has changes, 3 usage or runbook wrong, \
4 not signed in or not allowed, 5 a guard refused, 10 waiting for a person, 11 confirmation needed, \
75 temporary: run again, 130/143 interrupted"
)]
pub(super) struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub(super) common: Common,
    /// The command.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(super) struct Common {
    /// State file [default: <name>.iomcopy.jsonl beside the runbook]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) state: Option<PathBuf>,
    /// How results are written
    #[arg(long, global = true, value_enum, default_value = "human")]
    pub(super) output: Output,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(super) color: Color,
    /// Tell more; twice, tell of every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Tell only what is asked for, and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Output {
    /// Text for a person
    Human,
    /// JSON for a program
    Json,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Color {
    /// At a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a runbook, or go on with it: running it again is resuming
    Run(RunArguments),
    /// Show what a run would do now; sends nothing but reads
    Plan(PlanArguments),
    /// Check a runbook, offline
    Validate(RunbookArguments),
    /// Show how far a run is, from its state file alone
    Status(RunbookArguments),
    /// Prove that a manual task is done, or waive the proof
    Complete(CompleteArguments),
    /// Ask whether a run could succeed; sends nothing but reads
    Preflight(RunbookArguments),
    /// Ask whether order management is usable in the target now; sends nothing but reads
    Verify(RunbookArguments),
    /// Tell what a run did, from its state file alone: Markdown, HTML, `JUnit` or JSON
    Report(ReportArguments),
    /// Check, cut or export a state file
    State(StateArguments),
    /// Serve the rehearsal tenant until Ctrl-C
    Rehearsal(RehearsalArguments),
    /// Write a starter runbook for two environments; sends nothing but reads
    Init(InitArguments),
    /// Make entries of a runbook's `iom.requests` from a browser's recording of one click
    ImportHar(ImportHarArguments),
    /// Print the JSON Schema of a runbook, or of what a command writes as JSON
    Schema(SchemaArguments),
    /// Print what completes commands and flags in a shell
    Completions(CompletionsArguments),
    /// Print a manual page
    Man(ManArguments),
}

/// What `run` takes.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag that is typed or not"
)]
pub(super) struct RunArguments {
    /// The runbook
    pub(super) runbook: PathBuf,
    /// Confirm the target by its display name, in place of the prompt
    #[arg(long, value_name = "NAME")]
    pub(super) confirm_target: Option<String>,
    /// Overwrite or remove what somebody edited during this run: the key that the failure printed;
    /// may be given more than once
    #[arg(long, value_name = "KEY")]
    pub(super) confirm_overwrite: Vec<String>,
    /// Send a copy or refresh again whose last attempt failed or was never found: the token that the
    /// failure names. A constant --confirm-target does not confirm a second one
    #[arg(long, value_name = "TOKEN")]
    pub(super) confirm_repeat: Option<String>,
    /// Run an approved plan; a stale one is refused
    #[arg(long, value_name = "FILE")]
    pub(super) plan: Option<PathBuf>,
    /// Stop after this step
    #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(crate::steps::NAMES))]
    pub(super) until: Option<String>,
    /// Do steps 5 to 7 again for one provider of a finished run: the guide's cure
    #[arg(long, value_name = "STEP", requires = "provider", value_parser = ["reinstall-providers"])]
    pub(super) again: Option<String>,
    /// With --again: the provider's definition, by its logical name
    #[arg(long, value_name = "NAME", requires = "again")]
    pub(super) provider: Option<String>,
    /// Archive the state file of a run that has ended, and begin a new refresh
    #[arg(long)]
    pub(super) fresh: bool,
    /// Begin a refresh although an earlier one has not put back what the target had before it: its
    /// settings are given up, or taken with --from-capture
    #[arg(long)]
    pub(super) abandon_captures: bool,
    /// Take the captures of a seal that the state file lacks from its read-only copy; may be given
    /// more than once
    #[arg(long, value_name = "FILE")]
    pub(super) from_capture: Vec<PathBuf>,
    /// Go on with a state file that another machine left open
    #[arg(long)]
    pub(super) takeover: bool,
    /// The same as `plan`
    #[arg(long)]
    pub(super) dry_run: bool,
}

impl RunArguments {
    /// The same as a plan's arguments.
    pub(super) fn as_plan(&self) -> PlanArguments {
        PlanArguments {
            runbook: self.runbook.clone(),
            detailed_exitcode: false,
            out: None,
            provider: self.provider.clone(),
            fresh: self.fresh,
        }
    }
}

/// What `plan` takes.
#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// The runbook
    pub(super) runbook: PathBuf,
    /// Exit with 2 where the plan has changes
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
    /// Save the plan, to be approved and given to `run --plan`; replaces an earlier plan and nothing
    /// else
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Of `run --dry-run --again`: the provider's definition
    #[arg(skip)]
    pub(super) provider: Option<String>,
    /// Of `run --dry-run --fresh`
    #[arg(skip)]
    pub(super) fresh: bool,
}

/// What a command about one runbook takes.
#[derive(Debug, Args)]
pub(super) struct RunbookArguments {
    /// The runbook
    pub(super) runbook: PathBuf,
}

/// What `report` takes.
#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// The runbook
    pub(super) runbook: PathBuf,
    /// The form of the report [default: markdown, and json with --output json]
    #[arg(long, value_enum, value_name = "FORM")]
    pub(super) format: Option<ReportForm>,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum ReportForm {
    /// For a pipeline's summary, a ticket, a wiki
    Markdown,
    /// One file for a browser
    Html,
    /// For a pipeline's test results
    Junit,
    /// For a program
    Json,
}

/// What `rehearsal` takes.
#[derive(Debug, Args)]
pub(super) struct RehearsalArguments {
    /// Where the world is kept; it goes on from there
    #[arg(long, value_name = "FILE", default_value = "rehearsal.world.jsonl")]
    pub(super) world: PathBuf,
    /// How many times faster than the wall clock
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) speed: f64,
    /// What a new world holds: thin (one thing of each kind) or whole
    #[arg(long, value_name = "SEED", default_value = "whole")]
    pub(super) seed: Seed,
    /// Which names a new world's Dataverse shows: usual, or renamed
    #[arg(long, value_name = "SKIN", default_value = "usual")]
    pub(super) skin: Skin,
    /// Who manages a new world's Finance and Operations: unified, or lcs-linked
    #[arg(long, value_name = "KIND", default_value = "unified")]
    pub(super) target: Management,
    /// Whether a new world uses dual-write: on or off
    #[arg(long, value_name = "STATE", default_value = "off")]
    pub(super) dual_write: DualWrite,
    /// Speak TLS to a new world; the root to trust is written beside it
    #[arg(long)]
    pub(super) tls: bool,
    /// A fault: KIND:"METHOD path-glob", KIND#N for the Nth alone; kinds: accept-and-ignore, hold,
    /// lose, throttle, refuse=STATUS, echo=STATUS, answer=STATUS (applied all the same), away=MINUTES, and of a launch: fail, roll-back, fail-to-roll-back, abort
    #[arg(long = "fault", value_name = "FAULT")]
    pub(super) faults: Vec<String>,
}

/// What `init` takes.
#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The environment that is copied: its id, display name, or address
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(super) source: String,
    /// The environment that is overwritten: its id, display name, or address
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(super) target: String,
    /// The tenant to sign in to: its GUID or a domain [default: `AZURE_TENANT_ID`]
    #[arg(long, value_name = "TENANT")]
    pub(super) tenant: Option<String>,
    /// How to sign in [default: azure-cli, and none with --cloud rehearsal]
    #[arg(long, value_name = "KIND", value_parser = word::<CredentialKind>())]
    pub(super) credential: Option<CredentialKind>,
    /// The application's id, for the kinds that need one
    #[arg(long, value_name = "GUID")]
    pub(super) client_id: Option<Uuid>,
    /// The variable that holds the secret of client-secret, or the token of token
    #[arg(long, value_name = "NAME", default_value = "AZURE_CLIENT_SECRET")]
    pub(super) secret_env: String,
    /// The service connection's id, for azure-pipelines
    #[arg(long, value_name = "ID")]
    pub(super) service_connection: Option<String>,
    /// The program that prints a token, for token-command; again for each of its arguments
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(super) token_command: Vec<String>,
    /// The cloud
    #[arg(long, value_name = "CLOUD", default_value = "public", value_parser = word::<Cloud>())]
    pub(super) cloud: Cloud,
    /// Other addresses than the cloud's own: the line that `iomcopy rehearsal` prints
    #[arg(long, value_name = "LINE")]
    pub(super) endpoints: Option<String>,
    /// The user whose flows and connections the target's will be
    #[arg(long, value_name = "USER")]
    pub(super) act_as: Option<String>,
    /// The number of the project in Lifecycle Services, where they manage the target
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) lcs_project: Option<u32>,
    /// The file to write; one that is there is never overwritten [default: -, stdout]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// A choice among a runbook's words.
fn word<W>() -> impl TypedValueParser<Value = W>
where
    W: Word + FromStr<Err = UnknownWord> + Send + Sync,
{
    let names = W::ALL.iter().map(|choice| choice.word());
    PossibleValuesParser::new(names).try_map(|given| given.parse::<W>())
}

/// What `import-har` takes.
#[derive(Debug, Args)]
pub(super) struct ImportHarArguments {
    /// The recording: a HAR file, as the browser's network log saves it
    pub(super) file: PathBuf,
    /// What the click was for, such as `delete-provider`; it tells which values are placeholders
    #[arg(long, value_name = "REQUEST", value_parser = word::<IomRequest>())]
    pub(super) request: Option<IomRequest>,
}

/// What `completions` takes.
#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

/// What `man` takes.
#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// The command the page is about, such as `run` or `state cut`; without it, the program
    pub(super) command: Vec<String>,
}

/// What `schema` takes.
#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// What this command writes with --output json, in place of the runbook; of `run`, one line
    #[arg(long, value_name = "COMMAND", value_parser = described_command())]
    pub(super) output_of: Option<Described>,
}

/// A command that writes JSON, by its name in one word.
fn described_command() -> impl TypedValueParser<Value = Described> {
    let names = Described::ALL.map(Described::name);
    PossibleValuesParser::new(names).try_map(|given| {
        let known = Described::ALL.into_iter().find(|it| it.name() == given);
        known.ok_or("no such command")
    })
}

/// What `state` takes.
#[derive(Debug, Args)]
pub(super) struct StateArguments {
    /// What to do with the file.
    #[command(subcommand)]
    pub(super) command: StateCommand,
}

/// What can be done with a state file.
#[derive(Debug, Subcommand)]
pub(super) enum StateCommand {
    /// List everything that is wrong with it
    Check {
        /// The state file
        file: PathBuf,
    },
    /// Cut it after a record; the whole file is kept aside. For a file that has lost its end, the
    /// last record accepts the loss
    Cut {
        /// The state file
        file: PathBuf,
        /// The number of the last record to keep
        #[arg(long, value_name = "N")]
        at: u64,
    },
    /// Write its records, without what captures hold
    Export {
        /// The state file
        file: PathBuf,
    },
}

/// What `complete` takes.
#[derive(Debug, Args)]
pub(super) struct CompleteArguments {
    /// The runbook
    pub(super) runbook: PathBuf,
    /// The manual task
    #[arg(value_name = "STEP/PHASE")]
    pub(super) task: String,
    /// Go on without proof; the reason is recorded with who and when
    #[arg(long, value_name = "REASON")]
    pub(super) waive: Option<String>,
}
