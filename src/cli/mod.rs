//! The command line: one file a command. Only here is clap known, and only here are the process's
//! environment, its signals and its terminal read.
//!
//! ```text
//! arguments.rs  what was typed (clap)
//! exit.rs       the exit codes, one exhaustive match
//! session.rs    what every command is given: printer, environment, cancellation
//! document.rs   reading the runbook; what this version cannot do yet, at its position
//! connect.rs    the runbook's services, reached: rehearsal, clients, both environments
//! confirm.rs    the target's name, typed or given
//! repeat.rs     a launch that destroys, confirmed once more before it is requested again
//! actor.rs      who acts, for the record
//! pinned.rs     what a run is pinned to
//! target_lock.rs   one run for one target on this machine
//! usage.rs      a command line that cannot be understood
//! ending.rs     how a process's part of a run ends
//! overwrite.rs  a person's edit, confirmed to be overwritten
//! notes.rs      what was found on the way and stopped nothing
//! summary.rs    the report of a run where its pipeline shows it
//! chosen.rs     an environment by what a person calls it
//! fresh.rs      a new run in the place of another: archive, captures from copies
//! again.rs      a finished run: looked at again, or opened again for one provider
//! saved.rs      a plan in a file, to be approved
//! run.rs plan.rs validate.rs preflight.rs verify.rs status.rs complete.rs report.rs state.rs
//! rehearsal.rs init.rs import_har.rs schema.rs completions.rs man.rs    the commands
//! ```

mod actor;
mod again;
mod arguments;
mod chosen;
mod complete;
mod completions;
mod confirm;
mod connect;
mod document;
mod ending;
mod exit;
mod fresh;
mod import_har;
mod init;
mod man;
mod notes;
mod overwrite;
mod pinned;
mod plan;
mod preflight;
mod rehearsal;
mod repeat;
mod report;
mod run;
mod saved;
mod schema;
mod session;
mod state;
mod status;
mod summary;
mod target_lock;
mod usage;
mod validate;
mod verify;

use std::ffi::OsString;

use clap::Parser as _;

pub use exit::*;

use self::arguments::{Arguments, Command};
use self::session::Session;
use crate::engine::Failure;

/// Runs the program with these arguments (the program's name first) and returns its exit code. May
/// be called more than once in a process.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let arguments = match Arguments::try_parse_from(&arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage::tell(&error, &arguments),
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
                .complain(&format!("error: the program cannot begin: {error}"));
            return FAILED;
        }
    };
    let events = matches!(&arguments.command, Command::Run(arguments) if !arguments.dry_run);
    let result = runtime.block_on(dispatch(&session, arguments.command));
    // What still waits for a server that does not answer is not waited for.
    runtime.shutdown_background();
    let code = match result {
        Ok(code) => code,
        Err(failure) => session.fail(&failure, events),
    };
    session.settled(code)
}

async fn dispatch(session: &Session, command: Command) -> Result<u8, Failure> {
    session.listen_to_signals();
    match command {
        Command::Run(arguments) if arguments.dry_run => {
            plan::plan(session, &arguments.as_plan()).await
        }
        Command::Run(arguments) => run::run(session, &arguments).await,
        Command::Plan(arguments) => plan::plan(session, &arguments).await,
        Command::Validate(arguments) => validate::validate(session, &arguments),
        Command::Status(arguments) => status::status(session, &arguments),
        Command::Complete(arguments) => complete::complete(session, &arguments).await,
        Command::Preflight(arguments) => preflight::show(session, &arguments).await,
        Command::Verify(arguments) => verify::show(session, &arguments).await,
        Command::Report(arguments) => report::report(session, &arguments),
        Command::State(arguments) => state::state(session, &arguments),
        Command::Rehearsal(arguments) => rehearsal::rehearsal(session, &arguments).await,
        Command::Init(arguments) => init::init(session, &arguments).await,
        Command::ImportHar(arguments) => import_har::import_har(session, &arguments),
        Command::Schema(arguments) => Ok(schema::schema(session, &arguments)),
        Command::Completions(arguments) => Ok(completions::completions(session, &arguments)),
        Command::Man(arguments) => man::man(session, &arguments),
    }
}
