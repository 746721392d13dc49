//! The rows of a seal. Their texts stay in the state file and are read when they are needed: a
//! tenant's rows are much larger than what a run must know of them.
//!
//! A text that is read back is compared with the digest that the row keeps. The first failure stays:
//! after it, a survey's result is not used and nothing more is recorded, so nothing more is sent.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use serde::Deserialize;
use serde_json::Value;

use super::error::JournalError;
use super::payload::Captured;
use super::state::{SealState, State};
use crate::base::sync::lock;
use crate::base::{files, platform, text};

/// How many bytes of a state file are read at once, if no single capture is longer.
const CHUNK: u64 = 256 * 1024;

/// Bytes of a state file: whole lines, with their line feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Where they begin, from 0.
    pub(super) start: u64,
    /// How many they are.
    pub(super) length: u64,
}

impl Span {
    pub(super) fn new(start: u64, length: usize) -> Self {
        Self {
            start,
            length: length as u64,
        }
    }

    fn end(self) -> u64 {
        self.start.saturating_add(self.length)
    }

    /// This span and the one right after it; none if there is something between them.
    pub(super) fn joined(self, next: Self) -> Option<Self> {
        (self.end() == next.start).then_some(Self {
            start: self.start,
            length: self.length.saturating_add(next.length),
        })
    }

    /// Opens these bytes of a file, with a new handle.
    pub(super) fn open(self, path: &Path) -> io::Result<io::Take<File>> {
        let mut file = files::open(path)?;
        file.seek(SeekFrom::Start(self.start))?;
        Ok(file.take(self.length))
    }
}

/// One row or setting of a seal, as the service gave it.
#[derive(Clone, Debug)]
pub struct SealedRow {
    /// What was captured.
    pub key: Box<str>,
    /// Its `ETag`.
    pub etag: Option<Box<str>>,
    sha256: [u8; 32],
    text: Text,
}

/// Where a row's text is.
#[derive(Clone, Debug)]
enum Text {
    /// In memory: its line is in no file that can be read.
    Memory(Box<str>),
    /// In this line of the state file.
    File(Span),
}

impl SealedRow {
    /// Takes a record, the SHA-256 of its text, and its line if it can be read again.
    pub(super) fn new(captured: &Captured, sha256: [u8; 32], line: Option<Span>) -> Self {
        Self {
            key: captured.key.as_str().into(),
            etag: captured.etag.as_deref().map(Into::into),
            sha256,
            text: line.map_or_else(|| Text::Memory(captured.text.as_str().into()), Text::File),
        }
    }

    /// The SHA-256 of its text, in 64 lower-case hexadecimal digits.
    pub fn sha256(&self) -> String {
        text::hex(&self.sha256)
    }

    /// Does this record hold the same row?
    pub(super) fn is(&self, captured: &Captured) -> bool {
        *self.key == *captured.key
            && self.etag.as_deref() == captured.etag.as_deref()
            && text::digest(captured.text.as_bytes()) == self.sha256
    }

    fn line(&self) -> Option<Span> {
        match self.text {
            Text::Memory(_) => None,
            Text::File(line) => Some(line),
        }
    }

    /// How long its text is, in bytes; of a text in the file, how long its line is.
    fn size(&self) -> u64 {
        match &self.text {
            Text::Memory(text) => text.len() as u64,
            Text::File(line) => line.length,
        }
    }

    /// The text in its line, if it is the one that was captured.
    fn text_in<'l>(&self, line: &'l [u8]) -> Result<Cow<'l, str>, String> {
        let line: CapturedLine<'l> =
            serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let text = line.data.text;
        if text::digest(text.as_bytes()) != self.sha256 {
            return Err("its text is not the one that was sealed".to_owned());
        }
        Ok(text)
    }

    /// How many bytes this row keeps in memory.
    #[cfg(test)]
    pub(super) fn bytes_in_memory(&self) -> usize {
        let texts = match &self.text {
            Text::Memory(text) => text.len(),
            Text::File(_) => 0,
        };
        let etag = self.etag.as_ref().map_or(0, |etag| etag.len());
        size_of::<Self>() + self.key.len() + etag + texts
    }
}

/// Rows are compared by digest, not by text.
impl PartialEq for SealedRow {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.etag == other.etag && self.sha256 == other.sha256
    }
}

impl Eq for SealedRow {}

/// The text in the line of a capture; the rest of the line is skipped.
#[derive(Deserialize)]
struct CapturedLine<'a> {
    #[serde(borrow)]
    data: CapturedText<'a>,
}

#[derive(Deserialize)]
struct CapturedText<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

/// The state file, from which the texts of captures are read; none for a state that is in memory
/// alone. Clones share the handle and the first failure.
#[derive(Clone, Debug, Default)]
pub(super) struct CaptureFile(Option<Arc<OpenFile>>);

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    file: Mutex<File>,
    failure: OnceLock<JournalError>,
}

