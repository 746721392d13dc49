//! Runs a program that prints a token: without a shell, without input, in its own process group,
//! and with a timeout. Its output may be a token, so it is never shown; its stderr is.

use std::ffi::OsStr;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use crate::base::platform::{kill_process_group, start_process_group};

/// The maximum that is read of either stream. A token is a few kilobytes.
const MAX_OUTPUT: u64 = 256 * 1024;

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
    #[error("it was still running after {} s and was stopped", .0.as_secs())]
    TimedOut(Duration),
}

/// Runs a program for at most `limit` of real time. Dropping the future stops the program.
pub(super) async fn run(
    program: &OsStr,
    arguments: &[&OsStr],
    variables: &[(&str, &str)],
    limit: Duration,
) -> Result<ProgramOutput, ProgramError> {
    let mut command = Command::new(program);
    let mut child = start_process_group(&mut command)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(ProgramError::NotStarted)?;
    let group = ProcessGroup(child.id());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ending = async {
        let (stdout, stderr) = tokio::join!(read_stream(out), read_stream(err));
        let status = child.wait().await?;
        Ok::<_, io::Error>(ProgramOutput {
            status,
            stdout,
            stderr,
        })
    };
    let ended = tokio::time::timeout(limit, ending).await;
    match ended {
        Ok(Ok(ran)) => {
            group.forget();
            Ok(ran)
        }
        Ok(Err(error)) => Err(ProgramError::NotStarted(error)),
        Err(_) => Err(ProgramError::TimedOut(limit)),
    }
}

/// The processes that a program has started. Dropping it stops them all: a script's own children
/// would outlive the script.
struct ProcessGroup(Option<u32>);

impl ProcessGroup {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            kill_process_group(id);
        }
    }
}

async fn read_stream(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // An error ends the output; what was read until then is used.
        let _error = stream.take(MAX_OUTPUT).read_to_end(&mut bytes).await;
    }
    bytes
}

/// The last lines of a program's stderr, in one line.
pub(super) fn summarize_stderr(stderr: &[u8]) -> String {
    const LINES: usize = 5;
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES)..].join(" ")
}
