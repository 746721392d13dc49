//! Markdown, as GitHub and Azure Pipelines read it: texts without any meaning in it, tables, lists.

use crate::base::secrets;
use crate::base::text::escape;

/// A table. Takes its header and its rows, whose cells are escaped already.
pub(super) fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let row = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule: Vec<String> = head.iter().map(|_| "---".to_owned()).collect();
    let mut table = vec![row(&head), row(&rule)];
    table.extend(rows.into_iter().map(|cells| row(&cells)));
    table.join("\n")
}

/// A list under a heading, which begins with its marks. Empty without items.
pub(super) fn list(heading: &str, items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items = items.iter().map(|item| format!("\n- {}", text(item)));
    format!("{heading}\n{}", items.collect::<String>())
}

/// Several texts in one table cell.
pub(super) fn cell_of_lines(texts: &[String]) -> String {
    let lines: Vec<String> = texts.iter().map(|line| text(line)).collect();
    lines.join("<br>")
}

/// Text without any Markdown meaning and without a secret of the runbook, for a line or a table cell.
pub(super) fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for character in escape(&secrets::hide(text)).chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            // A name must not mention a user of the platform.
            '@' => safe.push_str("&#64;"),
            // `##vso[` and a leading `::` would be commands in a pipeline's log.
            '#' => safe.push_str("&#35;"),
            ':' if safe.ends_with(':') => safe.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                safe.push('\\');
                safe.push(character);
            }
            character => safe.push(character),
        }
    }
    safe
}

/// Text as code, for a line or a table cell. Code in a cell cannot contain backticks and bars, so
/// such a text is not shown as code.
pub(super) fn code(given: &str) -> String {
    if given.is_empty() || given.contains(['`', '|', '#']) || given.contains("::") {
        return text(given);
    }
    format!("`{}`", escape(&secrets::hide(given)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_breaks_a_cell_or_becomes_markup() {
        assert_eq!(text("a|b"), "a\\|b");
        assert_eq!(text("<b>&[x](y)"), "&lt;b&gt;&amp;\\[x\\](y)");
        assert_eq!(text("one\ntwo"), "one\\\\ntwo");
        assert_eq!(
            text("##vso[task.complete]"),
            "&#35;&#35;vso\\[task.complete\\]"
        );
        assert_eq!(text("::error::x"), ":&#58;error:&#58;x");
        assert_eq!(text("@everybody"), "&#64;everybody");
    }

    #[test]
    fn code_that_would_end_its_cell_is_shown_as_text() {
        assert_eq!(code("a/b"), "`a/b`");
        assert_eq!(code("a|`b`"), "a\\|\\`b\\`");
    }
}
