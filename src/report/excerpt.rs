//! The line of a runbook above a message about it, with the carets below it: it is cut at the width
//! of a terminal, because the carets would not fit to a line that is wrapped.

/// The place of the caret in a narrow excerpt: a third of the line stays before it.
const BEFORE: usize = 3;

/// Is this the line with the carets of an excerpt: `   |   ^^^`?
pub(super) fn is_marker(line: &str) -> bool {
    line.split_once("| ").is_some_and(|(margin, mark)| {
        let mark = mark.trim_start_matches(' ');
        margin.trim_matches(' ').is_empty() && !mark.is_empty() && mark.bytes().all(|it| it == b'^')
    })
}

/// The line of an excerpt and its carets in at most so many columns. Takes both as they are without
/// a terminal: the margin of both has the same width.
pub(super) fn fit_excerpt(line: &str, marker: &str, width: usize) -> [String; 2] {
    let margin = marker.find("| ").map_or(0, |at| at + 2);
    let room = width.saturating_sub(margin);
    let text: Vec<char> = line.chars().skip(margin).collect();
    let marks = &marker[margin..];
    if text.len().max(marks.len()) <= room || room < BEFORE {
        return [line.to_owned(), marker.to_owned()];
    }
    let head: String = line.chars().take(margin).collect();
    let start = marks.len() - marks.trim_start_matches(' ').len();
    // What is before the mark is cut only where the mark's beginning would not be seen.
    let from = if start < room - room / BEFORE {
        0
    } else {
        start - room / BEFORE
    };
    let mut shown: Vec<char> = text.iter().copied().skip(from).take(room).collect();
    if from > 0 {
        shown[0] = '…';
    }
    if from + room < text.len()
        && let Some(last) = shown.last_mut()
    {
        *last = '…';
    }
    let marks: String = marks.chars().skip(from).take(room).collect();
    let shown: String = shown.into_iter().collect();
    [
        format!("{head}{shown}"),
        format!("{}{marks}", &marker[..margin]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_are_recognised_and_text_is_not() {
        for marker in [" 1 | ^", "    | ^^^", "   |      ^"] {
            assert_eq!(is_marker(marker), !marker.contains('1'), "{marker}");
        }
        for other in ["", "   | ", " a | ^^", "   | ^ here", "   = help: x"] {
            assert!(!is_marker(other), "{other}");
        }
    }

    #[test]
    fn a_long_line_and_its_carets_are_cut_at_the_same_place() {
        let fit = |line: &str, marker: &str| {
            let [line, marker] = fit_excerpt(line, marker, 20);
            format!("{line}\n{marker}")
        };
        let short = fit(" 11 | act-as: me", "    |         ^^");
        assert_eq!(short, " 11 | act-as: me\n    |         ^^");
        assert_eq!(
            fit(
                " 11 | act-as: FILL IN: the user",
                "    |         ^^^^^^^^^^^^^^^^^"
            ),
            " 11 | act-as: FILL …\n    |         ^^^^^^"
        );
        assert_eq!(
            fit(
                " 11 | name: a, environment: x, more: y",
                "    |                       ^"
            ),
            " 11 | …t: x, more: y\n    |     ^"
        );
    }
}
