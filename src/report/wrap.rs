//! Word wrap at the width of a terminal. The lines that continue another one begin below its text,
//! not at the margin, so that the head of each line stands out.

use console::{measure_text_width, strip_ansi_codes};

use super::excerpt::{fit_excerpt, is_marker};

/// In a narrower terminal, text is not wrapped.
const NARROWEST: usize = 40;

/// How many columns a usual terminal has.
const USUAL: usize = 80;

/// What a line of a list begins with.
const MARKS: [&str; 6] = ["[ ] ", "- ", "… ", "~ ", "! ", "? "];

/// The text with lines of at most `width` columns, broken between words. A word that is longer, a
/// command and a duration stay whole: a command can be copied. A long name in quotes is broken, and an
/// excerpt of a runbook is cut. Without a width, only a link at the end of a line has its own line.
pub(super) fn wrapped(text: &str, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| *width >= NARROWEST) else {
        let lines = text.split('\n').map(with_link_below);
        return lines.collect::<Vec<_>>().join("\n");
    };
    let mut lines = text.split('\n').peekable();
    let mut wrapped = Vec::new();
    while let Some(line) = lines.next() {
        match lines.next_if(|next| is_marker(next)) {
            Some(marker) => wrapped.extend(fit_excerpt(line, marker, width)),
            None => wrapped.push(wrapped_line(line, width)),
        }
    }
    wrapped.join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    if measure_text_width(line) <= width {
        return line.to_owned();
    }
    let indent = hanging_indent(line, width);
    if let Some((text, address)) = link_at_end(line) {
        let text = wrapped_line(text, width);
        return format!("{text}\n{}{address}", " ".repeat(indent));
    }
    let mut text = String::new();
    let mut column = 0;
    let room = width.saturating_sub(indent);
    let parts = words(line).into_iter().flat_map(|(spaces, word)| {
        let parts = name_parts(word, room);
        let places = parts.into_iter().enumerate();
        places.map(move |(at, part)| (if at == 0 { spaces } else { 0 }, part))
    });
    for (spaces, word) in parts {
        let length = measure_text_width(word);
        if column > indent && column + spaces + length > width {
            // A terminal would break a word that fits only further to the left.
            column = match width.checked_sub(length) {
                Some(room) => indent.min(room),
                None => indent,
            };
            text.push('\n');
            text.push_str(&" ".repeat(column));
        } else {
            text.push_str(&" ".repeat(spaces));
            column += spaces;
        }
        text.push_str(word);
        column += length;
    }
    text
}

/// The line with a link at its end on a line of its own: beside a parenthesis it cannot be clicked or
/// copied.
fn with_link_below(line: &str) -> String {
    let Some((text, address)) = link_at_end(line) else {
        return line.to_owned();
    };
    let indent = hanging_indent(line, USUAL);
    format!("{text}\n{}{address}", " ".repeat(indent))
}

/// The text of a line that ends with a link, `(open https://…)`, and the address. On a line of its own
/// it can be opened and copied; no terminal of a usual width has room for it after a text.
fn link_at_end(line: &str) -> Option<(&str, &str)> {
    let (text, address) = line.strip_suffix(')')?.rsplit_once(" (open ")?;
    let is_web = address.starts_with("https://") || address.starts_with("http://");
    (is_web && !address.contains(' ')).then_some((text, address))
}

