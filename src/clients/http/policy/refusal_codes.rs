//! What a refusal means: the program's only table of error codes of refused requests.
//!
//! | Column | Says |
//! |---|---|
//! | code | the service's own code; of two, the inner one decides |
//! | [`RetryAdvice`] | whether the same request may succeed later, and how long it is worth waiting |
//! | [`Who`] | whose task it is to change something |
//! | remedy | what to change |
//!
//! A code that is not in the table is shown as it is, and its request is not repeated. Dataverse
//! wraps errors of the Flow service (0x80060467); the useful reason is the inner code. Codes and
//! texts are those that Microsoft has published (Dataverse, *Web service error codes*) and that
//! users have published with their errors. A new code is one row.
//!
//! Codes of sign-in are in `remedies`: a sign-in is never repeated because of its code. Dual-write's
//! codes occur in texts of its health check, not in refusals; `domain::dual_write` has them.

use std::time::Duration;

use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::parsing::ServiceError;

/// Whether the same request may succeed later.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RetryAdvice {
    /// It may, in a later pass: it depends on something that the run does in the meantime.
    Retryable,
    /// It will once something at the service has ended. Nothing was applied; it is worth sending
    /// again for this long.
    Wait(Duration),
    /// It will not until a person changes something. Only a copied organization says so too in its
    /// first minutes, while it still adds its users.
    Provisioning,
    /// It will not until a person changes something.
    Permanent,
}

/// Whose task it is to change something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Who {
    /// Nobody's: it passes.
    Nobody,
    /// The person who runs this program and writes its runbook.
    Operator,
    /// Who may edit the flow.
    Maker,
    /// A System Administrator of the environment.
    EnvironmentAdmin,
    /// Who administers data policies.
    PolicyAdmin,
    /// A Power Platform administrator.
    TenantAdmin,
}

impl Who {
    /// The person's role, if it is not the reader of the message.
    pub fn role(self) -> Option<&'static str> {
        match self {
            Self::Nobody | Self::Operator => None,
            Self::Maker => Some("an owner of the flow"),
            Self::EnvironmentAdmin => Some("a System Administrator of the environment"),
            Self::PolicyAdmin => Some("an administrator of the data policies"),
            Self::TenantAdmin => Some("a Power Platform administrator"),
        }
    }
}

/// A refusal whose code is in the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KnownRefusal {
    /// The code that decides.
    pub code: &'static str,
    /// Whether the same request may succeed later.
    pub retry_advice: RetryAdvice,
    /// Whose task it is.
    pub who: Who,
    /// What to do.
    pub remedy: &'static str,
}

impl KnownRefusal {
    /// What to do, and who does it.
    pub fn advice(&self) -> String {
        match self.who.role() {
            Some(role) => format!("{} (a task for {role})", self.remedy),
            None => self.remedy.to_owned(),
        }
    }
}

use RetryAdvice::{Permanent, Provisioning, Retryable, Wait};
use Who::{EnvironmentAdmin, Maker, Nobody, Operator, PolicyAdmin, TenantAdmin};

/// Administration mode keeps out a caller that is not an administrator.
const ADMINISTRATION_MODE: &str = "0x8004a113";

/// Another lifecycle operation runs on the environment.
const BUSY: &str = "OperationNotStartable";

/// A row does not exist, by its id or by another key. Another 404 is about a table or a function:
/// 0x80060888 or 0x8006088a (Microsoft Learn, Dataverse, *Compose HTTP requests and handle errors*;
/// codes as clients have published them).
const MISSING: [&str; 2] = ["0x80040217", "0x80060891"];

/// The body does not fit its table, as clients have published it (*Error identified in Payload
/// provided by the user for Entity*).
const UNFIT: &str = "0x80048d19";

/// A row exists already: the other meaning of 412, which a changed version has too.
const EXISTS: [&str; 2] = ["0x80040237", "0x80060892"];

const POLICY: &str = "a data policy of the tenant forbids it: an administrator of the data policies must \
                      allow the connector or the address in this environment, or exclude the flow \
                      under `except` of activate-flows";

/// A code, whether repeating helps, whose task it is, and what to do.
type Row = (&'static str, RetryAdvice, Who, &'static str);

/// How long an installation may lock what others would change: solutions of Dynamics 365 take up to
/// some tens of minutes (an estimate; the service does not say).
const INSTALLATION: Duration = Duration::from_mins(30);

/// How long a new environment may be unknown to another service (an estimate).
const NEW_ENVIRONMENT: Duration = Duration::from_mins(10);

