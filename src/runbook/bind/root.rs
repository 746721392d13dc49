//! The document from its top, and the checks between its parts.

use std::sync::Arc;

use super::checks::{Written, check};
use super::connections::user;
use super::endpoints::endpoints;
use super::environments::{cloud, lcs, source, target};
use super::fields::Fields;
use super::identity::identity;
use super::iom::iom;
use super::scalar::{plain_text, text};
use super::steps::steps;
use super::{Binder, Field};
use crate::runbook::diagnostic::{Diagnostics, Problem};
use crate::runbook::model::Runbook;
use crate::runbook::model::endpoints::Endpoints;
use crate::runbook::model::iom::Iom;
use crate::runbook::read::Document;
use crate::runbook::secrecy::Hidden;
use crate::runbook::source::{Located, Source, Span};
use crate::runbook::tree::{Content, Node};

/// The version of the format that this program reads.
pub(in crate::runbook) const VERSION: u64 = 1;
/// A name is a part of file names.
pub(in crate::runbook) const LONGEST_NAME: usize = 100;

/// Binds a document. The error holds every mistake that was found, the reader's too.
pub(in crate::runbook) fn bind(
    mut source: Source,
    document: Document,
) -> Result<Runbook, Diagnostics> {
    let Document { root, problems } = document;
    let mut binder = Binder {
        text: source.text(),
        hidden: root
            .as_ref()
            .map(|root| Hidden::of_tree(root, source.text()))
            .unwrap_or_default(),
        problems,
        written: Written::default(),
    };
    if root.is_none() {
        let help = "a runbook begins with `runbook: 1`";
        binder.error(Span::default(), "the file holds no runbook", help);
    }
    let right = root.as_ref().and_then(|root| runbook(&mut binder, root));
    let Binder {
        mut problems,
        hidden,
        ..
    } = binder;
    source.hide(hidden.into_places());
    match right {
        Some(right) if problems.is_empty() => Ok(right(Arc::new(source))),
        _ => {
            if problems.is_empty() {
                problems.push(Problem {
                    span: Span::default(),
                    message: "this runbook is refused, and the program does not know why"
                        .to_owned(),
                    help: "please report it: this is a mistake of iomcopy's".to_owned(),
                });
            }
            Err(Diagnostics::new(source, problems))
        }
    }
}

/// Binds every section, then checks what must hold between them. The answer lacks only its text,
/// which must not be shared before all of its hidden places are known.
fn runbook(
    binder: &mut Binder<'_>,
    root: &Node,
) -> Option<impl FnOnce(Arc<Source>) -> Runbook + use<>> {
    let Content::Map(entries) = &root.content else {
        let message = format!("the document is {} where a runbook belongs", root.kind());
        let help = "a runbook is a map of keys; it begins with `runbook: 1`";
        binder.error(root.span, message, help);
        return None;
    };
    let mut fields = Fields::of_document(entries);
    match fields.required(binder, "runbook", "runbook: 1", version) {
        Some(newer) if newer.value > VERSION => {
            // Whatever else seems wrong may be right in that version.
            binder.problems.clear();
            let message =
                format!("this is a runbook of version {newer}; this program reads {VERSION}");
            let help = "take a newer iomcopy";
            binder.error(newer.span, message, help);
            return None;
        }
        _ => {}
    }
    let name = fields.required(binder, "name", "name: contoso-uat-refresh", name);
    let cloud = fields.required(binder, "cloud", "cloud: public", cloud);
    let endpoints = fields.or(binder, "endpoints", Endpoints::default(), endpoints);
    let identity = fields.optional(binder, "identity", identity);
    let act_as = fields.optional(binder, "act-as", user);
    let example = "source: { environment: GUID }";
    let source = fields.required(binder, "source", example, source);
    let example = "target: { environment: GUID, name: DISPLAY NAME }";
    let target = fields.required(binder, "target", example, target);
    let lcs = fields.optional(binder, "lcs", lcs);
    let iom = fields.or(binder, "iom", Iom::default(), iom);
    let steps = fields.required(binder, "steps", "steps: [ … ]", steps);

    check(binder, &mut fields);
    fields.close(binder);

    let (name, cloud, endpoints, identity) = (name?, cloud?, endpoints?, identity?);
    let (act_as, source, target, lcs) = (act_as?, source?, target?, lcs?);
    let (iom, steps) = (iom?, steps?);
    Some(move |text| Runbook {
        name,
        cloud,
        endpoints,
        identity,
        act_as,
        source,
        target,
        lcs,
        iom,
        steps,
        text,
    })
}

fn version(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<u64>> {
    match plain_text(field).and_then(|text| text.parse::<u64>().ok()) {
        Some(version) if version >= VERSION => Some(Located::new(version, field.node.span)),
        _ => {
            binder.not_a(field, "a version of the format", "write `runbook: 1`");
            None
        }
    }
}

/// A name of lower-case letters, digits and hyphens: it becomes a part of file names.
fn name(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<String>> {
    let name = text(binder, field)?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.bytes().all(allowed) && name.len() <= LONGEST_NAME {
        return Some(name);
    }
    let help = "write lower-case letters, digits and hyphens, 100 at most; it names the state file";
    binder.not_a(field, "a name", help);
    None
}
