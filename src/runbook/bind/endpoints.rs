//! `endpoints`.

use std::collections::BTreeMap;

use super::fields::{Fields, unknown_key};
use super::scalar::{is_loopback, origin, positive_number, text};
use super::{Binder, Field};
use crate::runbook::model::endpoints::{Endpoint, Endpoints, ServiceKey};
use crate::runbook::model::words::{Word as _, find};

pub(super) fn endpoints(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Endpoints> {
    let help = "write `endpoints: { bap: { url: https://host } }`";
    let mut fields = Fields::open(binder, field, help)?;
    let speed = fields.optional(binder, "speed", |binder, field| {
        binder.written.speed = Some(field.span());
        positive_number(binder, field)
    });
    let known: Vec<&str> = ServiceKey::with_address()
        .map(ServiceKey::word)
        .chain(["speed"])
        .collect();
    let mut services = Some(BTreeMap::new());
    for entry in fields.rest() {
        let key = find::<ServiceKey>(&entry.key).filter(|key| known.contains(&key.word()));
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
    let Some(mut fields) = Fields::open(binder, field, &help) else {
        binder.written.services.push((key, field.key, None));
        return None;
    };
    let url = fields.required(binder, "url", "url: https://host", origin);
    // Tokens are asked of the authority, not for it.
    let scope = if key == ServiceKey::Authority {
        Some(None)
    } else {
        fields.optional(binder, "scope", text)
    };
    fields.close(binder);
    let loopback = url.as_ref().map(|url| is_loopback(url));
    binder.written.services.push((key, field.key, loopback));
    Some(Endpoint {
        url: url?,
        scope: scope?,
    })
}
