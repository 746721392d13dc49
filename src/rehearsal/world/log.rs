//! The world's file: one line for the seed, then one line for each request.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::private_file;
use super::store::Objects;
use crate::rehearsal::clock::Moment;

/// The version of the file's format.
const FORMAT: u32 = 1;

/// Why a world's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be read or written.
    #[error(
        "cannot read or write the world file {}: {source}",
        path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Another process runs a tenant on this file.
    #[error(
        "another rehearsal tenant runs on {}; stop it first, or choose another world file",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a world.
    #[error(
        "{} is not a world file and was not changed; choose another file with --world",
        path.display()
    )]
    NotAWorld {
        /// The file.
        path: PathBuf,
    },
    /// A line other than the last is damaged.
    #[error(
        "line {line} of {} is damaged: {why}; delete the file and the state file beside it to start over",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The damage.
        why: String,
    },
}

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The number of the request, from 1; 0 for the seed.
    pub(crate) n: u64,
    /// The file's format, only in the seed's line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<u32>,
    /// The simulated time, for readers of the file.
    at: String,
    /// The simulated time, in milliseconds since the seed.
    pub(crate) elapsed: Moment,
    /// The request; the seed has none.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    request: Option<RequestFacts>,
    /// Objects that are new or changed.
    #[serde(default, skip_serializing_if = "Objects::is_empty")]
    pub(crate) put: Objects,
    /// Keys of deleted objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) delete: Vec<String>,
}

/// The part of a request in the log: never a token, a secret or a body.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct RequestFacts {
    /// The listener that received it.
    pub(crate) listener: String,
    /// The HTTP method.
    pub(crate) method: String,
    /// The decoded path.
    pub(crate) path: String,
    /// The query as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) query: Option<String>,
    /// The `User-Agent` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<String>,
    /// The application id, or the user that the request acts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) caller: Option<String>,
    /// The HTTP status of the response.
    pub(crate) status: u16,
    /// The fault that applied to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<String>,
}

impl Line {
    pub(crate) fn seed(put: Objects) -> Self {
        Self {
            n: 0,
            format: Some(FORMAT),
            at: Moment::default().to_iso_ticks(),
            elapsed: Moment::default(),
            request: None,
            put,
            delete: Vec::new(),
        }
    }

    pub(crate) fn request(
        n: u64,
        now: Moment,
        facts: RequestFacts,
        put: Objects,
        delete: Vec<String>,
    ) -> Self {
        Self {
            n,
            format: None,
            at: now.to_iso_ticks(),
            elapsed: now,
            request: Some(facts),
            put,
            delete,
        }
    }
}

