//! Texts that refer to the source: its environment id, its organization's id and unique name, the
//! hosts of its services, the ids of its connections, and the values of its environment variables
//! that differ in the target.
//!
//! A copied row that still contains one of them acts on the source. A row's text is never shown,
//! only the kind of reference.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use super::environment_variables::VariableValues;
use super::environments::host;
use super::flows::for_message;
use super::names::text;
use super::own_settings;
use super::seals::{self, Part};
use crate::base::sync::lock;
use crate::base::text::escape;
use crate::clients::Environment;
use crate::engine::{DerivedFromSeal, JournalView};

/// The shortest value of a variable that is searched for: shorter ones occur by chance.
const SHORTEST: usize = 8;

/// Every text that refers to the source, in lower case.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceReferences {
    /// Those of the environments and of the runbook. They take precedence.
    given: References,
    /// Those that the first seal adds. A tenant can have many thousand: they are shared.
    recorded: Arc<RecordedReferences>,
}

/// What a text in lower case refers to.
type References = BTreeMap<String, SourceReference>;

/// What the first seal adds.
#[derive(Debug, Default)]
struct RecordedReferences {
    references: References,
    /// The defaults of environment variables that the target did not have, by their schema names.
    new_defaults: BTreeMap<String, String>,
    /// The digests of the texts in which nothing was found: most texts of a tenant name nothing,
    /// and every survey asks again.
    harmless: Mutex<HashSet<[u8; 32]>>,
}

/// One text that refers to the source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SourceReference {
    /// What it is, in words.
    pub(crate) what: String,
    /// The text itself and what the target has in its place, if both may be shown.
    pub(crate) replacement: Option<(String, String)>,
}

impl SourceReferences {
    /// From the descriptions of both environments: ids, unique name and hosts.
    pub(crate) fn between(source: &Environment, target: &Environment) -> Self {
        let dataverse = |side: &Environment| host(side.dataverse.as_ref()?.url.as_deref()?);
        let finance = |side: &Environment| host(side.finance_operations.as_ref()?.url.as_deref()?);
        let id = |side: &Environment| Some(side.id.clone());
        let organization = |side: &Environment| side.dataverse.as_ref()?.organization_id.clone();
        let unique_name = |side: &Environment| {
            let name = side.dataverse.as_ref()?.unique_name.clone()?;
            (name.len() >= SHORTEST).then_some(name)
        };
        let mut references = Self::default();
        for (old, new, what) in [
            (id(source), id(target), "the source's environment id"),
            (
                organization(source),
                organization(target),
                "the id of the source's organization",
            ),
            (
                unique_name(source),
                unique_name(target),
                "the unique name of the source's organization",
            ),
            (
                dataverse(source),
                dataverse(target),
                "the host of the source's Dataverse",
            ),
            (
                dataverse(source).as_deref().and_then(api_host),
                dataverse(target).as_deref().and_then(api_host),
                "the host of the source's Dataverse",
            ),
            (
                finance(source),
                finance(target),
                "the host of the source's Finance and Operations",
            ),
        ] {
            if let Some(old) = old.filter(|old| new.as_ref() != Some(old)) {
                references.add(&old, what.to_owned(), new.map(|new| (old.clone(), new)));
            }
        }
        references
    }

    /// With texts that the runbook wants replaced: a value that still contains one acts on
    /// production.
    pub(crate) fn with_texts(mut self, texts: Vec<String>) -> Self {
        for text in texts {
            let what = format!("'{}' (under `replace`)", for_message(&text));
            self.add(&text, what, None);
        }
        self
    }

    /// With what the first seal adds: connections and environment variables.
    pub(crate) fn with_recorded(mut self, journal: &JournalView) -> Self {
        self.recorded = journal.derived::<RecordedReferences>(());
        self
    }

    fn add(&mut self, text: &str, what: String, replacement: Option<(String, String)>) {
        add(&mut self.given, text, what, replacement);
    }

    /// The texts of the environments and of the runbook.
    pub(crate) fn given(&self) -> impl Iterator<Item = &str> {
        self.given.keys().map(String::as_str)
    }

    /// The environment variables that the target did not have, and the defaults with which the copy
    /// brought them. Nobody has given these variables a value of the target's own.
    pub(crate) fn new_defaults(&self) -> impl Iterator<Item = (&str, &str)> {
        let defaults = self.recorded.new_defaults.iter();
        defaults.map(|(name, default)| (name.as_str(), default.as_str()))
    }

    /// Has nothing been found in the text with this digest? The digest must cover whatever else
    /// decides what is found.
    pub(crate) fn is_harmless(&self, digest: &[u8; 32]) -> bool {
        lock(&self.recorded.harmless).contains(digest)
    }

