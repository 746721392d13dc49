//! Runs a program that prints a token: without input, and with a time limit. Its output may be a
//! token, so it is never shown; its stderr is.

use std::ffi::OsStr;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use crate::base::program::Program;
pub(super) use crate::base::program::last_lines as summarize_stderr;
use crate::base::text::duration;

/// The result of a program.
pub(super) struct ProgramOutput {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Why a program did not finish.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("it cannot be started: {0}")]
    NotStarted(#[source] io::Error),
    #[error("it was still running after {} and was stopped", duration(*.0))]
    TimedOut(Duration),
}

/// Runs a program for at most `limit` of real time. Dropping the future stops the program.
pub(super) async fn run(
    program: &OsStr,
    arguments: &[&OsStr],
    variables: &[(&str, &str)],
    limit: Duration,
) -> Result<ProgramOutput, ProgramError> {
    let program = Program {
        program,
        arguments: arguments.to_vec(),
        variables: variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        inherits_variables: true,
        folder: None,
        input: None,
        output: None,
        limit,
    };
    let ran = program.run().await.map_err(ProgramError::NotStarted)?;
    Ok(ProgramOutput {
        status: ran.status.ok_or(ProgramError::TimedOut(limit))?,
        stdout: ran.stdout,
        stderr: ran.stderr,
    })
}
