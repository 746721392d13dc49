//! The values that a new provider's parameters and transformations should have.
//!
//! A value of production would let the copy act as production, so it is taken only if the
//! runbook says so. A setting that was empty in the target is empty again; one that the target did
//! not have is left as the library installs it.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::RefreshContext;
use super::containment::Policy;
use super::provider_rows::RowsByName;
use super::seals::{self, Part};
use super::view::View;
use crate::engine::{Failure, JournalView};
use crate::runbook::{IomTable, Keyword as _};

/// Whose a recorded value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RecordedBy {
    /// The copy brought it from production.
    Production,
    /// It was set in the target: its provider is not one of the source.
    Target,
    /// It was set in the target, and recorded after the run gave the provider its settings: the
    /// provider is reinstalled once more. So it is newer than the target's value before the copy.
    TargetSince,
}

/// The value that a setting should have, and where it comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum DesiredSetting {
    /// The runbook's value.
    FromRunbook(String),
    /// The value that the target had before the copy, in this row.
    FromTarget(Uuid, String),
    /// The recorded value.
    Recorded(String),
    /// No value, as in the target before the copy.
    Empty,
    /// What the library gives: neither the target nor the runbook has a value, and production's is
    /// not taken.
    AsInstalled,
}

/// What decides about one setting.
pub(crate) struct SettingSources<'a> {
    /// The runbook's value.
    pub(crate) runbook: Option<String>,
    /// The target's row before the copy: its id and its value.
    pub(crate) target: Option<&'a (Uuid, Option<String>)>,
    /// The value that was recorded before the provider was deleted.
    pub(crate) recorded: Option<&'a str>,
    pub(crate) recorded_by: RecordedBy,
    /// Does the runbook say that production's value is taken?
    pub(crate) takes_production: bool,
    /// Can the setting be empty? A transformation cannot.
    pub(crate) can_be_empty: bool,
}

impl DesiredSetting {
    /// The runbook's value, else the target's newest: the recorded one if the provider is
    /// reinstalled once more, else the one before the copy. Else the recorded one if it is not
    /// production's or the runbook takes it.
    pub(crate) fn choose(sources: SettingSources<'_>) -> Self {
        if let Some(value) = sources.runbook {
            return Self::FromRunbook(value);
        }
        if sources.recorded_by == RecordedBy::TargetSince {
            return match sources.recorded {
                Some(value) => Self::Recorded(value.to_owned()),
                None if sources.can_be_empty => Self::Empty,
                None => Self::AsInstalled,
            };
        }
        if let Some((id, Some(value))) = sources.target {
            return Self::FromTarget(*id, value.clone());
        }
        let may_take = sources.takes_production || sources.recorded_by == RecordedBy::Target;
        if let Some(value) = sources.recorded.filter(|_| may_take) {
            return Self::Recorded(value.to_owned());
        }
        if sources.target.is_some() && sources.can_be_empty {
            return Self::Empty;
        }
        Self::AsInstalled
    }
}

/// By what the runbook says that a new provider gets production's value of this setting, if it does:
/// `parameters: source`, or an entry of `allow` that names the definition or `DEFINITION/NAME`.
pub(crate) fn takes_production(policy: &Policy, definition: &str, name: &str) -> Option<String> {
    policy
        .takes_parameters()
        .or_else(|| policy.allows_name(definition))
        .or_else(|| policy.allows_name(&format!("{definition}/{name}")))
}

/// Where a setting is: the logical names of its provider's definition and of the setting.
pub(crate) type SettingName = (String, String);

/// The settings of production's rows that have the library's value now, although production had
/// another one. Takes production's rows and what the library gives them.
pub(crate) fn left_as_installed<'r>(
    production: &'r RowsByName,
    shipped: &'r RowsByName,
    now: &'r RowsByName,
) -> impl Iterator<Item = &'r SettingName> {
    let value = |rows: &'r RowsByName, at| rows.get(at).and_then(|(_, value)| value.as_deref());
    production.iter().filter_map(move |(at, (_, had))| {
        let shipped = value(shipped, at)?;
        let differed = had.as_deref().is_some_and(|had| had != shipped);
        (differed && value(now, at) == Some(shipped)).then_some(at)
    })
}

/// What a person does about a setting that was not taken: the same for all, so that a list has it
/// once.
pub(crate) const SET_IT: &str = "set it in IOM app > Providers > Installed; or write a parameter under \
                                 `parameters` of reinstall-providers: `DEFINITION: { PARAMETER: { env: \
                                 NAME } }`; or take production's with `containment: { parameters: source \
                                 }`";

