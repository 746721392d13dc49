//! The secret values that this process knows, and how they are kept out of everything that is
//! printed or recorded.
//!
//! A service may repeat in an error, an annotation or a status what it was sent, and nobody can see
//! in such a text which part of it is a secret. So each value is made known here when the program
//! first reads it: a secret of the runbook, a token, and every value that is shown as a fingerprint.
//! Everything that is printed, and every free text that is recorded, passes through [`hide`], which
//! replaces the value by its fingerprint. Captures do not: they keep the service's bytes.
//!
//! A value is found as it is, escaped for JSON (once and twice), for a URL, for HTML and for a
//! terminal, and in base64.
//!
//! Which values are hidden:
//!
//! | Value | Hidden |
//! |---|---|
//! | shorter than 6 characters | never: it would be found in half of all words |
//! | [`secret`] or [`token`] | wherever it occurs; from 6 to 11 characters only as a whole word |
//! | [`maybe_secret`] | the same, unless it is plainly none: words or digits only and short, the origin of a URL, or something that the runbook itself says ([`public`]) |
//! | of several lines, or longer than 4096 bytes | line by line, each line from 16 characters |
//!
//! The registry belongs to the process and not to a run, because logs, errors and the printer do not
//! know of runs, and because nothing that one run has to hide is for another to show.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use uuid::Uuid;

use super::text::{escape, fingerprint_of};

/// Shorter values are not hidden.
const SHORTEST: usize = 6;

/// From this length on a value is hidden inside a longer word too.
const LONG: usize = 12;

/// Longer values are hidden line by line, so that the search stays small.
const LONGEST: usize = 4096;

/// Shorter lines of a long value are not hidden: they are brackets and words.
const SHORTEST_LINE: usize = 16;

/// What a URL leaves unencoded (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

#[cfg(not(test))]
fn registry() -> &'static RwLock<Option<Known>> {
    static KNOWN: RwLock<Option<Known>> = RwLock::new(None);
    &KNOWN
}

/// Each test has a registry of its own, or the made-up secrets of one would be hidden in the texts of
/// another.
#[cfg(test)]
fn registry() -> &'static RwLock<Option<Known>> {
    thread_local! {
        static KNOWN: &'static RwLock<Option<Known>> = Box::leak(Box::default());
    }
    KNOWN.with(|known| *known)
}

#[derive(Default)]
struct Known {
    /// What is looked for, and what is shown in its place.
    forms: HashMap<String, Arc<Hidden>>,
    /// Values that are known to be no secrets.
    public: HashSet<String>,
    /// Made of `forms` when a text is next looked at.
    matcher: Option<Arc<Matcher>>,
}

struct Hidden {
    value: String,
    shown: String,
    only_as_word: bool,
}

struct Matcher {
    automaton: AhoCorasick,
    /// By the number of the pattern.
    hidden: Vec<Arc<Hidden>>,
}

/// Makes a value known that is a secret for certain.
pub fn secret(value: &str) {
    register(value, true);
}

/// Makes a token known. It travels as it is, so it is not looked for in other forms.
pub fn token(value: &str) {
    if value.len() < LONG {
        return register(value, true);
    }
    let mut known = registry().write().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    known.add(value, [value.to_owned()]);
}

/// Makes a value known that may be a secret, such as a provider's parameter.
pub fn maybe_secret(value: &str) {
    if !is_plainly_public(value) {
        register(value, false);
    }
}

/// Makes a value known that is no secret, whatever else holds it: an id or a name of the runbook.
pub fn public(value: &str) {
    let mut known = registry().write().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if known.public.insert(value.to_owned()) {
        known.matcher = None;
    }
}

fn register(value: &str, certain: bool) {
    let value = value.trim();
    if value.chars().count() < SHORTEST {
        return;
    }
    let mut known = registry().write().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if value.len() <= LONGEST {
        known.add(value, forms(value));
    }
    if value.len() > LONGEST || value.contains('\n') {
        for line in value.lines().map(str::trim) {
            if (SHORTEST_LINE..=LONGEST).contains(&line.len())
                && (certain || !is_plainly_public(line))
            {
                known.add(line, forms(line));
            }
        }
    }
}

impl Known {
    fn add(&mut self, value: &str, forms: impl IntoIterator<Item = String>) {
        if self.forms.contains_key(value) {
            return;
        }
        let hidden = Arc::new(Hidden {
            value: value.to_owned(),
            shown: fingerprint_of(value),
            only_as_word: value.chars().count() < LONG,
        });
        for form in forms {
            self.forms
                .entry(form)
                .or_insert_with(|| Arc::clone(&hidden));
        }
        self.matcher = None;
    }

    fn matcher(&mut self) -> Option<Arc<Matcher>> {
        if self.matcher.is_none() {
            let wanted = self
                .forms
                .iter()
                .filter(|(_, hidden)| !self.public.contains(&hidden.value));
            let (patterns, hidden): (Vec<&String>, Vec<Arc<Hidden>>) = wanted
                .map(|(form, hidden)| (form, Arc::clone(hidden)))
                .unzip();
            if patterns.is_empty() {
                return None;
            }
            let automaton = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(patterns)
                .ok()?;
            self.matcher = Some(Arc::new(Matcher { automaton, hidden }));
        }
        self.matcher.clone()
    }
}

fn current() -> Option<Arc<Matcher>> {
    {
        let known = registry().read().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref()?;
        if known.forms.is_empty() {
            return None;
        }
        if known.matcher.is_some() {
            return known.matcher.clone();
        }
    }
    let mut known = registry().write().unwrap_or_else(PoisonError::into_inner);
    known.as_mut()?.matcher()
}

