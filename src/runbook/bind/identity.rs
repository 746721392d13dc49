//! `identity`. Everything under it is hidden from messages until it is bound as what may be shown: a
//! tenant, a client's GUID, the name of a variable, a path.

use std::collections::BTreeMap;

use super::credential::credential;
use super::fields::{Fields, unknown_key};
use super::scalar::text;
use super::{Binder, Field};
use crate::runbook::model::endpoints::{Identity, ServiceKey};
use crate::runbook::model::words::{Word as _, find};
use crate::runbook::source::Located;

/// Services that every run speaks to, so that each needs a credential.
const ALWAYS_SPOKEN_TO: [ServiceKey; 5] = [
    ServiceKey::PowerPlatform,
    ServiceKey::Bap,
    ServiceKey::DataverseSource,
    ServiceKey::DataverseTarget,
    ServiceKey::Finops,
];

pub(super) fn identity(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Identity> {
    binder.written.identity = Some(Vec::new());
    let help = "write `identity: { tenant: contoso.onmicrosoft.com, default: { … } }`";
    let mut fields = Fields::open(binder, field, help)?;
    let tenant = fields.required(binder, "tenant", "tenant: contoso.onmicrosoft.com", tenant);
    let known: Vec<&str> = ServiceKey::ALL
        .iter()
        .filter(|key| **key != ServiceKey::Authority)
        .map(|key| key.word())
        .chain(["tenant"])
        .collect();
    let mut credentials = BTreeMap::new();
    let mut named = Vec::new();
    let mut meant = Vec::new();
    let mut right = true;
    for entry in fields.rest() {
        let key = find::<ServiceKey>(&entry.key).filter(|key| *key != ServiceKey::Authority);
        let Some(key) = key else {
            meant.extend(unknown_key(binder, entry, "`identity`", &known));
            right = false;
            continue;
        };
        named.push(key);
        match credential(binder, Field::of(entry)) {
            Some(credential) => {
                credentials.insert(key, credential);
            }
            None => right = false,
        }
    }
    // A misspelled key covers the service that it meant.
    let covers = |key: ServiceKey| named.contains(&key) || meant.contains(&key.word());
    let uncovered = ALWAYS_SPOKEN_TO
        .into_iter()
        .find(|key| !covers(ServiceKey::Default) && !covers(*key));
    if let Some(uncovered) = uncovered {
        binder.error(
            fields.span(),
            format!("`identity` has no credential for `{uncovered}`"),
            "write a `default:` credential; it serves every service without its own",
        );
        right = false;
    }
    binder.written.identity = Some(named);
    fields.report_missing(binder, &meant);
    let tenant = tenant?;
    right.then_some(Identity {
        tenant,
        credentials,
    })
}

/// A tenant by its domain name or its GUID.
fn tenant(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<String>> {
    let value = text(binder, field)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if !value.chars().all(allowed) || !value.contains(['-', '.']) {
        let message = "`tenant` is neither a domain name nor a GUID";
        binder.error(value.span, message, "write it as `contoso.onmicrosoft.com`");
        return None;
    }
    binder.hidden.reveal(value.span);
    Some(value)
}
