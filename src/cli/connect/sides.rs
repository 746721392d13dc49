//! The clients of the source and the target.

use std::collections::BTreeMap;

use super::access::Access;
use super::guards::{dataverse_address, display_name};
use crate::clients::{
    Dataverse, DataverseWriter, Environment, FinanceOperations, FinanceOperationsWriter, Identity,
    Service, ServiceEndpoint,
};
use crate::domain::{Source, Target};
use crate::engine::Failure;
use crate::runbook::{Runbook, ServiceKey};

/// Both environments with their clients.
pub(super) struct Sides {
    pub(super) source: Source,
    pub(super) target: Target,
    /// The origin of each service.
    pub(super) origins: BTreeMap<String, String>,
}

impl Sides {
    /// The addresses that were found in the descriptions of the environments.
    pub(super) fn found_addresses(&self) -> [(ServiceKey, Option<&str>); 3] {
        let (source, target) = (&self.source.environment, &self.target.environment);
        [
            (ServiceKey::DataverseSource, dataverse_url(source)),
            (ServiceKey::DataverseTarget, dataverse_url(target)),
            (ServiceKey::Finops, finance_url(target)),
        ]
    }
}

/// Connects to Dataverse and to Finance and Operations of both environments.
pub(super) fn connect_sides(
    access: &Access,
    runbook: &Runbook,
    source: Environment,
    target: Environment,
) -> Result<Sides, Failure> {
    let services = access.addresses.services.iter();
    let mut origins: BTreeMap<String, String> = services
        .map(|(key, endpoint)| (key.to_string(), endpoint.url.clone()))
        .collect();
    let mut dataverse = |key: ServiceKey, side: &Environment| -> Result<Service, Failure> {
        let endpoint = ServiceEndpoint::with_own_scope(&dataverse_address(runbook, key, side)?);
        let name = format!("Dataverse of {}", display_name(side));
        let service = access.service_at(runbook, key, &name, &endpoint)?;
        origins.insert(key.to_string(), service.origin().to_string());
        Ok(service)
    };
    let source_dataverse = dataverse(ServiceKey::DataverseSource, &source)?;
    let target_dataverse = dataverse(ServiceKey::DataverseTarget, &target)?;
    let finance = |side: &Environment| -> Result<Option<Service>, Failure> {
        let Some(url) = finance_url(side) else {
            return Ok(None);
        };
        let endpoint = ServiceEndpoint::with_own_scope(url);
        let name = format!("Finance and Operations of {}", display_name(side));
        let service = access.service_at(runbook, ServiceKey::Finops, &name, &endpoint)?;
        Ok(Some(service))
    };
    // The program only checks whether the source's Finance and Operations responds. A fixed token
    // is for the target's, and the source's would refuse it.
    let has_fixed_token = matches!(
        access.credentials.identity(runbook, ServiceKey::Finops)?,
        Identity::Token(_)
    );
    let source_finance = if has_fixed_token {
        None
    } else {
        finance(&source)?
    };
    let target_finance = finance(&target)?;
    Ok(Sides {
        source: Source {
            dataverse: Dataverse::new(source_dataverse),
            finance: source_finance.map(FinanceOperations::new),
            environment: source,
        },
        target: Target {
            dataverse: DataverseWriter::new(target_dataverse),
            finance: target_finance.map(FinanceOperationsWriter::new),
            environment: target,
        },
        origins,
    })
}

pub(super) fn dataverse_url(side: &Environment) -> Option<&str> {
    side.dataverse
        .as_ref()
        .and_then(|dataverse| dataverse.url.as_deref())
}

fn finance_url(side: &Environment) -> Option<&str> {
    side.finance_operations
        .as_ref()
        .and_then(|app| app.url.as_deref())
}
