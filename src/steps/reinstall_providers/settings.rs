//! Phases `parameters` and `transformations`: restores the target's own settings of the providers,
//! else those that the copy brought from the source.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use uuid::Uuid;

use super::old::old_and_present;
use crate::base::secrets;
use crate::base::text::fingerprint;
use crate::clients::Row;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Fields, text};
use crate::domain::providers::Catalogue;
use crate::domain::seals::Part;
use crate::domain::tenant_set::RowReader;
use crate::domain::{RefreshContext, keys, seals};
use crate::engine::{Change, Failure, JournalView, Reading, Survey};
use crate::runbook::{IomColumn, IomRequest, IomTable, Word as _};

/// The two kinds of settings. They differ only in names.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Setting {
    Parameter,
    Transformation,
}

impl Setting {
    fn table(self) -> IomTable {
        match self {
            Self::Parameter => IomTable::ProviderParameter,
            Self::Transformation => IomTable::ProviderTransformation,
        }
    }

    /// The table of what settings are declared by.
    fn definition_table(self) -> IomTable {
        match self {
            Self::Parameter => IomTable::ProviderDefinitionParameter,
            Self::Transformation => IomTable::ProviderDefinitionTransformation,
        }
    }

    fn definition_name_column(self) -> IomColumn {
        match self {
            Self::Parameter => IomColumn::ProviderDefinitionParameterLogicalName,
            Self::Transformation => IomColumn::ProviderDefinitionTransformationLogicalName,
        }
    }

    fn provider_column(self) -> IomColumn {
        match self {
            Self::Parameter => IomColumn::ProviderParameterProvider,
            Self::Transformation => IomColumn::ProviderTransformationProvider,
        }
    }

    fn definition_column(self) -> IomColumn {
        match self {
            Self::Parameter => IomColumn::ProviderParameterDefinition,
            Self::Transformation => IomColumn::ProviderTransformationDefinition,
        }
    }

    fn value_column(self) -> IomColumn {
        match self {
            Self::Parameter => IomColumn::ProviderParameterValue,
            Self::Transformation => IomColumn::ProviderTransformationScript,
        }
    }

    fn request(self) -> IomRequest {
        match self {
            Self::Parameter => IomRequest::SetProviderParameter,
            Self::Transformation => IomRequest::SetProviderTransformation,
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Parameter => "parameter",
            Self::Transformation => "transformation",
        }
    }
}

/// Finds the settings of one kind that do not have the desired value.
pub(super) struct Settings {
    refresh: Arc<RefreshContext>,
    kind: Setting,
}

/// By definition and the setting's logical name: the row's id and its value.
type ValuesByName = BTreeMap<(String, String), (Uuid, String)>;

/// The row of a setting.
struct SettingRow {
    id: Uuid,
    /// Its display name.
    title: String,
    provider: Option<Uuid>,
    definition: Option<Uuid>,
    value: Option<String>,
}

/// The value that a setting should have, and where a person finds it: the value itself may be
/// secret.
struct DesiredValue {
    value: String,
    place: String,
}

impl DesiredValue {
    /// The runbook's value, else the target's value before the copy, else the recorded value; none
    /// where there is no such value.
    fn choose(
        kind: Setting,
        runbook_value: Option<String>,
        target: Option<&(Uuid, String)>,
        (seal, recorded): (&str, &SettingRow),
    ) -> Option<Self> {
        let word = kind.table().word();
        if let Some(value) = runbook_value {
            let place = "the value in the runbook under `parameters` of reinstall-providers";
            return Some(Self {
                value,
                place: place.to_owned(),
            });
        }
        if let Some((id, value)) = target {
            return Some(Self {
                value: value.clone(),
                place: format!(
                    "the value that the target had before the copy: capture `target/{word}/{id}` in the copy \
                     of the seal '{}' beside the state file",
                    seals::BEFORE_COPY
                ),
            });
        }
        Some(Self {
            value: recorded.value.clone()?,
            place: format!(
                "the recorded value: capture `{word}/{}` in the copy of the seal '{seal}' beside the \
                 state file",
                recorded.id
            ),
        })
    }
}

impl Settings {
    pub(super) fn new(refresh: &Arc<RefreshContext>, kind: Setting) -> Self {
        Self {
            refresh: Arc::clone(refresh),
            kind,
        }
    }

    fn read(&self, rows: Vec<(Uuid, Fields)>) -> Result<Vec<SettingRow>, Failure> {
        let names = &self.refresh.names;
        rows.into_iter()
            .map(|(id, row)| {
                let value = names.text(&row, self.kind.value_column())?;
                // Hides the value wherever a service repeats it.
                if let Some(value) = &value {
                    secrets::register_possible_secret(value);
                }
                Ok(SettingRow {
                    id,
                    title: names.title(self.kind.table(), &row, id),
                    provider: names.lookup(&row, self.kind.provider_column())?,
                    definition: names.lookup(&row, self.kind.definition_column())?,
                    value,
                })
            })
            .collect()
    }

    /// The logical name of a setting, from its definition's row in a seal.
    fn logical_name(&self, journal: &JournalView, part: Part, id: Option<Uuid>) -> Option<String> {
        let column = self
            .refresh
            .names
            .column(self.kind.definition_name_column())
            .ok()?;
        let rows = seals::rows(journal, part, self.kind.definition_table().word());
        rows.into_iter()
            .find(|(row, _)| Some(*row) == id)
            .and_then(|(_, row)| text(&row, column))
    }

