//! Who holds the state file, and how far the file reached.
//!
//! The lock is a file of its own, never renamed and never deleted: a lock on the state file itself
//! would be lost with the file it stands on. It is taken with `flock`, which ends with the process
//! however that ends. Its first line, padded to a fixed width so that it is overwritten in place, is
//! the state file's [`Mark`]; its second line names the holder to a second process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::file;
use super::mark::Mark;
use crate::base::files;

/// How often the lock is tried, and how long between: `read` holds it for an instant to see
/// whether it is free, and a new holder needs an instant to write its name.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// The width of the mark's line in bytes, its line feed included. The longest mark has 96.
const MARK: usize = 128;

/// The process that holds a state file, as its lock file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its machine's host name.
    pub host: String,
    /// When it took the lock.
    pub since: Timestamp,
    /// The state file, as an absolute path.
    pub path: String,
}

/// Whether a process holds a state file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occupancy {
    /// Nobody holds it.
    Free,
    /// This process holds it.
    Held(Holder),
    /// A process holds it, and its lock file does not say which.
    HeldByUnknown,
}

/// The right to write a state file, held while any clone of it is alive. The journal's writer
/// holds one too, so the file is never unguarded while something may still be written.
#[derive(Clone, Debug)]
pub struct Lock {
    inner: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    file: File,
    owner: u32,
}

impl Lock {
    /// Takes the lock of `state_file`, and writes who holds it since `time`. Fails with
    /// [`JournalError::Locked`] where another holds it.
    pub(super) fn acquire(state_file: &Path, time: Timestamp) -> Result<Self, JournalError> {
        let path = path_for(state_file);
        let opening = JournalError::io("opening the lock file", &path);
        file::refuse_link(&path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = files::open_with(options.mode(file::PRIVATE), &path).map_err(opening)?;
        let metadata = file
            .metadata()
            .map_err(JournalError::io("opening the lock file", &path))?;
        let owner = metadata.uid();
        file::require_private(&path, &metadata, owner)?;
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < TRIES => thread::sleep(BETWEEN_TRIES),
                Err(TryLockError::WouldBlock) => {
                    return Err(JournalError::Locked {
                        path: state_file.to_owned(),
                        holder: read_holder(&path),
                    });
                }
                Err(TryLockError::Error(error)) => {
                    return Err(JournalError::io("locking", &path)(error));
                }
            }
        }
        let holder = Holder {
            pid: std::process::id(),
            host: this_host(),
            since: time,
            path: std::path::absolute(state_file)
                .unwrap_or_else(|_| state_file.to_owned())
                .display()
                .to_string(),
        };
        write_holder(&file, &holder).map_err(JournalError::io("writing the lock file", &path))?;
        Ok(Self {
            inner: Arc::new(Held { file, owner }),
        })
    }

    /// The newest record of the state file that was durable, where that was noted.
    pub(super) fn mark(&self) -> Option<Mark> {
        let mut line = [0; MARK];
        self.inner.file.read_exact_at(&mut line, 0).ok()?;
        serde_json::from_slice(&line).ok()
    }

    /// Notes the newest record of the state file; `durably` where that has to survive a loss of
    /// power.
    pub(super) fn write_mark(&self, mark: &Mark, durably: bool) -> io::Result<()> {
        self.write_mark_line(&serde_json::to_string(mark)?, durably)
    }

    /// Forgets the mark, durably: the state file is about to be begun, or cut on purpose.
    pub(super) fn clear_mark(&self) -> io::Result<()> {
        self.write_mark_line("", true)
    }

    fn write_mark_line(&self, text: &str, durably: bool) -> io::Result<()> {
        let file = &self.inner.file;
        file.write_all_at(padded(text).as_bytes(), 0)?;
        if durably {
            file::sync_data(file)
        } else {
            Ok(())
        }
    }

    /// The user who owns the lock file, and so must own the state file.
    pub(super) fn owner(&self) -> u32 {
        self.inner.owner
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The name is wiped so that nobody is told of a holder who has gone. Where that fails the
        // lock is free all the same.
        drop(self.file.set_len(MARK as u64));
    }
}

/// Sees whether anyone holds the lock of `state_file`, without taking it for longer than an
/// instant and without creating it.
pub(super) fn occupancy(state_file: &Path) -> Result<Occupancy, JournalError> {
    let path = path_for(state_file);
    let file = match files::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupancy::Free),
        Err(error) => return Err(JournalError::io("reading the lock file", &path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Occupancy::Free),
        Err(TryLockError::WouldBlock) => {
            for _ in 1..TRIES {
                if let Some(holder) = read_holder(&path) {
                    return Ok(Occupancy::Held(holder));
                }
                thread::sleep(BETWEEN_TRIES);
            }
            Ok(Occupancy::HeldByUnknown)
        }
        Err(TryLockError::Error(error)) => Err(JournalError::io("locking", &path)(error)),
    }
}

/// The machine's host name.
pub fn this_host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

fn path_for(state_file: &Path) -> PathBuf {
    file::with_suffix(state_file, ".lock")
}

/// The mark that a lock file holds, seen without taking the lock.
pub(super) fn read_mark(state_file: &Path) -> Option<Mark> {
    let text = files::read_to_string(&path_for(state_file)).ok()?;
    serde_json::from_str(text.lines().next()?).ok()
}

fn read_holder(path: &Path) -> Option<Holder> {
    let text = files::read_to_string(path).ok()?;
    // Earlier versions wrote the holder alone.
    let mut lines = text.lines();
    lines.find_map(|line| serde_json::from_str(line).ok())
}

/// A mark's line of its fixed width.
fn padded(text: &str) -> String {
    format!("{text:<width$}\n", width = MARK - 1)
}

