//! Parameters and transformations of providers for which the target had no value.
//!
//! A provider with production's value acts as production: it polls production's shop, and signs with
//! production's secret. Step 6 installs the provider without the value, unless the runbook gives one
//! or takes production's. Connections are never taken: they exist in one environment only.

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use tokio::try_join;
use uuid::Uuid;

use super::kind::SurfaceKind;
use super::scope::Scope;
use super::surface::{Closing, LOOK, Surface, SurfaceState};
use crate::domain::own_settings::{self, NOT_CAPTURED};
use crate::domain::provider_rows::{
    NamedRows, PARAMETER, RowKind, RowsByName, Setting, TRANSFORMATION, is_declared, own_rows,
};
use crate::domain::provider_settings::{SET_IT, source_providers, takes_production};
use crate::domain::providers::Provider;
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::{IomTable, StepName};

/// The kind.
pub(crate) struct ProviderSettings;

#[async_trait]
impl SurfaceKind for ProviderSettings {
    fn key(&self) -> &'static str {
        "provider-setting"
    }

    fn title(&self) -> &'static str {
        "parameters and transformations of providers with production's values"
    }

    fn phase(&self) -> Option<&'static str> {
        None
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let (mut found, more) = try_join!(
            find_settings(&PARAMETER, self.key(), scope),
            find_settings(&TRANSFORMATION, self.key(), scope),
        )?;
        found.extend(more);
        Ok(found)
    }
}

/// The surfaces among the rows of one kind.
async fn find_settings(
    kind: &'static RowKind,
    key: &'static str,
    scope: &Scope<'_>,
) -> Result<Vec<Surface>, Failure> {
    if !has_tables(kind, scope).await? {
        return Ok(Vec::new());
    }
    let names = &scope.refresh.names;
    if let Err(failure) = kind.require_columns(names) {
        return Ok(vec![unreadable(key, kind, failure)]);
    }
    let (now, copied) = try_join!(
        NamedRows::read(kind, scope.refresh, scope.view),
        copied_providers(scope),
    )?;
    let copied = copied.unwrap_or_else(|| now.catalogue.provider_ids());
    let target = target_rows(kind, scope, &copied).await?;
    let judge = Judge {
        scope,
        kind,
        copied,
        target,
        production: match scope.journal {
            Some(journal) => {
                let source = source_providers(scope.refresh, journal).await?;
                kind.production_rows(names, journal, &source)?
            }
            None => RowsByName::new(),
        },
    };
    let valued = now.settings().filter(|setting| setting.value.is_some());
    Ok(valued
        .filter_map(|setting| judge.surface(key, &setting))
        .collect())
}

/// Does the environment have providers with rows of this kind?
async fn has_tables(kind: &RowKind, scope: &Scope<'_>) -> Result<bool, Failure> {
    let tables = [IomTable::Provider, kind.table, kind.declarations];
    let tables = tables.map(|table| {
        let name = scope.refresh.names.table(table);
        scope.view.optional_table(name)
    });
    let tables = try_join_all(tables).await?;
    Ok(tables.iter().all(Option::is_some))
}

/// The rows of a kind whose columns are unknown: so their content is unknown.
fn unreadable(key: &'static str, kind: &RowKind, failure: Failure) -> Surface {
    Surface {
        kind: key,
        id: kind.noun.to_owned(),
        name: format!("{}s of providers", kind.noun),
        reach: "may have production's values".to_owned(),
        state: SurfaceState::Unclear(failure.message),
        closing: Closing::Finding(failure.help.unwrap_or_else(|| LOOK.to_owned())),
    }
}

/// The ids of the providers that the copy brought; none before it: it brings all.
async fn copied_providers(scope: &Scope<'_>) -> Result<Option<BTreeSet<Uuid>>, Failure> {
    if matches!(scope.view, View::AfterCopy(_)) {
        return Ok(None);
    }
    let table = scope.refresh.names.table(IomTable::Provider);
    scope.ids_in_source(table, None).await.map(Some)
}

/// The target's own rows before the copy; `None` if they are not known. A provider that had
/// the id of one in the source came by an earlier copy, whose values are not the target's own.
async fn target_rows(
    kind: &RowKind,
    scope: &Scope<'_>,
    in_source: &BTreeSet<Uuid>,
) -> Result<Option<RowsByName>, Failure> {
    let names = &scope.refresh.names;
    let is_own = |provider: &Provider| provider.active && !in_source.contains(&provider.id);
    let recorded = scope
        .journal
        .filter(|journal| own_settings::are_captured(journal));
    if let Some(journal) = recorded {
        return kind.target_rows(names, journal, is_own).map(Some);
    }
    let is_before = matches!(scope.view, View::AfterCopy(_));
    if !is_before || scope.own_settings_are_lost().await? {
        return Ok(None);
    }
    own_rows(kind, scope.refresh, in_source).await.map(Some)
}

