//! Phases `parameters` and `transformations`: restores the target's own settings of the providers.
//!
//! A value of production is taken only if the runbook says so; see
//! [`crate::domain::provider_settings`]. A note names each setting that is left without one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::try_join;
use uuid::Uuid;

use super::connections::require_connections;
use super::instance_rows::{CONNECTION_REFERENCE, InstanceRow, InstanceRows, PARAMETER, RowKind};
use super::old_providers::OldProviders;
use super::shared_readings::{Present, Shared, configuration};
use crate::base::redaction::fingerprint;
use crate::base::sync::lock;
use crate::clients::{Row, Table};
use crate::domain::connections::choices::Choices;
use crate::domain::containment::Policy;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::Fields;
use crate::domain::own_settings::{self, NOT_CAPTURED};
use crate::domain::provider_rows::{RowsByName, has_default, is_declared, is_default};
use crate::domain::provider_settings::{
    DesiredSetting, RecordedBy, SET_IT, SettingSources, source_providers, takes_production,
};
use crate::domain::providers::Provider;
use crate::domain::row_changes::{RowReader, surveyed};
use crate::domain::seals::Part;
use crate::domain::{RefreshContext, failure_at, keys, seals};
use crate::engine::{Change, Failure, FailureKind, JournalView, Note, Reading, Survey};
use crate::runbook::{IomRequest, IomTable, Keyword as _};

/// Finds the settings of one kind that do not have the desired value.
pub(super) struct Settings {
    pub(super) shared: Arc<Shared>,
    pub(super) kind: &'static RowKind,
    /// The request that sets one.
    pub(super) request: IomRequest,
    pub(super) last: LastSurvey,
}

/// The reading of the last survey, which found nothing left to do; the notes use it.
#[derive(Default)]
pub(super) struct LastSurvey(Mutex<Option<Snapshot>>);

/// What a survey of the settings reads.
struct Snapshot {
    old: OldProviders,
    present: Arc<Present>,
    rows: InstanceRows,
    known: KnownSettings,
}

impl Settings {
    async fn read(&self, journal: &JournalView) -> Result<Snapshot, Failure> {
        let (refresh, kind) = (&self.shared.refresh, self.kind);
        let tables = configuration(journal);
        let ((old, present), known) = try_join!(
            self.shared.old_and_present(journal, &tables),
            KnownSettings::read(kind, refresh, journal),
        )?;
        Ok(Snapshot {
            old,
            rows: InstanceRows::select(kind, &refresh.names, journal, &present)?,
            present,
            known,
        })
    }
}

/// What is known about the settings of one kind before the providers are deleted.
struct KnownSettings {
    /// The target's rows before the copy.
    target: RowsByName,
    /// Are they known? Else the target may have had values.
    is_captured: bool,
    /// The ids of the source's providers.
    copied: BTreeSet<Uuid>,
    /// The rows that declare the settings.
    declarations: BTreeMap<Uuid, Fields>,
    /// What the runbook wants for production's values.
    policy: Policy,
    /// Is a provider reinstalled once more, after the run gave it its settings?
    is_again: bool,
}

impl KnownSettings {
    async fn read(
        kind: &RowKind,
        refresh: &RefreshContext,
        journal: &JournalView,
    ) -> Result<Self, Failure> {
        Ok(Self {
            target: kind.target_rows(&refresh.names, journal, |provider| provider.active)?,
            is_captured: own_settings::are_captured(journal),
            copied: source_providers(refresh, journal).await?,
            declarations: seals::fields_by_id(
                journal,
                Part::Providers,
                kind.declarations.keyword(),
            ),
            policy: Policy::from_runbook(&refresh.runbook),
            is_again: journal.reinstalled_definition().is_some(),
        })
    }

