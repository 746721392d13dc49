//! A program that prints a token: the token alone, or the JSON that `az account get-access-token`
//! prints. The variable `IOMCOPY_SCOPE` contains the scope of the token.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use super::claims::Claims;
use super::credential_kind::{CredentialKind, KindFacts};
use super::program::{self, summarize_stderr};
use super::token_request::{FetchedToken, TokenError, TokenRequest};
use super::token_times::parse_seconds;
use crate::clients::error::ErrorKind;

/// A program that prints a token.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct TokenCommand {
    /// The program: a name to be found on the path, or a path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// The environment variable with the scope of the token.
const SCOPE_VARIABLE: &str = "IOMCOPY_SCOPE";

const DID_NOT_END: &str =
    "run the command yourself: it must print a token and end, without asking for input";

const FAILED: &str = "run the command yourself and correct the reported problem";

const NO_TOKEN: &str = "it must print only a token, or the JSON of `az account get-access-token`; text for \
                        people belongs on its stderr";

#[async_trait]
impl CredentialKind for TokenCommand {
    fn facts(&self) -> KindFacts<'_> {
        KindFacts {
            may_ignore_scope: true,
            ..KindFacts::new("token-command")
        }
    }

    async fn fetch(&self, request: TokenRequest<'_>) -> Result<FetchedToken, TokenError> {
        let name = format!("the token command '{}'", self.program.display());
        let arguments: Vec<&OsStr> = self.arguments.iter().map(OsStr::new).collect();
        let variables = [(SCOPE_VARIABLE, request.scope)];
        let limit = request.http.limits().command;
        let failed = |message: &str| request.error(ErrorKind::NotSignedIn, &name, message);
        let ran = program::run(self.program.as_os_str(), &arguments, &variables, limit)
            .await
            .map_err(|error| {
                failed(&error.to_string())
                    .with_source(error)
                    .or_help(DID_NOT_END)
            })?;
        let stderr = summarize_stderr(&ran.stderr);
        if !ran.status.success() {
            let message = format!("it ended with {}: {stderr}", ran.status);
            return Err(request.program_error(&name, &message).or_help(FAILED));
        }
        parse_output(&ran.stdout, request.http.clock().time_of_day()).map_err(|why| {
            let mut message = why.to_owned();
            if !stderr.is_empty() {
                message.push_str("; on stderr: ");
                message.push_str(&stderr);
            }
            failed(&message).or_help(NO_TOKEN)
        })
    }
}

/// Parses the output, at this time of the machine's clock. The errors quote nothing of it, because
/// it may be a token.
fn parse_output(printed: &[u8], now: Timestamp) -> Result<FetchedToken, &'static str> {
    let text = std::str::from_utf8(printed).map_err(|_| "its output is not text")?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err("it printed nothing");
    }
    let (token, ends) = if text.starts_with('{') {
        let json: Value = serde_json::from_str(text).map_err(|_| "its output is not valid JSON")?;
        let token = ["accessToken", "access_token"]
            .iter()
            .find_map(|member| json[member].as_str())
            .ok_or("the JSON in its output has no accessToken")?;
        (token.to_owned(), parse_expiry(&json, now))
    } else {
        (text.to_owned(), None)
    };
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("its output is not a single token");
    }
    let ends = ends.or_else(|| Some(Duration::from_secs(Claims::parse(&token)?.expires?)));
    let now = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or_default());
    Ok(FetchedToken {
        token: SecretString::from(token),
        // An expiry in the past means that the two clocks differ, or that the token is old. The
        // service decides, and its refusal is reported.
        lifetime: ends
            .and_then(|ends| ends.checked_sub(now))
            .filter(|lifetime| !lifetime.is_zero()),
    })
}

/// When the token expires, since 1970: `expires_on` in seconds, `expiresOn` with an offset, or
/// `expires_in` from now. `expiresOn` of older CLI versions is in the machine's time zone without
/// an offset, so it is ignored.
fn parse_expiry(json: &Value, now: Timestamp) -> Option<Duration> {
    let on = || {
        let text = json["expiresOn"].as_str()?;
        let moment: Timestamp = text.parse().ok()?;
        u64::try_from(moment.as_second()).ok()
    };
    let from_now = || {
        let now = u64::try_from(now.as_second()).ok()?;
        parse_seconds(json.get("expires_in"))?
            .as_secs()
            .checked_add(now)
    };
    parse_seconds(json.get("expires_on"))
        .or_else(|| on().or_else(from_now).map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::identity::claims::token_with_claims;
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn lifetime(printed: &str) -> Option<u64> {
        let now = Timestamp::from_second(NOW).unwrap();
        let fetched = parse_output(printed.as_bytes(), now).unwrap();
        fetched.lifetime.map(|lifetime| lifetime.as_secs())
    }

    #[test]
    fn a_token_is_printed_alone_or_in_the_clis_json() {
        let now = Timestamp::from_second(NOW).unwrap();
        for printed in [
            "abc.def\n",
            "\u{feff}abc.def\r\n",
            r#"{"accessToken":"abc.def","expiresOn":"2027-01-15 09:00:00.000000","tokenType":"Bearer"}"#,
            r#"{"access_token":"abc.def"}"#,
        ] {
            let fetched = parse_output(printed.as_bytes(), now).unwrap();
            assert_eq!(fetched.token.expose_secret(), "abc.def", "{printed}");
            assert_eq!(fetched.lifetime, None, "{printed}");
        }
    }

    #[test]
    fn the_lifetime_comes_from_the_json_or_from_the_token() {
        let on = NOW + 3600;
        let with = |member: &str, value: Value| {
            let mut json = json!({"accessToken": "a"});
            json[member] = value;
            json.to_string()
        };
        assert_eq!(lifetime(&with("expires_on", json!(on))), Some(3600));
        assert_eq!(
            lifetime(&with("expires_on", json!(on.to_string()))),
            Some(3600)
        );
        assert_eq!(lifetime(&with("expires_in", json!(1200))), Some(1200));
        let text = Timestamp::from_second(on).unwrap().to_string();
        assert_eq!(lifetime(&with("expiresOn", json!(text))), Some(3600));
        let token = token_with_claims(&json!({"exp": NOW + 900}));
        assert_eq!(lifetime(&token), Some(900));
        assert_eq!(lifetime(&with("accessToken", json!(token))), Some(900));
        assert_eq!(lifetime(&token_with_claims(&json!({"exp": NOW - 5}))), None);
    }

    #[test]
    fn invalid_output_is_detected_and_never_quoted() {
        let now = Timestamp::from_second(NOW).unwrap();
        for (printed, why) in [
            ("", "printed nothing"),
            (" \n", "printed nothing"),
            ("please sign in first", "not a single token"),
            ("one\ntwo", "not a single token"),
            ("{\"accessToken\":\"to", "not valid JSON"),
            ("{\"token\":\"x\"}", "no accessToken"),
            ("{\"accessToken\":\"\"}", "not a single token"),
        ] {
            let error = parse_output(printed.as_bytes(), now).unwrap_err();
            assert!(error.contains(why), "{printed}: {error}");
        }
        assert!(
            parse_output(b"\xff\xfe", now)
                .unwrap_err()
                .contains("not text")
        );
    }
}
