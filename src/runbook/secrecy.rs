//! What of a runbook's text must not be shown. A runbook holds no secrets, but a wrong one may: so
//! whatever stands where a secret could stand is hidden first, and shown again only once it is
//! known to be a name.

use std::collections::BTreeSet;

use super::source::Span;
use super::tree::{Content, Entry, Node};

/// Parts of keys under which a secret may have been written.
const TELLING: [&str; 10] = [
    "secret",
    "password",
    "passwd",
    "token",
    "credential",
    "identity",
    "parameters",
    "apikey",
    "api-key",
    "api_key",
];

pub(super) fn is_telling(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    TELLING.iter().any(|word| key.contains(word))
}

/// The places of a tree that are hidden.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    places: BTreeSet<Span>,
    /// The values of telling keys, whole; they do not overlap and stand in the text's order.
    scopes: Vec<Span>,
}

impl Hidden {
    /// Hides every value under a key that speaks of secrets, wherever it stands.
    pub(super) fn of_tree(root: &Node, text: &str) -> Self {
        let mut hidden = Self::default();
        hidden.search(root, text);
        hidden
    }

    fn search(&mut self, node: &Node, text: &str) {
        match &node.content {
            Content::Map(entries) => {
                for entry in entries {
                    if is_telling(&entry.key) {
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

    /// Hides all values of an entry; of a map the keys stay, so that a wrong key can be read.
    pub(super) fn hide_entry(&mut self, entry: &Entry, text: &str) {
        let value = &entry.value;
        if let Content::Map(entries) = &value.content {
            for entry in entries {
                self.hide_entry(entry, text);
            }
            return;
        }
        let nothing = matches!(value.content, Content::Empty | Content::Broken);
        // A tag or an anchor stands between key and value and may be the secret itself, such as
        // `secret: !hunter2`. So the place begins after the colon, and where no value follows it
        // goes on to the end of the line.
        let after_key = text.get(entry.key.span.end..).unwrap_or_default();
        let blank = |character: char| matches!(character, ':' | '"' | '\'' | ' ' | '\t');
        let start =
            entry.key.span.end + (after_key.len() - after_key.trim_start_matches(blank).len());
        let end_of_line = after_key
            .find('\n')
            .map_or(text.len(), |at| entry.key.span.end + at);
        let end = if nothing {
            value.span.end.max(end_of_line)
        } else {
            value.span.end
        };
        let start = if nothing {
            start
        } else {
            start.min(value.span.start)
        };
        if start < end {
            self.places.insert(Span { start, end });
        }
    }

    /// Whether a place lies under a key that speaks of secrets.
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

    /// Shows a place again: what stands there is known to be a name.
    pub(super) fn reveal(&mut self, span: Span) {
        if let Some(place) = self.place_over(span) {
            self.places.remove(&place);
        }
    }

    /// Whether a place lies in a hidden one.
    pub(super) fn covers(&self, span: Span) -> bool {
        self.place_over(span).is_some()
    }

    /// Hidden places do not overlap, so the last that begins before a span is the only one that
    /// can hold it.
    fn place_over(&self, span: Span) -> Option<Span> {
        let up_to = Span {
            start: span.start,
            end: usize::MAX,
        };
        let place = self.places.range(..=up_to).next_back()?;
        (span.end <= place.end).then_some(*place)
    }

    pub(super) fn into_places(self) -> impl Iterator<Item = Span> {
        self.places.into_iter()
    }
}

/// What to hide of one line when the text is not YAML and there is no tree: all that follows a
/// telling key on that line, and the whole line when it stands, by its indentation, under one.
pub(super) fn hidden_of_broken_text(text: &str, offset: usize) -> Option<Span> {
    let offset = (0..=offset.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))?;
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line = &text[start..end];
    let lower = line.to_ascii_lowercase();
    let telling = TELLING
        .iter()
        .filter_map(|word| Some(lower.find(word)? + word.len()))
        .min();
    if let Some(at) = telling {
        return Some(Span {
            start: start + at,
            end,
        });
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut inner = indent(line);
    for above in text[..start].lines().rev() {
        let trimmed = above.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') || indent(above) >= inner {
            continue;
        }
        inner = indent(above);
        if is_telling(trimmed) {
            return Some(Span { start, end });
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
    fn a_broken_line_is_hidden_after_a_telling_word() {
        assert_eq!(shown("  secret: @hunter2", "@"), "  secret#");
        assert_eq!(shown("{ \"Token\": \"hunter2 ", "hunter2"), "{ \"Token#");
        assert_eq!(shown("name: @x", "@"), "name: @x");
    }

    #[test]
    fn a_broken_line_is_hidden_under_a_telling_key() {
        let text = "identity:\n  default:\n    x: |\n      hunter2\n";
        assert!(!shown(text, "hunter2").contains("hunter2"));
        let text = "identity:\n  tenant: a\ntarget:\n  name: @x\n";
        assert!(shown(text, "@x").contains("name: @x"));
    }
}
