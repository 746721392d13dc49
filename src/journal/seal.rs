//! Seals: captures that are closed, read back from a new handle, and copied.
//!
//! What a seal contains is about to be destroyed at the service, so the memory of the process that
//! wrote it is not enough: the file is opened again, every line is verified, and the captures in it
//! are compared with those that were sealed. Only then is the copy written, from the lines in the
//! file, and only then is the seal verified.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{files, text};

use super::error::JournalError;
use super::line::{self, Line};
use super::payload::{Captured, Sealed};
use super::record::{Record, RunId};
use super::state::{Manifest, SealState, SealedRow};
use super::{file, replay};

/// One row or setting as the service gave it, to be sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowToSeal {
    /// What was captured; unique within its seal.
    pub key: String,
    /// Its `ETag`, if the service sent one.
    pub etag: Option<String>,
    /// The service's bytes, verbatim.
    pub text: String,
}

/// A verified seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealSummary {
    /// The seal's name.
    pub seal: String,
    /// How many captures it holds.
    pub count: usize,
    /// The SHA-256 of its manifest.
    pub sha256: String,
    /// The path of its read-only copy.
    pub copy: Option<PathBuf>,
}

/// The content of a seal's copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureCopy {
    /// The run that sealed it.
    pub run: RunId,
    /// The seal's name.
    pub seal: String,
    /// The captures, in their order.
    pub captures: Vec<RowToSeal>,
    /// The SHA-256 of its manifest.
    pub sha256: String,
}

/// A seal as it was read back, with the bytes of its lines.
pub(super) struct ReadBack {
    pub(super) summary: SealSummary,
    /// Where its lines begin in the state file, in bytes.
    pub(super) start: u64,
    pub(super) lines: Vec<u8>,
}

/// Where the lines of a seal are in a state file, and their digest.
#[derive(Clone, Debug)]
pub(super) struct SealedLines {
    start: u64,
    length: usize,
    sha256: String,
}

impl SealedLines {
    pub(super) fn new(start: u64, lines: &[u8]) -> Self {
        Self {
            start,
            length: lines.len(),
            sha256: text::sha256(lines),
        }
    }

    /// Reads the lines from a new handle of the state file; `None` if they have changed.
    pub(super) fn read_unchanged(&self, path: &Path) -> Option<Vec<u8>> {
        let mut lines = vec![0; self.length];
        let mut file = files::open(path).ok()?;
        file.seek(SeekFrom::Start(self.start)).ok()?;
        file.read_exact(&mut lines).ok()?;
        (text::sha256(&lines) == self.sha256).then_some(lines)
    }
}

/// The SHA-256 over captures: for each, the JSON array of its key, its `ETag` and the SHA-256 of
/// its text, and a line feed.
pub(super) fn manifest_digest<'a>(rows: impl IntoIterator<Item = &'a Arc<SealedRow>>) -> String {
    let mut manifest = String::new();
    for row in rows {
        let line = serde_json::json!([row.key, row.etag, row.sha256]);
        manifest.push_str(&line.to_string());
        manifest.push('\n');
    }
    text::sha256(manifest.as_bytes())
}

/// The records of a seal: its captures, and the manifest that closes them.
pub(super) fn seal_records(seal: &str, captures: Vec<RowToSeal>) -> Vec<Record> {
    let rows: Vec<_> = captures
        .into_iter()
        .map(|capture| {
            Arc::new(SealedRow {
                sha256: text::sha256(capture.text.as_bytes()),
                key: capture.key,
                etag: capture.etag,
                text: capture.text,
            })
        })
        .collect();
    let sealed = Sealed {
        seal: seal.to_owned(),
        count: rows.len(),
        sha256: manifest_digest(&rows),
    };
    rows.iter()
        .map(|row| {
            Record::from(Captured {
                seal: seal.to_owned(),
                key: row.key.clone(),
                etag: row.etag.clone(),
                sha256: row.sha256.clone(),
                text: row.text.clone(),
            })
        })
        .chain([Record::from(sealed)])
        .collect()
}

