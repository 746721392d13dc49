//! The lock file: which process holds the state file, and how far the state file reaches.
//!
//! The lock file is separate, never renamed and never deleted: a lock on the state file itself
//! would be lost when that file is replaced. The system releases the lock when the process ends,
//! however it ends ([`platform`]). The first line, padded to a fixed width so that it is
//! overwritten in place, is the state file's [`Mark`]; the second line names the holder to other
//! processes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::error::JournalError;
use super::file;
use super::lock_holder::LockHolder;
use super::mark::Mark;
use crate::base::files;
use crate::base::platform::{self, LockFile};

/// How often the lock is tried. [`occupancy`] takes it for an instant to see whether it is free,
/// and a new holder needs an instant to write its name.
const ATTEMPTS: u32 = 10;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);

/// The width of the mark's line in bytes, including its line feed. The longest mark has 96.
const MARK: usize = 128;

/// Does a process hold a state file?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occupancy {
    /// No process holds it.
    Free,
    /// The named process holds it.
    Held(LockHolder),
    /// A process holds it, and its lock file does not name it.
    HeldByUnknown,
}

/// The right to write a state file, held while any clone is alive. The journal's writer has a
/// clone, so the lock lasts while anything may still be written.
#[derive(Clone, Debug)]
pub struct Lock {
    inner: Arc<LockGuard>,
}

#[derive(Debug)]
struct LockGuard {
    file: LockFile,
    owner: u32,
}

impl Lock {
    /// Takes the lock of `state_file`, and writes who holds it since `time`. Fails with
    /// [`JournalError::Locked`] if another process holds it.
    pub(super) fn acquire(state_file: &Path, time: Timestamp) -> Result<Self, JournalError> {
        let path = lock_path(state_file);
        let mut guard = LockGuard::try_acquire(&path)?;
        for _ in 1..ATTEMPTS {
            if guard.is_none() {
                thread::sleep(BETWEEN_ATTEMPTS);
                guard = LockGuard::try_acquire(&path)?;
            }
        }
        let Some(guard) = guard else {
            return Err(JournalError::Locked {
                path: state_file.to_owned(),
                holder: read_holder(&path),
            });
        };
        let holder = LockHolder {
            pid: std::process::id(),
            host: platform::host_name(),
            since: time,
            path: std::path::absolute(state_file)
                .unwrap_or_else(|_| state_file.to_owned())
                .display()
                .to_string(),
        };
        write_holder(guard.file.file(), &holder)
            .map_err(JournalError::io("writing the lock file", &path))?;
        Ok(Self {
            inner: Arc::new(guard),
        })
    }

    /// The mark: the newest durable record of the state file, if it was recorded.
    pub(super) fn mark(&self) -> Option<Mark> {
        let mut line = [0; MARK];
        platform::read_exact_at(self.inner.file.file(), &mut line, 0).ok()?;
        serde_json::from_slice(&line).ok()
    }

    /// Writes the mark; `durably` if it must survive a loss of power.
    pub(super) fn write_mark(&self, mark: &Mark, durably: bool) -> io::Result<()> {
        self.write_mark_line(&serde_json::to_string(mark)?, durably)
    }

    /// Removes the mark, durably: the state file is about to be created, or cut on purpose.
    pub(super) fn clear_mark(&self) -> io::Result<()> {
        self.write_mark_line("", true)
    }

    fn write_mark_line(&self, text: &str, durably: bool) -> io::Result<()> {
        let file = self.inner.file.file();
        platform::write_all_at(file, padded(text).as_bytes(), 0)?;
        if durably {
            file::sync_data(file)
        } else {
            Ok(())
        }
    }

    /// The user who owns the lock file, and must own the state file.
    pub(super) fn owner(&self) -> u32 {
        self.inner.owner
    }
}

impl LockGuard {
    /// Opens the lock file, requires it to be private, and takes its lock. None if another process
    /// holds it.
    fn try_acquire(path: &Path) -> Result<Option<Self>, JournalError> {
        let locking = || JournalError::io("locking", path);
        file::refuse_link(path)?;
        let Some(file) = LockFile::take(path).map_err(locking())? else {
            return Ok(None);
        };
        let metadata = file.file().metadata().map_err(locking())?;
        let owner = platform::owner(&metadata);
        file::require_private(path, &metadata, owner)?;
        // Created only now: dropping it removes the holder's name.
        Ok(Some(Self { file, owner }))
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        // The name is removed, so that nobody reads of a holder that has ended. If that fails, the
        // lock is released anyway.
        drop(self.file.file().set_len(MARK as u64));
    }
}

