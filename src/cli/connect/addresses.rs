//! The address of each service: from the cloud, from the rehearsal tenant, or from the runbook.

use std::collections::BTreeMap;

use super::rehearsal::TenantAddresses;
use crate::clients::{self, DUAL_WRITE_SCOPE, MicrosoftCloud, ServiceEndpoint, lcs_endpoint};
use crate::domain::failure_at;
use crate::engine::{Failure, FailureKind};
use crate::runbook::{self, Cloud, LcsGeography, Runbook, ServiceKey};

/// The address of each service.
pub(super) struct Addresses {
    /// The token endpoint: scheme and host.
    pub(super) authority: String,
    /// The services whose address is known before the first request. Lifecycle Services if the
    /// runbook has an `lcs` section; the dual-write gateway if the runbook names it.
    pub(super) services: BTreeMap<ServiceKey, ServiceEndpoint>,
    /// How many times faster than real time the services run.
    pub(super) speed: f64,
}

impl Addresses {
    /// The address of a service; fails if it is unknown.
    pub(super) fn of(&self, key: ServiceKey) -> Result<&ServiceEndpoint, Failure> {
        self.services.get(&key).ok_or_else(|| {
            let message = format!("the address of the service '{key}' is unknown");
            Failure::new(FailureKind::InvalidInput, message).with_help(format!(
                "add `endpoints: {{ {key}: {{ url: … }} }}` to the runbook"
            ))
        })
    }
}

/// Resolves the addresses of a runbook's services. Takes the addresses of the rehearsal tenant in
/// this process, if there is one.
pub(super) fn resolve_addresses(
    runbook: &Runbook,
    rehearsal: Option<TenantAddresses>,
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
        services.insert(ServiceKey::PowerApps, cloud.power_apps());
        if let Some(lcs) = &runbook.lcs {
            let region = lcs_region(lcs.geography.value);
            services.insert(ServiceKey::Lcs, region.endpoint());
        }
    }
    if let Some(tenant) = rehearsal {
        speed = tenant.speed;
        authority = Some(tenant.authority);
        services.extend(tenant.services);
    }
    for (key, written) in &runbook.endpoints.services {
        let url = written.url.value.origin().ascii_serialization();
        if *key == ServiceKey::Authority {
            authority = Some(url);
            continue;
        }
        if *key == ServiceKey::DualWrite {
            require_gateway(runbook, written, &url)?;
        }
        let known = services.get(key);
        let scope = match &written.scope {
            Some(scope) => scope.value.clone(),
            None => default_scope(*key, &url, known),
        };
        services.insert(*key, ServiceEndpoint { url, scope });
    }
    let authority = authority.ok_or_else(|| {
        Failure::new(
            FailureKind::InvalidInput,
            "the address for signing in is unknown",
        )
        .with_help("add `endpoints: { authority: { url: … } }` to the runbook")
    })?;
    Ok(Addresses {
        authority,
        services,
        speed,
    })
}

/// The scope of a service whose address is in the runbook without a scope. Lifecycle Services,
/// Dataverse and Finance and Operations are their own audience, so their scope follows the address;
/// the others keep the cloud's.
fn default_scope(key: ServiceKey, url: &str, known: Option<&ServiceEndpoint>) -> String {
    match key {
        ServiceKey::Lcs => lcs_endpoint(url).scope,
        ServiceKey::DualWrite => DUAL_WRITE_SCOPE.to_owned(),
        _ => known.map_or_else(
            || ServiceEndpoint::with_own_scope(url).scope,
            |endpoint| endpoint.scope.clone(),
        ),
    }
}

/// Refuses a gateway that is not Microsoft's: it would receive a user's token with wide
/// permissions.
fn require_gateway(
    runbook: &Runbook,
    written: &runbook::Endpoint,
    url: &str,
) -> Result<(), Failure> {
    if clients::is_dual_write_gateway(url) {
        return Ok(());
    }
    let message = "this is not a dual-write gateway, and it would receive a user's token";
    let help = "use https://projectmanagementservice.REGION.gateway.prod.island.powerapps.com, as \
                the browser's network view shows it on the dual-write page";
    let block = runbook.diagnostic(written.url.span, message, Some(help));
    Err(failure_at(FailureKind::InvalidInput, &block))
}

fn client_cloud(cloud: Cloud) -> Option<MicrosoftCloud> {
    match cloud {
        Cloud::Public => Some(MicrosoftCloud::Public),
        Cloud::Gcc => Some(MicrosoftCloud::Gcc),
        Cloud::GccHigh => Some(MicrosoftCloud::GccHigh),
        Cloud::Dod => Some(MicrosoftCloud::Dod),
        Cloud::China => Some(MicrosoftCloud::China),
        Cloud::Rehearsal => None,
    }
}

