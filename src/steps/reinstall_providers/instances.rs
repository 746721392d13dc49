//! Installing and naming new instances.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Old, accepted};
use crate::clients::Row;
use crate::domain::connections::acting_as;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::Names;
use crate::domain::providers::{Catalogue, Definition};
use crate::domain::tenant_set::{Reader, RowReader};
use crate::domain::view::View;
use crate::domain::{Refresh, seals};
use crate::engine::{Barrier, Change, Failure, Known, Reading, Survey};
use crate::runbook::{IomRequest, IomTable};

pub(super) struct Install(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Install {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = Arc::new(Old::of(refresh, known)?);
        let view = refresh.view(known);
        let now = Arc::new(Catalogue::read(refresh, view).await?);
        // What an instance is made of belongs to whoever installs and activates it.
        let acting_as = acting_as(refresh, view).await?;
        let missing = old
            .instances(&now)
            .filter(|(_, _, instance)| instance.is_none());
        Ok(missing
            .map(|(_, definition, _)| {
                let key = format!("provider/new/{}", definition.logical_name);
                let (id, new_id) = (definition.id, known.made_id(seals::PROVIDERS, &key));
                let after = installed(refresh, definition);
                let reader = Arc::new(Instance {
                    refresh: Arc::clone(refresh),
                    definition: definition.clone(),
                    old: old.ids.clone(),
                    before: Arc::clone(&now),
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
                    patience: Duration::from_mins(10),
                    key,
                }
                .filled(refresh, reader, fill)
            })
            .collect())
    }

    /// An instance's own rows follow it: it is installed when it has as many as its definition.
    async fn barrier(&self, known: &Known) -> Result<Barrier, Failure> {
        let refresh = &self.0;
        let names = Names::of(refresh);
        let old = Old::of(refresh, known)?;
        let view = refresh.view(known);
        let now = Catalogue::read(refresh, view).await?;
        for (table, word) in CHILDREN {
            let is_definition = format!("{word}.definition");
            let provider = format!("{word}.provider");
            let recorded = seals::rows(known, seals::PROVIDERS, word);
            let current = view.by_id(names.table(table)).await?;
            for (replaced, definition, instance) in old.instances(&now) {
                let Some(instance) = instance else {
                    continue;
                };
                for (_, row) in &recorded {
                    if names.lookup(row, &provider)? != Some(replaced.id) {
                        continue;
                    }
                    let of = names.lookup(row, &is_definition)?;
                    let mut is_there = false;
                    for row in current.values() {
                        is_there |= names.lookup(row, &provider)? == Some(instance.id)
                            && names.lookup(row, &is_definition)? == of;
                    }
                    if !is_there {
                        return Ok(Barrier::Holds(format!(
                            "the new provider '{}' has not all of its {} yet",
                            definition.name,
                            word.replace("provider-", "").replace('-', " ") + "s"
                        )));
                    }
                }
            }
        }
        Ok(Barrier::Passed)
    }
}

/// The rows that an instance has of its own.
const CHILDREN: [(IomTable, &str); 3] = [
    (IomTable::ProviderParameter, "provider-parameter"),
    (IomTable::ProviderTransformation, "provider-transformation"),
    (
        IomTable::ProviderConnectionReference,
        "provider-connection-reference",
    ),
];

/// What installs a definition, with who accepted its terms, where the runbook names whose are.
fn installed(refresh: &Refresh, definition: &Definition) -> Value {
    let installed = json!({ "definition": definition.logical_name });
    match accepted(refresh) {
        Some(who) => json!({ "definition": definition.logical_name, "terms-accepted-by": who }),
        None => installed,
    }
}

/// Reads whether a new instance of a definition is installed.
struct Instance {
    refresh: Arc<Refresh>,
    definition: Definition,
    old: BTreeSet<Uuid>,
    before: Arc<Catalogue>,
}

#[async_trait]
impl Reader for Instance {
    async fn read(&self) -> Result<Reading, Failure> {
        let view = View::Target(&self.refresh.target);
        let tables = [IomTable::Provider];
        let now = self.before.again(&self.refresh, view, &tables).await?;
        Ok(Reading::of(
            match now.new_instance(self.definition.id, &self.old) {
                Some(_) => installed(&self.refresh, &self.definition),
                None => Value::Null,
            },
        ))
    }
}

pub(super) struct Rename(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Rename {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = Old::of(refresh, known)?;
        let view = refresh.view(known);
        let now = Catalogue::read(refresh, view).await?;
        let table = view
            .table(Names::of(refresh).table(IomTable::Provider))
            .await?;
        let mut changes = Vec::new();
        for (replaced, definition, instance) in old.instances(&now) {
            let current = match instance {
                Some(instance) => instance.name.clone(),
                // A plan expects what the library installs to have its definition's name.
                None => definition.name.clone(),
            };
            if current == replaced.name {
                continue;
            }
            let id = instance.map_or(Uuid::nil(), |instance| instance.id);
            let (name, column) = (replaced.name.clone(), table.primary_name.clone());
            let after = json!({ "name": name });
            changes.push(
                IomChange {
                    key: format!("provider/new/{}/name", definition.logical_name),
                    name: format!("name the new provider '{name}' again"),
                    before: json!({ "name": current }),
                    after,
                    request: IomRequest::RenameProvider,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{current}': rename it to '{name}'"
                    )],
                    evidence: "each new provider has the name of the one that it replaces"
                        .to_owned(),
                    patience: Duration::from_mins(1),
                }
                .filled(
                    refresh,
                    RowReader::of(refresh, &table.entity_set, id, move |row: Option<&Row>| {
                        let name = row
                            .and_then(|row| row.string(column.as_deref().unwrap_or("msdyn_name")));
                        Reading::of(json!({ "name": name }))
                    }),
                    Fill::id(id).value(name.clone()),
                ),
            );
        }
        Ok(changes)
    }
}
