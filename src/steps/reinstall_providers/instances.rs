//! Phases `install` and `name`: the new instances of the providers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use super::instance_rows::{CONNECTION_REFERENCE, PARAMETER, TRANSFORMATION};
use super::old::{old_and_present, terms_accepted_by};
use crate::clients::Row;
use crate::domain::connections::find_acting_user;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::providers::Definition;
use crate::domain::seals::Part;
use crate::domain::tenant_set::{Reader, RowReader, surveyed_version};
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys, seals};
use crate::engine::{Barrier, Change, Failure, JournalView, Reading, Survey};
use crate::runbook::{IomColumn, IomRequest, IomTable, Word as _};

/// Finds the providers that are not installed again yet.
pub(super) struct Install(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for Install {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        // The rows of an instance belong to the user who installs and activates it.
        let user = find_acting_user(refresh, refresh.view(journal));
        let ((old, _, now), acting_as) = try_join!(old_and_present(refresh, journal), user)?;
        let missing = old
            .instances(&now)
            .filter(|(_, _, instance)| instance.is_none());
        Ok(missing
            .map(|(_, definition, _)| {
                let key = keys::new_provider(&definition.logical_name);
                let (id, new_id) = (definition.id, journal.new_row_id(seals::PROVIDERS, &key));
                let after = installation(refresh, definition);
                let reader = Arc::new(InstanceReader {
                    refresh: Arc::clone(refresh),
                    definition: definition.clone(),
                    old: old.ids.clone(),
                });
                let fill = Fill::id(id).new_id(new_id).acting_as(acting_as);
                let name = &definition.name;
                IomChange {
                    name: format!("install provider '{name}' from the library"),
                    before: Value::Null,
                    after,
                    request: IomRequest::InstallProvider,
                    by_hand: vec![format!(
                        "IOM app > Providers > Library > '{name}': install it, accept its terms, \
                         do not activate it yet"
                    )],
                    evidence: "a new instance of each definition is installed".to_owned(),
                    settle_timeout: Duration::from_mins(10),
                    key,
                }
                .filled(refresh, reader, fill)
            })
            .collect())
    }

    /// An instance gets its own rows some time later. The installation is complete when it has
    /// every row that the old instance had.
    async fn barrier(&self, journal: &JournalView) -> Result<Barrier, Failure> {
        let refresh = &self.0;
        let names = &refresh.names;
        let view = refresh.view(journal);
        let kinds = [&PARAMETER, &TRANSFORMATION, &CONNECTION_REFERENCE];
        let rows = kinds.map(|kind| view.by_id(names.table(kind.table)));
        let rows = try_join_all(rows);
        let ((old, _, now), rows) = try_join!(old_and_present(refresh, journal), rows)?;
        for (kind, current) in kinds.into_iter().zip(rows) {
            let recorded = seals::rows(journal, Part::Providers, kind.table.word());
            for (replaced, definition, instance) in old.instances(&now) {
                let Some(instance) = instance else {
                    continue;
                };
                for (_, row) in &recorded {
                    if names.lookup(row, kind.provider)? != Some(replaced.id) {
                        continue;
                    }
                    let of = names.lookup(row, kind.declared_by)?;
                    let mut is_there = false;
                    for row in current.values() {
                        is_there |= names.lookup(row, kind.provider)? == Some(instance.id)
                            && names.lookup(row, kind.declared_by)? == of;
                    }
                    if !is_there {
                        return Ok(Barrier::Holds(format!(
                            "the new provider '{}' does not have all of its {}s yet",
                            definition.name, kind.noun
                        )));
                    }
                }
            }
        }
        Ok(Barrier::Passed)
    }
}

/// The compared fields of an installation: its definition, and who accepted the terms if the
/// runbook lists accepted terms.
fn installation(refresh: &RefreshContext, definition: &Definition) -> Value {
    match terms_accepted_by(refresh) {
        Some(who) => json!({ "definition": definition.logical_name, "terms-accepted-by": who }),
        None => json!({ "definition": definition.logical_name }),
    }
}

/// Reads whether a new instance of a definition is installed.
struct InstanceReader {
    refresh: Arc<RefreshContext>,
    definition: Definition,
    old: BTreeSet<Uuid>,
}

#[async_trait]
impl Reader for InstanceReader {
    async fn read(&self) -> Result<Reading, Failure> {
        let names = &self.refresh.names;
        let view = View::Target(&self.refresh.target.dataverse);
        let table = view.table(names.table(IomTable::Provider)).await?;
        let column = names.column(IomColumn::ProviderDefinition)?;
        let filter = format!("_{column}_value eq {}", self.definition.id);
        let instances = view.selected(&table, &[], Some(&filter)).await?;
        let mut ids = instances.iter().filter_map(|row| row.id(&table.primary_id));
        let is_installed = ids.any(|id| !self.old.contains(&id));
        Ok(Reading::of(if is_installed {
            installation(&self.refresh, &self.definition)
        } else {
            Value::Null
        }))
    }
}

/// Finds the new instances that do not have the name of the provider they replace.
pub(super) struct Rename(pub(super) Arc<RefreshContext>);

#[async_trait]
impl Survey for Rename {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let (old, view, now) = old_and_present(refresh, journal).await?;
        let table = view.table(refresh.names.table(IomTable::Provider)).await?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(&now) {
            let version = instance.and_then(|instance| now.version(instance.id));
            let current = match instance {
                Some(instance) => instance.name.clone(),
                // A plan expects a new instance to have the name of its definition.
                None => definition.name.clone(),
            };
            if current == replaced.name {
                continue;
            }
            let id = instance.map_or(Uuid::nil(), |instance| instance.id);
            let (name, column) = (replaced.name.clone(), table.primary_name.clone());
            let (before, after) = (json!({ "name": current }), json!({ "name": name }));
            let surveyed = surveyed_version(&table, &before, version);
            changes.push(
                IomChange {
                    key: keys::new_provider_name(&definition.logical_name),
                    name: format!("rename the new provider to '{name}'"),
                    before,
                    after,
                    request: IomRequest::RenameProvider,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{current}': rename it to '{name}'"
                    )],
                    evidence: "each new provider has the name of the one that it replaces"
                        .to_owned(),
                    settle_timeout: Duration::from_mins(1),
                }
                .filled(
                    refresh,
                    RowReader::of_surveyed(
                        refresh,
                        &table.entity_set,
                        id,
                        move |row: Option<&Row>| {
                            let column = column.as_deref().unwrap_or("msdyn_name");
                            let name = row.and_then(|row| row.string(column));
                            Reading::of(json!({ "name": name }))
                        },
                        surveyed,
                    ),
                    Fill::id(id).value(name.clone()),
                ),
            );
        }
        Ok(changes)
    }
}
