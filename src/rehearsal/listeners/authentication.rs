//! Tokens: what the authority has issued, and who sends one.
//!
//! The world keeps a token's hash only, with what it is for and when it ends.

use serde::{Deserialize, Serialize};

use super::message::Answer;
use super::{Listener, Origins, Turn};
use crate::rehearsal::application::{PERSON, PERSON_TOKEN, TENANT};
use crate::rehearsal::clock::Moment;
use crate::rehearsal::world::names;

/// What a token is good for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Token {
    /// The one service that it is for.
    pub(super) audience: String,
    /// The application that asked for it.
    pub(super) client: String,
    /// The application's object in the directory.
    pub(super) object: String,
    /// When it ends.
    pub(super) expires: Moment,
    /// Whether a person has signed in for it, and no application by itself.
    #[serde(default)]
    pub(super) person: bool,
}

impl Listener {
    /// The resource that a token for this listener names.
    pub(super) fn audience(self, origins: &Origins) -> String {
        match self {
            Self::PowerPlatform => "https://api.powerplatform.com".to_owned(),
            Self::Bap => "https://service.powerapps.com".to_owned(),
            Self::DualWrite => "https://IntegratorApp.com".to_owned(),
            // Its address with a slash at the end, as the real one.
            Self::Lcs => format!("{}/", origins.of(self)),
            Self::Authority | Self::Dataverse(_) | Self::FinanceOperations(_) => origins.of(self),
        }
    }
}

/// The token that a request carries, if it is one for this listener; otherwise the answer 401.
pub(super) fn token(turn: &mut Turn<'_, '_>) -> Result<Token, Answer> {
    let audience = turn.listener.audience(turn.origins);
    let bearer = turn.request.header("Authorization").and_then(|header| {
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
    });
    let Some(bearer) = bearer else {
        let why = "Authentication failed. The 'Authorization' header is missing.";
        return Err(unauthorized(turn, "AuthenticationFailed", why));
    };
    if bearer == PERSON_TOKEN && matches!(turn.listener, Listener::DualWrite | Listener::Lcs) {
        turn.caller = Some(PERSON.to_owned());
        return Ok(Token {
            audience,
            client: PERSON.to_owned(),
            object: PERSON.to_owned(),
            expires: turn.draft.now(),
            person: true,
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
        let why = format!(
            "The access token has the wrong audience '{}'.",
            token.audience
        );
        return Err(unauthorized(
            turn,
            "InvalidAuthenticationTokenAudience",
            &why,
        ));
    }
    if token.expires <= turn.draft.now() {
        let why = "The access token has expired.";
        return Err(unauthorized(turn, "ExpiredAuthenticationToken", why));
    }
    Ok(token)
}

fn unauthorized(turn: &Turn<'_, '_>, code: &str, message: &str) -> Answer {
    let authority = turn.origins.of(Listener::Authority);
    let resource = turn.listener.audience(turn.origins);
    let challenge = format!(
        "Bearer authorization_uri={authority}/{TENANT}/oauth2/authorize, resource_id={resource}/"
    );
    Answer::error(401, code, message).with("WWW-Authenticate", challenge)
}