/// Is this a valid name of a seal? It becomes part of a file name.
pub(super) fn is_valid_name(seal: &str) -> bool {
    !seal.is_empty()
        && seal
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Opens the state file again and compares a seal in it with the one in memory.
pub(super) fn read_back(path: &Path, known: &SealState) -> Result<ReadBack, JournalError> {
    let broken = |why: String| JournalError::SealBroken {
        path: path.to_owned(),
        seal: known.seal.clone(),
        why,
    };
    let Some(manifest) = &known.manifest else {
        return Err(broken("it is not closed".to_owned()));
    };
    let bytes = files::read(path).map_err(JournalError::io("reading the state file", path))?;
    // A torn end is allowed here: the writer may be writing its next group.
    let replay = replay::replay(path, &bytes);
    let (state, _) = replay.require_readable(path)?;
    let found = state
        .seal(&known.seal)
        .ok_or_else(|| broken("the file does not contain it".to_owned()))?;
    if found.manifest.as_ref() != Some(manifest) {
        return Err(broken("the file contains another manifest".to_owned()));
    }
    if found.captures.len() != known.captures.len() {
        return Err(broken(format!(
            "the file contains {} of {}",
            text::count(found.captures.len(), "capture"),
            known.captures.len()
        )));
    }
    if let Some((_, differs)) = found
        .captures
        .iter()
        .zip(&known.captures)
        .find(|(found, known)| found != known)
    {
        return Err(broken(format!("the capture `{}` differs", differs.key)));
    }
    let lines = range_of(manifest, &replay.ends);
    Ok(ReadBack {
        summary: summarize(known, manifest),
        start: lines.start as u64,
        lines: bytes.get(lines).unwrap_or_default().to_vec(),
    })
}

pub(super) fn summarize(known: &SealState, manifest: &Manifest) -> SealSummary {
    SealSummary {
        seal: known.seal.clone(),
        count: manifest.count,
        sha256: manifest.sha256.clone(),
        copy: known.copy.as_ref().map(PathBuf::from),
    }
}

/// The bytes of the lines from a seal's first capture to its manifest.
pub(super) fn lines_of<'a>(manifest: &Manifest, ends: &[u64], bytes: &'a [u8]) -> &'a [u8] {
    bytes.get(range_of(manifest, ends)).unwrap_or_default()
}

/// Where those lines are in the file. The writer keeps the records of one request together, so
/// there is nothing between them.
fn range_of(manifest: &Manifest, ends: &[u64]) -> Range<usize> {
    let end_of = |number: u64| -> Option<usize> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        usize::try_from(*ends.get(index)?).ok()
    };
    let (first, last) = manifest.records;
    let start = end_of(first.saturating_sub(1)).unwrap_or(0);
    start..end_of(last).unwrap_or(start)
}

/// Writes the read-only copy of a seal next to the state file, and returns its path. An existing
/// file belongs to another run and is kept: then the copy's name gets a number.
pub(super) fn write_copy(path: &Path, seal: &str, lines: &[u8]) -> Result<PathBuf, JournalError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut number = 1_u64;
    loop {
        let name = if number == 1 {
            format!("{stem}.{seal}.capture.jsonl")
        } else {
            format!("{stem}.{seal}-{number}.capture.jsonl")
        };
        let copy = path.with_file_name(name);
        match file::create_atomically(&copy, lines, file::Access::ReadOnly) {
            Ok(()) => {
                let written =
                    files::read(&copy).map_err(JournalError::io("reading back the copy", &copy))?;
                if written != lines {
                    return Err(JournalError::SealBroken {
                        path: copy,
                        seal: seal.to_owned(),
                        why: "the copy differs from what was written to it".to_owned(),
                    });
                }
                return Ok(copy);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(JournalError::io("writing the copy of a seal", &copy)(error)),
        }
    }
}

/// Reads the read-only copy of a seal and verifies it against its own manifest.
pub fn read_copy(path: &Path) -> Result<CaptureCopy, JournalError> {
    let bytes = files::read(path)
        .map_err(|error| file::not_found_or_io(error, "reading the copy of a seal", path))?;
    let damaged = |line: usize, why: String| JournalError::Damaged {
        path: path.to_owned(),
        line: line as u64,
        why,
        help: "use another copy, or capture again while the originals still exist".into(),
    };
    let mut rows = Vec::new();
    let mut before: Option<Line> = None;
    let mut closed: Option<(RunId, Sealed)> = None;
    for (index, text) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let line = line::decode(text).map_err(|error| damaged(number, error.to_string()))?;
        if closed.is_some() {
            return Err(damaged(number, "it comes after the manifest".to_owned()));
        }
        if before.as_ref().is_some_and(|before| {
            line.previous != before.checksum.to_string() || line.run != before.run
        }) {
            return Err(damaged(
                number,
                "it does not continue the record before it".to_owned(),
            ));
        }
        match &line.entry.record {
            Record::Captured(captured)
                if text::sha256(captured.text.as_bytes()) == captured.sha256 =>
            {
                rows.push(Arc::new(SealedRow::from(captured)));
            }
            Record::Sealed(sealed) => closed = Some((line.run, sealed.clone())),
            other => {
                return Err(damaged(
                    number,
                    format!("a `{}` does not belong there", other.kind()),
                ));
            }
        }
        before = Some(line);
    }
    let Some((run, sealed)) = closed else {
        return Err(damaged(
            rows.len() + 1,
            "the manifest is missing".to_owned(),
        ));
    };
    if sealed.count != rows.len() || sealed.sha256 != manifest_digest(&rows) {
        return Err(JournalError::SealBroken {
            path: path.to_owned(),
            seal: sealed.seal,
            why: "its manifest does not match the captures before it".to_owned(),
        });
    }
    Ok(CaptureCopy {
        run,
        seal: sealed.seal,
        captures: rows
            .into_iter()
            .map(|row| RowToSeal {
                key: row.key.clone(),
                etag: row.etag.clone(),
                text: row.text.clone(),
            })
            .collect(),
        sha256: sealed.sha256,
    })
}
