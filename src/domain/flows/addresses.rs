//! Where the actions and triggers of a cloud flow reach: fixed addresses, which are the same in every
//! environment, and places that nobody can tell from the definition.
//!
//! An address that comes from an environment variable is the environment's own, and one from data is
//! unclear. One that an expression takes from a variable, a `Compose` action or a parameter of the
//! flow, or puts together from texts, is as fixed as the text that is written there. Names of types and
//! members: Microsoft Learn, *Schema reference for trigger and action types in workflows*.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::origins::{ForeignDefaults, Origins};
use super::places::{Place, Said, resource};
use super::walk::{each_object, each_text, type_of};
use crate::domain::connections::connector_name;
use crate::domain::containment::hosts::hosts_in;

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

/// The types that stay in the flow, or only start or answer it.
const INSIDE: [&str; 26] = [
    "appendtoarrayvariable",
    "appendtostringvariable",
    "compose",
    "decrementvariable",
    "expression",
    "foreach",
    "if",
    "incrementvariable",
    "initializevariable",
    "join",
    "manual",
    "parsejson",
    "query",
    "recurrence",
    "request",
    "response",
    "scope",
    "select",
    "setvariable",
    "slidingwindow",
    "switch",
    "table",
    "terminate",
    "until",
    "wait",
    "xpath",
];

/// The members of a connector action's `inputs` that hold what the flow's author wrote.
const CONNECTOR_PLACES: [&str; 4] = ["parameters", "queries", "body", "path"];

/// The connector of the environment's own rows.
const DATAVERSE: &str = "shared_commondataserviceforapps";

/// How deep parameters are followed that other values hold.
const DEEPEST: usize = 8;

/// A place that a flow reaches in every environment.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct FixedAddress {
    /// The host in lower case, with its port if one is written; of a recipient the domain; else what
    /// names the place.
    pub(crate) host: String,
    /// The name of the action or trigger.
    pub(crate) action: String,
    /// The environment variable from whose default it comes, if that is production's.
    pub(crate) variable: Option<String>,
}

/// Why nobody can tell where an action reaches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unclear {
    /// Its recipients, or the address that it calls, come from data: a copy has production's.
    Data,
    /// Its type is not known to stay in the flow.
    Type,
}

/// Where a flow reaches.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    /// What is the same in every environment.
    pub(crate) fixed: BTreeSet<FixedAddress>,
    /// The actions of which it is unclear.
    pub(crate) unclear: BTreeMap<String, Unclear>,
}

/// Reads where a definition reaches. Takes the defaults of environment variables that are
/// production's: any other variable is the environment's own.
pub(super) fn outside(definition: &Value, foreign: &ForeignDefaults) -> Outside {
    let mut reader = Reader {
        origins: Origins::from_definition(definition, foreign),
        found: Outside::default(),
    };
    each_object(definition, "", &mut |name, members| {
        if let (Some(kind), Some(inputs)) = (type_of(members), members.get("inputs")) {
            reader.read(name, &kind, inputs, 0);
        }
    });
    reader.found
}

/// Reads one action or trigger after the other.
struct Reader<'d> {
    origins: Origins<'d>,
    found: Outside,
}

