//! A map with known keys, taken apart.

use super::{Binder, Field, nearest, suggestion};
use crate::runbook::secrecy::is_telling;
use crate::runbook::source::Span;
use crate::runbook::tree::{Content, Entry};

/// The keys of a map that is being bound. Each `take` names a known key; [`close`](Self::close)
/// reports those that nobody asked for.
pub(super) struct Fields<'a> {
    /// What the map is, for messages: `the runbook`, `` `target` ``.
    of: String,
    /// Where to point when a key is missing.
    span: Span,
    entries: &'a [Entry],
    known: Vec<&'static str>,
    /// Keys that must be there and are not, each with how to write it.
    missing: Vec<(&'static str, String)>,
}

impl<'a> Fields<'a> {
    /// Opens the map under a key. Nothing written is an empty map.
    pub(super) fn open(binder: &mut Binder<'_>, field: Field<'a>, help: &str) -> Option<Self> {
        let entries = binder.entries(field, help)?;
        Some(Self {
            of: field.title(),
            span: field.key,
            entries,
            known: Vec::new(),
            missing: Vec::new(),
        })
    }

    /// Opens an item of a list, which has no key of its own.
    pub(super) fn open_item(binder: &mut Binder<'_>, field: Field<'a>, help: &str) -> Option<Self> {
        let fields = Self::open(binder, field, help)?;
        let of = format!("an item of {}", fields.of);
        Some(Self { of, ..fields })
    }

    /// The map at the top of the document.
    pub(super) fn of_document(entries: &'a [Entry]) -> Self {
        Self {
            of: "the runbook".to_owned(),
            span: entries
                .first()
                .map_or(Span::default(), |entry| entry.key.span),
            entries,
            known: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// The value of a key; the first one where the key stands twice.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Field<'a>> {
        self.known.push(name);
        self.entries
            .iter()
            .find(|entry| entry.key.value == name)
            .map(Field::of)
    }

    /// A key that must be there; `example` shows how to write it.
    pub(super) fn required<T>(
        &mut self,
        binder: &mut Binder<'_>,
        name: &'static str,
        example: &str,
        bind: impl FnOnce(&mut Binder<'_>, Field<'a>) -> Option<T>,
    ) -> Option<T> {
        if let Some(field) = self.take(name) {
            return bind(binder, field);
        }
        self.missing.push((name, format!("write `{example}`")));
        None
    }

    /// A key that may be there. Nothing when it is there and wrong.
    #[expect(
        clippy::option_option,
        reason = "wrong, absent and written are three different answers"
    )]
    pub(super) fn optional<T>(
        &mut self,
        binder: &mut Binder<'_>,
        name: &'static str,
        bind: impl FnOnce(&mut Binder<'_>, Field<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.take(name) {
            None => Some(None),
            Some(field) => bind(binder, field).map(Some),
        }
    }

    /// A key that may be there, and what it means when it is not.
    pub(super) fn or<T>(
        &mut self,
        binder: &mut Binder<'_>,
        name: &'static str,
        default: T,
        bind: impl FnOnce(&mut Binder<'_>, Field<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.take(name) {
            None => Some(default),
            Some(field) => bind(binder, field),
        }
    }

    /// The entries whose keys are not among those taken so far, for maps that have known keys and
    /// free ones side by side; they count as known.
    pub(super) fn rest(&self) -> Vec<&'a Entry> {
        self.entries
            .iter()
            .filter(|entry| !self.known.contains(&entry.key.value.as_str()))
            .collect()
    }

    /// Where the map's key stands.
    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// Reports the keys that nobody knows and the keys that are missing. A key that is only
    /// misspelled is one mistake, and is said once. Answers whether every key was known.
    pub(super) fn close(self, binder: &mut Binder<'_>) -> bool {
        let mut meant = Vec::new();
        let unknown = self.rest();
        for entry in &unknown {
            meant.extend(unknown_key(binder, entry, &self.of, &self.known));
        }
        self.report_missing(binder, &meant);
        unknown.is_empty()
    }

    /// Says that a key is missing, where only other keys tell whether it must be there.
    pub(super) fn miss(&mut self, name: &'static str, help: String) {
        self.missing.push((name, help));
    }

    /// Reports the keys that are missing, but for those that a misspelled key meant.
    pub(super) fn report_missing(self, binder: &mut Binder<'_>, meant: &[&str]) {
        for (name, help) in self.missing {
            if !meant.contains(&name) {
                let message = format!("{} lacks the key `{name}`", self.of);
                binder.error(self.span, message, help);
            }
        }
    }
}

/// Reports a key that is not in its list; answers the one that was probably meant. Its value is
/// hidden unless that key holds no secret: nobody knows what it is.
pub(super) fn unknown_key<'k>(
    binder: &mut Binder<'_>,
    entry: &Entry,
    of: &str,
    known: &[&'k str],
) -> Option<&'k str> {
    let meant = nearest(&entry.key, known.iter().copied());
    // In `secret: { hunter2 }` the key is the secret; its value then is nothing at all.
    let empty = matches!(entry.value.content, Content::Empty | Content::Broken);
    if empty && meant.is_none() && binder.hidden.is_in_scope(entry.key.span) {
        binder.hidden.hide(entry.key.span);
    }
    if meant.is_none_or(is_telling) {
        binder.hidden.hide_entry(entry, binder.text);
    }
    let key = binder.quoted(entry.key.span, &entry.key.value);
    let help = if entry.key.value.starts_with("//") {
        "a comment begins with `#` and ends with its line".to_owned()
    } else if known.is_empty() {
        format!("{of} has no keys; remove it")
    } else {
        suggestion(&entry.key.value, known.iter().copied())
    };
    binder.error(entry.key.span, format!("{key} is not a key of {of}"), help);
    meant
}
