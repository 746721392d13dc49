//! How a key of the runbook is defined: once, with its name, its kind of value, its default and its
//! documentation. A definition is used in two passes: reading takes the value out of the located
//! tree and reports every mistake at its place; describing makes the JSON Schema and the
//! documentation in it.
//!
//! - [`keys`]: the keys of a map; a struct and its keys from one declaration.
//! - [`kind`]: the kinds of value, and lists and maps of them.
//! - [`scalars`]: texts, keywords, numbers, GUIDs, durations, addresses.
//! - this file: what is collected while a runbook is read.

use super::diagnostic::Problem;
use super::model::keywords::quoted_list;
use super::secrecy::Hidden;
use super::source::{Source, Span};
use super::tree::{Content, Entry, Node};
use crate::base::suggestions::{misspelled, nearest};
use crate::base::{redaction, text};

pub(super) mod keys;
pub(super) mod kind;
pub(super) mod scalars;

/// Longer values are not repeated in a message; the marked line shows them.
const LONGEST_QUOTED: usize = 60;

/// A value and the key that holds it.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) key: Span,
    pub(super) node: &'a Node,
    /// Whether the value is an item of a list under the key.
    is_item: bool,
}

impl<'a> Field<'a> {
    pub(super) fn from_entry(entry: &'a Entry) -> Self {
        Self {
            name: &entry.key.value,
            key: entry.key.span,
            node: &entry.value,
            is_item: false,
        }
    }

    /// An item of the list under this key.
    fn item(self, node: &'a Node) -> Self {
        Self {
            node,
            is_item: true,
            ..self
        }
    }

    /// The key for a message: in backquotes, safe to show, cut if it is very long.
    pub(super) fn title(self) -> String {
        let name: String = self.name.chars().take(LONGEST_QUOTED).collect();
        format!("`{}`", text::escape(&redaction::redact(&name)))
    }

    /// Where to point: at the value, or at the key when there is no value.
    pub(super) fn span(self) -> Span {
        match self.node.content {
            Content::Empty => self.key,
            _ => self.node.span,
        }
    }

    /// The value's text, if it is a scalar.
    pub(super) fn text(self) -> Option<&'a str> {
        match &self.node.content {
            Content::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value's text, if it is a scalar without quotes.
    pub(super) fn plain_text(self) -> Option<&'a str> {
        match &self.node.content {
            Content::Text { text, plain: true } => Some(text),
            _ => None,
        }
    }
}

/// What is collected while a runbook is read. An invalid value is reported and yields nothing; its
/// neighbours are read anyway.
pub(super) struct Binder {
    pub(super) source: Source,
    pub(super) problems: Vec<Problem>,
    pub(super) hidden: Hidden,
}

impl Binder {
    pub(super) fn error(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problems.push(Problem::new(span, message, help));
    }

    /// Reports an error and yields nothing, in place of the value.
    pub(super) fn refuse<T>(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        self.error(span, message, help);
        None
    }

    /// A value for a message: in backquotes, safe to show. Nothing if it may be a secret, or is so
    /// long that the marked line shows it better.
    pub(super) fn quoted(&self, span: Span, value: &str) -> Option<String> {
        let fits = value.chars().count() <= LONGEST_QUOTED;
        (fits && !self.hidden.covers(span))
            .then(|| format!("`{}`", text::escape(&redaction::redact(value))))
    }

    /// The same as the subject of a message.
    pub(super) fn subject(&self, span: Span, value: &str) -> String {
        self.quoted(span, value)
            .unwrap_or_else(|| "this value".to_owned())
    }

    /// Reports a value of the wrong type. A value that was refused already is not reported again.
    pub(super) fn wrong_type<T>(
        &mut self,
        field: Field<'_>,
        expected: &str,
        help: &str,
    ) -> Option<T> {
        self.report_wrong_type(field, expected, help);
        None
    }

