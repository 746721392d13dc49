//! The token endpoint: client credentials, version 2.0 (Microsoft Learn, Microsoft identity
//! platform: client credentials flow, and its error codes).

use std::time::Duration;

use serde_json::json;

use super::authentication::Token;
use super::message::{Answer, pairs};
use super::{Listener, Turn};
use crate::rehearsal::application::{CLIENT, CLIENT_OBJECT, SECRET, TENANT, TENANT_DOMAIN};
use crate::rehearsal::world::names;

/// How long a token lives, in seconds of simulated time.
const LIFE: u64 = 3599;

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
    let form = pairs(&String::from_utf8_lossy(&turn.request.body));
    let field = |name: &str| {
        let pair = form.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    if field("grant_type") != "client_credentials" {
        let text = "The app requested an unsupported grant type.";
        return Err(fault(turn, 400, "unsupported_grant_type", 70_003, text));
    }
    let client = field("client_id").to_lowercase();
    if client != CLIENT {
        let text =
            format!("Application with identifier '{client}' was not found in the directory.");
        return Err(fault(turn, 400, "unauthorized_client", 700_016, &text));
    }
    turn.caller = Some(CLIENT.to_owned());
    if field("client_secret") != SECRET {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{CLIENT}'."
        );
        return Err(fault(turn, 401, "invalid_client", 7_000_215, &text));
    }
    let scope = field("scope");
    let Some(audience) = scope.strip_suffix("/.default") else {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier."
        );
        return Err(fault(turn, 400, "invalid_scope", 1_002_012, &text));
    };
    if !is_resource(turn, audience) {
        let text = format!(
            "The resource principal named {audience} was not found in the tenant named Contoso."
        );
        return Err(fault(turn, 400, "invalid_resource", 500_011, &text));
    }
    Ok(issue(turn, audience))
}

fn is_resource(turn: &Turn<'_, '_>, audience: &str) -> bool {
    Listener::ALL.iter().any(|listener| {
        *listener != Listener::Authority && listener.audience(turn.origins) == audience
    })
}

fn issue(turn: &mut Turn<'_, '_>, audience: &str) -> Answer {
    let opaque = format!("rehearsal.{}.{}", names::unique(), names::unique());
    let token = Token {
        audience: audience.to_owned(),
        client: CLIENT.to_owned(),
        object: CLIENT_OBJECT.to_owned(),
        expires: turn.draft.now() + Duration::from_secs(LIFE),
        person: false,
    };
    let key = format!("token/{}", names::digest(&opaque));
    turn.draft
        .put(key, serde_json::to_value(token).unwrap_or_default());
    turn.draft.count("tokens");
    let body = json!({
        "token_type": "Bearer",
        "expires_in": LIFE,
        "ext_expires_in": LIFE,
        "access_token": opaque,
    });
    Answer::json(200, &body)
        .with("Cache-Control", "no-store, no-cache")
        .with("Pragma", "no-cache")
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
