//! The hosts of service endpoints and of plug-in steps.

use std::collections::BTreeSet;

use super::hosts;
use crate::rehearsal::behaviour::organization::{Organization, Row, lookup_of, text};

/// The hosts that a plug-in step calls: those of its service endpoint, and those that its
/// configuration names.
pub(super) fn hosts_of_step(organization: &Organization<'_, '_>, step: &Row) -> BTreeSet<String> {
    let mut found = hosts::in_text(text(step, "configuration").unwrap_or_default());
    let handler = step.get("eventhandler").and_then(lookup_of);
    if let Some(("serviceendpoint", id)) = handler
        && let Some(endpoint) = organization.row("serviceendpoint", id)
    {
        found.extend(host(&endpoint));
    }
    found
}

/// The host of an endpoint: of its address, or of its namespace in Azure Service Bus.
fn host(endpoint: &Row) -> Option<String> {
    let of = |column: &str| hosts::of_location(text(endpoint, column)?);
    let namespace = text(endpoint, "solutionnamespace");
    of("url")
        .or_else(|| of("namespaceaddress"))
        .or_else(|| namespace.map(|name| format!("{}.servicebus.windows.net", name.to_lowercase())))
}
