//! Compares the read-only copies of seals next to a state file, which are backups, with the file.
//!
//! A copy contains the same lines as the file. A copy of this run whose seal is not in the file
//! shows that the file is older than the seal: a resumed run would seal again what it has changed
//! in the meantime. A changed or missing copy is no longer a backup: it is written again from the
//! state file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::JournalError;
use super::file;
use super::line::Chain;
use super::mark::line_checksum;
use super::replay::Replay;
use super::seal::{self, is_same};
use super::sealed_row::Span;
use super::state::{SealState, State};
use crate::base::files;
use crate::base::platform::{FileId, file_id};

/// A changed or missing copy of a verified seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BackupProblem {
    /// The seal's name.
    pub(super) seal: String,
    /// The copy's path.
    pub(super) copy: PathBuf,
    /// What is wrong.
    pub(super) kind: BackupProblemKind,
    /// The lines of the state file that it must contain.
    lines: Span,
}

/// How a copy differs from what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackupProblemKind {
    /// There is no file.
    Missing,
    /// Its content differs, or it cannot be read.
    Changed,
}

impl BackupProblem {
    /// The problem, as a message.
    pub(super) fn message(&self) -> String {
        let (copy, seal) = (self.copy.display(), &self.seal);
        match self.kind {
            BackupProblemKind::Missing => {
                format!("the copy {copy} of the seal '{seal}' is missing")
            }
            BackupProblemKind::Changed => format!(
                "the copy {copy} of the seal '{seal}' is not what was written there, or cannot be \
                 read"
            ),
        }
    }

    /// What to do now.
    pub(super) fn help(&self) -> String {
        match self.kind {
            BackupProblemKind::Missing => {
                "the state file contains the seal; until the run has finished, \
                                         `iomcopy run RUNBOOK` writes the copy again"
                    .to_owned()
            }
            BackupProblemKind::Changed => format!(
                "the state file contains the seal; move {} away, and `iomcopy run RUNBOOK` \
                 writes the copy again",
                self.copy.display()
            ),
        }
    }
}

/// The path of a verified seal's copy: next to the state file, with the recorded name. The folder
/// may have moved since it was recorded.
pub(super) fn copy_path(path: &Path, seal: &SealState) -> Option<PathBuf> {
    let name = Path::new(seal.copy.as_deref()?).file_name()?;
    Some(path.with_file_name(name))
}

/// Which file a copy is: another file, or a change of this one, has another stamp.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stamp {
    file: FileId,
    length: u64,
    modified: Option<SystemTime>,
}

/// The stamp of a seal's copy; none if it has no copy that can be looked at.
pub(super) fn stamp(path: &Path, seal: &SealState) -> Option<Stamp> {
    let found = fs::symlink_metadata(copy_path(path, seal)?).ok()?;
    Some(Stamp {
        file: file_id(&found),
        length: found.len(),
        modified: found.modified().ok(),
    })
}

/// Checks the copy of one verified seal. `lines` is what it must contain of the state file.
pub(super) fn find_problem(path: &Path, seal: &SealState, lines: Span) -> Option<BackupProblem> {
    let copy = copy_path(path, seal)?;
    let found = files::open(&copy).and_then(|found| is_same(found, lines.open(path)?));
    let kind = match found {
        Ok(true) => return None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => BackupProblemKind::Missing,
        Ok(_) | Err(_) => BackupProblemKind::Changed,
    };
    Some(BackupProblem {
        seal: seal.seal.clone(),
        copy,
        kind,
        lines,
    })
}

/// Checks the copies of all verified seals of a state file.
pub(super) fn find_problems(path: &Path, state: &State) -> Vec<BackupProblem> {
    let verified = state.seals.values().filter(|seal| seal.verified);
    verified
        .filter_map(|seal| find_problem(path, seal, seal.lines?))
        .collect()
}

/// Writes a missing copy again from the state file. Returns a message that says so.
pub(super) fn restore_backup(path: &Path, problem: &BackupProblem) -> Result<String, JournalError> {
    let write =
        |mut lines| file::copy_atomically(&problem.copy, &mut lines, file::Access::ReadOnly);
    let lines = problem.lines.open(path);
    lines.and_then(write).map_err(JournalError::io(
        "writing the copy of a seal",
        &problem.copy,
    ))?;
    Ok(format!(
        "{}; it is written again from {}",
        problem.message(),
        path.display()
    ))
}

/// A copy of this run whose seal is not in the state file.
pub(super) struct NewerBackup {
    /// The copy.
    pub(super) copy: PathBuf,
    /// The seal's name.
    pub(super) seal: String,
}

/// Finds the copies of this run whose seals are not in the state file. The file contains a seal if
/// the copy's last line is one of its records, or if it has a verified seal of that name with the
/// same manifest, as after `--from-capture`.
pub(super) fn find_newer_backups(
    path: &Path,
    state: &State,
    chain: &Chain,
    replay: &Replay,
) -> Result<Vec<NewerBackup>, JournalError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let (before, after) = (format!("{stem}."), ".capture.jsonl");
    let folder = files::parent_folder(path);
    let cannot = |error| JournalError::io("listing the folder", folder)(error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        let text = name.to_string_lossy();
        if !(text.starts_with(&before) && text.ends_with(after)) {
            continue;
        }
        let copy = path.with_file_name(&name);
        let is_in_file = |(number, checksum): (u64, String)| {
            line_checksum(number, replay).is_some_and(|found| found == checksum)
        };
        // Every command that reads a state file comes here, and a copy can be large.
        if seal::last_line_of_copy(&copy).is_some_and(is_in_file) {
            continue;
        }
        // A file that is not a valid copy proves nothing here; if a seal names it, `find_problems`
        // reports it.
        let Ok(read) = seal::verify_copy(&copy) else {
            continue;
        };
        let is_sealed = state
            .verified_seal(&read.seal)
            .and_then(|seal| seal.manifest.as_ref())
            .is_some_and(|manifest| manifest.sha256 == read.sha256);
        if read.run == chain.run && !is_sealed && !is_in_file(read.last) {
            found.push(NewerBackup {
                copy,
                seal: read.seal,
            });
        }
    }
    found.sort_by(|one, other| one.copy.cmp(&other.copy));
    Ok(found)
}

/// The error for a file that lacks seals of its own run.
pub(super) fn newer_backups_error(path: &Path, newer: &[NewerBackup]) -> JournalError {
    let list = |item: &dyn Fn(&NewerBackup) -> String| {
        newer.iter().map(item).collect::<Vec<_>>().join(", ")
    };
    let seals = list(&|newer| format!("'{}' ({})", newer.seal, newer.copy.display()));
    let options = |newer: &NewerBackup| format!(" --from-capture {}", newer.copy.display());
    let given = newer.iter().map(options).collect::<Vec<_>>().concat();
    JournalError::Older {
        path: path.to_owned(),
        why: format!(
            "this run has sealed {seals}, and the file lacks them, so a new capture could record \
             changed values as the original"
        ),
        help: format!(
            "restore the newest file; if it is lost, `iomcopy run RUNBOOK{given}` restores the seals"
        ),
    }
}
