//! Step 6, `reinstall-providers`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `record` | every provider and all that is configured for it | nothing; seals `providers` |
//! | `release` | metadata, and the rows by which it forbids a deletion | nothing; a person frees them |
//! | `deactivate` | old providers that are active | deactivates each: an active one cannot be deleted |
//! | `delete` | old providers, the second and inactive instances too | deletes each; only ids of the seal |
//! | `leftovers` | old actions whose provider is gone | nothing; a person deletes them |
//! | `orphan-flows` | flows that deleted providers deployed and that are on | switches each off |
//! | `install` | the library | an instance of each definition that was active |
//! | `name` | the new instances | the name that the old one had |
//! | `parameters`, `transformations` | the new instances' rows | the target's values of before the copy, else the source's |
//! | `mappings` | mapping rows that led to old providers | leads them to the new instances |
//! | `connections`, `activate-connections` | the new instances' connection references | URL and owner, then active |
//! | `activate` | status and actions of the new instances | activates each |
//!
//! *Old* means the ids of the seal. The one irreversible mistake, deleting what cannot be installed
//! again, is refused before anything is deleted: every provider to be reinstalled must have an
//! active definition, and its terms must be accepted where the runbook lists whose are. A new
//! instance is known by its definition and by being none of the old ones; its id is made by this
//! program, the same at every try. Nothing runs in parallel here.
//!
//! ```text
//! mod.rs          the phases; what is old; deactivate and delete
//! cascades.rs     what a deletion does to the rows that lead to a provider
//! remains.rs      what deleted providers leave behind
//! instances.rs    install, name
//! settings.rs     parameters and transformations
//! mappings.rs     mapping rows
//! connections.rs  the instances' connection references
//! activation.rs   activate, with its error text
//! ```

mod activation;
mod cascades;
mod connections;
mod instances;
mod mappings;
mod remains;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use self::activation::Activate;
use self::cascades::Release;
pub(crate) use self::cascades::{Forbidding, forbidding};
use self::connections::{ActivateConnections, Connections};
use self::instances::{Install, Rename};
use self::mappings::Mappings;
use self::remains::{Leftovers, OrphanFlows};
use self::settings::{Setting, Settings};
use crate::clients::Row;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::{Fields, Names, label};
use crate::domain::providers::{Catalogue, Definition, Provider};
use crate::domain::tenant_set::{Reader, RowReader};
use crate::domain::view::View;
use crate::domain::{Refresh, providers, sealed_row, seals};
use crate::engine::{Action, Capture, Captured, Change, Failure, Known, Phase, Reading, Survey};
use crate::runbook::{IomRequest, IomTable, ProviderChoice, Word as _};

pub(super) fn phases(refresh: &Arc<Refresh>) -> Vec<Phase> {
    let settings = |kind: Setting| Settings::of(refresh, kind);
    vec![
        Phase::capture("record", Record(Arc::clone(refresh))),
        Phase::changes("release", Release(Arc::clone(refresh))),
        Phase::changes("deactivate", Deactivate(Arc::clone(refresh))),
        Phase::changes("delete", Delete(Arc::clone(refresh))),
        Phase::changes("leftovers", Leftovers(Arc::clone(refresh))),
        Phase::changes("orphan-flows", OrphanFlows(Arc::clone(refresh))),
        Phase::changes("install", Install(Arc::clone(refresh))),
        Phase::changes("name", Rename(Arc::clone(refresh))),
        // What an instance is given is independent of each other; activating it needs everything.
        Phase::changes("parameters", settings(Setting::Parameter)).independent_of(&["name"]),
        Phase::changes("transformations", settings(Setting::Transformation))
            .independent_of(&["name", "parameters"]),
        Phase::changes("mappings", Mappings(Arc::clone(refresh))).independent_of(&[
            "name",
            "parameters",
            "transformations",
        ]),
        Phase::changes("connections", Connections(Arc::clone(refresh))).independent_of(&[
            "name",
            "parameters",
            "transformations",
            "mappings",
        ]),
        Phase::changes(
            "activate-connections",
            ActivateConnections(Arc::clone(refresh)),
        )
        .independent_of(&["name", "parameters", "transformations", "mappings"]),
        Phase::changes("activate", Activate(Arc::clone(refresh))),
    ]
}

/// What the seal holds.
const RECORDED: [IomTable; 11] = [
    IomTable::Provider,
    IomTable::ProviderDefinition,
    IomTable::LogicDefinition,
    IomTable::ProviderAction,
    IomTable::ProviderParameter,
    IomTable::ProviderDefinitionParameter,
    IomTable::ProviderTransformation,
    IomTable::ProviderDefinitionTransformation,
    IomTable::ProviderConnectionReference,
    IomTable::ProviderDefinitionConnectionReference,
    IomTable::WarehouseMapping,
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
    /// Everything that was there.
    catalogue: Catalogue,
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
                    if !is_accepted(refresh, definition) {
                        return Err(not_accepted(provider, definition));
                    }
                    again.push((provider.clone(), definition.clone()));
                }
                _ => return Err(not_installable(provider, definition)),
            }
        }
        again.sort_by(|(_, one), (_, other)| one.logical_name.cmp(&other.logical_name));
        let ids = catalogue.provider_ids();
        Ok(Self {
            ids,
            catalogue,
            again,
        })
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

