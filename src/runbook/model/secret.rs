//! Where a secret is. The secret itself is read when it is needed, held in memory and nowhere else.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::base::{files, secrets};

/// No secret is longer; a wrong path may lead to a file of any size.
const LONGEST: u64 = 64 * 1024;

/// The place of a secret: a name, never the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Secret {
    /// A variable of the process environment.
    #[serde(rename = "env")]
    Variable(String),
    /// A file of one line that only its owner may read, relative to the runbook's folder. One line
    /// break at its end does not count.
    #[serde(rename = "file")]
    File(PathBuf),
}

/// A secret that could not be read. Says where it was looked for, never what was found.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable `{0}` is not set; set it for this process")]
    VariableMissing(String),
    /// The variable is set to nothing.
    #[error("the environment variable `{0}` is empty; give it its value")]
    VariableEmpty(String),
    /// The variable or the file is not UTF-8 text.
    #[error("{0} holds something that is not UTF-8 text; a secret is one line of text")]
    NotText(String),
    /// The file could not be read.
    #[error("the secret's file {path} could not be read: {source}", path = .path.display())]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is empty.
    #[error("the secret's file {path} is empty", path = .0.display())]
    FileEmpty(PathBuf),
    /// Others than the file's owner may read or change it.
    #[error(
        "the secret's file {path} has mode {mode:o}, so others may read or change it; give the \
         secret a new value if they could, then `chmod 600 {path}`",
        path = .path.display()
    )]
    FileShared {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds more than one line.
    #[error(
        "the secret's file {path} has more than one line; a secret is one line of text: keep only \
         that line in the file",
        path = .0.display()
    )]
    FileLines(PathBuf),
    /// The file is too long to be a secret.
    #[error("the secret's file {path} is longer than 64 KiB; is it the right file?", path = .0.display())]
    FileTooLong(PathBuf),
}

impl Secret {
    /// Reads the secret. `base` is the runbook's folder; `variable` looks a name up in the process
    /// environment, which this room does not read itself (`std::env::var_os` serves). What was read is
    /// hidden from then on in everything that is printed or recorded.
    pub fn read(
        &self,
        base: &Path,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<SecretString, SecretError> {
        let found = self.look_up(base, variable)?;
        secrets::secret(found.expose_secret());
        Ok(found)
    }

    fn look_up(
        &self,
        base: &Path,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<SecretString, SecretError> {
        match self {
            Self::Variable(name) => {
                let value =
                    variable(name).ok_or_else(|| SecretError::VariableMissing(name.clone()))?;
                let value = value.into_string().map_err(|_| {
                    SecretError::NotText(format!("the environment variable `{name}`"))
                })?;
                if value.is_empty() {
                    return Err(SecretError::VariableEmpty(name.clone()));
                }
                Ok(value.into())
            }
            Self::File(path) => read_file(&base.join(path)),
        }
    }

    /// Where the secret is, for a message: `the environment variable NAME`, `the file PATH`.
    pub fn place(&self) -> String {
        match self {
            Self::Variable(name) => format!("the environment variable {name}"),
            Self::File(path) => format!("the file {}", path.display()),
        }
    }
}

fn read_file(path: &Path) -> Result<SecretString, SecretError> {
    let unreadable = |source| SecretError::FileUnreadable {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = files::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(SecretError::FileShared { path, mode });
    }
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(SecretError::FileTooLong(path.to_owned()));
    }
    let mut text = String::from_utf8(bytes)
        .map_err(|_| SecretError::NotText(format!("the secret's file {}", path.display())))?;
    for line_break in ['\n', '\r'] {
        if text.ends_with(line_break) {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err(SecretError::FileEmpty(path.to_owned()));
    }
    if text.contains(['\n', '\r']) {
        return Err(SecretError::FileLines(path.to_owned()));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_looked_up_where_the_caller_says() {
        let secret = Secret::Variable("A".to_owned());
        let base = Path::new("");
        let found = secret.read(base, &|name| (name == "A").then(|| "value".into()));
        assert_eq!(found.unwrap().expose_secret(), "value");
        let missing = secret.read(base, &|_| None).unwrap_err().to_string();
        assert!(missing.contains("`A` is not set"), "{missing}");
        assert!(secret.read(base, &|_| Some(OsString::new())).is_err());
    }

    fn write(path: &Path, content: &[u8], mode: u32) {
        std::fs::write(path, content).unwrap();
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, permissions).unwrap();
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.txt");
        let secret = Secret::File("secret.txt".into());
        for mode in [0o644, 0o640, 0o604, 0o602, 0o660] {
            write(&path, b"hunter2", mode);
            let error = secret.read(folder.path(), &|_| None).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("mode {mode:o}")), "{text}");
            assert!(text.contains("chmod 600"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
        for mode in [0o600, 0o400] {
            write(&path, b"hunter2", mode);
            assert!(secret.read(folder.path(), &|_| None).is_ok());
        }
    }

    #[test]
    fn a_secret_of_two_lines_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.txt");
        for text in ["one\ntwo", "one\n\n", "\none\n", "one\r\ntwo\r\n"] {
            write(&path, text.as_bytes(), 0o600);
            let error = Secret::File("secret.txt".into())
                .read(folder.path(), &|_| None)
                .unwrap_err();
            assert!(matches!(error, SecretError::FileLines(_)), "{text:?}");
            assert!(!error.to_string().contains("two\n"), "{error}");
        }
    }

    #[test]
    fn a_fifo_is_no_secret_and_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.txt");
        let fifo = rustix::fs::FileType::Fifo;
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).unwrap();
        let error = Secret::File("secret.txt".into())
            .read(folder.path(), &|_| None)
            .unwrap_err();
        assert!(error.to_string().contains("it is a FIFO"), "{error}");
    }

    #[test]
    fn a_file_is_relative_to_the_runbook_and_its_last_line_break_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let read = |content: &[u8]| {
            write(&folder.path().join("secret.txt"), content, 0o600);
            Secret::File("secret.txt".into()).read(folder.path(), &|_| None)
        };
        assert_eq!(read(b"value \r\n").unwrap().expose_secret(), "value ");
        assert!(matches!(read(b"\n"), Err(SecretError::FileEmpty(_))));
        assert!(matches!(read(b"\xff"), Err(SecretError::NotText(_))));
        assert!(matches!(
            read(&vec![b'a'; 70_000]),
            Err(SecretError::FileTooLong(_))
        ));
        let missing = Secret::File("none".into()).read(folder.path(), &|_| None);
        assert!(matches!(missing, Err(SecretError::FileUnreadable { .. })));
    }
}
