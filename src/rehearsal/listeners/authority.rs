//! The token endpoint, version 2.0 (Microsoft Learn, Microsoft identity platform, and its error
//! codes): client credentials with a secret or an assertion, and a person's name and password,
//! which is the sign-in to Lifecycle Services without a browser.

use std::time::Duration;

use serde_json::json;

use super::assertions;
use super::authentication::{find_audience, issue};
use super::message::{Response, pairs};
use super::{Listener, RequestContext};
use crate::rehearsal::application::{PASSWORD, SECRET, TENANT, TENANT_DOMAIN};
use crate::rehearsal::behaviour::directory::{self, Principal, PrincipalKind, SignInBlock};
use crate::rehearsal::world::names;

/// The lifetime of a token, in seconds of simulated time.
const LIFETIME: u64 = 3599;

/// The type of an assertion that is a JSON web token (RFC 7523).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The form of a token request.
struct Form(Vec<(String, String)>);

impl Form {
    fn field(&self, name: &str) -> &str {
        let pair = self.0.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// Handles a request.
pub(super) fn handle(context: &mut RequestContext<'_, '_>) -> Result<Response, Response> {
    let segments = context.request.segments_below("/").unwrap_or_default();
    if let [tenant, "v2.0", ".well-known", "openid-configuration"] = segments.as_slice() {
        return Ok(openid_configuration(context, tenant));
    }
    let [tenant, "oauth2", "v2.0", "token"] = segments.as_slice() else {
        return Err(Response::empty(404));
    };
    if context.request.method != "POST" {
        return Err(Response::empty(405));
    }
    let tenant = (*tenant).to_owned();
    sign_in(context, &tenant).map_err(|error| error_response(context, &error))
}

/// The addresses of the tenant, which Microsoft's own libraries read first (`OpenID` Connect
/// Discovery).
fn openid_configuration(context: &RequestContext<'_, '_>, tenant: &str) -> Response {
    let origin = context.origins.origin_of(Listener::Authority);
    let body = json!({
        "issuer": format!("{origin}/{tenant}/v2.0"),
        "authorization_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/token"),
        "device_authorization_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/devicecode"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code", "token"],
        "subject_types_supported": ["pairwise"],
    });
    Response::json(200, &body)
}

fn sign_in(context: &mut RequestContext<'_, '_>, tenant: &str) -> Result<Response, SignInError> {
    if ![TENANT, TENANT_DOMAIN].contains(&tenant.to_lowercase().as_str()) {
        let text = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
        );
        return Err(SignInError::new(400, "invalid_request", 90_002, text));
    }
    let form = Form(pairs(&String::from_utf8_lossy(&context.request.body)));
    let (name, principal) = match form.field("grant_type") {
        "client_credentials" => application(context, &form)?,
        "password" => person(context, &form)?,
        _ => {
            let text = "The app requested an unsupported grant type.";
            return Err(SignInError::new(
                400,
                "unsupported_grant_type",
                70_003,
                text,
            ));
        }
    };
    if principal.sign_in_block == Some(SignInBlock::Blocked) {
        let text = "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.";
        return Err(SignInError::new(400, "interaction_required", 53_003, text));
    }
    let audience = audience(context, form.field("scope"))?;
    let lifetime = Duration::from_secs(LIFETIME);
    let token = issue(context, (&name, &principal), &audience, lifetime);
    let body = json!({
        "token_type": "Bearer",
        "expires_in": LIFETIME,
        "ext_expires_in": LIFETIME,
        "access_token": token,
    });
    Ok(Response::json(200, &body)
        .with("Cache-Control", "no-store, no-cache")
        .with("Pragma", "no-cache"))
}

