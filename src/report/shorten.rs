//! A long text in a limited width.

use console::measure_text_width;

/// The text in at most so many columns. A longer one ends with `…`, after a whole word unless too
/// little would be left. The text may hold control characters.
pub(super) fn shortened(text: &str, columns: usize) -> String {
    let (mut used, mut end) = (0, 0);
    for (at, character) in text.char_indices() {
        used += measure_text_width(character.encode_utf8(&mut [0; 4]));
        if used > columns {
            return cut_at(text, end);
        }
        // One column stays free for the sign.
        if used < columns {
            end = at + character.len_utf8();
        }
    }
    text.to_owned()
}

/// The beginning of a text to this byte, or to the word before it.
fn cut_at(text: &str, end: usize) -> String {
    let (kept, rest) = text.split_at(end);
    let word_end = kept.rfind(' ').filter(|word| word * 2 >= end);
    let kept = match word_end {
        Some(word) if !rest.starts_with(' ') => &kept[..word],
        _ => kept,
    };
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_ends_with_a_whole_word_where_one_ends() {
        for (text, columns, expected) in [
            ("short", 5, "short"),
            ("one two three", 12, "one two…"),
            ("one two three", 8, "one two…"),
            ("one two three", 9, "one two…"),
            // More than half of it would be lost.
            ("no abcdefghijkl", 10, "no abcdef…"),
            ("abcdefgh", 4, "abc…"),
            // A wide character takes two columns.
            ("日本語日本語", 6, "日本…"),
            ("x", 0, "…"),
        ] {
            assert_eq!(shortened(text, columns), expected);
        }
        assert!(shortened("\u{1b}[31mé日本 and more", 9).ends_with('…'));
    }
}
