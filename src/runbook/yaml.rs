//! YAML becomes the located tree. The only file that knows the YAML library: serde-saphyr's parser.
//! Its events are used because they keep the text of a scalar, its quotes and its bytes, continue
//! after an alias, and never expand one.

use std::collections::HashSet;

use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, options};

use super::diagnostic::Problem;
use super::source::{Located, Span};
use super::tree::{Content, Entry, Node};

/// No runbook is nested deeper; deeper nesting is refused before it costs time.
const DEEPEST: usize = 32;
/// No runbook has more values.
const MOST_VALUES: usize = 50_000;

/// The document, and what was refused in it: anchors, aliases, merge keys, tags, keys that appear
/// twice, a second document.
pub(super) struct Document {
    /// Nothing when the text has no value at all.
    pub(super) root: Option<Node>,
    pub(super) problems: Vec<Problem>,
}

impl Document {
    /// A document of a text without any value.
    pub(super) fn empty() -> Self {
        Self {
            root: None,
            problems: Vec::new(),
        }
    }

    /// The same document in a text that this many bytes precede.
    pub(super) fn shifted(mut self, by: usize) -> Self {
        if let Some(root) = &mut self.root {
            root.shift(by);
        }
        for problem in &mut self.problems {
            problem.span = problem.span.shifted(by);
        }
        self
    }
}

/// Reads one document. The error is the first place where the text is not YAML; the rest cannot be
/// read.
pub(super) fn read_document(text: &str) -> Result<Document, Problem> {
    let options = options! {
        emit_comments: false,
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        disallow_directives: true,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut builder = Builder::new(text);
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| describe_scan_error(&error, text))?;
        let span = builder.span(span.start.byte_offset(), span.end.byte_offset());
        if let Event::DocumentStart(..) = event
            && builder.root.is_some()
        {
            builder.problem(
                span,
                "a second document begins here",
                "a file holds one runbook: move the second to its own file",
            );
            break;
        }
        if event.tag().is_some() {
            // The tag is not repeated: a secret may begin with an exclamation mark.
            let help = "write the value without it; put a string that begins with `!` in quotes";
            builder.problem(span, "tags are not supported", help);
        }
        builder.event(event, span)?;
    }
    Ok(builder.finish())
}

/// A list or a map that is still open.
enum Open {
    List {
        start: usize,
        items: Vec<Node>,
    },
    Map {
        start: usize,
        entries: Vec<Entry>,
        key: Key,
    },
}

/// The key whose value comes next.
enum Key {
    Awaited,
    Read(Located<String>),
    /// A key that was refused; its value is read and dropped.
    Refused,
}

struct Builder<'a> {
    text: &'a str,
    open: Vec<Open>,
    root: Option<Node>,
    values: usize,
    problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            open: Vec::new(),
            root: None,
            values: 0,
            problems: Vec::new(),
        }
    }

    /// The parser's span in bytes, without the white space at the end of a block.
    fn span(&self, start: Option<usize>, end: Option<usize>) -> Span {
        let length = self.text.len();
        let start = start.unwrap_or(length).min(length);
        let end = end.unwrap_or(start).clamp(start, length);
        let trimmed = self.text.get(start..end).unwrap_or_default().trim_end();
        Span::new(start, start + trimmed.len())
    }

    fn problem(&mut self, span: Span, message: &str, help: &str) {
        self.problems.push(Problem::new(span, message, help));
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                let empty = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let content = if empty {
                    Content::Empty
                } else {
                    Content::Text {
                        text: text.into_owned(),
                        plain,
                    }
                };
                self.value(Node { content, span })?;
            }
            Event::SequenceStart(..) => self.open.push(Open::List {
                start: span.start,
                items: Vec::new(),
            }),
            Event::MappingStart(..) => self.open.push(Open::Map {
                start: span.start,
                entries: Vec::new(),
                key: Key::Awaited,
            }),
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                // A merge key was refused already; its alias is the same mistake.
                if !self.after_refused_key() {
                    self.problem(
                        span,
                        "aliases are not supported",
                        "write the value itself; put a string that begins with `*`, such as a glob, \
                         in quotes",
                    );
                }
                self.value(Node {
                    content: Content::Broken,
                    span,
                })?;
            }
            Event::Anchor(..) => self.problem(
                span,
                "anchors are not supported",
                "remove it, and write the value itself wherever it is used",
            ),
            _ => {}
        }
        Ok(())
    }

    fn after_refused_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open::Map {
                key: Key::Refused,
                ..
            })
        )
    }

    fn close(&mut self, end: Span) -> Result<(), Problem> {
        let (content, start) = match self.open.pop() {
            Some(Open::List { start, items }) => (Content::List(items), start),
            Some(Open::Map { start, entries, .. }) => (Content::Map(entries), start),
            None => return Ok(()),
        };
        let span = self.span(Some(start), Some(end.end));
        self.value(Node { content, span })
    }

    /// Puts a finished value where it belongs: into the innermost open list or map.
    fn value(&mut self, node: Node) -> Result<(), Problem> {
        self.values += 1;
        if self.values > MOST_VALUES {
            let message = format!("the runbook has more than {MOST_VALUES} values");
            let help = "no refresh needs so many: is this the correct file?";
            return Err(Problem::new(node.span, message, help));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => match std::mem::replace(key, Key::Awaited) {
                Key::Awaited => {
                    let (read, refused) = as_key(node);
                    *key = read;
                    self.problems.extend(refused);
                }
                Key::Read(key) => entries.push(Entry { key, value: node }),
                Key::Refused => {}
            },
        }
        Ok(())
    }

    fn finish(mut self) -> Document {
        if let Some(root) = &self.root {
            duplicates(root, &mut self.problems);
        }
        // An empty document is one empty value.
        let root = self
            .root
            .filter(|root| !matches!(root.content, Content::Empty));
        Document {
            root,
            problems: self.problems,
        }
    }
}

