//! What is read of both environments, once.

use std::collections::BTreeSet;

use tokio::try_join;
use uuid::Uuid;

use crate::checks::table_reads::{ReadResult, Rows, cloud_flows, iom_rows, rows, rows_if_there};
use crate::clients::Connection;
use crate::domain::RefreshContext;
use crate::domain::failure::unless_interrupted;
use crate::domain::providers::{Catalogue, Definition, Provider};
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::{IomTable, ProviderChoice};

/// Both environments, as far as checks need rows.
pub(super) struct Snapshot {
    /// The source's cloud flows.
    pub(super) flows: ReadResult<Rows>,
    /// The source's connectors.
    pub(super) connectors: ReadResult<Rows>,
    /// The source's connection references.
    pub(super) references: ReadResult<Rows>,
    /// The source's system connection references.
    pub(super) system: ReadResult<Rows>,
    /// The source's library, providers and actions.
    pub(super) catalogue: ReadResult<Catalogue>,
    pub(super) parameters: ReadResult<Rows>,
    pub(super) provider_references: ReadResult<Rows>,
    pub(super) reference_definitions: ReadResult<Rows>,
    pub(super) orchestrations: ReadResult<Rows>,
    pub(super) policies: ReadResult<Rows>,
    /// The target's connections.
    pub(super) connections: ReadResult<Vec<Connection>>,
    pub(super) target: TargetSnapshot,
}

/// What the target holds before the copy.
pub(super) struct TargetSnapshot {
    /// Its connectors: a custom connector has another identifier in each environment.
    pub(super) connectors: ReadResult<Rows>,
    pub(super) catalogue: ReadResult<Catalogue>,
    pub(super) orchestrations: ReadResult<Rows>,
    pub(super) provider_references: ReadResult<Rows>,
    pub(super) reference_definitions: ReadResult<Rows>,
    /// Dual-write's runtime configuration; no rows where the table does not exist.
    pub(super) dual_write: ReadResult<Rows>,
}

impl Snapshot {
    /// Reads both, some at once; a failed read is kept.
    pub(super) async fn read(refresh: &RefreshContext) -> Result<Self, Failure> {
        let names = &refresh.names;
        // The source as it is: each check judges what the copy does to it.
        let source = View::Target(&refresh.source.dataverse);
        let iom = |table| iom_rows(source, names, table);
        let (flows, connectors, references, system, catalogue, connections, target) = try_join!(
            cloud_flows(source),
            rows_if_there(source, "connector"),
            rows(source, "connectionreference"),
            iom(IomTable::PlatformConnectionReference),
            async { unless_interrupted(Catalogue::read(refresh, source).await) },
            connections(refresh),
            TargetSnapshot::read(refresh),
        )?;
        let (parameters, provider_references, reference_definitions, orchestrations, policies) = try_join!(
            iom(IomTable::ProviderDefinitionParameter),
            iom(IomTable::ProviderConnectionReference),
            iom(IomTable::ProviderDefinitionConnectionReference),
            iom(IomTable::Orchestration),
            iom(IomTable::Policy),
        )?;
        Ok(Self {
            flows,
            connectors,
            references,
            system,
            catalogue,
            parameters,
            provider_references,
            reference_definitions,
            orchestrations,
            policies,
            connections,
            target,
        })
    }
}

async fn connections(refresh: &RefreshContext) -> Result<ReadResult<Vec<Connection>>, Failure> {
    let connections = refresh
        .services
        .power_platform
        .connections(refresh.target_id());
    unless_interrupted(connections.await.map_err(Failure::from))
}

impl TargetSnapshot {
    async fn read(refresh: &RefreshContext) -> Result<Self, Failure> {
        let names = &refresh.names;
        let target = View::Target(&refresh.target.dataverse);
        let iom = |table| iom_rows(target, names, table);
        let (
            connectors,
            catalogue,
            orchestrations,
            provider_references,
            reference_definitions,
            dual_write,
        ) = try_join!(
            rows_if_there(target, "connector"),
            async { unless_interrupted(Catalogue::read(refresh, target).await) },
            iom(IomTable::Orchestration),
            iom(IomTable::ProviderConnectionReference),
            iom(IomTable::ProviderDefinitionConnectionReference),
            rows_if_there(target, "msdyn_dualwriteruntimeconfig"),
        )?;
        Ok(Self {
            connectors,
            catalogue,
            orchestrations,
            provider_references,
            reference_definitions,
            dual_write,
        })
    }
}

/// The providers that step 6 will install again, each with its definition where one is known.
pub(super) fn reinstalled<'a>(
    catalogue: &'a Catalogue,
    choice: &ProviderChoice,
) -> Vec<(&'a Provider, Option<&'a Definition>)> {
    let active = catalogue.providers.values().filter(|p| p.active);
    active
        .map(|provider| (provider, catalogue.definition_of(provider)))
        .filter(|(_, definition)| match choice {
            ProviderChoice::PreviouslyActive => true,
            ProviderChoice::Definitions(names) => definition.is_some_and(|definition| {
                names
                    .iter()
                    .any(|name| name.value.eq_ignore_ascii_case(&definition.logical_name))
            }),
        })
        .collect()
}

/// The ids of the providers that step 6 will delete.
pub(super) fn old_providers(catalogue: &Catalogue) -> BTreeSet<Uuid> {
    catalogue.provider_ids()
}
