//! A located tree becomes a runbook, or the list of everything that is invalid in it.

use std::sync::Arc;

use super::diagnostic::{Diagnostics, Problem};
use super::fill_in;
use super::grammar::keys::{Keys, Section as _};
use super::grammar::{Binder, Field};
use super::model::{Runbook, VERSION, values_file, version};
use super::rules;
use super::secrecy::Hidden;
use super::source::{Source, Span};
use super::tree::{Content, Entry, Node};
use super::yaml::Document;

/// Binds a document; `hidden` holds what must not be shown of it. The error holds every mistake
/// that was found, the reader's too.
pub(super) fn bind(
    source: Source,
    document: Document,
    hidden: Hidden,
) -> Result<Runbook, Diagnostics> {
    let Document { mut root, problems } = document;
    let mut binder = Binder {
        source,
        problems,
        hidden,
    };
    if let Some(root) = &mut root {
        fill_in::refuse(&mut binder, root);
    }
    if root.is_none() {
        let help = "a runbook begins with `runbook: 1`";
        binder.error(Span::default(), "the file contains no runbook", help);
    }
    let runbook = root.as_ref().and_then(|root| read_root(&mut binder, root));
    let Binder {
        mut source,
        mut problems,
        hidden,
    } = binder;
    source.hide(hidden.into_places());
    match runbook {
        Some(runbook) if problems.is_empty() => Ok(Runbook {
            text: Arc::new(source),
            ..runbook
        }),
        _ => {
            if problems.is_empty() {
                let message = "this runbook is refused for an unknown reason";
                let help = "please report it: this is a defect of iomcopy";
                problems.push(Problem::new(Span::default(), message, help));
            }
            Err(Diagnostics::new(source, problems))
        }
    }
}

fn read_root(binder: &mut Binder, root: &Node) -> Option<Runbook> {
    let Content::Map(entries) = &root.content else {
        let message = format!("a runbook must be a map, not {}", root.kind());
        let help = "it begins with the key `runbook: 1`";
        return binder.refuse(root.span, message, help);
    };
    if let Some((version, span)) = newer_version(entries) {
        // Other problems may not be problems in that version.
        binder.problems.clear();
        let message = format!("the runbook has version {version}; this program reads {VERSION}");
        return binder.refuse(span, message, "use a newer version of iomcopy");
    }
    Keys::read_document(binder, entries, visit_document)
}

fn newer_version(entries: &[Entry]) -> Option<(u64, Span)> {
    let entry = entries.iter().find(|entry| entry.key.value == "runbook")?;
    let version = Field::from_entry(entry).plain_text()?.parse().ok()?;
    (version > VERSION).then_some((version, entry.value.span))
}

/// The key that names the values file.
pub(super) const VALUES: &str = "values";
const VALUES_DOC: &str = "A file that gives single values of this runbook by their paths, such as \
                          `target.environment`: one runbook serves several targets. The path is \
                          relative to the runbook's folder; `--values FILE` names another file.";

/// The version, the sections, and the rules between them.
pub(super) fn visit_document(keys: &mut Keys<'_>) -> Option<Runbook> {
    let version = keys.required("runbook", "The version of this format.", &version());
    // The values of the file are in the tree already. Its name has no other meaning.
    let values = keys.optional(VALUES, VALUES_DOC, &values_file());
    let runbook = Runbook::visit(keys);
    rules::check(keys);
    version.and(values).and(runbook)
}
