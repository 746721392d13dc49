//! Replacing text in a flow's definition, so that a second time changes nothing.

use std::borrow::Cow;

use serde_json::Value;

use crate::base::redaction::redact;
use crate::base::text::escape;

/// The text with every `find` replaced. A text that is replaced already is left as it is, even if
/// the new text contains the old one (`shop` by `shop-uat`). A definition is JSON text: a `find`
/// with quotes or backslashes is also found as JSON writes it, and its replacement is then written
/// so too.
pub(crate) fn replaced<'a>(text: &'a str, find: &str, with: &str) -> Cow<'a, str> {
    if find.is_empty() {
        return Cow::Borrowed(text);
    }
    let once = verbatim(text, find, with);
    let (json_find, json_with) = (inside_json(find), inside_json(with));
    if json_find == find {
        // `with` may need escaping anyway: its quotes would end the string around it.
        return if json_with == with || is_json(&once) {
            once
        } else {
            verbatim(text, find, &json_with)
        };
    }
    match verbatim(&once, &json_find, &json_with) {
        Cow::Borrowed(_) => once,
        Cow::Owned(twice) => Cow::Owned(twice),
    }
}

fn verbatim<'a>(text: &'a str, find: &str, with: &str) -> Cow<'a, str> {
    let replaced = if with.contains(find) {
        let parts: Vec<String> = text
            .split(with)
            .map(|part| part.replace(find, with))
            .collect();
        parts.join(with)
    } else {
        text.replace(find, with)
    };
    if replaced == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(replaced)
    }
}

fn inside_json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok()
}

/// A replaced text as it may be shown: what looks like a signature or a token as its fingerprint.
pub(crate) fn for_message(text: &str) -> String {
    redact(&escape(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_a_second_time_changes_nothing() {
        for (text, find, with, expected) in [
            (
                r#"{"a":"https://shop/x"}"#,
                "https://shop/",
                "https://uat/",
                r#"{"a":"https://uat/x"}"#,
            ),
            (
                r#"{"a":"shop and shop-uat"}"#,
                "shop",
                "shop-uat",
                r#"{"a":"shop-uat and shop-uat"}"#,
            ),
            (r#"{"a":"xx"}"#, "x", "", r#"{"a":""}"#),
            (r#"{"a":"none"}"#, "other", "new", r#"{"a":"none"}"#),
        ] {
            let once = replaced(text, find, with).into_owned();
            assert_eq!(once, expected);
            assert!(matches!(replaced(&once, find, with), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn quotes_are_found_as_json_writes_them_and_written_so() {
        let text = r#"{"a":"name eq \"old\""}"#;
        assert_eq!(
            replaced(text, r#"eq "old""#, r#"eq "new""#),
            r#"{"a":"name eq \"new\""}"#
        );
        assert_eq!(
            replaced(r#"{"a":"x"}"#, "x", r#"say "y""#),
            r#"{"a":"say \"y\""}"#
        );
        assert_eq!(
            replaced(
                r#"{"api":{"name":"shared_old"}}"#,
                r#""shared_old""#,
                r#""shared_new""#
            ),
            r#"{"api":{"name":"shared_new"}}"#
        );
    }

    #[test]
    fn a_signature_is_shown_as_its_fingerprint() {
        let shown = for_message("https://x/invoke?sp=1&sig=SECRET0123&v=1");
        assert!(
            !shown.contains("SECRET0123") && shown.contains("sha256:"),
            "{shown}"
        );
    }
}