/// Codes of the Flow service, inside Dataverse's 0x80060467.
const INNER: &[Row] = rows! {
    "XrmConnectionReferenceMissingConnection" => Permanent, Operator,
        "its connection reference has no connection: name one under `connections` of reconfigure-connections";
    "ConnectionAuthorizationFailed" => Permanent, Operator,
        "the connection belongs to another environment or is not shared with the user that turns the flow on: name one of the target's connections, owned by or shared with `act-as` (or with the caller, if `act-as` is not set)";
    "FlowMissingConnection" => Permanent, Maker,
        "the flow is bound to a connection without a reference: open it in the designer, choose the connection, save";
    "ConnectionNotFound" => Permanent, Operator,
        "the connection does not exist any more: name another one of the target under `connections` of reconfigure-connections";
    "ChildFlowNeverPublished" => Retryable, Maker,
        "turn on the child flow first; if that fails, open the child flow in the designer and save it";
    "AzureResourceManagerRequestFailed" => Retryable, Maker,
        "a child flow is off or a connector is missing: turn the child on or install the connector, then run again";
    "FlowCannotInvokeItself" => Retryable, Maker,
        "a child flow is off, or the flow calls itself: turn the child on; if that does not help, open the flow in the designer and correct the call";
    "InvalidOpenApiFlow" => Permanent, Maker,
        "a connector's or table's schema changed: open the flow in the designer and save it; if many flows report this, publish all customizations first";
    "DefinitionRequestMissingFields" => Permanent, Maker,
        "its definition is incomplete: open it in the designer, complete it, save";
    "MissingAdequateQuotaPolicy" => Permanent, TenantAdmin,
        "its owner has no sufficient licence: assign one, or name another `owner`";
    "ChildFlowUnsupportedForInvokerConnections" => Permanent, Maker,
        "open the child in the designer: under 'Run only users' its connections must be its own, not the caller's";
    "ChildFlowsUnsupportedForNonOpenApiConnections" => Permanent, Maker,
        "open the child in the designer and replace the actions of the old connector";
    "DlpViolation" => Permanent, PolicyAdmin, POLICY;
    "ApiPolicyEndpointViolation" => Permanent, PolicyAdmin, POLICY;
    "ApiPolicyOrThrottlingViolation" => Permanent, PolicyAdmin, POLICY;
};