/// Reads a node as a key.
fn as_key(node: Node) -> (Key, Option<Problem>) {
    let (message, help) = match node.content {
        Content::Text { text, plain: true } if text == "<<" => {
            ("merge keys are not supported", "write the keys themselves")
        }
        Content::Text { text, .. } => return (Key::Read(Located::new(text, node.span)), None),
        Content::Broken => return (Key::Refused, None),
        Content::Empty | Content::List(_) | Content::Map(_) => (
            "a key must be a string",
            "write it as one word, such as `name`",
        ),
    };
    (Key::Refused, Some(Problem::new(node.span, message, help)))
}

/// Reports each key that appears in its map a second time.
fn duplicates(node: &Node, problems: &mut Vec<Problem>) {
    match &node.content {
        Content::Map(entries) => {
            let mut seen = HashSet::new();
            for Entry { key, value } in entries {
                if !seen.insert(key.value.as_str()) {
                    let message = "this key appears twice in its map";
                    problems.push(Problem::new(key.span, message, "keep one of the two"));
                }
                duplicates(value, problems);
            }
        }
        Content::List(items) => items.iter().for_each(|item| duplicates(item, problems)),
        Content::Empty | Content::Text { .. } | Content::Broken => {}
    }
}

fn describe_scan_error(error: &ScanError, text: &str) -> Problem {
    let reported = error.marker().byte_offset().unwrap_or(text.len());
    if let Some(tab) = indenting_tab(error.kind(), text, reported) {
        let message = "YAML does not allow tabs for indentation";
        return Problem::new(Span::new(tab, tab + 1), message, "indent with spaces");
    }
    let span = Span::new(reported, reported + 1);
    let rest = text.get(reported..).unwrap_or_default();
    let (message, help) = match error.kind() {
        ErrorKind::UnclosedQuotedScalar => (
            "this quote is not closed",
            "close it before the end of the text",
        ),
        ErrorKind::RecursionLimitExceeded => {
            let message = format!("this is nested deeper than {DEEPEST}");
            return Problem::new(span, message, "no part of a runbook is nested so deeply");
        }
        ErrorKind::DirectiveDisallowed => ("YAML directives are not supported", "remove the line"),
        ErrorKind::SimpleKeyExpected | ErrorKind::ExpectedFlowMappingSeparator => (
            "a colon and a space, or a comma, is missing here",
            "write `KEY: VALUE`, with a space after the colon",
        ),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => (
            "the indentation of this line matches no line above",
            "indent all keys of one map equally",
        ),
        _ if rest.starts_with(": ") => (
            "this line has a second colon with a space",
            "put the string in quotes: `KEY: \"one: two\"`",
        ),
        _ if begins_like_yaml(rest) => (
            "a string that begins with this character needs quotes",
            "put the string in quotes",
        ),
        kind => {
            let help = "only the first such place is shown; the rest of the text cannot be read";
            return Problem::new(span, format!("this is not YAML: {kind}"), help);
        }
    };
    Problem::new(span, message, help)
}

/// The tab before the content of a line to which an error is due, if it is due to one. The scanner
/// reports a place near the tab, also on the line above it, and a wrong indentation where a line with
/// a tab matches no other.
fn indenting_tab(kind: &ErrorKind, text: &str, reported: usize) -> Option<usize> {
    let lines = match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => usize::MAX,
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => 1,
        _ => return None,
    };
    let before = text.get(..reported)?;
    let mut line_start = before.rfind('\n').map_or(0, |line_feed| line_feed + 1);
    for line in text[line_start..].split_inclusive('\n').take(lines) {
        let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indentation].find('\t') {
            return Some(line_start + tab);
        }
        line_start += line.len();
    }
    None
}

/// Whether a text begins with a character that has a meaning in YAML.
fn begins_like_yaml(rest: &str) -> bool {
    rest.starts_with(['*', '&', '@', '`', '%', '!', '|', '>'])
}
