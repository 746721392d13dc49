//! A program that prints a token: the token alone, or the JSON that `az account get-access-token`
//! prints. It is told in `IOMCOPY_SCOPE` what the token is for.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use super::Fetched;
use super::asking::{Asking, NoToken, seconds};
use super::claims::Claims;
use super::program::{self, complaint};
use crate::clients::error::{Detail, ErrorKind};
use crate::clients::http::Told;

/// The variable that tells the program what the token is for.
const SCOPE_VARIABLE: &str = "IOMCOPY_SCOPE";

/// Fetches a token once.
pub(super) async fn fetch(
    asking: Asking<'_>,
    program: &Path,
    arguments: &[String],
) -> Result<Fetched, NoToken> {
    let name = format!("the token command '{}'", program.display());
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    let variables = [(SCOPE_VARIABLE, asking.scope)];
    let limit = asking.http.limits().command;
    let failed = |message: &str| asking.failed(ErrorKind::NotSignedIn, &name, message);
    let ran = program::run(program.as_os_str(), &arguments, &variables, limit)
        .await
        .map_err(|stuck| {
            failed(&stuck.to_string()).or_help(
                "run the command yourself: it must print a token and end by itself, without asking \
                 anything",
            )
        })?;
    if !ran.status.success() {
        let said = complaint(&ran.stderr);
        let about = Detail {
            service: name.clone(),
            what: asking.what(),
            ..Detail::default()
        };
        let told = Told::of_text(&format!("it ended with {}: {said}", ran.status));
        let error = told.into_error(ErrorKind::NotSignedIn, about);
        let no_token = NoToken { error, asked: None };
        return Err(no_token.or_help("run the command yourself and mend what it complains of"));
    }
    read(&ran.stdout, asking.http.clock().time_of_day()).map_err(|why| {
        let mut message = why.to_owned();
        let said = complaint(&ran.stderr);
        if !said.is_empty() {
            message.push_str("; on stderr: ");
            message.push_str(&said);
        }
        failed(&message).or_help(
            "it must print a token alone, or the JSON of `az account get-access-token`, and nothing \
             else; words for people belong on its stderr",
        )
    })
}

/// Reads what was printed, at this moment of the machine's clock. The errors say what is wrong with
/// it and quote nothing, because it may be a token.
fn read(printed: &[u8], now: Timestamp) -> Result<Fetched, &'static str> {
    let text = std::str::from_utf8(printed).map_err(|_| "what it printed is not text")?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err("it printed nothing");
    }
    let (token, ends) = if text.starts_with('{') {
        let json: Value =
            serde_json::from_str(text).map_err(|_| "what it printed is not whole JSON")?;
        let token = ["accessToken", "access_token"]
            .iter()
            .find_map(|member| json[member].as_str())
            .ok_or("the JSON that it printed has no accessToken")?;
        (token.to_owned(), end(&json, now))
    } else {
        (text.to_owned(), None)
    };
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("what it printed is not one token");
    }
    let ends = ends.or_else(|| Some(Duration::from_secs(Claims::read(&token)?.expires?)));
    let now = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or_default());
    Ok(Fetched {
        token: SecretString::from(token),
        // An end that lies behind says that the two clocks differ, or that the token is old. The
        // service decides, and its refusal is told.
        life: ends
            .and_then(|ends| ends.checked_sub(now))
            .filter(|life| !life.is_zero()),
    })
}

/// When the token ends, since 1970: `expires_on` in seconds, `expiresOn` with an offset, or
/// `expires_in` from now. The CLI's `expiresOn` of old has no offset and is a time of the machine's
/// zone, so it tells nothing.
fn end(json: &Value, now: Timestamp) -> Option<Duration> {
    let on = || {
        let text = json["expiresOn"].as_str()?;
        let moment: Timestamp = text.parse().ok()?;
        u64::try_from(moment.as_second()).ok()
    };
    let from_now = || {
        let now = u64::try_from(now.as_second()).ok()?;
        seconds(json.get("expires_in"))?.as_secs().checked_add(now)
    };
    seconds(json.get("expires_on")).or_else(|| on().or_else(from_now).map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::identity::claims::token_of;
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn life(printed: &str) -> Option<u64> {
        let now = Timestamp::from_second(NOW).unwrap();
        let fetched = read(printed.as_bytes(), now).unwrap();
        fetched.life.map(|life| life.as_secs())
    }

    #[test]
    fn a_token_stands_alone_or_in_the_clis_json() {
        let now = Timestamp::from_second(NOW).unwrap();
        for printed in [
            "abc.def\n",
            "\u{feff}abc.def\r\n",
            r#"{"accessToken":"abc.def","expiresOn":"2027-01-15 09:00:00.000000","tokenType":"Bearer"}"#,
            r#"{"access_token":"abc.def"}"#,
        ] {
            let fetched = read(printed.as_bytes(), now).unwrap();
            assert_eq!(fetched.token.expose_secret(), "abc.def", "{printed}");
            assert_eq!(fetched.life, None, "{printed}");
        }
    }

    #[test]
    fn its_life_is_told_by_the_json_or_by_the_token_itself() {
        let on = NOW + 3600;
        let with = |member: &str, value: Value| {
            let mut json = json!({"accessToken": "a"});
            json[member] = value;
            json.to_string()
        };
        assert_eq!(life(&with("expires_on", json!(on))), Some(3600));
        assert_eq!(life(&with("expires_on", json!(on.to_string()))), Some(3600));
        assert_eq!(life(&with("expires_in", json!(1200))), Some(1200));
        let text = Timestamp::from_second(on).unwrap().to_string();
        assert_eq!(life(&with("expiresOn", json!(text))), Some(3600));
        let token = token_of(&json!({"exp": NOW + 900}));
        assert_eq!(life(&token), Some(900));
        assert_eq!(life(&with("accessToken", json!(token))), Some(900));
        assert_eq!(life(&token_of(&json!({"exp": NOW - 5}))), None);
    }

    #[test]
    fn rubbish_is_told_from_a_token_and_is_never_quoted() {
        let now = Timestamp::from_second(NOW).unwrap();
        for (printed, why) in [
            ("", "printed nothing"),
            (" \n", "printed nothing"),
            ("please sign in first", "not one token"),
            ("one\ntwo", "not one token"),
            ("{\"accessToken\":\"to", "not whole JSON"),
            ("{\"token\":\"x\"}", "no accessToken"),
            ("{\"accessToken\":\"\"}", "not one token"),
        ] {
            let said = read(printed.as_bytes(), now).unwrap_err();
            assert!(said.contains(why), "{printed}: {said}");
        }
        assert!(read(b"\xff\xfe", now).unwrap_err().contains("not text"));
    }
}