/// What decides about the settings of one kind.
struct Judge<'a> {
    scope: &'a Scope<'a>,
    kind: &'static RowKind,
    /// The providers that the copy brought.
    copied: BTreeSet<Uuid>,
    /// What the target had before the copy, if that is known.
    target: Option<RowsByName>,
    /// What the copied providers had.
    production: RowsByName,
}

impl Judge<'_> {
    fn surface(&self, key: &'static str, setting: &Setting<'_>) -> Option<Surface> {
        let shipped = self.shipped(setting);
        if shipped.as_deref() == setting.value || self.own_value(setting) == setting.value {
            return None;
        }
        let state = if self.copied.contains(&setting.provider.id) {
            self.copied_state(setting)?
        } else {
            self.new_state(setting)?
        };
        let secret = if is_declared(setting.declaration, "secret") {
            " (a secret)"
        } else {
            ""
        };
        let is_left_to_step = self.copied.contains(&setting.provider.id) && !self.stays();
        let closing = match &state {
            SurfaceState::Open if is_left_to_step => Closing::ByStep {
                step: StepName::ReinstallProviders,
                // The change of a setting may also write the runbook's value, or none.
                opened_by: Vec::new(),
            },
            SurfaceState::Open => Closing::Finding(SET_IT.to_owned()),
            _ => Closing::Nothing,
        };
        let is_not_taken = is_left_to_step && state == SurfaceState::Open;
        let hint = match &self.target {
            _ if !is_not_taken => String::new(),
            Some(_) => ", and the target had none".to_owned(),
            None => format!(", and {NOT_CAPTURED}"),
        };
        Some(Surface {
            kind: key,
            id: format!("{}/{}/{}", setting.definition, self.kind.noun, setting.name),
            name: format!("{}/{}", setting.definition, setting.name),
            reach: format!(
                "is a {} with production's value{secret}{hint}",
                self.kind.noun
            ),
            state,
            closing,
        })
    }

    /// Do the copied providers stay, because the runbook skips step 6?
    fn stays(&self) -> bool {
        let steps = &self.scope.refresh.runbook.steps;
        steps.reinstall_providers.is_skipped()
    }

    /// The state of a provider's setting that the copy brought. Step 6 deletes it, and installs the
    /// provider with the target's own value, if it had one.
    fn copied_state(&self, setting: &Setting<'_>) -> Option<SurfaceState> {
        if self.is_in_runbook(setting) && !self.stays() {
            return Some(SurfaceState::Replaced("by the runbook's value".to_owned()));
        }
        if self.own_value(setting).is_some() && !self.stays() {
            return None;
        }
        let taken = takes_production(&self.scope.policy, setting.definition, setting.name);
        Some(taken.map_or(SurfaceState::Open, SurfaceState::Allowed))
    }

    /// The state of a new provider's setting; none if it is not production's.
    fn new_state(&self, setting: &Setting<'_>) -> Option<SurfaceState> {
        let at = (setting.definition.to_owned(), setting.name.to_owned());
        let production = self
            .production
            .get(&at)
            .and_then(|(_, value)| value.as_deref());
        let names = |value: &str| !self.scope.names_production(value).is_empty();
        let is_production = production == setting.value || setting.value.is_some_and(names);
        if !is_production {
            return None;
        }
        if self.is_in_runbook(setting) {
            let by = "`parameters` of reinstall-providers";
            return Some(SurfaceState::Allowed(by.to_owned()));
        }
        let taken = takes_production(&self.scope.policy, setting.definition, setting.name);
        Some(taken.map_or(SurfaceState::Open, SurfaceState::Allowed))
    }

    fn own_value(&self, setting: &Setting<'_>) -> Option<&str> {
        let at = (setting.definition.to_owned(), setting.name.to_owned());
        let (_, value) = self.target.as_ref()?.get(&at)?;
        value.as_deref()
    }

    /// The value that the library gives, as far as it can be read.
    fn shipped(&self, setting: &Setting<'_>) -> Option<String> {
        let names = &self.scope.refresh.names;
        names
            .text(setting.declaration, self.kind.value)
            .ok()
            .flatten()
    }

    fn is_in_runbook(&self, setting: &Setting<'_>) -> bool {
        let options = &self.scope.refresh.runbook.steps.reinstall_providers.options;
        let named = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        self.kind.table == PARAMETER.table
            && options.parameters.iter().any(|(definition, values)| {
                named(definition, setting.definition)
                    && values.keys().any(|name| named(name, setting.name))
            })
    }
}