    fn desired(
        &self,
        kind: &RowKind,
        refresh: &RefreshContext,
        replaced: &Provider,
        (definition, name): (&str, &str),
        recorded: &InstanceRow,
    ) -> Result<DesiredSetting, Failure> {
        let at = (definition.to_owned(), name.to_owned());
        let is_copy = self.copied.contains(&replaced.id);
        Ok(DesiredSetting::choose(SettingSources {
            runbook: runbook_value(kind, refresh, definition, name)?,
            target: self.target.get(&at),
            recorded: recorded.present_value(),
            recorded_by: match (is_copy, self.is_again) {
                (true, _) => RecordedBy::Production,
                (false, true) => RecordedBy::TargetSince,
                (false, false) => RecordedBy::Target,
            },
            takes_production: takes_production(&self.policy, definition, name).is_some(),
            can_be_empty: kind.can_be_empty,
        }))
    }

    /// Does a setting that the target had without a value have production's, or the library's? Any
    /// other value is a person's; before the installation it is not known.
    fn is_to_be_emptied(&self, recorded: &InstanceRow, value: Option<&str>) -> bool {
        let is_shipped = |value: &str| {
            self.declaration(recorded)
                .is_some_and(|declaration| is_default(declaration, value))
        };
        value.is_some_and(|value| recorded.present_value() == Some(value) || is_shipped(value))
    }

    /// Does the row that declares a setting say this of it?
    fn says(&self, recorded: &InstanceRow, word: &str) -> bool {
        self.declaration(recorded)
            .is_some_and(|row| is_declared(row, word))
    }

    /// Why a new provider does not get production's value and has none of its own.
    fn why_not_taken(&self) -> String {
        if self.is_captured {
            return "because the target had no value".to_owned();
        }
        format!("and {NOT_CAPTURED}")
    }

    fn declaration(&self, recorded: &InstanceRow) -> Option<&Fields> {
        self.declarations.get(&recorded.declared_by?)
    }
}

/// The value that the runbook gives a parameter.
fn runbook_value(
    kind: &RowKind,
    refresh: &RefreshContext,
    definition: &str,
    name: &str,
) -> Result<Option<String>, Failure> {
    if kind.table != PARAMETER.table {
        return Ok(None);
    }
    let options = &refresh.runbook.steps.reinstall_providers.options;
    let found = options
        .parameters
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(definition))
        .and_then(|(_, values)| {
            values
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
        });
    found
        .map(|(_, value)| refresh.secret(&value.value))
        .transpose()
}

/// The text that a setting should have, and the instruction for a person, who finds the value at
/// its place: the value itself may be secret. None if the setting is left as the library
/// installs it.
fn value_and_instruction(
    kind: &RowKind,
    desired: DesiredSetting,
    (seal, column): (&str, &str),
    recorded: &InstanceRow,
    journal: &JournalView,
) -> Option<(String, String)> {
    let word = kind.table.keyword();
    let file = journal.state_file_argument();
    Some(match desired {
        DesiredSetting::AsInstalled => return None,
        DesiredSetting::Empty => (
            String::new(),
            "empty it, because the target had no value".to_owned(),
        ),
        DesiredSetting::FromRunbook(value) => (
            value,
            "set it to the value in the runbook under `parameters` of reinstall-providers"
                .to_owned(),
        ),
        DesiredSetting::FromTarget(id, value) => (
            value,
            format!(
                "set it to the value that the target had before the copy: capture \
                 `target/{word}/{id}` in the copy of the seal '{}' beside the state file; `iomcopy \
                 state show {file} target/{word}/{id} --column {column}` shows it",
                seals::BEFORE_COPY
            ),
        ),
        DesiredSetting::Recorded(value) => (
            value,
            format!(
                "set it to the recorded value: capture `{word}/{id}` in the copy of the seal \
                 '{seal}' beside the state file; `iomcopy state show {file} {word}/{id} \
                 --column {column} --seal {seal}` shows it",
                id = recorded.id
            ),
        ),
    })
}

