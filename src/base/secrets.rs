//! Keeps secret values out of everything that is printed or recorded.
//!
//! A service may repeat in an error, an annotation or a status what it was sent, and nothing marks
//! which part of such a text is a secret. So the program registers each value when it first reads
//! it: a secret of the runbook, a token, and every value that is shown as a fingerprint. Everything
//! that is printed, and every free text that is recorded, passes through [`hide`], which replaces
//! the value by its fingerprint. Captures do not: they keep the service's bytes.
//!
//! A value is found verbatim, escaped for JSON (once and twice), for a URL, for HTML and for a
//! terminal, and in base64.
//!
//! Which values are hidden:
//!
//! | Value | Hidden |
//! |---|---|
//! | shorter than 6 characters | never: too many words contain it |
//! | [`register_secret`] or [`register_token`] | wherever it occurs; from 6 to 11 characters only as a whole word |
//! | [`register_possible_secret`] | the same, unless it is clearly public: short and only words or digits, the origin of a URL, or a value that the runbook itself shows ([`register_public`]) |
//! | of several lines, or longer than 4096 bytes | line by line, each line from 16 characters |
//!
//! The registry belongs to the process, not to a run: logs, errors and the printer do not know
//! runs, and what one run must hide no other run may show.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, Match, MatchKind};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use uuid::Uuid;

use super::encoding::{ALL_BUT_UNRESERVED, percent_encode};
use super::text::{escape, fingerprint_of};

/// Shorter values are not hidden.
const SHORTEST: usize = 6;

/// A value of this length or more is hidden inside a longer word too.
const LONG: usize = 12;

/// Longer values are hidden line by line, so that the search stays small.
const LONGEST: usize = 4096;

/// Shorter lines of a long value are not hidden: they are brackets and ordinary words.
const SHORTEST_LINE: usize = 16;

#[cfg(not(test))]
fn shared_registry() -> &'static RwLock<Option<Registry>> {
    static REGISTRY: RwLock<Option<Registry>> = RwLock::new(None);
    &REGISTRY
}

/// Each test has its own registry, or the made-up secrets of one would be hidden in the texts of
/// another.
#[cfg(test)]
fn shared_registry() -> &'static RwLock<Option<Registry>> {
    thread_local! {
        static REGISTRY: &'static RwLock<Option<Registry>> = Box::leak(Box::default());
    }
    REGISTRY.with(|registry| *registry)
}

fn write_registry() -> RwLockWriteGuard<'static, Option<Registry>> {
    let registry = shared_registry().write();
    registry.unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Registry {
    /// Each encoded form of a value, and what replaces it.
    forms: HashMap<String, Arc<HiddenValue>>,
    /// Values that are known not to be secret.
    public: HashSet<String>,
    /// The lines of the values that are certainly secret.
    certain: HashSet<String>,
    /// Those of them that no pipeline was asked to mask yet.
    unmasked: Vec<String>,
    /// Forms that were registered since `matchers` was last brought up to date.
    added: Vec<String>,
    /// What searches a text for the forms, the largest matcher first. A run registers values
    /// between any two texts, and building one matcher of all forms each time took most of a run's
    /// time, so a small matcher holds the newest forms until it is as large as the one before it.
    matchers: Vec<Arc<Matcher>>,
}

/// A registered value, and what is shown in its place.
struct HiddenValue {
    value: String,
    replacement: String,
    whole_word_only: bool,
}

/// Searches a text for many forms at once.
struct Matcher {
    automaton: AhoCorasick,
    /// The form and its value, indexed by the number of the pattern.
    hidden: Vec<(String, Arc<HiddenValue>)>,
}

impl Matcher {
    fn new(hidden: Vec<(String, Arc<HiddenValue>)>) -> Option<Arc<Self>> {
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(hidden.iter().map(|(form, _)| form))
            .ok()?;
        Some(Arc::new(Self { automaton, hidden }))
    }
}

/// Registers a value that is certainly secret.
pub fn register_secret(value: &str) {
    register(value, true);
    let mut registry = write_registry();
    let registry = registry.get_or_insert_default();
    for line in value.lines().map(str::trim) {
        if line.chars().count() >= SHORTEST && registry.certain.insert(line.to_owned()) {
            registry.unmasked.push(line.to_owned());
        }
    }
}

/// The lines of the values that [`register_secret`] has registered since the last call, for a
/// pipeline that masks them in everything that a job prints. Values that are too short to be hidden
/// are not among them, nor tokens: they do not leave the process.
pub fn take_unmasked() -> Vec<String> {
    let registry = shared_registry().read();
    let registry = registry.unwrap_or_else(PoisonError::into_inner);
    if registry
        .as_ref()
        .is_none_or(|registry| registry.unmasked.is_empty())
    {
        return Vec::new();
    }
    drop(registry);
    let mut registry = write_registry();
    let registry = registry.get_or_insert_default();
    let unmasked = std::mem::take(&mut registry.unmasked);
    let is_secret = |line: &String| !registry.public.contains(line);
    unmasked.into_iter().filter(is_secret).collect()
}

/// Registers a token. It is always sent verbatim, so its other forms are not searched.
pub fn register_token(value: &str) {
    if value.len() < LONG {
        return register(value, true);
    }
    let mut registry = write_registry();
    let registry = registry.get_or_insert_default();
    registry.add(value, [value.to_owned()]);
}

/// Registers a value that may be secret, such as a provider's parameter.
pub fn register_possible_secret(value: &str) {
    if !is_clearly_public(value) {
        register(value, false);
    }
}

