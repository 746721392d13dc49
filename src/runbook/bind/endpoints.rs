//! `endpoints`.

use super::fields::{Fields, unknown_key};
use super::scalar::{is_loopback, origin, positive_number, text};
use super::{Binder, Field};
use crate::runbook::model::endpoints::{Endpoint, Endpoints, ServiceKey};
use crate::runbook::model::environments::Cloud;
use crate::runbook::model::words::{Word as _, find};

pub(super) fn endpoints(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Endpoints> {
    let help = "write `endpoints: { bap: { url: https://host } }`";
    let mut fields = Fields::open(binder, field, help)?;
    let speed = fields.optional(binder, "speed", positive_number);
    let known: Vec<&str> = ServiceKey::ALL
        .iter()
        .filter(|key| **key != ServiceKey::Default)
        .map(|key| key.word())
        .chain(["speed"])
        .collect();
    let mut services = Some(std::collections::BTreeMap::new());
    for entry in fields.rest() {
        let key = find::<ServiceKey>(&entry.key).filter(|key| *key != ServiceKey::Default);
        let Some(key) = key else {
            unknown_key(binder, entry, "`endpoints`", &known);
            services = None;
            continue;
        };
        match (&mut services, endpoint(binder, Field::of(entry), key)) {
            (Some(services), Some(endpoint)) => {
                services.insert(key, endpoint);
            }
            (services, _) => *services = None,
        }
    }
    Some(Endpoints {
        speed: speed?,
        services: services?,
    })
}

fn endpoint(binder: &mut Binder<'_>, field: Field<'_>, key: ServiceKey) -> Option<Endpoint> {
    let help = format!("write `{key}: {{ url: https://host }}`");
    let mut fields = Fields::open(binder, field, &help)?;
    let url = fields.required(binder, "url", "url: https://host", origin);
    // Tokens are asked of the authority, not for it.
    let scope = if key == ServiceKey::Authority {
        Some(None)
    } else {
        fields.optional(binder, "scope", text)
    };
    fields.close(binder);
    Some(Endpoint {
        url: url?,
        scope: scope?,
    })
}

/// What endpoints must be for their cloud: a speed only where nothing real is spoken to, and a
/// rehearsal tenant either wholly in the process or wholly elsewhere.
pub(super) fn check(binder: &mut Binder<'_>, cloud: Cloud, endpoints: &Endpoints) {
    let services = &endpoints.services;
    let all_loopback =
        !services.is_empty() && services.values().all(|service| is_loopback(&service.url));
    if let Some(speed) = &endpoints.speed
        && cloud != Cloud::Rehearsal
        && !all_loopback
    {
        binder.error(
            speed.span,
            "a speed is only for a rehearsal tenant",
            "remove it, or point every endpoint at this machine".to_owned(),
        );
    }
    if cloud != Cloud::Rehearsal {
        return;
    }
    let Some(first) = services.values().next() else {
        return;
    };
    // The rehearsal tenant prints all three in one block; a part of it reaches nothing.
    for needed in [
        ServiceKey::Authority,
        ServiceKey::PowerPlatform,
        ServiceKey::Bap,
    ] {
        if !services.contains_key(&needed) {
            binder.error(
                first.url.span,
                format!("with `cloud: rehearsal`, endpoints without `{needed}` reach no tenant"),
                "paste the whole block that `iomcopy rehearsal` prints, or remove all".to_owned(),
            );
        }
    }
}
