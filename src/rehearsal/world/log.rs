//! The world's file: one line for the seed, then one line a request.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::store::Objects;
use crate::rehearsal::clock::Moment;

/// The version of the file's form.
const FORMAT: u32 = 1;

/// A world file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be read or written.
    #[error(
        "cannot use the world file {}: {source}; the tenant keeps its world there, so it must be able to write to it",
        path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process runs a tenant on this file.
    #[error(
        "another rehearsal tenant runs on {}; end it first, or choose another world file",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error(
        "{} is not a world file, so it is left as it is; choose another file with --world",
        path.display()
    )]
    NotAWorld {
        /// The file.
        path: PathBuf,
    },
    /// A line other than the last is damaged.
    #[error(
        "line {line} of {} is damaged: {why}; delete the file, and the state file beside it, to begin anew",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// How many requests came before this line and in it: 0 for the seed.
    pub(crate) n: u64,
    /// The file's form, in the seed only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<u32>,
    /// The simulated time, for people.
    at: String,
    /// The simulated time, in milliseconds since the seed.
    pub(crate) elapsed: Moment,
    /// The request, but for the seed.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    request: Option<RequestFacts>,
    /// Objects that are new or other than before.
    #[serde(default, skip_serializing_if = "Objects::is_empty")]
    pub(crate) put: Objects,
    /// Keys of objects that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) delete: Vec<String>,
}

/// What the log keeps of a request: never a token, a secret or a body.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct RequestFacts {
    /// Which listener it came to.
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
    /// The application id, or the user that the request was sent for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) caller: Option<String>,
    /// The HTTP status of the answer.
    pub(crate) status: u16,
    /// The fault that struck it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<String>,
}

impl Line {
    /// The seed's line.
    pub(crate) fn seed(put: Objects) -> Self {
        Self {
            n: 0,
            format: Some(FORMAT),
            at: Moment::default().in_ticks(),
            elapsed: Moment::default(),
            request: None,
            put,
            delete: Vec::new(),
        }
    }

    /// A request's line.
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
            at: now.in_ticks(),
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
    /// Opens the file, makes it if need be (mode 0600), locks it, and reads its lines. A torn last
    /// line, which a killed tenant leaves behind, is cut off: nobody has had its answer. Only a
    /// regular file is opened, without waiting for the other end of a FIFO and without following a
    /// link; a file that does not begin as a world does is left as it is.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Line>), LogError> {
        let fault = |source| LogError::File {
            path: path.to_owned(),
            source,
        };
        let at_once = OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(i32::try_from(at_once.bits()).unwrap_or_default())
            .open(path)
            .map_err(fault)?;
        if !file.metadata().map_err(fault)?.is_file() {
            let why = std::io::Error::other("it is not a regular file");
            return Err(fault(why));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LogError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(fault(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fault)?;
        let (lines, whole) = read_lines(path, &bytes)?;
        let length = u64::try_from(whole).unwrap_or(u64::MAX);
        if whole < bytes.len() {
            file.set_len(length).map_err(fault)?;
        }
        let log = Self {
            path: path.to_owned(),
            file,
            length,
        };
        Ok((log, lines))
    }

    /// Writes one line in one piece. It is not forced to the disk: a machine that crashes may lose
    /// it, a process that is killed does not. A line that cannot be written whole is taken back.
    pub(crate) fn append(&mut self, line: &Line) -> Result<(), LogError> {
        let fault = |source| LogError::File {
            path: self.path.clone(),
            source,
        };
        let mut bytes = serde_json::to_vec(line).map_err(|error| fault(error.into()))?;
        bytes.push(b'\n');
        if let Err(source) = self.file.write_all(&bytes) {
            // Where this fails too, the next start cuts the torn line off.
            let _taken_back = self.file.set_len(self.length);
            return Err(fault(source));
        }
        self.length += u64::try_from(bytes.len()).unwrap_or_default();
        Ok(())
    }
}

/// How every world file begins: the first fields of its seed's line.
const BEGINNING: &[u8] = br#"{"n":0,"format":"#;

/// The lines, and how many bytes they take: less than there are where the last one is torn.
fn read_lines(path: &Path, bytes: &[u8]) -> Result<(Vec<Line>, usize), LogError> {
    let begun = bytes.len().min(BEGINNING.len());
    if bytes[..begun] != BEGINNING[..begun] {
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
            return Err(damaged(format!("it is numbered {}", line.n)));
        }
        if let Some(format) = line.format.filter(|format| *format != FORMAT) {
            return Err(damaged(format!("its form is {format}, not {FORMAT}")));
        }
        whole += piece.len();
        lines.push(line);
    }
    Ok((lines, whole))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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
    fn damage_elsewhere_is_named() {
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
    fn a_file_that_is_no_world_is_left_as_it_is() {
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
        // A tenant that was killed in mid-write has left the beginning of one.
        std::fs::write(&path, "{\"n\":0,\"for").unwrap();
        assert_eq!(Log::open(&path).unwrap().1.len(), 0);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn only_a_regular_file_is_opened_and_nothing_is_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let error = Log::open(&fifo).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
        assert!(Log::open(&link).is_err());
        assert!(!folder.path().join("nowhere").exists());
    }

    #[test]
    fn the_file_is_private_and_has_one_user() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.jsonl");
        let (log, _) = Log::open(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(Log::open(&path), Err(LogError::InUse { .. })));
        drop(log);
        assert!(Log::open(&path).is_ok());
    }
}
