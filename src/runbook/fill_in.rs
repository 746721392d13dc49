//! What a person still has to write: `iomcopy init` marks it in place of the value, and a runbook
//! with such a mark is refused.

use super::grammar::Binder;
use super::tree::{Content, Entry, Node};
use crate::base::{redaction, text};

/// The beginning of a value that a person still has to write; a description follows it.
pub const FILL_IN: &str = "FILL IN";

/// What the token of Lifecycle Services needs. It is written under `identity`, whose values are
/// hidden, but it is not a secret.
pub(super) const TOKEN_PROGRAM: &str =
    "a program that prints a user's token; its path is relative to this file";

/// Reports every value that is not written yet, each at its place and with its path.
pub(super) fn refuse(binder: &mut Binder, root: &mut Node) {
    visit(binder, root, "", false);
}

/// Takes the path of the node, and whether the node is an item of the list there.
fn visit(binder: &mut Binder, node: &mut Node, path: &str, is_item: bool) {
    match &mut node.content {
        Content::Map(entries) => {
            for Entry { key, value } in entries {
                let path = match path {
                    "" => key.value.clone(),
                    above => format!("{above}.{}", key.value),
                };
                visit(binder, value, &path, false);
            }
        }
        Content::List(items) => {
            for item in items {
                visit(binder, item, path, true);
            }
        }
        Content::Text { text, .. } => {
            let Some(what) = text.strip_prefix(FILL_IN) else {
                return;
            };
            let what = what.trim_start_matches(':').trim();
            let is_shown = !binder.hidden.covers(node.span) || what == TOKEN_PROGRAM;
            let help = if is_shown && !what.is_empty() {
                format!("write {}", text::escape(&redaction::redact(what)))
            } else {
                "write its value".to_owned()
            };
            let path = text::escape(&redaction::redact(path)).into_owned();
            let subject = if is_item {
                format!("an item of `{path}`")
            } else {
                format!("`{path}`")
            };
            binder.error(node.span, format!("{subject} is not filled in"), help);
            // It is not reported again as an invalid value.
            node.content = Content::Broken;
        }
        Content::Empty | Content::Broken => {}
    }
}