    /// Remembers that nothing was found in the text with this digest.
    pub(crate) fn keep_harmless(&self, digest: [u8; 32]) {
        lock(&self.recorded.harmless).insert(digest);
    }

    /// The references that a text contains, regardless of case.
    pub(crate) fn found_in(&self, text: &str) -> Vec<&SourceReference> {
        let hits = self.hits(text).into_iter();
        hits.map(|(_, reference)| reference).collect()
    }

    /// The same, each with the text that refers to the source, in lower case.
    ///
    /// A tenant can have as many references as flows, so the references are looked up at each place
    /// of the text where a word may begin, and not the text for each reference.
    pub(crate) fn hits(&self, text: &str) -> Vec<(&str, &SourceReference)> {
        let text = text.to_ascii_lowercase();
        let mut seen: BTreeMap<&str, &SourceReference> = BTreeMap::new();
        for at in (0..text.len()).filter(|at| may_begin_word(&text, *at)) {
            // If both have a text, the given reference counts.
            for references in [&self.recorded.references, &self.given] {
                each_beginning(references, &text[at..], |word, reference| {
                    if is_word_at(&text, at, word) {
                        seen.insert(word, reference);
                    }
                });
            }
        }
        seen.into_iter().collect()
    }
}

impl DerivedFromSeal for RecordedReferences {
    const SEAL: &'static str = seals::BEFORE_COPY;
    type Given<'a> = ();

    /// The source's connections, and the values of its environment variables.
    fn derive(journal: &JournalView, (): ()) -> Self {
        let mut references = References::new();
        seals::each_row(journal, Part::Source, "connectionreference", |_, row| {
            if let Some(connection) = text(&row, "connectionid") {
                let name = text(&row, "connectionreferencelogicalname").unwrap_or_default();
                let what = format!("the source's connection of '{}'", escape(&name));
                add(&mut references, &connection, what, None);
            }
        });
        let source = VariableValues::sealed(journal, Part::Source);
        let target = VariableValues::sealed(journal, Part::Target);
        for name in source.definitions.keys() {
            let value = source.text(name).filter(|value| is_distinctive(value));
            if let Some(value) = value.filter(|value| target.text(name) != Some(*value)) {
                let what = format!(
                    "the source's value of environment variable '{}'",
                    escape(name)
                );
                add(&mut references, value, what, None);
            }
        }
        let is_new = |name: &String| !target.definitions.contains_key(name);
        let is_captured = own_settings::are_captured(journal);
        let mut new_defaults = source.defaults;
        new_defaults.retain(|name, _| is_captured && is_new(name));
        Self {
            references,
            new_defaults,
            harmless: Mutex::default(),
        }
    }
}

/// Adds a reference, unless the text refers to something already.
fn add(
    references: &mut References,
    text: &str,
    what: String,
    replacement: Option<(String, String)>,
) {
    if !text.trim().is_empty() {
        let reference = SourceReference { what, replacement };
        references
            .entry(text.to_ascii_lowercase())
            .or_insert(reference);
    }
}

/// Passes on the references with which this text begins.
///
/// The references are sorted. Only texts that begin with a reference come between that reference and
/// a text that begins with it. So the last reference up to `rest` is a beginning of `rest`, or has a
/// beginning in common with it, in which the search continues.
fn each_beginning<'s>(
    references: &'s References,
    text: &str,
    mut each: impl FnMut(&'s str, &'s SourceReference),
) {
    let mut rest = text;
    while !rest.is_empty() {
        let below = (Bound::Unbounded, Bound::Included(rest));
        let Some((word, reference)) = references.range::<str, _>(below).next_back() else {
            return;
        };
        let shared = shared_length(word, rest);
        let mut next = shared;
        if shared == word.len() {
            each(word, reference);
            next = word.len().saturating_sub(1);
        }
        while !rest.is_char_boundary(next) {
            next -= 1;
        }
        rest = &rest[..next];
    }
}

/// How many bytes two texts have in common at their beginnings.
fn shared_length(one: &str, other: &str) -> usize {
    let pairs = one.bytes().zip(other.bytes());
    pairs.take_while(|(one, other)| one == other).count()
}

/// May a word begin at this byte of a text? Only if the byte does not continue a word, or after an
/// escape.
fn may_begin_word(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let has = |before: usize, sign: u8| at.checked_sub(before).is_some_and(|at| bytes[at] == sign);
    let is_new = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
    text.is_char_boundary(at) && (is_new || has(2, b'\\') || has(6, b'\\') || has(3, b'%'))
}

/// Is a value long enough, and more than a plain word such as `Standard`, which occurs by chance?
fn is_distinctive(value: &str) -> bool {
    value.len() >= SHORTEST && value.chars().any(|c| !c.is_ascii_alphabetic())
}

