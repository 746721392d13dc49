//! Where a cloud flow sends to: recipients that its author wrote, and addresses that it takes from
//! data, which a copy has from production.

use std::collections::BTreeSet;

use serde_json::Value;

use super::addresses::{called_by, hosts_of_call, is_connector, last_part};
use super::origins::Origins;
use super::walk::{each_object, each_text, type_of};
use crate::domain::containment::hosts::bare_host;

/// Parameters of connectors that name recipients, by the end of their keys: of mails, messages,
/// approvals and invitations.
const RECIPIENTS: [&str; 8] = [
    "to",
    "cc",
    "bcc",
    "recipient",
    "assignedto",
    "requiredattendees",
    "optionalattendees",
    "resourceattendees",
];

/// Does a parameter with this end of its key, in lower case, name recipients?
pub(super) fn is_recipient(key: &str) -> bool {
    RECIPIENTS.contains(&key)
}

/// The actions that send to recipients or call addresses that the definition does not name: they are
/// taken from data, and a copy has production's.
pub(super) fn sending_to_data(definition: &Value) -> BTreeSet<String> {
    let origins = Origins::from_definition(definition);
    let mut found = BTreeSet::new();
    each_object(definition, "", &mut |name, members| {
        let (Some(kind), Some(inputs)) = (type_of(members), members.get("inputs")) else {
            return;
        };
        let is_data = |text: &str| text.contains('@') && !origins.takes_from_environment(text);
        let names_no_recipient = |text: &&str| {
            let texts = origins.behind(text);
            texts
                .iter()
                .all(|text| domains_of_recipients(text).is_empty())
        };
        let parameters = inputs.get("parameters").filter(|_| is_connector(&kind));
        let mut recipients = parameters.into_iter().flat_map(recipients);
        let mut called = called_by(&kind, inputs).into_iter();
        if recipients.any(|text| is_data(text) && names_no_recipient(&text))
            || called.any(|text| is_data(text) && hosts_of_call(text, &origins).is_empty())
        {
            found.insert(name.to_owned());
        }
    });
    found
}

/// The texts of an action's parameters that name recipients.
fn recipients(parameters: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    each_text(parameters, "", &mut |key, text| {
        if is_recipient(&last_part(key)) {
            found.push(text);
        }
    });
    found
}

/// The domains of the addresses `NAME@DOMAIN` in a text.
pub(super) fn domains_of_recipients(text: &str) -> Vec<String> {
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
        sending_to_data(&definition).contains("Call")
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
}
