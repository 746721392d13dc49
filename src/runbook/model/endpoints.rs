//! The services, and the addresses that differ from the cloud's own.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use url::Url;

use super::keywords::{Keyword as _, keywords};
use crate::runbook::grammar::keys::{Keys, with};
use crate::runbook::grammar::kind::{Kind, map_of};
use crate::runbook::grammar::scalars::{number, origin, text};
use crate::runbook::source::Located;

keywords! {
    /// A service that may have its own address or credential.
    pub enum ServiceKey {
        /// Every service without its own credential.
        Default = "default",
        /// The service that issues tokens.
        Authority = "authority",
        /// The Power Platform API.
        PowerPlatform = "power-platform",
        /// The older admin API, the Business Application Platform.
        Bap = "bap",
        /// The Power Apps API.
        PowerApps = "power-apps",
        /// Dataverse of the source.
        DataverseSource = "dataverse-source",
        /// Dataverse of the target.
        DataverseTarget = "dataverse-target",
        /// Finance and Operations of the target.
        Finops = "finops",
        /// Lifecycle Services.
        Lcs = "lcs",
        /// The dual-write gateway.
        DualWrite = "dual-write",
        /// The container of the state file's copy.
        State = "state",
    }
}

impl ServiceKey {
    /// The services that have an address here: all but the default, which is only a credential, and
    /// the container of the state file, whose address is under `state`.
    pub(in crate::runbook) fn with_address() -> impl Iterator<Item = Self> {
        let all = Self::ALL.iter().copied();
        all.filter(|key| !matches!(key, Self::Default | Self::State))
    }

    /// The services that have a credential: all but the authority, which issues the tokens.
    pub(in crate::runbook) fn with_credential() -> impl Iterator<Item = Self> {
        let all = Self::ALL.iter().copied();
        all.filter(|key| *key != Self::Authority)
    }
}

/// The services that every run calls, so that each needs a credential.
pub(in crate::runbook) const ALWAYS_CALLED: [ServiceKey; 5] = [
    ServiceKey::PowerPlatform,
    ServiceKey::Bap,
    ServiceKey::DataverseSource,
    ServiceKey::DataverseTarget,
    ServiceKey::Finops,
];

/// The services that must be among the endpoints of a rehearsal tenant, if there are any.
pub(in crate::runbook) const REHEARSAL_NEEDS: [ServiceKey; 3] = [
    ServiceKey::Authority,
    ServiceKey::PowerPlatform,
    ServiceKey::Bap,
];

/// The addresses that differ from the cloud's own.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Endpoints {
    /// How many times faster than real time the service runs; only for a rehearsal tenant.
    pub speed: Option<Located<f64>>,
    /// The services that are written.
    pub services: BTreeMap<ServiceKey, Endpoint>,
}

/// One service's address.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Endpoint {
    /// Its origin.
    #[serde(serialize_with = "as_text")]
    pub url: Located<Url>,
    /// The scope to ask a token for, if it is not the service's usual one.
    pub scope: Option<Located<String>>,
}

fn as_text<S: Serializer>(url: &Located<Url>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.as_str())
}

/// The lowest and the highest speed; a value outside is a mistake.
const SPEED_LIMITS: std::ops::RangeInclusive<f64> = 0.01..=1e6;

/// Addresses by service.
pub(super) fn endpoints() -> Kind<Endpoints> {
    map_of("{ bap: { url: https://host } }", |keys| {
        let mut services = Some(BTreeMap::new());
        for service in ServiceKey::with_address() {
            let documentation = format!("The address of one service. {}", service.description());
            let found = keys.optional(service.keyword(), &documentation, &endpoint(service));
            services = with(services, service, found);
        }
        let speed = keys.optional(
            "speed",
            "How many times faster than real time the service runs; only for a rehearsal tenant.",
            &number(SPEED_LIMITS),
        );
        Some(Endpoints {
            speed: speed?,
            services: services?,
        })
    })
}

fn endpoint(service: ServiceKey) -> Kind<Endpoint> {
    // The authority issues tokens; nobody requests a token for it.
    if service == ServiceKey::Authority {
        return map_of("{ url: https://host }", |keys| {
            let scope = None;
            url(keys).map(|url| Endpoint { url, scope })
        });
    }
    endpoint_with_scope().defined_as("endpoint")
}

/// The address of a service that tokens are requested for.
pub(in crate::runbook) fn endpoint_with_scope() -> Kind<Endpoint> {
    map_of("{ url: https://host }", |keys| {
        let url = url(keys);
        let documentation = "The scope of its token, if it is not the service's usual one.";
        let scope = keys.optional("scope", documentation, &text());
        Some(Endpoint {
            url: url?,
            scope: scope?,
        })
    })
}

fn url(keys: &mut Keys<'_>) -> Option<Located<Url>> {
    let documentation =
        "Its origin: `https://` and the host, without a path. `http:` on loopback only.";
    keys.required("url", documentation, &origin())
}
