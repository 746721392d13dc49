//! Error codes of refused requests: whether repeating the request helps, and what to do.
//!
//! This is the only table. A code that is not in it is shown as it is, and its request is not
//! repeated. Dataverse wraps errors of the Flow service (0x80060467); the useful reason is the
//! inner code. Codes and texts are those that Microsoft has published (Dataverse, *Web service
//! error codes*) and that users have published with their errors.

use crate::clients::error::Error;
use crate::clients::http::parsing::ServiceError;

/// Whether the same request may succeed in a later pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outlook {
    /// It may: it depends on something that the run or the service does in the meantime.
    Retryable,
    /// It will not until a person changes something.
    Permanent,
}

use Outlook::{Permanent, Retryable};

const POLICY: &str = "a data policy of the tenant forbids it: an administrator of the data policies must \
                      allow the connector or the address in this environment, or exclude the flow \
                      under `except` of activate-flows";

/// Codes of the Flow service, inside Dataverse's 0x80060467.
const INNER: &[(&str, Outlook, &str)] = rows! {
    "XrmConnectionReferenceMissingConnection" => Permanent,
        "its connection reference has no connection: name one under `connections` of reconfigure-connections";
    "ConnectionAuthorizationFailed" => Permanent,
        "the connection belongs to another environment or is not shared with the user that turns the flow on: name one of the target's connections, owned by or shared with `act-as` (or with the caller, if `act-as` is not set)";
    "FlowMissingConnection" => Permanent,
        "the flow is bound to a connection without a reference: open it in the designer, choose the connection, save";
    "ConnectionNotFound" => Permanent,
        "the connection does not exist any more: name another one of the target under `connections` of reconfigure-connections";
    "ChildFlowNeverPublished" => Retryable,
        "turn on the child flow first; if that fails, open the child flow in the designer and save it";
    "AzureResourceManagerRequestFailed" => Retryable,
        "a child flow is off or a connector is missing: turn the child on or install the connector, then run again";
    "FlowCannotInvokeItself" => Retryable,
        "a child flow is off, or the flow calls itself: turn the child on; if that does not help, open the flow in the designer and correct the call";
    "InvalidOpenApiFlow" => Permanent,
        "a connector's or table's schema changed: open the flow in the designer and save it; if many flows report this, publish all customizations first";
    "DefinitionRequestMissingFields" => Permanent,
        "its definition is incomplete: open it in the designer, complete it, save";
    "MissingAdequateQuotaPolicy" => Permanent,
        "its owner has no sufficient licence: assign one, or name another `owner`";
    "ChildFlowUnsupportedForInvokerConnections" => Permanent,
        "open the child in the designer: under 'Run only users' its connections must be its own, not the caller's";
    "ChildFlowsUnsupportedForNonOpenApiConnections" => Permanent,
        "open the child in the designer and replace the actions of the old connector";
    "DlpViolation" => Permanent, POLICY;
    "ApiPolicyEndpointViolation" => Permanent, POLICY;
    "ApiPolicyOrThrottlingViolation" => Permanent, POLICY;
};

/// Codes of Dataverse (names as its published list of error codes has them) and of the admin APIs.
const OUTER: &[(&str, Outlook, &str)] = rows! {
    "0x80060464" => Permanent,
        "the organization does not allow cloud flows: check its settings in the admin center";
    "0x80060465" => Permanent,
        "cloud flows exist only online: check that the correct environment is named";
    "0x80060466" => Permanent,
        "a flow can be changed only while it is off: turn it off, then run again";
    "0x80060468" => Permanent,
        "the service cannot read its definition: open it in the designer and save it";
    "0x80060469" => Retryable, "a flow that it needs is off: turn on that flow first";
    "0x8004500b" => Permanent,
        "only its owner may turn it on: name the owner as `act-as`, or name `owner`";
    "0x8004500c" => Permanent,
        "a flow that is on can be assigned only to the caller: turn it off, then run again";
    "0x8004a110" => Permanent,
        "the caller may not act as another user: give it the Delegate role (prvActOnBehalfOfAnotherUser), or leave `act-as` out";
    "0x80095ffe" => Permanent,
        "the environment's IP firewall does not allow this address (the copy brings the source's list): run from an allowed address, or change the list in the admin center (environment > Settings > Privacy + Security)";
    "0x80071151" => Retryable,
        "a solution or a provider is being installed, and customizations are locked for some minutes: run again when it has finished";
    "0x80072042" => Permanent,
        "the environment blocks unmanaged customizations: turn that off in the admin center (environment > Settings > Features), then run again";
    "0x80044331" => Permanent,
        "a text is longer than its column allows: shorten it in the runbook or in the source";
    "0x80048408" => Permanent,
        "the row cannot change to this state from its current state: check it in the maker portal";
    "0x80048d19" => Permanent,
        "the request does not fit the table: correct the request under `iom.requests`";
    "0x80072560" => Permanent,
        "the caller is not a user of this organization: add it as an application user; right after a copy, wait some minutes";
    "0x80042f09" => Permanent, "the caller has no security role here: give it System Administrator";
    "0x8004a113" => Permanent,
        "the environment is in administration mode and the caller is not an administrator: give it System Administrator";
    "0x80040220" => Permanent,
        "the caller's security roles lack a privilege: give it System Administrator";
    "0x80048306" => Permanent,
        "the caller's security roles lack a privilege: give it System Administrator";
    "0x80040231" => Permanent,
        "the new owner lacks a privilege on this table: give the user or team a role that may read it";
    "0x80048340" => Permanent, "an access team cannot own rows: name a user or an owner team";
    "0x8004a104" => Permanent, "the organization is disabled: check it in the admin center";
    "OperationNotStartable" => Retryable, "wait for the running operation to end, then run again";
    "EnvironmentNotFound" => Permanent,
        "check the environment's id, and that the caller may see the environment";
    "ServiceToServiceEnvironmentNotFound" => Retryable,
        "this service does not see the environment yet: run again in some minutes";
    "InsufficientCapacity_StorageDriven" => Permanent,
        "free database capacity in the tenant, or buy more";
    "EnvironmentNotInReadyState" => Retryable,
        "the Finance and Operations environment is not ready: run again in some minutes";
    "InvalidApplicationId" => Permanent, "the application is not registered in this tenant";
};

