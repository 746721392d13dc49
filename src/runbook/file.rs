//! A runbook from its file, or from a text.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::bind::{VALUES, bind};
use super::diagnostic::{Diagnostics, Problem};
use super::model::Runbook;
use super::secrecy::{Hidden, hidden_of_broken_text};
use super::source::{Source, Span};
use super::tree::Content;
use super::values::overlay;
use super::yaml::{Document, read_document};
use crate::base::files;

/// No runbook is longer; a wrong path may name a file of any size.
const LONGEST: usize = 1024 * 1024;

/// A runbook, or its values file, that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read at all.
    #[error("the {what} {path} could not be read: {source}", path = .path.display())]
    Unreadable {
        /// What the file is: `runbook`, `values file`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is longer than a mebibyte.
    #[error("{path} is longer than 1 MiB and cannot be a {what}; is it the correct file?", path = .path.display())]
    TooLong {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
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

/// Reads and checks a runbook's file. Paths in it are relative to its folder. `values` is the file of
/// values that the command line names; without it, the runbook's key `values` names one.
pub fn read_file(path: &Path, values: Option<&Path>) -> Result<Runbook, ReadError> {
    let name = path.to_string_lossy();
    let text = read_text(path, "runbook")?;
    let mut reading = Reading::new(&name, &text);
    let named = match values {
        Some(values) => Some(values.to_owned()),
        None => match reading.named_values() {
            Some((named, span)) => {
                let beside = path.parent().unwrap_or(Path::new("")).join(named);
                match read_text(&beside, VALUES_FILE) {
                    Ok(text) => reading.add_values(&beside.to_string_lossy(), &text),
                    Err(error) => reading.refuse(span, &error),
                }
                None
            }
            None => None,
        },
    };
    if let Some(values) = &named {
        let text = read_text(values, VALUES_FILE)?;
        reading.add_values(&values.to_string_lossy(), &text);
    }
    let runbook = reading.finish().map_err(ReadError::Invalid)?;
    Ok(Runbook {
        values: named,
        ..runbook
    })
}

/// What a message calls the file that gives values.
const VALUES_FILE: &str = "values file";

fn read_text(path: &Path, what: &'static str) -> Result<String, ReadError> {
    let unreadable = |source| ReadError::Unreadable {
        what,
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
        let path = path.to_owned();
        return Err(ReadError::TooLong { what, path });
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
        ReadError::NotText {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
        }
    })
}

/// Checks a runbook's text. `name` is what diagnostics call it, and what its paths are relative to.
pub fn parse(name: &str, text: &str) -> Result<Runbook, Diagnostics> {
    Reading::new(name, text).finish()
}

/// Checks a runbook's text with the text of its values, each under its name.
#[cfg(test)]
pub(crate) fn parse_with_values(
    (name, text): (&str, &str),
    (values_name, values): (&str, &str),
) -> Result<Runbook, Diagnostics> {
    let mut reading = Reading::new(name, text);
    reading.add_values(values_name, values);
    reading.finish()
}

/// A runbook between its text and its value.
struct Reading {
    source: Source,
    /// What must not be shown of the text so far.
    hidden: Hidden,
    /// The tree; the error is the first place where a text is not YAML.
    document: Result<Document, Problem>,
}

impl Reading {
    fn new(name: &str, text: &str) -> Self {
        let mut reading = Self {
            source: Source::new(name, text),
            hidden: Hidden::default(),
            document: Ok(Document::empty()),
        };
        if text.len() > LONGEST {
            let message = "the text is longer than 1 MiB and cannot be a runbook";
            let problem = Problem::new(Span::default(), message, "is it the correct file?");
            reading.source = Source::new(name, "");
            reading.document = Err(problem);
            return reading;
        }
        reading.document = reading.read_from(0);
        reading
    }

    /// Reads the text from this byte on, and hides its secrets.
    fn read_from(&mut self, start: usize) -> Result<Document, Problem> {
        let text = &self.source.text()[start..];
        match read_document(text) {
            Ok(document) => {
                let document = document.shifted(start);
                if let Some(root) = &document.root {
                    self.hidden.add_tree(root, self.source.text());
                }
                Ok(document)
            }
            Err(mut problem) => {
                let hidden = hidden_of_broken_text(text, problem.span.start);
                let hidden = hidden.map(|span| span.shifted(start));
                problem.span = problem.span.shifted(start);
                self.source.hide(hidden);
                Err(problem)
            }
        }
    }

    /// The values file that the runbook names, with the place of its name.
    fn named_values(&self) -> Option<(PathBuf, Span)> {
        let root = self.document.as_ref().ok()?.root.as_ref()?;
        let Content::Map(entries) = &root.content else {
            return None;
        };
        let entry = entries.iter().find(|entry| entry.key.value == VALUES)?;
        match &entry.value.content {
            Content::Text { text, .. } if !text.trim().is_empty() => {
                Some((PathBuf::from(text), entry.value.span))
            }
            _ => None,
        }
    }

    /// Adds the text of the values. A runbook that is not YAML is reported without them.
    fn add_values(&mut self, name: &str, text: &str) {
        if self.document.is_err() {
            return;
        }
        let start = self.source.append(name, text);
        let values = self.read_from(start);
        match (&mut self.document, values) {
            (Ok(document), Ok(values)) => overlay(document, values, &self.source),
            (_, Err(problem)) => self.document = Err(problem),
            (Err(_), Ok(_)) => {}
        }
    }

    /// Reports that the values file could not be read, at the place of its name.
    fn refuse(&mut self, span: Span, error: &ReadError) {
        if let Ok(document) = &mut self.document {
            let help = "check the path: it is relative to the runbook's folder";
            let problem = Problem::new(span, error.to_string(), help);
            document.problems.push(problem);
        }
    }

    fn finish(self) -> Result<Runbook, Diagnostics> {
        match self.document {
            Ok(document) => bind(self.source, document, self.hidden),
            Err(problem) => Err(Diagnostics::new(self.source, vec![problem])),
        }
    }
}
