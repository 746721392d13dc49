//! The fixed addresses in a cloud flow's definition: hosts that its HTTP actions, HTTP triggers and
//! connector actions reach in every environment.
//!
//! An address that comes from an environment variable or from data is not fixed. One that an
//! expression takes from a variable, a `Compose` action or a parameter of the flow, or puts together
//! from texts, is as fixed as the text that is written there. Names of types and members: Microsoft Learn, *Schema reference for
//! trigger and action types in workflows*.

use std::collections::BTreeSet;

use serde_json::Value;

use super::origins::Origins;
use super::recipients::{domains_of_recipients, is_recipient};
use super::walk::{each_object, each_text, type_of};
use crate::domain::containment::hosts::{bare_host, hosts_in};
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

/// A host that a flow reaches in every environment.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct FixedAddress {
    /// The host in lower case, with its port if one is written; of a recipient the domain.
    pub(crate) host: String,
    /// The name of the action or trigger.
    pub(crate) action: String,
}

/// Every fixed address of a definition.
pub(super) fn fixed_addresses(definition: &Value) -> BTreeSet<FixedAddress> {
    let origins = Origins::from_definition(definition);
    let mut found = BTreeSet::new();
    each_object(definition, "", &mut |name, members| {
        let mut hosts = BTreeSet::new();
        read_action(members, &origins, &mut hosts);
        found.extend(hosts.into_iter().map(|host| FixedAddress {
            host,
            action: name.to_owned(),
        }));
    });
    found
}

/// Does an action or trigger of this type call a connector?
pub(super) fn is_connector(kind: &str) -> bool {
    CONNECTOR.contains(&kind)
}

/// The addresses that an HTTP action calls, as they are written; none of any other action.
pub(super) fn called_by<'d>(kind: &str, inputs: &'d Value) -> Vec<&'d str> {
    let places = HTTP_PLACES.iter().filter(|_| HTTP.contains(&kind));
    places
        .filter_map(|place| inputs.pointer(place)?.as_str())
        .collect()
}

/// Reads the addresses of one action or trigger; any other object has none.
fn read_action(members: &Fields, origins: &Origins<'_>, hosts: &mut BTreeSet<String>) {
    let (Some(kind), Some(inputs)) = (type_of(members), members.get("inputs")) else {
        return;
    };
    for text in called_by(&kind, inputs) {
        hosts.extend(hosts_of_call(text, origins));
    }
    if is_connector(&kind) {
        for place in CONNECTOR_PLACES {
            if let Some(written) = inputs.pointer(place) {
                read_parameters(written, place, origins, hosts);
            }
        }
    }
}

/// The hosts of a text that is called. Where it is put together from several texts, the host may be
/// one of them.
pub(super) fn hosts_of_call(text: &str, origins: &Origins<'_>) -> BTreeSet<String> {
    let texts = origins.behind(text);
    let hosts: BTreeSet<String> = texts.iter().flat_map(|text| hosts_in(text)).collect();
    if !hosts.is_empty() || origins.takes_from_environment(text) {
        return hosts;
    }
    let parts = texts.iter().flat_map(|text| parts_of(text));
    parts.filter_map(bare_host).collect()
}

/// A text, and the texts in quotes in its expressions.
fn parts_of(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('\'').skip(1).step_by(2);
    std::iter::once(text).chain(quoted.filter(move |_| text.contains('@')))
}

fn read_parameters(
    value: &Value,
    place: &str,
    origins: &Origins<'_>,
    hosts: &mut BTreeSet<String>,
) {
    each_text(value, place, &mut |key, text| {
        hosts.extend(hosts_in(text));
        let key = last_part(key);
        if HOST_PARAMETERS.contains(&key.as_str()) {
            hosts.extend(hosts_of_call(text, origins));
        }
        if is_recipient(&key) {
            let texts = origins.behind(text);
            hosts.extend(texts.iter().flat_map(|text| domains_of_recipients(text)));
        }
    });
}

