//! Seals: captures that are closed, read back from a new handle, and copied.
//!
//! The service's rows in a seal are about to be destroyed, so the memory of the process that
//! wrote it is not enough: the file is opened again, every line of the seal is verified, and the
//! captures in it are compared with those that were sealed. Only then is the copy written, from the
//! lines in the file, and only then is the seal verified.

use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader, Read};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::base::{files, text};

use super::error::JournalError;
use super::file;
use super::line::{self, Line};
use super::payload::{Captured, Sealed, SealedRefresh};
use super::record::{Record, RunId};
use super::replay::{self, Entries};
use super::sealed_row::{SealedRow, Span};
use super::state::{Manifest, SealState};

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
pub struct SealBackup {
    /// The run that sealed it.
    pub run: RunId,
    /// The seal's name.
    pub seal: String,
    /// The captures, in their order.
    pub captures: Vec<RowToSeal>,
    /// The SHA-256 of its manifest.
    pub sha256: String,
    /// The refresh that it belongs to, if its version recorded that.
    pub refresh: Option<SealedRefresh>,
}

/// A seal as it was read back.
pub(super) struct ReadBack {
    pub(super) summary: SealSummary,
    /// Its lines in the state file.
    pub(super) lines: Span,
}

/// The SHA-256 over captures: for each, the JSON array of its key, its `ETag` and the SHA-256 of
/// its text, and a line feed.
#[derive(Default)]
pub(super) struct ManifestDigest(Sha256);

impl ManifestDigest {
    pub(super) fn add(&mut self, key: &str, etag: Option<&str>, sha256: &str) {
        let line = serde_json::json!([key, etag, sha256]);
        self.0.update(line.to_string());
        self.0.update("\n");
    }

    pub(super) fn finish(self) -> String {
        text::hex(&self.0.finalize())
    }
}

/// The [`ManifestDigest`] of these rows.
pub(super) fn manifest_digest<'a>(rows: impl IntoIterator<Item = &'a Arc<SealedRow>>) -> String {
    let mut digest = ManifestDigest::default();
    for row in rows {
        digest.add(&row.key, row.etag.as_deref(), &row.sha256());
    }
    digest.finish()
}

/// How many bytes of texts are appended at once.
const BATCH: usize = 1024 * 1024;

/// The records of a seal, one batch after the other: its captures, and last the manifest that closes
/// them. A text is given up once it is written.
///
/// Ends with the key of a capture that comes twice: its batch is not written.
pub(super) struct SealRecords<I: Iterator> {
    seal: String,
    refresh: Option<SealedRefresh>,
    rows: Peekable<I>,
    keys: HashSet<String>,
    digest: ManifestDigest,
    count: usize,
    is_closed: bool,
}

impl<I: Iterator<Item = RowToSeal>> SealRecords<I> {
    pub(super) fn new(
        seal: &str,
        refresh: Option<SealedRefresh>,
        captures: impl IntoIterator<IntoIter = I>,
    ) -> Self {
        Self {
            seal: seal.to_owned(),
            refresh,
            rows: captures.into_iter().peekable(),
            keys: HashSet::new(),
            digest: ManifestDigest::default(),
            count: 0,
            is_closed: false,
        }
    }

    fn captured(&mut self, row: RowToSeal) -> Record {
        let sha256 = text::sha256(row.text.as_bytes());
        self.digest.add(&row.key, row.etag.as_deref(), &sha256);
        self.count += 1;
        Record::from(Captured {
            seal: self.seal.clone(),
            key: row.key,
            etag: row.etag,
            sha256,
            text: row.text,
        })
    }
}

impl<I: Iterator<Item = RowToSeal>> Iterator for SealRecords<I> {
    type Item = Result<Vec<Record>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_closed {
            return None;
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH
            && let Some(row) = self.rows.next()
        {
            bytes += row.text.len();
            if !self.keys.insert(row.key.clone()) {
                self.is_closed = true;
                return Some(Err(row.key));
            }
            batch.push(self.captured(row));
        }
        if self.rows.peek().is_none() {
            self.is_closed = true;
            batch.push(Record::from(Sealed {
                seal: self.seal.clone(),
                count: self.count,
                sha256: std::mem::take(&mut self.digest).finish(),
                refresh: self.refresh.take(),
            }));
        }
        Some(Ok(batch))
    }
}

/// All records of a seal; a key may come twice.
#[cfg(test)]
pub(super) fn seal_records(seal: &str, captures: Vec<RowToSeal>) -> Vec<Record> {
    let mut records = SealRecords::new(seal, None, Vec::new());
    let mut all: Vec<Record> = Vec::new();
    for row in captures {
        all.push(records.captured(row));
    }
    all.extend(records.flatten().flatten());
    all
}