impl CaptureFile {
    /// Opens the file for reading. If it cannot be opened, texts stay in memory.
    pub(super) fn open(path: &Path) -> Self {
        let open = |file| {
            Arc::new(OpenFile {
                path: path.to_owned(),
                file: Mutex::new(file),
                failure: OnceLock::new(),
            })
        };
        Self(platform::open_shared(path).ok().map(open))
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    fn read(&self, span: Span) -> io::Result<Vec<u8>> {
        let open = self.0.as_ref();
        let open = open.ok_or_else(|| io::Error::other("the state file is not open"))?;
        let mut bytes = vec![0; usize::try_from(span.length).map_err(io::Error::other)?];
        let mut file = lock(&open.file);
        file.seek(SeekFrom::Start(span.start))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Remembers the first failure, and returns this one.
    fn fail(&self, seal: &str, why: String) -> JournalError {
        let open = self.0.as_ref();
        let error = JournalError::SealBroken {
            path: open.map_or_else(PathBuf::new, |open| open.path.clone()),
            seal: seal.to_owned(),
            why,
        };
        if let Some(open) = open {
            // A later failure has the same cause.
            drop(open.failure.set(error.clone()));
        }
        error
    }
}

/// The file that the texts are read from is not part of a state.
impl PartialEq for CaptureFile {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

/// Keys and parsed values of a seal, in its order.
pub type ParsedCaptures = Arc<Vec<(Box<str>, Arc<Value>)>>;

/// The values of a seal that were parsed, by the beginning of their keys, and what was derived from
/// them, by its type. A seal does not change, so this is done once, no matter how many surveys read
/// it. Clones share it.
#[derive(Clone, Default)]
pub struct ParseCache {
    parsed: Arc<Mutex<BTreeMap<String, ParsedCaptures>>>,
    derived: Arc<Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>,
}

impl ParseCache {
    /// The values of the captures whose keys begin with `prefix`; parses them if nobody has.
    pub fn get_or_parse<E>(
        &self,
        prefix: &str,
        parse: impl FnOnce() -> Result<ParsedCaptures, E>,
    ) -> Result<ParsedCaptures, E> {
        if let Some(parsed) = lock(&self.parsed).get(prefix) {
            return Ok(Arc::clone(parsed));
        }
        let parsed = parse()?;
        let mut cached = lock(&self.parsed);
        Ok(Arc::clone(
            cached.entry(prefix.to_owned()).or_insert(parsed),
        ))
    }

    /// The value of this type that was derived from the seal, if one was. A type is derived in one
    /// way.
    pub fn derived<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let derived = lock(&self.derived).get(&TypeId::of::<T>()).cloned()?;
        derived.downcast().ok()
    }

    /// Keeps a value that was derived from the seal.
    pub fn keep_derived<T: Any + Send + Sync>(&self, derived: Arc<T>) {
        lock(&self.derived).insert(TypeId::of::<T>(), derived);
    }
}

impl fmt::Debug for ParseCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ParseCache")
    }
}

/// Is the sum of these sizes at most `bytes`? Adds no more of them than it takes to know.
pub fn fits(mut sizes: impl Iterator<Item = u64>, bytes: u64) -> bool {
    let left = sizes.try_fold(bytes, u64::checked_sub);
    left.is_some()
}

