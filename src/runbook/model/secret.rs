//! Where a secret is. The secret itself is read when it is needed, held in memory and nowhere else.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::json;

use crate::base::{files, platform, secrets};
use crate::runbook::grammar::keys::Keys;
use crate::runbook::grammar::kind::Kind;
use crate::runbook::grammar::scalars::text;
use crate::runbook::grammar::{Binder, Field};
use crate::runbook::source::{Located, Span};
use crate::runbook::tree::{Content, Entry, Node};

/// No secret is longer; a wrong path may name a file of any size.
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

/// A secret that could not be read. It names the place, never the content.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable `{0}` is not set")]
    VariableMissing(String),
    /// The variable is set to nothing.
    #[error("the environment variable `{0}` is empty")]
    VariableEmpty(String),
    /// The variable or the file is not UTF-8 text.
    #[error("{0} is not UTF-8 text; a secret is one line of text")]
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
    #[error("the secret's file {path} is longer than 64 KiB; is it the correct file?", path = .0.display())]
    FileTooLong(PathBuf),
}

impl SecretError {
    /// What to do now, unless the message says it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::VariableMissing(_) | Self::VariableEmpty(_) => Some("set it, then run again"),
            _ => None,
        }
    }
}

impl Secret {
    /// Reads the secret. `base` is the runbook's folder; `variable` looks a name up in the process
    /// environment, which this module does not read itself (pass `std::env::var_os`). From then on
    /// the secret is hidden in everything that is printed or recorded.
    pub fn read(
        &self,
        base: &Path,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<SecretString, SecretError> {
        let found = self.look_up(base, variable)?;
        secrets::register_secret(found.expose_secret());
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
    let metadata = file.metadata().map_err(unreadable)?;
    if let Some(mode) = platform::mode_open_to_others(&metadata) {
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

/// Where a secret is. Anything else in its place may be the secret itself, so it is never repeated
/// and never shown, its keys included.
pub(in crate::runbook) fn secret() -> Kind<Located<Secret>> {
    secret_in_full()
        .defined_as("secret")
        .with_example("{ env: NAME }")
}

/// The same with its whole schema.
pub(in crate::runbook) fn secret_in_full() -> Kind<Located<Secret>> {
    let schema = || {
        Keys::describe_one(&|keys| {
            let variable =
                || json!({ "type": ["string", "boolean"], "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" });
            let env = Kind::new(|_, _| None::<()>, variable);
            _ = keys.optional(
                "env",
                "The environment variable that holds the secret.",
                &env,
            );
            let documentation = "The file that holds the secret, relative to the runbook: one line, \
                                 readable by its owner alone.";
            drop(keys.optional("file", documentation, &text()));
        })
    };
    Kind::new(read_secret, schema)
}

const SECRET_HELP: &str = "write `{ env: NAME }` or `{ file: PATH }`; a runbook holds no secret";

fn read_secret(binder: &mut Binder, field: Field<'_>) -> Option<Located<Secret>> {
    let span = field.span();
    let entries: &[Entry] = match &field.node.content {
        Content::Map(entries) => entries,
        Content::Empty | Content::Broken => {
            return binder.wrong_type(field, "the place of a secret", SECRET_HELP);
        }
        Content::Text { .. } | Content::List(_) => {
            binder.hidden.hide(span);
            return binder.refuse(span, "a secret is written in plain text", SECRET_HELP);
        }
    };
    if let [entry] = entries
        && let Some(secret) = secret_of(entry)
    {
        binder.hidden.reveal(entry.value.span);
        return Some(Located::new(secret, span));
    }
    for entry in entries {
        if !matches!(entry.key.value.as_str(), "env" | "file") {
            binder.hidden.hide(entry.key.span);
        }
        binder.hidden.hide_entry(entry, binder.source.text());
    }
    let (message, help) = match entries {
        [entry] if entry.key.value == "env" => (
            "`env` is not the name of a variable",
            "write a variable's name: letters, digits and underscores",
        ),
        [entry] if entry.key.value == "file" => ("`file` is not a path", "write the file's path"),
        [_, _, ..] => (
            "a secret has either `env` or `file`, and nothing else",
            SECRET_HELP,
        ),
        _ => ("a secret has neither `env` nor `file` here", SECRET_HELP),
    };
    binder.refuse(field.key, message, help)
}

/// Where the name is, if this is a valid place of a secret.
pub(super) fn secret_name(node: &Node) -> Option<Span> {
    let Content::Map(entries) = &node.content else {
        return None;
    };
    match entries.as_slice() {
        [entry] => secret_of(entry).map(|_| entry.value.span),
        _ => None,
    }
}

fn secret_of(entry: &Entry) -> Option<Secret> {
    let Content::Text { text: name, .. } = &entry.value.content else {
        return None;
    };
    match entry.key.value.as_str() {
        "env" if is_variable_name(name) => Some(Secret::Variable(name.clone())),
        "file" if !name.trim().is_empty() => Some(Secret::File(name.into())),
        _ => None,
    }
}

/// Letters, digits and underscores, not a digit first: what a shell can set.
fn is_variable_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(allowed) && !name.as_bytes()[0].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::platform::testing;

    #[test]
    fn a_variable_is_read_with_the_given_function() {
        let secret = Secret::Variable("A".to_owned());
        let base = Path::new("");
        let found = secret.read(base, &|name| (name == "A").then(|| "value".into()));
        assert_eq!(found.unwrap().expose_secret(), "value");
        let missing = secret.read(base, &|_| None).unwrap_err().to_string();
        assert!(missing.contains("`A` is not set"), "{missing}");
        assert!(secret.read(base, &|_| Some(OsString::new())).is_err());
    }

    fn write(path: &Path, content: &[u8]) {
        std::fs::write(path, content).unwrap();
        testing::make_private(path);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.txt");
        let secret = Secret::File("secret.txt".into());
        for mode in [0o644, 0o640, 0o604, 0o602, 0o660] {
            write(&path, b"hunter2");
            testing::set_mode(&path, mode);
            let error = secret.read(folder.path(), &|_| None).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("mode {mode:o}")), "{text}");
            assert!(text.contains("chmod 600"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
        for mode in [0o600, 0o400] {
            write(&path, b"hunter2");
            testing::set_mode(&path, mode);
            assert!(secret.read(folder.path(), &|_| None).is_ok());
        }
    }

    #[test]
    fn a_secret_of_two_lines_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.txt");
        for text in ["one\ntwo", "one\n\n", "\none\n", "one\r\ntwo\r\n"] {
            write(&path, text.as_bytes());
            let error = Secret::File("secret.txt".into())
                .read(folder.path(), &|_| None)
                .unwrap_err();
            assert!(matches!(error, SecretError::FileLines(_)), "{text:?}");
            assert!(!error.to_string().contains("two\n"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_fifo_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.txt");
        testing::create_fifo(&path);
        let error = Secret::File("secret.txt".into())
            .read(folder.path(), &|_| None)
            .unwrap_err();
        assert!(error.to_string().contains("it is a FIFO"), "{error}");
    }

    #[test]
    fn a_file_is_relative_to_the_runbook_and_its_last_line_break_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let read = |content: &[u8]| {
            write(&folder.path().join("secret.txt"), content);
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
