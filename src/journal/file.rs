//! The rules for every file of a run: private, never a link, never overwritten, and synced together
//! with its folder.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::error::JournalError;
#[cfg(test)]
pub(super) use crate::base::files::observed;
use crate::base::files::{self, Existing, write_atomically};
pub(super) use crate::base::files::{Access, append_suffix, sync_data, sync_folder};
use crate::base::platform::{self, file_id};

/// Refuses a symbolic link, which could lead to another user's file.
pub(super) fn refuse_link(path: &Path) -> Result<(), JournalError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_symlink() => Err(not_safe(
            path,
            "it is a symbolic link",
            "name the file itself",
        )),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(JournalError::io("looking at", path)(error)),
    }
}

/// Refuses anything but a regular file of `owner` that only its owner may read and write.
pub(super) fn require_private(
    path: &Path,
    metadata: &Metadata,
    owner: u32,
) -> Result<(), JournalError> {
    if !metadata.is_file() {
        let help = "name another path with --state";
        return Err(not_safe(path, "it is not a regular file", help));
    }
    let its_owner = platform::owner(metadata);
    if its_owner != owner {
        let help = "run as that user, or find out who put the file there";
        return Err(not_safe(
            path,
            &format!("it belongs to user {its_owner}"),
            help,
        ));
    }
    if let Some(mode) = platform::mode_open_to_others(metadata) {
        let why = format!("its mode is {mode:o}, so others may read or change it");
        let shown = path.display();
        let help = format!("make sure that nobody has changed it, then `chmod 600 {shown}`");
        return Err(not_safe(path, &why, &help));
    }
    Ok(())
}

fn not_safe(path: &Path, why: &str, help: &str) -> JournalError {
    JournalError::Unsafe {
        path: path.to_owned(),
        why: why.to_owned(),
        help: help.to_owned(),
    }
}

/// Opens the existing state file of `owner` to read it and to append to it.
pub(super) fn open_private(path: &Path, owner: u32) -> Result<File, JournalError> {
    refuse_link(path)?;
    let file = platform::open_regular(OpenOptions::new().read(true).append(true), path)
        .map_err(|error| not_found_or_io(error, "opening the state file", path))?;
    let opened = file
        .metadata()
        .map_err(JournalError::io("looking at", path))?;
    require_private(path, &opened, owner)?;
    if !is_at_path(&opened, path).map_err(JournalError::io("looking at", path))? {
        let why = "another file took its place while it was being opened";
        let help = "find out what else uses this folder, then run again";
        return Err(not_safe(path, why, help));
    }
    Ok(file)
}

/// The whole content of the opened state file.
pub(super) fn read_all(mut file: &File, path: &Path) -> Result<Vec<u8>, JournalError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(JournalError::io("reading the state file", path))?;
    Ok(bytes)
}

/// Cuts the opened state file at a byte, durably.
pub(super) fn truncate(file: &File, path: &Path, at: u64) -> Result<(), JournalError> {
    platform::truncate(file, path, at).map_err(JournalError::io("cutting the state file", path))
}

/// Is the file with this metadata still the one that `path` names?
pub(super) fn is_at_path(metadata: &Metadata, path: &Path) -> io::Result<bool> {
    let named = fs::symlink_metadata(path)?;
    Ok(file_id(&named) == file_id(metadata))
}

/// The error for a state file that could not be opened or read.
pub(super) fn not_found_or_io(error: io::Error, doing: &'static str, path: &Path) -> JournalError {
    if error.kind() == io::ErrorKind::NotFound {
        JournalError::NotFound {
            path: path.to_owned(),
        }
    } else {
        JournalError::io(doing, path)(error)
    }
}

/// Saves `bytes` in a new private file `<path>.<word>-<n>`, with the first free `n`, durably.
/// Returns its path.
pub(super) fn save_aside(path: &Path, word: &str, bytes: &[u8]) -> Result<PathBuf, JournalError> {
    let mut n = 1_u64;
    let (aside, mut file) = loop {
        let aside = append_suffix(path, &format!(".{word}-{n}"));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        match platform::create_private(&mut options).open(&aside) {
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

/// Creates a private file at `path` with this content, whole or not at all. Never overwrites: if
/// there is a file, the error's kind is `AlreadyExists`.
pub(super) fn create_atomically(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    write_atomically(path, bytes, access, Existing::Keep)
}

/// As [`create_atomically`], from a reader: the content need not fit into memory.
pub(super) fn copy_atomically(
    path: &Path,
    content: &mut impl io::Read,
    access: Access,
) -> io::Result<()> {
    files::copy_atomically(path, content, access, Existing::Keep)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::platform::testing;

    #[test]
    fn saving_aside_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let first = save_aside(&path, "torn", b"one").unwrap();
        let second = save_aside(&path, "torn", b"two").unwrap();
        assert!(first.ends_with("uat.jsonl.torn-1") && second.ends_with("uat.jsonl.torn-2"));
        assert_eq!(fs::read(first).unwrap(), b"one");
        testing::assert_mode(&second, 0o600);
    }

    #[test]
    fn a_whole_file_is_not_written_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        create_atomically(&path, b"one", Access::ReadOnly).unwrap();
        let error = create_atomically(&path, b"two", Access::ReadOnly).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        testing::assert_mode(&path, 0o400);
    }

    #[test]
    fn every_new_file_is_synced_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let synced = || observed::FOLDERS.take();
        drop(synced());
        let path = folder.path().join("uat.jsonl");
        create_atomically(&path, b"one", Access::ReadWrite).unwrap();
        assert_eq!(synced(), [folder.path()]);
        drop(create_atomically(&path, b"two", Access::ReadWrite).unwrap_err());
        assert!(synced().is_empty());
        drop(save_aside(&path, "torn", b"three").unwrap());
        assert_eq!(synced(), [folder.path()]);
    }

    #[cfg(unix)]
    #[test]
    fn a_sync_reaches_the_system() {
        // Neither can be synced, and only the system knows that.
        let (_reader, pipe) = testing::pipe();
        assert!(sync_data(&pipe).is_err());
        assert!(sync_folder(Path::new("/dev/null/uat.jsonl")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_and_files_that_others_may_open_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        fs::write(&path, "").unwrap();
        let owner = platform::owner(&fs::metadata(&path).unwrap());
        for mode in [0o640, 0o604, 0o620, 0o666] {
            testing::set_mode(&path, mode);
            let error = open_private(&path, owner).unwrap_err();
            assert!(matches!(error, JournalError::Unsafe { .. }), "{mode:o}");
            assert!(error.help().contains("chmod 600"));
        }
        testing::set_mode(&path, 0o600);
        assert!(open_private(&path, owner).is_ok());
        assert!(open_private(&path, owner + 1).is_err());

        let link = folder.path().join("link");
        testing::symlink(&path, &link).unwrap();
        let error = open_private(&link, owner).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
}
