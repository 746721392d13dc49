//! Phases `parameters` and `transformations`: restores the target's own settings of the providers,
//! else those that the copy brought from the source.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use uuid::Uuid;

use super::instance_rows::{InstanceRow, InstanceRows, RowKind};
use super::old::old_and_present;
use crate::base::redaction::fingerprint;
use crate::clients::Row;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::tenant_set::RowReader;
use crate::domain::{RefreshContext, keys, seals};
use crate::engine::{Change, Failure, JournalView, Reading, Survey};
use crate::runbook::{IomRequest, Word as _};

/// Finds the settings of one kind that do not have the desired value.
pub(super) struct Settings {
    pub(super) refresh: Arc<RefreshContext>,
    pub(super) kind: &'static RowKind,
    /// The request that sets one.
    pub(super) request: IomRequest,
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
        kind: &RowKind,
        runbook_value: Option<String>,
        target: Option<&(Uuid, String)>,
        (seal, column, recorded): (&str, &str, &InstanceRow),
    ) -> Option<Self> {
        let word = kind.table.word();
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
                     of the seal '{}' beside the state file; `iomcopy state show STATE-FILE \
                     target/{word}/{id} --column {column}` shows it",
                    seals::BEFORE_COPY
                ),
            });
        }
        Some(Self {
            value: recorded.value.clone()?,
            place: format!(
                "the recorded value: capture `{word}/{id}` in the copy of the seal '{seal}' beside the \
                 state file; `iomcopy state show STATE-FILE {word}/{id} --column {column} --seal \
                 {seal}` shows it",
                id = recorded.id
            ),
        })
    }
}

#[async_trait]
impl Survey for Settings {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let (refresh, kind) = (&self.refresh, self.kind);
        let (old, view, now) = old_and_present(refresh, journal).await?;
        let table = view.table(refresh.names.table(kind.table)).await?;
        let rows = InstanceRows::read(kind, refresh, journal, view).await?;
        let target = kind.target_values(&refresh.names, journal, |provider| provider.active)?;
        let seal = journal.seal_name(seals::PROVIDERS);
        let column = refresh.names.column(kind.value)?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(&now) {
            for (recorded, new, name) in rows.of_instance(replaced, instance) {
                let at = (definition.logical_name.clone(), name.clone());
                let runbook_value = self.runbook_value(&definition.logical_name, &name)?;
                let wanted = DesiredValue::choose(
                    kind,
                    runbook_value,
                    target.get(&at),
                    (&seal, column, recorded),
                );
                let Some(wanted) = wanted else { continue };
                rows.require(&name, instance, new)?;
                let value = new.and_then(|row| row.value.clone());
                if new.is_some() && value.as_deref() == Some(wanted.value.as_str()) {
                    continue;
                }
                let by_hand = format!(
                    "IOM app > Providers > Installed > '{}' > {}s > '{}': set it to {}",
                    instance.map_or(&replaced.name, |instance| &instance.name),
                    kind.noun,
                    new.map_or(&recorded.title, |row| &row.title),
                    wanted.place
                );
                changes.push(self.change(
                    (&table.entity_set, column),
                    (&definition.logical_name, &name),
                    (new.map_or(Uuid::nil(), |row| row.id), value),
                    wanted.value,
                    by_hand,
                ));
            }
        }
        Ok(changes)
    }
}

impl Settings {
    /// The value that the runbook gives a parameter.
    fn runbook_value(&self, definition: &str, name: &str) -> Result<Option<String>, Failure> {
        if self.request != IomRequest::SetProviderParameter {
            return Ok(None);
        }
        let options = &self.refresh.runbook.steps.reinstall_providers.options;
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
            .map(|(_, value)| self.refresh.secret(&value.value))
            .transpose()
    }

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
        let noun = self.kind.noun;
        IomChange {
            key: keys::new_provider_setting(definition, noun, name),
            name: format!("set {noun} '{name}' of the new provider '{definition}'"),
            before: shown(current.as_deref()),
            after,
            request: self.request,
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
