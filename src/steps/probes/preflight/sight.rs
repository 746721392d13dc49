//! What is read of both environments, once.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::clients::Connection;
use crate::engine::Failure;
use crate::runbook::{IomTable, ProviderChoice};
use crate::steps::Refresh;
use crate::steps::flows::is_cloud_flow;
use crate::steps::names::Names;
use crate::steps::probes::reading::{Reading, Rows, iom_rows, kept, rows};
use crate::steps::providers::{Catalogue, Definition, Provider};
use crate::steps::view::View;

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
    pub(super) catalogue: Reading<Catalogue>,
    pub(super) provider_references: Reading<Rows>,
    pub(super) reference_definitions: Reading<Rows>,
    /// Dual-write's runtime configuration; no rows where there is no such table.
    pub(super) dual_write: Reading<Rows>,
}

impl Sight {
    /// Reads both; a part that cannot be read is kept as that.
    pub(super) async fn read(refresh: &Refresh) -> Result<Self, Failure> {
        let names = Names::of(refresh);
        // The source as it is: what the copy does to it is judged by each question.
        let source = View::Target(&refresh.source);
        let iom = |table| iom_rows(source, names, table);
        let flows = rows(source, "workflow").await?.map(|mut rows| {
            rows.retain(|_, row| is_cloud_flow(row));
            rows
        });
        let connections = refresh
            .power_platform
            .connections(refresh.target_id())
            .await;
        Ok(Self {
            flows,
            connectors: rows(source, "connector").await?,
            references: rows(source, "connectionreference").await?,
            system: iom(IomTable::PlatformConnectionReference).await?,
            catalogue: kept(Catalogue::read(refresh, source).await)?,
            parameters: iom(IomTable::ProviderDefinitionParameter).await?,
            provider_references: iom(IomTable::ProviderConnectionReference).await?,
            reference_definitions: iom(IomTable::ProviderDefinitionConnectionReference).await?,
            orchestrations: iom(IomTable::Orchestration).await?,
            policies: iom(IomTable::Policy).await?,
            connections: kept(connections.map_err(Failure::from))?,
            target: TargetSight::read(refresh).await?,
        })
    }
}

impl TargetSight {
    async fn read(refresh: &Refresh) -> Result<Self, Failure> {
        let names = Names::of(refresh);
        let target = View::Target(&refresh.target);
        let iom = |table| iom_rows(target, names, table);
        Ok(Self {
            catalogue: kept(Catalogue::read(refresh, target).await)?,
            provider_references: iom(IomTable::ProviderConnectionReference).await?,
            reference_definitions: iom(IomTable::ProviderDefinitionConnectionReference).await?,
            dual_write: kept(dual_write(target).await)?,
        })
    }
}

async fn dual_write(target: View<'_>) -> Result<Rows, Failure> {
    let table = "msdyn_dualwriteruntimeconfig";
    if target.optional_table(table).await?.is_none() {
        return Ok(Rows::new());
    }
    target.by_id(table).await
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