/// The open, locked file.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Log {
    /// Opens or creates the file (mode 0600), locks it, and reads its lines. A torn last line,
    /// which a killed tenant leaves behind, is cut off: no client received its response. Only a
    /// regular file is opened; a FIFO is not waited for and a link is not followed. A file that
    /// does not start like a world is not changed.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Line>), LogError> {
        let error = |source| LogError::File {
            path: path.to_owned(),
            source,
        };
        let mut file = private_file::open(path).map_err(error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LogError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(error(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(error)?;
        let (lines, whole) = read_lines(path, &bytes)?;
        let length = u64::try_from(whole).unwrap_or(u64::MAX);
        if whole < bytes.len() {
            file.set_len(length).map_err(error)?;
        }
        let log = Self {
            path: path.to_owned(),
            file,
            length,
        };
        Ok((log, lines))
    }

    /// Appends a line with one write. It is not synced: a killed process does not lose it, a
    /// crashed machine may. If the write fails, the file is cut back to its length before.
    pub(crate) fn append(&mut self, line: &Line) -> Result<(), LogError> {
        let error = |source| LogError::File {
            path: self.path.clone(),
            source,
        };
        let mut bytes = serde_json::to_vec(line).map_err(|source| error(source.into()))?;
        bytes.push(b'\n');
        let at_end = SeekFrom::Start(self.length);
        let seek = self.file.seek(at_end);
        if let Err(source) = seek.and_then(|_| self.file.write_all(&bytes)) {
            // If this fails too, the next start cuts the torn line off.
            let _cut_back = self.file.set_len(self.length);
            return Err(error(source));
        }
        self.length += u64::try_from(bytes.len()).unwrap_or_default();
        Ok(())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Closing the file is not enough: a program that another thread starts at this moment has a
        // copy of it. If this fails, closing it releases the lock.
        drop(self.file.unlock());
    }
}

/// The start of every world file: the first fields of the seed's line.
const PREFIX: &[u8] = br#"{"n":0,"format":"#;

/// The lines, and their length in bytes without a torn last line.
fn read_lines(path: &Path, bytes: &[u8]) -> Result<(Vec<Line>, usize), LogError> {
    let compared = bytes.len().min(PREFIX.len());
    if bytes[..compared] != PREFIX[..compared] {
        let path = path.to_owned();
        return Err(LogError::NotAWorld { path });
    }
    let mut lines = Vec::new();
    let mut whole = 0;
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        let is_last = whole + piece.len() == bytes.len();
        if piece.last() != Some(&b'\n') {
            break;
        }
        let damaged = |why: String| LogError::Damaged {
            path: path.to_owned(),
            line: lines.len() + 1,
            why,
        };
        let line: Line = match serde_json::from_slice(piece) {
            Ok(line) => line,
            Err(_) if is_last && !lines.is_empty() => break,
            Err(error) => return Err(damaged(error.to_string())),
        };
        if usize::try_from(line.n) != Ok(lines.len()) {
            return Err(damaged(format!("its number is {}", line.n)));
        }
        if let Some(format) = line.format.filter(|format| *format != FORMAT) {
            return Err(damaged(format!("its format is {format}, not {FORMAT}")));
        }
        whole += piece.len();
        lines.push(line);
    }
    Ok((lines, whole))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts() -> RequestFacts {
        RequestFacts {
            listener: "bap".to_owned(),
            method: "GET".to_owned(),
            path: "/".to_owned(),
            query: None,
            user_agent: None,
            caller: None,
            status: 200,
            fault: None,
        }
    }

    fn line(n: u64) -> Line {
        let put = Objects::from([("k".to_owned(), json!({"n": n}))]);
        Line::request(n, Moment::from_milliseconds(n), facts(), put, Vec::new())
    }

    #[test]
    fn a_torn_last_line_is_dropped_at_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.jsonl");
        let (mut log, lines) = Log::open(&path).unwrap();
        assert!(lines.is_empty());
        log.append(&Line::seed(Objects::new())).unwrap();
        log.append(&line(1)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        log.append(&line(2)).unwrap();
        drop(log);
        let bytes = std::fs::read(&path).unwrap();
        for length in whole.len()..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let (mut log, lines) = Log::open(&path).unwrap();
            assert_eq!(lines.len(), 2);
            log.append(&line(2)).unwrap();
            drop(log);
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn damage_in_another_line_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.jsonl");
        let (mut log, _) = Log::open(&path).unwrap();
        log.append(&Line::seed(Objects::new())).unwrap();
        log.append(&line(1)).unwrap();
        log.append(&line(2)).unwrap();
        drop(log);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("\"n\":1", "\"n\":7", 1)).unwrap();
        let error = Log::open(&path).unwrap_err();
        assert!(
            matches!(error, LogError::Damaged { line: 2, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_not_a_world_is_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.jsonl");
        for text in [
            "a person's note",
            "{\"n\":1,\"prev\":\"0\"}\n",
            "{\"n\":0}\n",
            "\n",
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Log::open(&path).unwrap_err();
            assert!(matches!(error, LogError::NotAWorld { .. }), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        // A tenant that was killed while writing left the start of a world.
        std::fs::write(&path, "{\"n\":0,\"for").unwrap();
        assert_eq!(Log::open(&path).unwrap().1.len(), 0);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn one_tenant_at_a_time_uses_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.jsonl");
        let (log, _) = Log::open(&path).unwrap();
        assert!(matches!(Log::open(&path), Err(LogError::InUse { .. })));
        // What a program has between its start and its first instruction.
        let copy = log.file.try_clone().unwrap();
        drop(log);
        assert!(Log::open(&path).is_ok());
        drop(copy);
    }
}
