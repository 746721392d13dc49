//! Replaces the registered values in texts and in JSON.

use std::borrow::Cow;

use serde_json::Value;
use uuid::Uuid;

use super::matcher::places;
use super::registry::current_matchers;

/// Replaces every registered secret value by its fingerprint.
pub fn hide(text: &str) -> Cow<'_, str> {
    let places = places(&current_matchers(), text);
    if places.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut clean = String::new();
    let mut from = 0;
    for (start, end, hidden) in places {
        clean.push_str(&text[from..start]);
        clean.push_str(&hidden.replacement);
        from = end;
    }
    clean.push_str(&text[from..]);
    Cow::Owned(clean)
}

/// Hides secret values in every string of a JSON value. Keeps a string that is an id, because the
/// program continues with it.
pub fn hide_in_json(value: &mut Value) {
    match value {
        Value::String(text) => {
            if Uuid::try_parse(text).is_err()
                && let Cow::Owned(clean) = hide(text)
            {
                *text = clean;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_in_json),
        Value::Object(members) => members.values_mut().for_each(hide_in_json),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD_NO_PAD;

    use super::super::registry::LONG;
    use super::super::{
        register_possible_secret, register_public, register_secret, register_token,
    };
    use super::*;
    use crate::base::encoding::{ALL_BUT_UNRESERVED, percent_encode};
    use crate::base::redaction::fingerprint;
    use crate::base::text::{escape, fingerprint_of};

    #[test]
    fn a_value_is_hidden_in_every_form_in_which_it_may_return() {
        let value = "s3cr3t/\"quoted\"\n+ä&<end>";
        register_secret(value);
        let json = Value::from(value).to_string();
        let twice = Value::from(json.as_str()).to_string();
        let percent = percent_encode(value, ALL_BUT_UNRESERVED);
        let html = "s3cr3t/&quot;quoted&quot;\n+ä&amp;&lt;end&gt;";
        let texts = [
            format!("the value {value} is wrong"),
            json,
            twice,
            format!("https://x/?a={percent}&b=1"),
            format!(
                "https://x/?a={}",
                percent
                    .replace("%C3%A4", "%c3%a4")
                    .replace("%2F", "%2f")
                    .replace("%2B", "%2b")
                    .replace("%3C", "%3c")
                    .replace("%3E", "%3e")
                    .replace("%0A", "%0a")
            ),
            html.to_owned(),
            escape(value).into_owned(),
        ];
        for text in texts {
            let hidden = hide(&text);
            assert!(hidden.contains(&fingerprint_of(value)), "{text}");
            assert!(!hidden.contains("s3cr3t"), "{hidden}");
        }
        for prefix in ["", "u", "us", "user:"] {
            let encoded = BASE64_STANDARD_NO_PAD.encode(format!("{prefix}{value}~"));
            let hidden = hide(&encoded).into_owned();
            assert!(hidden.contains("sha256:"), "{prefix}: {hidden}");
        }
    }

    #[test]
    fn short_values_and_common_words_are_not_hidden() {
        for word in [
            "abc12",
            "production",
            "Contoso Store",
            "true",
            "10000000",
            "3.14159",
        ] {
            register_possible_secret(word);
        }
        register_possible_secret("https://shop.word.example");
        let text = "abc12 is production of Contoso Store at https://shop.word.example: 10000000";
        assert_eq!(hide(text), text);
        register_secret("q7x9z2");
        assert_eq!(hide("aq7x9z2b q7x9z"), "aq7x9z2b q7x9z");
        assert_eq!(
            hide("it is 'q7x9z2'."),
            format!("it is '{}'.", fingerprint_of("q7x9z2"))
        );
        assert_eq!(
            hide("line\\nq7x9z2"),
            format!("line\\n{}", fingerprint_of("q7x9z2"))
        );
    }

    #[test]
    fn a_value_that_the_runbook_shows_is_not_hidden() {
        let id = "0b5f5ac2-6c64-4f4e-8d8b-0c0a4cf2b3d1";
        register_possible_secret(id);
        assert_ne!(hide(id), id);
        let mut kept = Value::from(id);
        hide_in_json(&mut kept);
        assert_eq!(kept, id, "the program continues with ids");
        register_public(id);
        assert_eq!(hide(id), id);
    }

    #[test]
    fn a_value_that_is_shown_as_a_fingerprint_is_hidden_everywhere() {
        let value = "uat-hash-4711-fingerprinted";
        let shown = fingerprint(value);
        assert_eq!(hide(&format!("x={value};")), format!("x={shown};"));
        let mut document = serde_json::json!({ "a": [format!("said {value}")], "n": 1 });
        hide_in_json(&mut document);
        assert_eq!(
            document,
            serde_json::json!({ "a": [format!("said {shown}")], "n": 1 })
        );
    }

    #[test]
    fn values_that_are_registered_one_by_one_are_all_hidden_by_few_matchers() {
        let values: Vec<String> = (0..300).map(|n| format!("token-{n:04}-of-many")).collect();
        for (index, value) in values.iter().enumerate() {
            register_token(value);
            let text = values[..=index].join(" ");
            let hidden = hide(&text).into_owned();
            assert!(!hidden.contains("-of-many"), "{index}: {hidden}");
            let matchers = current_matchers().len();
            assert!(matchers <= 9, "{matchers} matchers of {index} values");
        }
    }

    #[test]
    fn the_longest_of_two_values_is_hidden_whichever_was_registered_first() {
        for (first, second) in [
            ("abcdabcdabcd", "abcdabcdabcd-and-more"),
            ("efghefghefgh-and-more", "efghefghefgh"),
        ] {
            for value in [first, second] {
                register_token(value);
                assert_ne!(hide(value), value);
            }
            let longest = if first.len() > second.len() {
                first
            } else {
                second
            };
            assert_eq!(hide(longest), fingerprint_of(longest));
        }
    }

    #[test]
    fn values_that_overlap_across_matchers_are_hidden_as_by_one_matcher() {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|letter| letter.repeat(LONG));
        // Of these two, one matcher finds only the first in "…bcd", because they overlap.
        register_token(&format!("{b}{c}"));
        register_token(&format!("{c}{d}"));
        assert_eq!(hide("nothing"), "nothing");
        // Another matcher finds this one, which takes the place of the first.
        let first = format!("{a}{b}");
        register_token(&first);
        let hidden = hide(&format!("{a}{b}{c}{d}")).into_owned();
        assert_eq!(current_matchers().len(), 2);
        let last = fingerprint_of(&format!("{c}{d}"));
        assert_eq!(hidden, format!("{}{last}", fingerprint_of(&first)));
    }

    #[test]
    fn a_long_value_is_hidden_line_by_line() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nshort\n-----END KEY-----\n";
        register_secret(key);
        let hidden = hide("line 2 is MIIEvQIBADANBgkqhkiG9w0BAQ, short").into_owned();
        assert!(
            !hidden.contains("MIIEvQ") && hidden.ends_with(", short"),
            "{hidden}"
        );
    }
}
