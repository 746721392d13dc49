//! Installing, naming and activating new instances.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Old, by_id};
use crate::clients::Row;
use crate::engine::{Change, Failure, Known, Reading, Survey};
use crate::runbook::{IomRequest, IomTable};
use crate::steps::Refresh;
use crate::steps::names::{Names, text};
use crate::steps::providers::{Catalogue, Definition, Provider};
use crate::steps::tenant_set::{Fill, IomWrite, Reader, RowReader};
use crate::steps::view::View;

pub(super) struct Install(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Install {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = Arc::new(Old::of(refresh, known)?);
        let now = Catalogue::read(refresh, refresh.view(known)).await?;
        let missing = old
            .instances(&now)
            .filter(|(_, _, instance)| instance.is_none());
        Ok(missing
            .map(|(_, definition, _)| {
                let key = format!("provider/new/{}", definition.logical_name);
                let (id, new_id) = (definition.id, known.made_id(&key));
                let after = json!({ "definition": definition.logical_name });
                Change {
                    name: format!("install provider '{}' from the library", definition.name),
                    before: Value::Null,
                    after: after.clone(),
                    follows: Vec::new(),
                    action: IomWrite {
                        request: IomRequest::InstallProvider,
                        reader: Arc::new(Instance {
                            refresh: Arc::clone(refresh),
                            definition: definition.clone(),
                            old: old.ids.clone(),
                        }),
                        after,
                        by_hand: vec![format!(
                            "IOM app > Providers > Library > '{}': install it, accept its terms, do not activate it yet",
                            definition.name
                        )],
                        evidence: "a new instance of each definition is installed".to_owned(),
                        patience: Duration::from_mins(10),
                    }
                    .action(refresh, move |_| {
                        Ok(Fill {
                            id: Some(id),
                            new_id: Some(new_id),
                            ..Fill::default()
                        })
                    }),
                    key,
                }
            })
            .collect())
    }
}

/// Reads whether a new instance of a definition is installed.
struct Instance {
    refresh: Arc<Refresh>,
    definition: Definition,
    old: BTreeSet<Uuid>,
}

#[async_trait]
impl Reader for Instance {
    async fn read(&self) -> Result<Reading, Failure> {
        let now = Catalogue::read(&self.refresh, View::Target(&self.refresh.target)).await?;
        Ok(Reading::of(
            match now.new_instance(self.definition.id, &self.old) {
                Some(_) => json!({ "definition": self.definition.logical_name }),
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
            changes.push(Change {
                key: format!("provider/new/{}/name", definition.logical_name),
                name: format!("name the new provider '{name}' again"),
                before: json!({ "name": current }),
                after: after.clone(),
                follows: Vec::new(),
                action: IomWrite {
                    request: IomRequest::RenameProvider,
                    reader: Arc::new(RowReader {
                        refresh: Arc::clone(refresh),
                        entity_set: table.entity_set.clone(),
                        id,
                        project: move |row: Option<&Row>| {
                            let name = row.and_then(|row| {
                                row.string(column.as_deref().unwrap_or("msdyn_name"))
                            });
                            Reading::of(json!({ "name": name }))
                        },
                    }),
                    after,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{current}': rename it to '{name}'"
                    )],
                    evidence: "each new provider has the name of the one that it replaces"
                        .to_owned(),
                    patience: Duration::from_mins(1),
                }
                .action(refresh, move |_| {
                    Ok(Fill {
                        id: Some(id),
                        value: Some(name.clone()),
                        ..Fill::default()
                    })
                }),
            });
        }
        Ok(changes)
    }
}

pub(super) struct Activate(pub(super) Arc<Refresh>);

#[async_trait]
impl Survey for Activate {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = Old::of(refresh, known)?;
        let now = Catalogue::read(refresh, refresh.view(known)).await?;
        let mut changes = Vec::new();
        for (_, definition, instance) in old.instances(&now) {
            let expected = now.expected_actions(definition.id);
            let after = json!({ "status": "Active", "actions": expected });
            let before = instance.map_or(Value::Null, |instance| activation(&now, instance));
            if before == after {
                continue;
            }
            let id = instance.map_or(Uuid::nil(), |instance| instance.id);
            changes.push(Change {
                key: format!("provider/new/{}/activate", definition.logical_name),
                name: format!("activate the new provider '{}'", definition.name),
                before,
                after: after.clone(),
                follows: Vec::new(),
                action: IomWrite {
                    request: IomRequest::ActivateProvider,
                    reader: Arc::new(Activation { refresh: Arc::clone(refresh), id }),
                    after,
                    by_hand: vec![format!("IOM app > Providers > Installed > '{}': activate it", definition.name)],
                    evidence: "every new provider is active and has an action for each of its logic definitions".to_owned(),
                    patience: Duration::from_mins(15),
                }
                .action(refresh, move |_| Ok(by_id(id))),
            });
        }
        Ok(changes)
    }
}

/// A provider's activation as it is compared: status, and the logical names of its actions.
fn activation(catalogue: &Catalogue, provider: &Provider) -> Value {
    json!({
        "status": if provider.active { "Active" } else { "Inactive" },
        "actions": catalogue.actions_of(provider.id),
    })
}

/// Reads how far an activation has come.
struct Activation {
    refresh: Arc<Refresh>,
    id: Uuid,
}

#[async_trait]
impl Reader for Activation {
    async fn read(&self) -> Result<Reading, Failure> {
        let now = Catalogue::read(&self.refresh, View::Target(&self.refresh.target)).await?;
        Ok(Reading::of(
            now.providers
                .get(&self.id)
                .map_or(Value::Null, |provider| activation(&now, provider)),
        ))
    }

    async fn refusal(&self) -> Result<Option<String>, Failure> {
        let refresh = &self.refresh;
        let names = Names::of(refresh);
        let view = View::Target(&refresh.target);
        let table = view.table(names.table(IomTable::Provider)).await?;
        let row = refresh.target.get(&table.entity_set, self.id, &[]).await?;
        let said =
            row.and_then(|row| text(&row.value, names.column("provider.activation-error").ok()?));
        Ok(said.filter(|said| !said.trim().is_empty()))
    }
}
