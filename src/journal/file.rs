//! What every file of a run has in common: private, never a link, never overwritten, and synced
//! together with the folder that names it.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use crate::base::files;

/// The mode of the state file and of everything kept aside.
pub(super) const PRIVATE: u32 = 0o600;
/// The mode of a seal's copy.
pub(super) const READ_ONLY: u32 = 0o400;

/// `path` with `suffix` after its whole name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// The folder in which `path` stands.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Syncs the folder in which `path` stands, without which a file that was just created or renamed
/// may be gone after a loss of power.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = folder(path);
    File::open(folder)?.sync_all()?;
    #[cfg(test)]
    {
        observed::FOLDERS.with_borrow_mut(|folders| folders.push(folder.to_owned()));
        observed::FILES_BEFORE_FOLDER.set(observed::FILES.get());
    }
    Ok(())
}

/// Returns when what was written to an open file is durable.
pub(super) fn sync_data(file: &File) -> io::Result<()> {
    file.sync_data()?;
    #[cfg(test)]
    observed::FILES.with(|files| files.set(files.get() + 1));
    Ok(())
}

/// What was synced on this thread, for tests: a sync that is missing shows only after a loss of
/// power.
#[cfg(test)]
pub(super) mod observed {
    use std::cell::{Cell, RefCell};
    use std::path::PathBuf;

    thread_local! {
        /// The folders, in order.
        pub(in crate::journal) static FOLDERS: RefCell<Vec<PathBuf>> = RefCell::default();
        /// How many times a file was synced.
        pub(in crate::journal) static FILES: Cell<usize> = Cell::default();
        /// How many times a file had been synced when the last folder was.
        pub(in crate::journal) static FILES_BEFORE_FOLDER: Cell<usize> = Cell::default();
    }
}

/// Refuses a symbolic link: the file it names could be anyone's.
pub(super) fn refuse_link(path: &Path) -> Result<(), JournalError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_symlink() => Err(JournalError::Unsafe {
            path: path.to_owned(),
            why: "it is a symbolic link".to_owned(),
            help: "name the file itself".to_owned(),
        }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(JournalError::io("looking at", path)(error)),
    }
}

/// Refuses what is not a plain file of `owner` that only its owner may read and write.
pub(super) fn require_private(
    path: &Path,
    metadata: &Metadata,
    owner: u32,
) -> Result<(), JournalError> {
    let refuse = |why: String, help: String| {
        Err(JournalError::Unsafe {
            path: path.to_owned(),
            why,
            help,
        })
    };
    if !metadata.is_file() {
        return refuse(
            "it is not a plain file".to_owned(),
            "name another path with --state".to_owned(),
        );
    }
    if metadata.uid() != owner {
        return refuse(
            format!("it belongs to user {}", metadata.uid()),
            "run as that user, or see who put the file there".to_owned(),
        );
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return refuse(
            format!("its mode is {mode:o}, so others may read or change it"),
            format!(
                "see that nobody has changed it, then `chmod 600 {}`",
                path.display()
            ),
        );
    }
    Ok(())
}

/// Opens the existing state file of `owner` to read it and to append to it.
pub(super) fn open_private(path: &Path, owner: u32) -> Result<File, JournalError> {
    refuse_link(path)?;
    let file = files::open_with(OpenOptions::new().read(true).append(true), path)
        .map_err(|error| missing_or(error, "opening the state file", path))?;
    let opened = file
        .metadata()
        .map_err(JournalError::io("looking at", path))?;
    require_private(path, &opened, owner)?;
    if !stands_at(&opened, path).map_err(JournalError::io("looking at", path))? {
        return Err(JournalError::Unsafe {
            path: path.to_owned(),
            why: "another file took its place while it was opened".to_owned(),
            help: "see what else uses this folder, then run again".to_owned(),
        });
    }
    Ok(file)
}

/// Everything that stands in the opened state file.
pub(super) fn read_all(mut file: &File, path: &Path) -> Result<Vec<u8>, JournalError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(JournalError::io("reading the state file", path))?;
    Ok(bytes)
}

/// Cuts the opened state file at a byte, durably.
pub(super) fn cut_at(file: &File, path: &Path, at: u64) -> Result<(), JournalError> {
    file.set_len(at)
        .and_then(|()| file.sync_all())
        .map_err(JournalError::io("cutting the state file", path))
}