/// Registers a value that is not secret, even if it was registered as one: an id or a name in the
/// runbook.
pub fn register_public(value: &str) {
    let mut registry = write_registry();
    let registry = registry.get_or_insert_default();
    if registry.public.insert(value.to_owned()) && registry.forms.contains_key(value) {
        registry.matchers.clear();
        registry.added = registry.forms.keys().cloned().collect();
    }
}

fn register(value: &str, certain: bool) {
    let value = value.trim();
    if value.chars().count() < SHORTEST {
        return;
    }
    let mut registry = write_registry();
    let registry = registry.get_or_insert_default();
    if value.len() <= LONGEST {
        registry.add(value, encoded_forms(value));
    }
    if value.len() > LONGEST || value.contains('\n') {
        for line in value.lines().map(str::trim) {
            if (SHORTEST_LINE..=LONGEST).contains(&line.len())
                && (certain || !is_clearly_public(line))
            {
                registry.add(line, encoded_forms(line));
            }
        }
    }
}

impl Registry {
    fn add(&mut self, value: &str, forms: impl IntoIterator<Item = String>) {
        if self.forms.contains_key(value) {
            return;
        }
        let hidden = Arc::new(HiddenValue {
            value: value.to_owned(),
            replacement: fingerprint_of(value),
            whole_word_only: value.chars().count() < LONG,
        });
        for form in forms {
            if !self.forms.contains_key(&form) {
                self.added.push(form.clone());
                self.forms.insert(form, Arc::clone(&hidden));
            }
        }
    }

    /// The matchers of all forms. Builds those for forms that were added since the last call.
    fn matchers(&mut self) -> Vec<Arc<Matcher>> {
        let mut newest: Vec<(String, Arc<HiddenValue>)> = std::mem::take(&mut self.added)
            .into_iter()
            .filter_map(|form| {
                let hidden = Arc::clone(self.forms.get(&form)?);
                (!self.public.contains(&hidden.value)).then_some((form, hidden))
            })
            .collect();
        if newest.is_empty() {
            return self.matchers.clone();
        }
        // Each matcher stays at least twice as large as the next, so there are few of them.
        while let Some(last) = self.matchers.pop() {
            if last.hidden.len() >= 2 * newest.len() {
                self.matchers.push(last);
                break;
            }
            newest.extend(last.hidden.iter().cloned());
        }
        self.matchers.extend(Matcher::new(newest));
        self.matchers.clone()
    }
}

fn current_matchers() -> Vec<Arc<Matcher>> {
    {
        let registry = shared_registry()
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        match registry.as_ref() {
            None => return Vec::new(),
            Some(registry) if registry.added.is_empty() => return registry.matchers.clone(),
            Some(_) => {}
        }
    }
    let mut registry = write_registry();
    registry
        .as_mut()
        .map(Registry::matchers)
        .unwrap_or_default()
}

/// Where registered values occur in a text, in order and without overlaps. Of two that begin at the
/// same character, the longer one is meant. The places are those that one matcher of all forms finds:
/// after each place, every matcher continues from its end.
fn places(matchers: &[Arc<Matcher>], text: &str) -> Vec<(usize, usize, Arc<HiddenValue>)> {
    let mut places = Vec::new();
    let mut next: Vec<Option<Match>> = matchers
        .iter()
        .map(|matcher| matcher.automaton.find(text))
        .collect();
    while let Some((index, found)) = first_match(&next) {
        let (start, end) = (found.start(), found.end());
        let (_, hidden) = &matchers[index].hidden[found.pattern().as_usize()];
        if !hidden.whole_word_only || is_word(text, start, end) {
            places.push((start, end, Arc::clone(hidden)));
        }
        for (matcher, next) in std::iter::zip(matchers, &mut next) {
            if next.is_some_and(|next| next.start() < end) {
                *next = matcher.automaton.find(Input::new(text).range(end..));
            }
        }
    }
    places
}

/// The leftmost of the matches, of those the longest, and whose matcher found it.
fn first_match(next: &[Option<Match>]) -> Option<(usize, Match)> {
    let found = next.iter().enumerate();
    found
        .filter_map(|(index, found)| Some((index, (*found)?)))
        .min_by_key(|(_, found)| (found.start(), Reverse(found.end())))
}

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

/// Is this part of a text a whole word?
fn is_word(text: &str, start: usize, end: usize) -> bool {
    let mut back = text[..start].chars().rev();
    let before = back.next();
    // The letter of an escape such as `\n` is not part of the word after it.
    let escaped = back.next() == Some('\\');
    let after = text[end..].chars().next();
    let is_part = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    (!is_part(before) || escaped) && !is_part(after)
}

/// Is it clearly not a secret? Words, short numbers, and the address of a service.
fn is_clearly_public(value: &str) -> bool {
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

/// The forms in which a service may repeat a value.
fn encoded_forms(value: &str) -> HashSet<String> {
    let in_json = |text: &str| {
        let quoted = Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let once = in_json(value);
    let percent = percent_encode(value, ALL_BUT_UNRESERVED);
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
            // Only the digits that depend on this value alone.
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
    use crate::base::redaction::fingerprint;

    #[test]
    fn each_line_of_a_secret_is_masked_once() {
        register_public("contoso-public");
        register_secret("a-secret-of-the-shop\nshort\nanother-line");
        register_secret("a-secret-of-the-shop");
        register_secret("contoso-public");
        register_token("a-token-stays-in-the-process");
        assert_eq!(take_unmasked(), ["a-secret-of-the-shop", "another-line"]);
        assert_eq!(take_unmasked(), [""; 0]);
    }

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
