//! What names the source wherever it stands: its environment id, its organization's id and unique
//! name, the hosts of its services, the ids of its connections, and the values of its environment
//! variables that the target has otherwise.
//!
//! A copied row that still holds one of them acts on the source. What a row holds is never shown,
//! only what it names.

use std::collections::BTreeMap;

use url::Url;

use super::names::{Fields, lookup, text};
use super::seals;
use crate::base::text::escape;
use crate::clients::Environment;
use crate::engine::Known;

/// The shortest value of a variable that is looked for: shorter ones stand everywhere by chance.
const SHORTEST: usize = 8;

/// Everything that names the source, lower case, with what it is.
#[derive(Debug, Default)]
pub(crate) struct Marks(BTreeMap<String, Mark>);

/// One thing that names the source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    /// What it is, in words.
    pub(crate) what: String,
    /// The text itself and what the target has in its place, where both may be shown.
    pub(crate) replacement: Option<(String, String)>,
}

impl Marks {
    /// What the descriptions of both environments tell: ids, unique name and hosts.
    pub(crate) fn of(source: &Environment, target: &Environment) -> Self {
        let dataverse = |side: &Environment| host(side.dataverse.as_ref()?.url.as_deref());
        let finance = |side: &Environment| host(side.finance_operations.as_ref()?.url.as_deref());
        let id = |side: &Environment| Some(side.id.clone());
        let organization = |side: &Environment| side.dataverse.as_ref()?.organization_id.clone();
        let unique_name = |side: &Environment| {
            let name = side.dataverse.as_ref()?.unique_name.clone()?;
            (name.len() >= SHORTEST).then_some(name)
        };
        let mut marks = Self::default();
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
                marks.add(&old, what.to_owned(), new.map(|new| (old.clone(), new)));
            }
        }
        marks
    }

    /// With what the first seal tells besides: connections and environment variables.
    pub(crate) fn with_recorded(mut self, known: &Known) -> Self {
        let of = |side: &str, table: &str| {
            let rows = seals::rows(known, seals::BEFORE_COPY, &format!("{side}/{table}"));
            rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>()
        };
        for row in of("source", "connectionreference") {
            if let Some(connection) = text(&row, "connectionid") {
                let name = text(&row, "connectionreferencelogicalname").unwrap_or_default();
                let what = format!("the source's connection of '{}'", escape(&name));
                self.add(&connection, what, None);
            }
        }
        let values = |side: &str| variables(known, side, &of(side, "environmentvariablevalue"));
        let target = values("target");
        for (name, value) in values("source") {
            if value.len() >= SHORTEST && target.get(&name) != Some(&value) {
                let what = format!(
                    "the source's value of environment variable '{}'",
                    escape(&name)
                );
                self.add(&value, what, None);
            }
        }
        self
    }

    fn add(&mut self, text: &str, what: String, replacement: Option<(String, String)>) {
        if !text.trim().is_empty() {
            let mark = Mark { what, replacement };
            self.0.entry(text.to_ascii_lowercase()).or_insert(mark);
        }
    }

    /// What of it stands in a text, whatever the case.
    pub(crate) fn found_in(&self, text: &str) -> Vec<&Mark> {
        let text = text.to_ascii_lowercase();
        let seen = self.0.iter().filter(|(mark, _)| stands_in(&text, mark));
        seen.map(|(_, mark)| mark).collect()
    }
}

/// Does a word stand in a text, and not as a part of a longer one? The host `contoso.crm.dynamics.com`
/// does not stand in `uat-contoso.crm.dynamics.com`. Both are lower case.
fn stands_in(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric();
    // Only a host goes on to the left of a hyphen or a dot; an id may follow one.
    let is_host = word.contains('.');
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(|c| is_part(c) || is_host && matches!(c, '-' | '.'))
            && !after.is_some_and(|c| is_part(c) || is_host && c == '-')
    })
}

/// The other host that Dataverse accepts for an organization: `<org>.api.<region>.dynamics.com`
/// (Microsoft Learn, *Compose HTTP requests and handle errors*).
fn api_host(host: &str) -> Option<String> {
    let (organization, region) = host.split_once('.')?;
    region
        .ends_with("dynamics.com")
        .then(|| format!("{organization}.api.{region}"))
}

