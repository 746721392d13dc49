//! The data source of virtual tables of Finance and Operations: a virtual table reads and writes live
//! where the row of `msdyn_financeandoperationsvirtualentity` points (Microsoft Learn, *Invoice
//! capture: prerequisites*, names the table and its fields), and the copy brings production's row. An
//! environment that is linked to Finance and Operations no longer uses the row (Microsoft Learn,
//! *Configure Dataverse virtual entities*).
//!
//! The row also holds an application and its secret, so the program does not write the address alone.

use async_trait::async_trait;
use uuid::Uuid;

use super::super::hosts::hosts_of_address;
use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::surface::{Closing, Surface, SurfaceState};
use crate::clients::Table;
use crate::domain::names::text;
use crate::engine::Failure;

const TABLE: &str = "msdyn_financeandoperationsvirtualentity";

/// The display name of the column with the address: its logical name is not published.
const TARGET_URL: &str = "Target URL";

const REMEDY: &str = "open the row in the target (Advanced find > Finance and Operations Virtual Data \
                      Source Configurations) and give it the target's own address and application, or \
                      allow its host under `containment.allow`";

/// The kind.
pub(crate) struct VirtualFinance;

#[async_trait]
impl SurfaceKind for VirtualFinance {
    fn key(&self) -> &'static str {
        "finance-data-source"
    }

    fn title(&self) -> &'static str {
        "data sources of virtual tables of Finance and Operations"
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let Some(table) = scope.view.optional_table(TABLE).await? else {
            return Ok(Vec::new());
        };
        let address = address_column(&table);
        let columns: Vec<&str> = table.primary_name.as_deref().into_iter().collect();
        let columns: Vec<&str> = columns.into_iter().chain(address).collect();
        let rows = scope.rows(TABLE, &columns, None).await?;
        let target = scope.refresh.target.environment.finance_operations.as_ref();
        let own = target.and_then(|app| app.url.as_deref());
        let surfaces = rows.iter().filter_map(|(id, row)| {
            let name = table.primary_name.as_deref();
            let name = name.and_then(|column| text(&row.value, column));
            let name = name.unwrap_or_else(|| id.to_string());
            let address = address.map(|column| text(&row.value, column).unwrap_or_default());
            let mut surface = self.judge(*id, &name, address.as_deref(), own)?;
            let hosts = address.as_deref().map(hosts_of_address).unwrap_or_default();
            let allowed = scope.policy.allows(&name, &hosts);
            if let Some(by) = allowed.or_else(|| scope.policy.keeps_everything()) {
                surface.state = SurfaceState::Allowed(by);
                surface.closing = Closing::Nothing;
            }
            Some(surface)
        });
        Ok(surfaces.collect())
    }
}

/// The column with the address. Never all columns: one of them may be the application's secret.
fn address_column(table: &Table) -> Option<&str> {
    let mut columns = table.columns.iter();
    let column = columns.find(|column| {
        let name = column.display_name.as_deref().unwrap_or_default();
        name.eq_ignore_ascii_case(TARGET_URL) || column.logical_name.ends_with("targeturl")
    });
    column.map(|column| column.logical_name.as_str())
}

impl VirtualFinance {
    /// The surface of a row that the runbook does not allow; none if the row holds no address, or the
    /// target's own. Takes the address, if its column is known, and that of the target's own Finance
    /// and Operations, if it is linked to one.
    fn judge(
        &self,
        id: Uuid,
        name: &str,
        address: Option<&str>,
        own: Option<&str>,
    ) -> Option<Surface> {
        let hosts = address.map(hosts_of_address).unwrap_or_default();
        let own_hosts = own.map(hosts_of_address).unwrap_or_default();
        if address.is_some_and(|address| address.trim().is_empty())
            || !hosts.is_empty() && hosts.is_subset(&own_hosts)
        {
            return None;
        }
        let state = match (address, own) {
            (None, _) => {
                SurfaceState::Unclear("the column with its address is not known".to_owned())
            }
            (Some(_), Some(_)) => SurfaceState::Unclear(
                "a linked environment should not use it any more, and it points elsewhere"
                    .to_owned(),
            ),
            (Some(_), None) => SurfaceState::Open,
        };
        let place = match hosts.into_iter().collect::<Vec<_>>() {
            hosts if hosts.is_empty() => "an address that is not shown".to_owned(),
            hosts => hosts.join(", "),
        };
        let reach = format!("a virtual table reads and writes {place}");
        let closing = Closing::Finding(REMEDY.to_owned());
        Some(self.surface(&id, name.to_owned(), reach, (state, closing)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Column;

    #[test]
    fn a_source_of_virtual_tables_that_points_to_production_is_open() {
        const PRODUCTION: &str = "https://contoso.operations.dynamics.com/";
        const OWN: &str = "https://contoso-uat.sandbox.operations.dynamics.com";
        let of = |address: Option<&str>, own: Option<&str>| {
            VirtualFinance.judge(Uuid::from_u128(1), "Finance", address, own)
        };
        let state = |address, own| of(address, own).map(|surface| surface.state.label());
        assert_eq!(state(Some(PRODUCTION), None), Some("open"));
        assert_eq!(state(Some(PRODUCTION), Some(OWN)), Some("unclear"));
        assert_eq!(state(Some(OWN), Some(OWN)), None);
        assert_eq!(state(Some(" "), None), None, "it is not configured");
        assert_eq!(state(None, None), Some("unclear"));
        let surface = of(Some(PRODUCTION), None).unwrap();
        let reach = "a virtual table reads and writes contoso.operations.dynamics.com";
        assert_eq!(surface.reach, reach);
    }

    #[test]
    fn the_address_is_found_by_its_display_name_and_no_other_column_is_read() {
        let column = |logical_name: &str, display_name: &str| Column {
            logical_name: logical_name.to_owned(),
            kind: Some("String".to_owned()),
            display_name: Some(display_name.to_owned()),
            writable: true,
        };
        let table = Table {
            columns: vec![
                column("msdyn_secret", "AAD Application Secret"),
                column("msdyn_endpoint", "Target URL"),
            ],
            ..Table::default()
        };
        assert_eq!(address_column(&table), Some("msdyn_endpoint"));
        assert_eq!(address_column(&Table::default()), None);
    }
}
