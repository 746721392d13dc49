//! A program that is run for a token: without a shell, without input, in a process group of its own,
//! and not for longer than its limit. What it prints is a token or may be one, so it is shown to
//! nobody; what it complains of on stderr is.

use std::ffi::OsStr;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

/// The most that is read of either stream. A token is a few kilobytes.
const LONGEST: u64 = 256 * 1024;

/// What a program did.
pub(super) struct Ran {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Why a program did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stuck {
    #[error("it cannot be started: {0}")]
    NotStarted(io::Error),
    #[error("it was still running after {} s and was ended", .0.as_secs())]
    TooSlow(Duration),
}

/// Runs a program to its end, for at most `limit` of real time. Dropped before, it ends the program.
pub(super) async fn run(
    program: &OsStr,
    arguments: &[&OsStr],
    variables: &[(&str, &str)],
    limit: Duration,
) -> Result<Ran, Stuck> {
    let mut child = Command::new(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C at the terminal is for this program, which lets what is under way end.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(Stuck::NotStarted)?;
    let group = Group(child.id());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ending = async {
        let (stdout, stderr) = tokio::join!(read(out), read(err));
        let status = child.wait().await?;
        Ok::<_, io::Error>(Ran {
            status,
            stdout,
            stderr,
        })
    };
    let ended = tokio::time::timeout(limit, ending).await;
    match ended {
        Ok(Ok(ran)) => {
            group.has_ended();
            Ok(ran)
        }
        Ok(Err(error)) => Err(Stuck::NotStarted(error)),
        Err(_) => Err(Stuck::TooSlow(limit)),
    }
}

/// The processes that a program has begun. Dropped, it ends them all: a script's own children would
/// outlive the script.
struct Group(Option<u32>);

impl Group {
    fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            // A group that has ended meanwhile needs no ending.
            _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // What could be read until it broke is what there is to judge.
        let _broken = stream.take(LONGEST).read_to_end(&mut bytes).await;
    }
    bytes
}

/// The last lines of what a program complained of, in one line.
pub(super) fn complaint(stderr: &[u8]) -> String {
    const LINES: usize = 5;
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES)..].join(" ")
}
