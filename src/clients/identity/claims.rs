//! The claims of a token. Only its service may rely on them; here they are only shown to people, or
//! used to explain a refusal. A claim that cannot be parsed is `None`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::holder::TokenHolder;

/// Claims of an access token (Microsoft Learn, *Access token claims reference*).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Claims {
    /// `aud`: the service that it is for.
    pub(super) audience: Option<String>,
    /// `exp`: when it expires, in seconds since 1970.
    pub(super) expires: Option<u64>,
    /// Who holds it: `idtyp`; without it, a person if it has `scp` (delegated scopes).
    pub(super) holder: Option<TokenHolder>,
    /// The person's sign-in name.
    pub(super) person: Option<String>,
    /// `appid` or `azp`: the application that asked for it.
    pub(super) application: Option<String>,
    /// `oid`: the id of the holder's object in the directory.
    pub(super) object: Option<String>,
}

impl Claims {
    /// The claims of a JSON web token; `None` for another text.
    pub(super) fn parse(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let claims: Value = serde_json::from_slice(&payload).ok()?;
        claims.as_object()?;
        let text = |name: &str| claims[name].as_str().map(str::to_owned);
        let person = text("upn")
            .or_else(|| text("preferred_username"))
            .or_else(|| text("unique_name"));
        let holder = match text("idtyp").as_deref() {
            Some("app") => Some(TokenHolder::Application),
            Some("user") => Some(TokenHolder::Person),
            _ if text("scp").is_some() => Some(TokenHolder::Person),
            _ if person.is_none()
                && (claims["roles"].is_array() || has_application_subject(&claims)) =>
            {
                Some(TokenHolder::Application)
            }
            _ => None,
        };
        Some(Self {
            audience: text("aud"),
            expires: claims["exp"].as_u64(),
            holder,
            person,
            application: text("appid").or_else(|| text("azp")),
            object: text("oid"),
        })
    }
}

/// An application's token names the same object as subject and as holder.
fn has_application_subject(claims: &Value) -> bool {
    claims["oid"].is_string() && claims["oid"] == claims["sub"]
}

/// Whether two audiences are the same but for a slash at the end, although some services insist on
/// one form.
pub(super) fn is_same_audience(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.trim_end_matches('/').to_ascii_lowercase();
    plain(one) == plain(other)
}

/// A token with these claims and no signature.
#[cfg(test)]
pub(super) fn token_with_claims(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = serde_json::json!({"typ": "JWT", "alg": "RS256"});
    format!("{}.{}.c2lnbmF0dXJl", part(&header), part(claims))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_persons_token_is_distinguished_from_an_applications() {
        let holder = |claims: Value| Claims::parse(&token_with_claims(&claims)).unwrap().holder;
        let (person, application) = (Some(TokenHolder::Person), Some(TokenHolder::Application));
        assert_eq!(holder(json!({"idtyp": "user"})), person);
        assert_eq!(holder(json!({"idtyp": "app", "scp": "x"})), application);
        assert_eq!(holder(json!({"scp": "user_impersonation"})), person);
        assert_eq!(holder(json!({"roles": ["A"]})), application);
        assert_eq!(holder(json!({"oid": "1", "sub": "1"})), application);
        assert_eq!(
            holder(json!({"oid": "1", "sub": "2", "upn": "ada@x"})),
            None
        );
        assert_eq!(holder(json!({})), None);
    }

    #[test]
    fn a_text_that_is_not_a_token_has_no_claims() {
        for text in ["", "opaque", "a.b.c", "a.b", "e30.e30", "x.bnVsbA.y"] {
            assert_eq!(Claims::parse(text), None, "{text}");
        }
        let claims = Claims::parse(&token_with_claims(&json!({
            "aud": "https://service.powerapps.com/", "exp": 1_800_000_000, "appid": "c11e",
        })));
        let claims = claims.unwrap();
        assert_eq!(claims.expires, Some(1_800_000_000));
        assert_eq!(claims.application.as_deref(), Some("c11e"));
        let audience = claims.audience.unwrap();
        assert!(is_same_audience(&audience, "https://service.powerapps.com"));
        assert!(!is_same_audience(
            &audience,
            "https://api.powerplatform.com"
        ));
    }
}
