//! Linux and macOS.

use std::fs::{DirBuilder, File, FileType, Metadata, OpenOptions, Permissions, TryLockError};
use std::io;
pub(super) use std::os::fd::AsFd as AsStream;
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::{self, Pid};
use rustix::termios::{QueueSelector, tcflush};
use tokio::process::Command;
use tokio::signal::unix::{self, SignalKind};

use super::{Signal, open_regular};

pub(super) const STATE_DIRECTORY_VARIABLES: &str = "XDG_STATE_HOME or HOME";

/// Without `O_NONBLOCK`, `open` waits for a FIFO's other end (open(2)). Reading and writing a
/// regular file is the same with it.
pub(super) fn without_blocking(options: &mut OpenOptions) -> &mut OpenOptions {
    // The standard library takes the system's flags, as here.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
}

/// Every open file can be renamed and deleted.
pub(super) fn shared_for_deletion(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

pub(super) fn special_kind(kind: FileType) -> Option<&'static str> {
    if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_char_device() || kind.is_block_device() {
        Some("a device")
    } else {
        None
    }
}

pub(super) fn is_pipe(stream: &impl AsStream) -> bool {
    let kind =
        rustix::fs::fstat(stream).map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
    matches!(
        kind,
        Ok(rustix::fs::FileType::Fifo | rustix::fs::FileType::Socket)
    )
}

pub(super) fn discard_typed_ahead(terminal: &impl AsStream) {
    // It fails only for what is not a terminal.
    _ = tcflush(terminal, QueueSelector::IFlush);
}

pub(super) fn create_private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

pub(super) fn create_unnamed(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create_new(true);
    let file = create_private(&mut options).open(path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

pub(super) fn create_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(path)
}

pub(super) fn make_read_only(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o400))
}

pub(super) fn mode_open_to_others(metadata: &Metadata) -> Option<u32> {
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

pub(super) fn owner(metadata: &Metadata) -> u32 {
    metadata.uid()
}

pub(super) fn file_id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

pub(super) fn truncate(file: &File, _path: &Path, length: u64) -> io::Result<()> {
    file.set_len(length)?;
    file.sync_all()
}

pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    file.read_exact_at(buffer, position)
}

pub(super) fn write_all_at(file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    file.write_all_at(bytes, position)
}

/// The lock is `flock` (the standard library's `File::try_lock`), which does not keep others from
/// reading.
pub(super) fn take_lock(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = open_regular(create_private(&mut options), path)?;
    Ok(is_taken(file.try_lock())?.then_some(file))
}

pub(super) fn release_lock(file: &File) {
    // If this fails, closing the file releases the lock.
    drop(file.unlock());
}

pub(super) fn is_locked(path: &Path) -> io::Result<bool> {
    let file = open_regular(OpenOptions::new().read(true), path)?;
    let is_ours = is_taken(file.try_lock_shared())?;
    release_lock(&file);
    Ok(!is_ours)
}

fn is_taken(result: Result<(), TryLockError>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

pub(super) fn host_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().trim().to_owned()
}

/// The user's name in `/etc/passwd` (passwd(5)), else the number.
pub(super) fn account_name() -> String {
    let id = process::getuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {id}"))
}

pub(super) fn state_directory(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")))
}

#[derive(Debug)]
pub(super) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

pub(super) fn start_process_group(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

pub(super) fn kill_process_group(id: u32) {
    if let Some(group) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // It fails only for a group that has ended.
        _ = process::kill_process_group(group, process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::platform;

    #[test]
    fn the_state_directory_follows_the_xdg_specification() {
        let directory = |set: &'static [(&str, &str)]| {
            platform::state_directory(move |name| {
                let found = set.iter().find(|(set, _)| *set == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let default = Some(PathBuf::from("/home/a/.local/state"));
        assert_eq!(directory(&[("HOME", "/home/a")]), default);
        let relative = &[("HOME", "/home/a"), ("XDG_STATE_HOME", "relative")];
        assert_eq!(directory(relative), default);
        let set = &[("HOME", "/home/a"), ("XDG_STATE_HOME", "/state")];
        assert_eq!(directory(set), Some(PathBuf::from("/state")));
        assert_eq!(directory(&[]), None);
    }

    #[test]
    fn a_directory_that_cannot_be_synced_is_an_error() {
        assert!(sync_directory(Path::new("/dev/null")).is_err());
    }

    #[test]
    fn a_file_is_not_a_pipe() {
        let (_reader, writer) = std::io::pipe().unwrap();
        assert!(is_pipe(&writer));
        assert!(!is_pipe(&tempfile::tempfile().unwrap()));
        assert!(!is_pipe(&File::open("/dev/null").unwrap()));
    }

    #[test]
    fn the_computer_has_a_name() {
        assert_ne!(platform::host_name(), "");
    }
}
