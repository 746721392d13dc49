//! The text of a runbook, and places in it: spans, lines and columns, and the line as it is shown.
//! A values file is appended to the text, so that a span names a place in either file.

use std::fmt;
use std::ops::Deref;

use serde::{Serialize, Serializer};

use crate::base::{redaction, text};

/// The longest part of a line that is shown; a JSON runbook may be one line of a megabyte.
const SHOWN_WIDTH: usize = 120;

/// What is shown in place of a secret, or of what may be one.
const HIDDEN: &str = "<hidden>";

/// A place in a runbook's text: byte offsets, the end exclusive, counted after a byte-order mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The same place in a text that this many bytes precede.
    pub(super) fn shifted(self, by: usize) -> Self {
        Self::new(self.start + by, self.end + by)
    }
}

/// A value and its place in the runbook. A default is located at the name of its step or section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T> Located<T> {
    /// A value with its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// The same place with a value made from this one.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located::new(change(self.value), self.span)
    }
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for Located<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(formatter)
    }
}

/// A value's place is not part of its meaning: moving a line does not change a digest.
impl<T: Serialize> Serialize for Located<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

/// A line and a column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// One line of the runbook as it may be shown: secrets hidden, control characters escaped, a long
/// line cut around its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedLine {
    /// The line's number, from 1.
    pub number: usize,
    /// The line as it is shown.
    pub text: String,
    /// How many characters of `text` are before the mark.
    pub offset: usize,
    /// How many characters are marked, at least one.
    pub length: usize,
}

/// A runbook's text under its name, and the places in it that must not be shown.
#[derive(Default)]
pub(super) struct Source {
    name: String,
    text: String,
    line_starts: Vec<usize>,
    hidden: Vec<Span>,
    appended: Option<Appended>,
}

/// A second file, whose text follows the runbook's.
struct Appended {
    name: String,
    /// Where its text begins.
    start: usize,
    /// The index of its first line.
    first_line: usize,
}

/// Without the text: an invalid runbook may hold a secret, and `{:?}` reaches logs.
impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Source")
            .field("name", &self.name)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

impl Source {
    /// A source from a file's name and its text; a byte-order mark is removed.
    pub(super) fn new(name: &str, text: &str) -> Self {
        let text = without_mark(text).to_owned();
        Self {
            name: name.to_owned(),
            line_starts: line_starts(&text),
            text,
            hidden: Vec::new(),
            appended: None,
        }
    }

    /// Appends a second file; returns the byte where its text begins.
    pub(super) fn append(&mut self, name: &str, text: &str) -> usize {
        self.text.push('\n');
        let start = self.text.len();
        self.text.push_str(without_mark(text));
        self.line_starts = line_starts(&self.text);
        self.appended = Some(Appended {
            name: name.to_owned(),
            start,
            first_line: self.line_of(start),
        });
        start
    }

    /// The runbook's name as it was given.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The name of the file that holds a byte, as it was given.
    pub(super) fn name_at(&self, offset: usize) -> &str {
        let appended = self.appended_at(offset);
        appended.map_or(&self.name, |appended| &appended.name)
    }

    fn appended_at(&self, offset: usize) -> Option<&Appended> {
        let appended = self.appended.as_ref();
        appended.filter(|appended| offset >= appended.start)
    }

    /// The number, from 1, of a line in its own file. Takes its index in the whole text.
    fn line_number(&self, line: usize) -> usize {
        let start = self.line_starts[line];
        let first = self.appended_at(start).map_or(0, |it| it.first_line);
        line - first + 1
    }

    /// The text without its byte-order mark; an appended file's follows it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Adds places that are never shown.
    pub(super) fn hide(&mut self, hidden: impl IntoIterator<Item = Span>) {
        self.hidden.extend(hidden);
        self.hidden.sort_unstable();
    }

    /// The index, from 0, of the line that holds a byte.
    fn line_of(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset) - 1
    }

    /// Where a line begins and ends, without its line break.
    fn line_bounds(&self, line: usize) -> (usize, usize) {
        let start = self.line_starts[line];
        let next = self.line_starts.get(line + 1).copied();
        let with_break = &self.text[start..next.unwrap_or(self.text.len())];
        let length = with_break.trim_end_matches(['\r', '\n']).len();
        (start, start + length)
    }

    /// The nearest place at or before `offset` where a character begins.
    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }

    /// Line and column of a byte.
    pub(super) fn position(&self, offset: usize) -> Position {
        let offset = self.boundary(offset);
        let line = self.line_of(offset);
        let (start, _) = self.line_bounds(line);
        Position {
            line: self.line_number(line),
            column: self.text[start..offset].chars().count() + 1,
        }
    }

    /// The first line of a span as it may be shown, with the span marked in it.
    pub(super) fn mark_line(&self, span: Span) -> MarkedLine {
        let line = self.line_of(self.boundary(span.start));
        let (line_start, line_end) = self.line_bounds(line);
        let mark_start = self.boundary(span.start).clamp(line_start, line_end);
        let mark_end = self.boundary(span.end).clamp(mark_start, line_end);

        let mut shown = String::new();
        let mut width = 0;
        let (mut offset, mut end) = (0, 0);
        for (Span { start, end: stop }, is_hidden) in self.pieces(line_start, line_end) {
            let visible = if is_hidden {
                HIDDEN.to_owned()
            } else {
                safe_to_show(&self.text[start..stop])
            };
            let piece_width = visible.chars().count();
            // The offset of a byte in the piece, in columns. A hidden piece is marked whole.
            let within = |at: usize, whole: bool| match is_hidden {
                true if whole => piece_width,
                true => 0,
                false => safe_to_show(&self.text[start..at])
                    .chars()
                    .count()
                    .min(piece_width),
            };
            if (start..=stop).contains(&mark_start) {
                offset = width + within(mark_start, mark_start == stop);
            }
            if (start..=stop).contains(&mark_end) {
                end = width + within(mark_end, mark_end > start);
            }
            width += piece_width;
            shown.push_str(&visible);
        }
        let length = end.saturating_sub(offset).max(1);
        cut_around_mark(&shown, self.line_number(line), offset, length)
    }

    /// A line in pieces, each with whether it is hidden.
    fn pieces(&self, start: usize, end: usize) -> Vec<(Span, bool)> {
        let mut pieces = Vec::new();
        let mut at = start;
        for hidden in &self.hidden {
            let (from, to) = (hidden.start.max(at), hidden.end.min(end));
            if from >= to {
                continue;
            }
            if from > at {
                pieces.push((Span::new(at, from), false));
            }
            pieces.push((Span::new(from, to), true));
            at = to;
        }
        if at < end {
            pieces.push((Span::new(at, end), false));
        }
        pieces
    }
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The bytes where lines begin.
fn line_starts(text: &str) -> Vec<usize> {
    let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(breaks).collect()
}