impl Reader<'_> {
    fn read(&mut self, action: &str, kind: &str, inputs: &Value, depth: usize) {
        let is_call = HTTP.contains(&kind) || CONNECTOR.contains(&kind);
        if INSIDE.contains(&kind) || kind == "workflow" && is_child(inputs) {
            return;
        }
        if is_call && let Value::String(text) = inputs {
            self.follow(action, text, depth, |reader, inputs| {
                reader.read(action, kind, inputs, depth + 1);
            });
        } else if HTTP.contains(&kind) {
            let places = HTTP_PLACES.into_iter();
            for called in places.filter_map(|place| inputs.pointer(place)) {
                match called {
                    Value::String(called) => self.say(action, Place::Uri, called),
                    _ => self.unclear(action, Unclear::Data),
                }
            }
        } else if CONNECTOR.contains(&kind) {
            let is_dataverse = is_dataverse(inputs);
            for place in CONNECTOR_PLACES {
                match inputs.get(place) {
                    Some(Value::String(text)) if place == "parameters" => {
                        self.follow(action, text, depth, |reader, written| {
                            let inside = (is_dataverse, depth + 1);
                            reader.read_parameter(action, place, written, inside);
                        });
                    }
                    Some(written) => {
                        self.read_parameter(action, place, written, (is_dataverse, depth));
                    }
                    None => {}
                }
            }
        } else {
            self.read_unknown(action, inputs);
        }
    }

    /// An action of a type that is not known to stay inside.
    fn read_unknown(&mut self, action: &str, inputs: &Value) {
        let mut fixed = Vec::new();
        each_text(inputs, "", &mut |_, text| {
            fixed.extend(resource(text));
            fixed.extend(hosts_in(text));
        });
        if fixed.is_empty() {
            self.unclear(action, Unclear::Type);
        }
        self.fixed(action, fixed, None);
    }

    /// Reads a parameter, or what it is made of, by its key.
    fn read_parameter(
        &mut self,
        action: &str,
        key: &str,
        value: &Value,
        (is_dataverse, depth): (bool, usize),
    ) {
        let inside = (is_dataverse, depth);
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    self.read_parameter(action, name, member, inside);
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.read_parameter(action, key, item, inside);
                }
            }
            Value::String(text) => {
                let mut written: Vec<String> = hosts_in(text).into_iter().collect();
                written.extend(resource(text));
                self.fixed(action, written, None);
                let place = Place::of_parameter(key);
                let of_row = |place: Place| place.in_dataverse(key);
                match if is_dataverse {
                    place.and_then(of_row)
                } else {
                    place
                } {
                    Some(place) => self.say(action, place, text),
                    // Several parameters may stand where the text takes its value from.
                    None if depth < DEEPEST => {
                        for object in self.origins.objects(text) {
                            self.read_parameter(action, key, object, (is_dataverse, depth + 1));
                        }
                    }
                    None => {}
                }
            }
            _ => {}
        }
    }

    /// Reads the objects that an expression gives in the place of inputs; unclear if there are none.
    fn follow(
        &mut self,
        action: &str,
        text: &str,
        depth: usize,
        mut read: impl FnMut(&mut Self, &Value),
    ) {
        let objects = self.origins.objects(text);
        if objects.is_empty() || depth > DEEPEST {
            self.unclear(action, Unclear::Data);
            return;
        }
        for object in objects {
            read(self, object);
        }
    }

    /// Reads a text that says where an action reaches.
    fn say(&mut self, action: &str, place: Place, text: &str) {
        let mut said = Said::default();
        for text in self.origins.texts(text) {
            place.read(&text, &mut said);
        }
        if said.is_unclear {
            self.unclear(action, Unclear::Data);
        }
        if !said.fixed.is_empty() {
            let variable = self.origins.foreign_variable(text);
            self.fixed(action, said.fixed, variable);
        }
    }

    fn fixed(&mut self, action: &str, hosts: Vec<String>, variable: Option<&str>) {
        self.found
            .fixed
            .extend(hosts.into_iter().map(|host| FixedAddress {
                host,
                action: action.to_owned(),
                variable: variable.map(str::to_owned),
            }));
    }

    fn unclear(&mut self, action: &str, why: Unclear) {
        self.found.unclear.insert(action.to_owned(), why);
    }
}

/// Does an action of type `Workflow` call a flow of its environment?
fn is_child(inputs: &Value) -> bool {
    let child = inputs.pointer("/host/workflowReferenceName");
    child.is_some_and(Value::is_string)
}

