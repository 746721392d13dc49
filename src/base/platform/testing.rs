//! What tests need of a system. Functions for one system are used by tests for that system only.

use std::path::Path;

/// Makes a file private that a test has written, as the program requires of the files it reads.
pub(crate) fn make_private(path: &Path) {
    #[cfg(unix)]
    set_mode(path, 0o600);
    #[cfg(not(unix))]
    let _inherited = path;
}

/// Requires this mode of a file, on a system that has modes.
pub(crate) fn assert_mode(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let found = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{found:o}, not {mode:o}: {}", path.display());
    }
    #[cfg(not(unix))]
    let _inherited = (path, mode);
}

#[cfg(unix)]
pub(crate) use unix::{UnixListener, create_fifo, pipe, set_mode, symlink};

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::PipeReader;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::Command;

    pub(crate) use std::os::unix::fs::symlink;
    pub(crate) use std::os::unix::net::UnixListener;

    pub(crate) fn set_mode(path: &Path, mode: u32) {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, permissions).unwrap();
    }

    /// Creates a FIFO. Nobody writes to it, so an ordinary `open` of it would never return.
    pub(crate) fn create_fifo(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    /// A pipe, of which the writing end is a file that cannot be synced.
    pub(crate) fn pipe() -> (PipeReader, File) {
        let (reader, writer) = std::io::pipe().unwrap();
        (reader, File::from(std::os::fd::OwnedFd::from(writer)))
    }
}