/// The ids of the source's providers: a provider of the target with one of these ids is a copy.
/// From the first seal; if the runbook skips the copy and nothing is sealed, from the source.
pub(crate) async fn source_providers(
    refresh: &RefreshContext,
    journal: &JournalView,
) -> Result<BTreeSet<Uuid>, Failure> {
    let sealed = seals::ids(journal, Part::Source, IomTable::Provider.keyword());
    if !sealed.is_empty() || !refresh.runbook.steps.copy_environments.is_skipped() {
        return Ok(sealed.into_iter().collect());
    }
    let (view, table) = (
        View::AsIs(&refresh.source.dataverse),
        refresh.names.table(IomTable::Provider),
    );
    // A source without the table is an error, and not a source without providers.
    view.table(table).await?;
    view.ids(table, None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(change: impl FnOnce(&mut SettingSources<'_>)) -> DesiredSetting {
        let mut sources = SettingSources {
            runbook: None,
            target: None,
            recorded: Some("prod"),
            recorded_by: RecordedBy::Production,
            takes_production: false,
            can_be_empty: true,
        };
        change(&mut sources);
        DesiredSetting::choose(sources)
    }

    #[test]
    fn productions_value_is_taken_only_if_the_runbook_says_so() {
        assert_eq!(choose(|_| {}), DesiredSetting::AsInstalled);
        let recorded = DesiredSetting::Recorded("prod".to_owned());
        assert_eq!(choose(|it| it.takes_production = true), recorded);
        // A person has replaced the copied provider: the recorded one is the target's own.
        assert_eq!(choose(|it| it.recorded_by = RecordedBy::Target), recorded);
        let runbook = |it: &mut SettingSources<'_>| it.runbook = Some("uat".to_owned());
        assert_eq!(
            choose(runbook),
            DesiredSetting::FromRunbook("uat".to_owned())
        );
    }

    #[test]
    fn a_setting_is_left_as_installed_where_production_had_another_value() {
        let rows = |value: Option<&str>| {
            let at = ("msdyn_shipstation".to_owned(), "order".to_owned());
            RowsByName::from([(at, (Uuid::nil(), value.map(str::to_owned)))])
        };
        let left = |production, shipped, now| {
            let (production, shipped, now) = (rows(production), rows(shipped), rows(now));
            left_as_installed(&production, &shipped, &now).count()
        };
        assert_eq!(left(Some("own"), Some("library"), Some("library")), 1);
        assert_eq!(left(Some("own"), Some("library"), Some("uat")), 0, "set");
        assert_eq!(left(Some("own"), Some("library"), Some("own")), 0, "taken");
        let same = left(Some("library"), Some("library"), Some("library"));
        assert_eq!(same, 0, "production has none of its own");
        assert_eq!(left(Some("own"), None, Some("x")), 0, "unknown");
    }

    /// `--again`: what a person has set or emptied since the run is not reverted.
    #[test]
    fn the_newest_seal_applies_when_a_provider_is_reinstalled_once_more() {
        let id = Uuid::from_u128(1);
        let own = (id, Some("before the copy".to_owned()));
        let again = |recorded, can_be_empty, runbook: Option<&str>| {
            DesiredSetting::choose(SettingSources {
                runbook: runbook.map(str::to_owned),
                target: Some(&own),
                recorded,
                recorded_by: RecordedBy::TargetSince,
                takes_production: false,
                can_be_empty,
            })
        };
        let since = DesiredSetting::Recorded("since".to_owned());
        assert_eq!(again(Some("since"), true, None), since);
        assert_eq!(again(None, true, None), DesiredSetting::Empty);
        assert_eq!(again(None, false, None), DesiredSetting::AsInstalled);
        let written = DesiredSetting::FromRunbook("uat".to_owned());
        assert_eq!(again(Some("since"), true, Some("uat")), written);
    }

    #[test]
    fn the_targets_value_comes_back_and_so_does_no_value() {
        let id = Uuid::from_u128(1);
        let (own, none) = ((id, Some("own".to_owned())), (id, None));
        let own_value = DesiredSetting::FromTarget(id, "own".to_owned());
        let had_own = DesiredSetting::choose(SettingSources {
            runbook: None,
            target: Some(&own),
            recorded: Some("prod"),
            recorded_by: RecordedBy::Production,
            takes_production: true,
            can_be_empty: true,
        });
        assert_eq!(had_own, own_value);
        let had_none = |can_be_empty, takes_production| {
            DesiredSetting::choose(SettingSources {
                runbook: None,
                target: Some(&none),
                recorded: Some("prod"),
                recorded_by: RecordedBy::Production,
                takes_production,
                can_be_empty,
            })
        };
        assert_eq!(had_none(true, false), DesiredSetting::Empty);
        assert_eq!(had_none(false, false), DesiredSetting::AsInstalled);
        assert_eq!(
            had_none(true, true),
            DesiredSetting::Recorded("prod".to_owned())
        );
    }
}
