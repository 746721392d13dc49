//! Why Dataverse refuses a request: status, code and text.
//!
//! Codes and texts as Microsoft Learn (Web API: compose HTTP requests and handle errors) and
//! answers quoted in public issues have them.

use serde_json::{Map, Value, json};

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The code, usually hexadecimal.
    pub(crate) code: &'static str,
    /// What it says.
    pub(crate) message: String,
    /// What the Flow service said, where the refusal is its.
    flow: Option<FlowFault>,
    /// Whether what the request had changed until then stays.
    pub(crate) keeps_changes: bool,
}

/// What the Flow service said.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FlowFault {
    status: &'static str,
    error: String,
}

impl Refusal {
    /// A refusal with a status, a code and a text.
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            flow: None,
            keeps_changes: false,
        }
    }

    /// A request that OData cannot make sense of.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "0x80060888", message)
    }

    /// A body that cannot be made sense of.
    pub(crate) fn bad_payload(message: impl Into<String>) -> Self {
        Self::new(400, "0x80048d19", message)
    }

    /// A segment of the address that names nothing.
    pub(crate) fn no_segment(segment: &str) -> Self {
        let message = format!("Resource not found for the segment '{segment}'.");
        Self::new(404, "0x80060888", message)
    }

    /// A row that is not there.
    pub(crate) fn no_row(table: &str, id: &str) -> Self {
        let message = format!("Entity '{table}' With Id = {id} Does Not Exist");
        Self::new(404, "0x80040217", message)
    }

    /// A property that the table does not have.
    pub(crate) fn no_property(property: &str, table: &str) -> Self {
        Self::bad_request(format!(
            "Could not find a property named '{property}' on type 'Microsoft.Dynamics.CRM.{table}'."
        ))
    }

    /// Something that Dataverse can do and this tenant cannot.
    pub(crate) fn not_rehearsed(what: &str) -> Self {
        let message = format!("The rehearsal tenant does not know {what}.");
        Self::new(501, "0x80060888", message)
    }

    /// A rule of the application: the code of plug-ins that throw.
    pub(crate) fn rule(message: impl Into<String>) -> Self {
        Self::new(400, "0x80040265", message)
    }

    /// A refusal of the Flow service in the wrapper that Dataverse puts around it; the inner JSON
    /// stands unescaped between quotes (coe-starter-kit issue 10060).
    pub(crate) fn flow(status: &'static str, code: &str, message: &str) -> Self {
        let error = json!({"error": {"code": code, "message": message}}).to_string();
        let message = format!(
            "Flow client error returned with status code \"{status}\" and details \"{error}\"."
        );
        Self {
            flow: Some(FlowFault { status, error }),
            ..Self::new(400, "0x80060467", message)
        }
    }

    /// The same refusal, but what was changed until then stays.
    pub(crate) fn keeping_changes(mut self) -> Self {
        self.keeps_changes = true;
        self
    }

    /// The body of the answer. Annotations come only where the request asks for them.
    pub(crate) fn body(&self, annotated: bool) -> Value {
        let mut error = Map::new();
        error.insert("code".to_owned(), json!(self.code));
        error.insert("message".to_owned(), json!(self.message));
        if annotated {
            let mut annotate = |name: &str, value: String| {
                error.insert(format!("@Microsoft.PowerApps.CDS.{name}"), json!(value));
            };
            if let Some(flow) = &self.flow {
                annotate("ErrorDetails.HttpStatus", flow.status.to_owned());
                annotate("ErrorDetails.Error", flow.error.clone());
            }
            let code = self.code.trim_start_matches("0x");
            annotate(
                "HelpLink",
                format!(
                    "http://go.microsoft.com/fwlink/?LinkID=398563&error=Microsoft.Crm.CrmException%3a{code}&client=platform"
                ),
            );
            annotate("InnerError.Message", self.message.clone());
        }
        json!({"error": error})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_refusal_is_wrapped_as_dataverse_wraps_it() {
        let refusal = Refusal::flow("BadRequest", "FlowMissingConnection", "no \"x\"");
        let plain = refusal.body(false);
        let message = plain["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("Flow client error returned with status code \"BadRequest\""));
        let inner = &message[message.find('{').unwrap()..=message.rfind('}').unwrap()];
        let inner: Value = serde_json::from_str(inner).unwrap();
        assert_eq!(inner["error"]["code"], "FlowMissingConnection");
        let annotated = refusal.body(true);
        assert_eq!(
            annotated["error"]["@Microsoft.PowerApps.CDS.ErrorDetails.Error"],
            inner.to_string()
        );
    }
}
