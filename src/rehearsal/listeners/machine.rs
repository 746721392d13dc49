//! The token services of the machine that the program runs on, one per path:
//!
//! | Path | Where it exists in reality |
//! |---|---|
//! | `GET /metadata/identity/oauth2/token` | a virtual machine (Microsoft Learn, *How to use managed identities on a virtual machine*) |
//! | `GET /msi/token` | App Service (Microsoft Learn, *How to use managed identities for App Service*) |
//! | `GET /github/idtoken` | a job of GitHub Actions (GitHub Docs, *OIDC reference*) |
//! | `POST …/oidctoken` | a job of Azure Pipelines (Azure DevOps REST API, *Oidctoken: Create*) |
//! | `POST /api/v1/…/serviceaccounts/…/token` | a pod (Kubernetes API, `TokenRequest`) |
//!
//! Where the real service requires a secret, the tenant requires its own [`MACHINE_KEY`].

use std::time::Duration;

use serde_json::{Value, json};

use super::RequestContext;
use super::assertions::{self, Issuer};
use super::authentication::{bearer, find_audience, issue};
use super::message::Response;
use crate::rehearsal::application::{CLIENT, MACHINE_KEY, SERVICE_CONNECTION};
use crate::rehearsal::behaviour::directory;

/// The lifetime of a managed identity's token.
const LIFETIME: Duration = Duration::from_hours(24);

/// Handles a request.
pub(super) fn handle(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    let request = context.request;
    let at = |issuer| request.path == assertions::path(issuer);
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/metadata/identity/oauth2/token") => metadata(context),
        ("GET", "/msi/token") => app_service(context),
        ("GET", _) if at(Issuer::GitHub) => github(context),
        ("POST", _) if at(Issuer::Pipelines) => pipelines(context),
        ("POST", _) if at(Issuer::Kubernetes) => kubernetes(context),
        _ => Err(Response::empty(404)),
    }
}

fn metadata(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    if context.request.header("Metadata") != Some("true") {
        let text = "Required metadata header not specified";
        return Err(error(400, "invalid_request", text));
    }
    let mut body = identity_token(context)?;
    body["expires_in"] = json!(LIFETIME.as_secs().to_string());
    body["ext_expires_in"] = json!(LIFETIME.as_secs().to_string());
    Ok(Response::json(200, &body))
}

fn app_service(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    if context.request.header("X-IDENTITY-HEADER") != Some(MACHINE_KEY) {
        let text = "The X-IDENTITY-HEADER is missing or wrong.";
        return Err(error(401, "unauthorized", text));
    }
    Ok(Response::json(200, &identity_token(context)?))
}

/// A token of the machine's identity, which is the tenant's own application.
fn identity_token(context: &mut RequestContext<'_, '_>) -> Result<Value, Response> {
    let client = context.request.option("client_id").unwrap_or(CLIENT);
    let principal = directory::principal(&context.draft, CLIENT)
        .filter(|_| client.eq_ignore_ascii_case(CLIENT))
        .ok_or_else(|| error(400, "invalid_request", "Identity not found"))?;
    let resource = context.request.option("resource").unwrap_or_default();
    let audience = find_audience(context, resource).ok_or_else(|| {
        let text = format!(
            "AADSTS500011: The resource principal named {resource} was not found in the tenant named Contoso."
        );
        error(400, "invalid_resource", &text)
    })?;
    let token = issue(context, (CLIENT, &principal), &audience, LIFETIME);
    context.caller = Some(CLIENT.to_owned());
    let ends = (context.draft.now() + LIFETIME)
        .since_unix_epoch()
        .as_secs();
    Ok(json!({
        "access_token": token,
        "client_id": CLIENT,
        "expires_on": ends.to_string(),
        "resource": audience,
        "token_type": "Bearer",
    }))
}

fn error(status: u16, code: &str, description: &str) -> Response {
    let body = json!({"error": code, "error_description": description});
    Response::json(status, &body)
}

/// Refuses a request without the job's own token.
fn require_key(context: &RequestContext<'_, '_>) -> Result<(), Response> {
    if bearer(context) == Some(MACHINE_KEY) {
        return Ok(());
    }
    let body =
        json!({"message": "The token of the request is missing, wrong, or its job has ended."});
    Err(Response::json(401, &body))
}

fn github(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    require_key(context)?;
    let audience = context.request.option("audience");
    let audience = audience.unwrap_or("https://github.com/contoso").to_owned();
    let value = assertions::issue(context, Issuer::GitHub, &audience);
    Ok(Response::json(
        200,
        &json!({"count": value.len(), "value": value}),
    ))
}

fn pipelines(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    require_key(context)?;
    if context.request.option("serviceConnectionId") != Some(SERVICE_CONNECTION) {
        let body = json!({
            "$id": "1",
            "message": "The service connection does not exist, has been disabled or hasn't been authorized for use.",
            "typeName": "Microsoft.TeamFoundation.DistributedTask.WebApi.ServiceEndpointNotFoundException",
            "errorCode": 0,
        });
        return Err(Response::json(404, &body));
    }
    let assertion = assertions::issue(context, Issuer::Pipelines, AUDIENCE);
    Ok(Response::json(200, &json!({"oidcToken": assertion})))
}

fn kubernetes(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    require_key(context)?;
    let body = context.request.json().unwrap_or_default();
    let audience = body["spec"]["audiences"][0].as_str().unwrap_or(AUDIENCE);
    let token = assertions::issue(context, Issuer::Kubernetes, audience);
    let body = json!({
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "spec": body["spec"],
        "status": {"token": token},
    });
    Ok(Response::json(201, &body))
}

/// The audience of the sign-in service's exchange (Microsoft Learn, *Workload identity
/// federation*).
pub(crate) const AUDIENCE: &str = "api://AzureADTokenExchange";
