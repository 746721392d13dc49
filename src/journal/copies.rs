//! The read-only copies of seals that are kept beside a state file, compared with the file.
//!
//! A copy holds the very lines of the file. So a copy of this run that the file does not hold shows
//! that the file is older than what the run has sealed: going on would seal again what the run has
//! meanwhile changed. And a copy that was changed or is gone is no second memory any more: it is
//! written again while the first still exists.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::file;
use super::line::{self, Chain};
use super::mark::line_checksum;
use super::replay::Replay;
use super::seal::{self, lines_of};
use super::state::{SealState, State};
use crate::base::files;

/// What is wrong with the copy of a verified seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CopyFlaw {
    /// The seal's name.
    pub(super) seal: String,
    /// The copy's path.
    pub(super) copy: PathBuf,
    /// What is wrong.
    pub(super) fault: CopyFault,
    /// The bytes that it has to hold.
    lines: Vec<u8>,
}

/// How a copy differs from what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyFault {
    /// There is no file.
    Missing,
    /// It holds something else, or cannot be read.
    Changed,
}

impl CopyFlaw {
    /// The flaw as a message: what is the case.
    pub(super) fn message(&self) -> String {
        let (copy, seal) = (self.copy.display(), &self.seal);
        match self.fault {
            CopyFault::Missing => format!("the copy {copy} of the seal '{seal}' is missing"),
            CopyFault::Changed => format!(
                "the copy {copy} of the seal '{seal}' is not what was written there, or cannot be \
                 read"
            ),
        }
    }

    /// What to do now.
    pub(super) fn help(&self) -> String {
        match self.fault {
            CopyFault::Missing => "the state file holds what was sealed; while the run has not \
                                   finished, the next `iomcopy run` writes the copy again"
                .to_owned(),
            CopyFault::Changed => format!(
                "the state file holds what was sealed; move {} away, and the next `iomcopy run` \
                 writes it again",
                self.copy.display()
            ),
        }
    }
}

/// Where the copy of a verified seal is: beside the state file, under the name that the seal
/// records. The folder may have moved since.
pub(super) fn path_of(path: &Path, seal: &SealState) -> Option<PathBuf> {
    let name = Path::new(seal.copy.as_deref()?).file_name()?;
    Some(path.with_file_name(name))
}

/// What is wrong with the copy of one verified seal, given the lines that it has to hold.
pub(super) fn flaw(path: &Path, seal: &SealState, lines: &[u8]) -> Option<CopyFlaw> {
    let copy = path_of(path, seal)?;
    let fault = match files::read(&copy) {
        Ok(found) if found == lines => return None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => CopyFault::Missing,
        Ok(_) | Err(_) => CopyFault::Changed,
    };
    Some(CopyFlaw {
        seal: seal.seal.clone(),
        copy,
        fault,
        lines: lines.to_vec(),
    })
}

/// What is wrong with the copies of all verified seals of a state file. Takes its bytes and what
/// they replay to.
pub(super) fn flaws(path: &Path, state: &State, replay: &Replay, bytes: &[u8]) -> Vec<CopyFlaw> {
    let verified = state.seals.values().filter(|seal| seal.verified);
    verified
        .filter_map(|seal| flaw(path, seal, sealed_lines(seal, replay, bytes)))
        .collect()
}

/// Writes a missing copy again from the state file, and says so.
pub(super) fn restore(path: &Path, flaw: &CopyFlaw) -> Result<String, JournalError> {
    file::create_whole(&flaw.copy, &flaw.lines, file::READ_ONLY)
        .map_err(JournalError::io("writing the copy of a seal", &flaw.copy))?;
    Ok(format!(
        "{}; it is written again from {}",
        flaw.message(),
        path.display()
    ))
}

fn sealed_lines<'a>(seal: &SealState, replay: &Replay, bytes: &'a [u8]) -> &'a [u8] {
    seal.manifest
        .as_ref()
        .map_or(&[], |manifest| lines_of(manifest, &replay.ends, bytes))
}

/// A copy of this run beside the state file which the file does not hold.
pub(super) struct Ahead {
    /// The copy.
    pub(super) copy: PathBuf,
    /// The seal's name.
    pub(super) seal: String,
}

/// The copies of this run beside a state file which the file does not hold. It holds a copy when
/// its record of that number is the copy's last line, or when it has a verified seal of that name
/// with the same manifest, as after `--from-capture`.
pub(super) fn ahead(
    path: &Path,
    state: &State,
    chain: &Chain,
    replay: &Replay,
    bytes: &[u8],
) -> Result<Vec<Ahead>, JournalError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let (before, after) = (format!("{stem}."), ".capture.jsonl");
    let folder = file::folder(path);
    let cannot = |error| JournalError::io("listing the folder", folder)(error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        let text = name.to_string_lossy();
        if !(text.starts_with(&before) && text.ends_with(after)) {
            continue;
        }
        let copy = path.with_file_name(&name);
        // What cannot be read as a copy is compared where a seal names it; elsewhere it proves
        // nothing about this run.
        let Ok(read) = seal::read_copy(&copy) else {
            continue;
        };
        let is_sealed = state
            .verified_seal(&read.seal)
            .and_then(|seal| seal.manifest.as_ref())
            .is_some_and(|manifest| manifest.sha256 == read.sha256);
        if read.run == chain.run && !is_sealed && !holds_last_line(&copy, replay, bytes) {
            found.push(Ahead {
                copy,
                seal: read.seal,
            });
        }
    }
    found.sort_by(|one, other| one.copy.cmp(&other.copy));
    Ok(found)
}

fn holds_last_line(copy: &Path, replay: &Replay, bytes: &[u8]) -> bool {
    let read = files::read(copy).unwrap_or_default();
    let last = read.strip_suffix(b"\n").and_then(|all| {
        let line = all.rsplit(|byte| *byte == b'\n').next()?;
        line::decode(line).ok()
    });
    last.is_some_and(|last| {
        line_checksum(last.entry.number, replay, bytes) == Some(last.checksum.to_string())
    })
}

/// The refusal of a file that does not hold the copies of its own run.
pub(super) fn refusal(path: &Path, ahead: &[Ahead]) -> JournalError {
    let list =
        |item: &dyn Fn(&Ahead) -> String| ahead.iter().map(item).collect::<Vec<_>>().join(", ");
    let seals = list(&|ahead| format!("'{}' ({})", ahead.seal, ahead.copy.display()));
    let options = |ahead: &Ahead| format!(" --from-capture {}", ahead.copy.display());
    let given = ahead.iter().map(options).collect::<Vec<_>>().concat();
    JournalError::Older {
        path: path.to_owned(),
        why: format!(
            "this run has sealed {seals}, and the file does not hold that; the run may have \
             changed since then what it would now record as the original"
        ),
        help: format!(
            "put the newest file back; if it is lost, `iomcopy run RUNBOOK{given}` gives the file \
             what was sealed"
        ),
    }
}