/// The end of a parameter's key in lower case: `to` of `emailMessage/To`.
pub(super) fn last_part(key: &str) -> String {
    let end = key.rsplit(['/', '.', '$']).next().unwrap_or(key);
    end.to_ascii_lowercase()
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

    /// A flow with one action and what it takes its texts from.
    fn with_origin(origin: &Value, kind: &str, inputs: &Value) -> Value {
        json!({"properties": {"definition": {
            "parameters": {
                "base": {"type": "String", "defaultValue": "https://api.partner.example/v1"},
                "Shop (contoso_Shop)": {"type": "String", "defaultValue": "https://shop.contoso.com",
                    "metadata": {"schemaName": "contoso_Shop"}}},
            "actions": {"Origin": origin, "Call": {"type": kind, "inputs": inputs}}}}})
    }

    #[test]
    fn an_address_behind_a_variable_an_action_or_a_parameter_is_fixed() {
        let address = "https://api.partner.example/orders";
        let variable = json!({"type": "InitializeVariable", "inputs": {"variables": [
            {"name": "u", "type": "string", "value": address}]}});
        let set = json!({"type": "SetVariable", "inputs": {"name": "u", "value": address}});
        let compose = json!({"type": "Compose", "inputs": {"url": address}});
        for (origin, uri) in [
            (&variable, "@variables('u')"),
            (&set, "@{variables('U')}/7"),
            (&compose, "@outputs('Origin')?['url']"),
            (&compose, "@{body('origin')['url']}"),
            (&json!({}), "@concat(parameters('base'), '/x')"),
        ] {
            let http = with_origin(origin, "Http", &json!({"uri": uri}));
            assert_eq!(hosts(&http), ["api.partner.example"], "{uri}");
            let parameters = json!({"parameters": {"request/url": uri}});
            let connector = with_origin(origin, "OpenApiConnection", &parameters);
            assert_eq!(hosts(&connector), ["api.partner.example"], "{uri}");
        }
        let other = with_origin(&variable, "Http", &json!({"uri": "@variables('other')"}));
        assert!(hosts(&other).is_empty());
        let own = json!({"uri": "@parameters('Shop (contoso_Shop)')"});
        assert!(hosts(&with_origin(&json!({}), "Http", &own)).is_empty());
    }

    #[test]
    fn an_address_that_is_put_together_from_texts_is_fixed() {
        let host = |value: Value| {
            json!({"type": "InitializeVariable", "inputs": {"variables": [
                {"name": "host", "type": "string", "value": value}]}})
        };
        let api = host(json!("api.partner.example"));
        let list = host(json!(["api.partner.example"]));
        for (origin, uri) in [
            (&api, "https://@{variables('host')}/orders"),
            (&list, "https://@{first(variables('host'))}/orders"),
            (
                &json!({}),
                "@concat('https://','api.partner.example','/orders')",
            ),
        ] {
            let http = with_origin(origin, "Http", &json!({ "uri": uri }));
            assert_eq!(hosts(&http), ["api.partner.example"], "{uri}");
        }
        let own = "@concat(parameters('Shop (contoso_Shop)'), '/v1.orders')";
        let own = with_origin(&json!({}), "Http", &json!({ "uri": own }));
        assert!(hosts(&own).is_empty());
    }

    #[test]
    fn servers_are_found_in_the_forms_that_connectors_take() {
        for (key, text, host) in [
            ("server", "sql.partner.example,1433", "sql.partner.example"),
            ("server", "tcp:sql.partner.example", "sql.partner.example"),
            ("server", r"sql.partner.example\PROD", "sql.partner.example"),
            ("server", "203.0.113.7", "203.0.113.7"),
            (
                "dataset",
                r"\\files.partner.example\orders",
                "files.partner.example",
            ),
            (
                "emailMessage/requiredAttendees",
                "a@partner.example",
                "partner.example",
            ),
            (
                "WebhookApprovalCreationInput/assignedTo",
                "a@partner.example;",
                "partner.example",
            ),
            ("body/recipient", "a@partner.example", "partner.example"),
        ] {
            let parameters = json!({"parameters": {key: text}});
            let found = hosts(&action("OpenApiConnection", &parameters));
            assert_eq!(found, [host], "{text}");
        }
    }

    #[test]
    fn a_host_that_no_action_calls_is_not_an_address() {
        let schema = json!({"schema": {"$schema": "http://json-schema.org/draft-07/schema"}});
        assert!(hosts(&action("ParseJson", &schema)).is_empty());
        let note = json!({"body": "see https://wiki.contoso.com"});
        assert!(hosts(&action("Compose", &note)).is_empty());
        let body = json!({"uri": "@variables('u')", "body": {"link": "https://wiki.contoso.com"}});
        assert!(hosts(&action("Http", &body)).is_empty());
    }
}