/// Is the file with this metadata still the one that `path` names?
pub(super) fn stands_at(metadata: &Metadata, path: &Path) -> io::Result<bool> {
    let named = fs::symlink_metadata(path)?;
    Ok((named.dev(), named.ino()) == (metadata.dev(), metadata.ino()))
}

/// The error for a state file that could not be opened or read.
pub(super) fn missing_or(error: io::Error, doing: &'static str, path: &Path) -> JournalError {
    if error.kind() == io::ErrorKind::NotFound {
        JournalError::NotFound {
            path: path.to_owned(),
        }
    } else {
        JournalError::io(doing, path)(error)
    }
}

/// Keeps `bytes` in a new private file `<path>.<word>-<n>`, with the first `n` that is free, and
/// returns its path once it would survive a loss of power.
pub(super) fn keep_aside(path: &Path, word: &str, bytes: &[u8]) -> Result<PathBuf, JournalError> {
    let mut n = 1_u64;
    let (aside, mut file) = loop {
        let aside = with_suffix(path, &format!(".{word}-{n}"));
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(&aside)
        {
            Ok(file) => break (aside, file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => n += 1,
            Err(error) => return Err(JournalError::io("creating", &aside)(error)),
        }
    };
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(JournalError::io("writing", &aside))?;
    sync_folder(&aside).map_err(JournalError::io("syncing the folder of", &aside))?;
    Ok(aside)
}

/// Writes `bytes` to a new file at `path` with `mode`: first under another name, synced, then
/// under its own, so that it never stands there half written. Never overwrites: where a file
/// stands already, the error's kind is `AlreadyExists`.
pub(super) fn create_whole(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut temporary = tempfile::Builder::new()
        .prefix(".iomcopy-")
        .permissions(fs::Permissions::from_mode(PRIVATE))
        .tempfile_in(folder(path))?;
    temporary.write_all(bytes)?;
    if mode != PRIVATE {
        temporary
            .as_file()
            .set_permissions(fs::Permissions::from_mode(mode))?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist_noclobber(path)?;
    sync_folder(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_aside_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let first = keep_aside(&path, "torn", b"one").unwrap();
        let second = keep_aside(&path, "torn", b"two").unwrap();
        assert!(first.ends_with("uat.jsonl.torn-1") && second.ends_with("uat.jsonl.torn-2"));
        assert_eq!(fs::read(first).unwrap(), b"one");
        let mode = fs::metadata(second).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE);
    }

    #[test]
    fn a_whole_file_is_not_written_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        create_whole(&path, b"one", READ_ONLY).unwrap();
        let error = create_whole(&path, b"two", READ_ONLY).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, READ_ONLY);
    }

    #[test]
    fn every_new_file_is_synced_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let synced = || observed::FOLDERS.take();
        drop(synced());
        let path = folder.path().join("uat.jsonl");
        create_whole(&path, b"one", PRIVATE).unwrap();
        assert_eq!(synced(), [folder.path()]);
        drop(create_whole(&path, b"two", PRIVATE).unwrap_err());
        assert!(synced().is_empty());
        drop(keep_aside(&path, "torn", b"three").unwrap());
        assert_eq!(synced(), [folder.path()]);
    }

    #[test]
    fn a_sync_reaches_the_system() {
        // Neither can be synced, and only the system knows that.
        let (_reader, writer) = std::io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(writer));
        assert!(sync_data(&pipe).is_err());
        assert!(sync_folder(Path::new("/proc/self/status")).is_err());
    }

    #[test]
    fn links_and_open_doors_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        fs::write(&path, "").unwrap();
        let owner = fs::metadata(&path).unwrap().uid();
        for mode in [0o640, 0o604, 0o620, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = open_private(&path, owner).unwrap_err();
            assert!(matches!(error, JournalError::Unsafe { .. }), "{mode:o}");
            assert!(error.help().contains("chmod 600"));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(open_private(&path, owner).is_ok());
        assert!(open_private(&path, owner + 1).is_err());

        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let error = open_private(&link, owner).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }

    #[test]
    fn a_file_without_a_folder_stands_in_this_one() {
        assert_eq!(folder(Path::new("state.jsonl")), Path::new("."));
        assert_eq!(folder(Path::new("/runs/state.jsonl")), Path::new("/runs"));
    }
}
