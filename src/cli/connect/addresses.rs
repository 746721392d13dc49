//! Where each service is: the cloud's own hosts, the rehearsal tenant's, and what the runbook writes.

use std::collections::BTreeMap;

use crate::clients::{self, Cloud as ClientCloud, DUAL_WRITE_SCOPE, Endpoint, lcs_endpoint};
use crate::engine::{Failure, FailureKind};
use crate::rehearsal::Endpoints as RehearsalEndpoints;
use crate::runbook::{self, Cloud, LcsGeography, Runbook, ServiceKey};

/// Where each service is.
pub(super) struct Addresses {
    /// Where tokens are asked for: scheme and host.
    pub(super) authority: String,
    /// The services whose address is known before any is asked. Lifecycle Services where the runbook
    /// has an `lcs` section; the dual-write gateway where the runbook names it.
    pub(super) services: BTreeMap<ServiceKey, Endpoint>,
    /// How many times faster than the wall clock the services live.
    pub(super) speed: f64,
}

impl Addresses {
    /// The address of a service that is needed; a failure where none is known.
    pub(super) fn of(&self, key: ServiceKey) -> Result<&Endpoint, Failure> {
        self.services.get(&key).ok_or_else(|| {
            let message = format!("no address is known for the service '{key}'");
            Failure::new(FailureKind::Wrong, message).with_help(format!(
                "write `endpoints: {{ {key}: {{ url: … }} }}` in the runbook"
            ))
        })
    }
}

/// The addresses of a runbook's services. Takes where the rehearsal tenant of this process listens,
/// where there is one.
pub(super) fn addresses(
    runbook: &Runbook,
    rehearsal: Option<&RehearsalEndpoints>,
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
            let geography = client_geography(lcs.geography.value);
            services.insert(ServiceKey::Lcs, geography.endpoint());
        }
    }
    if let Some(endpoints) = rehearsal {
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
        if *key == ServiceKey::DualWrite {
            require_gateway(runbook, written, &url)?;
        }
        let known = services.get(key);
        let scope = match &written.scope {
            Some(scope) => scope.value.clone(),
            None => usual_scope(*key, &url, known),
        };
        services.insert(*key, Endpoint { url, scope });
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

/// The scope of a service whose address is written without one. Lifecycle Services, Dataverse and
/// Finance and Operations are their own audience, so their scope follows the address; the others
/// keep the cloud's.
fn usual_scope(key: ServiceKey, url: &str, known: Option<&Endpoint>) -> String {
    match key {
        ServiceKey::Lcs => lcs_endpoint(url).scope,
        ServiceKey::DualWrite => DUAL_WRITE_SCOPE.to_owned(),
        _ => known.map_or_else(
            || Endpoint::own(url).scope,
            |endpoint| endpoint.scope.clone(),
        ),
    }
}

/// A gateway is given a person's token of wide reach: no host but Microsoft's own gets one.
fn require_gateway(
    runbook: &Runbook,
    written: &runbook::Endpoint,
    url: &str,
) -> Result<(), Failure> {
    if clients::is_dual_write_gateway(url) {
        return Ok(());
    }
    let message = "this is no dual-write gateway, and it would be given a person's token";
    let help = "write https://projectmanagementservice.REGION.gateway.prod.island.powerapps.com, as \
                the browser's network view shows it on the dual-write page";
    let block = runbook.diagnostic(written.url.span, message, Some(help));
    Err(Failure::new(FailureKind::Wrong, block.to_string()))
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

fn client_geography(geography: LcsGeography) -> clients::LcsGeography {
    match geography {
        LcsGeography::Default => clients::LcsGeography::Default,
        LcsGeography::Eu => clients::LcsGeography::Eu,
        LcsGeography::Fr => clients::LcsGeography::France,
        LcsGeography::Sa => clients::LcsGeography::SouthAfrica,
        LcsGeography::Uae => clients::LcsGeography::Emirates,
        LcsGeography::Ch => clients::LcsGeography::Switzerland,
        LcsGeography::No => clients::LcsGeography::Norway,
        LcsGeography::China => clients::LcsGeography::China,
        LcsGeography::Gov => clients::LcsGeography::Government,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The addresses of a runbook of this cloud with these lines in it.
    fn of(cloud: &str, lines: &str) -> Result<Addresses, Failure> {
        let text = format!(
            "runbook: 1\nname: test\ncloud: {cloud}\n\
             identity:\n  tenant: contoso.onmicrosoft.com\n  default: {{ azure-cli: {{}} }}\n\
             source: {{ environment: 11111111-1111-1111-1111-111111111111 }}\n\
             target: {{ environment: 22222222-2222-2222-2222-222222222222, name: UAT }}\n{lines}\
             steps:\n  - copy-environments: {{}}\n  - exit-administration-mode: {{}}\n  \
             - reconfigure-connections: {{ skip: test }}\n  - activate-flows: {{}}\n  \
             - detach-provider-actions: {{}}\n  - reinstall-providers: {{}}\n  \
             - restore-provider-actions: {{}}\n  - reconfigure-dual-write: {{}}\n"
        );
        let runbook = runbook::parse("test.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
        addresses(&runbook, None)
    }

    fn endpoint(addresses: &Addresses, key: ServiceKey) -> (&str, &str) {
        let endpoint = addresses.of(key).unwrap();
        (&endpoint.url, &endpoint.scope)
    }

    #[test]
    fn every_cloud_of_a_runbook_is_the_clients_own() {
        for (word, cloud) in ["public", "gcc", "gcc-high", "dod", "china"]
            .into_iter()
            .zip(ClientCloud::ALL)
        {
            let found = of(word, "").unwrap();
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
                "there is no `lcs` section"
            );
            assert!(found.of(ServiceKey::DualWrite).is_err(), "none is named");
        }
    }

    #[test]
    fn every_host_and_scope_can_be_written() {
        let found = of(
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
    fn lifecycle_services_are_where_their_project_lives() {
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
            let found = of("public", &lcs).unwrap();
            let (url, scope) = endpoint(&found, ServiceKey::Lcs);
            assert_eq!(url, format!("https://{host}"));
            assert_eq!(scope, format!("https://{host}//.default"));
        }
    }

    #[test]
    fn no_host_but_microsofts_gateway_is_given_a_persons_token() {
        let gateway =
            "https://projectmanagementservice.weu-il107.gateway.prod.island.powerapps.com";
        let written = |url: &str| format!("endpoints:\n  dual-write: {{ url: \"{url}\" }}\n");
        let found = of("public", &written(gateway)).unwrap();
        let wanted = (gateway, "https://IntegratorApp.com/.default");
        assert_eq!(endpoint(&found, ServiceKey::DualWrite), wanted);
        let failure = of("public", &written(&format!("{gateway}.evil.example")))
            .err()
            .unwrap();
        assert_eq!(failure.kind, FailureKind::Wrong);
        assert!(
            failure.message.contains("test.yaml:10:"),
            "{}",
            failure.message
        );
    }
}
