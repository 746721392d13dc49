//! What is read of the target, once.

use tokio::try_join;

use crate::checks::reading::{Reading, Rows, cloud_flows, iom_rows, kept, rows, rows_if_there};
use crate::domain::Refresh;
use crate::domain::names::{Fields, Names};
use crate::domain::providers::Catalogue;
use crate::domain::view::View;
use crate::engine::Failure;
use crate::runbook::IomTable;
use crate::steps::reconfigure_connections::platform_flows;

/// The target, as far as questions about it need rows.
pub(super) struct Sight {
    /// Its cloud flows.
    pub(super) flows: Reading<Rows>,
    /// The flows of IOM's own solutions.
    pub(super) platform_flows: Reading<Vec<Fields>>,
    pub(super) references: Reading<Rows>,
    pub(super) system: Reading<Rows>,
    pub(super) catalogue: Reading<Catalogue>,
    /// The providers' rows, for what a catalogue leaves out.
    pub(super) providers: Reading<Rows>,
    pub(super) provider_references: Reading<Rows>,
    pub(super) parameters: Reading<Rows>,
    pub(super) orchestrations: Reading<Rows>,
    pub(super) policies: Reading<Rows>,
    pub(super) variables: Reading<Rows>,
    pub(super) business_units: Reading<Rows>,
    pub(super) teams: Reading<Rows>,
    /// Dual-write's runtime configuration; no rows where there is no such table.
    pub(super) dual_write: Reading<Rows>,
}

impl Sight {
    /// Reads it, some at once; a part that cannot be read is kept as that.
    pub(super) async fn read(refresh: &Refresh) -> Result<Self, Failure> {
        let names = Names::of(refresh);
        let target = View::Target(&refresh.target);
        let iom = |table| iom_rows(target, names, table);
        let (flows, platform_flows, references, system, catalogue, providers, dual_write) = try_join!(
            cloud_flows(target),
            async { kept(platform_flows(target).await) },
            rows(target, "connectionreference"),
            iom(IomTable::PlatformConnectionReference),
            async { kept(Catalogue::read(refresh, target).await) },
            iom(IomTable::Provider),
            rows_if_there(target, "msdyn_dualwriteruntimeconfig"),
        )?;
        let (provider_references, parameters, orchestrations, policies) = try_join!(
            iom(IomTable::ProviderConnectionReference),
            iom(IomTable::ProviderParameter),
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
            orchestrations,
            policies,
            variables,
            business_units,
            teams,
            dual_write,
        })
    }
}
