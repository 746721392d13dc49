//! The located tree: a YAML document before its keys are interpreted. A scalar stays the text that
//! was written, so that `0123`, `1e5` and `no` become a number or a boolean only if a key
//! expects one.

use super::source::{Located, Span};

/// One value of the document and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) content: Content,
    pub(super) span: Span,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Content {
    /// Nothing, `~` or `null`.
    Empty,
    /// A scalar; `plain` when it has no quotes.
    Text { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the text; a key that appears twice is here twice.
    Map(Vec<Entry>),
    /// A value that was refused already, such as an alias, and is not reported again.
    Broken,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Located<String>,
    pub(super) value: Node,
}

impl Node {
    /// Moves every place by this many bytes: the text follows another text.
    pub(super) fn shift(&mut self, by: usize) {
        self.span = self.span.shifted(by);
        match &mut self.content {
            Content::List(items) => items.iter_mut().for_each(|item| item.shift(by)),
            Content::Map(entries) => {
                for entry in entries {
                    entry.key.span = entry.key.span.shifted(by);
                    entry.value.shift(by);
                }
            }
            Content::Empty | Content::Text { .. } | Content::Broken => {}
        }
    }

    /// What this is, for a message: `a list`.
    pub(super) fn kind(&self) -> &'static str {
        match self.content {
            Content::Empty | Content::Broken => "nothing",
            Content::Text { .. } => "a string",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }
}
