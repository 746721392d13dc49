//! Assertions about a job or a pod: the tenant's own issuers issue them, and the authority accepts
//! them as an application's credential (Microsoft Learn, *Workload identity federation*).
//!
//! Like a token, an assertion has the form of a JSON web token, and the world stores only its hash.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::RequestContext;
use super::authentication::web_token;
use super::authority::SignInError;
use crate::rehearsal::behaviour::directory::{FederatedCredential, Principal};
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
    pub(crate) const ALL: [Self; 3] = [Self::GitHub, Self::Pipelines, Self::Kubernetes];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GitHub => "https://token.actions.githubusercontent.com",
            Self::Pipelines => "https://vstoken.dev.azure.com/contoso",
            Self::Kubernetes => "https://cluster.contoso.example",
        }
    }

    pub(crate) const fn subject(self) -> &'static str {
        match self {
            Self::GitHub => "repo:contoso/refresh:ref:refs/heads/main",
            Self::Pipelines => "sc://contoso/refresh/iomcopy",
            Self::Kubernetes => "system:serviceaccount:default:iomcopy",
        }
    }

    const fn lifetime(self) -> Duration {
        match self {
            Self::GitHub => Duration::from_mins(5),
            Self::Pipelines => Duration::from_mins(10),
            Self::Kubernetes => Duration::from_hours(1),
        }
    }

    /// Whether an assertion can be used only once. A pod uses its file for many tokens; a job
    /// requests a new assertion each time, and here it must.
    const fn is_single_use(self) -> bool {
        !matches!(self, Self::Kubernetes)
    }
}

/// The content of an assertion.
#[derive(Debug, Serialize, Deserialize)]
struct Assertion {
    issuer: String,
    subject: String,
    audience: String,
    expires: Moment,
    once: bool,
    used: bool,
}

/// Issues an assertion for an audience.
pub(super) fn issue(
    context: &mut RequestContext<'_, '_>,
    issuer: Issuer,
    audience: &str,
) -> String {
    let now = context.draft.now();
    let assertion = Assertion {
        issuer: issuer.name().to_owned(),
        subject: issuer.subject().to_owned(),
        audience: audience.to_owned(),
        expires: now + issuer.lifetime(),
        once: issuer.is_single_use(),
        used: false,
    };
    let text = web_token(&json!({
        "iss": assertion.issuer,
        "sub": assertion.subject,
        "aud": assertion.audience,
        "iat": now.since_unix_epoch().as_secs(),
        "exp": assertion.expires.since_unix_epoch().as_secs(),
        "jti": names::unique(),
    }));
    context.draft.save(key(&text), &assertion);
    text
}

fn key(text: &str) -> String {
    format!("assertion/{}", names::digest(text))
}

/// Accepts an assertion as the credential of an application, or returns the sign-in service's error
/// (Microsoft Learn, *Microsoft Entra authentication and authorization error codes*; for federated
/// credentials Azure/login issues 360, 453 and 482).
pub(super) fn accept(
    context: &mut RequestContext<'_, '_>,
    text: &str,
    principal: &Principal,
) -> Result<(), SignInError> {
    let refused = |number, text: String| Err(SignInError::new(401, "invalid_client", number, text));
    let Some(mut assertion) = context.draft.load::<Assertion>(&key(text)) else {
        let text = "Client assertion failed signature validation.";
        return refused(50_013, text.to_owned());
    };
    if assertion.expires <= context.draft.now() {
        let text = format!(
            "Client assertion is not within its valid time range. Current time: {}, expiry time of assertion {}.",
            context.draft.now().to_iso_seconds(),
            assertion.expires.to_iso_seconds()
        );
        return refused(700_024, text);
    }
    let is_trusted =
        |matches: &dyn Fn(&FederatedCredential) -> bool| principal.federated.iter().any(matches);
    let unmatched = |number, what: &str, which: &str| {
        let text = format!(
            "No matching federated identity record found for presented assertion {what} '{which}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion."
        );
        Err(SignInError::new(401, "invalid_client", number, text))
    };
    let Assertion {
        issuer,
        subject,
        audience,
        ..
    } = &assertion;
    if !is_trusted(&|one| one.issuer == *issuer) {
        return unmatched(700_211, "issuer", issuer);
    }
    if !is_trusted(&|one| one.issuer == *issuer && one.subject == *subject) {
        return unmatched(700_213, "subject", subject);
    }
    if !is_trusted(&|one| one.issuer == *issuer && one.audience == *audience) {
        return unmatched(700_212, "audience", audience);
    }
    if assertion.once && assertion.used {
        // Stricter than the service, where reusing a job's assertion fails only after ten minutes.
        let text = "The assertion has been used already; the rehearsal tenant takes a job's once.";
        return refused(50_013, text.to_owned());
    }
    assertion.used = true;
    context.draft.save(key(text), &assertion);
    Ok(())
}

/// The path on the machine's listener where a job or a pod gets assertions of an issuer.
pub(super) const fn path(issuer: Issuer) -> &'static str {
    match issuer {
        Issuer::GitHub => "/github/idtoken",
        Issuer::Pipelines => "/contoso/_apis/distributedtask/hubs/build/plans/1/jobs/1/oidctoken",
        Issuer::Kubernetes => "/api/v1/namespaces/default/serviceaccounts/iomcopy/token",
    }
}
