//! Active providers: each calls its service with the accounts that its parameters name.

use serde_json::Value;

use super::calls::{self, Call};
use super::hosts;
use crate::rehearsal::behaviour::organization::{Organization, Row, lookup, number, text};

const PROVIDER: &str = "msdyn_iomprovider";
const PARAMETER: &str = "msdyn_iomproviderparameter";

/// Values that name no account.
const NO_ACCOUNT: [&str; 3] = ["Yes", "No", ""];

/// An active provider calls its service once for each account.
pub(in crate::rehearsal::behaviour) fn act(organization: &mut Organization<'_, '_>, id: &str) {
    let provider = organization.row(PROVIDER, id);
    let Some(provider) = provider.filter(|row| number(row, "statecode") == Some(0)) else {
        return;
    };
    for parameter in organization.rows_referencing(PARAMETER, "msdyn_providerid", id) {
        call(
            organization,
            &provider,
            &parameter,
            "the provider is active",
        );
    }
}

/// The parameter of an active provider was set.
pub(super) fn after_setting(organization: &mut Organization<'_, '_>, id: &str) {
    let Some(parameter) = organization.row(PARAMETER, id) else {
        return;
    };
    let provider = lookup(&parameter, "msdyn_providerid");
    let provider = provider.and_then(|id| organization.row(PROVIDER, id));
    if let Some(provider) = provider.filter(|row| number(row, "statecode") == Some(0)) {
        call(organization, &provider, &parameter, "the parameter was set");
    }
}

/// The host is the parameter's address, or one that the service has for the account. Those hosts
/// are invented.
fn call(organization: &mut Organization<'_, '_>, provider: &Row, parameter: &Row, why: &str) {
    let value = parameter.get("msdyn_value").and_then(Value::as_str);
    let Some(value) = value.filter(|value| !NO_ACCOUNT.contains(value)) else {
        return;
    };
    let name = text(provider, "msdyn_name").unwrap_or_default();
    let host = match hosts::in_text(value).pop_first() {
        Some(host) => host,
        None => format!("{}.{}.example", slug(value), slug(name)),
    };
    let parameter = text(parameter, "msdyn_name").unwrap_or_default();
    let call = Call {
        by: format!("provider '{name}' ({parameter})"),
        host: &host,
        with: Some(value),
        why,
    };
    calls::record(organization, &call);
}

fn slug(text: &str) -> String {
    let letters = text.chars().map(|letter| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_lowercase()
        } else {
            '-'
        }
    });
    letters.collect::<String>().trim_matches('-').to_owned()
}