#[async_trait]
impl Survey for Settings {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let (refresh, kind) = (&self.shared.refresh, self.kind);
        let snapshot = self.read(journal).await?;
        let Snapshot {
            old,
            present,
            rows,
            known,
        } = &snapshot;
        let view = refresh.view(journal);
        let table = view.table(refresh.names.table(kind.table)).await?;
        let seal = journal.seal_name(seals::PROVIDERS);
        let column = refresh.names.column(kind.value)?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(&present.now) {
            for (recorded, new, name) in rows.of_instance(replaced, instance) {
                let at = (definition.logical_name.as_str(), name.as_str());
                let desired = known.desired(kind, refresh, replaced, at, recorded)?;
                let wanted =
                    value_and_instruction(kind, desired, (&seal, column), recorded, journal);
                let Some((wanted, instruction)) = wanted else {
                    continue;
                };
                rows.require(&name, instance, new)?;
                let value = new.and_then(|row| row.present_value());
                if new.is_some() && value.unwrap_or_default() == wanted {
                    continue;
                }
                if wanted.is_empty() && !known.is_to_be_emptied(recorded, value) {
                    continue;
                }
                let by_hand = format!(
                    "IOM app > Providers > Installed > '{}' > {}s > '{}': {instruction}",
                    instance.map_or(&replaced.name, |instance| &instance.name),
                    kind.noun,
                    new.map_or(&recorded.title, |row| &row.title),
                );
                changes.push(self.change((&table, column), at, new, wanted, by_hand));
            }
        }
        self.shared.hand_on(journal, &changes, present);
        *lock(&self.last.0) = changes.is_empty().then_some(snapshot);
        Ok(changes)
    }

    /// Names each setting that production has and the new provider does not get.
    async fn notes(&self, journal: &JournalView) -> Result<Vec<Note>, Failure> {
        let (refresh, kind) = (&self.shared.refresh, self.kind);
        let last = lock(&self.last.0).take();
        let Snapshot {
            old,
            present,
            rows,
            known,
        } = match last {
            Some(snapshot) => snapshot,
            None => self.read(journal).await?,
        };
        let mut notes = Vec::new();
        for (replaced, definition, instance) in old.instances(&present.now) {
            for (recorded, new, name) in rows.of_instance(replaced, instance) {
                let at = (definition.logical_name.as_str(), name.as_str());
                let is_secret = known.says(recorded, "secret");
                let secret = if is_secret { ", a secret" } else { "" };
                let desired = known.desired(kind, refresh, replaced, at, recorded)?;
                let current = new.and_then(|row| row.present_value());
                let shipped = known
                    .declaration(recorded)
                    .and_then(|row| refresh.names.text(row, kind.value).ok().flatten());
                let is_set =
                    current.is_some() && (kind.can_be_empty || current != shipped.as_deref());
                let differs = recorded.present_value() != shipped.as_deref();
                match desired {
                    DesiredSetting::AsInstalled | DesiredSetting::Empty
                        if recorded.value.is_some() && differs && !is_set =>
                    {
                        let provider = instance.map_or(&replaced.name, |it| &it.name);
                        let text = format!(
                            "not set: {} '{name}' of provider '{provider}' ({}){secret}",
                            kind.noun, definition.logical_name,
                        );
                        let why = known.why_not_taken();
                        notes.push(Note::new(
                            text,
                            format!("production's value is not taken, {why}: {SET_IT}"),
                        ));
                    }
                    DesiredSetting::Recorded(_)
                        if is_secret && known.copied.contains(&replaced.id) =>
                    {
                        let text = format!(
                            "{} '{name}' of provider '{}' is a secret and gets production's value, \
                             as `containment` of the runbook says",
                            kind.noun, definition.logical_name
                        );
                        notes.push(text.into());
                    }
                    _ => {}
                }
            }
        }
        Ok(notes)
    }
}

