//! Prepares text for display: escaping, digests, plurals, durations.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// What the text of an error says before the id of its request; a closing parenthesis follows the id.
pub const REQUEST_ID: &str = " (request id ";

/// Makes text from a server safe to show: control characters (C0, DEL, C1) and the bidirectional
/// and zero-width controls become `\u{…}`, a line break becomes `\n`, so that no name can move a
/// cursor, colour a line or forge one.
pub fn escape(text: &str) -> Cow<'_, str> {
    replace_unsafe(text, "", escape_character)
}

/// As [`escape`], but keeps line breaks and tabs.
pub fn escape_in_lines(text: &str) -> Cow<'_, str> {
    replace_unsafe(text, "\n\t", escape_character)
}

fn escape_character(safe: &mut String, character: char) {
    match character {
        '\n' => safe.push_str("\\n"),
        '\r' => safe.push_str("\\r"),
        '\t' => safe.push_str("\\t"),
        // Writing to a String cannot fail.
        other => _ = write!(safe, "\\u{{{:x}}}", u32::from(other)),
    }
}

/// Makes a JSON text safe to show: what [`escape`] replaces becomes `\uXXXX`, as JSON writes it, so
/// that the text keeps its meaning. Keeps line breaks between values; a JSON string contains none.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    replace_unsafe(json, "\n\t", |safe, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            _ = write!(safe, "\\u{unit:04x}");
        }
    })
}

/// Replaces every unsafe character but those in `kept`.
fn replace_unsafe<'a>(
    text: &'a str,
    kept: &str,
    replace: impl Fn(&mut String, char),
) -> Cow<'a, str> {
    let changes = |character: char| is_unsafe(character) && !kept.contains(character);
    if !text.chars().any(changes) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if changes(character) {
            replace(&mut safe, character);
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// Control characters (C0, DEL, C1), bidirectional controls, and invisible characters: soft hyphen,
/// joiners, fillers, Mongolian variation selectors, invisible operators, annotation marks, and tags
/// (Unicode 16, `Default_Ignorable_Code_Point` without the variation selectors of emoji).
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The SHA-256 of these bytes, in 64 lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&digest(bytes))
}

/// The SHA-256 of a value's JSON without spaces, in 64 lower-case hexadecimal digits. The JSON is not
/// built in memory.
pub fn sha256_of_json(value: &impl Serialize) -> String {
    let mut written = Hashed(Sha256::new());
    // Writing never fails; neither does a value whose map keys are texts.
    serde_json::to_writer(&mut written, value).ok();
    hex(&written.0.finalize())
}

/// Hashes what is written.
struct Hashed(Sha256);

impl io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The SHA-256 of these bytes.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// These bytes in lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// Only computes the fingerprint; does not register the value.
pub(crate) fn fingerprint_of(value: &str) -> String {
    format!("sha256:{}", &sha256(value.as_bytes())[..8])
}

/// A number and its noun: `1 flow`, `2 flows`. Takes the singular; the plural adds `s`, and a
/// final `y` after a consonant becomes `ies`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        return format!("1 {noun}");
    }
    let before_y = noun
        .strip_suffix('y')
        .and_then(|stem| stem.chars().next_back());
    match before_y {
        Some(letter) if !"aeiou".contains(letter) => {
            format!("{number} {}ies", &noun[..noun.len() - 1])
        }
        _ => format!("{number} {noun}s"),
    }
}

/// Names in one line: at most the first `limit`, then how many more there are.
pub fn list_first(names: &[impl AsRef<str>], limit: usize, separator: &str) -> String {
    let listed: Vec<&str> = names.iter().take(limit).map(AsRef::as_ref).collect();
    let line = listed.join(separator);
    match names.len() - listed.len() {
        0 => line,
        more => format!("{line}{separator}and {more} more"),
    }
}

/// The two largest units of a duration: `1 h 32 min`, `3 min 5 s`, `12 s`, `0 s`. Every text spells a
/// duration so.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest} s"),
        (0, _) if rest == 0 => format!("{minutes} min"),
        (0, _) => format!("{minutes} min {rest} s"),
        (_, 0) => format!("{hours} h"),
        _ => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shown_in_at_most_two_units() {
        let text = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(text(0), "0 s");
        assert_eq!(text(59), "59 s");
        assert_eq!(text(120), "2 min");
        assert_eq!(text(185), "3 min 5 s");
        assert_eq!(text(3600), "1 h");
        assert_eq!(text(5520), "1 h 32 min");
    }

    #[test]
    fn names_cannot_move_the_cursor_or_reverse_the_line() {
        assert_eq!(escape("plain – näme"), "plain – näme");
        assert_eq!(escape("a\u{1b}[31mb\u{7}"), "a\\u{1b}[31mb\\u{7}");
        assert_eq!(
            escape("a\u{9b}b\u{202e}c\u{200b}"),
            "a\\u{9b}b\\u{202e}c\\u{200b}"
        );
        assert_eq!(escape("one\r\ntwo"), "one\\r\\ntwo");
    }

    #[test]
    fn invisible_characters_are_shown_and_line_breaks_stay() {
        assert_eq!(
            escape("a\u{ad}b\u{2066}c\u{2061}d\u{e0041}"),
            "a\\u{ad}b\\u{2066}c\\u{2061}d\\u{e0041}"
        );
        assert_eq!(
            escape_in_lines("a\n\tb\r\u{1b}]8;;x\u{7}"),
            "a\n\tb\\r\\u{1b}]8;;x\\u{7}"
        );
    }

    #[test]
    fn escaped_json_keeps_its_meaning() {
        let text = "a\u{202e}b\u{200b}\u{7f}\u{9b}\u{e0041}ä\u{1b}";
        let json = serde_json::to_string(text).unwrap();
        let safe = escape_json(&json);
        assert_eq!(
            safe,
            "\"a\\u202eb\\u200b\\u007f\\u009b\\udb40\\udc41ä\\u001b\""
        );
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
    }

    #[test]
    fn a_list_names_the_first_and_counts_the_rest() {
        assert_eq!(list_first(&["a", "b"], 2, ", "), "a, b");
        assert_eq!(list_first(&["a", "b", "c"], 2, "; "), "a; b; and 1 more");
        assert_eq!(list_first(&[] as &[&str], 2, ", "), "");
    }

    #[test]
    fn counts_read_as_english() {
        assert_eq!(count(1, "flow"), "1 flow");
        assert_eq!(count(0, "flow"), "0 flows");
        assert_eq!(count(2, "policy"), "2 policies");
        assert_eq!(count(3, "key"), "3 keys");
    }
}
