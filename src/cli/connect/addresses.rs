//! Where each service is: the cloud's own hosts, the rehearsal tenant's, and what the runbook writes.

use std::collections::BTreeMap;

use crate::clients::{Cloud as ClientCloud, Endpoint};
use crate::engine::{Failure, FailureKind};
use crate::rehearsal::Rehearsal;
use crate::runbook::{Cloud, Runbook, ServiceKey};

/// Where each service is.
pub(super) struct Addresses {
    /// Where tokens are asked for: scheme and host.
    pub(super) authority: String,
    /// The services whose address is known before any is asked.
    pub(super) services: BTreeMap<ServiceKey, Endpoint>,
    /// How many times faster than the wall clock the services live.
    pub(super) speed: f64,
}

/// The addresses of a runbook's services.
pub(super) fn addresses(
    runbook: &Runbook,
    rehearsal: Option<&Rehearsal>,
) -> Result<Addresses, Failure> {
    let mut services = BTreeMap::new();
    let mut authority = None;
    let mut speed = runbook
        .endpoints
        .speed
        .as_ref()
        .map_or(1.0, |speed| speed.value);
    if let Some(cloud) = client_cloud(runbook.cloud.value) {
        authority = Some(cloud.authority());
        services.insert(ServiceKey::PowerPlatform, cloud.power_platform());
        services.insert(ServiceKey::Bap, cloud.bap());
    }
    if let Some(rehearsal) = rehearsal {
        let endpoints = rehearsal.endpoints();
        speed = endpoints.speed;
        authority = Some(endpoints.authority.clone());
        for endpoint in &endpoints.services {
            if let Ok(key) = endpoint.key.parse::<ServiceKey>() {
                let (url, scope) = (endpoint.url.clone(), endpoint.scope.clone());
                services.insert(key, Endpoint { url, scope });
            }
        }
    }
    for (key, written) in &runbook.endpoints.services {
        let url = written.url.value.origin().ascii_serialization();
        if *key == ServiceKey::Authority {
            authority = Some(url);
            continue;
        }
        let own = Endpoint::own(&url);
        let known = services.get(key).map(|endpoint| endpoint.scope.clone());
        let scope = written
            .scope
            .as_ref()
            .map(|scope| scope.value.clone())
            .or(known);
        services.insert(
            *key,
            Endpoint {
                scope: scope.unwrap_or(own.scope),
                url,
            },
        );
    }
    let authority = authority.ok_or_else(|| {
        Failure::new(FailureKind::Wrong, "no address is known for signing in")
            .with_help("write `endpoints: { authority: { url: … } }` in the runbook")
    })?;
    Ok(Addresses {
        authority,
        services,
        speed,
    })
}

fn client_cloud(cloud: Cloud) -> Option<ClientCloud> {
    match cloud {
        Cloud::Public => Some(ClientCloud::Public),
        Cloud::Gcc => Some(ClientCloud::Gcc),
        Cloud::GccHigh => Some(ClientCloud::GccHigh),
        Cloud::Dod => Some(ClientCloud::Dod),
        Cloud::China => Some(ClientCloud::China),
        Cloud::Rehearsal => None,
    }
}