fn safe_to_show(text: &str) -> String {
    text::escape(&redaction::redact(text)).into_owned()
}

/// Cuts a long line around its mark.
fn cut_around_mark(shown: &str, number: usize, offset: usize, length: usize) -> MarkedLine {
    let width = shown.chars().count();
    if width <= SHOWN_WIDTH {
        return MarkedLine {
            number,
            text: shown.trim_end().to_owned(),
            offset,
            length,
        };
    }
    let from = offset.saturating_sub(SHOWN_WIDTH / 3);
    let mut text: String = shown.chars().skip(from).take(SHOWN_WIDTH).collect();
    if from + SHOWN_WIDTH < width {
        text.push('…');
    }
    let mut offset = offset - from;
    if from > 0 {
        text.insert(0, '…');
        offset += 1;
    }
    MarkedLine {
        number,
        length: length.min(SHOWN_WIDTH - SHOWN_WIDTH / 3),
        text,
        offset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span_of(source: &Source, text: &str) -> Span {
        let start = source.text().find(text).unwrap();
        Span::new(start, start + text.len())
    }

    #[test]
    fn columns_count_characters_after_a_byte_order_mark() {
        let source = Source::new("a.yaml", "\u{feff}näme: x\r\nsecond: y\n");
        let x = span_of(&source, "x");
        assert_eq!(source.position(x.start), Position { line: 1, column: 7 });
        let second = span_of(&source, "second");
        assert_eq!(
            source.position(second.start),
            Position { line: 2, column: 1 }
        );
        assert_eq!(source.mark_line(x).text, "näme: x");
        let end = source.text().len();
        assert_eq!(source.position(end + 10).line, 3);
        assert_eq!(source.mark_line(Span { start: end, end }).text, "");
    }

    #[test]
    fn a_place_of_an_appended_file_has_that_files_name_and_lines() {
        let mut source = Source::new("a.yaml", "one: 1\ntwo: 2");
        let start = source.append("b.yaml", "\u{feff}three: 3\nfour: 4\n");
        let (one, four) = (span_of(&source, "2"), span_of(&source, "4"));
        assert_eq!(&source.text()[start..start + 5], "three");
        assert_eq!(source.name_at(one.start), "a.yaml");
        assert_eq!(source.position(one.end).line, 2);
        assert_eq!(source.name_at(four.start), "b.yaml");
        assert_eq!(source.position(four.start), Position { line: 2, column: 7 });
        let line = source.mark_line(four);
        assert_eq!((line.number, line.text.as_str()), (2, "four: 4"));
    }

    #[test]
    fn a_hidden_place_is_never_shown_and_marks_keep_their_place() {
        let mut source = Source::new("a.yaml", "{ secret: hunter2, clinet: 1 }");
        let secret = span_of(&source, "hunter2");
        source.hide([secret]);
        let line = source.mark_line(span_of(&source, "clinet"));
        assert_eq!(line.text, "{ secret: <hidden>, clinet: 1 }");
        assert_eq!(&line.text[line.offset..line.offset + line.length], "clinet");
        let line = source.mark_line(secret);
        assert_eq!(
            &line.text[line.offset..line.offset + line.length],
            "<hidden>"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let source = Source::new(
            "a.json",
            &format!("{}WRONG{}", "é".repeat(5000), "z".repeat(5000)),
        );
        let line = source.mark_line(span_of(&source, "WRONG"));
        let marked: String = line
            .text
            .chars()
            .skip(line.offset)
            .take(line.length)
            .collect();
        assert_eq!(marked, "WRONG");
        assert!(line.text.chars().count() <= SHOWN_WIDTH + 2);
    }

    #[test]
    fn a_line_cannot_move_the_cursor() {
        let source = Source::new("a.yaml", "name: \u{1b}[31mred\n");
        assert_eq!(
            source.mark_line(Span::default()).text,
            "name: \\u{1b}[31mred"
        );
    }
}
