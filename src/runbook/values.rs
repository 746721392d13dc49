//! Values: a second file gives single values of a runbook by their paths, so that one runbook serves
//! several targets.
//!
//! ```yaml
//! name: contoso-uat-refresh
//! target: { environment: 2222…, name: Contoso UAT }
//! steps.copy-environments.security-group: none    # or nested; a step by its name
//! containment.replace.0.with: shop-uat.contoso.com    # an item of a list by its number, from 0
//! ```
//!
//! Each value replaces or adds one in the runbook's tree and keeps its own place, so that the binder
//! reports a path that the runbook does not have, or a value that its key does not accept, in the
//! values file.

use std::collections::BTreeMap;

use super::bind::VALUES;
use super::diagnostic::Problem;
use super::grammar::suggestion;
use super::source::{Located, Source, Span};
use super::tree::{Content, Entry, Node};
use super::yaml::Document;
use crate::base::{redaction, text};

/// One part of a path: a key, a step's name, or an item's number.
type Segment = Located<String>;

/// Puts the values into the runbook's tree, and reports those that have no place there. The source
/// holds both texts.
pub(super) fn overlay(runbook: &mut Document, values: Document, source: &Source) {
    let Document { root, problems } = values;
    let mut overlay = Overlay {
        source,
        given: BTreeMap::new(),
        reported: problems.iter().map(|problem| problem.span).collect(),
        problems: Vec::new(),
    };
    // A file without values changes nothing; a runbook without content is reported already.
    if let (Some(tree), Some(Node { content, span })) = (&mut runbook.root, root) {
        match content {
            Content::Map(entries) => overlay.visit(tree, entries, &[]),
            _ => overlay.problem(
                span,
                "a values file must be a map",
                "write `target.name: Contoso UAT`, or the same keys as in the runbook",
            ),
        }
    }
    overlay.require_name();
    runbook.problems.extend(problems);
    runbook.problems.extend(overlay.problems);
}

struct Overlay<'s> {
    source: &'s Source,
    /// The paths that have a value already, each with its place.
    given: BTreeMap<String, Span>,
    /// Where the reader reported a mistake, such as a key that appears twice in its map.
    reported: Vec<Span>,
    problems: Vec<Problem>,
}

impl Overlay<'_> {
    fn problem(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::new(span, message, help));
    }

    /// Puts every value of a map into the tree. `above` is the path of the map.
    fn visit(&mut self, tree: &mut Node, entries: Vec<Entry>, above: &[Segment]) {
        for Entry { key, value } in entries {
            let mut path = above.to_vec();
            path.extend(self.segments(&key));
            if let Some(first) = path.first()
                && ["runbook", VALUES].contains(&first.value.as_str())
            {
                let message = format!("`{}` cannot be given by a values file", first.value);
                self.problem(key.span, message, "write it in the runbook only");
                continue;
            }
            match value.content {
                Content::Map(inner) => self.visit(tree, inner, &path),
                Content::Text { .. } => self.give(tree, &path, value),
                Content::Empty => self.problem(
                    key.span,
                    format!("{} has no value", title(&path)),
                    "write its value, or remove it: then the runbook's own value is used",
                ),
                Content::List(_) => self.problem(
                    value.span,
                    format!(
                        "{} is a list, but a values file gives single values",
                        title(&path)
                    ),
                    "write the list in the runbook; here, name an item by its number, from 0: \
                     `allow.0: …`",
                ),
                Content::Broken => {}
            }
        }
    }

    /// The parts of a key with dots, each at its own place if the key has no quotes.
    fn segments(&self, key: &Segment) -> Vec<Segment> {
        let Span { start, end } = key.span;
        let is_plain = self.source.text().get(start..end) == Some(key.value.as_str());
        let mut at = start;
        let parts: Vec<Segment> = key
            .value
            .split('.')
            .map(|part| {
                let span = if is_plain {
                    Span::new(at, at + part.len())
                } else {
                    key.span
                };
                at += part.len() + 1;
                Located::new(part.to_owned(), span)
            })
            .collect();
        if parts.iter().any(|part| part.value.is_empty()) {
            return vec![key.clone()];
        }
        parts
    }

    fn give(&mut self, tree: &mut Node, path: &[Segment], value: Node) {
        let name = dotted(path);
        let span = path.last().map_or(value.span, |last| last.span);
        if self.given.insert(name, span).is_some() {
            if self.reported.contains(&span) {
                return;
            }
            let message = format!("{} appears twice in the values", title(path));
            self.problem(span, message, "keep one of the two");
            return;
        }
        if let Err(problem) = put(tree, path, 0, value) {
            self.problems.push(problem);
        }
    }

    /// Two targets must not share a state file, which has the name of the runbook.
    fn require_name(&mut self) {
        let Some(span) = self.given.get("target.environment").copied() else {
            return;
        };
        if !self.given.contains_key("name") {
            self.problem(
                span,
                "the values give the target's environment, but not the runbook's `name`",
                "add `name: …` to the values: it names the state file, and two targets must not \
                 share one",
            );
        }
    }
}