/// The row of the table for an outer code, an inner code, and the message.
fn find(code: Option<&str>, inner: Option<&str>, message: &str) -> Option<(Outlook, &'static str)> {
    let code = code.unwrap_or_default();
    let by_code = INNER
        .iter()
        .find(|(known, ..)| inner == Some(*known) || code == *known)
        .or_else(|| OUTER.iter().find(|(known, ..)| code == *known));
    // Without annotations the inner code is only in the message.
    by_code
        .or_else(|| INNER.iter().find(|(known, ..)| message.contains(known)))
        .map(|(_, outlook, remedy)| (*outlook, *remedy))
}

/// What a person can do about a refusal, if its code is in the table.
pub(super) fn remedy(error: &ServiceError) -> Option<&'static str> {
    let (_, remedy) = find(
        error.code.as_deref(),
        error.inner_code.as_deref(),
        &error.message,
    )?;
    Some(remedy)
}

impl Error {
    /// Whether the code of a refusal says that the same request may succeed later. `false` for an
    /// unknown code.
    pub fn is_retryable_refusal(&self) -> bool {
        let found = find(
            self.code.as_deref(),
            self.inner_code.as_deref(),
            &self.message,
        );
        matches!(found, Some((Retryable, _)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::error::{Detail, ErrorKind};

    fn error(code: &str, inner: Option<&str>, message: &str) -> Error {
        let detail = Detail {
            code: Some(code.to_owned()),
            inner_code: inner.map(str::to_owned),
            message: message.to_owned(),
            ..Detail::default()
        };
        Error::from_detail(ErrorKind::Refused, detail, None)
    }

    #[test]
    fn every_code_is_there_once() {
        let codes: Vec<&str> = INNER.iter().chain(OUTER).map(|(code, ..)| *code).collect();
        let unique: std::collections::BTreeSet<&&str> = codes.iter().collect();
        assert_eq!(unique.len(), codes.len());
    }

    #[test]
    fn every_inner_code_decides_whether_a_request_is_retryable() {
        for &(code, outlook, _) in INNER {
            let error = error("0x80060467", Some(code), "no");
            assert_eq!(error.is_retryable_refusal(), outlook == Retryable, "{code}");
        }
        let text = r#"Flow client error returned with status code "BadRequest" and details "{"error":{"code":"ChildFlowNeverPublished"}}"."#;
        assert!(error("0x80060467", None, text).is_retryable_refusal());
    }

    /// Codes that users reported: data policy, firewall, blocked customizations, the lock of an
    /// installation, and an unknown code.
    #[test]
    fn codes_that_need_a_person_are_permanent_and_unknown_codes_are_not_retryable() {
        for (code, inner, retryable) in [
            ("0x80060467", Some("DlpViolation"), false),
            ("0x80060467", Some("ApiPolicyEndpointViolation"), false),
            ("0x80060467", Some("ApiPolicyOrThrottlingViolation"), false),
            ("0x80060467", Some("MissingAdequateQuotaPolicy"), false),
            ("0x80060467", Some("Novelty"), false),
            ("0x80095ffe", None, false),
            ("0x80072042", None, false),
            ("0x80040220", None, false),
            ("0x80044331", None, false),
            ("0x80071151", None, true),
            ("0x80060469", None, true),
        ] {
            assert_eq!(
                error(code, inner, "no").is_retryable_refusal(),
                retryable,
                "{code} {inner:?}"
            );
        }
    }
}