/// Checks whether a process holds the lock of `state_file`. Takes the lock for an instant at most,
/// and creates no file.
pub(super) fn occupancy(state_file: &Path) -> Result<Occupancy, JournalError> {
    let path = lock_path(state_file);
    match platform::is_locked(&path) {
        Ok(true) => {}
        Ok(false) => return Ok(Occupancy::Free),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupancy::Free),
        Err(error) => return Err(JournalError::io("reading the lock file", &path)(error)),
    }
    for _ in 1..ATTEMPTS {
        if let Some(holder) = read_holder(&path) {
            return Ok(Occupancy::Held(holder));
        }
        thread::sleep(BETWEEN_ATTEMPTS);
    }
    Ok(Occupancy::HeldByUnknown)
}

fn lock_path(state_file: &Path) -> PathBuf {
    file::append_suffix(state_file, ".lock")
}

/// The mark in a lock file, read without taking the lock.
pub(super) fn read_mark(state_file: &Path) -> Option<Mark> {
    let text = files::read_to_string(&lock_path(state_file)).ok()?;
    serde_json::from_str(text.lines().next()?).ok()
}

fn read_holder(path: &Path) -> Option<LockHolder> {
    let text = files::read_to_string(path).ok()?;
    // Earlier versions wrote the holder alone.
    let mut lines = text.lines();
    lines.find_map(|line| serde_json::from_str(line).ok())
}

/// The line of a mark, padded to its fixed width.
fn padded(text: &str) -> String {
    format!("{text:<width$}\n", width = MARK - 1)
}

/// Writes the holder after the mark. Makes room for a mark in a file that has none.
fn write_holder(file: &File, holder: &LockHolder) -> io::Result<()> {
    let text = serde_json::to_string(holder)?;
    let mut first = [0; MARK];
    let has_mark_line =
        platform::read_exact_at(file, &mut first, 0).is_ok() && first[MARK - 1] == b'\n';
    if !has_mark_line {
        file.set_len(0)?;
        platform::write_all_at(file, padded("").as_bytes(), 0)?;
    }
    file.set_len(MARK as u64)?;
    platform::write_all_at(file, format!("{text}\n").as_bytes(), MARK as u64)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::platform::testing;
    use crate::journal::line::Chain;
    use crate::journal::record::RunId;

    fn time() -> Timestamp {
        "2026-03-01T02:03:04Z".parse().unwrap()
    }

    #[test]
    fn a_second_handle_learns_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let state_file = folder.path().join("uat.iomcopy.jsonl");
        assert_eq!(occupancy(&state_file).unwrap(), Occupancy::Free);
        let lock = Lock::acquire(&state_file, time()).unwrap();
        let Err(JournalError::Locked { holder, .. }) = Lock::acquire(&state_file, time()) else {
            panic!("the lock was taken twice");
        };
        let holder = holder.unwrap();
        assert_eq!(holder.pid, std::process::id());
        assert_eq!(holder.since, time());
        assert!(Path::new(&holder.path).ends_with("uat.iomcopy.jsonl"));
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
            panic!("the holder is named after the mark");
        };
        assert_eq!(holder.pid, std::process::id());
        assert_eq!(read_mark(&state_file), Some(mark.clone()));
        drop(lock);
        assert_eq!(read_mark(&state_file), Some(mark.clone()));
        assert_eq!(read_holder(&lock_path(&state_file)), None);
        // A killed process leaves its name after the mark.
        let killed = format!(
            "{}{}",
            padded(&serde_json::to_string(&mark).unwrap()),
            "{\"pid\":7"
        );
        fs::write(lock_path(&state_file), killed).unwrap();
        let lock = Lock::acquire(&state_file, time()).unwrap();
        assert_eq!(lock.mark(), Some(mark));
        lock.clear_mark().unwrap();
        assert_eq!((lock.mark(), read_mark(&state_file)), (None, None));
    }

    #[test]
    fn a_lock_file_without_a_mark_gets_room_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let state_file = folder.path().join("uat.iomcopy.jsonl");
        let path = lock_path(&state_file);
        // What a killed process of an earlier version leaves: only the holder.
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
    fn a_mark_is_synced_if_it_must_be_durable() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::acquire(&folder.path().join("uat.jsonl"), time()).unwrap();
        let mark = Mark::of(&Chain::new(RunId::new(time())));
        for (durably, syncs) in [(true, 1), (false, 0)] {
            file::observed::FILES.set(0);
            lock.write_mark(&mark, durably).unwrap();
            assert_eq!(file::observed::FILES.get(), syncs);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_fifo_in_place_of_the_lock_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state_file = folder.path().join("uat.jsonl");
        testing::create_fifo(&lock_path(&state_file));
        let error = Lock::acquire(&state_file, time()).unwrap_err();
        assert!(error.to_string().contains("a FIFO"), "{error}");
        assert!(occupancy(&state_file).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_file_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state_file = folder.path().join("uat.iomcopy.jsonl");
        let path = lock_path(&state_file);
        fs::write(&path, "").unwrap();
        testing::set_mode(&path, 0o666);
        assert!(matches!(
            Lock::acquire(&state_file, time()),
            Err(JournalError::Unsafe { .. })
        ));
    }
}
