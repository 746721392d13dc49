//! Windows.
//!
//! Files inherit the permissions of their folder: nothing here sets or checks them, because the
//! standard library cannot. Below the user's profile, only the user, the administrators and the
//! system have access.

use std::fs::{DirBuilder, File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
pub(super) use std::os::windows::io::AsHandle as AsStream;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio::signal::windows::{self, CtrlC, CtrlClose};

use super::{Signal, require_regular};

pub(super) const STATE_DIRECTORY_VARIABLES: &str = "LOCALAPPDATA";

/// Others may read the file while it is open (`CreateFileW`, `dwShareMode`).
const FILE_SHARE_READ: u32 = 1;
/// Others may write the file while it is open.
const FILE_SHARE_WRITE: u32 = 2;
/// Others may rename or delete the file while it is open.
const FILE_SHARE_DELETE: u32 = 4;
/// The rights to read a file, to append to it and to delete it (file access rights).
const GENERIC_READ: u32 = 0x8000_0000;
const FILE_APPEND_DATA: u32 = 4;
const DELETE: u32 = 0x1_0000;
/// The file is deleted when its last handle is closed (`CreateFileW`, `dwFlagsAndAttributes`).
const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
/// Another process has opened the file and does not share it (system error codes).
const ERROR_SHARING_VIOLATION: i32 = 32;
/// A process that Ctrl-C does not reach (process creation flags).
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

/// Opening never waits here. The file is not shared for deletion, so its name stays its own.
pub(super) fn without_blocking(options: &mut OpenOptions) -> &mut OpenOptions {
    options.share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
}

pub(super) fn shared_for_deletion(options: &mut OpenOptions) -> &mut OpenOptions {
    options.share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
}

pub(super) fn special_kind(_kind: FileType) -> Option<&'static str> {
    None
}

pub(super) fn is_pipe(stream: &impl AsStream) -> bool {
    let handle = stream.as_handle().try_clone_to_owned();
    let metadata = handle.map(File::from).and_then(|file| file.metadata());
    !metadata.is_ok_and(|metadata| metadata.is_file())
}

pub(super) fn discard_typed_ahead(_terminal: &impl AsStream) {}

pub(super) fn create_private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// The name stays until then, and nobody else can open the file.
pub(super) fn create_unnamed(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create_new(true);
    options.access_mode(GENERIC_READ | FILE_APPEND_DATA | DELETE);
    options
        .share_mode(0)
        .custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
    options.open(path)
}

pub(super) fn create_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(path)
}

pub(super) fn make_read_only(_file: &File) -> io::Result<()> {
    Ok(())
}

pub(super) fn mode_open_to_others(_metadata: &Metadata) -> Option<u32> {
    None
}

pub(super) fn owner(_metadata: &Metadata) -> u32 {
    0
}

pub(super) fn file_id(metadata: &Metadata) -> (u64, u64) {
    (metadata.creation_time(), 0)
}

pub(super) fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// A file that is opened to append may not be cut (`FILE_APPEND_DATA` without `FILE_WRITE_DATA`).
pub(super) fn truncate(_file: &File, path: &Path, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(length)?;
    file.sync_all()
}

pub(super) fn read_exact_at(file: &File, mut buffer: &mut [u8], position: u64) -> io::Result<()> {
    let mut position = position;
    while !buffer.is_empty() {
        let count = file.seek_read(buffer, position)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[count..];
        position += count as u64;
    }
    Ok(())
}

pub(super) fn write_all_at(file: &File, mut bytes: &[u8], position: u64) -> io::Result<()> {
    let mut position = position;
    while !bytes.is_empty() {
        let count = file.seek_write(bytes, position)?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[count..];
        position += count as u64;
    }
    Ok(())
}

/// The lock is that nobody else may open the file to write. The standard library's `File::try_lock`
/// would also keep others from reading who holds it (`LockFileEx`).
pub(super) fn take_lock(path: &Path) -> io::Result<Option<File>> {
    open_exclusively(OpenOptions::new().create(true).truncate(false), path)
}

/// Closing the file releases the lock: a program that is started inherits only what it is given.
pub(super) fn release_lock(_file: &File) {}

pub(super) fn is_locked(path: &Path) -> io::Result<bool> {
    Ok(open_exclusively(&mut OpenOptions::new(), path)?.is_none())
}

fn open_exclusively(options: &mut OpenOptions, path: &Path) -> io::Result<Option<File>> {
    let options = options.read(true).write(true).share_mode(FILE_SHARE_READ);
    match options.open(path) {
        Ok(file) => {
            require_regular(&file.metadata()?)?;
            Ok(Some(file))
        }
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

/// Windows sets `USERNAME` for every process of a user, and the caller reads it first.
pub(super) fn account_name() -> String {
    "unknown".to_owned()
}

pub(super) fn state_directory(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    variable("LOCALAPPDATA")
}

#[derive(Debug)]
pub(super) struct Signals {
    interrupt: CtrlC,
    close: CtrlClose,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: windows::ctrl_c()?,
            close: windows::ctrl_close()?,
        })
    }

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.close.recv() => Signal::Terminate,
        }
    }
}

pub(super) fn start_process_group(command: &mut Command) -> &mut Command {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP)
}

/// A process group cannot be killed here, but the tree of processes below one can.
pub(super) fn kill_process_group(id: u32) {
    let id = id.to_string();
    let mut command = std::process::Command::new("taskkill");
    // It fails only for a process that has ended.
    drop(command.args(["/PID", &id, "/T", "/F"]).output());
}
