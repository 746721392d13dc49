//! Step 6, `reinstall-providers`.
//!
//! | Phase | Reads | Changes |
//! |---|---|---|
//! | `record` | every provider and its configuration | nothing; seals `providers`, unless all were installed again since the copy |
//! | `vanished` | providers that were active in the source | nothing; a person installs those that are gone, or waives them |
//! | `release` | metadata, and the rows that block a deletion | nothing; a person changes the rows |
//! | `deactivate` | old providers that are active | deactivates each, because an active one cannot be deleted |
//! | `delete` | old providers, also second and inactive instances | deletes each; only ids of the seal |
//! | `leftovers` | old actions whose provider is gone | nothing; a person deletes them |
//! | `orphan-flows` | flows that deleted providers deployed and that are on | turns each off; a person does if the service refuses it |
//! | `install` | the library | an instance of each definition that was active |
//! | `name` | the new instances | the name that the old one had |
//! | `parameters`, `transformations` | the new instances' rows | the runbook's values, else the target's before the copy; the source's only if the runbook says so |
//! | `mappings` | mapping rows that referenced old providers | points them to the new instances |
//! | `connections`, `activate-connections` | the new instances' connection references | URL and owner, then active |
//! | `activate` | status and actions of the new instances | activates each |
//!
//! *Old* means the ids of the seal. The one irreversible mistake is to delete a provider that
//! cannot be reinstalled. It is refused before anything is deleted: every provider to be
//! reinstalled must have an active definition, and its terms must be accepted if the runbook lists
//! accepted terms. A deletion is refused, too, if an orchestration's action would have no
//! successor, or if a connection or a required parameter for the activation of a new provider is
//! missing. A new instance is recognised by its definition and by an id that is not an old one;
//! this program chooses its id, the same at every attempt.
//!
//! Providers are deactivated, deleted, installed and activated one after another, and so are their
//! connections activated: each does much inside IOM, and Microsoft says nothing about two at once.
//! Where an installation has ended when the service responds, it is proved while the next one is
//! requested. Changes that only write the rows of an inactive instance run in parallel.
//!
//! ```text
//! mod.rs          the phases; record, deactivate
//! old_providers.rs
//!                 the providers of the seal, and which of them are reinstalled
//! shared_readings.rs
//!                 what the tenant has now; one survey passes it on to the next
//! vanished_providers.rs
//!                 providers of the source that are gone
//! cascades.rs     what a deletion does to the rows that reference a provider
//! deletion.rs     delete
//! leftovers.rs    actions and flows that deleted providers leave behind
//! instances.rs    install, name
//! instance_rows.rs
//!                 the rows that belong to one instance
//! settings.rs     parameters and transformations
//! mappings.rs     mapping rows
//! connections.rs  the instances' connection references
//! activation.rs   activate, with its error text
//! activation_reader.rs
//!                 reads the progress of an activation
//! ```

mod activation;
mod activation_reader;
mod cascades;
mod connections;
mod deletion;
mod instance_rows;
mod instances;
mod leftovers;
mod mappings;
mod old_providers;
mod settings;
mod shared_readings;
mod vanished_providers;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::try_join;
use uuid::Uuid;

use self::activation::Activate;
use self::cascades::Release;
pub(crate) use self::cascades::{BlockingRow, blocking_rows};
use self::connections::{ActivateConnections, Connections};
use self::deletion::Delete;
use self::instance_rows::{PARAMETER, TRANSFORMATION};
use self::instances::{Install, Rename};
use self::leftovers::{Leftovers, OrphanFlows};
use self::mappings::Mappings;
use self::settings::{CHECKED, LastSurvey, Settings, has_deleted_none, require_settings};
use self::shared_readings::Shared;
use self::vanished_providers::Vanished;
use super::StepDefinition;
use crate::clients::Row;
use crate::domain::iom_change::{Fill, IomChange};
use crate::domain::names::label;
use crate::domain::originals::require_original_providers;
use crate::domain::providers::{Catalogue, TableCapture};
use crate::domain::row_changes::{RowReader, surveyed_version};
use crate::domain::view::View;
use crate::domain::{RefreshContext, keys, seals};
use crate::engine::{Change, Failure, JournalView, Phase, Reading, Survey};
use crate::runbook::{IomRequest, IomTable, StepName};

pub(super) const DEFINITION: StepDefinition = StepDefinition {
    name: StepName::ReinstallProviders,
    needs: &[
        StepName::ReconfigureConnections,
        StepName::DetachProviderActions,
    ],
    repeats_open_checks: false,
    phases,
    manual_remedy: "open the provider in the IOM app (Providers > Installed) and set what is listed",
};

