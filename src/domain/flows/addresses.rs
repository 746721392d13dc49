//! The fixed addresses in a cloud flow's definition: hosts that its HTTP actions, HTTP triggers and
//! connector actions reach whatever environment the flow runs in.
//!
//! An address that an expression makes, or that comes from an environment variable, is not fixed.
//! Names of types and members: Microsoft Learn, *Schema reference for trigger and action types in
//! workflows*.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::containment::hosts::hosts_in;
use crate::domain::names::Fields;

/// The types whose `uri` is called.
const HTTP: [&str; 2] = ["http", "httpwebhook"];

/// The members of an HTTP action's `inputs` that hold an address.
const HTTP_PLACES: [&str; 3] = ["/uri", "/subscribe/uri", "/unsubscribe/uri"];

/// The types that call a connector.
const CONNECTOR: [&str; 6] = [
    "openapiconnection",
    "openapiconnectionwebhook",
    "openapiconnectionnotification",
    "apiconnection",
    "apiconnectionwebhook",
    "apiconnectionnotification",
];

/// The members of a connector action's `inputs` that hold what the flow's author wrote.
const CONNECTOR_PLACES: [&str; 4] = ["/parameters", "/queries", "/body", "/path"];

/// Parameters of connectors that name a host without a scheme, by the end of their keys.
const HOST_PARAMETERS: [&str; 8] = [
    "server", "host", "hostname", "url", "uri", "site", "dataset", "endpoint",
];

/// Parameters of connectors that name recipients, by the end of their keys.
const RECIPIENTS: [&str; 3] = ["to", "cc", "bcc"];

/// A host that a flow reaches wherever it runs.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct FixedAddress {
    /// The host in lower case, with its port where one is written; of a recipient the domain.
    pub(crate) host: String,
    /// The name of the action or trigger.
    pub(crate) action: String,
}

/// Every fixed address of a definition.
pub(super) fn fixed_addresses(definition: &Value) -> BTreeSet<FixedAddress> {
    let mut found = BTreeSet::new();
    visit(definition, "", &mut found);
    found
}

fn visit(value: &Value, name: &str, found: &mut BTreeSet<FixedAddress>) {
    match value {
        Value::Object(members) => {
            let mut hosts = BTreeSet::new();
            read_action(members, &mut hosts);
            found.extend(hosts.into_iter().map(|host| FixedAddress {
                host,
                action: name.to_owned(),
            }));
            for (name, member) in members {
                visit(member, name, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit(item, name, found)),
        _ => {}
    }
}

/// Reads the addresses of one action or trigger; nothing of any other object.
fn read_action(members: &Fields, hosts: &mut BTreeSet<String>) {
    let kind = members.get("type").and_then(Value::as_str);
    let (Some(kind), Some(inputs)) = (kind, members.get("inputs")) else {
        return;
    };
    let kind = kind.to_ascii_lowercase();
    if HTTP.contains(&kind.as_str()) {
        let places = HTTP_PLACES
            .iter()
            .filter_map(|place| inputs.pointer(place)?.as_str());
        places.for_each(|text| hosts.extend(hosts_in(text)));
    } else if CONNECTOR.contains(&kind.as_str()) {
        for place in CONNECTOR_PLACES {
            if let Some(written) = inputs.pointer(place) {
                read_parameters(written, place, hosts);
            }
        }
    }
}

fn read_parameters(value: &Value, key: &str, hosts: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(key, member)| read_parameters(member, key, hosts)),
        Value::Array(items) => items
            .iter()
            .for_each(|item| read_parameters(item, key, hosts)),
        Value::String(text) => {
            hosts.extend(hosts_in(text));
            let key = key.rsplit(['/', '.', '$']).next().unwrap_or(key);
            let key = key.to_ascii_lowercase();
            if HOST_PARAMETERS.contains(&key.as_str()) {
                hosts.extend(bare_host(text));
            }
            if RECIPIENTS.contains(&key.as_str()) {
                hosts.extend(domains_of_recipients(text));
            }
        }
        _ => {}
    }
}

/// A text that is nothing but a host name with a dot in it.
fn bare_host(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let labels: Vec<&str> = text.split('.').collect();
    let is_name = labels.len() > 1
        && labels.iter().all(|label| !label.is_empty())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':'))
        && text.contains(|c: char| c.is_ascii_alphabetic());
    is_name.then_some(text)
}

/// The domains of the addresses `NAME@DOMAIN` in a text.
fn domains_of_recipients(text: &str) -> Vec<String> {
    let lower = text.to_ascii_lowercase();
    lower
        .split([';', ',', ' ', '<', '>', '"', '\''])
        .filter_map(|word| word.split_once('@'))
        .filter(|(user, _)| !user.is_empty())
        .filter_map(|(_, domain)| bare_host(domain))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hosts(definition: &Value) -> Vec<String> {
        let found = fixed_addresses(definition);
        found.into_iter().map(|address| address.host).collect()
    }

    fn action(kind: &str, inputs: &Value) -> Value {
        json!({"properties": {"definition": {"actions": {"Scope": {"type": "Scope", "actions": {
            "Call": {"type": kind, "inputs": inputs}}}}}}})
    }

    #[test]
    fn an_http_action_reaches_the_host_of_its_uri_at_any_depth() {
        let call = action(
            "Http",
            &json!({"uri": "https://Shop.contoso.com:8443/api?x=1"}),
        );
        let found = fixed_addresses(&call);
        let address = found.first().expect("it is found");
        assert_eq!(
            (address.host.as_str(), address.action.as_str()),
            ("shop.contoso.com:8443", "Call")
        );
        let webhook = json!({"subscribe": {"uri": "https://hooks.contoso.com/s"}});
        assert_eq!(
            hosts(&action("HttpWebhook", &webhook)),
            ["hooks.contoso.com"]
        );
        let built = json!({"uri": "@concat('https://shop.contoso.com/api/', variables('id'))"});
        assert_eq!(hosts(&action("Http", &built)), ["shop.contoso.com"]);
    }

    #[test]
    fn an_address_that_an_expression_makes_is_not_fixed() {
        for uri in [
            "@parameters('contoso_ShopAddress (contoso_ShopAddress)')",
            "@{parameters('Shop')}/api/orders",
            "https://@{variables('host')}/api",
            "https://shop-@{variables('stage')}/api",
        ] {
            let call = action("Http", &json!({ "uri": uri }));
            assert!(hosts(&call).is_empty(), "{uri}");
        }
    }

    #[test]
    fn parameters_of_a_connector_hold_addresses_servers_and_recipients() {
        let parameters = json!({"parameters": {
            "request/url": "https://api.contoso.com/v1",
            "server": "sql.contoso.com",
            "emailMessage/To": "warehouse@contoso.com;@{triggerBody()?['mail']}",
            "item": {"note": "orders.csv"},
            "emailMessage/Subject": "ask a@b.example"}});
        assert_eq!(
            hosts(&action("OpenApiConnection", &parameters)),
            ["api.contoso.com", "contoso.com", "sql.contoso.com"]
        );
    }

    #[test]
    fn what_no_action_calls_is_no_address() {
        let schema = json!({"schema": {"$schema": "http://json-schema.org/draft-07/schema"}});
        assert!(hosts(&action("ParseJson", &schema)).is_empty());
        let note = json!({"body": "see https://wiki.contoso.com"});
        assert!(hosts(&action("Compose", &note)).is_empty());
        let body = json!({"uri": "@variables('u')", "body": {"link": "https://wiki.contoso.com"}});
        assert!(hosts(&action("Http", &body)).is_empty());
    }
}