/// Authenticates an application by its secret or an assertion.
fn application(
    context: &mut RequestContext<'_, '_>,
    form: &Form,
) -> Result<(String, Principal), SignInError> {
    let client = form.field("client_id").to_lowercase();
    let principal = directory::principal(&context.draft, &client)
        .filter(|principal| principal.kind == PrincipalKind::Application);
    let Some(principal) = principal else {
        let text =
            format!("Application with identifier '{client}' was not found in the directory.");
        return Err(SignInError::new(400, "unauthorized_client", 700_016, text));
    };
    context.caller = Some(client.clone());
    if principal.sign_in_block == Some(SignInBlock::Disabled) {
        let text = format!("Application '{client}' is disabled.");
        return Err(SignInError::new(
            401,
            "unauthorized_client",
            7_000_112,
            text,
        ));
    }
    let assertion = form.field("client_assertion");
    if !assertion.is_empty() {
        if form.field("client_assertion_type") != ASSERTION_TYPE {
            let text =
                "The request body must contain the following parameter: 'client_assertion_type'.";
            return Err(SignInError::new(400, "invalid_request", 900_144, text));
        }
        assertions::accept(context, assertion, &principal)?;
        return Ok((client, principal));
    }
    let secret = form.field("client_secret");
    if secret.is_empty() {
        let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(SignInError::new(401, "invalid_client", 7_000_218, text));
    }
    if secret != SECRET {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client}'."
        );
        return Err(SignInError::new(401, "invalid_client", 7_000_215, text));
    }
    if principal.sign_in_block == Some(SignInBlock::SecretExpired) {
        let text = format!("The provided client secret keys for app '{client}' are expired.");
        return Err(SignInError::new(401, "invalid_client", 7_000_222, text));
    }
    Ok((client, principal))
}

/// Authenticates a person by name and password.
fn person(
    context: &mut RequestContext<'_, '_>,
    form: &Form,
) -> Result<(String, Principal), SignInError> {
    let name = form.field("username").to_lowercase();
    let principal = directory::principal(&context.draft, &name)
        .filter(|principal| principal.kind == PrincipalKind::Person);
    let Some(principal) = principal else {
        let text = format!("The user account {name} does not exist in the {TENANT} directory.");
        return Err(SignInError::new(400, "invalid_grant", 50_034, text));
    };
    context.caller = Some(name.clone());
    if form.field("password") != PASSWORD {
        let text = "Error validating credentials due to invalid username or password.";
        return Err(SignInError::new(400, "invalid_grant", 50_126, text));
    }
    if principal.sign_in_block == Some(SignInBlock::Disabled) {
        let text = "The user account is disabled.";
        return Err(SignInError::new(400, "invalid_grant", 50_057, text));
    }
    if principal.sign_in_block == Some(SignInBlock::MultiFactor) {
        let text = "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.";
        return Err(SignInError::new(400, "interaction_required", 50_076, text));
    }
    Ok((name, principal))
}

/// The audience of a scope, which may also contain scopes of sign-in such as `openid`.
fn audience(context: &RequestContext<'_, '_>, scope: &str) -> Result<String, SignInError> {
    let named = scope
        .split(' ')
        .find_map(|scope| scope.strip_suffix("/.default"));
    let Some(named) = named else {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier."
        );
        return Err(SignInError::new(400, "invalid_scope", 1_002_012, text));
    };
    find_audience(context, named).ok_or_else(|| {
        let text = format!(
            "The resource principal named {named} was not found in the tenant named Contoso."
        );
        SignInError::new(400, "invalid_resource", 500_011, text)
    })
}

/// Why a sign-in is refused.
#[derive(Debug)]
pub(super) struct SignInError {
    status: u16,
    /// OAuth's code.
    error: &'static str,
    /// The number after `AADSTS`.
    number: u32,
    /// The text after it.
    text: String,
}

impl SignInError {
    pub(super) fn new(
        status: u16,
        error: &'static str,
        number: u32,
        text: impl Into<String>,
    ) -> Self {
        Self {
            status,
            error,
            number,
            text: text.into(),
        }
    }
}

fn error_response(context: &RequestContext<'_, '_>, error: &SignInError) -> Response {
    let SignInError {
        status,
        error,
        number,
        text,
    } = error;
    let (trace, correlation) = (names::unique(), names::unique());
    let time = context.draft.now().to_iso_seconds().replace('T', " ");
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
    Response::json(*status, &body)
}
