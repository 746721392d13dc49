//! Why a flow will not turn on, and what to do about it.
//!
//! Dataverse wraps what the Flow service says (0x80060467); the useful reason is the code inside.
//! Codes and texts are those that users have published with their errors.

use crate::clients::{Error, ErrorKind};
use crate::engine::{Failure, WriteError};
use crate::steps::failure::write_error;

/// Whether another pass may have another answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Hope {
    /// It may: it waits for something that this step or Dataverse does meanwhile.
    Passing,
    /// It has none: a person must change something.
    Lasting,
}

use Hope::{Lasting, Passing};

/// Codes inside 0x80060467.
const INNER: [(&str, Hope, &str); 12] = [
    (
        "XrmConnectionReferenceMissingConnection",
        Lasting,
        "its connection reference has no connection: name one under `connections` of reconfigure-connections",
    ),
    (
        "ConnectionAuthorizationFailed",
        Lasting,
        "the connection is another environment's, or not shared with whoever turns the flow on: name one of the target's, owned by or shared with `act-as` (or the caller, where nobody is named)",
    ),
    (
        "FlowMissingConnection",
        Lasting,
        "the flow is bound to a connection without a reference: open it in the designer, choose the connection, save",
    ),
    (
        "ConnectionNotFound",
        Lasting,
        "the connection is gone: name another of the target's under `connections` of reconfigure-connections",
    ),
    (
        "ChildFlowNeverPublished",
        Passing,
        "turn the child flow on first; if that fails, open the child in the designer and save it",
    ),
    (
        "AzureResourceManagerRequestFailed",
        Passing,
        "a child flow is off or a connector is missing: turn the child on or install the connector, then run again",
    ),
    (
        "FlowCannotInvokeItself",
        Passing,
        "a child flow is off, or the flow calls itself: turn the child on; if that does not help, open the flow in the designer and mend the call",
    ),
    (
        "InvalidOpenApiFlow",
        Lasting,
        "a connector's or table's schema changed: open the flow in the designer and save it; where many flows say so, publish all customizations first",
    ),
    (
        "DefinitionRequestMissingFields",
        Lasting,
        "its definition is incomplete: open it in the designer, complete it, save",
    ),
    (
        "MissingAdequateQuotaPolicy",
        Lasting,
        "its owner has no licence that suffices: assign one, or name another `owner`",
    ),
    (
        "ChildFlowUnsupportedForInvokerConnections",
        Lasting,
        "open the child in the designer: under 'Run only users' its connections must be its own, not the caller's",
    ),
    (
        "ChildFlowsUnsupportedForNonOpenApiConnections",
        Lasting,
        "open the child in the designer and replace the actions of the old connector",
    ),
];

/// Dataverse's own codes (names as its published list of error codes has them).
const OUTER: [(&str, Hope, &str); 8] = [
    (
        "0x80060464",
        Lasting,
        "the organization does not allow cloud flows: look at its settings in the admin center",
    ),
    (
        "0x80060465",
        Lasting,
        "cloud flows exist only online: look whether the right environment is named",
    ),
    (
        "0x80060466",
        Lasting,
        "a flow can be changed only while it is off: turn it off, then run again",
    ),
    (
        "0x80060468",
        Lasting,
        "its definition cannot be read by the service: open it in the designer and save it",
    ),
    (
        "0x80060469",
        Passing,
        "a flow that it needs is off: turn that on first",
    ),
    (
        "0x8004500b",
        Lasting,
        "only its owner may turn it on: name the owner as `act-as`, or name `owner`",
    ),
    (
        "0x8004500c",
        Lasting,
        "a flow that is on can be assigned only to the caller: turn it off, then run again",
    ),
    (
        "0x8004a110",
        Lasting,
        "the caller may not act as another user: give it the Delegate role (prvActOnBehalfOfAnotherUser), or leave `act-as` out",
    ),
];

/// A refused write to the target as the failure of that one change: with what to do about it, and
/// lasting where another pass cannot help.
pub(in crate::steps) fn refused(mut error: Error) -> WriteError {
    let may_be_explained = matches!(error.kind, ErrorKind::Refused | ErrorKind::Forbidden);
    let judged = may_be_explained.then(|| judge(&error)).flatten();
    if let Some((_, help)) = judged {
        error.help = Some(help.to_owned());
    }
    match (write_error(error), judged) {
        (WriteError::Refused(failure), Some((Lasting, _))) => {
            WriteError::Refused(Failure::lasting(failure))
        }
        (other, _) => other,
    }
}

fn judge(error: &Error) -> Option<(Hope, &'static str)> {
    let inner = error.inner_code.as_deref();
    let code = error.code.as_deref().unwrap_or_default();
    let by_code = INNER
        .iter()
        .find(|(known, ..)| inner == Some(*known) || code == *known)
        .or_else(|| OUTER.iter().find(|(known, ..)| code == *known));
    // Without annotations the code stands only in the text.
    by_code
        .or_else(|| {
            let named = |(known, ..): &&(&str, Hope, &str)| error.message.contains(known);
            INNER.iter().find(named)
        })
        .map(|(_, hope, help)| (*hope, *help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Detail;
    use crate::engine::FailureKind;

    fn failure(kind: ErrorKind, code: &str, inner: Option<&str>, message: &str) -> Failure {
        let detail = Detail {
            code: Some(code.to_owned()),
            inner_code: inner.map(str::to_owned),
            message: message.to_owned(),
            ..Detail::default()
        };
        match refused(Error::from_detail(kind, detail, None)) {
            WriteError::Refused(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_inner_code_is_told_with_its_remedy_and_whether_a_pass_may_hope() {
        for (code, hope, help) in INNER {
            let failure = failure(ErrorKind::Refused, "0x80060467", Some(code), "no");
            assert_eq!(failure.help.as_deref(), Some(help));
            assert_eq!(failure.passing, hope == Passing, "{code}");
        }
    }

    #[test]
    fn a_code_that_stands_only_in_the_text_is_found() {
        let text = r#"Flow client error returned with status code "BadRequest" and details "{"error":{"code":"FlowMissingConnection"}}"."#;
        let failure = failure(ErrorKind::Refused, "0x80060467", None, text);
        assert!(!failure.passing && failure.help.is_some());
    }

    #[test]
    fn acting_as_another_user_without_the_right_is_told_so_and_lasts() {
        let failure = failure(ErrorKind::Forbidden, "0x8004a110", None, "no");
        assert_eq!(
            (failure.kind, failure.passing),
            (FailureKind::Failed, false)
        );
        assert!(failure.help.is_some_and(|help| help.contains("Delegate")));
    }

    #[test]
    fn what_is_not_known_may_be_tried_again() {
        let failure = failure(ErrorKind::Refused, "0x80060467", Some("Novelty"), "no");
        assert!(failure.passing && failure.help.is_none());
    }
}