/// The text with every known secret value replaced by its fingerprint.
pub fn hide(text: &str) -> Cow<'_, str> {
    let Some(matcher) = current() else {
        return Cow::Borrowed(text);
    };
    let mut clean = String::new();
    let mut from = 0;
    for found in matcher.automaton.find_iter(text) {
        let hidden = &matcher.hidden[found.pattern().as_usize()];
        if hidden.only_as_word && !is_word(text, found.start(), found.end()) {
            continue;
        }
        clean.push_str(&text[from..found.start()]);
        clean.push_str(&hidden.shown);
        from = found.end();
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    clean.push_str(&text[from..]);
    Cow::Owned(clean)
}

/// The same of every text in a JSON value. An id alone in a text stays: the program goes on from
/// such ids.
pub fn hide_in(value: &mut Value) {
    match value {
        Value::String(text) => {
            if Uuid::try_parse(text).is_err()
                && let Cow::Owned(clean) = hide(text)
            {
                *text = clean;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_in),
        Value::Object(members) => members.values_mut().for_each(hide_in),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_word(text: &str, start: usize, end: usize) -> bool {
    let mut back = text[..start].chars().rev();
    let before = back.next();
    // The letter of an escape such as `\n` is not part of the word behind it.
    let escaped = back.next() == Some('\\');
    let after = text[end..].chars().next();
    let is_part = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    (!is_part(before) || escaped) && !is_part(after)
}

/// Is it plainly no secret? Words alone, short numbers, and where a service is.
fn is_plainly_public(value: &str) -> bool {
    let value = value.trim();
    let is_words = value.len() < 20 && value.chars().all(|c| c.is_alphabetic() || c == ' ');
    let is_number = value.len() < 9 && value.chars().all(|c| c.is_ascii_digit() || c == '.');
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| value.strip_prefix(scheme));
    let is_origin = host.is_some_and(|host| {
        !host
            .trim_end_matches('/')
            .contains(['/', '?', '#', '@', ' '])
    });
    is_words || is_number || is_origin
}

/// The forms in which a value may come back.
fn forms(value: &str) -> HashSet<String> {
    let in_json = |text: &str| {
        let quoted = Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let once = in_json(value);
    let percent = utf8_percent_encode(value, ENCODED).to_string();
    let html = value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    let mut forms = HashSet::from([
        value.to_owned(),
        in_json(&once),
        escape(value).into_owned(),
        percent.replace("%20", "+"),
        lower_hex(&percent),
        percent,
        html,
        once,
    ]);
    if value.len() >= 8 {
        for offset in 0..3 {
            let bytes = [&[0; 3][..offset], value.as_bytes()].concat();
            // Only the digits that the value alone decides.
            let (start, end) = ((offset * 8).div_ceil(6), bytes.len() * 8 / 6);
            for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
                forms.insert(engine.encode(&bytes)[start..end].to_owned());
            }
        }
    }
    forms
}

/// A percent-encoded text with lower-case digits in its escapes.
fn lower_hex(percent: &str) -> String {
    let mut text = String::with_capacity(percent.len());
    let mut rest = percent;
    while let Some(at) = rest.find('%') {
        let end = (at + 3).min(rest.len());
        // Writing to a String cannot fail.
        _ = write!(
            text,
            "{}{}",
            &rest[..at],
            rest[at..end].to_ascii_lowercase()
        );
        rest = &rest[end..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::text::fingerprint;

    #[test]
    fn a_value_is_hidden_in_every_form_in_which_it_may_come_back() {
        let value = "s3cr3t/\"quoted\"\n+ä&<end>";
        secret(value);
        let json = Value::from(value).to_string();
        let twice = Value::from(json.as_str()).to_string();
        let percent = utf8_percent_encode(value, ENCODED).to_string();
        let html = "s3cr3t/&quot;quoted&quot;\n+ä&amp;&lt;end&gt;";
        let told = [
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
        for text in told {
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
    fn short_values_and_common_words_mangle_nothing() {
        for word in [
            "abc12",
            "production",
            "Contoso Store",
            "true",
            "10000000",
            "3.14159",
        ] {
            maybe_secret(word);
        }
        maybe_secret("https://shop.word.example");
        let text = "abc12 is production of Contoso Store at https://shop.word.example: 10000000";
        assert_eq!(hide(text), text);
        secret("q7x9z2");
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
    fn what_the_runbook_says_is_public() {
        let id = "0b5f5ac2-6c64-4f4e-8d8b-0c0a4cf2b3d1";
        maybe_secret(id);
        assert_ne!(hide(id), id);
        let mut kept = Value::from(id);
        hide_in(&mut kept);
        assert_eq!(kept, id, "the program goes on from ids");
        public(id);
        assert_eq!(hide(id), id);
    }

    #[test]
    fn a_value_that_is_shown_as_a_fingerprint_is_hidden_everywhere() {
        let value = "uat-hash-4711-fingerprinted";
        let shown = fingerprint(value);
        assert_eq!(hide(&format!("x={value};")), format!("x={shown};"));
        let mut told = serde_json::json!({ "a": [format!("said {value}")], "n": 1 });
        hide_in(&mut told);
        assert_eq!(
            told,
            serde_json::json!({ "a": [format!("said {shown}")], "n": 1 })
        );
    }

    #[test]
    fn a_long_value_is_hidden_line_by_line() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nshort\n-----END KEY-----\n";
        secret(key);
        let hidden = hide("line 2 is MIIEvQIBADANBgkqhkiG9w0BAQ, short").into_owned();
        assert!(
            !hidden.contains("MIIEvQ") && hidden.ends_with(", short"),
            "{hidden}"
        );
    }
}