fn phases(refresh: &Arc<RefreshContext>) -> Vec<Phase> {
    let shared = Shared::new(refresh);
    let settings = |kind, request| Settings {
        shared: Arc::clone(&shared),
        kind,
        request,
        last: LastSurvey::default(),
    };
    let record = TableCapture {
        refresh: Arc::clone(refresh),
        seal: seals::PROVIDERS,
        tables: &RECORDED,
        require_originals: require_original_providers,
    };
    let parameters = settings(&PARAMETER, IomRequest::SetProviderParameter);
    let transformations = settings(&TRANSFORMATION, IomRequest::SetProviderTransformation);
    let overlap = Arc::default();
    let install = Install {
        shared: Arc::clone(&shared),
        overlap: Arc::clone(&overlap),
    };
    vec![
        Phase::capture("record", record),
        Phase::changes("vanished", Vanished(Arc::clone(&shared))),
        Phase::changes("release", Release(Arc::clone(&shared))),
        Phase::changes("deactivate", Deactivate(Arc::clone(&shared))),
        Phase::changes("delete", Delete::new(&shared)),
        Phase::changes("leftovers", Leftovers(Arc::clone(&shared))),
        Phase::changes("orphan-flows", OrphanFlows(Arc::clone(&shared))),
        // A new instance does nothing before it is active, so only its activation needs that the
        // old one's flows are off: both would handle every message. One installation, and one
        // activation, comes after another: no page says that IOM does several at once.
        Phase::changes("install", install)
            .independent_of(&["orphan-flows"])
            .overlapping(&overlap),
        Phase::changes("name", Rename(Arc::clone(&shared)))
            .independent_of(&["orphan-flows"])
            .with_concurrency(PARALLEL),
        // The settings of an instance do not depend on each other; its activation needs all of
        // them.
        Phase::changes("parameters", parameters)
            .independent_of(&["orphan-flows", "name"])
            .with_concurrency(PARALLEL),
        Phase::changes("transformations", transformations)
            .independent_of(&["orphan-flows", "name", "parameters"])
            .with_concurrency(PARALLEL),
        Phase::changes("mappings", Mappings(Arc::clone(&shared)))
            .independent_of(&["orphan-flows", "name", "parameters", "transformations"])
            .with_concurrency(PARALLEL),
        Phase::changes("connections", Connections(Arc::clone(&shared)))
            .independent_of(BEFORE_CONNECTIONS)
            .with_concurrency(PARALLEL),
        Phase::changes(
            "activate-connections",
            ActivateConnections(Arc::clone(&shared)),
        )
        .independent_of(BEFORE_CONNECTIONS),
        Phase::changes(keys::ACTIVATE_PROVIDERS, Activate(Arc::clone(&shared))),
    ]
}

/// How many rows of new instances are written at once.
const PARALLEL: usize = 8;

/// The phases that the connections of the instances do not depend on.
const BEFORE_CONNECTIONS: &[&str] = &[
    "orphan-flows",
    "name",
    "parameters",
    "transformations",
    "mappings",
];

/// The seals that are made again when one provider is reinstalled after the run has finished.
pub const SEALS_OF_A_REINSTALLATION: [&str; 2] = [seals::ORCHESTRATIONS, seals::PROVIDERS];

/// The steps that are opened again for it.
pub const STEPS_OF_A_REINSTALLATION: [StepName; 3] = [
    StepName::DetachProviderActions,
    StepName::ReinstallProviders,
    StepName::RestoreProviderActions,
];

/// A provider definition of the target's library, as a user may name it.
#[derive(Clone, Debug)]
pub struct LibraryDefinition {
    /// Its logical name, which no other definition has.
    pub logical_name: String,
    /// Its display name, which another definition may have too.
    pub name: String,
    /// How many providers of this definition are installed.
    pub installed: usize,
}

/// The provider definitions of the target's library, in the order of their logical names.
///
/// # Errors
///
/// Fails if the target's providers or their definitions cannot be read.
pub async fn library_definitions(
    refresh: &RefreshContext,
) -> Result<Vec<LibraryDefinition>, Failure> {
    let catalogue = Catalogue::read(refresh, View::AsIs(&refresh.target.dataverse)).await?;
    let installed = |id: Uuid| {
        let providers = catalogue.providers.values();
        providers
            .filter(|provider| provider.definition == Some(id))
            .count()
    };
    let mut definitions: Vec<LibraryDefinition> = catalogue
        .definitions
        .values()
        .map(|definition| LibraryDefinition {
            logical_name: definition.logical_name.clone(),
            name: definition.name.clone(),
            installed: installed(definition.id),
        })
        .collect();
    definitions.sort_by(|one, other| one.logical_name.cmp(&other.logical_name));
    Ok(definitions)
}

/// The tables that the seal holds.
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

/// Finds the old providers that are active.
struct Deactivate(Arc<Shared>);

#[async_trait]
impl Survey for Deactivate {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.0.refresh;
        let is_checked = has_deleted_none(journal);
        let needed = if is_checked { &CHECKED[..] } else { &[] };
        let choices = async {
            if is_checked {
                return self.0.choices(journal).await.map(Some);
            }
            Ok(None)
        };
        let ((old, present), choices) =
            try_join!(self.0.old_and_present(journal, needed), choices)?;
        let now = &present.now;
        old.require_successors(refresh, journal, now)?;
        if let Some(choices) = choices {
            require_settings(refresh, journal, &old, &present, choices).await?;
        }
        let view = refresh.view(journal);
        let table = view.table(refresh.names.table(IomTable::Provider)).await?;
        let active = now
            .providers
            .values()
            .filter(|p| p.active && old.ids.contains(&p.id));
        Ok(active
            .map(|provider| {
                let (id, name) = (provider.id, &provider.name);
                let before = json!({ "status": "Active" });
                let after = json!({ "status": "Inactive" });
                let surveyed = surveyed_version(&table, &before, now.version(id));
                IomChange {
                    key: keys::provider_deactivate(id),
                    name: format!("deactivate provider '{name}'"),
                    before,
                    after,
                    request: IomRequest::DeactivateProvider,
                    by_hand: vec![format!(
                        "IOM app > Providers > Installed > '{name}': deactivate it"
                    )],
                    evidence: "none of the listed providers is active".to_owned(),
                    settle_timeout: Duration::from_mins(10),
                }
                .filled(
                    refresh,
                    RowReader::of_surveyed(refresh, &table.entity_set, id, status_of, surveyed),
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
