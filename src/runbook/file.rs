//! A runbook from its file, or from a text.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::bind::bind;
use super::diagnostic::{Diagnostics, Problem};
use super::model::Runbook;
use super::secrecy::hidden_of_broken_text;
use super::source::{Source, Span};
use super::yaml::read_document;
use crate::base::files;

/// No runbook is longer; a wrong path may name a file of any size.
const LONGEST: usize = 1024 * 1024;

/// A runbook that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read at all.
    #[error("the runbook {path} could not be read: {source}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is longer than a mebibyte.
    #[error("{path} is longer than 1 MiB and cannot be a runbook; is it the correct file?", path = .0.display())]
    TooLong(PathBuf),
    /// The file is not UTF-8.
    #[error("{path}:{line}: the text is not UTF-8; save the file as UTF-8", path = .path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first line, from 1, that is not UTF-8.
        line: usize,
    },
    /// The file was read, and its content is invalid.
    #[error("{0}")]
    Invalid(Diagnostics),
}

/// Reads and checks a runbook's file. Paths in it are relative to its folder.
pub fn read_file(path: &Path) -> Result<Runbook, ReadError> {
    let unreadable = |source| ReadError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    files::open(path)
        .map_err(unreadable)?
        .take(LONGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > LONGEST {
        return Err(ReadError::TooLong(path.to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
        ReadError::NotText {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
        }
    })?;
    parse(&path.to_string_lossy(), &text).map_err(ReadError::Invalid)
}

/// Checks a runbook's text. `name` is what diagnostics call it, and what its paths are relative to.
pub fn parse(name: &str, text: &str) -> Result<Runbook, Diagnostics> {
    if text.len() > LONGEST {
        let message = "the text is longer than 1 MiB and cannot be a runbook";
        let problem = Problem::new(Span::default(), message, "is it the correct file?");
        return Err(Diagnostics::new(Source::new(name, ""), vec![problem]));
    }
    let mut source = Source::new(name, text);
    match read_document(source.text()) {
        Ok(document) => bind(source, document),
        Err(problem) => {
            let hidden = hidden_of_broken_text(source.text(), problem.span.start);
            source.hide(hidden);
            Err(Diagnostics::new(source, vec![problem]))
        }
    }
}