/// Writes the holder behind the mark. A file that has no room for a mark yet gets it.
fn write_holder(file: &File, holder: &Holder) -> io::Result<()> {
    let text = serde_json::to_string(holder)?;
    let mut first = [0; MARK];
    let has_mark_line = file.read_exact_at(&mut first, 0).is_ok() && first[MARK - 1] == b'\n';
    if !has_mark_line {
        file.set_len(0)?;
        file.write_all_at(padded("").as_bytes(), 0)?;
    }
    file.set_len(MARK as u64)?;
    file.write_all_at(format!("{text}\n").as_bytes(), MARK as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::line::Chain;
    use crate::journal::record::RunId;

    fn time() -> Timestamp {
        "2026-03-01T02:03:04Z".parse().unwrap()
    }

    #[test]
    fn a_second_handle_is_told_who_holds_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let state_file = folder.path().join("uat.iomcopy.jsonl");
        assert_eq!(occupancy(&state_file).unwrap(), Occupancy::Free);
        let lock = Lock::acquire(&state_file, time()).unwrap();
        let Err(JournalError::Locked { holder, .. }) = Lock::acquire(&state_file, time()) else {
            panic!("a second lock was given");
        };
        let holder = holder.unwrap();
        assert_eq!(holder.pid, std::process::id());
        assert_eq!(holder.since, time());
        assert!(holder.path.ends_with("/uat.iomcopy.jsonl"));
        assert_eq!(occupancy(&state_file).unwrap(), Occupancy::Held(holder));

        drop(lock);
        assert_eq!(occupancy(&state_file).unwrap(), Occupancy::Free);
        let again = Lock::acquire(&state_file, time()).unwrap();
        drop(again);
    }

    #[test]
    fn the_lock_lives_as_long_as_any_clone() {
        let folder = tempfile::tempdir().unwrap();
        let state_file = folder.path().join("uat.iomcopy.jsonl");
        let lock = Lock::acquire(&state_file, time()).unwrap();
        let clone = lock.clone();
        drop(lock);
        assert!(matches!(
            Lock::acquire(&state_file, time()),
            Err(JournalError::Locked { .. })
        ));
        drop(clone);
        assert!(Lock::acquire(&state_file, time()).is_ok());
    }

    #[test]
    fn the_mark_survives_every_holder() {
        let folder = tempfile::tempdir().unwrap();
        let state_file = folder.path().join("uat.iomcopy.jsonl");
        let lock = Lock::acquire(&state_file, time()).unwrap();
        assert_eq!(lock.mark(), None);
        let mark = Mark::of(&Chain {
            number: u64::MAX,
            ..Chain::new(RunId::new(time()))
        });
        lock.write_mark(&mark, true).unwrap();
        let Occupancy::Held(holder) = occupancy(&state_file).unwrap() else {
            panic!("the holder is named beside the mark");
        };
        assert_eq!(holder.pid, std::process::id());
        assert_eq!(read_mark(&state_file), Some(mark.clone()));
        drop(lock);
        assert_eq!(read_mark(&state_file), Some(mark.clone()));
        assert_eq!(read_holder(&path_for(&state_file)), None);
        // A killed process leaves its name behind the mark.
        let killed = format!(
            "{}{}",
            padded(&serde_json::to_string(&mark).unwrap()),
            "{\"pid\":7"
        );
        fs::write(path_for(&state_file), killed).unwrap();
        let lock = Lock::acquire(&state_file, time()).unwrap();
        assert_eq!(lock.mark(), Some(mark));
        lock.clear_mark().unwrap();
        assert_eq!((lock.mark(), read_mark(&state_file)), (None, None));
    }

    #[test]
    fn a_lock_file_without_a_mark_gets_room_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let state_file = folder.path().join("uat.iomcopy.jsonl");
        let path = path_for(&state_file);
        // As an earlier version leaves it when it is killed: the holder alone.
        drop(Lock::acquire(&state_file, time()).unwrap());
        let old = format!(
            "{{\"pid\":7,\"host\":\"{}\",\"since\":\"{}\",\"path\":\"/x\"}}\n",
            "h".repeat(200),
            time()
        );
        fs::write(&path, old).unwrap();
        assert_eq!(read_holder(&path).unwrap().pid, 7);
        let lock = Lock::acquire(&state_file, time()).unwrap();
        assert_eq!(lock.mark(), None);
        assert_eq!(read_holder(&path).unwrap().pid, std::process::id());
    }

    #[test]
    fn a_mark_is_synced_where_it_has_to_be_durable() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::acquire(&folder.path().join("uat.jsonl"), time()).unwrap();
        let mark = Mark::of(&Chain::new(RunId::new(time())));
        for (durably, syncs) in [(true, 1), (false, 0)] {
            file::observed::FILES.set(0);
            lock.write_mark(&mark, durably).unwrap();
            assert_eq!(file::observed::FILES.get(), syncs);
        }
    }

    #[test]
    fn a_fifo_in_the_locks_place_is_refused() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let state_file = folder.path().join("uat.jsonl");
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(CWD, path_for(&state_file), FileType::Fifo, mode, 0).unwrap();
        let error = Lock::acquire(&state_file, time()).unwrap_err();
        assert!(error.to_string().contains("a FIFO"), "{error}");
        assert!(occupancy(&state_file).is_err());
    }

    #[test]
    fn a_lock_file_that_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let state_file = folder.path().join("uat.iomcopy.jsonl");
        let path = path_for(&state_file);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(
            Lock::acquire(&state_file, time()),
            Err(JournalError::Unsafe { .. })
        ));
    }
}
