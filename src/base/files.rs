//! Files that the user names.
//!
//! Only regular files are read, and they are opened without blocking: a FIFO without a writer would
//! block the program in `open`, where neither Ctrl-C nor a timeout reaches it. Output is written to
//! a new file, or replaces a file that the same command wrote before.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::platform::{
    FileId, describe_kind, file_id, make_read_only, open_regular, sync_directory,
};

/// Opens a regular file to read it. Fails with `InvalidInput` for anything else, and says what it
/// is.
pub fn open(path: &Path) -> io::Result<File> {
    open_regular(OpenOptions::new().read(true), path)
}

/// The last part of a file: at most so many bytes.
pub fn read_end(mut file: &File, most: u64) -> io::Result<Vec<u8>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut kept = Vec::new();
    file.take(most).read_to_end(&mut kept)?;
    Ok(kept)
}

/// The folder that contains `path`.
pub fn parent_folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// `path` with `suffix` after its whole name.
pub fn append_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Reads a whole regular file, as [`open`] opens it.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a whole regular file that holds UTF-8 text. Fails with `InvalidData` for other bytes.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Why an output file was not written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The path names something that this command does not replace.
    #[error("{0}, so it is not replaced")]
    Kept(String),
    /// The system refused.
    #[error("it cannot be written: {0}")]
    System(#[from] io::Error),
}

/// Recognises a file of the kind that a command writes, by its content.
pub type Recognise<'a> = &'a dyn Fn(&[u8]) -> bool;

/// Writes an output file for its owner alone (mode 0600 on Unix), whole or not at all. Creates it,
/// or replaces a regular file of which `is_same_kind` recognises the content. Never replaces
/// anything else: not a symbolic link or what it names, a directory, a device, or a file with other
/// content.
///
/// `kind` is what the command writes, as in `a saved plan`. Without `is_same_kind`, only creates.
pub fn write_output(
    path: &Path,
    bytes: &[u8],
    kind: &str,
    is_same_kind: Option<Recognise<'_>>,
) -> Result<(), OutputError> {
    let kept = |why: &str| Err(OutputError::Kept(why.to_owned()));
    let replaced = replaceable(path, kind, is_same_kind)?;
    let existing = replaced.map_or(Existing::Keep, |read| Existing::ReplaceOnly(file_id(&read)));
    match write_atomically(path, bytes, Access::ReadWrite, existing) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match existing {
            Existing::ReplaceOnly(_) => kept("another file has just taken its place"),
            _ => kept("it already exists"),
        },
        written => Ok(written?),
    }
}

/// What the owner of a new file may do with it; nobody else may do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and change it.
    ReadWrite,
    /// Read it only.
    ReadOnly,
}

/// What happens to a file that has the name of a new one. If it stays, the error's kind is
/// `AlreadyExists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays.
    Keep,
    /// It is replaced.
    Replace,
    /// It is replaced if it is this one.
    ReplaceOnly(FileId),
}

/// Writes a private file whole or not at all, durably: writes it under another name, syncs it,
/// renames it, and syncs its folder.
pub fn write_atomically(
    path: &Path,
    mut bytes: &[u8],
    access: Access,
    existing: Existing,
) -> io::Result<()> {
    copy_atomically(path, &mut bytes, access, existing)
}

/// As [`write_atomically`], from a reader: the content need not fit into memory.
pub fn copy_atomically(
    path: &Path,
    content: &mut impl io::Read,
    access: Access,
    existing: Existing,
) -> io::Result<()> {
    // A temporary file is private (tempfile's documentation: mode 0600).
    let mut temporary = NamedTempFile::with_prefix_in(".iomcopy-", parent_folder(path))?;
    io::copy(content, temporary.as_file_mut())?;
    if access == Access::ReadOnly {
        make_read_only(temporary.as_file())?;
    }
    temporary.as_file().sync_all()?;
    match existing {
        Existing::Keep => temporary.persist_noclobber(path)?,
        // Renaming replaces the file that has the name now.
        Existing::ReplaceOnly(file) if file_id(&fs::symlink_metadata(path)?) != file => {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Existing::Replace | Existing::ReplaceOnly(_) => temporary.persist(path)?,
    };
    sync_folder(path)
}

/// Syncs the folder that contains `path`. Without it, a file that was just created or renamed may
/// be gone after a loss of power.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = parent_folder(path);
    sync_directory(folder)?;
    #[cfg(test)]
    {
        observed::FOLDERS.with_borrow_mut(|folders| folders.push(folder.to_owned()));
        observed::FILES_BEFORE_FOLDER.set(observed::FILES.get());
    }
    Ok(())
}

/// Returns when everything written to an open file is durable.
pub fn sync_data(file: &File) -> io::Result<()> {
    file.sync_data()?;
    #[cfg(test)]
    observed::FILES.with(|files| files.set(files.get() + 1));
    Ok(())
}

/// Counts the syncs of this thread, for tests: a missing sync shows only after a loss of power.
#[cfg(test)]
pub(crate) mod observed {
    use std::cell::{Cell, RefCell};
    use std::path::PathBuf;

