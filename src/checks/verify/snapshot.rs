//! What is read of the target, once.

use tokio::try_join;

use crate::checks::table_reads::{ReadResult, Rows, cloud_flows, iom_rows, rows, rows_if_there};
use crate::domain::RefreshContext;
use crate::domain::failure::unless_interrupted;
use crate::domain::names::Fields;
use crate::domain::providers::Catalogue;
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::IomTable;
use crate::steps::reconfigure_connections::platform_flows;

/// The target, as far as checks need rows.
pub(super) struct Snapshot {
    /// Its cloud flows.
    pub(super) flows: ReadResult<Rows>,
    /// The flows of IOM's own solutions.
    pub(super) platform_flows: ReadResult<Vec<Fields>>,
    pub(super) references: ReadResult<Rows>,
    pub(super) system: ReadResult<Rows>,
    pub(super) catalogue: ReadResult<Catalogue>,
    /// The providers' rows, for what a catalogue leaves out.
    pub(super) providers: ReadResult<Rows>,
    pub(super) provider_references: ReadResult<Rows>,
    pub(super) parameters: ReadResult<Rows>,
    /// No rows if the table does not exist.
    pub(super) transformations: ReadResult<Rows>,
    pub(super) orchestrations: ReadResult<Rows>,
    pub(super) policies: ReadResult<Rows>,
    pub(super) variables: ReadResult<Rows>,
    pub(super) business_units: ReadResult<Rows>,
    pub(super) teams: ReadResult<Rows>,
    /// Dual-write's runtime configuration; no rows if the table does not exist.
    pub(super) dual_write: ReadResult<Rows>,
}

impl Snapshot {
    /// Reads it, some at once; a failed read is kept.
    pub(super) async fn read(refresh: &RefreshContext) -> Result<Self, Failure> {
        let names = &refresh.names;
        let target = View::AsIs(&refresh.target.dataverse);
        let iom = |table| iom_rows(target, names, table);
        let (flows, platform_flows, references, system, catalogue, providers, dual_write) = try_join!(
            cloud_flows(target),
            async { unless_interrupted(platform_flows(target).await) },
            rows(target, "connectionreference"),
            iom(IomTable::PlatformConnectionReference),
            async { unless_interrupted(Catalogue::read(refresh, target).await) },
            iom(IomTable::Provider),
            rows_if_there(target, "msdyn_dualwriteruntimeconfig"),
        )?;
        let (provider_references, parameters, transformations, orchestrations, policies) = try_join!(
            iom(IomTable::ProviderConnectionReference),
            iom(IomTable::ProviderParameter),
            rows_if_there(target, names.table(IomTable::ProviderTransformation)),
            iom(IomTable::Orchestration),
            iom(IomTable::Policy),
        )?;
        let (variables, business_units, teams) = try_join!(
            rows(target, "environmentvariablevalue"),
            rows(target, "businessunit"),
            rows(target, "team"),
        )?;
        Ok(Self {
            flows,
            platform_flows,
            references,
            system,
            catalogue,
            providers,
            provider_references,
            parameters,
            transformations,
            orchestrations,
            policies,
            variables,
            business_units,
            teams,
            dual_write,
        })
    }
}
