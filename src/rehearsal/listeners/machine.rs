//! What the machine that the program runs on hands out, one service a path:
//!
//! | Path | Who has it in the world |
//! |---|---|
//! | `GET /metadata/identity/oauth2/token` | a virtual machine (Microsoft Learn, *How to use managed identities on a virtual machine*) |
//! | `GET /msi/token` | App Service (Microsoft Learn, *How to use managed identities for App Service*) |
//! | `GET /github/idtoken` | a job of GitHub Actions (GitHub Docs, *OIDC reference*) |
//! | `POST …/oidctoken` | a job of Azure Pipelines (Azure DevOps REST API, *Oidctoken: Create*) |
//! | `POST /api/v1/…/serviceaccounts/…/token` | a pod (Kubernetes API, `TokenRequest`) |
//!
//! Each wants the tenant's own [`MACHINE_KEY`] where its model wants a secret of its own.

use std::time::Duration;

use serde_json::{Value, json};

use super::Turn;
use super::assertions::{self, Issuer};
use super::authentication::{bearer, issue, resource};
use super::message::Answer;
use crate::rehearsal::application::{CLIENT, MACHINE_KEY, SERVICE_CONNECTION};
use crate::rehearsal::behaviour::directory;

/// How long a managed identity's token lives.
const LIFE: Duration = Duration::from_hours(24);

/// Answers a request.
pub(super) fn answer(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    let request = turn.request;
    let at = |issuer| request.path == assertions::path(issuer);
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/metadata/identity/oauth2/token") => metadata(turn),
        ("GET", "/msi/token") => app_service(turn),
        ("GET", _) if at(Issuer::GitHub) => github(turn),
        ("POST", _) if at(Issuer::Pipelines) => pipelines(turn),
        ("POST", _) if at(Issuer::Kubernetes) => kubernetes(turn),
        _ => Err(Answer::empty(404)),
    }
}

fn metadata(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    if turn.request.header("Metadata") != Some("true") {
        let text = "Required metadata header not specified";
        return Err(refused(400, "invalid_request", text));
    }
    let mut body = identity_token(turn)?;
    body["expires_in"] = json!(LIFE.as_secs().to_string());
    body["ext_expires_in"] = json!(LIFE.as_secs().to_string());
    Ok(Answer::json(200, &body))
}

fn app_service(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    if turn.request.header("X-IDENTITY-HEADER") != Some(MACHINE_KEY) {
        let text = "The X-IDENTITY-HEADER is missing or wrong.";
        return Err(refused(401, "unauthorized", text));
    }
    Ok(Answer::json(200, &identity_token(turn)?))
}

/// A token of the machine's identity, which is the tenant's own application.
fn identity_token(turn: &mut Turn<'_, '_>) -> Result<Value, Answer> {
    let wanted = turn.request.option("client_id").unwrap_or(CLIENT);
    let principal = directory::principal(&turn.draft, CLIENT)
        .filter(|_| wanted.eq_ignore_ascii_case(CLIENT))
        .ok_or_else(|| refused(400, "invalid_request", "Identity not found"))?;
    let asked = turn.request.option("resource").unwrap_or_default();
    let audience = resource(turn, asked).ok_or_else(|| {
        let text = format!(
            "AADSTS500011: The resource principal named {asked} was not found in the tenant named Contoso."
        );
        refused(400, "invalid_resource", &text)
    })?;
    let token = issue(turn, (CLIENT, &principal), &audience, LIFE);
    turn.caller = Some(CLIENT.to_owned());
    let ends = (turn.draft.now() + LIFE).since_1970().as_secs();
    Ok(json!({
        "access_token": token,
        "client_id": CLIENT,
        "expires_on": ends.to_string(),
        "resource": audience,
        "token_type": "Bearer",
    }))
}

fn refused(status: u16, error: &str, description: &str) -> Answer {
    let body = json!({"error": error, "error_description": description});
    Answer::json(status, &body)
}

/// Does the request carry the job's own token?
fn require_key(turn: &Turn<'_, '_>) -> Result<(), Answer> {
    if bearer(turn) == Some(MACHINE_KEY) {
        return Ok(());
    }
    let body =
        json!({"message": "The token of the request is missing, wrong, or its job has ended."});
    Err(Answer::json(401, &body))
}

fn github(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    require_key(turn)?;
    let audience = turn.request.option("audience");
    let audience = audience.unwrap_or("https://github.com/contoso").to_owned();
    let value = assertions::issue(turn, Issuer::GitHub, &audience);
    Ok(Answer::json(
        200,
        &json!({"count": value.len(), "value": value}),
    ))
}

fn pipelines(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    require_key(turn)?;
    if turn.request.option("serviceConnectionId") != Some(SERVICE_CONNECTION) {
        let body = json!({
            "$id": "1",
            "message": "The service connection does not exist, has been disabled or hasn't been authorized for use.",
            "typeName": "Microsoft.TeamFoundation.DistributedTask.WebApi.ServiceEndpointNotFoundException",
            "errorCode": 0,
        });
        return Err(Answer::json(404, &body));
    }
    let assertion = assertions::issue(turn, Issuer::Pipelines, AUDIENCE);
    Ok(Answer::json(200, &json!({"oidcToken": assertion})))
}

fn kubernetes(turn: &mut Turn<'_, '_>) -> Result<Answer, Answer> {
    require_key(turn)?;
    let body = turn.request.json().unwrap_or_default();
    let audience = body["spec"]["audiences"][0].as_str().unwrap_or(AUDIENCE);
    let token = assertions::issue(turn, Issuer::Kubernetes, audience);
    let body = json!({
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "spec": body["spec"],
        "status": {"token": token},
    });
    Ok(Answer::json(201, &body))
}

/// The audience of the sign-in service's exchange (Microsoft Learn, *Workload identity federation*).
pub(crate) const AUDIENCE: &str = "api://AzureADTokenExchange";
