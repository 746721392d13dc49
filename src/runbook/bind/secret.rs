//! Where a secret is.

use super::{Binder, Field};
use crate::runbook::model::secret::Secret;
use crate::runbook::source::{Located, Span};
use crate::runbook::tree::{Content, Entry, Node};

const SECRET_HELP: &str = "write `{ env: NAME }` or `{ file: PATH }`; a runbook holds no secret";

/// The place of a secret. What stands here otherwise may be the secret itself, so it is never
/// repeated and never shown, its keys included.
pub(super) fn secret(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<Secret>> {
    let span = field.span();
    let entries: &[Entry] = match &field.node.content {
        Content::Map(entries) => entries,
        Content::Empty | Content::Broken => {
            binder.wrong_kind(field, "a secret's place", SECRET_HELP);
            return None;
        }
        Content::Text { .. } | Content::List(_) => {
            binder.hidden.hide(span);
            binder.error(span, "a secret is written out here", SECRET_HELP);
            return None;
        }
    };
    let place = match entries {
        [entry] => place(binder, entry),
        _ => None,
    };
    if place.is_none() {
        for entry in entries {
            if !matches!(entry.key.value.as_str(), "env" | "file") {
                binder.hidden.hide(entry.key.span);
            }
            binder.hidden.hide_entry(entry, binder.text);
        }
        let (message, help) = match entries {
            [entry] if entry.key.value == "env" => (
                "`env` names no variable",
                "write a variable's name: letters, digits and underscores",
            ),
            [entry] if entry.key.value == "file" => {
                ("`file` names no file", "write the file's path")
            }
            [_, _, ..] => (
                "a secret has one place, and more are written here",
                SECRET_HELP,
            ),
            _ => ("this is not a secret's place", SECRET_HELP),
        };
        binder.error(field.key, message, help);
    }
    Some(Located::new(place?, span))
}

/// Where the name stands, if this is a secret's place as it should be.
pub(super) fn as_secret(node: &Node) -> Option<Span> {
    let Content::Map(entries) = &node.content else {
        return None;
    };
    match entries.as_slice() {
        [entry] => secret_of(entry).map(|_| entry.value.span),
        _ => None,
    }
}

fn place(binder: &mut Binder<'_>, entry: &Entry) -> Option<Secret> {
    let secret = secret_of(entry)?;
    binder.hidden.reveal(entry.value.span);
    Some(secret)
}

fn secret_of(entry: &Entry) -> Option<Secret> {
    let Content::Text { text: name, .. } = &entry.value.content else {
        return None;
    };
    match entry.key.value.as_str() {
        "env" if is_variable_name(name) => Some(Secret::Variable(name.clone())),
        "file" if !name.trim().is_empty() => Some(Secret::File(name.into())),
        _ => None,
    }
}

/// Letters, digits and underscores, not a digit first: what a shell can set.
fn is_variable_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(allowed) && !name.as_bytes()[0].is_ascii_digit()
}
