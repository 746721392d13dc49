//! Lifetimes and moments in token responses.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::clients::http::server_date;

/// The maximum of a moment since 1970 and of a lifetime, in seconds (the year 2286), because a
/// server may write any number.
const MAX_SECONDS: u64 = 9_999_999_999;

/// Seconds, as a number or as text, capped at [`MAX_SECONDS`].
pub(super) fn parse_seconds(value: Option<&Value>) -> Option<Duration> {
    let seconds = match value? {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Some(Duration::from_secs(seconds.min(MAX_SECONDS)))
}

/// How long a token is valid from its response. `expires_on` (seconds since 1970) is compared with
/// the `Date` of the same response, because a machine's cache may return a token long after its
/// issue, and its `expires_in` counts from the issue (Microsoft Learn, *How to use managed
/// identities on a virtual machine*). The sign-in service itself sends `expires_in` only.
pub(super) fn response_lifetime(headers: &HeaderMap, body: &[u8]) -> Option<Duration> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let until = parse_seconds(body.get("expires_on"))
        .zip(server_date(headers))
        .map(|(end, date)| {
            let end = UNIX_EPOCH.checked_add(end).unwrap_or(date);
            duration_between(date, end)
        });
    until.or_else(|| parse_seconds(body.get("expires_in")))
}

/// Zero if `end` is not after `start`.
fn duration_between(start: SystemTime, end: SystemTime) -> Duration {
    end.duration_since(start).unwrap_or_default()
}

/// The members of a token response that are lifetimes or moments, in seconds (RFC 6749, section
/// 5.1; Microsoft Learn, *Microsoft identity platform and OAuth 2.0 client credentials flow* and
/// *How to use managed identities on a virtual machine*).
const TIMES: [&str; 6] = [
    "expires_in",
    "ext_expires_in",
    "refresh_in",
    "expires_on",
    "ext_expires_on",
    "not_before",
];

/// The body of a token response with out-of-range times capped: the library adds them to the time
/// of day, and its addition panics on overflow. Every other body is unchanged.
pub(super) fn cap_times(body: Bytes) -> Bytes {
    let Ok(Value::Object(mut members)) = serde_json::from_slice(&body) else {
        return body;
    };
    let mut is_changed = false;
    for name in TIMES {
        let Some(value) = members.get_mut(name) else {
            continue;
        };
        let number = match &*value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse::<f64>().ok(),
            _ => None,
        };
        #[expect(clippy::cast_precision_loss, reason = "the bound is exact as an f64")]
        let max = MAX_SECONDS as f64;
        let capped = match number {
            Some(number) if number > max => MAX_SECONDS,
            Some(number) if number < 0.0 => 0,
            _ => continue,
        };
        *value = match &*value {
            Value::String(_) => capped.to_string().into(),
            _ => capped.into(),
        };
        is_changed = true;
    }
    if !is_changed {
        return body;
    }
    serde_json::to_vec(&members).map_or(body, Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_time_in_a_response_is_out_of_range(
            name in proptest::sample::select(TIMES.to_vec()),
            number in "-?[1-9][0-9]{0,40}(\\.[0-9]{1,3})?(e[1-9][0-9]?)?",
            quoted: bool,
        ) {
            let written = if quoted { format!("\"{number}\"") } else { number };
            let body = format!("{{\"access_token\":\"t\",\"{name}\":{written}}}");
            let capped = cap_times(Bytes::from(body));
            let parsed: Value = serde_json::from_slice(&capped).unwrap();
            let time = match &parsed[name] {
                Value::String(text) => text.parse::<f64>().unwrap(),
                number => number.as_f64().unwrap(),
            };
            proptest::prop_assert!((0.0..=1e10).contains(&time), "{time}");
            proptest::prop_assert_eq!(parsed["access_token"].as_str(), Some("t"));
        }
    }

    #[test]
    fn a_body_within_range_is_unchanged_byte_for_byte() {
        for body in [
            "",
            "{",
            "[1]",
            "{ \"expires_in\" : 3599, \"expires_on\":\"1900000000\" }",
        ] {
            let kept = cap_times(Bytes::from(body));
            assert_eq!(kept, body.as_bytes());
        }
    }
}
