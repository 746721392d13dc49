//! Tokens: what is issued, and who sends one.
//!
//! A token has the form of a JSON web token, and its claims tell people what it is. It is known by
//! its hash: the world keeps that, with what the token is for and when it ends, and no token.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::message::Answer;
use super::{Listener, Origins, Side, Turn};
use crate::rehearsal::application::{DUAL_WRITE_TOKEN, LCS_TOKEN, PERSON, TENANT};
use crate::rehearsal::behaviour::directory::{self, Hindrance, Kind, Principal};
use crate::rehearsal::clock::Moment;
use crate::rehearsal::world::names;

/// What a token is good for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Token {
    /// The one service that it is for.
    pub(super) audience: String,
    /// Whether it is a person's or an application's.
    #[serde(default)]
    pub(super) kind: Kind,
    /// Who sends it, by the directory: an application's id, or a person's sign-in name.
    pub(super) client: String,
    /// Whose it is: the object in the directory.
    pub(super) object: String,
    /// When it ends.
    pub(super) expires: Moment,
}

impl Token {
    /// May its holder use the admin APIs?
    pub(super) fn is_administrators(&self, turn: &Turn<'_, '_>) -> bool {
        directory::principal(&turn.draft, &self.client)
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
            // Its address with a slash at the end, as the real one.
            Self::Lcs => format!("{}/", origins.of(self)),
            Self::Authority | Self::Machine | Self::Dataverse(_) | Self::FinanceOperations(_) => {
                origins.of(self)
            }
        }
    }

    /// The listeners that take tokens.
    fn resources() -> impl Iterator<Item = Self> {
        let all = Self::ALL.into_iter();
        all.filter(|listener| !matches!(listener, Self::Authority | Self::Machine))
    }
}

/// The resource that a token may be asked for, as its listener names it. A slash at its end makes
/// another resource of an environment's own; the others are known by either form.
pub(super) fn resource(turn: &Turn<'_, '_>, asked: &str) -> Option<String> {
    Listener::resources().find_map(|listener| {
        let audience = listener.audience(turn.origins);
        let is_own = matches!(
            listener,
            Listener::Dataverse(Side::Source | Side::Target) | Listener::FinanceOperations(_)
        );
        let fits = asked == audience || (!is_own && asked.trim_end_matches('/') == audience);
        fits.then_some(audience)
    })
}

