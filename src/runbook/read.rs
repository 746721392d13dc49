//! YAML becomes the located tree. The only file that knows the YAML library: serde-saphyr's parser,
//! taken by its events, because they keep the text of a scalar, its quotes and its bytes, go on
//! after an alias, and cannot be made to expand one.

use std::collections::HashSet;

use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, options};

use super::diagnostic::Problem;
use super::source::{Located, Span};
use super::tree::{Content, Entry, Node};

/// Deeper nesting than any runbook has; what is nested deeper is refused before it costs anything.
const DEEPEST: usize = 32;
/// More values than any runbook has.
const MOST_VALUES: usize = 50_000;

/// The document, and what was refused on the way: anchors, aliases, merge keys, tags, keys that
/// stand twice, a second document.
pub(super) struct Document {
    /// Nothing when the text holds no value at all.
    pub(super) root: Option<Node>,
    pub(super) problems: Vec<Problem>,
}

/// Reads one document. The error is the first place where the text is not YAML; what follows it
/// cannot be told.
pub(super) fn document(text: &str) -> Result<Document, Problem> {
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
        let (event, span) = next.map_err(|error| not_yaml(&error, text))?;
        let span = builder.span(span.start.byte_offset(), span.end.byte_offset());
        if let Event::DocumentStart(..) = event
            && builder.root.is_some()
        {
            builder.problem(
                span,
                "a second document begins here",
                "one file holds one runbook: move it to a file of its own",
            );
            break;
        }
        if event.tag().is_some() {
            // The tag is not repeated: a secret may begin with an exclamation mark.
            let help = "write the value without it; a text that begins with `!` wants quotes";
            builder.problem(span, "a tag is not taken", help);
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

    /// The parser's span in bytes, without the blanks that a block takes in at its end.
    fn span(&self, start: Option<usize>, end: Option<usize>) -> Span {
        let length = self.text.len();
        let start = start.unwrap_or(length).min(length);
        let end = end.unwrap_or(start).clamp(start, length);
        let trimmed = self.text.get(start..end).unwrap_or_default().trim_end();
        Span {
            start,
            end: start + trimmed.len(),
        }
    }

    fn problem(&mut self, span: Span, message: &str, help: &str) {
        self.problems.push(Problem {
            span,
            message: message.to_owned(),
            help: help.to_owned(),
        });
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
                        "an alias is not taken",
                        "write the value out where it is meant; a text that begins with `*`, such \
                         as a glob, wants quotes",
                    );
                }
                self.value(Node {
                    content: Content::Broken,
                    span,
                })?;
            }
            Event::Anchor(..) => self.problem(
                span,
                "an anchor is not taken",
                "remove it, and write the value out where it is meant",
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
            return Err(Problem {
                span: node.span,
                message: format!("the runbook holds more than {MOST_VALUES} values"),
                help: "no refresh needs as many: is this the right file?".to_owned(),
            });
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

/// A node in a key's place.
fn as_key(node: Node) -> (Key, Option<Problem>) {
    let span = node.span;
    match node.content {
        Content::Text { text, plain: true } if text == "<<" => {
            let problem = Problem {
                span,
                message: "a merge key is not taken".to_owned(),
                help: "write the keys out where they are meant".to_owned(),
            };
            (Key::Refused, Some(problem))
        }
        Content::Text { text, .. } => (Key::Read(Located::new(text, span)), None),
        Content::Broken => (Key::Refused, None),
        Content::Empty | Content::List(_) | Content::Map(_) => {
            let problem = Problem {
                span,
                message: "a key must be a text".to_owned(),
                help: "write it as one word, such as `name`".to_owned(),
            };
            (Key::Refused, Some(problem))
        }
    }
}

/// Reports each key that stands in its map a second time.
fn duplicates(node: &Node, problems: &mut Vec<Problem>) {
    match &node.content {
        Content::Map(entries) => {
            let mut seen = HashSet::new();
            for Entry { key, value } in entries {
                if !seen.insert(key.value.as_str()) {
                    problems.push(Problem {
                        span: key.span,
                        message: "this key stands twice in its map".to_owned(),
                        help: "keep one of the two".to_owned(),
                    });
                }
                duplicates(value, problems);
            }
        }
        Content::List(items) => items.iter().for_each(|item| duplicates(item, problems)),
        Content::Empty | Content::Text { .. } | Content::Broken => {}
    }
}

fn not_yaml(error: &ScanError, text: &str) -> Problem {
    let start = error.marker().byte_offset().unwrap_or(text.len());
    let (message, help) = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => (
            "a tab stands where YAML takes only spaces".to_owned(),
            "indent with spaces".to_owned(),
        ),
        ErrorKind::UnclosedQuotedScalar => (
            "this quote is never closed".to_owned(),
            "close it before the end of the text".to_owned(),
        ),
        ErrorKind::RecursionLimitExceeded => (
            format!("this is nested deeper than {DEEPEST}"),
            "no part of a runbook is nested as deep".to_owned(),
        ),
        ErrorKind::DirectiveDisallowed => (
            "a YAML directive is not taken".to_owned(),
            "remove the line".to_owned(),
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::ExpectedFlowMappingSeparator => (
            "a colon and a blank are missing here, or a comma".to_owned(),
            "write `KEY: VALUE`, with a blank after the colon".to_owned(),
        ),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => (
            "this line is indented like none above it".to_owned(),
            "indent the keys of one map alike".to_owned(),
        ),
        _ if text.get(start..).is_some_and(|rest| rest.starts_with(": ")) => (
            "a second colon and blank stand in one line".to_owned(),
            "a text that holds them wants quotes: `KEY: \"one: two\"`".to_owned(),
        ),
        _ if text.get(start..).is_some_and(begins_like_yaml) => (
            "no text without quotes begins with this character".to_owned(),
            "put the text in quotes".to_owned(),
        ),
        kind => (
            format!("this is not YAML: {kind}"),
            "only the first such place is shown; the rest of the text cannot be told".to_owned(),
        ),
    };
    Problem {
        span: Span {
            start,
            end: start + 1,
        },
        message,
        help,
    }
}

/// Whether a text begins with a character that means something to YAML itself.
fn begins_like_yaml(rest: &str) -> bool {
    rest.starts_with(['*', '&', '@', '`', '%', '!', '|', '>'])
}
