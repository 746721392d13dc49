//! The command line: one file or directory for each command, with its arguments. Only this module
//! knows clap, and only this module reads the process environment, its signals and its terminal.
//!
//! ```text
//! arguments.rs           the list of commands (clap)
//! common_arguments.rs    the flags of every command, and arguments that several commands have
//! run/                   `run`: the order of a run, and its parts
//! plan.rs preflight.rs verify.rs complete.rs init.rs            online commands
//! validate.rs status.rs report.rs state.rs import_har.rs        offline commands
//! schema.rs completions.rs man.rs rehearsal.rs                  for editors, shells and rehearsals
//!
//! connect/               a runbook's services: addresses, sign-in, both environments
//! session.rs             what every command needs: printer, output format, cancellation
//! exit_code.rs           the exit codes
//! runbook_file.rs        reads the runbook
//! plan_file.rs           a saved plan
//! step_names.rs          the names of a runbook's steps
//! expectations.rs        how long a run should take
//! did_you_mean.rs        suggestions for a name that does not exist
//! environment_lookup.rs  finds an environment by id, display name or address
//! actor.rs               who confirms, completes or waives, for the state file
//! warnings.rs            the warnings of this process
//! testing.rs             what the unit tests of the commands share
//! usage.rs               an invalid command line
//! signals.rs logging.rs  Ctrl-C and SIGTERM; log lines
//! ```

mod actor;
mod arguments;
mod common_arguments;
mod complete;
mod completions;
mod connect;
mod did_you_mean;
mod environment_lookup;
mod exit_code;
mod expectations;
mod import_har;
mod init;
mod logging;
mod man;
mod plan;
mod plan_file;
mod preflight;
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
#[cfg(test)]
mod testing;
mod usage;
mod validate;
mod verify;
mod warnings;

use std::ffi::OsString;

use clap::Parser as _;

pub use exit_code::*;

use self::arguments::{Arguments, Command};
use self::session::Session;
use crate::engine::Failure;

/// Runs the program with these arguments (the program's name first) and returns its exit code. May
/// be called more than once in a process.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    // clap's own `help` command has no flag for help.
    if arguments.get(1).is_some_and(|command| command == "help") {
        arguments.retain(|argument| argument != "--help" && argument != "-h");
    }
    let arguments = match Arguments::try_parse_from(&arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage::report_usage(&error, &arguments),
    };
    let session = Session::new(&arguments.common);
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
    let result = runtime.block_on(dispatch(&session, arguments.command));
    // Does not wait for requests to a server that does not respond.
    runtime.shutdown_background();
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => session.report_failure(&failure, writes_events),
    };
    session.final_exit_code(exit)
}

async fn dispatch(session: &Session, command: Command) -> Result<u8, Failure> {
    // Ctrl-C ends `status --follow` at once: it has nothing to finish, and the run goes on.
    if !matches!(&command, Command::Status(arguments) if arguments.follow) {
        session.listen_to_signals();
    }
    let printer = &session.printer;
    match command {
        Command::Run(arguments) if arguments.dry_run => {
            plan::plan(session, &arguments.as_plan()).await
        }
        Command::Run(arguments) => Box::pin(run::run(session, &arguments)).await,
        Command::Plan(arguments) => plan::plan(session, &arguments).await,
        Command::Validate(arguments) => validate::validate(session, &arguments),
        Command::Status(arguments) => status::status(session, &arguments).await,
        Command::Complete(arguments) => complete::complete(session, &arguments).await,
        Command::Preflight(arguments) => preflight::preflight(session, &arguments).await,
        Command::Verify(arguments) => verify::verify(session, &arguments).await,
        Command::Report(arguments) => report::report(session, &arguments),
        Command::State(arguments) => state::state(session, &arguments),
        #[cfg(feature = "rehearsal")]
        Command::Rehearsal(arguments) => rehearsal::rehearsal(session, &arguments).await,
        Command::Init(arguments) => init::init(session, &arguments).await,
        Command::ImportHar(arguments) => import_har::import_har(session, &arguments),
        Command::Schema(arguments) => Ok(schema::schema(printer, &arguments)),
        Command::Completions(arguments) => Ok(completions::completions(printer, &arguments)),
        Command::Man(arguments) => man::man(printer, &arguments),
    }
}