/// Is this a valid name of a seal? It becomes part of a file name.
pub(super) fn is_valid_name(seal: &str) -> bool {
    !seal.is_empty()
        && seal
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Opens the state file again and compares a seal in it with the one in memory: line by line, so
/// that no seal has to fit into memory. If they differ, the whole file is verified to say how.
pub(super) fn read_back(
    path: &Path,
    run: RunId,
    known: &SealState,
) -> Result<ReadBack, JournalError> {
    let broken = |why: String| JournalError::SealBroken {
        path: path.to_owned(),
        seal: known.seal.clone(),
        why,
    };
    let Some(manifest) = &known.manifest else {
        return Err(broken("it is not closed".to_owned()));
    };
    if let Some(lines) = known.lines
        && compare_lines(path, run, known, manifest, lines).is_some()
    {
        return Ok(ReadBack {
            summary: summarize(known, manifest),
            lines,
        });
    }
    explain_difference(path, known, manifest)?;
    Err(broken(
        "its lines are not where they were written".to_owned(),
    ))
}

/// Compares the lines of a seal with what is known about it: each continues the one before it, each
/// capture is the known one, and the manifest comes last. None if they differ or cannot be read.
fn compare_lines(
    path: &Path,
    run: RunId,
    known: &SealState,
    manifest: &Manifest,
    lines: Span,
) -> Option<()> {
    let mut reader = BufReader::new(lines.open(path).ok()?);
    let mut rows = known.captures.iter();
    let mut number = manifest.records.0;
    let mut before: Option<String> = None;
    let mut is_closed = false;
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).ok()? > 0 {
        let line = line::decode(bytes.strip_suffix(b"\n")?).ok()?;
        let continues = before.is_none_or(|before| before == line.previous);
        if is_closed || !continues || line.run != run || line.entry.number != number {
            return None;
        }
        match &line.entry.record {
            Record::Captured(captured) => {
                let row = rows.next()?;
                if captured.seal != known.seal || !row.is(captured) {
                    return None;
                }
            }
            Record::Sealed(sealed) => {
                is_closed = sealed.count == manifest.count && sealed.sha256 == manifest.sha256;
            }
            _ => return None,
        }
        before = Some(line.checksum.to_string());
        number += 1;
        bytes.clear();
    }
    (is_closed && rows.next().is_none()).then_some(())
}

/// Verifies the whole state file to say how a seal in it differs from the one in memory.
fn explain_difference(
    path: &Path,
    known: &SealState,
    manifest: &Manifest,
) -> Result<(), JournalError> {
    let broken = |why: String| JournalError::SealBroken {
        path: path.to_owned(),
        seal: known.seal.clone(),
        why,
    };
    // A torn end is allowed here: the writer may be writing its next group.
    let replay = files::open(path)
        .and_then(|file| replay::replay_file(path, &file, Entries::None))
        .map_err(JournalError::io("reading the state file", path))?;
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
    Ok(())
}

pub(super) fn summarize(known: &SealState, manifest: &Manifest) -> SealSummary {
    SealSummary {
        seal: known.seal.clone(),
        count: manifest.count,
        sha256: manifest.sha256.clone(),
        copy: known.copy.as_ref().map(PathBuf::from),
    }
}

/// Do two readers give the same bytes?
pub(super) fn is_same(one: impl Read, other: impl Read) -> io::Result<bool> {
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    loop {
        let (first, second) = (one.fill_buf()?, other.fill_buf()?);
        let length = first.len().min(second.len());
        if length == 0 {
            return Ok(first.is_empty() && second.is_empty());
        }
        if first[..length] != second[..length] {
            return Ok(false);
        }
        one.consume(length);
        other.consume(length);
    }
}

