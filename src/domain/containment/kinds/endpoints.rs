//! Service endpoints whose address the runbook replaces: webhooks, queues, topics, event hubs
//! (`serviceendpoint`). An endpoint has no state; what calls it is a plug-in step, another kind.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use super::super::Treatment;
use super::super::hosts::{hosts_in, hosts_of_address};
use super::super::kind::SurfaceKind;
use super::super::scope::Scope;
use super::super::surface::{Closing, RowWrite, Surface, SurfaceState};
use crate::clients::Row;
use crate::domain::keys;
use crate::domain::names::text;
use crate::engine::Failure;

const TABLE: &str = "serviceendpoint";

/// The columns that are read; secrets of an endpoint cannot be read.
const COLUMNS: [&str; 6] = [
    "name",
    "contract",
    "url",
    "namespaceaddress",
    "solutionnamespace",
    "path",
];

/// A service endpoint.
pub(super) struct Endpoint {
    pub(super) id: Uuid,
    pub(super) name: String,
    row: Row,
}

/// Every service endpoint, by id.
pub(super) async fn endpoints(scope: &Scope<'_>) -> Result<BTreeMap<Uuid, Endpoint>, Failure> {
    let rows = scope.rows(TABLE, &COLUMNS, None).await?;
    let endpoints = rows.into_iter().map(|(id, row)| {
        let name = text(&row.value, "name").unwrap_or_else(|| id.to_string());
        (id, Endpoint { id, name, row })
    });
    Ok(endpoints.collect())
}

impl Endpoint {
    /// The column that holds its address, and the address.
    fn address(&self) -> Option<(&'static str, String)> {
        ["url", "namespaceaddress", "solutionnamespace"]
            .into_iter()
            .find_map(|column| {
                let address = text(&self.row.value, column)?;
                (!address.trim().is_empty()).then_some((column, address))
            })
    }

    /// Where it sends, without paths and queries, which may hold keys.
    pub(super) fn reach(&self) -> String {
        let Some((_, address)) = self.address() else {
            return "an address that cannot be read".to_owned();
        };
        let hosts: Vec<String> = hosts_in(&address).into_iter().collect();
        if hosts.is_empty() {
            "an address without a host".to_owned()
        } else {
            hosts.join(", ")
        }
    }

    /// What the runbook says about its address.
    pub(super) fn treatment(&self, scope: &Scope<'_>) -> Treatment {
        let address = self.address().map(|(_, address)| address);
        let address = address.unwrap_or_default();
        let key = format!("{}/{}", Endpoints.key(), self.id);
        let hosts = hosts_of_address(&address);
        scope.treat(&key, &self.name, (&address, &hosts))
    }
}

/// The kind.
pub(crate) struct Endpoints;

#[async_trait]
impl SurfaceKind for Endpoints {
    fn key(&self) -> &'static str {
        "service-endpoint"
    }

    fn title(&self) -> &'static str {
        "service endpoints whose address is replaced"
    }

    fn phase(&self) -> Option<&'static str> {
        Some(keys::DISABLE_STEPS)
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Vec<Surface>, Failure> {
        let endpoints = endpoints(scope).await?;
        let surfaces = endpoints.iter().filter_map(|(id, endpoint)| {
            let (state, closing) = match endpoint.treatment(scope) {
                Treatment::Replace { text, how } => {
                    let (column, _) = endpoint.address()?;
                    let name = format!("replace {how} in service endpoint '{}'", endpoint.name);
                    let values = [(column, Value::from(text))];
                    let write = RowWrite::new(TABLE, *id, &endpoint.row, name, values);
                    (SurfaceState::Open, Closing::Set(write.replacing(how)))
                }
                Treatment::Replaced(how) => (SurfaceState::Replaced(how), Closing::Nothing),
                Treatment::Allowed(_) | Treatment::Nothing => return None,
            };
            let reach = format!("sends to {}", endpoint.reach());
            Some(self.surface(id, endpoint.name.clone(), reach, (state, closing)))
        });
        Ok(surfaces.collect())
    }
}
