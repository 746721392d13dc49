//! The errors of Dataverse: status, code and message.
//!
//! Codes and messages are those of Microsoft Learn (Web API: compose HTTP requests and handle
//! errors) and of responses in public issues.

use serde_json::{Map, Value, json};

/// An error of Dataverse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ODataError {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The code, usually hexadecimal.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// The Flow service's error, if it refused the request.
    flow: Option<FlowServiceError>,
    /// Whether the changes of the request are kept.
    pub(crate) keeps_changes: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FlowServiceError {
    status: &'static str,
    error: String,
}

impl ODataError {
    /// An error with a status, a code and a message.
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            flow: None,
            keeps_changes: false,
        }
    }

    /// An invalid OData request.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "0x80060888", message)
    }

    /// An invalid body.
    pub(crate) fn bad_payload(message: impl Into<String>) -> Self {
        Self::new(400, "0x80048d19", message)
    }

    /// An unknown segment of the address.
    pub(crate) fn unknown_segment(segment: &str) -> Self {
        let message = format!("Resource not found for the segment '{segment}'.");
        Self::new(404, "0x80060888", message)
    }

    /// The error for a row whose key another row has.
    pub(crate) fn already_exists() -> Self {
        let text = "A record with matching key values already exists.";
        Self::new(412, "0x80040237", text)
    }

    /// A row that does not exist.
    pub(crate) fn row_not_found(table: &str, id: &str) -> Self {
        let message = format!("Entity '{table}' With Id = {id} Does Not Exist");
        Self::new(404, "0x80040217", message)
    }

    /// A property that the table does not have.
    pub(crate) fn unknown_property(property: &str, table: &str) -> Self {
        Self::bad_request(format!(
            "Could not find a property named '{property}' on type 'Microsoft.Dynamics.CRM.{table}'."
        ))
    }

    /// A feature of Dataverse that this tenant does not have.
    pub(crate) fn not_implemented(what: &str) -> Self {
        let message = format!("The rehearsal tenant does not know {what}.");
        Self::new(501, "0x80060888", message)
    }

    /// A business rule: the error code of plug-ins that throw.
    pub(crate) fn business_rule(message: impl Into<String>) -> Self {
        Self::new(400, "0x80040265", message)
    }

    /// An error of the Flow service, wrapped by Dataverse; the inner JSON is unescaped between
    /// quotes (coe-starter-kit issue 10060).
    pub(crate) fn flow_service(status: &'static str, code: &str, message: &str) -> Self {
        let error = json!({"error": {"code": code, "message": message}}).to_string();
        let message = format!(
            "Flow client error returned with status code \"{status}\" and details \"{error}\"."
        );
        Self {
            flow: Some(FlowServiceError { status, error }),
            ..Self::new(400, "0x80060467", message)
        }
    }

    /// The same error, but the changes of the request are kept.
    pub(crate) fn keeping_changes(mut self) -> Self {
        self.keeps_changes = true;
        self
    }

    /// The body of the response, with annotations if the request prefers them.
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
    fn a_flow_error_is_wrapped_as_dataverse_wraps_it() {
        let error = ODataError::flow_service("BadRequest", "FlowMissingConnection", "no \"x\"");
        let plain = error.body(false);
        let message = plain["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("Flow client error returned with status code \"BadRequest\""));
        let inner = &message[message.find('{').unwrap()..=message.rfind('}').unwrap()];
        let inner: Value = serde_json::from_str(inner).unwrap();
        assert_eq!(inner["error"]["code"], "FlowMissingConnection");
        let annotated = error.body(true);
        assert_eq!(
            annotated["error"]["@Microsoft.PowerApps.CDS.ErrorDetails.Error"],
            inner.to_string()
        );
    }
}
