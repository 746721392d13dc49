//! The command line: one file or directory for each command, with its arguments. Only this module
//! knows clap, and only this module reads the process environment, its signals and its terminal.
//!
//! ```text
//! arguments.rs           the list of commands (clap)
//! common_arguments.rs    the flags of every command, and arguments that several commands have
//! run/                   `run`: the order of a run, and its parts
//! init/                  `init`: a starter runbook, by flags or by questions
//! plan.rs preflight.rs verify.rs complete.rs complete/ graph.rs
//!                        commands that read the services
//! status.rs fleet.rs fleet/
//!                        commands that read state files, also those in Azure Storage
//! validate.rs report.rs state.rs import_har.rs
//!                        commands that read local files only
//! schema.rs completions.rs man.rs rehearsal.rs
//!                        commands for editors, shells and rehearsals
//!
//! connect/               a runbook's services: addresses, sign-in, both environments
//! session.rs             what every command needs: printer, output format, cancellation
//! process_environment.rs the variables of the process environment
//! exit_code.rs           the exit codes
//! runbook_file.rs        reads the runbook
//! new_refresh.rs         does a command begin a new refresh? `--fresh` and `--fresh-after`
//! plan_file.rs           a saved plan
//! plan_notes.rs          what a plan does not know, and why a run may differ from it
//! step_names.rs          the names of a runbook's steps
//! expectations.rs        how long a run should take
//! job_summary.rs         a document next to the log of a pipeline's job
//! did_you_mean.rs        suggestions for a name that does not exist
//! environment_lookup.rs  finds an environment by id, display name or address
//! outages.rs             the checks that a service did not answer, as one block
//! actor.rs               who confirms, completes or waives, for the state file
//! warnings.rs            the warnings of this process
//! example_pipelines_tests.rs
//!                        tests of the pipelines under `runbooks/`
//! testing.rs             what the unit tests of the commands share
//! usage.rs               an invalid command line
//! signals.rs logging.rs  Ctrl-C and SIGTERM; log lines
//! telemetry.rs           the trace for a collector (cargo feature `opentelemetry`)
//! ```

mod actor;
mod arguments;
mod common_arguments;
mod complete;
mod completions;
mod connect;
mod did_you_mean;
mod environment_lookup;
#[cfg(test)]
mod example_pipelines_tests;
mod exit_code;
mod expectations;
mod fleet;
mod graph;
mod import_har;
mod init;
mod job_summary;
mod logging;
mod man;
mod new_refresh;
mod outages;
mod plan;
mod plan_file;
mod plan_notes;
mod preflight;
mod process_environment;
#[cfg(feature = "rehearsal")]
mod rehearsal;
mod report;
mod run;
mod runbook_file;
mod schema;
mod session;
mod signals;
mod state;
mod status;
mod step_names;
#[cfg(feature = "opentelemetry")]
mod telemetry;
#[cfg(test)]
mod testing;
mod usage;
mod validate;
mod verify;
mod warnings;

use std::ffi::OsString;

use clap::Parser as _;
use tracing::Instrument as _;
use tracing::field::Empty;

pub use exit_code::*;

use self::arguments::{Arguments, Command};
use self::session::Session;
use self::signals::Stopped;
use crate::base::shell::quote_argument;
use crate::engine::Failure;

/// Runs the program with these arguments (the program's name first) and returns its exit code. May
/// be called more than once in a process.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments = usage::help_as_flag(arguments.into_iter().collect());
    let command_line = command_line(&arguments);
    let arguments = match Arguments::try_parse_from(&arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage::report_usage(error, &arguments),
    };
    let session = Session::new(&arguments.common, command_line);
    process_environment::note_unreadable_roots();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            session
                .printer
                .error(&format!("error: the program cannot start: {error}"));
            return FAILED;
        }
    };
    let writes_events = matches!(&arguments.command, Command::Run(arguments) if !arguments.dry_run);
    let name = if writes_events {
        "iomcopy run"
    } else {
        "iomcopy"
    };
    let span = tracing::info_span!(
        "iomcopy",
        otel.name = name,
        iomcopy.run = Empty,
        iomcopy.target = Empty,
    );
    let result = runtime.block_on(dispatch(&session, arguments.command).instrument(span));
    // Does not wait for requests to a server that does not respond.
    runtime.shutdown_background();
    if let Some(finish_trace) = &session.finish_trace {
        finish_trace();
    }
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => session.report_failure(&failure, writes_events),
    };
    session.final_exit_code(exit)
}

/// This command, to be copied into a shell.
fn command_line(arguments: &[OsString]) -> String {
    let given = arguments.iter().skip(1);
    let given = given.map(|argument| quote_argument(&argument.to_string_lossy()));
    let words: Vec<String> = ["iomcopy".to_owned()].into_iter().chain(given).collect();
    words.join(" ")
}

async fn dispatch(session: &Session, command: Command) -> Result<u8, Failure> {
    // Ctrl-C ends `status --follow` and `report --follow` at once: they have nothing to finish, and
    // the run continues.
    let follows = match &command {
        Command::Status(arguments) => arguments.follow,
        Command::Report(arguments) => arguments.follow.is_some(),
        _ => false,
    };
    let stopped = match &command {
        // It has no request in flight that would have to be finished.
        Command::Init(_) => Stopped::Nothing,
        #[cfg(feature = "rehearsal")]
        Command::Rehearsal(_) => Stopped::Server,
        _ => Stopped::Requests,
    };
    if !follows {
        session.listen_to_signals(stopped);
    }
    let printer = &session.printer;
    let files = command.run_files();
    let result = match command {
        Command::Run(arguments) if arguments.dry_run => {
            Box::pin(plan::plan(session, &arguments.as_plan())).await
        }
        Command::Run(arguments) => Box::pin(run::run(session, &arguments)).await,
        Command::Plan(arguments) => Box::pin(plan::plan(session, &arguments)).await,
        Command::Validate(arguments) => validate::validate(session, &arguments),
        Command::Status(arguments) => status::status(session, &arguments).await,
        Command::Fleet(arguments) => fleet::fleet(session, &arguments),
        Command::Complete(arguments) => Box::pin(complete::complete(session, &arguments)).await,
        Command::Preflight(arguments) => Box::pin(preflight::preflight(session, &arguments)).await,
        Command::Verify(arguments) => Box::pin(verify::verify(session, &arguments)).await,
        Command::Report(arguments) => report::report(session, &arguments).await,
        Command::Graph(arguments) => Box::pin(graph::graph(session, &arguments)).await,
        Command::State(arguments) => state::state(session, &arguments),
        #[cfg(feature = "rehearsal")]
        Command::Rehearsal(arguments) => rehearsal::rehearsal(session, &arguments).await,
        Command::Init(arguments) => init::init(session, &arguments).await,
        Command::ImportHar(arguments) => import_har::import_har(session, &arguments),
        Command::Schema(arguments) => Ok(schema::schema(printer, &arguments)),
        Command::Completions(arguments) => Ok(completions::completions(printer, &arguments)),
        Command::Man(arguments) => man::man(printer, &arguments),
    };
    // The code that makes a failure does not know the files of the command.
    result.map_err(|failure| match &files {
        Some(files) => files.named_in(failure),
        None => failure,
    })
}
