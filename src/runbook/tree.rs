//! The located tree: what a YAML document says, before anyone asks what it means. A scalar stays
//! the text that was written, so that `0123`, `1e5` and `no` are nothing else until a key wants a
//! number or a truth value.

use super::source::{Located, Span};

/// One value of the document and where it stands.
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
    /// A scalar; `plain` when it stands without quotes.
    Text { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the text; a key that stands twice is here twice.
    Map(Vec<Entry>),
    /// Something that was refused already, such as an alias: nothing more is said about it.
    Broken,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Located<String>,
    pub(super) value: Node,
}

impl Node {
    /// What this is, for a message: `a list`.
    pub(super) fn kind(&self) -> &'static str {
        match self.content {
            Content::Empty | Content::Broken => "nothing",
            Content::Text { .. } => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }
}