/// The tables that are checked before anything is deleted.
pub(super) const CHECKED: [IomTable; 2] = [PARAMETER.table, CONNECTION_REFERENCE.table];

/// Is no provider of the seal deleted yet? A plan deletes none.
pub(super) fn has_deleted_none(journal: &JournalView) -> bool {
    let sealed = seals::rows(journal, Part::Providers, IomTable::Provider.keyword());
    let is_deleted = |id| journal.maker(&keys::provider_delete(id)).is_some();
    !journal.is_planning() && !sealed.into_iter().any(|(id, _)| is_deleted(id))
}

/// Refuses the deletion if a new provider could not be activated: a connection that neither the
/// runbook nor the target names, or a required parameter without a value. Preflight has checked the
/// source; this checks what was recorded. Once a provider is deleted, a refusal protects nothing.
pub(super) async fn require_settings(
    refresh: &RefreshContext,
    journal: &JournalView,
    old: &OldProviders,
    present: &Present,
    choices: Choices,
) -> Result<(), Failure> {
    require_connections(refresh, journal, old, present, choices)?;
    let kind = &PARAMETER;
    let rows = InstanceRows::select(kind, &refresh.names, journal, present)?;
    let known = KnownSettings::read(kind, refresh, journal).await?;
    let mut missing = Vec::new();
    for (replaced, definition, instance) in old.instances(&present.now) {
        for (recorded, _, name) in rows.of_instance(replaced, instance) {
            let has_default = known.declaration(recorded).is_some_and(has_default);
            if has_default || !known.says(recorded, "required") {
                continue;
            }
            let at = (definition.logical_name.as_str(), name.as_str());
            let desired = known.desired(kind, refresh, replaced, at, recorded)?;
            if matches!(desired, DesiredSetting::AsInstalled | DesiredSetting::Empty) {
                missing.push(format!("{}.{name}", definition.logical_name));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let diagnostic = refresh.runbook.diagnostic(
        refresh.runbook.steps.reinstall_providers.span,
        &format!(
            "required parameters have no value in the target or the runbook: {}",
            missing.join(", ")
        ),
        Some(
            "nothing was deleted; add each under `parameters` of this step: `DEFINITION: { \
             PARAMETER: { env: NAME } }`",
        ),
    );
    Err(failure_at(FailureKind::InvalidInput, &diagnostic))
}

impl Settings {
    fn change(
        &self,
        (table, column): (&Table, &str),
        (definition, name): (&str, &str),
        current: Option<&InstanceRow>,
        wanted: String,
        by_hand: String,
    ) -> Change {
        // A parameter may be secret: only the request holds it, everything else its fingerprint. An
        // empty text means no value: Dataverse stores it as null.
        let shown = |value: Option<&str>| {
            let value = value.filter(|value| !value.is_empty());
            json!({ "value": value.map(fingerprint) })
        };
        let before = shown(current.and_then(InstanceRow::present_value));
        let after = shown(Some(&wanted));
        let surveyed = current.and_then(|row| surveyed(table, &before, &row.fields));
        let id = current.map_or(Uuid::nil(), |row| row.id);
        let column = column.to_owned();
        let compared =
            move |row: Option<&Row>| Reading::of(shown(row.and_then(|row| row.string(&column))));
        let noun = self.kind.noun;
        let verb = if wanted.is_empty() { "empty" } else { "set" };
        IomChange {
            key: keys::new_provider_setting(definition, noun, name),
            name: format!("{verb} {noun} '{name}' of the new provider '{definition}'"),
            before,
            after,
            request: self.request,
            by_hand: vec![by_hand],
            evidence: format!("every {noun} has its recorded value"),
            settle_timeout: Duration::from_mins(1),
        }
        .filled(
            &self.shared.refresh,
            RowReader::of_surveyed(
                &self.shared.refresh,
                &table.entity_set,
                id,
                compared,
                surveyed,
            ),
            Fill::id(id).value(wanted),
        )
    }
}