/// A word in parts. A name in quotes that does not fit into a line with its indent is broken after a
/// sign; any other word stays whole.
fn name_parts(word: &str, room: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = word;
    while rest.len() > room && word.starts_with('\'') && word.is_ascii() && room > NARROWEST / 2 {
        let end = rest[..room]
            .rfind(['/', '_', '-', '.'])
            .map_or(room, |at| at + 1);
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

/// The column at which the lines that continue this one begin: below the text after a list's mark,
/// below the second column of a table, else two columns to the right of the line's beginning.
fn hanging_indent(line: &str, width: usize) -> usize {
    let plain = strip_ansi_codes(line);
    let body = plain.trim_start_matches(' ');
    let start = plain.len() - body.len();
    if let Some(mark) = MARKS.iter().find(|mark| body.starts_with(**mark)) {
        return start + mark.chars().count();
    }
    let table = body.split_once("  ").map(|(head, rest)| {
        let gap = 2 + rest.len() - rest.trim_start_matches(' ').len();
        start + measure_text_width(head) + gap
    });
    // The names of the steps take 30 of the 80 columns of a usual terminal.
    let beside = table.filter(|column| *column <= width * 2 / 5);
    beside.unwrap_or((start + 2).min(width / 2))
}

/// A longer code span is broken as text is.
const LONGEST_CODE: usize = 40;

/// The words of a line, each with the number of spaces before it. A command, from `iomcopy` to the
/// end of the line or of its code span, is one word, and so are a duration and a short code span.
fn words(line: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let word = rest.trim_start_matches(' ');
        if word.is_empty() {
            return words;
        }
        let spaces = rest.len() - word.len();
        let end = word_end(word);
        words.push((spaces, &word[..end]));
        rest = &word[end..];
    }
}

/// The end of the first word of this text.
fn word_end(text: &str) -> usize {
    let space = |text: &str| text.find(' ').unwrap_or(text.len());
    if text.starts_with("iomcopy ") {
        return text.len();
    }
    let Some(code) = text.strip_prefix('`') else {
        return duration_end(text).unwrap_or_else(|| space(text));
    };
    let is_command = code.starts_with("iomcopy ");
    match code.find('`') {
        Some(end) if is_command || end <= LONGEST_CODE => {
            let closed = text.len() - code.len() + end;
            closed + space(&text[closed..])
        }
        _ => space(text),
    }
}

/// Where a duration ends, such as `(1 min 29 s)`, if the text begins with one.
fn duration_end(text: &str) -> Option<usize> {
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_unit = |word: &str| {
        let unit = word.trim_end_matches([')', ',', '.', ';', ':']);
        matches!(unit, "h" | "min" | "s")
    };
    let mut end = None;
    let mut at = text.len() - text.trim_start_matches('(').len();
    loop {
        let Some((number, rest)) = text[at..].split_once(' ') else {
            return end;
        };
        let unit = rest.split(' ').next().unwrap_or_default();
        if !is_number(number) || !is_unit(unit) {
            return end;
        }
        at += number.len() + 1 + unit.len();
        end = Some(at);
        // Punctuation ends it.
        if !unit.ends_with(char::is_alphanumeric) || !text[at..].starts_with(' ') {
            return end;
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_not_broken() {
        let text = "  done connect 'x' of the provider (1 min 29 s)";
        assert_eq!(
            wrapped(text, Some(40)),
            "  done connect 'x' of the provider\n    (1 min 29 s)"
        );
        assert_eq!(duration_end("8 h of 12 h"), Some(3));
        assert_eq!(duration_end("2 h, 3 min"), Some(4));
        for other in ["12 changes", "1", "min 3 s", "", "(", "3 s2"] {
            assert_eq!(duration_end(other), None, "{other}");
        }
    }

    #[test]
    fn words_stay_whole_and_lines_continue_below_their_text() {
        let at = |text: &str| wrapped(text, Some(40));
        let long = "one two three four five six seven eight nine ten";
        assert_eq!(
            at(long),
            "one two three four five six seven eight\n  nine ten"
        );
        assert_eq!(
            at(&format!("  [ ] {long}")),
            "  [ ] one two three four five six seven\n      eight nine ten"
        );
        assert_eq!(
            at(&format!("failed   {long}")),
            "failed   one two three four five six\n         seven eight nine ten"
        );
        // Each line of a text has its own indent; what fits is unchanged.
        assert_eq!(
            at(&format!("a  b\n         found: {long}")),
            "a  b\n         found: one two three four five\n           six seven eight nine ten"
        );
        // A long word that fits is not broken by the terminal.
        let word = "x".repeat(36);
        assert_eq!(
            at(&format!("         found: {word}, then")),
            format!("         found:\n   {word},\n           then")
        );
        let word = "x".repeat(60);
        assert_eq!(
            at(&format!("the {word} end")),
            format!("the\n  {word}\n  end")
        );
        assert_eq!(wrapped(long, None), long);
        assert_eq!(wrapped(long, Some(20)), long, "too narrow to be read");
    }

    #[test]
    fn a_long_name_keeps_the_indent_and_a_link_has_its_own_line() {
        let name = "'msdyn_lab/msdyn_lab_outbound_email'";
        assert_eq!(
            wrapped(&format!("         found: {name}: is a parameter"), Some(40)),
            "         found: 'msdyn_lab/msdyn_lab_\n           outbound_email': is a\n           parameter"
        );
        let address = "https://uat.test/main.aspx?pagetype=entityrecord&id=1";
        assert_eq!(
            wrapped(
                &format!("  [ ] 'FedEx': deactivate it (open {address})"),
                Some(40)
            ),
            format!("  [ ] 'FedEx': deactivate it\n      {address}")
        );
        assert_eq!(
            wrapped(&format!("  [ ] deactivate it (open {address})\nend"), None),
            format!("  [ ] deactivate it\n      {address}\nend"),
            "in a pipe"
        );
        let short = "[ ] look (open https://a.test/x)";
        assert_eq!(wrapped(short, Some(40)), short);
    }

    #[test]
    fn an_excerpt_is_cut_and_not_wrapped() {
        let text = "a.yaml:1:9: error: x\n 1 | act-as: \"FILL IN: the user who will own the flows\"\n   |         \
                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n   = help: y";
        assert_eq!(
            wrapped(text, Some(40)),
            "a.yaml:1:9: error: x\n 1 | act-as: \"FILL IN: the user who wil…\n   |         \
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^\n   = help: y"
        );
    }

    #[test]
    fn colour_has_no_width() {
        let text = "\u{1b}[31merror:\u{1b}[0m one two three four five six seven";
        assert_eq!(measure_text_width(text), 40);
        assert_eq!(wrapped(text, Some(40)), text);
        assert_eq!(
            wrapped(&format!("{text} eight"), Some(40)),
            format!("{text}\n  eight")
        );
    }

    #[test]
    fn a_short_code_span_is_not_broken_and_a_row_continues_below_its_second_column() {
        assert_eq!(
            wrapped(
                "write a rule, or `containment: { parameters: source }`",
                Some(44)
            ),
            "write a rule, or\n  `containment: { parameters: source }`"
        );
        let row = "  4 activate-flows            done      23 changes, 9 min 47 s; 5 planned \
                   changes were not needed";
        assert_eq!(
            wrapped(row, Some(80)),
            "  4 activate-flows            done      23 changes, 9 min 47 s; 5 planned\n                              \
             changes were not needed"
        );
    }

    #[test]
    fn a_command_is_not_broken() {
        let command = "iomcopy run uat.yaml --confirm-target \"Contoso UAT\"";
        assert_eq!(
            wrapped(&format!("next: {command}"), Some(40)),
            format!("next:\n  {command}")
        );
        assert_eq!(
            wrapped(
                &format!("when it is done: `{command}`, or look again"),
                Some(40)
            ),
            format!("when it is done:\n  `{command}`,\n  or look again")
        );
    }
}
