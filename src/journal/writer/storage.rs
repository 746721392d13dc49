//! Where the writer's bytes go: the state file, or memory in tests.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::journal::file;
use crate::journal::lock::Lock;
use crate::journal::mark::Mark;

/// What the writer appends to.
pub(in crate::journal) trait Storage: Send {
    /// The length, in bytes, of the file at the state file's path.
    fn length(&self) -> io::Result<u64>;
    /// Writes all of `bytes` at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything written is durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Records outside the file how far it reaches; `durably` if that must survive a loss of power.
    fn write_mark(&mut self, mark: &Mark, durably: bool) -> io::Result<()>;
}

/// The state file, opened to append.
pub(super) struct StateFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Contains the mark, and is the right to write.
    pub(super) lock: Lock,
}

impl Storage for StateFile {
    fn length(&self) -> io::Result<u64> {
        let metadata = self.file.metadata()?;
        if file::is_at_path(&metadata, &self.path)? {
            Ok(metadata.len())
        } else {
            // An editor that saves by renaming does this. What was written to the old file now
            // would be lost with it.
            Err(io::Error::other("another file has taken its place"))
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        file::sync_data(&self.file)
    }

    fn write_mark(&mut self, mark: &Mark, durably: bool) -> io::Result<()> {
        self.lock.write_mark(mark, durably)
    }
}
