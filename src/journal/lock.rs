//! Who holds the state file.
//!
//! The lock is a file of its own, never renamed and never deleted: a lock on the state file itself
//! would be lost with the file it stands on. It is taken with `flock`, which ends with the process
//! however that ends; what the file says only tells a second process whom it met.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::file;

/// How often the lock is tried, and how long between: `read` holds it for an instant to see
/// whether it is free, and a new holder needs an instant to write its name.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

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
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(file::PRIVATE)
            .open(&path)
            .map_err(opening)?;
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
        write_holder(&mut file, &holder)
            .map_err(JournalError::io("writing the lock file", &path))?;
        Ok(Self {
            inner: Arc::new(Held { file, owner }),
        })
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
        drop(self.file.set_len(0));
    }
}

/// Sees whether anyone holds the lock of `state_file`, without taking it for longer than an
/// instant and without creating it.
pub(super) fn occupancy(state_file: &Path) -> Result<Occupancy, JournalError> {
    let path = path_for(state_file);
    let file = match File::open(&path) {
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

fn read_holder(path: &Path) -> Option<Holder> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn write_holder(file: &mut File, holder: &Holder) -> io::Result<()> {
    let text = serde_json::to_string(holder)?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

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
