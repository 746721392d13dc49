//! Phase `delete`: deletes the old providers, and waits until their actions are gone too.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use super::cascades::{deletes_rows_of, read_cascades};
use super::old::old_and_present;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::Fields;
use crate::domain::seals::Part;
use crate::domain::tenant_set::{Reader, surveyed};
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
        let view = refresh.view(journal);
        let provider_table = refresh.names.table(IomTable::Provider);
        let ((old, _, now), rows, cascades) = try_join!(
            old_and_present(refresh, journal),
            view.by_id(provider_table),
            read_cascades(refresh, view),
        )?;
        let table = view.table(provider_table).await?;
        let sealed = seals::fields_by_id(journal, Part::Providers, IomTable::Provider.word());
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
                let row = rows.get(&id);
                let reader = DeletionReader {
                    refresh: Arc::clone(refresh),
                    id,
                    deletes_actions,
                    sealed,
                    surveyed: row.and_then(|row| surveyed(&table, &before, row)),
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
    /// What the survey read of the provider's row.
    surveyed: Option<Reading>,
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
        let row = async {
            let target = &refresh.target.dataverse;
            Ok::<_, Failure>(target.get(&table.entity_set, self.id, &[]).await?)
        };
        let (row, left) = try_join!(row, self.actions_left(view))?;
        if let Some(row) = row {
            let value = sealed_row::compare(INSTALLED, &self.sealed, &row.value);
            return Ok(Reading {
                value,
                etag: row.etag,
                basis: Value::Null,
            });
        }
        Ok(Reading::of(if left == 0 {
            Value::Null
        } else {
            json!({ INSTALLED: false, "actions-left": left })
        }))
    }

    fn surveyed(&self) -> Option<Reading> {
        self.surveyed.clone()
    }
}

impl DeletionReader {
    /// How many actions are left that the deletion should delete too.
    async fn actions_left(&self, view: View<'_>) -> Result<usize, Failure> {
        if !self.deletes_actions {
            return Ok(0);
        }
        let names = &self.refresh.names;
        let table = view.table(names.table(IomTable::ProviderAction)).await?;
        let column = names.column(IomColumn::ProviderActionProvider)?;
        let filter = format!("_{column}_value eq {}", self.id);
        Ok(view.selected(&table, &[], Some(&filter)).await?.len())
    }
}