/// Are a definition's terms accepted? A runbook that lists none leaves them to whoever installs.
fn is_accepted(refresh: &Refresh, definition: &Definition) -> bool {
    let options = &refresh.runbook.steps.reinstall_providers.options;
    let terms = &options.accept_terms;
    terms.is_empty()
        || terms
            .iter()
            .any(|name| name.value.eq_ignore_ascii_case(&definition.logical_name))
}

/// Who accepted terms, where the runbook lists whose are accepted: whoever this program acts as.
fn accepted(refresh: &Refresh) -> Option<String> {
    let options = &refresh.runbook.steps.reinstall_providers.options;
    if options.accept_terms.is_empty() {
        return None;
    }
    let person = refresh.runbook.act_as.as_ref().map(|who| who.value.clone());
    let application = || {
        let id = refresh.application.as_ref()?;
        Some(format!("application {id}"))
    };
    Some(
        person
            .or_else(application)
            .unwrap_or_else(|| "whoever ran this runbook".to_owned()),
    )
}

fn not_accepted(provider: &Provider, definition: &Definition) -> Failure {
    let definition = &definition.logical_name;
    Failure::refused(format!(
        "provider '{}' could not be installed again: the terms of its definition '{definition}' are not accepted",
        provider.name
    ))
    .with_help(format!(
        "nothing was deleted; read its terms in the library, then add `{definition}` to `accept-terms` of reinstall-providers"
    ))
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
                IomChange {
                    key: format!("provider/{id}/deactivate"),
                    name: format!("deactivate provider '{name}'"),
                    before: json!({ "status": "Active" }),
                    after,
                    request: IomRequest::DeactivateProvider,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{name}': deactivate it"
                    )],
                    evidence: "no old provider is active".to_owned(),
                    patience: Duration::from_mins(10),
                }
                .filled(
                    refresh,
                    RowReader::of(refresh, &table.entity_set, id, status_of),
                    Fill::id(id),
                )
            })
            .collect())
    }
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
        let view = refresh.view(known);
        let now = Catalogue::read(refresh, view).await?;
        let provider_table = Names::of(refresh).table(IomTable::Provider);
        let rows = view.by_id(provider_table).await?;
        let sealed: BTreeMap<Uuid, Fields> =
            seals::rows(known, seals::PROVIDERS, IomTable::Provider.word())
                .into_iter()
                .collect();
        let rules = cascades::cascades(refresh, view).await?;
        let actions = Names::of(refresh).table(IomTable::ProviderAction);
        let takes_actions = cascades::takes_along(&rules, actions);
        let here = now
            .providers
            .values()
            .filter(|provider| old.ids.contains(&provider.id));
        Ok(here
            .map(|provider| {
                let (id, name) = (provider.id, &provider.name);
                let sealed = sealed.get(&id).cloned().unwrap_or_default();
                let before = rows.get(&id).map_or_else(
                    || json!({ INSTALLED: true }),
                    |row| sealed_row::compared(INSTALLED, &sealed, row),
                );
                let reader = Remains {
                    refresh: Arc::clone(refresh),
                    id,
                    takes_actions,
                    sealed,
                };
                let change = IomChange {
                    key: format!("provider/{id}/delete"),
                    name: format!("delete provider '{name}'"),
                    before,
                    after: Value::Null,
                    request: IomRequest::DeleteProvider,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{name}': delete it"
                    )],
                    evidence: "no old provider is left".to_owned(),
                    patience: Duration::from_mins(10),
                }
                .filled(refresh, Arc::new(reader), Fill::id(id));
                let action = match change.action {
                    Action::Set(set) => Action::Remove {
                        set,
                        seal: seals::PROVIDERS,
                        captured: format!("provider/{id}"),
                        sealed: json!({ INSTALLED: true }),
                    },
                    other => other,
                };
                Change { action, ..change }
            })
            .collect())
    }
}

/// Reads whether a provider is left, or any of the actions that its deletion takes along.
struct Remains {
    refresh: Arc<Refresh>,
    id: Uuid,
    takes_actions: bool,
    /// The provider as the seal holds it.
    sealed: Fields,
}

/// The member that says that a provider is there.
const INSTALLED: &str = "installed";

#[async_trait]
impl Reader for Remains {
    async fn read(&self) -> Result<Reading, Failure> {
        let refresh = &self.refresh;
        let names = Names::of(refresh);
        let view = View::Target(&refresh.target);
        let table = view.table(names.table(IomTable::Provider)).await?;
        let row = refresh.target.get(&table.entity_set, self.id, &[]).await?;
        if let Some(row) = row {
            let value = sealed_row::compared(INSTALLED, &self.sealed, &row.value);
            return Ok(Reading {
                value,
                etag: row.etag,
                basis: Value::Null,
            });
        }
        if !self.takes_actions {
            return Ok(Reading::of(Value::Null));
        }
        let column = names.column("provider-action.provider")?;
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
