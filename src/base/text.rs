//! Prepares text for display: escaping, redaction, fingerprints, plurals.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::secrets;

/// Makes text from a server safe to show: control characters (C0, DEL, C1) and the bidirectional
/// and zero-width controls become `\u{…}`, a line break becomes `\n`, so that no name can move a
/// cursor, colour a line or forge one.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_except(text, |_| false)
}

/// As [`escape`], but keeps line breaks and tabs.
pub fn escape_in_lines(text: &str) -> Cow<'_, str> {
    escape_except(text, |character| matches!(character, '\n' | '\t'))
}

fn escape_except(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let changes = |character: char| is_unsafe(character) && !keep(character);
    if !text.chars().any(changes) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            c if !changes(c) => safe.push(c),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c => {
                // Writing to a String cannot fail.
                _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    Cow::Owned(safe)
}

/// Makes a JSON text safe to show: what [`escape`] replaces becomes `\uXXXX`, as JSON writes it, so
/// that the text keeps its meaning. Keeps line breaks between values; a JSON string contains none.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    let changes = |character: char| is_unsafe(character) && !matches!(character, '\n' | '\t');
    if !json.chars().any(changes) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 8);
    for character in json.chars() {
        if changes(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                _ = write!(safe, "\\u{unit:04x}");
            }
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
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// Replaces a value that may be secret: `sha256:` and the first eight hexadecimal digits. Equal
/// values have equal fingerprints, so a change is visible while the value is not. From now on the
/// value is hidden wherever else it occurs ([`secrets`]).
pub fn fingerprint(value: &str) -> String {
    secrets::register_possible_secret(value);
    fingerprint_of(value)
}

/// Only computes the fingerprint; does not register the value.
pub(crate) fn fingerprint_of(value: &str) -> String {
    format!("sha256:{}", &sha256(value.as_bytes())[..8])
}

/// Removes from a text the registered secret values ([`secrets`]) and everything that looks like a
/// credential: JSON web tokens, and the values of `sig`, `code`, `client_secret`, `access_token`
/// and `client_assertion` parameters. The look of a credential is only the last safety net.
pub fn redact(text: &str) -> Cow<'_, str> {
    match secrets::hide(text) {
        Cow::Borrowed(text) => remove_credentials(text),
        Cow::Owned(text) => Cow::Owned(remove_credentials(&text).into_owned()),
    }
}

fn remove_credentials(text: &str) -> Cow<'_, str> {
    const SECRET_PARAMETERS: [&str; 5] = [
        "sig=",
        "code=",
        "client_secret=",
        "access_token=",
        "client_assertion=",
    ];
    let suspicious = text.contains("eyJ")
        || SECRET_PARAMETERS
            .iter()
            .any(|parameter| text.contains(parameter));
    if !suspicious {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let at_word_start = clean
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_ascii_alphanumeric());
        if at_word_start && rest.starts_with("eyJ") {
            let end = rest
                .find(|c: char| !is_token_character(c))
                .unwrap_or(rest.len());
            if rest[..end].matches('.').count() >= 1 && end > 20 {
                clean.push_str("<redacted token>");
                rest = &rest[end..];
                continue;
            }
        }
        if at_word_start
            && let Some(parameter) = SECRET_PARAMETERS.iter().find(|p| rest.starts_with(**p))
        {
            let value = &rest[parameter.len()..];
            let end = value
                .find(|c: char| c == '&' || c == '"' || c == '\'' || c.is_whitespace())
                .unwrap_or(value.len());
            _ = write!(
                clean,
                "{parameter}<redacted {}>",
                fingerprint_of(&value[..end])
            );
            rest = &value[end..];
            continue;
        }
        let mut characters = rest.chars();
        clean.extend(characters.next());
        rest = characters.as_str();
    }
    Cow::Owned(clean)
}

fn is_token_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn tokens_and_signatures_are_removed() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2ln";
        assert_eq!(
            redact(&format!("Bearer {token} end")),
            "Bearer <redacted token> end"
        );
        let url = redact("https://x/invoke?sp=1&sig=AbC-123&sv=1.0").into_owned();
        assert!(
            !url.contains("AbC-123") && url.ends_with("&sv=1.0"),
            "{url}"
        );
        assert_eq!(redact("designation=left"), "designation=left");
        assert_eq!(redact("eyJust a word"), "eyJust a word");
    }

    #[test]
    fn counts_read_as_english() {
        assert_eq!(count(1, "flow"), "1 flow");
        assert_eq!(count(0, "flow"), "0 flows");
        assert_eq!(count(2, "policy"), "2 policies");
        assert_eq!(count(3, "key"), "3 keys");
    }
}