/// Writes the read-only copy of a seal next to the state file, and returns its path. An existing
/// file belongs to another run and is kept: then the copy's name gets a number.
pub(super) fn write_copy(path: &Path, seal: &str, lines: Span) -> Result<PathBuf, JournalError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut number = 1_u64;
    loop {
        let name = if number == 1 {
            format!("{stem}.{seal}.capture.jsonl")
        } else {
            format!("{stem}.{seal}-{number}.capture.jsonl")
        };
        let copy = path.with_file_name(name);
        let mut sealed = lines
            .open(path)
            .map_err(JournalError::io("reading the state file", path))?;
        match file::copy_atomically(&copy, &mut sealed, file::Access::ReadOnly) {
            Ok(()) => {
                let compare = || is_same(files::open(&copy)?, lines.open(path)?);
                if !compare().map_err(JournalError::io("reading back the copy", &copy))? {
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
pub fn read_copy(path: &Path) -> Result<SealBackup, JournalError> {
    let mut captures = Vec::new();
    let verified = read_copied_rows(path, |row| captures.push(row))?;
    Ok(SealBackup {
        run: verified.run,
        seal: verified.seal,
        captures,
        sha256: verified.sha256,
        refresh: verified.refresh,
    })
}

/// Which seal a copy holds.
pub(super) struct VerifiedCopy {
    pub(super) run: RunId,
    pub(super) seal: String,
    pub(super) sha256: String,
    refresh: Option<SealedRefresh>,
    /// The number and checksum of its last line.
    pub(super) last: (u64, String),
}

/// More than the last line of a copy, its manifest, has.
const LAST_LINE: u64 = 16 * 1024;

/// The number and checksum of a copy's last line, without a look at the lines before it, which can be
/// many megabytes. None if they cannot be read.
pub(super) fn last_line_of_copy(path: &Path) -> Option<(u64, String)> {
    let end = files::read_end(&files::open(path).ok()?, LAST_LINE).ok()?;
    let end = end.strip_suffix(b"\n").unwrap_or(&end);
    let begins = end.iter().rposition(|byte| *byte == b'\n')? + 1;
    let line = line::decode(&end[begins..]).ok()?;
    Some((line.entry.number, line.checksum.to_string()))
}

/// Verifies a copy as [`read_copy`] does, without keeping its captures.
pub(super) fn verify_copy(path: &Path) -> Result<VerifiedCopy, JournalError> {
    read_copied_rows(path, drop)
}

/// A line of a sealed copy is damaged.
fn damaged_copy(path: &Path, line: usize, why: &str) -> JournalError {
    JournalError::NoSealedCopy {
        path: path.to_owned(),
        why: format!("is a damaged sealed copy: line {line}: {why}"),
        help: "use another copy, or capture again while the originals still exist".into(),
    }
}

/// A file is something else. `but` says what.
fn no_copy(path: &Path, but: &str) -> JournalError {
    JournalError::NoSealedCopy {
        path: path.to_owned(),
        why: format!("is not a sealed copy{but}"),
        help: "give the read-only file NAME.iomcopy.SEAL.capture.jsonl beside the state file"
            .into(),
    }
}

fn read_copied_rows(
    path: &Path,
    mut each: impl FnMut(RowToSeal),
) -> Result<VerifiedCopy, JournalError> {
    let cannot = |error| file::not_found_or_io(error, "reading the copy of a seal", path);
    let damaged = |line: usize, why: String| damaged_copy(path, line, &why);
    let is_no_copy = |but: &str| no_copy(path, but);
    let mut reader = BufReader::new(files::open(path).map_err(cannot)?);
    let mut count = 0;
    let mut digest = ManifestDigest::default();
    let mut before: Option<Line> = None;
    let mut closed: Option<Sealed> = None;
    let mut bytes = Vec::new();
    let mut number = 0;
    while reader.read_until(b'\n', &mut bytes).map_err(cannot)? > 0 {
        number += 1;
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let mut line = line::decode(text).map_err(|error| match number {
            1 => is_no_copy(&format!(", or its first line is damaged: {error}")),
            _ => damaged(number, error.to_string()),
        })?;
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
        match &mut line.entry.record {
            Record::Captured(captured)
                if text::sha256(captured.text.as_bytes()) == captured.sha256 =>
            {
                digest.add(&captured.key, captured.etag.as_deref(), &captured.sha256);
                count += 1;
                each(RowToSeal {
                    key: captured.key.clone(),
                    etag: captured.etag.clone(),
                    text: std::mem::take(&mut captured.text),
                });
            }
            Record::Sealed(sealed) => closed = Some(sealed.clone()),
            Record::Began(_) if number == 1 => {
                return Err(is_no_copy("; it begins like a state file"));
            }
            other => {
                return Err(damaged(
                    number,
                    format!("a `{}` does not belong there", other.kind()),
                ));
            }
        }
        before = Some(line);
        bytes.clear();
    }
    let (Some(last), Some(sealed)) = (before, closed) else {
        return Err(damaged(count + 1, "the manifest is missing".to_owned()));
    };
    if sealed.count != count || sealed.sha256 != digest.finish() {
        return Err(JournalError::SealBroken {
            path: path.to_owned(),
            seal: sealed.seal,
            why: "its manifest does not match the captures before it".to_owned(),
        });
    }
    Ok(VerifiedCopy {
        run: last.run,
        seal: sealed.seal,
        sha256: sealed.sha256,
        refresh: sealed.refresh,
        last: (last.entry.number, last.checksum.to_string()),
    })
}