fn lcs_region(geography: LcsGeography) -> clients::LcsRegion {
    match geography {
        LcsGeography::Default => clients::LcsRegion::Default,
        LcsGeography::Eu => clients::LcsRegion::Eu,
        LcsGeography::Fr => clients::LcsRegion::France,
        LcsGeography::Sa => clients::LcsRegion::SouthAfrica,
        LcsGeography::Uae => clients::LcsRegion::Emirates,
        LcsGeography::Ch => clients::LcsRegion::Switzerland,
        LcsGeography::No => clients::LcsRegion::Norway,
        LcsGeography::China => clients::LcsRegion::China,
        LcsGeography::Gov => clients::LcsRegion::Government,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::runbook;

    /// The addresses of a runbook of this cloud with these lines in it.
    fn addresses_of(cloud: &str, lines: &str) -> Result<Addresses, Failure> {
        resolve_addresses(&runbook(cloud, lines), None)
    }

    fn endpoint(addresses: &Addresses, key: ServiceKey) -> (&str, &str) {
        let endpoint = addresses.of(key).unwrap();
        (&endpoint.url, &endpoint.scope)
    }

    #[test]
    fn every_cloud_of_a_runbook_has_the_endpoints_of_the_clients() {
        for (word, cloud) in ["public", "gcc", "gcc-high", "dod", "china"]
            .into_iter()
            .zip(MicrosoftCloud::ALL)
        {
            let found = addresses_of(word, "").unwrap();
            assert_eq!(found.authority, cloud.authority());
            assert_eq!(*found.of(ServiceKey::Bap).unwrap(), cloud.bap());
            let platform = found.of(ServiceKey::PowerPlatform).unwrap();
            assert_eq!(*platform, cloud.power_platform());
            assert_eq!(
                *found.of(ServiceKey::PowerApps).unwrap(),
                cloud.power_apps()
            );
            assert!(
                found.of(ServiceKey::Lcs).is_err(),
                "the runbook has no `lcs` section"
            );
            assert!(
                found.of(ServiceKey::DualWrite).is_err(),
                "the runbook names no gateway"
            );
        }
    }

    #[test]
    fn every_host_and_scope_can_be_overridden() {
        let found = addresses_of(
            "gcc-high",
            "endpoints:\n  authority: { url: https://login.example }\n  bap: { url: https://bap.example }\n  \
             power-platform: { url: https://platform.example, scope: https://audience.example/.default }\n  \
             lcs: { url: https://lcs.example }\n",
        )
        .unwrap();
        assert_eq!(found.authority, "https://login.example");
        assert_eq!(
            endpoint(&found, ServiceKey::Bap),
            (
                "https://bap.example",
                "https://high.service.powerapps.us/.default"
            )
        );
        assert_eq!(
            endpoint(&found, ServiceKey::PowerPlatform),
            (
                "https://platform.example",
                "https://audience.example/.default"
            )
        );
        let lcs = ("https://lcs.example", "https://lcs.example//.default");
        assert_eq!(endpoint(&found, ServiceKey::Lcs), lcs);
    }

    #[test]
    fn lifecycle_services_have_the_host_of_their_region() {
        for (word, host) in [
            ("default", "lcsapi.lcs.dynamics.com"),
            ("eu", "lcsapi.eu.lcs.dynamics.com"),
            ("fr", "lcsapi.fr.lcs.dynamics.com"),
            ("sa", "lcsapi.sa.lcs.dynamics.com"),
            ("uae", "lcsapi.uae.lcs.dynamics.com"),
            ("ch", "lcsapi.ch.lcs.dynamics.com"),
            ("no", "lcsapi.no.lcs.dynamics.com"),
            ("china", "lcsapi.lcs.dynamics.cn"),
            ("gov", "lcsapi.gov.lcs.microsoftdynamics.us"),
        ] {
            let lcs = format!("lcs: {{ geography: {word}, project: 1, source: a, target: b }}\n");
            let found = addresses_of("public", &lcs).unwrap();
            let (url, scope) = endpoint(&found, ServiceKey::Lcs);
            assert_eq!(url, format!("https://{host}"));
            assert_eq!(scope, format!("https://{host}//.default"));
        }
    }

    #[test]
    fn only_microsofts_gateway_receives_a_persons_token() {
        let gateway =
            "https://projectmanagementservice.weu-il107.gateway.prod.island.powerapps.com";
        let written = |url: &str| format!("endpoints:\n  dual-write: {{ url: \"{url}\" }}\n");
        let found = addresses_of("public", &written(gateway)).unwrap();
        let wanted = (gateway, "https://IntegratorApp.com/.default");
        assert_eq!(endpoint(&found, ServiceKey::DualWrite), wanted);
        let failure = addresses_of("public", &written(&format!("{gateway}.evil.example")))
            .err()
            .unwrap();
        assert_eq!(failure.kind, FailureKind::InvalidInput);
        assert!(
            failure.message.contains("test.yaml:10:"),
            "{}",
            failure.message
        );
    }
}
