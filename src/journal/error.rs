//! The errors of a state file, with messages and remedies for the user.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use super::lock_holder::LockHolder;
use super::record::RunId;
use crate::base::remote_state::{RemoteState, RemoteStateError, RemoteStateErrorKind};

/// A record that is not allowed after those before it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a `{kind}` is not allowed here: {why}")]
pub struct IllegalTransition {
    /// The record's number.
    pub number: u64,
    /// The record's kind.
    pub kind: String,
    /// Why it is not allowed.
    pub why: String,
}

/// Why an operation on the journal failed. The message contains what failed, on which file, and
/// what the operating system reported, so there is no source to print after it;
/// [`help`](Self::help) is the remedy.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Another process holds the file.
    #[error("the state file {} is in use by {}", path.display(), describe_holder(holder.as_ref()))]
    Locked {
        /// The state file.
        path: PathBuf,
        /// Who holds it, if its lock file could be read.
        holder: Option<LockHolder>,
    },
    /// The last process did not close the file, and it was on another machine.
    #[error(
        "the state file {} was last opened on {host} by process {pid} at {since:.0}, and not closed",
        path.display()
    )]
    OtherMachine {
        /// The state file.
        path: PathBuf,
        /// The other machine's host name.
        host: String,
        /// The other process's id, on that machine.
        pid: u32,
        /// When it opened the file.
        since: Timestamp,
    },
    /// A record other than a torn last one is not what was written.
    #[error("line {line} of the state file {} is damaged: {why}", path.display())]
    Damaged {
        /// The state file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
        /// What to do now.
        help: String,
    },
    /// The file has a format that this program can only read, if at all.
    #[error(
        "the state file {} has format {format}, written by iomcopy {program}, newer than this \
         program",
        path.display()
    )]
    NewerFormat {
        /// The state file.
        path: PathBuf,
        /// Its format.
        format: u32,
        /// The version of the program that wrote it.
        program: String,
    },
    /// A record is of a kind that this program does not know, so it cannot continue after it.
    #[error(
        "line {line} of the state file {} is a `{kind}`, a kind of record that this program does \
         not know",
        path.display()
    )]
    UnknownRecord {
        /// The state file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The kind, as written.
        kind: String,
    },
    /// The file lacks records that its run has written.
    #[error("the state file {} is older than its run: {why}", path.display())]
    Older {
        /// The state file.
        path: PathBuf,
        /// The evidence.
        why: String,
        /// What to do now.
        help: String,
    },
    /// There is no such file.
    #[error("there is no state file {}", path.display())]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// A new run cannot begin because there is a file.
    #[error("a state file {} already exists", path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// Other users may read or change the file, or it is not a regular file.
    #[error("the file {} is not safe to use: {why}", path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do now.
        help: String,
    },
    /// The operating system refused something before any record was written.
    #[error("{doing} {}: {cause}", path.display())]
    Io {
        /// The operation, as in `reading the state file`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system reported.
        cause: Arc<io::Error>,
    },
    /// A record is not allowed after those before it: a fault in the program.
    #[error("the record was not written to {}: {transition}", path.display())]
    Illegal {
        /// The state file.
        path: PathBuf,
        /// Which record, and why.
        transition: IllegalTransition,
    },
    /// The file cannot be cut there.
    #[error("{} cannot be cut after record {record}: {why}", path.display())]
    CannotCut {
        /// The state file.
        path: PathBuf,
        /// The record after which to cut.
        record: u64,
        /// Why not.
        why: String,
        /// What to do now.
        help: String,
    },
    /// A write or a sync failed. This process has written nothing after it and will not: after a
    /// failed sync, the system may report the lost bytes as written.
    #[error("writing the state file {} failed, so nothing more is sent: {cause}", path.display())]
    Poisoned {
        /// The state file.
        path: PathBuf,
        /// What the operating system reported at the first failure.
        cause: Arc<io::Error>,
    },
    /// The file's length is not what this process left: something else has written to it.
    #[error(
        "the state file {} has {found} bytes where this process left {expected}: something else \
         has written to it, so nothing more is sent",
        path.display()
    )]
    SecondWriter {
        /// The state file.
        path: PathBuf,
        /// The length that this process left.
        expected: u64,
        /// The length that was found.
        found: u64,
    },
    /// The captures on disk are not those that were sealed.
    #[error("the seal `{seal}` in {} is broken: {why}", path.display())]
    SealBroken {
        /// The file: the state file, or a seal's copy.
        path: PathBuf,
        /// The seal's name.
        seal: String,
        /// What differs.
        why: String,
    },
    /// The read-only copy of a seal is missing or changed.
    #[error("{why}, so nothing that depends on it is removed")]
    CopyBroken {
        /// Which copy, and what is wrong with it.
        why: String,
        /// What to do now.
        help: String,
    },
    /// The file is not a whole sealed copy.
    #[error("{} {why}", path.display())]
    NoSealedCopy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as a predicate: `is not a sealed copy`.
        why: String,
        /// What to do now.
        help: String,
    },
    /// The copy of the state file at a service could not be read or written, or another process
    /// has it.
    #[error("{}", describe_remote_state(place, error))]
    RemoteState {
        /// Where the copy is.
        place: String,
        /// Why.
        error: RemoteStateError,
    },
    /// The state file on this machine and its copy at a service belong to two runs.
    #[error(
        "the state file {} belongs to the run {run}, which has not finished, and {place} holds \
         another run",
        path.display()
    )]
    AnotherRun {
        /// The state file.
        path: PathBuf,
        /// Its run.
        run: RunId,
        /// Where the copy is.
        place: String,
    },
    /// The writer's thread has ended before it responded.
    #[error("the writer of the state file {} has stopped, so nothing more is sent", path.display())]
    WriterStopped {
        /// The state file.
        path: PathBuf,
    },
}