/// Is this word, which is at this byte of a text, no part of a longer one?
/// `uat-contoso.crm.dynamics.com` does not contain the host `contoso.crm.dynamics.com`. Both are
/// lower case.
fn is_word_at(text: &str, at: usize, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric();
    // A hyphen or a dot before a host makes it part of a longer host; an id may follow one.
    let is_host = word.contains('.');
    let before = text[..at].chars().next_back();
    let after = text[at + word.len()..].chars().next();
    let begins = ends_with_escape(&text[..at])
        || !before.is_some_and(|c| is_part(c) || is_host && matches!(c, '-' | '.'));
    begins && !after.is_some_and(|c| is_part(c) || is_host && c == '-')
}

/// Does a text end with one character that JSON or an address writes as an escape: `\n`, `\u0022`,
/// `%2F`? Its last letter does not belong to the word that follows.
fn ends_with_escape(text: &str) -> bool {
    let last_two: Vec<char> = text.chars().rev().take(2).collect();
    let is_short = matches!(last_two[..], ['n' | 't' | 'r' | 'b' | 'f', '\\']);
    let is_hex = |digits: &str| digits.chars().all(|c| c.is_ascii_hexdigit());
    let is_long = |sign: &str, digits: usize| {
        text.len()
            .checked_sub(digits)
            .and_then(|at| Some((text.get(..at)?, text.get(at..)?)))
            .is_some_and(|(before, code)| before.ends_with(sign) && is_hex(code))
    };
    is_short || is_long("\\u", 4) || is_long("%", 2)
}

