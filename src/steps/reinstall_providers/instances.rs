//! Phases `install` and `name`: the new instances of the providers.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use super::instance_rows::{CONNECTION_REFERENCE, PARAMETER, TRANSFORMATION};
use super::old_providers::terms_accepted_by;
use super::shared_readings::{Shared, configuration};
use crate::base::sync::lock;
use crate::clients::Row;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::providers::ProviderDefinition;
use crate::domain::row_changes::{Reader, RowReader, surveyed_version};
use crate::domain::seals::Part;
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys, seals};
use crate::engine::{Barrier, Change, Failure, JournalView, Overlap, Reading, Survey};
use crate::runbook::{IomColumn, IomRequest, IomTable, Keyword as _};

/// Finds the providers that are not reinstalled yet.
pub(super) struct Install {
    pub(super) shared: Arc<Shared>,
    pub(super) overlap: Arc<Overlap>,
}

#[async_trait]
impl Survey for Install {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let shared = &self.shared;
        let refresh = &shared.refresh;
        let tables = configuration(journal);
        // The rows of an instance belong to the user who installs and activates it.
        let ((old, present), acting_as) = try_join!(
            shared.old_and_present(journal, &tables),
            shared.acting_user(journal),
        )?;
        let instances = old.instances(&present.now);
        let missing = instances.filter(|(_, _, instance)| instance.is_none());
        let providers = present.now.providers.values();
        let latest = providers.map(|provider| (provider.id, provider.definition));
        let latest = Arc::new(LatestInstances(Mutex::new(latest.collect())));
        self.overlap.allow(false);
        let changes: Vec<Change> = missing
            .map(|(_, definition, _)| {
                let key = keys::new_provider(&definition.logical_name);
                let (id, new_id) = (definition.id, journal.new_row_id(seals::PROVIDERS, &key));
                let after = installation(refresh, definition);
                let reader = Arc::new(InstanceReader {
                    refresh: Arc::clone(refresh),
                    definition: definition.clone(),
                    old: old.ids.clone(),
                    latest: Arc::clone(&latest),
                    reads: AtomicU32::default(),
                    overlap: Arc::clone(&self.overlap),
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
            .collect();
        shared.hand_on(journal, &changes, &present);
        Ok(changes)
    }

    /// An instance gets its own rows some time later. The installation is complete when it has
    /// every row that the old instance had.
    async fn barrier(&self, journal: &JournalView) -> Result<Barrier, Failure> {
        let names = &self.shared.refresh.names;
        let tables = configuration(journal);
        let (old, present) = self.shared.old_and_present(journal, &tables).await?;
        for kind in [&PARAMETER, &TRANSFORMATION, &CONNECTION_REFERENCE] {
            let recorded = seals::rows(journal, Part::Providers, kind.table.keyword());
            for (replaced, definition, instance) in old.instances(&present.now) {
                let Some(instance) = instance else {
                    continue;
                };
                for (_, row) in &recorded {
                    if names.lookup(row, kind.provider)? != Some(replaced.id) {
                        continue;
                    }
                    let of = names.lookup(row, kind.declared_by)?;
                    let mut is_there = false;
                    for (_, row) in present.rows(kind.table) {
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
        self.shared.hand_on(journal, &[], &present);
        Ok(Barrier::Passed)
    }
}

/// The compared fields of an installation: its definition, and who accepted the terms if the
/// runbook lists accepted terms.
fn installation(refresh: &RefreshContext, definition: &ProviderDefinition) -> Value {
    match terms_accepted_by(refresh) {
        Some(who) => json!({ "definition": definition.logical_name, "terms-accepted-by": who }),
        None => json!({ "definition": definition.logical_name }),
    }
}

/// Every provider and its definition.
type Instances = Vec<(Uuid, Option<Uuid>)>;

/// The list that was read last: what proves an installation is what the next one begins with.
struct LatestInstances(Mutex<Instances>);

/// Reads whether a new instance of a definition is installed.
struct InstanceReader {
    refresh: Arc<RefreshContext>,
    definition: ProviderDefinition,
    old: BTreeSet<Uuid>,
    latest: Arc<LatestInstances>,
    reads: AtomicU32,
    overlap: Arc<Overlap>,
}

#[async_trait]
impl Reader for InstanceReader {
    async fn read(&self) -> Result<Reading, Failure> {
        let reads = self.reads.fetch_add(1, Ordering::Relaxed);
        // Only what is read before the request may be what was read a moment ago.
        if reads == 0 {
            let instances = lock(&self.latest.0).clone();
            return Ok(self.reading(&instances));
        }
        let instances = self.instances().await?;
        let reading = self.reading(&instances);
        if reads == 1 {
            // An instance that is there at the first look was installed by the request itself, so
            // the next request does not run beside it.
            self.overlap.allow(self.is_installed(&instances));
        }
        *lock(&self.latest.0) = instances;
        Ok(reading)
    }
}

impl InstanceReader {
    async fn instances(&self) -> Result<Instances, Failure> {
        let names = &self.refresh.names;
        let view = View::AsIs(&self.refresh.target.dataverse);
        let table = view.table(names.table(IomTable::Provider)).await?;
        let column = names.column(IomColumn::ProviderDefinition)?;
        let column = format!("_{column}_value");
        let rows = view.selected(&table, &[&column], None).await?;
        let ids = |row: &Row| Some((row.id(&table.primary_id)?, row.id(&column)));
        Ok(rows.iter().filter_map(ids).collect())
    }

    fn is_installed(&self, instances: &[(Uuid, Option<Uuid>)]) -> bool {
        instances.iter().any(|(id, definition)| {
            *definition == Some(self.definition.id) && !self.old.contains(id)
        })
    }

    fn reading(&self, instances: &[(Uuid, Option<Uuid>)]) -> Reading {
        Reading::of(if self.is_installed(instances) {
            installation(&self.refresh, &self.definition)
        } else {
            Value::Null
        })
    }
}

/// Finds the new instances that do not have the name of the provider they replace.
pub(super) struct Rename(pub(super) Arc<Shared>);

#[async_trait]
impl Survey for Rename {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0.refresh;
        let tables = configuration(journal);
        let (old, present) = self.0.old_and_present(journal, &tables).await?;
        let (view, now) = (refresh.view(journal), &present.now);
        let table = view.table(refresh.names.table(IomTable::Provider)).await?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(now) {
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
        self.0.hand_on(journal, &changes, &present);
        Ok(changes)
    }
}
