//! Parameters and transformations of new instances: put back as the target had them, else as the
//! source's copy brought them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use uuid::Uuid;

use super::Old;
use crate::base::secrets;
use crate::base::text::fingerprint;
use crate::clients::Row;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Fields, Names, text};
use crate::domain::providers::Catalogue;
use crate::domain::tenant_set::RowReader;
use crate::domain::{Refresh, seals};
use crate::engine::{Change, Failure, Known, Reading, Survey};
use crate::runbook::{IomRequest, IomTable};

/// Parameters and transformations differ only in names.
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

    fn word(self) -> &'static str {
        match self {
            Self::Parameter => "provider-parameter",
            Self::Transformation => "provider-transformation",
        }
    }

    fn definition_word(self) -> &'static str {
        match self {
            Self::Parameter => "provider-definition-parameter",
            Self::Transformation => "provider-definition-transformation",
        }
    }

    fn value_column(self) -> &'static str {
        match self {
            Self::Parameter => "provider-parameter.value",
            Self::Transformation => "provider-transformation.script",
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

pub(super) struct Settings {
    refresh: Arc<Refresh>,
    kind: Setting,
}

/// By definition and the setting's logical name: the row and its value.
type Held = BTreeMap<(String, String), (Uuid, String)>;

/// A setting of a provider: which one it is, and its text.
struct SettingRow {
    id: Uuid,
    /// What people call it.
    title: String,
    provider: Option<Uuid>,
    definition: Option<Uuid>,
    value: Option<String>,
}

/// What a setting shall be, and where a person finds it: the value itself may be a secret.
struct Wanted {
    value: String,
    place: String,
}

impl Wanted {
    /// What the runbook says, else what the target had, else what was recorded; none where there
    /// was nothing.
    fn of(
        kind: Setting,
        overridden: Option<String>,
        target: Option<&(Uuid, String)>,
        (seal, recorded): (&str, &SettingRow),
    ) -> Option<Self> {
        let word = kind.word();
        if let Some(value) = overridden {
            let place = "what the runbook names under `parameters` of reinstall-providers";
            return Some(Self {
                value,
                place: place.to_owned(),
            });
        }
        if let Some((id, value)) = target {
            return Some(Self {
                value: value.clone(),
                place: format!(
                    "what the target had before the copy: capture `target/{word}/{id}` in the copy \
                     of the seal '{}' beside the state file",
                    seals::BEFORE_COPY
                ),
            });
        }
        Some(Self {
            value: recorded.value.clone()?,
            place: format!(
                "what was recorded: capture `{word}/{}` in the copy of the seal '{seal}' beside the \
                 state file",
                recorded.id
            ),
        })
    }
}

impl Settings {
    /// The settings of this kind.
    pub(super) fn of(refresh: &Arc<Refresh>, kind: Setting) -> Self {
        Self {
            refresh: Arc::clone(refresh),
            kind,
        }
    }

    fn read(&self, rows: Vec<(Uuid, Fields)>) -> Result<Vec<SettingRow>, Failure> {
        let names = Names::of(&self.refresh);
        let word = self.kind.word();
        rows.into_iter()
            .map(|(id, row)| {
                let value = names.text(&row, self.kind.value_column())?;
                // Captured or read now, it is hidden wherever a service repeats it.
                if let Some(value) = &value {
                    secrets::maybe_secret(value);
                }
                Ok(SettingRow {
                    id,
                    title: names.title(self.kind.table(), &row, id),
                    provider: names.lookup(&row, &format!("{word}.provider"))?,
                    definition: names.lookup(&row, &format!("{word}.definition"))?,
                    value,
                })
            })
            .collect()
    }

    /// The logical name of what a setting declares.
    fn logical_name(
        &self,
        known: &Known,
        seal: &str,
        prefix: &str,
        id: Option<Uuid>,
    ) -> Option<String> {
        let word = self.kind.definition_word();
        let column = Names::of(&self.refresh)
            .column(&format!("{word}.logical-name"))
            .ok()?;
        let rows = seals::rows(known, seal, &format!("{prefix}{word}"));
        rows.into_iter()
            .find(|(row, _)| Some(*row) == id)
            .and_then(|(_, row)| text(&row, column))
    }

    /// What the target had before the copy.
    fn target_values(&self, known: &Known) -> Result<Held, Failure> {
        let before = Catalogue::sealed(&self.refresh, known, seals::BEFORE_COPY, "target/")?;
        let rows = seals::rows(
            known,
            seals::BEFORE_COPY,
            &format!("target/{}", self.kind.word()),
        );
        let mut values = BTreeMap::new();
        for row in self.read(rows)? {
            let provider = row.provider.and_then(|id| before.providers.get(&id));
            let definition = provider
                .filter(|p| p.active)
                .and_then(|p| before.definition_of(p));
            let name = self.logical_name(known, seals::BEFORE_COPY, "target/", row.definition);
            if let (Some(definition), Some(name), Some(value)) = (definition, name, row.value) {
                values.insert((definition.logical_name.clone(), name), (row.id, value));
            }
        }
        Ok(values)
    }

    /// What the runbook says a parameter shall be.
    fn overridden(&self, definition: &str, name: &str) -> Result<Option<String>, Failure> {
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
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.refresh;
        let old = Old::of(refresh, known)?;
        let view = refresh.view(known);
        let now = Catalogue::read(refresh, view).await?;
        let table = view
            .table(Names::of(refresh).table(self.kind.table()))
            .await?;
        let current = self.read(view.by_id(&table.logical_name).await?.into_iter().collect())?;
        let recorded = self.read(seals::rows(known, seals::PROVIDERS, self.kind.word()))?;
        let target = self.target_values(known)?;
        let seal = known.seal_name(seals::PROVIDERS);
        let column = Names::of(refresh).column(self.kind.value_column())?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(&now) {
            for row in recorded
                .iter()
                .filter(|row| row.provider == Some(replaced.id))
            {
                let name = self
                    .logical_name(known, seals::PROVIDERS, "", row.definition)
                    .unwrap_or_else(|| row.id.to_string());
                let at = (definition.logical_name.clone(), name.clone());
                let overridden = self.overridden(&definition.logical_name, &name)?;
                let wanted = Wanted::of(self.kind, overridden, target.get(&at), (&seal, row));
                let Some(wanted) = wanted else { continue };
                let new_row = instance.and_then(|instance| {
                    current
                        .iter()
                        .find(|r| r.provider == Some(instance.id) && r.definition == row.definition)
                });
                if let Some(instance) = instance
                    && new_row.is_none()
                {
                    return Err(missing(self.kind.noun(), &name, &instance.name));
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
        // A parameter may be a secret: everywhere but in the request it is a fingerprint.
        let shown = |value: Option<&str>| json!({ "value": value.map(fingerprint) });
        let after = shown(Some(&wanted));
        let column = column.to_owned();
        let noun = self.kind.noun();
        IomChange {
            key: format!("provider/new/{definition}/{noun}/{name}"),
            name: format!("set {noun} '{name}' of the new provider '{definition}'"),
            before: shown(current.as_deref()),
            after,
            request: self.kind.request(),
            by_hand: vec![by_hand],
            evidence: format!("every {noun} has the value that was recorded"),
            patience: Duration::from_mins(1),
        }
        .filled(
            &self.refresh,
            RowReader::of(&self.refresh, entity_set, id, move |row: Option<&Row>| {
                Reading::of(shown(row.and_then(|row| row.string(&column))))
            }),
            Fill::id(id).value(wanted),
        )
    }
}

pub(super) fn missing(noun: &str, name: &str, provider: &str) -> Failure {
    Failure::failed(format!(
        "the new provider '{provider}' has no {noun} '{name}', which the old one had"
    ))
    .with_help("its definition has changed since; look at the provider in the IOM app")
}