/// Issues a token for a resource, which lives so long. Takes who asks, by the directory's name.
pub(super) fn issue(
    turn: &mut Turn<'_, '_>,
    (name, principal): (&str, &Principal),
    audience: &str,
    life: Duration,
) -> String {
    let now = turn.draft.now();
    let expires = now + life;
    let mut claims = json!({
        "aud": audience,
        "iss": format!("{}/{TENANT}/v2.0", turn.origins.of(Listener::Authority)),
        "iat": now.since_1970().as_secs(),
        "nbf": now.since_1970().as_secs(),
        "exp": expires.since_1970().as_secs(),
        "oid": principal.object,
        "sub": principal.object,
        "tid": TENANT,
        "ver": "2.0",
    });
    match principal.kind {
        Kind::Application => {
            claims["idtyp"] = json!("app");
            claims["appid"] = json!(name);
        }
        Kind::Person => {
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
    turn.draft
        .put(key, serde_json::to_value(token).unwrap_or_default());
    turn.draft.count("tokens");
    text
}

/// A text of a JSON web token's form. Its last part is random, so that no two are the same.
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

/// The token that a request carries, if it is one for this listener; otherwise the answer 401.
pub(super) fn token(turn: &mut Turn<'_, '_>) -> Result<Token, Answer> {
    let audience = turn.listener.audience(turn.origins);
    let Some(bearer) = bearer(turn) else {
        let why = "Authentication failed. The 'Authorization' header is missing.";
        return Err(unauthorized(turn, "AuthenticationFailed", why));
    };
    let of_a_person = match turn.listener {
        Listener::Lcs => Some(LCS_TOKEN),
        Listener::DualWrite => Some(DUAL_WRITE_TOKEN),
        _ => None,
    };
    if of_a_person == Some(bearer) {
        turn.caller = Some(PERSON.to_owned());
        return Ok(Token {
            audience,
            client: PERSON.to_owned(),
            object: PERSON.to_owned(),
            expires: turn.draft.now(),
            kind: Kind::Person,
        });
    }
    let key = format!("token/{}", names::digest(bearer));
    let token = turn.draft.get(&key).cloned();
    let token = token.and_then(|value| serde_json::from_value::<Token>(value).ok());
    let Some(token) = token else {
        let why = "The access token is invalid.";
        return Err(unauthorized(turn, "InvalidAuthenticationToken", why));
    };
    turn.caller = Some(token.client.clone());
    if token.audience != audience {
        // As the Power Apps services say it (microsoft/Power-Fx issue 2986).
        let why = format!(
            "The received access token has been obtained from wrong audience or resource '{}'. It should exactly match (including forward slash) with one of the allowed audiences '{audience}'.",
            token.audience
        );
        return Err(unauthorized(turn, "InvalidAuthenticationAudience", &why));
    }
    if token.expires <= turn.draft.now() {
        let why = "The access token has expired.";
        return Err(unauthorized(turn, "ExpiredAuthenticationToken", why));
    }
    let principal = directory::principal(&turn.draft, &token.client);
    if principal.and_then(|principal| principal.hindrance) == Some(Hindrance::Challenged) {
        return Err(challenged(turn));
    }
    Ok(token)
}

/// What a request carries after `Bearer`.
pub(super) fn bearer<'turn>(turn: &Turn<'turn, '_>) -> Option<&'turn str> {
    let header = turn.request.header("Authorization")?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

/// A challenge of continuous access evaluation (Microsoft Learn, *Claims challenges*): no body, and
/// the claims that another sign-in must prove.
fn challenged(turn: &Turn<'_, '_>) -> Answer {
    let authority = turn.origins.of(Listener::Authority);
    let claims = json!({"access_token": {"nbf": {"essential": true}}}).to_string();
    let claims = URL_SAFE_NO_PAD.encode(claims);
    let challenge = format!(
        "Bearer realm=\"\", authorization_uri=\"{authority}/{TENANT}/oauth2/authorize\", error=\"insufficient_claims\", claims=\"{claims}\""
    );
    Answer::empty(401).with("WWW-Authenticate", challenge)
}

fn unauthorized(turn: &Turn<'_, '_>, code: &str, message: &str) -> Answer {
    let authority = turn.origins.of(Listener::Authority);
    let resource = turn.listener.audience(turn.origins);
    let challenge = format!(
        "Bearer authorization_uri={authority}/{TENANT}/oauth2/authorize, resource_id={resource}/"
    );
    Answer::error(401, code, message).with("WWW-Authenticate", challenge)
}

/// The refusal of an admin API to somebody who is no administrator of the tenant. An application
/// hears what microsoft/powerplatform-build-tools issue 1112 shows, with the service's inner address
/// in it.
pub(super) fn administrator(turn: &Turn<'_, '_>, token: &Token) -> Result<(), Answer> {
    if token.is_administrators(turn) {
        return Ok(());
    }
    let Token { object, client, .. } = token;
    let query = turn.request.raw_query.as_deref().unwrap_or_default();
    let path = &turn.request.path;
    let who = match token.kind {
        Kind::Application => {
            format!("The service principal with id '{object}' for application {client}")
        }
        Kind::Person => format!("The user with object id '{object}'"),
    };
    let text = format!(
        "{who} does not have permission to access the path 'https://10.0.6.48:20014{path}?{query}' in tenant {TENANT}."
    );
    Err(Answer::error(403, "Forbidden", &text))
}
