//! The parts of a runbook's text that must not be shown. A runbook holds no secrets, but an invalid
//! one may: so every value that could be a secret is hidden first, and revealed only once it is
//! known to be a name.

use std::collections::BTreeSet;

use super::source::Span;
use super::tree::{Content, Entry, Node};

/// Parts of keys whose value may be a secret.
const SENSITIVE: [&str; 11] = [
    "secret",
    "password",
    "passwd",
    "token",
    "credential",
    "identity",
    // The address of a webhook.
    "notify",
    "parameters",
    "apikey",
    "api-key",
    "api_key",
];

pub(super) fn is_sensitive(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SENSITIVE.iter().any(|word| key.contains(word))
}

/// The places of a tree that are hidden.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    places: BTreeSet<Span>,
    /// The whole values of sensitive keys; they do not overlap and are in the text's order.
    scopes: Vec<Span>,
}

impl Hidden {
    /// Hides every value under a sensitive key. A second tree of the text comes after the first.
    pub(super) fn add_tree(&mut self, root: &Node, text: &str) {
        self.search(root, text);
    }

    fn search(&mut self, node: &Node, text: &str) {
        match &node.content {
            Content::Map(entries) => {
                for entry in entries {
                    if is_sensitive(&entry.key) {
                        self.scopes.push(entry.value.span);
                        self.hide_entry(entry, text);
                    } else {
                        self.search(&entry.value, text);
                    }
                }
            }
            Content::List(items) => items.iter().for_each(|item| self.search(item, text)),
            Content::Empty | Content::Text { .. } | Content::Broken => {}
        }
    }

    /// Hides all values of an entry; the keys of a map, and of the maps in a list, stay, so that an
    /// invalid key can be read.
    pub(super) fn hide_entry(&mut self, entry: &Entry, text: &str) {
        let value = &entry.value;
        if let Content::Map(entries) = &value.content {
            for entry in entries {
                self.hide_entry(entry, text);
            }
            return;
        }
        if let Content::List(items) = &value.content
            && items
                .iter()
                .any(|item| matches!(item.content, Content::Map(_)))
        {
            for item in items {
                match &item.content {
                    Content::Map(entries) => {
                        for entry in entries {
                            self.hide_entry(entry, text);
                        }
                    }
                    _ => {
                        self.places.insert(item.span);
                    }
                }
            }
            return;
        }
        let nothing = matches!(value.content, Content::Empty | Content::Broken);
        // A tag or an anchor between key and value may be the secret itself, such as
        // `secret: !hunter2`. So the place begins after the colon, and without a value it ends
        // with the line.
        let after_key = text.get(entry.key.span.end..).unwrap_or_default();
        let blank = |character: char| matches!(character, ':' | '"' | '\'' | ' ' | '\t');
        let key_end = entry.key.span.end;
        let start = key_end + (after_key.len() - after_key.trim_start_matches(blank).len());
        let end_of_line = after_key.find('\n').map_or(text.len(), |at| key_end + at);
        let Span { start, end } = if nothing {
            Span::new(start, value.span.end.max(end_of_line))
        } else {
            Span::new(start.min(value.span.start), value.span.end)
        };
        if start < end {
            self.places.insert(Span::new(start, end));
        }
    }

    /// Whether a place is under a sensitive key.
    pub(super) fn is_in_scope(&self, span: Span) -> bool {
        let after = self
            .scopes
            .partition_point(|scope| scope.start <= span.start);
        after > 0 && span.end <= self.scopes[after - 1].end
    }

    /// Hides one place.
    pub(super) fn hide(&mut self, span: Span) {
        self.places.insert(span);
    }

    /// Shows a place again: its value is known to be a name.
    pub(super) fn reveal(&mut self, span: Span) {
        if let Some(place) = self.place_over(span) {
            self.places.remove(&place);
        }
    }

    /// Whether a place is inside a hidden one.
    pub(super) fn covers(&self, span: Span) -> bool {
        self.place_over(span).is_some()
    }

    /// Hidden places do not overlap, so the last that begins before a span is the only one that
    /// can hold it.
    fn place_over(&self, span: Span) -> Option<Span> {
        let up_to = Span::new(span.start, usize::MAX);
        let place = self.places.range(..=up_to).next_back()?;
        (span.end <= place.end).then_some(*place)
    }

    pub(super) fn into_places(self) -> impl Iterator<Item = Span> {
        self.places.into_iter()
    }
}

/// What to hide of one line when the text is not YAML and there is no tree: all that follows a
/// sensitive key on that line, or the whole line if it is indented under one.
pub(super) fn hidden_of_broken_text(text: &str, offset: usize) -> Option<Span> {
    let offset = (0..=offset.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))?;
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line = &text[start..end];
    let lower = line.to_ascii_lowercase();
    let sensitive = SENSITIVE
        .iter()
        .filter_map(|word| Some(lower.find(word)? + word.len()))
        .min();
    if let Some(at) = sensitive {
        return Some(Span::new(start + at, end));
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut inner = indent(line);
    for above in text[..start].lines().rev() {
        let trimmed = above.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') || indent(above) >= inner {
            continue;
        }
        inner = indent(above);
        if is_sensitive(trimmed) {
            return Some(Span::new(start, end));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, at: &str) -> String {
        let offset = text.find(at).unwrap();
        let hidden = hidden_of_broken_text(text, offset);
        let mut line = text.to_owned();
        if let Some(span) = hidden {
            line.replace_range(span.start..span.end, "#");
        }
        line
    }

    #[test]
    fn a_broken_line_is_hidden_after_a_sensitive_word() {
        assert_eq!(shown("  secret: @hunter2", "@"), "  secret#");
        assert_eq!(shown("{ \"Token\": \"hunter2 ", "hunter2"), "{ \"Token#");
        assert_eq!(shown("name: @x", "@"), "name: @x");
    }

    #[test]
    fn a_broken_line_is_hidden_under_a_sensitive_key() {
        let text = "identity:\n  default:\n    x: |\n      hunter2\n";
        assert!(!shown(text, "hunter2").contains("hunter2"));
        let text = "identity:\n  tenant: a\ntarget:\n  name: @x\n";
        assert!(shown(text, "@x").contains("name: @x"));
    }
}