/// The other host that Dataverse accepts for an organization: `<org>.api.<region>.dynamics.com`
/// (Microsoft Learn, *Compose HTTP requests and handle errors*).
pub(crate) fn api_host(host: &str) -> Option<String> {
    let (organization, region) = host.split_once('.')?;
    region
        .ends_with("dynamics.com")
        .then(|| format!("{organization}.api.{region}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ListedRow;
    use proptest::prelude::*;
    use serde_json::json;
    use uuid::Uuid;

    fn environment(id: &str, host: &str) -> Environment {
        Environment::from_value(json!({"name": id, "properties": {
            "linkedEnvironmentMetadata": {"instanceUrl": format!("https://{host}.crm4.dynamics.com/")},
            "linkedAppMetadata": {"url": format!("https://{host}.operations.dynamics.com/")}}}))
        .unwrap()
    }

    #[test]
    fn what_the_first_seal_adds_is_read_once_and_the_runbook_takes_precedence() {
        let row = |id: u8, connection: &str| ListedRow {
            key: format!("source/connectionreference/{}", Uuid::from_u128(id.into())),
            etag: None,
            text: json!({"connectionid": connection, "connectionreferencelogicalname": "mail"})
                .to_string(),
            compared: None,
        };
        let rows = vec![row(1, "Connection-0001"), row(2, "connection-0002")];
        let view = JournalView::empty().with_assumed(seals::BEFORE_COPY, rows);
        let texts = vec!["connection-0002".to_owned()];
        let references = SourceReferences::default().with_texts(texts);
        let references = references.with_recorded(&view);
        let found = |text: &str| -> Vec<String> {
            let found = references.found_in(text).into_iter();
            found.map(|reference| reference.what.clone()).collect()
        };
        assert_eq!(
            found("id=connection-0001"),
            ["the source's connection of 'mail'"]
        );
        assert_eq!(
            found("CONNECTION-0002"),
            ["'connection-0002' (under `replace`)"]
        );
        // Another survey has a clone of the view.
        let again = SourceReferences::default().with_recorded(&view.clone());
        assert!(Arc::ptr_eq(&again.recorded, &references.recorded));
    }

    #[test]
    fn ids_and_hosts_are_found_regardless_of_case_with_the_targets_own() {
        let source = environment("11111111-1111-1111-1111-11111111ABCD", "prod");
        let target = environment("22222222-2222-2222-2222-222222222222", "uat");
        let references = SourceReferences::between(&source, &target);
        assert!(
            references
                .found_in("https://uat.crm4.dynamics.com/x?key=1")
                .is_empty()
        );
        let found = references.found_in("https://PROD.crm4.dynamics.com/x");
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].replacement,
            Some((
                "prod.crm4.dynamics.com".to_owned(),
                "uat.crm4.dynamics.com".to_owned()
            ))
        );
        let id = references.found_in("/environments/11111111-1111-1111-1111-11111111abcd/");
        assert_eq!(id[0].what, "the source's environment id");
    }

    #[test]
    fn a_longer_name_with_the_same_beginning_or_end_is_another() {
        let source = environment("11111111-1111-1111-1111-11111111abcd", "contoso");
        let target = environment("22222222-2222-2222-2222-222222222222", "uat-contoso");
        let references = SourceReferences::between(&source, &target);
        for other in [
            "https://uat-contoso.crm4.dynamics.com/",
            "https://uat.contoso.crm4.dynamics.com/",
            "https://contoso.crm4.dynamics.community/",
            "x11111111-1111-1111-1111-11111111abcd0",
        ] {
            assert!(references.found_in(other).is_empty(), "{other}");
        }
        for source in [
            "https://contoso.crm4.dynamics.com",
            "https://contoso.api.crm4.dynamics.com/api/data",
            "(contoso.operations.dynamics.com:443)",
            "Default-11111111-1111-1111-1111-11111111abcd",
        ] {
            assert_eq!(references.found_in(source).len(), 1, "{source}");
        }
    }

    #[test]
    fn an_organization_is_found_by_its_id_and_unique_name() {
        let named = |id: &str, organization: &str, name: &str| {
            Environment::from_value(json!({"name": id, "properties": {
                "linkedEnvironmentMetadata": {"resourceId": organization, "uniqueName": name}}}))
            .unwrap()
        };
        let (source, target) = (
            named("one", "aaaa-1", "unq0a11000000"),
            named("two", "bbbb-2", "unq0b22000000"),
        );
        let references = SourceReferences::between(&source, &target);
        let what = |text: &str| {
            references
                .found_in(text)
                .first()
                .map(|reference| reference.what.clone())
        };
        assert!(what("[AAAA-1]").is_some_and(|what| what.contains("the id of")));
        assert!(what("'UNQ0A11000000'").is_some_and(|what| what.contains("unique name")));
        assert_eq!(what("unq0b22000000 bbbb-2"), None);
        // A name that both have refers to neither.
        let same = |id: &str| named(id, id, "unqsame00000");
        let same = SourceReferences::between(&same("one"), &same("two"));
        assert!(same.found_in("unqsame00000").is_empty());
    }

    #[test]
    fn an_escape_before_a_text_does_not_belong_to_it() {
        let source = environment("11111111-1111-1111-1111-11111111abcd", "contoso");
        let target = environment("22222222-2222-2222-2222-222222222222", "uat");
        let references = SourceReferences::between(&source, &target);
        for escape in ["\\n", "\\t", "\\u0022", "%2F", "%3a%2f%2F"] {
            for text in [
                "contoso.crm4.dynamics.com",
                "11111111-1111-1111-1111-11111111abcd",
            ] {
                let text = format!("x{escape}{text}");
                assert_eq!(references.found_in(&text).len(), 1, "{text}");
            }
        }
        let longer = "https://newcontoso.crm4.dynamics.com";
        assert!(references.found_in(longer).is_empty());
    }

    #[test]
    fn a_plain_word_is_not_a_reference() {
        assert!(is_distinctive("https://shop.contoso.com") && is_distinctive("CONTOSO-US"));
        assert!(!is_distinctive("Standard") && !is_distinctive("a.b"));
    }

    proptest! {
        /// The search by places finds what a search for each reference finds.
        #[test]
        fn every_reference_in_a_text_is_found(
            words in prop::collection::vec("[ab.é]{1,5}", 0..20),
            text in "[ab.é%2f\\\\nu0 -]{0,40}",
        ) {
            let mut references = SourceReferences::default();
            for word in &words {
                references.add(word, word.clone(), None);
            }
            let found: Vec<&str> = references.hits(&text).into_iter().map(|(word, _)| word).collect();
            let is_in = |word: &&str| {
                let begins = |at| text.get(at..).is_some_and(|rest| rest.starts_with(*word));
                (0..text.len()).any(|at| begins(at) && is_word_at(&text, at, word))
            };
            let all = references.given.keys().map(String::as_str);
            prop_assert_eq!(found, all.filter(is_in).collect::<Vec<_>>());
        }
    }

    /// Otherwise N flows and N connections would cost N times N comparisons.
    #[test]
    fn a_search_does_not_look_at_every_reference() {
        let mut references = SourceReferences::default();
        for number in 0..10_000 {
            references.add(
                &format!("shared-commondata-{number:036}"),
                "it".to_owned(),
                None,
            );
        }
        let mut looked = 0;
        let text = format!("shared-commondata-{:036}x", 77);
        each_beginning(&references.given, &text, |_, _| looked += 1);
        assert_eq!(looked, 1);
        assert_eq!(references.hits(&text).len(), 0, "part of a longer word");
        let (text, _) = text.split_at(text.len() - 1);
        assert_eq!(references.hits(text).len(), 1);
    }

    #[test]
    fn an_empty_text_refers_to_nothing() {
        let mut references = SourceReferences::default();
        references.add(" ", "nothing".to_owned(), None);
        assert!(references.found_in("any text").is_empty());
    }
}
