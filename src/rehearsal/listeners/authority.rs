//! The token endpoint, version 2.0 (Microsoft Learn, Microsoft identity platform, and its error
//! codes): client credentials with a secret or an assertion, and a person's name and password, which
//! is how Lifecycle Services are signed in to without a browser.

use std::time::Duration;

use serde_json::json;

use super::Turn;
use super::assertions;
use super::authentication::{issue, resource};
use super::message::{Answer, pairs};
use crate::rehearsal::application::{PASSWORD, SECRET, TENANT, TENANT_DOMAIN};
use crate::rehearsal::behaviour::directory::{self, Hindrance, Kind, Principal};
use crate::rehearsal::world::names;

/// How long a token lives, in seconds of simulated time.
const LIFE: u64 = 3599;

/// What RFC 7523 calls an assertion that is a JSON web token.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The form of a token request.
struct Form(Vec<(String, String)>);

impl Form {
    fn field(&self, name: &str) -> &str {
        let pair = self.0.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// Answers a request.
pub(super) fn answer(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    let segments = turn.request.below("/").unwrap_or_default();
    let [tenant, "oauth2", "v2.0", "token"] = segments.as_slice() else {
        return Err(Answer::empty(404));
    };
    if turn.request.method != "POST" {
        return Err(Answer::empty(405));
    }
    if ![TENANT, TENANT_DOMAIN].contains(&tenant.to_lowercase().as_str()) {
        let text = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
        );
        return Err(fault(turn, 400, "invalid_request", 90_002, &text));
    }
    let form = Form(pairs(&String::from_utf8_lossy(&turn.request.body)));
    let (name, principal) = match form.field("grant_type") {
        "client_credentials" => application(turn, &form)?,
        "password" => person(turn, &form)?,
        _ => {
            let text = "The app requested an unsupported grant type.";
            return Err(fault(turn, 400, "unsupported_grant_type", 70_003, text));
        }
    };
    if principal.hindrance == Some(Hindrance::Blocked) {
        let text = "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.";
        return Err(fault(turn, 400, "interaction_required", 53_003, text));
    }
    let audience = audience(turn, form.field("scope"))?;
    let life = Duration::from_secs(LIFE);
    let token = issue(turn, (&name, &principal), &audience, life);
    let body = json!({
        "token_type": "Bearer",
        "expires_in": LIFE,
        "ext_expires_in": LIFE,
        "access_token": token,
    });
    Ok(Answer::json(200, &body)
        .with("Cache-Control", "no-store, no-cache")
        .with("Pragma", "no-cache"))
}

/// The application that asks, by its secret or an assertion.
fn application(turn: &mut Turn<'_, '_>, form: &Form) -> Result<(String, Principal), Answer> {
    let client = form.field("client_id").to_lowercase();
    let principal = directory::principal(&turn.draft, &client)
        .filter(|principal| principal.kind == Kind::Application);
    let Some(principal) = principal else {
        let text =
            format!("Application with identifier '{client}' was not found in the directory.");
        return Err(fault(turn, 400, "unauthorized_client", 700_016, &text));
    };
    turn.caller = Some(client.clone());
    if principal.hindrance == Some(Hindrance::Disabled) {
        let text = format!("Application '{client}' is disabled.");
        return Err(fault(turn, 401, "unauthorized_client", 7_000_112, &text));
    }
    let assertion = form.field("client_assertion");
    if !assertion.is_empty() {
        if form.field("client_assertion_type") != ASSERTION_TYPE {
            let text =
                "The request body must contain the following parameter: 'client_assertion_type'.";
            return Err(fault(turn, 400, "invalid_request", 900_144, text));
        }
        return match assertions::take(turn, assertion, &principal) {
            Ok(()) => Ok((client, principal)),
            Err(not) => Err(fault(turn, 401, "invalid_client", not.number, &not.text)),
        };
    }
    let secret = form.field("client_secret");
    if secret.is_empty() {
        let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(fault(turn, 401, "invalid_client", 7_000_218, text));
    }
    if secret != SECRET {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client}'."
        );
        return Err(fault(turn, 401, "invalid_client", 7_000_215, &text));
    }
    if principal.hindrance == Some(Hindrance::SecretEnded) {
        let text = format!("The provided client secret keys for app '{client}' are expired.");
        return Err(fault(turn, 401, "invalid_client", 7_000_222, &text));
    }
    Ok((client, principal))
}

/// The person who asks, through whatever public client.
fn person(turn: &mut Turn<'_, '_>, form: &Form) -> Result<(String, Principal), Answer> {
    let name = form.field("username").to_lowercase();
    let principal =
        directory::principal(&turn.draft, &name).filter(|principal| principal.kind == Kind::Person);
    let Some(principal) = principal else {
        let text = format!("The user account {name} does not exist in the {TENANT} directory.");
        return Err(fault(turn, 400, "invalid_grant", 50_034, &text));
    };
    turn.caller = Some(name.clone());
    if form.field("password") != PASSWORD {
        let text = "Error validating credentials due to invalid username or password.";
        return Err(fault(turn, 400, "invalid_grant", 50_126, text));
    }
    if principal.hindrance == Some(Hindrance::Disabled) {
        let text = "The user account is disabled.";
        return Err(fault(turn, 400, "invalid_grant", 50_057, text));
    }
    if principal.hindrance == Some(Hindrance::MultiFactor) {
        let text = "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.";
        return Err(fault(turn, 400, "interaction_required", 50_076, text));
    }
    Ok((name, principal))
}

/// The resource that a scope names; beside it may stand scopes of sign-in, such as `openid`.
fn audience(turn: &Turn<'_, '_>, scope: &str) -> Result<String, Answer> {
    let named = scope
        .split(' ')
        .find_map(|scope| scope.strip_suffix("/.default"));
    let Some(named) = named else {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier."
        );
        return Err(fault(turn, 400, "invalid_scope", 1_002_012, &text));
    };
    resource(turn, named).ok_or_else(|| {
        let text = format!(
            "The resource principal named {named} was not found in the tenant named Contoso."
        );
        fault(turn, 400, "invalid_resource", 500_011, &text)
    })
}

fn fault(turn: &Turn<'_, '_>, status: u16, error: &str, number: u32, text: &str) -> Answer {
    let (trace, correlation) = (names::unique(), names::unique());
    let time = turn.draft.now().in_seconds().replace('T', " ");
    let description = format!(
        "AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}"
    );
    let body = json!({
        "error": error,
        "error_description": description,
        "error_codes": [number],
        "timestamp": time,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
    });
    Answer::json(status, &body)
}
