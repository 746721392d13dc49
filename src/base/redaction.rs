//! Removes secrets from texts that leave the program.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::secrets::{hide, register_possible_secret};
use super::text::{escape, fingerprint_of};

/// Replaces a value that may be secret: `sha256:` and the first eight hexadecimal digits. Equal
/// values have equal fingerprints, so a change is visible while the value is not. From now on the
/// value is hidden wherever else it occurs.
pub fn fingerprint(value: &str) -> String {
    register_possible_secret(value);
    fingerprint_of(value)
}

/// Removes from a text the registered secret values ([`hide`]) and everything that looks like a
/// credential: JSON web tokens, and the values of `sig`, `code`, `client_secret`, `access_token`
/// and `client_assertion` parameters. The look of a credential is only the last safety net.
pub fn redact(text: &str) -> Cow<'_, str> {
    match hide(text) {
        Cow::Borrowed(text) => remove_credentials(text),
        Cow::Owned(text) => Cow::Owned(remove_credentials(&text).into_owned()),
    }
}

/// A text of a server, a runbook or a state file on one line: without credentials ([`redact`]) and
/// safe to show ([`escape`]).
pub fn redacted_line(text: &str) -> String {
    escape(&redact(text)).into_owned()
}

fn remove_credentials(text: &str) -> Cow<'_, str> {
    const SECRET_PARAMETERS: [&str; 5] = [
        "sig=",
        "code=",
        "client_secret=",
        "access_token=",
        "client_assertion=",
    ];
    if !text.contains("eyJ") && !SECRET_PARAMETERS.iter().any(|it| text.contains(it)) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
