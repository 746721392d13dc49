//! Everything that differs between operating systems; all other code compiles on each of them.
//!
//! ```text
//! mod.rs      the functions that the program calls, the same on each system
//! unix.rs     Linux and macOS
//! windows.rs  Windows
//! testing.rs  what tests need of a system: modes, FIFOs
//! ```
//!
//! Each function describes what a system cannot do. The most important difference: on Unix
//! the program creates files with mode 0600 and refuses files that others may read. On Windows a
//! file has the permissions of its folder, and nothing checks them: keep runbooks and state files
//! below the user's profile, which other users cannot read.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use tokio::process::Command;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// The environment variables that lead to the user's state directory, for a message.
pub const STATE_DIRECTORY_VARIABLES: &str = system::STATE_DIRECTORY_VARIABLES;

/// Opens a regular file with these options. If the path names something else, it fails at once
/// with `InvalidInput`, and says what the path names.
///
/// On Unix, opening a FIFO would wait for its other end. On Windows, nobody can rename or delete
/// the file while it is open.
pub fn open_regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = system::without_blocking(options).open(path)?;
    require_regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens a regular file to read it for a long time: as [`open_regular`], and on Windows others can
/// still rename or delete it.
pub fn open_shared(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    system::without_blocking(options.read(true));
    let file = system::shared_for_deletion(&mut options).open(path)?;
    require_regular(&file.metadata()?)?;
    Ok(file)
}

fn require_regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let kind = describe_kind(metadata.file_type());
    let why = format!("it is {kind}, not a regular file");
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

/// The kind of something other than a regular file, such as `a directory`.
pub fn describe_kind(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else {
        system::special_kind(kind).unwrap_or("something else")
    }
}

/// Makes files that are created with these options private: mode 0600 on Unix. On Windows a file
/// inherits the permissions of its folder.
pub fn create_private(options: &mut OpenOptions) -> &mut OpenOptions {
    system::create_private(options)
}

/// Creates a directory and its parents for the user alone: mode 0700 on Unix. On Windows it
/// inherits the permissions of its parent. Does nothing if it exists.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    system::create_private_directory(path)
}

/// Makes a private file read-only: mode 0400 on Unix. Does nothing on Windows, where the attribute
/// would keep the file from being renamed and deleted, not from being changed.
pub fn make_read_only(file: &File) -> io::Result<()> {
    system::make_read_only(file)
}

/// The mode of a file that users other than its owner may read or change. None if it is private,
/// and always on Windows.
pub fn mode_open_to_others(metadata: &Metadata) -> Option<u32> {
    system::mode_open_to_others(metadata)
}

/// The id of the user who owns a file; always 0 on Windows.
pub fn owner(metadata: &Metadata) -> u32 {
    system::owner(metadata)
}

/// Tells one file from another that took its place under the same name.
///
/// On Unix it is the device and the inode. On Windows it is the time of creation, which may be
/// equal for a file that replaces another within seconds; there, [`open_regular`] keeps others from
/// replacing the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId(u64, u64);

/// The identity of a file.
pub fn file_id(metadata: &Metadata) -> FileId {
    let (first, second) = system::file_id(metadata);
    FileId(first, second)
}

/// Does a stream lead to another process, rather than to a file or a terminal? On Windows a stream
/// that is neither is taken for one that does.
pub fn is_pipe(stream: &(impl system::AsStream + IsTerminal)) -> bool {
    !stream.is_terminal() && system::is_pipe(stream)
}

/// Discards what was typed at a terminal and is not read yet, so that it answers no later question.
/// Does nothing for another stream, and on Windows, where the standard library cannot do it.
pub fn discard_typed_ahead(stream: &(impl system::AsStream + IsTerminal)) {
    if stream.is_terminal() {
        system::discard_typed_ahead(stream);
    }
}

/// Makes the entries of a directory durable: a file that was just created or renamed may otherwise
/// be gone after a loss of power. Does nothing on Windows, where a directory cannot be synced and
/// NTFS keeps a journal of such changes.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    system::sync_directory(path)
}

