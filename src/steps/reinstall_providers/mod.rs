//! Step 6, `reinstall-providers`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `record` | every provider and all that is configured for it | nothing; seals `providers` |
//! | `deactivate` | old providers that are active | deactivates each: an active one cannot be deleted |
//! | `delete` | old providers | deletes each; only ids of the seal |
//! | `install` | the library | an instance of each definition that was active |
//! | `name` | the new instances | the name that the old one had |
//! | `parameters`, `transformations` | the new instances' rows | the target's values of before the copy, else the source's |
//! | `connections`, `activate-connections` | the new instances' connection references | URL and owner, then active |
//! | `activate` | status and actions of the new instances | activates each |
//!
//! *Old* means the ids of the seal. The one irreversible mistake, deleting what cannot be installed
//! again, is refused before anything is deleted: every provider to be reinstalled must have an
//! active definition. A new instance is known by its definition and by being none of the old ones;
//! its id is made by this program, the same at every try. Nothing runs in parallel here.
//!
//! ```text
//! mod.rs          the phases; what is old; deactivate and delete
//! instances.rs    install, name, activate
//! settings.rs     parameters and transformations
//! connections.rs  the instances' connection references
//! ```

mod connections;
mod instances;
mod settings;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use self::connections::{ActivateConnections, Connections};
use self::instances::{Activate, Install, Rename};
use self::settings::{Setting, Settings};
use super::names::{Names, label};
use super::providers::{self, Catalogue, Definition, Provider};
use super::tenant_set::{Fill, IomWrite, Reader, RowReader};
use super::view::View;
use super::{Refresh, seals};
use crate::clients::Row;
use crate::engine::{Action, Capture, Captured, Change, Failure, Known, Phase, Reading, Survey};
use crate::runbook::{IomRequest, IomTable, ProviderChoice};

pub(super) fn phases(refresh: &Arc<Refresh>) -> Vec<Phase> {
    let settings = |kind: Setting| Settings::of(refresh, kind);
    vec![
        Phase::capture("record", Record(Arc::clone(refresh))),
        Phase::changes("deactivate", Deactivate(Arc::clone(refresh))),
        Phase::changes("delete", Delete(Arc::clone(refresh))),
        Phase::changes("install", Install(Arc::clone(refresh))),
        Phase::changes("name", Rename(Arc::clone(refresh))),
        Phase::changes("parameters", settings(Setting::Parameter)),
        Phase::changes("transformations", settings(Setting::Transformation)),
        Phase::changes("connections", Connections(Arc::clone(refresh))),
        Phase::changes(
            "activate-connections",
            ActivateConnections(Arc::clone(refresh)),
        ),
        Phase::changes("activate", Activate(Arc::clone(refresh))),
    ]
}

/// What the seal holds, by table and word.
const RECORDED: [(IomTable, &str); 11] = [
    (IomTable::Provider, "provider"),
    (IomTable::ProviderDefinition, "provider-definition"),
    (IomTable::LogicDefinition, "logic-definition"),
    (IomTable::ProviderAction, "provider-action"),
    (IomTable::ProviderParameter, "provider-parameter"),
    (
        IomTable::ProviderDefinitionParameter,
        "provider-definition-parameter",
    ),
    (IomTable::ProviderTransformation, "provider-transformation"),
    (
        IomTable::ProviderDefinitionTransformation,
        "provider-definition-transformation",
    ),
    (
        IomTable::ProviderConnectionReference,
        "provider-connection-reference",
    ),
    (
        IomTable::ProviderDefinitionConnectionReference,
        "provider-definition-connection-reference",
    ),
    (IomTable::WarehouseMapping, "warehouse-mapping"),
];

struct Record(Arc<Refresh>);

#[async_trait]
impl Capture for Record {
    fn seal(&self) -> &'static str {
        seals::PROVIDERS
    }

    async fn list(&self, known: &Known) -> Result<Vec<Captured>, Failure> {
        providers::capture(&self.0, self.0.view(known), &RECORDED).await
    }
}

/// What was installed when the seal was made, and what is to be installed again.
struct Old {
    ids: BTreeSet<Uuid>,
    /// The providers to be reinstalled with their definitions, ordered by logical name.
    again: Vec<(Provider, Definition)>,
}

impl Old {
    fn of(refresh: &Refresh, known: &Known) -> Result<Self, Failure> {
        let catalogue = Catalogue::sealed(refresh, known, seals::PROVIDERS, "")?;
        let mut again = Vec::new();
        for provider in catalogue
            .providers
            .values()
            .filter(|provider| provider.active)
        {
            let definition = catalogue.definition_of(provider);
            let wanted = match &refresh
                .runbook
                .steps
                .reinstall_providers
                .options
                .providers
                .value
            {
                ProviderChoice::PreviouslyActive => true,
                ProviderChoice::Definitions(names) => definition.is_some_and(|d| {
                    names
                        .iter()
                        .any(|n| n.value.eq_ignore_ascii_case(&d.logical_name))
                }),
            };
            if !wanted {
                continue;
            }
            match definition {
                Some(definition) if definition.active => {
                    again.push((provider.clone(), definition.clone()));
                }
                _ => return Err(not_installable(provider, definition)),
            }
        }
        again.sort_by(|(_, one), (_, other)| one.logical_name.cmp(&other.logical_name));
        let ids = catalogue.provider_ids();
        Ok(Self { ids, again })
    }

