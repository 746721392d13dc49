//! Taking a state file: a new one, or one that stands already.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::clock::Clock;

use super::error::JournalError;
use super::file;
use super::handle::Journal;
use super::line::Chain;
use super::lock::{self, Lock};
use super::payload::{Began, Cut, Opened, Takeover};
use super::record::{FORMAT, Record, RunId};
use super::replay::{self, Torn};
use super::state::State;
use super::writer::{StateFile, Writer};

/// An open state file.
#[derive(Debug)]
pub struct Opening {
    /// The journal, ready to append.
    pub journal: Journal,
    /// Does an earlier process's run go on? Otherwise it has just begun.
    pub resumed: bool,
    /// What was cut off the end, where the last write had not finished.
    pub repair: Option<Repair>,
    /// The right to write the file. The journal's writer holds it too.
    pub lock: Lock,
}

/// A torn end that was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The byte at which the file was cut.
    pub at: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// Where they are kept.
    pub saved_to: PathBuf,
}

impl From<&Repair> for Cut {
    fn from(repair: &Repair) -> Self {
        Self {
            at: repair.at,
            bytes: repair.bytes,
            saved_to: repair.saved_to.display().to_string(),
        }
    }
}

/// Begins a run: creates the state file with mode 0600, locked, with `began` and `opened` durable
/// in it. Fails with [`JournalError::AlreadyExists`] where a file stands there, and with
/// [`JournalError::Locked`] where another process is about the same.
///
/// The format is always [`FORMAT`], whatever `began` says. The file appears with both records in it or not at all, so a kill leaves no empty one.
pub fn begin(path: &Path, clock: Clock, began: Began) -> Result<Opening, JournalError> {
    let began = Began {
        format: FORMAT,
        ..began
    };
    let time = clock.time_of_day();
    let lock = Lock::acquire(path, time)?;
    file::refuse_link(path)?;
    let run = RunId::new(time);
    let mut chain = Chain::new(run);
    let illegal = |transition| JournalError::Illegal {
        path: path.to_owned(),
        transition,
    };
    let unwritable =
        |why: String| JournalError::io("writing the first record of", path)(io::Error::other(why));
    let (first, mut lines) = chain.link(time, Record::from(began)).map_err(unwritable)?;
    let mut state = State::first(run, &first).map_err(illegal)?;
    let (second, line) = chain
        .link(time, Record::from(this_process()))
        .map_err(unwritable)?;
    state.next(&second).map_err(illegal)?;
    lines.push_str(&line);
    match file::create_whole(path, lines.as_bytes(), file::PRIVATE) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(JournalError::AlreadyExists {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(JournalError::io("creating the state file", path)(error)),
    }
    let storage = StateFile {
        file: file::open_private(path, lock.owner())?,
        path: path.to_owned(),
    };
    let length = lines.len() as u64;
    let writer = Writer::new(path, Box::new(storage), clock, chain, length, state);
    Ok(Opening {
        journal: Journal::start(path, writer, lock.clone())?,
        resumed: false,
        repair: None,
        lock,
    })
}

/// Goes on with a run: takes the lock, verifies every line, cuts a torn end off (keeping it in
/// `<file>.torn-<n>`), and writes `opened`, with `cut` and `takeover` where they are due.
///
/// Without `takeover` it fails with [`JournalError::OtherMachine`] where the last process was on
/// another machine and did not close the file. Damage, a newer format and records of unknown kinds
/// are refused, and the file is then left as it was.
pub fn resume(path: &Path, clock: Clock, takeover: bool) -> Result<Opening, JournalError> {
    if !exists(path) {
        // Looked for first, so that no lock file is left beside nothing.
        return Err(JournalError::NotFound {
            path: path.to_owned(),
        });
    }
    let lock = Lock::acquire(path, clock.time_of_day())?;
    let file = file::open_private(path, lock.owner())?;
    let bytes = file::read_all(&file, path)?;
    let replay = replay::replay(path, &bytes);
    let (state, chain) = replay.writable(path)?;
    let foreign = state
        .opened
        .as_ref()
        .filter(|opened| state.is_open() && opened.host != lock::this_host());
    if let Some(opened) = foreign
        && !takeover
    {
        return Err(JournalError::OtherMachine {
            path: path.to_owned(),
            host: opened.host.clone(),
            pid: opened.pid,
            since: opened.time,
        });
    }
    let repair = replay
        .torn
        .map(|torn| cut_torn(path, &file, &bytes, torn))
        .transpose()?;
    let mut records = vec![Record::from(this_process())];
    records.extend(repair.as_ref().map(|repair| Cut::from(repair).into()));
    records.extend(foreign.map(|opened| Takeover::of(opened, opened.time).into()));
    let length = repair
        .as_ref()
        .map_or(bytes.len() as u64, |repair| repair.at);
    let mut writer = Writer::new(
        path,
        Box::new(StateFile {
            file,
            path: path.to_owned(),
        }),
        clock,
        chain,
        length,
        state.clone(),
    );
    writer.write(records)?;
    Ok(Opening {
        journal: Journal::start(path, writer, lock.clone())?,
        resumed: true,
        repair,
        lock,
    })
}

/// Does a state file stand at this path?
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Keeps the torn end aside, and only then cuts it off.
fn cut_torn(path: &Path, file: &File, bytes: &[u8], torn: Torn) -> Result<Repair, JournalError> {
    // A file that is in memory as a whole has no length beyond `usize`.
    let end = usize::try_from(torn.at).unwrap_or(bytes.len());
    let saved_to = file::keep_aside(path, "torn", &bytes[end..])?;
    file::cut_at(file, path, torn.at)?;
    Ok(Repair {
        at: torn.at,
        bytes: torn.bytes,
        saved_to,
    })
}

fn this_process() -> Opened {
    Opened {
        pid: std::process::id(),
        host: lock::this_host(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
