//! Files that a person names.
//!
//! What is read is a regular file, opened without blocking: a FIFO that nobody writes to would hold
//! the program in the system call that opens it, where neither Ctrl-C nor a timeout reaches it. What
//! is written is a new file, or replaces a file that the same command wrote before.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use tempfile::NamedTempFile;

/// Sets what opens the file at once, whatever the path names. Without it, `open` waits for a FIFO's
/// other end (open(2), `O_NONBLOCK`); reading and writing a regular file is the same with it.
pub fn without_blocking(options: &mut OpenOptions) -> &mut OpenOptions {
    // The flags that the standard library takes are the system's own, as here.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
}

/// Opens a regular file to read it. Fails with `InvalidInput` for anything else, and says what it
/// is.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true), path)
}

/// Opens a regular file with these options. Otherwise as [`open`].
pub fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = without_blocking(options).open(path)?;
    require_regular(&file.metadata()?)?;
    Ok(file)
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

/// Fails with `InvalidInput`, and says what it is, unless this is a regular file.
pub fn require_regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let kind = kind_of(metadata.file_type());
    let why = format!("it is {kind}, not a regular file");
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

fn kind_of(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "something else"
    }
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

/// Writes an output file for its owner alone (mode 0600), whole or not at all. Creates it, or
/// replaces a regular file of which `is_same_kind` recognises the content. Never replaces anything
/// else: not a symbolic link or what it names, a directory, a device, or a file with other content.
///
/// `kind` says what the command writes, as in `a saved plan`. Without `is_same_kind`, only creates.
pub fn write_output(
    path: &Path,
    bytes: &[u8],
    kind: &str,
    is_same_kind: Option<Recognise<'_>>,
) -> Result<(), OutputError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let replaced = replaceable(path, kind, is_same_kind)?;
    let mut temporary = NamedTempFile::with_prefix_in(".iomcopy-", folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    if let Some(read) = replaced {
        // Renaming replaces the directory's entry, so it has to be the file whose content was read.
        let now = fs::symlink_metadata(path)?;
        if (now.dev(), now.ino()) != (read.dev(), read.ino()) {
            let why = "another file has just taken its place".to_owned();
            return Err(OutputError::Kept(why));
        }
        temporary.persist(path).map_err(|error| error.error)?;
    } else if let Err(error) = temporary.persist_noclobber(path) {
        let error = error.error;
        return Err(match error.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Kept("it already exists".to_owned()),
            _ => error.into(),
        });
    }
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// The file that may be replaced; nothing where there is no file.
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
        let is = kind_of(named.file_type());
        return Err(OutputError::Kept(format!("it is {is}")));
    }
    let Some(is_same_kind) = is_same_kind else {
        return Err(OutputError::Kept("it already exists".to_owned()));
    };
    let mut file = open(path)?;
    let opened = file.metadata()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) || !is_same_kind(&bytes) {
        let why = format!("it already exists and is not {kind}");
        return Err(OutputError::Kept(why));
    }
    Ok(Some(opened))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use rustix::fs::{CWD, FileType as NodeType, Mode};

    use super::*;

    /// A FIFO in a folder. Nobody writes to it, so an ordinary `open` of it would never return.
    pub(crate) fn fifo(folder: &Path) -> PathBuf {
        let path = folder.join("fifo");
        rustix::fs::mknodat(CWD, &path, NodeType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        path
    }

    fn is_plan(bytes: &[u8]) -> bool {
        bytes.starts_with(b"plan")
    }

    fn plan(path: &Path) -> Result<(), OutputError> {
        write_output(path, b"plan 2", "a saved plan", Some(&is_plan))
    }

    #[test]
    fn only_regular_files_are_read_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        for (path, is) in [
            (fifo(folder.path()), "a FIFO"),
            (folder.path().to_owned(), "a directory"),
            (PathBuf::from("/dev/null"), "a device"),
        ] {
            for error in [read(&path).unwrap_err(), read_to_string(&path).unwrap_err()] {
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                let expected = format!("it is {is}, not a regular file");
                assert_eq!(error.to_string(), expected);
            }
        }
        assert!(read(&socket).is_err());
        // What a link names decides, as for any program that reads.
        let link = folder.path().join("link");
        symlink(folder.path().join("fifo"), &link).unwrap();
        assert!(read(&link).unwrap_err().to_string().contains("a FIFO"));
        let text = folder.path().join("text");
        fs::write(&text, "text").unwrap();
        assert_eq!(read(&text).unwrap(), b"text");
    }

    #[test]
    fn an_output_creates_a_file_or_replaces_one_of_its_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        plan(&path).unwrap();
        fs::write(&path, "plan 1").unwrap();
        plan(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"plan 2");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let error = write_output(&path, b"x", "a runbook", None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it already exists, so it is not replaced"
        );
        assert_eq!(fs::read(&path).unwrap(), b"plan 2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_output_replaces_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("uat.yaml");
        fs::write(&other, "runbook: 1").unwrap();
        let target = folder.path().join("target");
        fs::write(&target, "plan 1").unwrap();
        let (link, dangling) = (folder.path().join("link"), folder.path().join("dangling"));
        symlink(&target, &link).unwrap();
        symlink(folder.path().join("nowhere"), &dangling).unwrap();
        let empty = folder.path().join("empty");
        fs::write(&empty, "").unwrap();
        let fifo = fifo(folder.path());
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
        assert_eq!(names(folder.path()), before, "nothing is left beside them");
        let nowhere = folder.path().join("none").join("plan");
        assert!(matches!(plan(&nowhere), Err(OutputError::System(_))));
    }

    fn names(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    }
}