/// The host of an address, with its port where one is written: ports tell services of one host
/// apart.
fn host(url: Option<&str>) -> Option<String> {
    let url = Url::parse(url?).ok()?;
    let host = url.host_str()?;
    Some(
        url.port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
    )
}

/// The values of one side's environment variables, by their schema names.
fn variables(known: &Known, side: &str, values: &[Fields]) -> BTreeMap<String, String> {
    let prefix = format!("{side}/environmentvariabledefinition");
    let names: BTreeMap<_, _> = seals::rows(known, seals::BEFORE_COPY, &prefix)
        .into_iter()
        .filter_map(|(id, row)| Some((id, text(&row, "schemaname")?)))
        .collect();
    values
        .iter()
        .filter_map(|row| {
            let name = names.get(&lookup(row, "environmentvariabledefinitionid")?)?;
            Some((name.clone(), text(row, "value")?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn environment(id: &str, host: &str) -> Environment {
        Environment::from_value(json!({"name": id, "properties": {
            "linkedEnvironmentMetadata": {"instanceUrl": format!("https://{host}.crm4.dynamics.com/")},
            "linkedAppMetadata": {"url": format!("https://{host}.operations.dynamics.com/")}}}))
        .unwrap()
    }

    #[test]
    fn id_and_hosts_are_found_whatever_their_case_with_what_the_target_has() {
        let source = environment("11111111-1111-1111-1111-11111111ABCD", "prod");
        let target = environment("22222222-2222-2222-2222-222222222222", "uat");
        let marks = Marks::of(&source, &target);
        assert!(
            marks
                .found_in("https://uat.crm4.dynamics.com/x?key=1")
                .is_empty()
        );
        let found = marks.found_in("https://PROD.crm4.dynamics.com/x");
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].replacement,
            Some((
                "prod.crm4.dynamics.com".to_owned(),
                "uat.crm4.dynamics.com".to_owned()
            ))
        );
        let id = marks.found_in("/environments/11111111-1111-1111-1111-11111111abcd/");
        assert_eq!(id[0].what, "the source's environment id");
    }

    #[test]
    fn a_longer_name_that_ends_or_begins_alike_is_another() {
        let source = environment("11111111-1111-1111-1111-11111111abcd", "contoso");
        let target = environment("22222222-2222-2222-2222-222222222222", "uat-contoso");
        let marks = Marks::of(&source, &target);
        for other in [
            "https://uat-contoso.crm4.dynamics.com/",
            "https://uat.contoso.crm4.dynamics.com/",
            "https://contoso.crm4.dynamics.community/",
            "x11111111-1111-1111-1111-11111111abcd0",
        ] {
            assert!(marks.found_in(other).is_empty(), "{other}");
        }
        for source in [
            "https://contoso.crm4.dynamics.com",
            "https://contoso.api.crm4.dynamics.com/api/data",
            "(contoso.operations.dynamics.com:443)",
            "Default-11111111-1111-1111-1111-11111111abcd",
        ] {
            assert_eq!(marks.found_in(source).len(), 1, "{source}");
        }
    }

    #[test]
    fn an_organization_is_known_by_its_id_and_unique_name() {
        let named = |id: &str, organization: &str, name: &str| {
            Environment::from_value(json!({"name": id, "properties": {
                "linkedEnvironmentMetadata": {"resourceId": organization, "uniqueName": name}}}))
            .unwrap()
        };
        let (source, target) = (
            named("one", "aaaa-1", "unq0a11000000"),
            named("two", "bbbb-2", "unq0b22000000"),
        );
        let marks = Marks::of(&source, &target);
        let what = |text: &str| marks.found_in(text).first().map(|mark| mark.what.clone());
        assert!(what("[AAAA-1]").is_some_and(|what| what.contains("the id of")));
        assert!(what("'UNQ0A11000000'").is_some_and(|what| what.contains("unique name")));
        assert_eq!(what("unq0b22000000 bbbb-2"), None);
        // A name that both have names neither.
        let same = |id: &str| named(id, id, "unqsame00000");
        let same = Marks::of(&same("one"), &same("two"));
        assert!(same.found_in("unqsame00000").is_empty());
    }

    #[test]
    fn an_empty_text_names_nothing() {
        let mut marks = Marks::default();
        marks.add(" ", "nothing".to_owned(), None);
        assert!(marks.found_in("any text").is_empty());
    }
}