    /// The target's values before the copy.
    fn target_values(&self, journal: &JournalView) -> Result<ValuesByName, Failure> {
        let before = Catalogue::sealed(&self.refresh.names, journal, Part::Target)?;
        let rows = seals::rows(journal, Part::Target, self.kind.table().word());
        let mut values = BTreeMap::new();
        for row in self.read(rows)? {
            let provider = row.provider.and_then(|id| before.providers.get(&id));
            let definition = provider
                .filter(|p| p.active)
                .and_then(|p| before.definition_of(p));
            let name = self.logical_name(journal, Part::Target, row.definition);
            if let (Some(definition), Some(name), Some(value)) = (definition, name, row.value) {
                values.insert((definition.logical_name.clone(), name), (row.id, value));
            }
        }
        Ok(values)
    }

    /// The value that the runbook gives a parameter.
    fn runbook_value(&self, definition: &str, name: &str) -> Result<Option<String>, Failure> {
        if self.kind != Setting::Parameter {
            return Ok(None);
        }
        let parameters = &self
            .refresh
            .runbook
            .steps
            .reinstall_providers
            .options
            .parameters;
        let found = parameters
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(definition))
            .and_then(|(_, values)| {
                values
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
            });
        let Some((_, value)) = found else {
            return Ok(None);
        };
        self.refresh.secret(&value.value).map(Some)
    }
}

#[async_trait]
impl Survey for Settings {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.refresh;
        let (old, view, now) = old_and_present(refresh, journal).await?;
        let table = view.table(refresh.names.table(self.kind.table())).await?;
        let current = self.read(view.by_id(&table.logical_name).await?.into_iter().collect())?;
        let recorded = self.read(seals::rows(
            journal,
            Part::Providers,
            self.kind.table().word(),
        ))?;
        let target = self.target_values(journal)?;
        let seal = journal.seal_name(seals::PROVIDERS);
        let column = refresh.names.column(self.kind.value_column())?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(&now) {
            for row in recorded
                .iter()
                .filter(|row| row.provider == Some(replaced.id))
            {
                let name = self
                    .logical_name(journal, Part::Providers, row.definition)
                    .unwrap_or_else(|| row.id.to_string());
                let at = (definition.logical_name.clone(), name.clone());
                let runbook_value = self.runbook_value(&definition.logical_name, &name)?;
                let wanted =
                    DesiredValue::choose(self.kind, runbook_value, target.get(&at), (&seal, row));
                let Some(wanted) = wanted else { continue };
                let new_row = instance.and_then(|instance| {
                    current
                        .iter()
                        .find(|r| r.provider == Some(instance.id) && r.definition == row.definition)
                });
                if let Some(instance) = instance
                    && new_row.is_none()
                {
                    return Err(missing_row(self.kind.noun(), &name, &instance.name));
                }
                let value = new_row.and_then(|row| row.value.clone());
                if new_row.is_some() && value.as_deref() == Some(wanted.value.as_str()) {
                    continue;
                }
                let by_hand = format!(
                    "IOM app > Providers > Installed > '{}' > {}s > '{}': set it to {}",
                    instance.map_or(&replaced.name, |instance| &instance.name),
                    self.kind.noun(),
                    new_row.map_or(&row.title, |row| &row.title),
                    wanted.place
                );
                changes.push(self.change(
                    (&table.entity_set, column),
                    (&definition.logical_name, &name),
                    (new_row.map_or(Uuid::nil(), |row| row.id), value),
                    wanted.value,
                    by_hand,
                ));
            }
        }
        Ok(changes)
    }
}

impl Settings {
    fn change(
        &self,
        (entity_set, column): (&str, &str),
        (definition, name): (&str, &str),
        (id, current): (Uuid, Option<String>),
        wanted: String,
        by_hand: String,
    ) -> Change {
        // A parameter may be secret: only the request holds it, everything else its fingerprint.
        let shown = |value: Option<&str>| json!({ "value": value.map(fingerprint) });
        let after = shown(Some(&wanted));
        let column = column.to_owned();
        let noun = self.kind.noun();
        IomChange {
            key: keys::new_provider_setting(definition, noun, name),
            name: format!("set {noun} '{name}' of the new provider '{definition}'"),
            before: shown(current.as_deref()),
            after,
            request: self.kind.request(),
            by_hand: vec![by_hand],
            evidence: format!("every {noun} has its recorded value"),
            settle_timeout: Duration::from_mins(1),
        }
        .filled(
            &self.refresh,
            RowReader::shared(&self.refresh, entity_set, id, move |row: Option<&Row>| {
                Reading::of(shown(row.and_then(|row| row.string(&column))))
            }),
            Fill::id(id).value(wanted),
        )
    }
}

/// The failure of a new instance that lacks a row which the old one had.
pub(super) fn missing_row(noun: &str, name: &str, provider: &str) -> Failure {
    Failure::failed(format!(
        "the new provider '{provider}' has no {noun} '{name}', which the old one had"
    ))
    .with_help("its definition has changed since then; look at the provider in the IOM app")
}