/// Puts a value below a node, at the rest of the path from `depth` on.
fn put(node: &mut Node, path: &[Segment], depth: usize, value: Node) -> Result<(), Problem> {
    let rest = &path[depth..];
    let Some(first) = rest.first() else {
        *node = value;
        return Ok(());
    };
    if matches!(node.content, Content::Empty) {
        node.content = Content::Map(Vec::new());
    }
    let above = title(&path[..depth]);
    match &mut node.content {
        Content::Map(entries) => {
            // A key of the runbook may hold dots itself: the longest one that it has is meant.
            let known = (1..=rest.len()).rev().find_map(|length| {
                let key = dotted(&rest[..length]);
                let at = entries.iter().position(|entry| entry.key.value == key)?;
                Some((at, length))
            });
            if let Some((at, length)) = known {
                return put(&mut entries[at].value, path, depth + length, value);
            }
            let key = first.clone();
            let value = nested(&rest[1..], value);
            entries.push(Entry { key, value });
            Ok(())
        }
        Content::List(items) => match find_item(items, &first.value) {
            Ok(item) => put(item, path, depth + 1, value),
            Err(help) => {
                let message = format!("{above} has no item `{}`", for_message(&first.value));
                Err(Problem::new(first.span, message, help))
            }
        },
        Content::Text { .. } => {
            let message = format!("{above} is one value in the runbook and has no keys");
            let help = format!("give {above} itself a value, or change the runbook");
            Err(Problem::new(first.span, message, help))
        }
        Content::Empty | Content::Broken => Ok(()),
    }
}

/// A value below maps with one key each.
fn nested(path: &[Segment], value: Node) -> Node {
    path.iter().rev().fold(value, |value, key| {
        let span = value.span;
        let key = key.clone();
        Node {
            content: Content::Map(vec![Entry { key, value }]),
            span,
        }
    })
}

/// The item of a list with this number, from 0, or the content of the step with this name. The error
/// is the help.
fn find_item<'n>(items: &'n mut [Node], given: &str) -> Result<&'n mut Node, String> {
    let names: Vec<Option<String>> = items.iter().map(step_name).collect();
    if let Some(at) = names.iter().position(|name| name.as_deref() == Some(given)) {
        let Content::Map(entries) = &mut items[at].content else {
            return Err("change the runbook".to_owned());
        };
        let first = entries.first_mut();
        return first
            .map(|entry| &mut entry.value)
            .ok_or_else(|| "change the runbook".to_owned());
    }
    let count = items.len();
    let by_number = given.parse::<usize>().ok();
    if let Some(item) = by_number.and_then(|number| items.get_mut(number)) {
        return Ok(item);
    }
    let known: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
    Err(match (known.is_empty(), count) {
        (false, _) => suggestion(given, known.into_iter()),
        (true, 0) => "its list is empty: write the item in the runbook".to_owned(),
        (true, 1) => "its only item is `0`".to_owned(),
        (true, _) => format!("its items have the numbers 0 to {}", count - 1),
    })
}

/// The name of a step: one of the eight by its key, a custom step by its `name`.
fn step_name(item: &Node) -> Option<String> {
    let Content::Map(entries) = &item.content else {
        return None;
    };
    let [Entry { key, value }] = entries.as_slice() else {
        return None;
    };
    let members: &[Entry] = match &value.content {
        Content::Map(members) => members,
        Content::Empty => &[],
        _ => return None,
    };
    let own = members.iter().find(|member| member.key.value == "name");
    match own.map(|own| &own.value.content) {
        Some(Content::Text { text, .. }) => Some(text.clone()),
        _ => Some(key.value.clone()),
    }
}

fn dotted(path: &[Segment]) -> String {
    let parts: Vec<&str> = path.iter().map(|part| part.value.as_str()).collect();
    parts.join(".")
}

fn for_message(part: &str) -> String {
    text::escape(&redaction::redact(part)).into_owned()
}

/// A path for a message.
fn title(path: &[Segment]) -> String {
    if path.is_empty() {
        return "the runbook".to_owned();
    }
    format!("`{}`", for_message(&dotted(path)))
}

#[cfg(test)]
mod tests;
