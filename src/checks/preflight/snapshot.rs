//! What is read of both environments, once.

use std::collections::BTreeSet;

use tokio::try_join;
use uuid::Uuid;

use crate::checks::table_reads::{
    ReadResult, Rows, available, iom_rows, rows_if_there, rows_where,
};
use crate::clients::Connection;
use crate::domain::RefreshContext;
use crate::domain::connections::core_references::source_reference_rows;
use crate::domain::failure::unless_interrupted;
use crate::domain::flows::{CLOUD_FLOWS, SourceCloudFlows};
use crate::domain::graph::{GraphError, Slot, slots};
use crate::domain::lost_providers::is_wanted;
use crate::domain::names::Names;
use crate::domain::providers::{Catalogue, Provider, ProviderDefinition};
use crate::domain::view::{SourceRows, View};
use crate::engine::Failure;
use crate::runbook::{IomColumn, IomTable, ProviderChoice};

/// The state of a flow that a data loss prevention policy has suspended.
pub(super) const SUSPENDED: i64 = 2;

/// Both environments, as far as checks need rows.
pub(super) struct Snapshot {
    /// The source's cloud flows.
    pub(super) flows: ReadResult<SourceCloudFlows>,
    /// The source's connectors.
    pub(super) connectors: ReadResult<Rows>,
    /// The source's connection references.
    pub(super) references: ReadResult<SourceRows>,
    /// The source's system connection references.
    pub(super) system: ReadResult<Rows>,
    /// The source's library, providers and actions.
    pub(super) catalogue: ReadResult<Catalogue>,
    pub(super) parameters: ReadResult<Rows>,
    pub(super) provider_references: ReadResult<Rows>,
    pub(super) reference_definitions: ReadResult<Rows>,
    pub(super) orchestrations: ReadResult<Rows>,
    /// The graphs of these orchestrations.
    pub(super) graphs: ReadResult<Vec<Graph>>,
    pub(super) policies: ReadResult<Rows>,
    /// The target's connections.
    pub(super) connections: ReadResult<Vec<Connection>>,
    pub(super) target: TargetSnapshot,
}

/// The graph of an orchestration of the source, with its slots. An orchestration without a graph
/// has none.
pub(super) struct Graph {
    pub(super) id: Uuid,
    /// The orchestration's name.
    pub(super) name: String,
    pub(super) text: String,
    /// Where it holds an action, or why it cannot be read.
    pub(super) slots: Result<Vec<Slot>, GraphError>,
}

/// What the target holds before the copy.
pub(super) struct TargetSnapshot {
    /// Its cloud flows that a data policy has suspended.
    pub(super) suspended: ReadResult<Rows>,
    /// Its connectors: a custom connector has another identifier in each environment.
    pub(super) connectors: ReadResult<Rows>,
    pub(super) catalogue: ReadResult<Catalogue>,
    pub(super) orchestrations: ReadResult<Rows>,
    pub(super) provider_references: ReadResult<Rows>,
    pub(super) reference_definitions: ReadResult<Rows>,
    /// Dual-write's runtime configuration; no rows if the table does not exist.
    pub(super) dual_write: ReadResult<Rows>,
    /// Its profiles of Azure Synapse Link; no rows if the table does not exist.
    pub(super) synapse_links: ReadResult<Rows>,
}

impl Snapshot {
    /// Reads both, some at once; a failed read is kept.
    pub(super) async fn read(refresh: &RefreshContext) -> Result<Self, Failure> {
        let names = &refresh.names;
        // The source as it is: each check judges what the copy does to it.
        let source = View::AsIs(&refresh.source.dataverse);
        let iom = |table| iom_rows(source, names, table);
        let (flows, connectors, references, system, catalogue, connections, target) = try_join!(
            async { unless_interrupted(SourceCloudFlows::read(refresh).await) },
            rows_if_there(source, "connector"),
            async { unless_interrupted(source_reference_rows(refresh).await) },
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
        let graphs = graphs(names, &orchestrations, &catalogue);
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
            graphs,
            policies,
            connections,
            target,
        })
    }
}

/// The graphs with their slots, found once for every check.
fn graphs(
    names: &Names,
    orchestrations: &ReadResult<Rows>,
    catalogue: &ReadResult<Catalogue>,
) -> ReadResult<Vec<Graph>> {
    let actions = available(catalogue)?.action_names();
    let mut graphs = Vec::new();
    for (id, row) in available(orchestrations)? {
        let text = names.text(row, IomColumn::OrchestrationGraph)?;
        // A new orchestration has no graph yet.
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            continue;
        };
        graphs.push(Graph {
            id: *id,
            name: names.title(IomTable::Orchestration, row, *id),
            slots: slots(&text, &actions),
            text,
        });
    }
    Ok(graphs)
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
        let target = View::AsIs(&refresh.target.dataverse);
        let iom = |table| iom_rows(target, names, table);
        let suspended = format!("{CLOUD_FLOWS} and statecode eq {SUSPENDED}");
        let (
            suspended,
            connectors,
            catalogue,
            orchestrations,
            provider_references,
            reference_definitions,
            dual_write,
            synapse_links,
        ) = try_join!(
            rows_where(target, "workflow", &suspended),
            rows_if_there(target, "connector"),
            async { unless_interrupted(Catalogue::read(refresh, target).await) },
            iom(IomTable::Orchestration),
            iom(IomTable::ProviderConnectionReference),
            iom(IomTable::ProviderDefinitionConnectionReference),
            rows_if_there(target, "msdyn_dualwriteruntimeconfig"),
            rows_if_there(target, "synapselinkprofile"),
        )?;
        Ok(Self {
            suspended,
            connectors,
            catalogue,
            orchestrations,
            provider_references,
            reference_definitions,
            dual_write,
            synapse_links,
        })
    }
}

/// The providers that step 6 will install again, each with its definition if one is known.
pub(super) fn reinstalled<'a>(
    catalogue: &'a Catalogue,
    choice: &ProviderChoice,
) -> Vec<(&'a Provider, Option<&'a ProviderDefinition>)> {
    let active = catalogue.providers.values().filter(|p| p.active);
    active
        .map(|provider| (provider, catalogue.definition_of(provider)))
        .filter(|(_, definition)| is_wanted(choice, *definition))
        .collect()
}

/// The ids of the providers that step 6 will delete.
pub(super) fn old_providers(catalogue: &Catalogue) -> BTreeSet<Uuid> {
    catalogue.provider_ids()
}
