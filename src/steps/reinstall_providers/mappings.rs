//! Phase `mappings`: points mapping rows that referenced an old provider to the new instance of its
//! definition.
//!
//! A provider's deletion empties the lookup of these rows or deletes them, depending on the
//! tenant's metadata. A request that sets the provider cannot recreate a deleted row, so a person
//! does that, with the key of the capture that holds the row.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use super::old_providers::OldProviders;
use super::shared_readings::{Shared, configuration};
use crate::clients::Row;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::manual_change::ManualChange;
use crate::domain::names::{Fields, lookup};
use crate::domain::providers::ProviderDefinition;
use crate::domain::row_changes::{RowReader, surveyed};
use crate::domain::seals::Part;
use crate::domain::{keys, seals};
use crate::engine::{Change, Failure, JournalView, Reading, Survey};
use crate::runbook::{IomColumn, IomRequest, IomTable};

/// The word of the captures.
const WORD: &str = "warehouse-mapping";

/// Finds the mapping rows that do not reference the new instance yet.
pub(super) struct Mappings(pub(super) Arc<Shared>);

#[async_trait]
impl Survey for Mappings {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0.refresh;
        let names = &refresh.names;
        let recorded = seals::rows(journal, Part::Providers, WORD);
        let view = refresh.view(journal);
        let table = view
            .optional_table(names.table(IomTable::WarehouseMapping))
            .await?;
        let Some(table) = table.filter(|_| !recorded.is_empty()) else {
            return Ok(Vec::new());
        };
        // Preflight says what is lost without it.
        let Some(column) = names.optional(IomColumn::WarehouseMappingProvider) else {
            return Ok(Vec::new());
        };
        let tables = configuration(journal);
        let ((old, present), providers) = try_join!(
            self.0.old_and_present(journal, &tables),
            view.table(names.table(IomTable::Provider)),
        )?;
        let (old, now) = (Arc::new(old), &present.now);
        let current: BTreeMap<Uuid, &Fields> = present.rows(IomTable::WarehouseMapping).collect();
        let mut changes = Vec::new();
        for (id, row) in recorded {
            let Some(definition) = lookup(&row, column).and_then(|id| old.reinstalled_as(id))
            else {
                continue;
            };
            let instance = now
                .new_instance(definition.id, &old.ids)
                .map(|instance| instance.id);
            let title = names.title(IomTable::WarehouseMapping, &row, id);
            let Some(row) = current.get(&id).copied() else {
                let was_recreated = current.values().any(|row| {
                    instance.is_some()
                        && lookup(row, column) == instance
                        && names.title(IomTable::WarehouseMapping, row, id) == title
                });
                if !was_recreated {
                    changes.push(recreate(id, &title, &definition.name));
                }
                continue;
            };
            let provider = lookup(row, column);
            if provider.is_some_and(|provider| !old.ids.contains(&provider)) {
                // It already references the new instance, or a provider that a person chose.
                continue;
            }
            let before = provider_in(provider, None, &old, &definition.logical_name);
            let surveyed = surveyed(&table, &before, row);
            let reader = {
                let (old, column) = (Arc::clone(&old), column.to_owned());
                let logical_name = definition.logical_name.clone();
                let compared = move |row: Option<&Row>| {
                    let provider = row.and_then(|row| lookup(&row.value, &column));
                    Reading::of(provider_in(provider, instance, &old, &logical_name))
                };
                let set = &table.entity_set;
                RowReader::of_surveyed(refresh, set, id, compared, surveyed)
            };
            let instance = instance.unwrap_or_default();
            let fill = Fill::id(id).value(format!("{}({instance})", providers.entity_set));
            let change = point_to_new_provider(id, &title, definition, before);
            changes.push(change.filled(refresh, reader, fill));
        }
        self.0.hand_on(journal, &changes, &present);
        Ok(changes)
    }
}

fn point_to_new_provider(
    id: Uuid,
    title: &str,
    definition: &ProviderDefinition,
    before: Value,
) -> IomChange {
    let provider = &definition.name;
    IomChange {
        key: keys::warehouse_mapping(id),
        name: format!("point warehouse mapping '{title}' to the new provider '{provider}'"),
        before,
        after: words(Some("new"), &definition.logical_name),
        request: IomRequest::SetProviderMapping,
        by_hand: vec![format!(
            "IOM app > warehouse mapping '{title}': set its provider to the new '{provider}'"
        )],
        evidence: "every mapping references the new instance of its provider".to_owned(),
        settle_timeout: Duration::from_mins(1),
    }
}

/// A provider in words that hold before and after the reinstallation.
fn words(which: Option<&str>, definition: &str) -> Value {
    json!({ "provider": which.map(|which| format!("{which} provider of {definition}")) })
}

/// The compared field of a mapping: the provider that it references.
fn provider_in(
    held: Option<Uuid>,
    instance: Option<Uuid>,
    old: &OldProviders,
    definition: &str,
) -> Value {
    match held {
        None => words(None, definition),
        Some(id) if instance == Some(id) => words(Some("new"), definition),
        Some(id) if old.ids.contains(&id) => words(Some("old"), definition),
        Some(id) => json!({ "provider": id }),
    }
}

/// A person recreates a row that the deletion deleted.
fn recreate(id: Uuid, title: &str, provider: &str) -> Change {
    ManualChange {
        key: keys::warehouse_mapping(id),
        name: format!("recreate warehouse mapping '{title}' of provider '{provider}'"),
        before: Value::Null,
        after: json!({ "provider": "new" }),
        instructions: vec![format!(
            "warehouse mapping '{title}' was deleted with its old provider: recreate it for the \
             new provider '{provider}'; its row is in the seal '{}' under '{WORD}/{id}'",
            seals::PROVIDERS
        )],
        evidence: "a mapping of the same name references the new provider".to_owned(),
    }
    .into_change()
}