/// Codes of Dataverse (names as its published list of error codes has them) and of the admin APIs.
const OUTER: &[Row] = rows! {
    "0x80060464" => Permanent, EnvironmentAdmin,
        "the organization does not allow cloud flows: check its settings in the admin center";
    "0x80060465" => Permanent, Operator,
        "cloud flows exist only online: check that the correct environment is named";
    "0x80060466" => Permanent, Operator,
        "a flow can be changed only while it is off: turn it off, then run again";
    "0x80060468" => Permanent, Maker,
        "the service cannot read its definition: open it in the designer and save it";
    "0x80060469" => Retryable, Operator, "a flow that it needs is off: turn on that flow first";
    "0x8004500b" => Permanent, Operator,
        "only its owner may turn it on: name the owner as `act-as`, or name `owner`";
    "0x8004500c" => Permanent, Operator,
        "a flow that is on can be assigned only to the caller: turn it off, then run again";
    "0x8004a110" => Permanent, EnvironmentAdmin,
        "the caller may not act as another user: give it the Delegate role (prvActOnBehalfOfAnotherUser), or leave `act-as` out";
    "0x80095ffe" => Permanent, EnvironmentAdmin,
        "the environment's IP firewall does not allow this address (the copy brings the source's list): run from an allowed address, or change the list in the admin center (environment > Settings > Privacy + Security)";
    "0x80071151" => Wait(INSTALLATION), Nobody,
        "a solution or a provider is being installed, and customizations are locked for some minutes: run again when it has finished";
    "0x80072042" => Permanent, EnvironmentAdmin,
        "the environment blocks unmanaged customizations: turn that off in the admin center (environment > Settings > Features), then run again";
    "0x8004f026" => Permanent, Operator,
        "the component is managed, and its solution does not allow this change: make it in the solution that it comes from, or leave the component as it is";
    "0x80044331" => Permanent, Operator,
        "a text is longer than its column allows: shorten it in the runbook or in the source";
    "0x80048408" => Permanent, Operator,
        "the row cannot change to this state from its current state: check it in the maker portal";
    "0x80048d19" => Permanent, Operator,
        "the request does not fit the table, because a column or its type differs in this environment: compare the column that the message names with the table in the maker portal";
    "0x80040237" => Permanent, Operator,
        "a row with this id exists already, and it is not what this run would create: compare the row that the message names, then run again";
    "0x80060892" => Permanent, Operator,
        "a row with this alternate key exists already, under another id: compare the row that the message names, then run again";
    "0x80072560" => Provisioning, EnvironmentAdmin,
        "the caller is not a user of this organization: add it as an application user; right after a copy, wait some minutes";
    "0x80042f09" => Provisioning, EnvironmentAdmin, "the caller has no security role here: give it System Administrator";
    "0x8004a113" => Permanent, EnvironmentAdmin,
        "the environment is in administration mode and the caller is not an administrator: give it System Administrator";
    "0x80040220" => Permanent, EnvironmentAdmin,
        "the caller's security roles lack a privilege: give it System Administrator";
    "0x80048306" => Permanent, EnvironmentAdmin,
        "the caller's security roles lack a privilege: give it System Administrator";
    "0x80040231" => Permanent, EnvironmentAdmin,
        "the new owner lacks a privilege on this table: give the user or team a role that may read it";
    "0x80048340" => Permanent, Operator, "an access team cannot own rows: name a user or an owner team";
    "0x8004a104" => Permanent, TenantAdmin, "the organization is disabled: check it in the admin center";
    "OperationNotStartable" => Retryable, Nobody, "wait for the running operation to end, then run again";
    "EnvironmentNotFound" => Permanent, Operator,
        "check the environment's id, and that the caller may see the environment";
    "ServiceToServiceEnvironmentNotFound" => Wait(NEW_ENVIRONMENT), Nobody,
        "this service does not see the environment yet: run again in some minutes";
    "InsufficientCapacity_StorageDriven" => Permanent, TenantAdmin,
        "free database capacity in the tenant, or buy more";
    "EnvironmentNotInReadyState" => Wait(INSTALLATION), Nobody,
        "the Finance and Operations environment is not ready: run again in some minutes";
    "InvalidSecurityGroupId" => Permanent, Operator,
        "the security group does not exist any more: name another one under `security-group` of copy-environments, or `none`";
    "InvalidLifecycleOperationRequest" => Permanent, TenantAdmin,
        "these two environments cannot be copied like this (kind, region, encryption key or managed environment differ): make them agree in the admin center, or name another target";
    "LinkedEnvironmentForbiddenOperation" => Permanent, TenantAdmin,
        "the environment is linked to Finance and Operations in a way that forbids this: check the link in the admin center";
    "InvalidEnvironmentSku" => Permanent, Operator,
        "this type of environment does not allow the operation: name a sandbox as the target";
    "EnvironmentLocationUnsupported" => Permanent, Operator,
        "the region of the environment does not support the operation: source and target must be in one region";
    "InvalidApiVersion" => Permanent, Operator,
        "the service no longer has this version of its interface: install the newest release of this program";
    "InvalidRequestContent" => Permanent, Operator,
        "the service does not accept the content of the request: read what the message names; if the runbook does not set it, report it";
    "DomainNameAlreadyInUse" => Permanent, Operator,
        "another environment has this address: choose another one in the admin center";
    "InvalidDomainName" => Permanent, Operator,
        "the address of the environment is not allowed: choose another one in the admin center";
    "InternalServerError" => Retryable, Nobody,
        "the service failed: run again in some minutes";
    "InvalidApplicationId" => Permanent, Operator, "the application is not registered in this tenant";
};

/// The row of the table for an outer code, an inner code, and the message.
fn find(code: Option<&str>, inner: Option<&str>, message: &str) -> Option<KnownRefusal> {
    let code = code.unwrap_or_default();
    let by_code = INNER
        .iter()
        .find(|(known, ..)| inner == Some(*known) || code == *known)
        .or_else(|| OUTER.iter().find(|(known, ..)| code == *known));
    // Without annotations the inner code is only in the message.
    let row = by_code.or_else(|| INNER.iter().find(|(known, ..)| message.contains(known)));
    row.map(|(code, retry_advice, who, remedy)| KnownRefusal {
        code,
        retry_advice: *retry_advice,
        who: *who,
        remedy,
    })
}

/// What a person can do about a refusal, if its code is in the table.
pub(super) fn advice(error: &ServiceError) -> Option<String> {
    let known = find(
        error.code.as_deref(),
        error.inner_code.as_deref(),
        &error.message,
    )?;
    Some(known.advice())
}

/// Whether a conflict is due to another lifecycle operation on the environment.
pub(super) fn is_busy(error: &ServiceError) -> bool {
    error.code.as_deref() == Some(BUSY)
}

impl Error {
    /// What the table says about the code of this error; `None` if the code is unknown, or if
    /// there is none.
    pub fn known_refusal(&self) -> Option<KnownRefusal> {
        find(
            self.code.as_deref(),
            self.inner_code.as_deref(),
            &self.message,
        )
    }

    /// Whether the code of a refusal says that the same request may succeed later. `false` for an
    /// unknown code.
    pub fn is_retryable_refusal(&self) -> bool {
        let retry_advice = self.known_refusal().map(|known| known.retry_advice);
        matches!(retry_advice, Some(Retryable | Wait(_)))
    }

