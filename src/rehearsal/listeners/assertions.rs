//! Assertions: what the tenant's own issuers say of a job or a pod, and whether the authority takes
//! it for an application's credential (Microsoft Learn, *Workload identity federation*).
//!
//! As with tokens, an assertion has the form of a JSON web token and is known by its hash.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Turn;
use super::authentication::web_token;
use crate::rehearsal::behaviour::directory::{Federated, Principal};
use crate::rehearsal::clock::Moment;
use crate::rehearsal::world::names;

/// One of the tenant's own issuers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Issuer {
    /// GitHub Actions.
    GitHub,
    /// Azure Pipelines.
    Pipelines,
    /// A cluster of Kubernetes.
    Kubernetes,
}

impl Issuer {
    /// Every issuer.
    pub(crate) const ALL: [Self; 3] = [Self::GitHub, Self::Pipelines, Self::Kubernetes];

    /// The name that its assertions carry.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GitHub => "https://token.actions.githubusercontent.com",
            Self::Pipelines => "https://vstoken.dev.azure.com/contoso",
            Self::Kubernetes => "https://cluster.contoso.example",
        }
    }

    /// About whom its assertions are.
    pub(crate) const fn subject(self) -> &'static str {
        match self {
            Self::GitHub => "repo:contoso/refresh:ref:refs/heads/main",
            Self::Pipelines => "sc://contoso/refresh/iomcopy",
            Self::Kubernetes => "system:serviceaccount:default:iomcopy",
        }
    }

    /// How long its assertions live.
    const fn life(self) -> Duration {
        match self {
            Self::GitHub => Duration::from_mins(5),
            Self::Pipelines => Duration::from_mins(10),
            Self::Kubernetes => Duration::from_hours(1),
        }
    }

    /// May an assertion be used once only? A pod's file serves many tokens; a job asks for a new
    /// assertion each time, and here it must.
    const fn once(self) -> bool {
        !matches!(self, Self::Kubernetes)
    }
}

/// What an assertion says.
#[derive(Debug, Serialize, Deserialize)]
struct Assertion {
    issuer: String,
    subject: String,
    audience: String,
    expires: Moment,
    once: bool,
    used: bool,
}

/// Why an assertion is not taken: the sign-in service's number and words.
#[derive(Debug)]
pub(super) struct NotTaken {
    /// The number after `AADSTS`.
    pub(super) number: u32,
    /// The words after it.
    pub(super) text: String,
}

/// Issues an assertion for an audience.
pub(super) fn issue(turn: &mut Turn<'_, '_>, issuer: Issuer, audience: &str) -> String {
    let now = turn.draft.now();
    let assertion = Assertion {
        issuer: issuer.name().to_owned(),
        subject: issuer.subject().to_owned(),
        audience: audience.to_owned(),
        expires: now + issuer.life(),
        once: issuer.once(),
        used: false,
    };
    let text = web_token(&json!({
        "iss": assertion.issuer,
        "sub": assertion.subject,
        "aud": assertion.audience,
        "iat": now.since_1970().as_secs(),
        "exp": assertion.expires.since_1970().as_secs(),
        "jti": names::unique(),
    }));
    put(turn, &text, &assertion);
    text
}

fn put(turn: &mut Turn<'_, '_>, text: &str, assertion: &Assertion) {
    let value = serde_json::to_value(assertion).unwrap_or_default();
    turn.draft.put(key(text), value);
}

fn key(text: &str) -> String {
    format!("assertion/{}", names::digest(text))
}

/// Takes an assertion as the credential of an application, or says why not, in the sign-in service's
/// words (Microsoft Learn, *Microsoft Entra authentication and authorization error codes*; those of
/// federated credentials as Azure/login issues 360, 453 and 482 show them).
pub(super) fn take(
    turn: &mut Turn<'_, '_>,
    text: &str,
    principal: &Principal,
) -> Result<(), NotTaken> {
    let refused = |number, text: String| Err(NotTaken { number, text });
    let assertion = turn.draft.get(&key(text)).cloned();
    let assertion = assertion.and_then(|value| serde_json::from_value::<Assertion>(value).ok());
    let Some(mut assertion) = assertion else {
        let text = "Client assertion failed signature validation.";
        return refused(50_013, text.to_owned());
    };
    if assertion.expires <= turn.draft.now() {
        let text = format!(
            "Client assertion is not within its valid time range. Current time: {}, expiry time of assertion {}.",
            turn.draft.now().in_seconds(),
            assertion.expires.in_seconds()
        );
        return refused(700_024, text);
    }
    let trusted = |fits: &dyn Fn(&Federated) -> bool| principal.federated.iter().any(fits);
    let none = |number, what: &str, which: &str| {
        let text = format!(
            "No matching federated identity record found for presented assertion {what} '{which}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion."
        );
        Err(NotTaken { number, text })
    };
    let Assertion {
        issuer,
        subject,
        audience,
        ..
    } = &assertion;
    if !trusted(&|one| one.issuer == *issuer) {
        return none(700_211, "issuer", issuer);
    }
    if !trusted(&|one| one.issuer == *issuer && one.subject == *subject) {
        return none(700_213, "subject", subject);
    }
    if !trusted(&|one| one.issuer == *issuer && one.audience == *audience) {
        return none(700_212, "audience", audience);
    }
    if assertion.once && assertion.used {
        // Stricter than the service: whoever keeps a job's assertion would be found out by its
        // ten minutes only.
        let text = "The assertion has been used already; the rehearsal tenant takes a job's once.";
        return refused(50_013, text.to_owned());
    }
    assertion.used = true;
    put(turn, text, &assertion);
    Ok(())
}

/// Where a job or a pod gets assertions of an issuer: the path on the machine's listener.
pub(super) const fn path(issuer: Issuer) -> &'static str {
    match issuer {
        Issuer::GitHub => "/github/idtoken",
        Issuer::Pipelines => "/contoso/_apis/distributedtask/hubs/build/plans/1/jobs/1/oidctoken",
        Issuer::Kubernetes => "/api/v1/namespaces/default/serviceaccounts/iomcopy/token",
    }
}
