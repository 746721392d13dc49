//! What is read of the target, once.

use crate::engine::Failure;
use crate::runbook::IomTable;
use crate::steps::Refresh;
use crate::steps::flows::is_cloud_flow;
use crate::steps::names::{Fields, Names};
use crate::steps::probes::reading::{Reading, Rows, iom_rows, kept, rows};
use crate::steps::providers::Catalogue;
use crate::steps::reconfigure_connections::platform_flows;
use crate::steps::view::View;

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
    /// Reads it; a part that cannot be read is kept as that.
    pub(super) async fn read(refresh: &Refresh) -> Result<Self, Failure> {
        let names = Names::of(refresh);
        let target = View::Target(&refresh.target);
        let iom = |table| iom_rows(target, names, table);
        let flows = rows(target, "workflow").await?.map(|mut rows| {
            rows.retain(|_, row| is_cloud_flow(row));
            rows
        });
        Ok(Self {
            flows,
            platform_flows: kept(platform_flows(target).await)?,
            references: rows(target, "connectionreference").await?,
            system: iom(IomTable::PlatformConnectionReference).await?,
            catalogue: kept(Catalogue::read(refresh, target).await)?,
            providers: iom(IomTable::Provider).await?,
            provider_references: iom(IomTable::ProviderConnectionReference).await?,
            parameters: iom(IomTable::ProviderParameter).await?,
            orchestrations: iom(IomTable::Orchestration).await?,
            policies: iom(IomTable::Policy).await?,
            variables: rows(target, "environmentvariablevalue").await?,
            business_units: rows(target, "businessunit").await?,
            teams: rows(target, "team").await?,
            dual_write: kept(if_there(target, "msdyn_dualwriteruntimeconfig").await)?,
        })
    }
}

async fn if_there(target: View<'_>, table: &str) -> Result<Rows, Failure> {
    if target.optional_table(table).await?.is_none() {
        return Ok(Rows::new());
    }
    target.by_id(table).await
}