/// Cuts a file that is opened to append, durably. `path` is its path.
pub fn truncate(file: &File, path: &Path, length: u64) -> io::Result<()> {
    system::truncate(file, path, length)
}

/// Fills the buffer from a position in a file.
pub fn read_exact_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    system::read_exact_at(file, buffer, position)
}

/// Writes all bytes at a position in a file.
pub fn write_all_at(file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    system::write_all_at(file, bytes, position)
}

/// A lock file that this process holds, private. Only one process can hold it, and every process can
/// read it. The system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct LockFile {
    file: File,
}

impl LockFile {
    /// Opens the file, creates it if it is missing, and takes its lock. None if another process
    /// holds it.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        Ok(take_lock_of_programs(path)?.map(|file| Self { file }))
    }

    /// The open file, to read and write.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        release_lock(&self.file);
    }
}

/// As [`LockFile::take`], for a file that a program is to inherit: the lock lasts until this process
/// and the program have closed it or ended, or until one of them calls [`release_lock`].
pub fn take_lock_of_programs(path: &Path) -> io::Result<Option<File>> {
    system::take_lock(path)
}

/// Releases a lock now. Closing the file is not enough: a program that another thread starts at
/// this moment has a copy of the open file until it runs (`fork`), and the copy holds the lock.
pub fn release_lock(file: &File) {
    system::release_lock(file);
}

/// Does a process hold this lock file? Takes the lock for an instant at most. Fails with `NotFound`
/// if there is no such file.
pub fn is_locked(path: &Path) -> io::Result<bool> {
    system::is_locked(path)
}

/// Creates a private file without a name: it is gone when the last process that holds it has ended.
/// It is opened to read and to append. Takes a path at which no file may be.
pub fn create_unnamed(path: &Path) -> io::Result<File> {
    system::create_unnamed(path)
}

/// The computer's host name.
pub fn host_name() -> String {
    let name = system::host_name();
    if name.is_empty() {
        "unknown".to_owned()
    } else {
        name
    }
}

/// The name of the account that this process runs as: on Unix `uid 1000` if it has no name there, on
/// Windows `unknown`.
pub fn account_name() -> String {
    system::account_name()
}

/// The directory for the user's state: `XDG_STATE_HOME` or `~/.local/state` on Unix (XDG Base
/// Directory Specification), the local application data on Windows. Ignores relative paths.
/// `variable` reads the process environment.
pub fn state_directory(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    system::state_directory(|name| {
        let path = PathBuf::from(variable(name)?);
        path.is_absolute().then_some(path)
    })
}

/// A request to end the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The user pressed Ctrl-C.
    Interrupt,
    /// The system or another program ends this one: SIGTERM on Unix; on Windows the console is
    /// closed, and the program has a few seconds.
    Terminate,
}

/// Receives the requests to end the program, which then no longer end it by themselves.
#[derive(Debug)]
pub struct Signals(system::Signals);

impl Signals {
    /// Starts to receive. Needs a Tokio runtime.
    pub fn listen() -> io::Result<Self> {
        system::Signals::listen().map(Self)
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Signal {
        self.0.next().await
    }
}

/// Starts a program in its own process group, so that Ctrl-C at the terminal does not reach it.
pub fn start_process_group(command: &mut Command) -> &mut Command {
    system::start_process_group(command)
}

/// Kills a program that was started by [`start_process_group`], and what it has started. Takes the
/// id of its process, which has not been waited for yet. A group that has ended is not an error.
pub fn kill_process_group(id: u32) {
    system::kill_process_group(id);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that another thread starts has a copy of every open file until it runs.
    #[test]
    fn a_lock_is_released_while_a_starting_program_has_a_copy_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.lock");
        let lock = LockFile::take(&path).unwrap().unwrap();
        assert!(is_locked(&path).unwrap());
        assert!(LockFile::take(&path).unwrap().is_none());
        #[cfg(unix)]
        let _copy = lock.file().try_clone().unwrap();
        drop(lock);
        assert!(!is_locked(&path).unwrap());
        assert!(LockFile::take(&path).unwrap().is_some());
    }
}
