//! What every response is wrapped in: `IsSuccess`, `OperationActivityId`, `ErrorMessage`,
//! `VersionEOL`.
//!
//! The status is 200 unless the sign-in failed or a limit was exceeded: success is `IsSuccess`.
//! Field names are case-insensitive, because the documentation and the responses differ.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::Response;
use crate::clients::json::field_any_case;

/// The year in `VersionEOL` while the service's version has no end.
const NO_END: &str = "9999-";

/// A response that reports success.
#[derive(Debug)]
pub(super) struct Envelope {
    /// The id of the call. For the trigger of an operation it is also the operation's id.
    pub(super) call: Option<String>,
    /// When this version of the service ends, if that is known.
    pub(super) end_of_life: Option<String>,
    /// The whole body.
    pub(super) body: Value,
}

impl Envelope {
    /// Opens a response. A failure is [`ErrorKind::Refused`]; a response that reports neither
    /// success nor failure is of the kind `unclear`: [`ErrorKind::Malformed`] for a read,
    /// [`ErrorKind::Ambiguous`] for a trigger.
    pub(super) fn open(response: &Response, unclear: ErrorKind) -> Result<Self, Error> {
        let body = response.maybe_value().unwrap_or_default();
        match field(&body, "IsSuccess").and_then(Value::as_bool) {
            Some(true) => Ok(Self {
                call: text(&body, "OperationActivityId"),
                end_of_life: text(&body, "VersionEOL").filter(|end| !end.starts_with(NO_END)),
                body,
            }),
            Some(false) => {
                let message = text(&body, "ErrorMessage");
                let message = message.unwrap_or_else(|| "it gives no reason".to_owned());
                Err(response.error(ErrorKind::Refused, &message))
            }
            None => {
                let why = "its response reports neither success nor failure";
                Err(response.error(unclear, why))
            }
        }
    }
}

/// The limit of operations in 24 hours, from the service's message when it is used up (Microsoft
/// Learn, *Database movement API*, throttling).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// The number of operations in 24 hours.
    pub limit: usize,
    /// When the oldest operation that counts started.
    pub from: Timestamp,
}

impl Quota {
    /// Parses `Maximum allowed API operations are 3 from 2019-09-30T04:01:01.9999999`; `None` for
    /// other texts.
    pub fn parse(message: &str) -> Option<Self> {
        let (_, rest) = message.split_once("Maximum allowed API operations are ")?;
        let mut words = rest.split_whitespace();
        let limit = words.next()?.parse().ok()?;
        let from = words.next().filter(|word| *word == "from");
        let from = from.and_then(|_| words.next())?;
        let from = from.trim_end_matches(['.', ',']);
        Some(Self {
            limit,
            from: parse_lcs_time(from)?,
        })
    }
}

/// Parses a time of the service: UTC, usually without an offset.
pub fn parse_lcs_time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let time = text.parse::<DateTime>().ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// A field, regardless of the case of its name.
pub(super) fn field<'body>(body: &'body Value, name: &str) -> Option<&'body Value> {
    field_any_case(body.as_object()?, name)
}

/// A field that is a text and not empty.
pub(super) fn text(body: &Value, name: &str) -> Option<String> {
    let text = field(body, name)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_message_of_a_used_up_quota_is_parsed() {
        let quota =
            Quota::parse("Maximum allowed API operations are 3 from 2019-09-30T04:01:01.9999999");
        let from = "2019-09-30T04:01:01.9999999Z".parse().unwrap();
        assert_eq!(quota, Some(Quota { limit: 3, from }));
        for other in [
            "Another operation is in progress on the target environment.",
            "Maximum allowed API operations are many from 2019-09-30T04:01:01",
            "Maximum allowed API operations are 3",
        ] {
            assert_eq!(Quota::parse(other), None, "{other}");
        }
    }

    #[test]
    fn times_are_utc_with_and_without_an_offset() {
        let time = "2026-02-14T03:17:48.87Z".parse().ok();
        assert_eq!(parse_lcs_time("2026-02-14T03:17:48.87"), time);
        assert_eq!(parse_lcs_time("2026-02-14T03:17:48.87Z"), time);
        assert_eq!(parse_lcs_time("4/1/2024 9:35 PM"), None);
    }
}
