//! Tokens: issuing them and checking them.
//!
//! A token has the form of a JSON web token with claims. The world stores its hash, audience and
//! expiry, but not the token.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::message::{Request, Response};
use super::{Listener, Origins, RequestContext};
use crate::rehearsal::application::{DUAL_WRITE_TOKEN, LCS_TOKEN, PERSON, TENANT};
use crate::rehearsal::behaviour::directory::{self, Principal, PrincipalKind, SignInBlock};
use crate::rehearsal::clock::Moment;
use crate::rehearsal::world::names;
use crate::rehearsal::world::store::Draft;

/// A token, as the world stores it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Token {
    /// The one service that accepts it.
    pub(super) audience: String,
    /// Whether it is a person's or an application's.
    #[serde(default)]
    pub(super) kind: PrincipalKind,
    /// Its principal: an application's id, or a person's sign-in name.
    pub(super) client: String,
    /// The object id of its principal.
    pub(super) object: String,
    /// When it expires.
    pub(super) expires: Moment,
}

impl Token {
    /// Whether its principal can use the admin APIs.
    fn is_administrator(&self, context: &RequestContext<'_, '_>) -> bool {
        directory::principal(&context.draft, &self.client)
            .is_some_and(|principal| principal.administrator)
    }
}

impl Listener {
    /// The resource that a token for this listener names.
    pub(super) fn audience(self, origins: &Origins) -> String {
        match self {
            Self::PowerPlatform => "https://api.powerplatform.com".to_owned(),
            Self::Bap | Self::PowerApps => "https://service.powerapps.com".to_owned(),
            Self::DualWrite => "https://IntegratorApp.com".to_owned(),
            // Its address with a trailing slash, like the real service.
            Self::Lcs => format!("{}/", origins.origin_of(self)),
            Self::Authority | Self::Machine | Self::Dataverse(_) | Self::FinanceOperations(_) => {
                origins.origin_of(self)
            }
        }
    }

    /// The listeners that require tokens.
    fn resources(origins: &Origins) -> impl Iterator<Item = Self> {
        let all = Self::all(origins.other_targets()).into_iter();
        all.filter(|listener| !matches!(listener, Self::Authority | Self::Machine))
    }
}

/// The audience of a requested resource, if there is such a resource. For the services of an
/// environment a trailing slash makes another resource; for the others it does not matter.
pub(super) fn find_audience(context: &RequestContext<'_, '_>, resource: &str) -> Option<String> {
    Listener::resources(context.origins).find_map(|listener| {
        let audience = listener.audience(context.origins);
        let is_own = matches!(
            listener,
            Listener::Dataverse(_) | Listener::FinanceOperations(_)
        );
        let matches =
            resource == audience || (!is_own && resource.trim_end_matches('/') == audience);
        matches.then_some(audience)
    })
}

/// Issues a token to a principal, given with its name in the directory.
pub(super) fn issue(
    context: &mut RequestContext<'_, '_>,
    (name, principal): (&str, &Principal),
    audience: &str,
    lifetime: Duration,
) -> String {
    let now = context.draft.now();
    let expires = now + lifetime;
    let mut claims = json!({
        "aud": audience,
        "iss": format!("{}/{TENANT}/v2.0", context.origins.origin_of(Listener::Authority)),
        "iat": now.since_unix_epoch().as_secs(),
        "nbf": now.since_unix_epoch().as_secs(),
        "exp": expires.since_unix_epoch().as_secs(),
        "oid": principal.object,
        "sub": principal.object,
        "tid": TENANT,
        "ver": "2.0",
    });
    match principal.kind {
        PrincipalKind::Application => {
            claims["idtyp"] = json!("app");
            claims["appid"] = json!(name);
        }
        PrincipalKind::Person => {
            claims["idtyp"] = json!("user");
            claims["upn"] = json!(name);
            claims["name"] = json!(principal.name);
            claims["scp"] = json!("user_impersonation");
        }
    }
    let text = web_token(&claims);
    let token = Token {
        audience: audience.to_owned(),
        kind: principal.kind,
        client: name.to_owned(),
        object: principal.object.clone(),
        expires,
    };
    let key = format!("token/{}", names::digest(&text));
    context.draft.save(key, &token);
    context.draft.count("tokens");
    text
}

/// A text in the form of a JSON web token. Its last part is random, so that each text is unique.
pub(super) fn web_token(claims: &Value) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": "rehearsal"}).to_string();
    let signature = format!("{}{}", names::unique(), names::unique());
    let claims = claims.to_string();
    format!(
        "{}.{}.{}",
        part(header.as_bytes()),
        part(claims.as_bytes()),
        part(signature.as_bytes())
    )
}

