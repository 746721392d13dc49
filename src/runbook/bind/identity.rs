//! `identity`. Everything under it is hidden from messages until it is bound as what may be shown: a
//! tenant, a client's GUID, the name of a variable, a path.

use std::collections::BTreeMap;

use super::credential::credential;
use super::fields::{Fields, unknown_key};
use super::scalar::{parse_guid, text};
use super::{Binder, Field};
use crate::runbook::model::endpoints::{ALWAYS_SPOKEN_TO, Identity, ServiceKey};
use crate::runbook::model::words::{Word as _, find};
use crate::runbook::source::Located;

pub(super) fn identity(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Identity> {
    binder.written.identity = Some(Vec::new());
    let help = "write `identity: { tenant: contoso.onmicrosoft.com, default: { … } }`";
    let mut fields = Fields::open(binder, field, help)?;
    let tenant = fields.required(binder, "tenant", "tenant: contoso.onmicrosoft.com", tenant);
    let known: Vec<&str> = ServiceKey::with_credential()
        .map(ServiceKey::word)
        .chain(["tenant"])
        .collect();
    let mut credentials = BTreeMap::new();
    let mut named = Vec::new();
    let mut meant = Vec::new();
    let mut right = true;
    for entry in fields.rest() {
        let key = find::<ServiceKey>(&entry.key).filter(|key| known.contains(&key.word()));
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
    if !is_domain(&value) && parse_guid(&value).is_none() {
        let message = "`tenant` is neither a domain name nor a GUID";
        binder.error(value.span, message, "write it as `contoso.onmicrosoft.com`");
        return None;
    }
    binder.hidden.reveal(value.span);
    Some(value)
}

/// Labels of letters, digits and hyphens, at least two of them, the last beginning with a letter.
fn is_domain(value: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    value.rsplit_once('.').is_some_and(|(labels, last)| {
        labels.split('.').all(is_label)
            && is_label(last)
            && last.starts_with(|c: char| c.is_ascii_alphabetic())
    })
}