/// The text of a capture as JSON; a text that is not JSON becomes a JSON string.
pub fn parse_capture(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

impl SealState {
    /// What was parsed of it, and what was derived from that.
    pub fn cache(&self) -> &ParseCache {
        &self.parsed
    }

    /// Are the texts of the captures whose keys begin with `prefix` at most this many bytes?
    pub fn is_within(&self, prefix: &str, bytes: u64) -> bool {
        fits(self.below(prefix).map(|row| row.size()), bytes)
    }

    /// The captures whose keys begin with `prefix`.
    pub fn below(&self, prefix: &str) -> impl Iterator<Item = &Arc<SealedRow>> {
        let rows = self.captures.iter();
        rows.filter(move |row| row.key.starts_with(prefix))
    }
}

impl State {
    /// Passes on the texts of these rows of a seal, in their order. Fails if one of them cannot be
    /// read back, or is not what was sealed.
    pub fn each_text<'s>(
        &self,
        seal: &SealState,
        rows: impl IntoIterator<Item = &'s Arc<SealedRow>>,
        mut each: impl FnMut(&'s SealedRow, &str),
    ) -> Result<(), JournalError> {
        let fail = |row: &SealedRow, why: String| {
            let why = format!("the capture `{}` cannot be read back: {why}", row.key);
            self.file.fail(&seal.seal, why)
        };
        let mut rows = rows.into_iter().map(AsRef::as_ref).peekable();
        let mut chunk: Vec<(&SealedRow, Span)> = Vec::new();
        while let Some(row) = rows.next() {
            let Some(mut span) = row.line() else {
                if let Text::Memory(text) = &row.text {
                    each(row, text);
                }
                continue;
            };
            chunk.push((row, span));
            while let Some((next, line, longer)) = rows.peek().and_then(|next| {
                let line = next.line()?;
                let longer = span.joined(line).filter(|span| span.length <= CHUNK)?;
                Some((*next, line, longer))
            }) {
                chunk.push((next, line));
                span = longer;
                rows.next();
            }
            let bytes = self.file.read(span);
            let bytes = bytes.map_err(|error| fail(row, error.to_string()))?;
            let mut rest = bytes.as_slice();
            for (row, line) in chunk.drain(..) {
                let (own, after) =
                    rest.split_at(usize::try_from(line.length).unwrap_or(rest.len()));
                rest = after;
                let text = row.text_in(own).map_err(|why| fail(row, why))?;
                each(row, &text);
            }
        }
        Ok(())
    }

    /// The text of one row of a seal.
    pub fn text_of(&self, seal: &SealState, row: &Arc<SealedRow>) -> Result<String, JournalError> {
        let mut found = String::new();
        self.each_text(seal, [row], |_, text| text.clone_into(&mut found))?;
        Ok(found)
    }

    /// The values of a seal whose keys begin with `prefix`, parsed once and shared.
    pub fn parsed(&self, seal: &SealState, prefix: &str) -> Result<ParsedCaptures, JournalError> {
        seal.parsed.get_or_parse(prefix, || {
            let mut values = Vec::new();
            self.each_text(seal, seal.below(prefix), |row, text| {
                values.push((row.key.clone(), Arc::new(parse_capture(text))));
            })?;
            Ok(Arc::new(values))
        })
    }

    /// The first text that could not be read back, if there was one. What was read since may be
    /// incomplete.
    pub fn unread(&self) -> Option<JournalError> {
        self.file.0.as_ref()?.failure.get().cloned()
    }
}

/// Reads the text of one row back from a new handle of the state file.
pub(super) fn read_back_row(path: &Path, row: &SealedRow) -> Result<(), String> {
    let Some(line) = row.line() else {
        return Ok(());
    };
    let mut bytes = Vec::new();
    line.open(path)
        .and_then(|mut opened| opened.read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    row.text_in(&bytes).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::clock::Clock;
    use crate::journal::seal::RowToSeal;
    use crate::journal::testing::{began, open};
    use crate::journal::{begin, read_state_file};

    fn rows(count: usize) -> Vec<RowToSeal> {
        let text = "x".repeat(200);
        (0..count)
            .map(|number| RowToSeal {
                key: format!("source/workflow/{number:036}"),
                etag: Some(format!("W/\"{number}\"")),
                text: format!(r#"{{"number":{number},"text":"{text}"}}"#),
            })
            .collect()
    }

    #[tokio::test]
    async fn a_state_of_many_captures_keeps_no_text_and_reads_each_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opened = begin(&path, Clock::new(1.0), began()).unwrap();
        opened.journal.seal("flows", rows(10_000)).await.unwrap();
        let live = opened.journal.state();
        drop(opened);
        let resumed = open(&path, &Clock::new(1.0)).journal.state();
        let read = Arc::new(read_state_file(&path).unwrap().state);
        for state in [live, resumed, read] {
            let seal = state.verified_seal("flows").unwrap();
            assert_eq!(seal.captures.len(), 10_000);
            let kept: usize = seal.captures.iter().map(|row| row.bytes_in_memory()).sum();
            assert!(kept < 10_000 * 200, "{} bytes a capture", kept / 10_000);
            let mut count = 0;
            let all = state.each_text(seal, &seal.captures, |row, text| {
                assert_eq!(text::sha256(text.as_bytes()), row.sha256());
                count += 1;
            });
            all.unwrap();
            assert_eq!(count, 10_000);
            let last = seal.captures.last().unwrap();
            assert!(
                state
                    .text_of(seal, last)
                    .unwrap()
                    .starts_with("{\"number\":9999")
            );
        }
    }

    #[tokio::test]
    async fn a_seal_is_parsed_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opened = begin(&path, Clock::new(1.0), began()).unwrap();
        opened.journal.seal("flows", rows(3)).await.unwrap();
        let parsed = |state: &State| {
            let seal = state.verified_seal("flows").unwrap();
            state.parsed(seal, "").unwrap()
        };
        let first = parsed(&opened.journal.state());
        opened.journal.seal("other", rows(1)).await.unwrap();
        assert!(Arc::ptr_eq(&first, &parsed(&opened.journal.state())));
        assert_eq!(first[2].1["number"], 2);
    }

    #[tokio::test]
    async fn after_a_text_that_cannot_be_read_back_nothing_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opened = begin(&path, Clock::new(1.0), began()).unwrap();
        opened.journal.seal("flows", rows(3)).await.unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(
            &path,
            text.replace("\\\"number\\\":1,", "\\\"number\\\":7,"),
        )
        .unwrap();
        let state = opened.journal.state();
        let seal = state.verified_seal("flows").unwrap();
        let why = state.parsed(seal, "").unwrap_err().to_string();
        assert!(why.contains("`source/workflow/"), "{why}");
        assert_eq!(state.unread().unwrap().to_string(), why);
        let refused = opened.journal.close("failed", 1, None).await.unwrap_err();
        assert!(
            refused.to_string().contains("cannot be read back"),
            "{refused}"
        );
    }
}
