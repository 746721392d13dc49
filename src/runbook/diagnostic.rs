//! What is invalid in a runbook, where, and how to fix it: one block for each mistake.

use std::fmt;
use std::sync::Arc;

use super::source::{MarkedLine, Position, Source, Span};
use crate::base::text;

/// The limit of printed blocks, so that a megabyte of nonsense does not print a hundred.
const MOST_SHOWN: usize = 100;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The runbook cannot be run.
    Error,
    /// The runbook can be run, but may not do what was intended.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// A mistake before it knows its document: what the reader and the binder collect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: String,
}

impl Problem {
    pub(super) fn new(span: Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            help: help.into(),
        }
    }
}

/// A message about one place of a runbook. Its `Display` is a block of lines: `FILE:LINE:COL`
/// with the message, the marked line, and the help.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    pub(super) source: Arc<Source>,
    pub(super) severity: Severity,
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Diagnostic {
    /// The same as a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Whether it stops the runbook.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The message, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How to fix it.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The name of the marked file as it was given: the runbook's, or that of its values.
    pub fn file(&self) -> &str {
        self.source.name_at(self.span.start)
    }

    /// The marked place.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Line and column of the marked place.
    pub fn position(&self) -> Position {
        self.source.position(self.span.start)
    }

    /// Line and column after the marked place's last character.
    pub fn end_position(&self) -> Position {
        self.source.position(self.span.end)
    }

    /// The marked line as it may be shown: secrets hidden, control characters escaped.
    pub fn marked_line(&self) -> MarkedLine {
        self.source.mark_line(self.span)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position();
        let marked = self.marked_line();
        let number = marked.number.to_string();
        let margin = " ".repeat(number.len());
        writeln!(
            formatter,
            "{}:{line}:{column}: {}: {}",
            text::escape(self.file()),
            self.severity,
            self.message
        )?;
        writeln!(formatter, " {number} | {}", marked.text)?;
        write!(
            formatter,
            " {margin} | {}{}",
            " ".repeat(marked.offset),
            "^".repeat(marked.length)
        )?;
        if let Some(help) = &self.help {
            write!(formatter, "\n {margin} = help: {help}")?;
        }
        Ok(())
    }
}

/// Everything that is invalid in a runbook, in the order of its text. Its `Display` prints every
/// block, an empty line after each, and last a line such as `12 errors`.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Binds problems to their document and puts them in the order of its text.
    pub(super) fn new(source: Source, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span);
        let source = Arc::new(source);
        let list = problems.into_iter().map(|problem| Diagnostic {
            source: Arc::clone(&source),
            severity: Severity::Error,
            span: problem.span,
            message: problem.message,
            help: Some(problem.help),
        });
        Self {
            list: list.collect(),
        }
    }

    /// The diagnostics in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Is the list empty? Never for the error of [`parse`](super::parse).
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// Collects the diagnostics of later checks.
impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(diagnostics: I) -> Self {
        let mut list: Vec<Diagnostic> = diagnostics.into_iter().collect();
        list.sort_by_key(Diagnostic::span);
        Self { list }
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in self.list.iter().take(MOST_SHOWN) {
            writeln!(formatter, "{diagnostic}\n")?;
        }
        let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
        let errors = self.list.iter().filter(is_error).count();
        let warnings = self.list.len() - errors;
        if errors > 0 || warnings == 0 {
            write!(formatter, "{}", text::count(errors, "error"))?;
        }
        if warnings > 0 {
            let comma = if errors > 0 { ", " } else { "" };
            write!(formatter, "{comma}{}", text::count(warnings, "warning"))?;
        }
        if self.list.len() > MOST_SHOWN {
            write!(formatter, ", the first {MOST_SHOWN} shown")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(start: usize, end: usize, message: &str, help: &str) -> Problem {
        Problem::new(Span::new(start, end), message, help)
    }

    #[test]
    fn a_block_has_place_message_marked_line_and_help() {
        let source = Source::new("a.yaml", "runbook: 1\nsorce: x\n");
        let diagnostics = Diagnostics::new(
            source,
            vec![
                problem(18, 19, "second", "none"),
                problem(11, 16, "unknown key `sorce`", "did you mean `source`?"),
            ],
        );
        assert_eq!(
            diagnostics.to_string(),
            "a.yaml:2:1: error: unknown key `sorce`\n \
             2 | sorce: x\n   | ^^^^^\n   = help: did you mean `source`?\n\n\
             a.yaml:2:8: error: second\n 2 | sorce: x\n   |        ^\n   = help: none\n\n2 errors"
        );
    }

    #[test]
    fn warnings_are_counted_apart() {
        let source = Source::new("a.yaml", "x");
        let diagnostics = Diagnostics::new(source, vec![problem(0, 1, "one", "none")]);
        let both: Diagnostics = diagnostics
            .iter()
            .cloned()
            .chain(diagnostics.iter().cloned().map(Diagnostic::as_warning))
            .collect();
        assert!(both.to_string().ends_with("\n1 error, 1 warning"));
    }
}