    thread_local! {
        /// The folders, in order.
        pub(crate) static FOLDERS: RefCell<Vec<PathBuf>> = RefCell::default();
        /// How many times a file was synced.
        pub(crate) static FILES: Cell<usize> = Cell::default();
        /// How many times a file had been synced when the last folder was.
        pub(crate) static FILES_BEFORE_FOLDER: Cell<usize> = Cell::default();
    }
}

/// The file that may be replaced; none if there is no file.
fn replaceable(
    path: &Path,
    kind: &str,
    is_same_kind: Option<Recognise<'_>>,
) -> Result<Option<Metadata>, OutputError> {
    let named = match fs::symlink_metadata(path) {
        Ok(named) => named,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !named.is_file() {
        let kind = describe_kind(named.file_type());
        return Err(OutputError::Kept(format!("it is {kind}")));
    }
    let Some(is_same_kind) = is_same_kind else {
        return Err(OutputError::Kept("it already exists".to_owned()));
    };
    let mut file = open(path)?;
    let opened = file.metadata()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    if file_id(&opened) != file_id(&named) || !is_same_kind(&bytes) {
        let why = format!("it already exists and is not {kind}");
        return Err(OutputError::Kept(why));
    }
    Ok(Some(opened))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::platform::testing;

    fn is_plan(bytes: &[u8]) -> bool {
        bytes.starts_with(b"plan")
    }

    fn plan(path: &Path) -> Result<(), OutputError> {
        write_output(path, b"plan 2", "a saved plan", Some(&is_plan))
    }

    #[cfg(unix)]
    #[test]
    fn only_regular_files_are_read_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = testing::UnixListener::bind(&socket).unwrap();
        let fifo = folder.path().join("fifo");
        testing::create_fifo(&fifo);
        for (path, kind) in [
            (fifo, "a FIFO"),
            (folder.path().to_owned(), "a directory"),
            (PathBuf::from("/dev/null"), "a device"),
        ] {
            for error in [read(&path).unwrap_err(), read_to_string(&path).unwrap_err()] {
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                let expected = format!("it is {kind}, not a regular file");
                assert_eq!(error.to_string(), expected);
            }
        }
        assert!(read(&socket).is_err());
        // A link is followed, as by any program that reads.
        let link = folder.path().join("link");
        testing::symlink(folder.path().join("fifo"), &link).unwrap();
        assert!(read(&link).unwrap_err().to_string().contains("a FIFO"));
        let text = folder.path().join("text");
        fs::write(&text, "text").unwrap();
        assert_eq!(read(&text).unwrap(), b"text");
    }

    #[test]
    fn a_path_without_a_folder_is_in_the_current_folder() {
        assert_eq!(parent_folder(Path::new("state.jsonl")), Path::new("."));
        let below = parent_folder(Path::new("/runs/state.jsonl"));
        assert_eq!(below, Path::new("/runs"));
    }

    #[test]
    fn an_output_creates_a_file_or_replaces_one_of_its_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        plan(&path).unwrap();
        fs::write(&path, "plan 1").unwrap();
        plan(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"plan 2");
        testing::assert_mode(&path, 0o600);
        let error = write_output(&path, b"x", "a runbook", None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it already exists, so it is not replaced"
        );
        assert_eq!(fs::read(&path).unwrap(), b"plan 2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn an_output_replaces_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("uat.yaml");
        fs::write(&other, "runbook: 1").unwrap();
        let target = folder.path().join("target");
        fs::write(&target, "plan 1").unwrap();
        let (link, dangling) = (folder.path().join("link"), folder.path().join("dangling"));
        testing::symlink(&target, &link).unwrap();
        testing::symlink(folder.path().join("nowhere"), &dangling).unwrap();
        let empty = folder.path().join("empty");
        fs::write(&empty, "").unwrap();
        let fifo = folder.path().join("fifo");
        testing::create_fifo(&fifo);
        let before = names(folder.path());
        for (path, why) in [
            (other.as_path(), "it already exists and is not a saved plan"),
            (&empty, "it already exists and is not a saved plan"),
            (&link, "it is a symbolic link"),
            (&dangling, "it is a symbolic link"),
            (folder.path(), "it is a directory"),
            (&fifo, "it is a FIFO"),
            (Path::new("/dev/null"), "it is a device"),
        ] {
            let error = plan(path).unwrap_err();
            let expected = format!("{why}, so it is not replaced");
            assert_eq!(error.to_string(), expected, "{}", path.display());
        }
        assert_eq!(fs::read(&other).unwrap(), b"runbook: 1");
        assert_eq!(fs::read(&target).unwrap(), b"plan 1");
        assert_eq!(names(folder.path()), before, "no other file is left");
        let nowhere = folder.path().join("none").join("plan");
        assert!(matches!(plan(&nowhere), Err(OutputError::System(_))));
    }

    #[cfg(unix)]
    fn names(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    }
}