/// The token of a request, if it is valid for this listener; otherwise a response with status 401.
pub(super) fn authenticate(context: &mut RequestContext<'_, '_>) -> Result<Token, Response> {
    let audience = context.listener.audience(context.origins);
    let Some(bearer) = bearer(context) else {
        let why = "Authentication failed. The 'Authorization' header is missing.";
        return Err(unauthorized(context, "AuthenticationFailed", why));
    };
    let person_token = match context.listener {
        Listener::Lcs => Some(LCS_TOKEN),
        Listener::DualWrite => Some(DUAL_WRITE_TOKEN),
        _ => None,
    };
    if person_token == Some(bearer) {
        context.caller = Some(PERSON.to_owned());
        return Ok(Token {
            audience,
            client: PERSON.to_owned(),
            object: PERSON.to_owned(),
            expires: context.draft.now(),
            kind: PrincipalKind::Person,
        });
    }
    let key = format!("token/{}", names::digest(bearer));
    let Some(token) = context.draft.load::<Token>(&key) else {
        let why = "The access token is invalid.";
        return Err(unauthorized(context, "InvalidAuthenticationToken", why));
    };
    context.caller = Some(token.client.clone());
    if token.audience != audience {
        // The text of the Power Apps services (microsoft/Power-Fx issue 2986).
        let why = format!(
            "The received access token has been obtained from wrong audience or resource '{}'. It should exactly match (including forward slash) with one of the allowed audiences '{audience}'.",
            token.audience
        );
        return Err(unauthorized(context, "InvalidAuthenticationAudience", &why));
    }
    if token.expires <= context.draft.now() {
        let why = "The access token has expired.";
        return Err(unauthorized(context, "ExpiredAuthenticationToken", why));
    }
    let principal = directory::principal(&context.draft, &token.client);
    if principal.and_then(|principal| principal.sign_in_block) == Some(SignInBlock::Challenged) {
        return Err(claims_challenge(context));
    }
    Ok(token)
}

/// Whom a request's token belongs to, whether it is still valid or not.
pub(super) fn client_of(draft: &Draft<'_>, request: &Request) -> Option<String> {
    let key = format!("token/{}", names::digest(bearer_of(request)?));
    Some(draft.load::<Token>(&key)?.client)
}

/// The text after `Bearer` in a request's header.
pub(super) fn bearer<'context>(context: &RequestContext<'context, '_>) -> Option<&'context str> {
    bearer_of(context.request)
}

fn bearer_of(request: &Request) -> Option<&str> {
    let header = request.header("Authorization")?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

/// A challenge of continuous access evaluation (Microsoft Learn, *Claims challenges*): no body, and
/// the claims that the next token must have.
fn claims_challenge(context: &RequestContext<'_, '_>) -> Response {
    let authority = context.origins.origin_of(Listener::Authority);
    let claims = json!({"access_token": {"nbf": {"essential": true}}}).to_string();
    let claims = URL_SAFE_NO_PAD.encode(claims);
    let challenge = format!(
        "Bearer realm=\"\", authorization_uri=\"{authority}/{TENANT}/oauth2/authorize\", error=\"insufficient_claims\", claims=\"{claims}\""
    );
    Response::empty(401).with("WWW-Authenticate", challenge)
}

fn unauthorized(context: &RequestContext<'_, '_>, code: &str, message: &str) -> Response {
    let authority = context.origins.origin_of(Listener::Authority);
    let resource = context.listener.audience(context.origins);
    let challenge = format!(
        "Bearer authorization_uri={authority}/{TENANT}/oauth2/authorize, resource_id={resource}/"
    );
    Response::error(401, code, message).with("WWW-Authenticate", challenge)
}

/// The token of an administrator's request with one of these versions of an admin API.
pub(super) fn authenticate_administrator(
    context: &mut RequestContext<'_, '_>,
    versions: &[&str],
) -> Result<Token, Response> {
    let token = authenticate(context)?;
    require_administrator(context, &token)?;
    let version = context.request.option("api-version").unwrap_or_default();
    if !versions.contains(&version) {
        let text = format!("The api-version '{version}' is invalid.");
        return Err(Response::error(400, "InvalidApiVersion", &text));
    }
    Ok(token)
}

/// Refuses a caller who is not an administrator of the tenant. The text for an application is that
/// of microsoft/powerplatform-build-tools issue 1112, with the service's internal address.
fn require_administrator(context: &RequestContext<'_, '_>, token: &Token) -> Result<(), Response> {
    if token.is_administrator(context) {
        return Ok(());
    }
    let Token { object, client, .. } = token;
    let query = context.request.raw_query.as_deref().unwrap_or_default();
    let path = &context.request.path;
    let who = match token.kind {
        PrincipalKind::Application => {
            format!("The service principal with id '{object}' for application {client}")
        }
        PrincipalKind::Person => format!("The user with object id '{object}'"),
    };
    let text = format!(
        "{who} does not have permission to access the path 'https://10.0.6.48:20014{path}?{query}' in tenant {TENANT}."
    );
    Err(Response::error(403, "Forbidden", &text))
}