    fn report_wrong_type(&mut self, field: Field<'_>, expected: &str, help: &str) {
        let name = field.title();
        let message = match field.node.content {
            Content::Broken => return,
            Content::Empty => format!("{name} has no value"),
            _ => format!("{name} must be {expected}, not {}", field.node.kind()),
        };
        self.error(field.span(), message, help);
    }

    /// Reports a scalar that its key does not accept.
    pub(super) fn invalid<T>(&mut self, field: Field<'_>, expected: &str, help: &str) -> Option<T> {
        self.report_invalid(field, expected, help);
        None
    }

    fn report_invalid(&mut self, field: Field<'_>, expected: &str, help: &str) {
        let Some(given) = field.text() else {
            return self.report_wrong_type(field, expected, help);
        };
        let given = self.quoted(field.node.span, given);
        let given = given.map(|given| format!(": {given}")).unwrap_or_default();
        let message = format!("{} is not {expected}{given}", field.title());
        self.error(field.node.span, message, help);
    }

    /// Reports a word that its key does not accept; the help is the word that was probably meant,
    /// else `help`.
    pub(super) fn unknown_keyword<T>(
        &mut self,
        field: Field<'_>,
        given: &str,
        words: &[&str],
        help: &str,
    ) -> Option<T> {
        self.report_unknown_keyword(field, given, words, help);
        None
    }

    fn report_unknown_keyword(
        &mut self,
        field: Field<'_>,
        given: &str,
        words: &[&str],
        help: &str,
    ) {
        if given.is_empty() {
            let message = format!("{} is empty", field.title());
            return self.error(field.node.span, message, help);
        }
        let subject = self.subject(field.node.span, given);
        let message = format!("{subject} is not a valid value for {}", field.title());
        let help = did_you_mean(given, words.iter().copied()).unwrap_or_else(|| help.to_owned());
        self.error(field.node.span, message, help);
    }

    /// Reports a key that its map does not have; returns the one that was probably meant. The key's
    /// value is hidden unless the key that was meant never holds a secret.
    pub(super) fn unknown_key<'k>(
        &mut self,
        entry: &Entry,
        of: &str,
        known: &[&'k str],
    ) -> Option<&'k str> {
        let meant = misspelled(&entry.key, known.iter().copied());
        // In `secret: { hunter2 }` the key is the secret and has no value.
        let empty = matches!(entry.value.content, Content::Empty | Content::Broken);
        if empty && meant.is_none() && self.hidden.is_in_scope(entry.key.span) {
            self.hidden.hide(entry.key.span);
        }
        if meant.is_none_or(super::secrecy::is_sensitive) {
            self.hidden.hide_entry(entry, self.source.text());
        }
        let key = self.subject(entry.key.span, &entry.key.value);
        let help = if entry.key.value.starts_with("//") {
            "a comment begins with `#` and ends with its line".to_owned()
        } else if known.is_empty() {
            format!("{of} has no keys; remove it")
        } else {
            suggestion(&entry.key.value, known.iter().copied())
        };
        self.error(entry.key.span, format!("{key} is not a key of {of}"), help);
        meant
    }

    /// The entries of a map. A missing value has no entries.
    pub(super) fn entries<'n>(&mut self, field: Field<'n>, help: &str) -> Option<&'n [Entry]> {
        match &field.node.content {
            Content::Map(entries) => Some(entries),
            Content::Empty => Some(&[]),
            _ => self.wrong_type(field, "a map", help),
        }
    }

    /// The items of a list.
    pub(super) fn items<'n>(&mut self, field: Field<'n>, help: &str) -> Option<&'n [Node]> {
        let Content::List(items) = &field.node.content else {
            return self.wrong_type(field, "a list", help);
        };
        Some(items)
    }
}

fn did_you_mean<'a>(given: &str, words: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(given, words).map(|word| format!("did you mean `{word}`?"))
}

/// Help for a word that is not in its list: the one that was probably meant, else all of them.
pub(super) fn suggestion<'a>(given: &str, words: impl Iterator<Item = &'a str> + Clone) -> String {
    did_you_mean(given, words.clone()).unwrap_or_else(|| format!("allowed: {}", quoted_list(words)))
}
