//! The located tree becomes a runbook. Every mistake is collected: a key that cannot be bound is
//! reported and answers nothing, and its neighbours are bound all the same.
//!
//! - [`fields`]: a map is taken apart by its keys; unknown and missing ones are reported.
//! - [`scalar`]: texts, words, numbers, GUIDs, durations, addresses.
//! - [`root`]: the document from its top.
//! - [`checks`]: what must hold between its sections.
//! - [`endpoints`], [`environments`], [`identity`], [`iom`], [`steps`]: one section each, with their
//!   parts [`credential`], [`secret`], [`template`], [`options`], [`connections`].

use std::collections::BTreeMap;

use super::diagnostic::Problem;
use super::model::words::quoted_list;
use super::secrecy::Hidden;
use super::source::Span;
use super::tree::{Content, Entry, Node};
use crate::base::text;
use checks::Written;

mod checks;
mod connections;
pub(super) mod credential;
mod endpoints;
pub(super) mod environments;
mod fields;
mod identity;
mod iom;
mod options;
pub(super) mod root;
pub(super) mod scalar;
mod secret;
pub(super) mod steps;
mod template;

/// Longer values are not repeated in a message; the marked line shows them.
const LONGEST_QUOTED: usize = 60;

/// A key's value, and the key it stands under for messages.
#[derive(Clone, Copy)]
struct Field<'a> {
    name: &'a str,
    key: Span,
    node: &'a Node,
}

impl<'a> Field<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            name: &entry.key.value,
            key: entry.key.span,
            node: &entry.value,
        }
    }

    /// An item of a list that stands under a key.
    fn item(self, node: &'a Node) -> Self {
        Self { node, ..self }
    }

    /// An item of a list that is a map of its own: what is missing in it is missing there.
    fn item_of_its_own(self, node: &'a Node) -> Self {
        Self {
            node,
            key: node.span,
            ..self
        }
    }

    /// The key for a message: in backquotes, safe to show, cut if it is very long.
    fn title(self) -> String {
        let name: String = self.name.chars().take(LONGEST_QUOTED).collect();
        format!("`{}`", text::escape(&text::redact(&name)))
    }

    /// Where to point: at the value, or at the key when there is no value.
    fn span(self) -> Span {
        match self.node.content {
            Content::Empty => self.key,
            _ => self.node.span,
        }
    }
}

/// What is collected while a runbook is bound.
struct Binder<'a> {
    text: &'a str,
    problems: Vec<Problem>,
    hidden: Hidden,
    written: Written,
}

impl Binder<'_> {
    fn error(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem {
            span,
            message: message.into(),
            help: help.into(),
        });
    }

    /// A value for a message: in backquotes, safe to show. Nothing if it may be a secret, or is so
    /// long that the marked line shows it better.
    fn shown(&self, span: Span, value: &str) -> Option<String> {
        let fits = value.chars().count() <= LONGEST_QUOTED;
        (fits && !self.hidden.covers(span))
            .then(|| format!("`{}`", text::escape(&text::redact(value))))
    }

    /// The same as the subject of a message.
    fn quoted(&self, span: Span, value: &str) -> String {
        self.shown(span, value)
            .unwrap_or_else(|| "what is written here".to_owned())
    }

    /// Says that something of another kind belongs here. What was refused already is passed over.
    fn wrong_kind(&mut self, field: Field<'_>, wanted: &str, help: &str) {
        let name = field.title();
        match field.node.content {
            Content::Broken => {}
            Content::Empty => {
                self.error(field.span(), format!("{name} has no value"), help);
            }
            _ => {
                let kind = field.node.kind();
                self.error(
                    field.span(),
                    format!("{name} is {kind} where {wanted} belongs"),
                    help,
                );
            }
        }
    }

    /// Says that a value is not what its key wants.
    fn not_a(&mut self, field: Field<'_>, wanted: &str, help: &str) {
        let Content::Text { text: given, .. } = &field.node.content else {
            self.wrong_kind(field, wanted, help);
            return;
        };
        let shown = self.shown(field.node.span, given);
        let shown = shown.map(|shown| format!(": {shown}")).unwrap_or_default();
        let message = format!("{} is not {wanted}{shown}", field.title());
        self.error(field.node.span, message, help);
    }

    /// The entries of a map whose keys are free, such as connections. Nothing written is no entry.
    fn entries<'n>(&mut self, field: Field<'n>, help: &str) -> Option<&'n [Entry]> {
        match &field.node.content {
            Content::Map(entries) => Some(entries),
            Content::Empty => Some(&[]),
            _ => {
                self.wrong_kind(field, "a map", help);
                None
            }
        }
    }

    /// The items of a list.
    fn items<'n>(&mut self, field: Field<'n>, help: &str) -> Option<&'n [Node]> {
        let Content::List(items) = &field.node.content else {
            self.wrong_kind(field, "a list", help);
            return None;
        };
        Some(items)
    }

    /// Binds every entry of a map with free keys. One wrong entry makes the whole map wrong, and
    /// the others are looked at all the same.
    fn each<'n, K: Ord, V>(
        &mut self,
        entries: &'n [Entry],
        mut bind: impl FnMut(&mut Self, Field<'n>) -> Option<(K, V)>,
    ) -> Option<BTreeMap<K, V>> {
        let bound: Vec<Option<(K, V)>> = entries
            .iter()
            .map(|entry| bind(self, Field::of(entry)))
            .collect();
        bound.into_iter().collect()
    }
}

/// The word of a list that was probably meant.
fn nearest<'a>(given: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |word: &str| word.to_ascii_lowercase().replace(['_', ' '], "-");
    let given = plain(given);
    if given.len() > LONGEST_QUOTED {
        return None;
    }
    let farthest = (given.chars().count() / 3).max(1);
    words
        .map(|word| (strsim::damerau_levenshtein(&given, &plain(word)), word))
        .filter(|(distance, _)| *distance <= farthest)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

fn did_you_mean<'a>(given: &str, words: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(given, words).map(|word| format!("did you mean `{word}`?"))
}

/// Help for a word that is not in its list: the one that was meant, else all of them.
fn suggestion<'a>(given: &str, words: impl Iterator<Item = &'a str> + Clone) -> String {
    did_you_mean(given, words.clone()).unwrap_or_else(|| format!("allowed: {}", quoted_list(words)))
}

/// Says that a word is none of those that a key takes: the one that was meant, else `help`.
fn unknown_choice(
    binder: &mut Binder<'_>,
    field: Field<'_>,
    given: &str,
    words: &[&str],
    help: &str,
) {
    if given.is_empty() {
        binder.error(field.node.span, format!("{} is empty", field.title()), help);
        return;
    }
    let quoted = binder.quoted(field.node.span, given);
    let message = format!("{quoted} is no choice for {}", field.title());
    let help = did_you_mean(given, words.iter().copied()).unwrap_or_else(|| help.to_owned());
    binder.error(field.node.span, message, help);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_near() {
        let words = ["source", "target", "skip-audit-data"];
        let near = |given| nearest(given, words.into_iter());
        assert_eq!(near("sorce"), Some("source"));
        assert_eq!(near("skip_audit_data"), Some("skip-audit-data"));
        assert_eq!(near("Target"), Some("target"));
        assert_eq!(near("colour"), None);
        assert_eq!(near(""), None);
    }
}
