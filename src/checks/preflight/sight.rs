//! What is read of both environments, once.

use std::collections::BTreeSet;

use tokio::try_join;
use uuid::Uuid;

use crate::checks::reading::{Reading, Rows, cloud_flows, iom_rows, kept, rows, rows_if_there};
use crate::clients::Connection;
use crate::domain::Refresh;
use crate::domain::names::Names;
use crate::domain::providers::{Catalogue, Definition, Provider};
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::{IomTable, ProviderChoice};

/// Both environments, as far as questions about them need rows.
pub(super) struct Sight {
    /// The source's cloud flows.
    pub(super) flows: Reading<Rows>,
    /// The source's connectors.
    pub(super) connectors: Reading<Rows>,
    /// The source's connection references.
    pub(super) references: Reading<Rows>,
    /// The source's system connection references.
    pub(super) system: Reading<Rows>,
    /// The source's library, providers and actions.
    pub(super) catalogue: Reading<Catalogue>,
    pub(super) parameters: Reading<Rows>,
    pub(super) provider_references: Reading<Rows>,
    pub(super) reference_definitions: Reading<Rows>,
    pub(super) orchestrations: Reading<Rows>,
    pub(super) policies: Reading<Rows>,
    /// The target's connections.
    pub(super) connections: Reading<Vec<Connection>>,
    pub(super) target: TargetSight,
}

/// What the target holds before the copy.
pub(super) struct TargetSight {
    /// Its connectors: a custom connector has another identifier in each environment.
    pub(super) connectors: Reading<Rows>,
    pub(super) catalogue: Reading<Catalogue>,
    pub(super) orchestrations: Reading<Rows>,
    pub(super) provider_references: Reading<Rows>,
    pub(super) reference_definitions: Reading<Rows>,
    /// Dual-write's runtime configuration; no rows where there is no such table.
    pub(super) dual_write: Reading<Rows>,
}

impl Sight {
    /// Reads both, some at once; a part that cannot be read is kept as that.
    pub(super) async fn read(refresh: &Refresh) -> Result<Self, Failure> {
        let names = Names::of(refresh);
        // The source as it is: what the copy does to it is judged by each question.
        let source = View::Target(&refresh.source);
        let iom = |table| iom_rows(source, names, table);
        let (flows, connectors, references, system, catalogue, connections, target) = try_join!(
            cloud_flows(source),
            rows_if_there(source, "connector"),
            rows(source, "connectionreference"),
            iom(IomTable::PlatformConnectionReference),
            async { kept(Catalogue::read(refresh, source).await) },
            connections(refresh),
            TargetSight::read(refresh),
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

async fn connections(refresh: &Refresh) -> Result<Reading<Vec<Connection>>, Failure> {
    let connections = refresh.power_platform.connections(refresh.target_id());
    kept(connections.await.map_err(Failure::from))
}

impl TargetSight {
    async fn read(refresh: &Refresh) -> Result<Self, Failure> {
        let names = Names::of(refresh);
        let target = View::Target(&refresh.target);
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
            async { kept(Catalogue::read(refresh, target).await) },
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