/// Does a connector action read or write the rows of Dataverse?
fn is_dataverse(inputs: &Value) -> bool {
    let host = |place: &str| inputs.pointer(place).and_then(Value::as_str);
    let connector = host("/host/apiId").or_else(|| host("/host/connectionName"));
    connector.is_some_and(|connector| {
        let name = connector_name(connector);
        // A flow's own key of a second reference ends with a number.
        let end = name.strip_prefix(DATAVERSE);
        end.is_some_and(|end| {
            end.trim_start_matches('_')
                .chars()
                .all(|c| c.is_ascii_digit())
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hosts(definition: &Value) -> Vec<String> {
        let found = outside(definition, &ForeignDefaults::new()).fixed;
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
        let found = outside(&call, &ForeignDefaults::new()).fixed;
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

    /// Is the action of a flow found that has these inputs?
    fn sends(kind: &str, inputs: &Value) -> bool {
        let definition = json!({"properties": {"definition": {
            "parameters": {
                "Shop (contoso_Shop)": {"type": "String", "defaultValue": "https://shop.contoso.com",
                    "metadata": {"schemaName": "contoso_Shop"}}},
            "actions": {
                "Mail": {"type": "SetVariable", "inputs": {
                    "name": "desk", "value": "desk@contoso.com"}},
                "Own": {"type": "SetVariable", "inputs": {
                    "name": "own", "value": "@parameters('Shop (contoso_Shop)')"}},
                "Call": {"type": kind, "inputs": inputs}}}}});
        let found = outside(&definition, &ForeignDefaults::new());
        found.unclear.contains_key("Call")
    }

    #[test]
    fn recipients_that_no_text_names_are_taken_from_data() {
        let sends = |to: &str| {
            let parameters = json!({"parameters": {"emailMessage/To": to}});
            sends("OpenApiConnection", &parameters)
        };
        assert!(sends("@triggerOutputs()?['body/emailaddress1']"));
        assert!(sends("@{items('Apply_to_each')?['mail']}"));
        for fixed in [
            "warehouse@contoso.com",
            "@variables('desk')",
            "@parameters('Shop (contoso_Shop)')",
            "@variables('own')",
            "",
        ] {
            assert!(!sends(fixed), "{fixed}");
        }
    }

    #[test]
    fn addresses_that_no_text_names_are_taken_from_data() {
        let sends = |uri: &str| sends("Http", &json!({ "uri": uri }));
        assert!(sends("@{triggerOutputs()?['body/contoso_callbackurl']}"));
        assert!(sends(
            "https://@{outputs('Get_row')?['body/contoso_host']}/orders"
        ));
        for other in [
            "https://api.partner.example/@{triggerBody()?['id']}",
            "@{parameters('Shop (contoso_Shop)')}/orders",
            "@variables('own')",
        ] {
            assert!(!sends(other), "{other}");
        }
    }

    /// What a flow reaches whose action has this type and inputs: its fixed addresses, and whether
    /// something is unclear.
    fn judged(kind: &str, inputs: &Value) -> (Vec<String>, bool) {
        let variable = |name: &str, value: Value| {
            json!({"type": "InitializeVariable", "inputs": {"variables": [
                {"name": name, "type": "object", "value": value}]}})
        };
        let definition = json!({"properties": {"definition": {
            "parameters": {
                "Key (contoso_Key)": {"type": "String", "metadata": {"schemaName": "contoso_Key"}},
                "New (contoso_New)": {"type": "String", "metadata": {"schemaName": "contoso_New"}}},
            "actions": {
                "Host": variable("host", json!("api.partner.example")),
                "Request": variable("req", json!({"uri": "https://api.partner.example/x"})),
                "Mail": variable("mail", json!({"emailMessage/To": "a@partner.example"})),
                "Call": {"type": kind, "inputs": inputs}}}}});
        let new = json!("https://api.partner.example/v1");
        let foreign = ForeignDefaults::from([("contoso_New".to_owned(), new)]);
        let found = outside(&definition, &foreign);
        let hosts = found.fixed.into_iter().map(|address| address.host);
        (hosts.collect(), found.unclear.contains_key("Call"))
    }

    const KEY: &str = "@{parameters('Key (contoso_Key)')}";
    const MAIL: &str = "@{triggerOutputs()?['body/emailaddress1']}";
    const AZURE: &str = "/subscriptions/5b0b/resourcegroups/prod/providers";

    #[test]
    fn nothing_beside_an_address_hides_it() {
        let partner = || vec!["api.partner.example".to_owned()];
        let concat =
            "@concat('https://','api.partner.example','/o?k=',parameters('Key (contoso_Key)'))";
        for (uri, fixed, is_unclear) in [
            (concat.to_owned(), partner(), false),
            (
                format!("https://@{{variables( 'host' )}}/{KEY}"),
                partner(),
                false,
            ),
            (
                "@coalesce(triggerBody()?['u'],'https://api.partner.example')".to_owned(),
                partner(),
                true,
            ),
            (
                "https://[2001:db8::1]/orders".to_owned(),
                vec!["[2001:db8::1]".to_owned()],
                false,
            ),
            ("api.partner.example/orders".to_owned(), partner(), false),
            (
                "@{parameters('New (contoso_New)')}/orders".to_owned(),
                partner(),
                false,
            ),
            (format!("https://{KEY}/orders.json"), vec![], false),
            (
                "@concat(parameters('Key (contoso_Key)'),'/x/','orders.csv',body('R')?['x'])"
                    .to_owned(),
                vec![],
                false,
            ),
            ("@parameters('nobody declares it')".to_owned(), vec![], true),
        ] {
            assert_eq!(
                judged("Http", &json!({"uri": uri})),
                (fixed, is_unclear),
                "{uri}"
            );
        }
        assert_eq!(
            judged("Http", &json!("@variables('req')")),
            (partner(), false)
        );
        assert_eq!(judged("Http", &json!("@triggerBody()")), (vec![], true));
    }

    #[test]
    fn every_parameter_that_names_a_place_is_judged() {
        let data = "@{triggerOutputs()?['body/contoso_server']}";
        let guid = "5b0b7f2a-1111-4222-8333-944444444444";
        for (key, text, fixed, is_unclear) in [
            ("emailMessage/To", format!("{MAIL};{KEY}"), "", true),
            (
                "emailMessage/To",
                format!("ops@bin.contoso.com;{MAIL}"),
                "bin.contoso.com",
                true,
            ),
            ("emailMessage/To", KEY.to_owned(), "", false),
            ("body/to", "+15550123".to_owned(), "+15550123", false),
            ("body/to", MAIL.to_owned(), "", true),
            ("body/recipient/groupId", guid.to_owned(), guid, false),
            (
                "body/recipient/channelId",
                "19:abc@thread.tacv2".to_owned(),
                "19:abc@thread.tacv2",
                false,
            ),
            (
                "dataset",
                "contosoprodstorage".to_owned(),
                "contosoprodstorage",
                false,
            ),
            (
                "storageAccountName",
                "contosoprod".to_owned(),
                "contosoprod",
                false,
            ),
            (
                "emailMessage/MailboxAddress",
                "orders@contoso.com".to_owned(),
                "contoso.com",
                false,
            ),
            (
                "mailboxAddress",
                "orders@contoso.com".to_owned(),
                "contoso.com",
                false,
            ),
            ("request/url", data.to_owned(), "", true),
            ("server", data.to_owned(), "", true),
            ("server", "SQLPROD01".to_owned(), "sqlprod01", false),
            (
                "dataset",
                "https%3A%2F%2Fpartner.example%2Fsites".to_owned(),
                "partner.example",
                false,
            ),
            (
                "instance",
                "partner.operations.example".to_owned(),
                "partner.operations.example",
                false,
            ),
            ("account", "contosoprod".to_owned(), "contosoprod", false),
            (
                "vaultName",
                "contoso-prod-kv".to_owned(),
                "contoso-prod-kv",
                false,
            ),
            (
                "organization",
                "https://partner-org.example".to_owned(),
                "partner-org.example",
                false,
            ),
            ("request/url", "/orders".to_owned(), "", false),
            ("dataset", "default".to_owned(), "", false),
            ("server", KEY.to_owned(), "", false),
            ("body/messageBody", MAIL.to_owned(), "", false),
        ] {
            let inputs = json!({"host": {"apiId": "/providers/x/apis/shared_any"}, "parameters": {key: text}});
            let fixed = if fixed.is_empty() {
                vec![]
            } else {
                vec![fixed.to_owned()]
            };
            assert_eq!(
                judged("OpenApiConnection", &inputs),
                (fixed, is_unclear),
                "{key} {text}"
            );
        }
        let behind = json!({"parameters": "@variables('mail')"});
        let partner = vec!["partner.example".to_owned()];
        assert_eq!(judged("OpenApiConnection", &behind), (partner, false));
        let behind = json!({"parameters": "@triggerBody()"});
        assert_eq!(judged("OpenApiConnection", &behind), (vec![], true));
    }

    #[test]
    fn a_row_of_dataverse_stays_in_the_environment() {
        let of = |key: &str, text: &str| {
            let api = "/providers/Microsoft.PowerApps/apis/shared_commondataserviceforapps";
            judged(
                "OpenApiConnection",
                &json!({"host": {"apiId": api}, "parameters": {key: text}}),
            )
        };
        for (key, text) in [
            ("entityName", "accounts"),
            ("item/account", "contoso"),
            ("item/groupid", "5b0b"),
            ("item/url", "@triggerBody()?['url']"),
            ("item/to", "@triggerBody()?['mail']"),
            ("organization", "current"),
        ] {
            assert_eq!(of(key, text), (vec![], false), "{key}");
        }
        let other = "partner-org.crm.dynamics.example";
        assert_eq!(of("organization", other), (vec![other.to_owned()], false));
        assert_eq!(of("organization", MAIL), (vec![], true));
    }

    #[test]
    fn a_type_of_action_that_is_not_known_to_stay_inside_is_unclear() {
        let id = |end: &str| format!("{AZURE}/{end}");
        for (kind, inputs, fixed) in [
            (
                "Function",
                json!({"function": {"id": id("Sites/F")}}),
                id("sites/f"),
            ),
            (
                "Workflow",
                json!({"host": {"workflow": {"id": id("W")}}}),
                id("w"),
            ),
            ("ApiManagement", json!({"api": {"id": id("A")}}), id("a")),
        ] {
            assert_eq!(judged(kind, &inputs), (vec![fixed], false), "{kind}");
        }
        assert_eq!(
            judged("ServiceProvider", &json!({"parameters": {}})),
            (vec![], true)
        );
        let child =
            json!({"host": {"workflowReferenceName": "30000000-0000-4000-8000-000000000003"}});
        assert_eq!(judged("Workflow", &child), (vec![], false));
        for inside in ["Compose", "Request", "Recurrence", "Foreach", "Response"] {
            assert_eq!(
                judged(inside, &json!({"x": "@triggerBody()"})),
                (vec![], false),
                "{inside}"
            );
        }
    }
}
