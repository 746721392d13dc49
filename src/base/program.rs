//! Runs a program: without a shell, in its own process group, and with a time limit.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::files::read_end;
use super::platform::{kill_process_group, start_process_group};

/// How much of the end of each stream is kept.
const MAX_OUTPUT: usize = 256 * 1024;

/// How long the streams of a program that has ended may stay open: a process that it has started
/// may hold them.
const AFTER_EXIT: Duration = Duration::from_secs(1);

/// A program, ready to run.
#[derive(Debug)]
pub struct Program<'a> {
    /// Its name, to be found on the path, or its path.
    pub program: &'a OsStr,
    /// Its arguments.
    pub arguments: Vec<&'a OsStr>,
    /// Variables of its environment.
    pub variables: Vec<(OsString, OsString)>,
    /// Does it inherit the other variables of this process?
    pub inherits_variables: bool,
    /// Its working directory; this process's if none.
    pub folder: Option<&'a Path>,
    /// What it reads; nothing if none.
    pub input: Option<File>,
    /// The files that it writes to instead of pipes: a program that outlives this process runs on,
    /// while a closed pipe would stop it at its next line.
    pub output: Option<OutputFiles>,
    /// How long it may run, in real time.
    pub limit: Duration,
}

/// The files of a program's standard output and standard error, opened to read and to append.
#[derive(Debug)]
pub struct OutputFiles {
    /// For its standard output.
    pub stdout: File,
    /// For its standard error.
    pub stderr: File,
}

impl OutputFiles {
    /// The end of what was written to each.
    fn read(&self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let end = |file| read_end(file, MAX_OUTPUT as u64);
        Ok((end(&self.stdout)?, end(&self.stderr)?))
    }
}

/// How a program ended, and the end of what it wrote.
#[derive(Debug)]
pub struct ProgramOutput {
    /// How it ended; none if it was still running at its limit and was stopped.
    pub status: Option<ExitStatus>,
    /// The end of its standard output.
    pub stdout: Vec<u8>,
    /// The end of its standard error.
    pub stderr: Vec<u8>,
}

impl Program<'_> {
    /// Runs it to its end or to its limit. Dropping the future stops it and what it has started.
    /// Fails if it cannot be started.
    pub async fn run(self) -> io::Result<ProgramOutput> {
        let mut command = Command::new(self.program);
        start_process_group(&mut command)
            .args(self.arguments)
            .stdin(self.input.map_or_else(Stdio::null, Stdio::from))
            .kill_on_drop(true);
        match &self.output {
            Some(files) => command
                .stdout(files.stdout.try_clone()?)
                .stderr(files.stderr.try_clone()?),
            None => command.stdout(Stdio::piped()).stderr(Stdio::piped()),
        };
        if !self.inherits_variables {
            command.env_clear();
        }
        command.envs(self.variables);
        if let Some(folder) = self.folder {
            command.current_dir(folder);
        }
        let mut child = command.spawn()?;
        // The command holds the input too.
        drop(command);
        let group = ProcessGroup(child.id());
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let reading = async {
            tokio::join!(
                Box::pin(read_stream(out, &mut stdout)),
                Box::pin(read_stream(err, &mut stderr)),
            );
        };
        let ending = async {
            let mut reading = pin!(reading);
            let mut is_read = false;
            let status = loop {
                tokio::select! {
                    () = &mut reading, if !is_read => is_read = true,
                    status = child.wait() => break status,
                }
            };
            if !is_read {
                _ = tokio::time::timeout(AFTER_EXIT, reading).await;
            }
            status
        };
        let status = match tokio::time::timeout(self.limit, ending).await {
            Ok(status) => {
                group.forget();
                Some(status?)
            }
            Err(_) => None,
        };
        if let Some(files) = &self.output {
            (stdout, stderr) = files.read()?;
        }
        Ok(ProgramOutput {
            status,
            stdout,
            stderr,
        })
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

/// Reads a stream to its end, and keeps the last part. An error ends it.
async fn read_stream(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else {
        return;
    };
    let mut chunk = [0; 8 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..read]);
        if kept.len() > 2 * MAX_OUTPUT {
            kept.drain(..kept.len() - MAX_OUTPUT);
        }
    }
    if kept.len() > MAX_OUTPUT {
        kept.drain(..kept.len() - MAX_OUTPUT);
    }
}

/// The last lines of what a program wrote, in one line.
pub fn last_lines(written: &[u8]) -> String {
    const LINES: usize = 5;
    let text = String::from_utf8_lossy(written);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES)..].join(" ")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::base::platform;

    /// The program has no pipe that this process could close, and its output is read all the same.
    #[tokio::test]
    async fn a_program_with_files_writes_to_no_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| platform::create_unnamed(&folder.path().join(name)).unwrap();
        let script = "test -p /dev/stdout || test -p /dev/stderr || echo no pipe; echo late >&2";
        let output = Program {
            program: OsStr::new("sh"),
            arguments: vec![OsStr::new("-c"), OsStr::new(script)],
            variables: Vec::new(),
            inherits_variables: true,
            folder: None,
            input: None,
            output: Some(OutputFiles {
                stdout: open("stdout"),
                stderr: open("stderr"),
            }),
            limit: Duration::from_secs(30),
        }
        .run()
        .await
        .unwrap();
        assert_eq!(output.stdout, b"no pipe\n");
        assert_eq!(output.stderr, b"late\n");
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 0, "no file keeps what may be a secret");
    }
}
