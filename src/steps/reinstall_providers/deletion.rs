//! Phase `delete`: deletes the old providers, and waits until their actions are gone too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::cascades::{deletes_rows_of, read_cascades};
use super::old::old_and_present;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::Fields;
use crate::domain::seals::Part;
use crate::domain::tenant_set::Reader;
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys, sealed_row, seals};
use crate::engine::{Action, Change, Failure, JournalView, Reading, Survey};
use crate::runbook::{IomColumn, IomRequest, IomTable, Word as _};

/// Finds the old providers that are still installed.
pub(super) struct Delete(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for Delete {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let (old, view, now) = old_and_present(refresh, journal).await?;
        let provider_table = refresh.names.table(IomTable::Provider);
        let rows = view.by_id(provider_table).await?;
        let sealed: BTreeMap<Uuid, Fields> =
            seals::rows(journal, Part::Providers, IomTable::Provider.word())
                .into_iter()
                .collect();
        let cascades = read_cascades(refresh, view).await?;
        let actions = refresh.names.table(IomTable::ProviderAction);
        let deletes_actions = deletes_rows_of(&cascades, actions);
        let installed = now
            .providers
            .values()
            .filter(|provider| old.ids.contains(&provider.id));
        Ok(installed
            .map(|provider| {
                let (id, name) = (provider.id, &provider.name);
                let sealed = sealed.get(&id).cloned().unwrap_or_default();
                let before = rows.get(&id).map_or_else(
                    || json!({ INSTALLED: true }),
                    |row| sealed_row::compare(INSTALLED, &sealed, row),
                );
                let reader = DeletionReader {
                    refresh: Arc::clone(refresh),
                    id,
                    deletes_actions,
                    sealed,
                };
                let change = IomChange {
                    key: keys::provider_delete(id),
                    name: format!("delete provider '{name}'"),
                    before,
                    after: Value::Null,
                    request: IomRequest::DeleteProvider,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{name}': delete it"
                    )],
                    evidence: "no old provider is left".to_owned(),
                    settle_timeout: Duration::from_mins(10),
                }
                .filled(refresh, Arc::new(reader), Fill::id(id));
                let action = match change.action {
                    Action::Set(set) => Action::Remove {
                        set,
                        seal: seals::PROVIDERS,
                        captured: Part::Providers
                            .key(&format!("{}/{id}", IomTable::Provider.word())),
                        sealed: json!({ INSTALLED: true }),
                    },
                    other => other,
                };
                Change { action, ..change }
            })
            .collect())
    }
}

/// Reads whether a provider still exists, or any action that its deletion should delete too.
struct DeletionReader {
    refresh: Arc<RefreshContext>,
    id: Uuid,
    deletes_actions: bool,
    /// The provider's row in the seal.
    sealed: Fields,
}

/// The member that says whether a provider exists.
const INSTALLED: &str = "installed";

#[async_trait]
impl Reader for DeletionReader {
    async fn read(&self) -> Result<Reading, Failure> {
        let refresh = &self.refresh;
        let names = &refresh.names;
        let view = View::Target(&refresh.target.dataverse);
        let table = view.table(names.table(IomTable::Provider)).await?;
        let row = refresh
            .target
            .dataverse
            .get(&table.entity_set, self.id, &[])
            .await?;
        if let Some(row) = row {
            let value = sealed_row::compare(INSTALLED, &self.sealed, &row.value);
            return Ok(Reading {
                value,
                etag: row.etag,
                basis: Value::Null,
            });
        }
        if !self.deletes_actions {
            return Ok(Reading::of(Value::Null));
        }
        let column = names.column(IomColumn::ProviderActionProvider)?;
        let filter = format!("_{column}_value eq {}", self.id);
        let left = view
            .rows_where(names.table(IomTable::ProviderAction), Some(filter))
            .await?;
        Ok(Reading::of(if left.is_empty() {
            Value::Null
        } else {
            json!({ INSTALLED: false, "actions-left": left.len() })
        }))
    }
}