    /// How long it is worth sending a refused request again, because something at the service must
    /// end first. `None` for every other refusal.
    pub fn worth_waiting(&self) -> Option<Duration> {
        match self.known_refusal()?.retry_advice {
            Wait(limit) => Some(limit),
            Retryable | Provisioning | Permanent => None,
        }
    }

    /// Whether a copied organization refuses like this while it still adds its users. A 403 without
    /// a code is not the organization's own word, so it may be; one with an unknown code is not
    /// assumed to pass.
    pub fn may_be_provisioning(&self) -> bool {
        let is_provisioning = match self.known_refusal() {
            Some(known) => known.retry_advice == Provisioning,
            None => self.code.is_none(),
        };
        self.kind == ErrorKind::Forbidden && is_provisioning
    }

    /// Whether the organization has no such user, or a user without a role.
    pub fn is_unknown_user(&self) -> bool {
        let retry_advice = self.known_refusal().map(|known| known.retry_advice);
        self.kind == ErrorKind::Forbidden && retry_advice == Some(Provisioning)
    }

    /// Whether administration mode keeps the caller out.
    pub fn is_administration_mode(&self) -> bool {
        self.kind == ErrorKind::Forbidden && self.code.as_deref() == Some(ADMINISTRATION_MODE)
    }

    /// Whether the service reports that this one row does not exist. `false` for a missing table or
    /// function, for which Dataverse also responds with 404.
    pub fn is_missing_row(&self) -> bool {
        let code = self.code.as_deref();
        self.kind == ErrorKind::NotFound && code.is_some_and(|code| MISSING.contains(&code))
    }

    /// Whether the service cannot read the request as one of its table: it names a column that the
    /// table does not have, or a value of another type.
    pub fn is_unfit_request(&self) -> bool {
        self.code.as_deref() == Some(UNFIT)
    }

    /// Whether a 412 says that a row exists already, and not that its version has changed.
    pub(super) fn is_existing_row(&self) -> bool {
        let code = self.code.as_deref();
        code.is_some_and(|code| EXISTS.contains(&code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::error::Detail;

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
        for &(code, retry_advice, ..) in INNER {
            let error = error("0x80060467", Some(code), "no");
            assert_eq!(
                error.is_retryable_refusal(),
                retry_advice == Retryable,
                "{code}"
            );
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

    #[test]
    fn every_row_of_the_table_says_who_and_how_long() {
        for &(code, retry_advice, who, remedy) in INNER.iter().chain(OUTER) {
            let is_passing = matches!(retry_advice, Wait(_)) || code == "OperationNotStartable";
            assert!(!remedy.is_empty() && remedy.len() > 20, "{code}");
            assert!(!is_passing || who == Nobody, "{code} passes by itself");
            // Every permanent refusal is a person's task.
            let is_permanent = matches!(retry_advice, Permanent | Provisioning);
            assert!(!is_permanent || who != Nobody, "{code}");
            if let Wait(limit) = retry_advice {
                assert!(
                    limit >= Duration::from_mins(5),
                    "{code}: an installation takes minutes"
                );
            }
        }
        let policy = error("0x80060467", Some("DlpViolation"), "no").known_refusal();
        let advice = policy.map(|known| known.advice()).unwrap_or_default();
        assert!(
            advice.ends_with("(a task for an administrator of the data policies)"),
            "{advice}"
        );
        assert_eq!(error("Novelty", None, "no").known_refusal(), None);
    }

    #[test]
    fn a_missing_row_is_distinguished_from_a_missing_table() {
        let with_code = |code: &str| {
            let detail = Detail {
                code: Some(code.to_owned()),
                ..Detail::default()
            };
            Error::from_detail(ErrorKind::NotFound, detail, None)
        };
        assert!(with_code("0x80040217").is_missing_row());
        assert!(!with_code("0x80060888").is_missing_row());
        assert!(!error("0x80040217", None, "of a write").is_missing_row());
    }

    #[test]
    fn only_a_missing_user_passes_by_itself_after_a_copy() {
        let forbidden = |code: Option<&str>| {
            let detail = Detail {
                code: code.map(str::to_owned),
                ..Detail::default()
            };
            Error::from_detail(ErrorKind::Forbidden, detail, None)
        };
        for (code, may_pass) in [
            (Some("0x80072560"), true),
            (Some("0x80042f09"), true),
            (None, true),
            (Some("0x80095ffe"), false),
            (Some("0x8004a113"), false),
            (Some("0x80040220"), false),
            (Some("Novelty"), false),
        ] {
            assert_eq!(forbidden(code).may_be_provisioning(), may_pass, "{code:?}");
        }
        assert!(
            !forbidden(None).is_unknown_user() && forbidden(Some("0x80072560")).is_unknown_user()
        );
        assert!(forbidden(Some("0x8004a113")).is_administration_mode());
    }
}