    /// The new instances that exist, with what they replace.
    fn instances<'a>(
        &'a self,
        now: &'a Catalogue,
    ) -> impl Iterator<Item = (&'a Provider, &'a Definition, Option<&'a Provider>)> {
        self.again.iter().map(move |(old, definition)| {
            (old, definition, now.new_instance(definition.id, &self.ids))
        })
    }
}

fn not_installable(provider: &Provider, definition: Option<&Definition>) -> Failure {
    let why = match definition {
        Some(definition) => format!("its definition '{}' is not active", definition.logical_name),
        None => "it has no definition in the library".to_owned(),
    };
    Failure::refused(format!(
        "provider '{}' could not be installed again: {why}",
        provider.name
    ))
    .with_help(
        "nothing was deleted; bring the definition back (install the solution that carries it, \
             set 'Is Active' to Yes), or name the providers to reinstall in the runbook",
    )
}

struct Deactivate(Arc<Refresh>);

#[async_trait]
impl Survey for Deactivate {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = Old::of(refresh, known)?;
        let view = refresh.view(known);
        let now = Catalogue::read(refresh, view).await?;
        let table = view
            .table(Names::of(refresh).table(IomTable::Provider))
            .await?;
        let active = now
            .providers
            .values()
            .filter(|p| p.active && old.ids.contains(&p.id));
        Ok(active
            .map(|provider| {
                let (id, name) = (provider.id, &provider.name);
                let after = json!({ "status": "Inactive" });
                Change {
                    key: format!("provider/{id}/deactivate"),
                    name: format!("deactivate provider '{name}'"),
                    before: json!({ "status": "Active" }),
                    after: after.clone(),
                    follows: Vec::new(),
                    action: IomWrite {
                        request: IomRequest::DeactivateProvider,
                        reader: Arc::new(RowReader {
                            refresh: Arc::clone(refresh),
                            entity_set: table.entity_set.clone(),
                            id,
                            project: |row: Option<&Row>| status_of(row),
                        }),
                        after,
                        by_hand: vec![format!(
                            "IOM app > Providers > Installed > '{name}': deactivate it"
                        )],
                        evidence: "no old provider is active".to_owned(),
                        patience: Duration::from_mins(10),
                    }
                    .action(refresh, move |_| Ok(by_id(id))),
                }
            })
            .collect())
    }
}

fn by_id(id: Uuid) -> Fill {
    Fill::id(id)
}

fn status_of(row: Option<&Row>) -> Reading {
    Reading::of(row.map_or(
        Value::Null,
        |row| json!({ "status": label(&row.value, "statuscode") }),
    ))
}

struct Delete(Arc<Refresh>);

#[async_trait]
impl Survey for Delete {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0;
        let old = Old::of(refresh, known)?;
        let now = Catalogue::read(refresh, refresh.view(known)).await?;
        let here = now
            .providers
            .values()
            .filter(|provider| old.ids.contains(&provider.id));
        Ok(here
            .map(|provider| {
                let (id, name) = (provider.id, &provider.name);
                let action = IomWrite {
                    request: IomRequest::DeleteProvider,
                    reader: Arc::new(Remains {
                        refresh: Arc::clone(refresh),
                        id,
                    }),
                    after: Value::Null,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{name}': delete it"
                    )],
                    evidence: "no old provider and none of its actions is left".to_owned(),
                    patience: Duration::from_mins(10),
                }
                .action(refresh, move |_| Ok(by_id(id)));
                let action = match action {
                    Action::Set(set) => Action::Remove {
                        set,
                        seal: seals::PROVIDERS,
                        captured: format!("provider/{id}"),
                    },
                    other => other,
                };
                Change {
                    key: format!("provider/{id}/delete"),
                    name: format!("delete provider '{name}'"),
                    before: json!({ "installed": true }),
                    after: Value::Null,
                    follows: Vec::new(),
                    action,
                }
            })
            .collect())
    }
}

/// Reads whether a provider or any of its actions is left.
struct Remains {
    refresh: Arc<Refresh>,
    id: Uuid,
}

#[async_trait]
impl Reader for Remains {
    async fn read(&self) -> Result<Reading, Failure> {
        let refresh = &self.refresh;
        let names = Names::of(refresh);
        let view = View::Target(&refresh.target);
        let table = view.table(names.table(IomTable::Provider)).await?;
        let row = refresh.target.get(&table.entity_set, self.id, &[]).await?;
        if let Some(row) = row {
            let value = json!({ "installed": true });
            return Ok(Reading {
                value,
                etag: row.etag,
                basis: Value::Null,
            });
        }
        let column = names.column("provider-action.provider")?;
        let filter = format!("_{column}_value eq {}", self.id);
        let left = view
            .rows_where(names.table(IomTable::ProviderAction), Some(filter))
            .await?;
        Ok(Reading::of(if left.is_empty() {
            Value::Null
        } else {
            json!({ "installed": false, "actions-left": left.len() })
        }))
    }
}
