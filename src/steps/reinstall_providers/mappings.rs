//! Mapping rows that led to an old provider: put back to the new instance of its definition.
//!
//! A deletion empties their lookup or takes them along, as the tenant's metadata says. A row that
//! is gone cannot be made again by a request that sets its provider, so it is a person's task, with
//! the key of the capture that holds its text.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Old;
use crate::clients::Row;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Names, lookup};
use crate::domain::providers::Catalogue;
use crate::domain::tenant_set::RowReader;
use crate::domain::{Refresh, seals};
use crate::engine::{Action, Ask, Change, Failure, Known, Reading, Survey};
use crate::runbook::{IomRequest, IomTable};

/// The word of the captures.
const WORD: &str = "warehouse-mapping";

pub(super) struct Mappings(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Mappings {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let names = Names::of(refresh);
        let recorded = seals::rows(known, seals::PROVIDERS, WORD);
        let view = refresh.view(known);
        let table = view
            .optional_table(names.table(IomTable::WarehouseMapping))
            .await?;
        let Some(table) = table.filter(|_| !recorded.is_empty()) else {
            return Ok(Vec::new());
        };
        let column = names.column("warehouse-mapping.provider")?;
        let old = Arc::new(Old::of(refresh, known)?);
        let now = Catalogue::read(refresh, view).await?;
        let providers = view.table(names.table(IomTable::Provider)).await?;
        let current = view.by_id(&table.logical_name).await?;
        let mut changes = Vec::new();
        for (id, row) in recorded {
            let held = lookup(&row, column).and_then(|id| old.catalogue.providers.get(&id));
            let again = held.and_then(|held| {
                old.again
                    .iter()
                    .find(|(_, definition)| Some(definition.id) == held.definition)
            });
            let Some((_, definition)) = again else {
                continue;
            };
            let instance = now
                .new_instance(definition.id, &old.ids)
                .map(|instance| instance.id);
            let title = names.title(IomTable::WarehouseMapping, &row, id);
            let Some(row) = current.get(&id) else {
                let was_made_again = current.values().any(|row| {
                    instance.is_some()
                        && lookup(row, column) == instance
                        && names.title(IomTable::WarehouseMapping, row, id) == title
                });
                if !was_made_again {
                    changes.push(lost(id, &title, &definition.name));
                }
                continue;
            };
            let held = lookup(row, column);
            let is_ours = held.is_none_or(|held| old.ids.contains(&held));
            if !is_ours {
                // It leads to the new instance, or a person chose another provider.
                continue;
            }
            let logical_name = definition.logical_name.clone();
            let after = words(Some("new"), &logical_name);
            let project = {
                let (old, column) = (Arc::clone(&old), column.to_owned());
                let logical_name = logical_name.clone();
                move |row: Option<&Row>| {
                    let held = row.and_then(|row| lookup(&row.value, &column));
                    Reading::of(provider_in(held, instance, &old, &logical_name))
                }
            };
            let instance = instance.unwrap_or_default();
            let value = format!("{}({instance})", providers.entity_set);
            changes.push(
                IomChange {
                    key: format!("mapping/{id}"),
                    name: format!(
                        "lead warehouse mapping '{title}' to the new provider '{}'",
                        definition.name
                    ),
                    before: provider_in(held, None, &old, &logical_name),
                    after,
                    request: IomRequest::SetProviderMapping,
                    by_hand: vec![format!(
                        "IOM app > warehouse mapping '{title}': set its provider to the new '{}'",
                        definition.name
                    )],
                    evidence: "every mapping leads to the new instance of its provider".to_owned(),
                    patience: Duration::from_mins(1),
                }
                .filled(
                    refresh,
                    RowReader::of(refresh, &table.entity_set, id, project),
                    Fill::id(id).value(value.clone()),
                ),
            );
        }
        Ok(changes)
    }
}

fn words(which: Option<&str>, definition: &str) -> Value {
    json!({ "provider": which.map(|which| format!("{which} provider of {definition}")) })
}

/// The provider that a mapping leads to, as it is compared.
fn provider_in(held: Option<Uuid>, instance: Option<Uuid>, old: &Old, definition: &str) -> Value {
    match held {
        None => words(None, definition),
        Some(id) if instance == Some(id) => words(Some("new"), definition),
        Some(id) if old.ids.contains(&id) => words(Some("old"), definition),
        Some(id) => json!({ "provider": id }),
    }
}

/// A row that the deletion took along.
fn lost(id: Uuid, title: &str, provider: &str) -> Change {
    Change {
        key: format!("mapping/{id}"),
        name: format!("make warehouse mapping '{title}' of provider '{provider}' again"),
        before: Value::Null,
        after: json!({ "provider": "new" }),
        follows: Vec::new(),
        action: Action::Ask(Ask {
            instructions: vec![format!(
                "warehouse mapping '{title}' was deleted with its old provider: make it again for the new provider '{provider}'; what it held is in the seal '{}' under '{WORD}/{id}'",
                seals::PROVIDERS
            )],
            evidence: "a mapping of the same name leads to the new provider".to_owned(),
        }),
    }
}