impl JournalError {
    /// Converts an error of the system. `doing` is the operation, as in `reading the state file`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io {
            doing,
            path: path.to_owned(),
            cause: Arc::new(cause),
        }
    }

    /// Converts an error of a remote state.
    pub(in crate::journal) fn remote_state(
        copy: &dyn RemoteState,
        error: RemoteStateError,
    ) -> Self {
        Self::RemoteState {
            place: copy.place().to_owned(),
            error,
        }
    }

    /// What to do now, as a sentence without a full stop.
    pub fn help(&self) -> String {
        match self {
            Self::Locked { .. } => {
                "wait until it ends, or stop it; `iomcopy status RUNBOOK` shows how far it is"
                    .into()
            }
            Self::OtherMachine { host, .. } => format!(
                "make sure that it no longer runs on {host}, then run again with --takeover"
            ),
            Self::Damaged { help, .. }
            | Self::Unsafe { help, .. }
            | Self::Older { help, .. }
            | Self::CannotCut { help, .. }
            | Self::NoSealedCopy { help, .. }
            | Self::CopyBroken { help, .. } => help.clone(),
            Self::NewerFormat { program, .. } => {
                format!("continue with iomcopy {program} or later")
            }
            Self::UnknownRecord { .. } => {
                "continue with the version of iomcopy that wrote it, or a later one".into()
            }
            Self::NotFound { .. } => {
                "check the path; a run that has not begun has no state file".into()
            }
            Self::AlreadyExists { .. } => {
                "run again to resume it; --fresh starts a new run after a finished one".into()
            }
            Self::Io { .. } => {
                "make sure that the folder exists, is writable and has free space, then run again"
                    .into()
            }
            Self::Illegal { .. } => {
                "this is a fault in iomcopy; keep the state file and report it with this message"
                    .into()
            }
            Self::Poisoned { .. } | Self::WriterStopped { .. } => {
                "make sure that the disk works and has free space, then run again: the run resumes \
                 from what the file contains"
                    .into()
            }
            Self::SecondWriter { path, .. } => format!(
                "find out what wrote to it; `iomcopy state check {}` shows whether it is still valid",
                path.display()
            ),
            Self::RemoteState { error, .. } => help_remote_state(error.kind).into(),
            Self::AnotherRun { path, .. } => format!(
                "finish that run without `state` in the runbook, or move {} away; both runs are \
                 for one target, so find out which one is current first",
                path.display()
            ),
            Self::SealBroken { path, .. } => format!(
                "delete nothing; `iomcopy state check {}` names the line, and the read-only copy next \
                 to the state file contains what was sealed",
                path.display()
            ),
        }
    }
}

fn describe_remote_state(place: &str, error: &RemoteStateError) -> String {
    match error.kind {
        RemoteStateErrorKind::Taken => {
            format!("the state in {place} is not this process's: {error}")
        }
        _ => format!(
            "the state in {place} cannot be read or written, so nothing more is sent: {error}"
        ),
    }
}

fn help_remote_state(kind: RemoteStateErrorKind) -> &'static str {
    match kind {
        RemoteStateErrorKind::Unavailable => {
            "run again: the run resumes from what Azure Storage and the file on this machine contain"
        }
        RemoteStateErrorKind::Taken => {
            "`iomcopy status RUNBOOK` shows who runs it; wait until that process ends, or stop it. If \
             its machine is gone, its lease ends within a minute: run again then, or at once with \
             --takeover"
        }
        RemoteStateErrorKind::Denied => {
            "give the identity the role Storage Blob Data Contributor on the container, or a shared \
             access signature with read, add, create, write and delete, then run again"
        }
        RemoteStateErrorKind::Refused => {
            "check `state` in the runbook: the container must exist, and its account must support append \
             blobs"
        }
    }
}

fn describe_holder(holder: Option<&LockHolder>) -> String {
    match holder {
        Some(holder) => format!(
            "process {} on {} since {:.0}",
            holder.pid, holder.host, holder.since
        ),
        None => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_locked_file_names_its_holder() {
        let error = JournalError::Locked {
            path: "uat.iomcopy.jsonl".into(),
            holder: Some(LockHolder {
                pid: 7,
                host: "ops-1".to_owned(),
                since: "2026-03-01T02:03:04Z".parse().unwrap(),
                path: "/runs/uat.iomcopy.jsonl".to_owned(),
            }),
        };
        assert_eq!(
            error.to_string(),
            "the state file uat.iomcopy.jsonl is in use by process 7 on ops-1 since \
             2026-03-01T02:03:04Z"
        );
    }

    #[test]
    fn help_for_another_machine_names_it() {
        let error = JournalError::OtherMachine {
            path: "uat.iomcopy.jsonl".into(),
            host: "ops-2".to_owned(),
            pid: 7,
            since: "2026-03-01T02:03:04Z".parse().unwrap(),
        };
        assert!(error.help().contains("ops-2") && error.help().contains("--takeover"));
    }
}
