//! What a person can do about a refusal, by the service's code. Only where the code leaves no doubt.

use super::error_body::Told;
use crate::clients::error::ErrorKind;

/// Codes and remedies. Dataverse's names are those of its published error codes; the sign-in
/// service's are in Microsoft Learn, *Microsoft Entra authentication and authorization error codes*.
const REMEDIES: [(&str, &str); 23] = [
    // Dataverse.
    (
        "0x80072560",
        "the caller is not a user of this organization: add it as an application user; right after a copy, wait some minutes",
    ),
    (
        "0x80042f09",
        "the caller has no security role here: give it System Administrator",
    ),
    (
        "0x8004a113",
        "the environment is in administration mode and the caller is not an administrator: give it System Administrator",
    ),
    (
        "0x80040220",
        "the caller's security roles lack a privilege: give it System Administrator",
    ),
    (
        "0x80048306",
        "the caller's security roles lack a privilege: give it System Administrator",
    ),
    (
        "0x80040231",
        "the new owner lacks a privilege on this table: give the user or team a role that may read it",
    ),
    (
        "0x80048340",
        "an access team cannot own rows: name a user or an owner team",
    ),
    (
        "0x8004a110",
        "acting as another user needs the Delegate role in addition",
    ),
    ("0x80060466", "a flow can be changed only while it is off"),
    (
        "0x8004a104",
        "the organization is disabled: look in the admin center",
    ),
    // The admin APIs.
    (
        "OperationNotStartable",
        "wait for the running operation to end, then run again",
    ),
    (
        "EnvironmentNotFound",
        "look whether the environment's id is right and whether the caller may see it",
    ),
    (
        "ServiceToServiceEnvironmentNotFound",
        "this service does not see the environment yet: run again in some minutes",
    ),
    (
        "InsufficientCapacity_StorageDriven",
        "free database capacity in the tenant, or buy some",
    ),
    (
        "EnvironmentNotInReadyState",
        "the Finance and Operations environment is not ready: run again in some minutes",
    ),
    (
        "InvalidApplicationId",
        "the application is not registered in this tenant",
    ),
    // Sign-in.
    (
        "AADSTS7000215",
        "the client secret is wrong: write its value, not its id",
    ),
    (
        "AADSTS7000222",
        "the client secret has expired: make a new one",
    ),
    (
        "AADSTS700016",
        "the application is not in this tenant: look at `tenant` and `client` under `identity`",
    ),
    (
        "AADSTS90002",
        "there is no such tenant: look at `tenant` under `identity`",
    ),
    (
        "AADSTS500011",
        "the tenant does not know the resource: look at the `scope` of the service under `endpoints`, and at `cloud`",
    ),
    (
        "AADSTS53003",
        "a conditional access policy forbids it: ask who keeps the policies",
    ),
    (
        "AADSTS65001",
        "nobody has consented to the application in this tenant: an administrator must",
    ),
];

const UNREGISTERED: &str = "register the application as a management application: a Power Platform \
                            administrator runs `pac admin application register`; being System \
                            Administrator in the environments is not enough";

const CHALLENGED: &str = "the tenant wants more than this credential proves (continuous access \
                          evaluation): ask who keeps the conditional access policies";

/// The remedy of a refusal, if there is one.
pub(super) fn remedy(kind: ErrorKind, told: &Told) -> Option<&'static str> {
    let code = told.code.as_deref().unwrap_or_default();
    let known = REMEDIES.iter().find(|(known, _)| *known == code);
    // An application that is not registered as a management application is refused in words only.
    let is_unregistered = kind == ErrorKind::Forbidden
        && told
            .message
            .contains("does not have permission to access the path");
    // A challenge of continuous access evaluation: the same credential would be refused again.
    let is_challenged = told.message.contains("insufficient_claims");
    known
        .map(|(_, remedy)| *remedy)
        .or(is_unregistered.then_some(UNREGISTERED))
        .or(is_challenged.then_some(CHALLENGED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unregistered_application_is_told_from_other_refusals() {
        let told = |message: &str| Told {
            message: message.to_owned(),
            ..Told::default()
        };
        let unregistered = told(
            "The service principal with id 'x' for application y does not have permission to access the path 'https://10.0.6.48:20014/providers'",
        );
        let remedy_of = |told: &Told| remedy(ErrorKind::Forbidden, told);
        assert!(
            remedy_of(&unregistered)
                .unwrap()
                .contains("management application")
        );
        assert_eq!(remedy_of(&told("no")), None);
    }
}
