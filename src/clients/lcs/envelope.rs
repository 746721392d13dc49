//! What every answer is wrapped in: `IsSuccess`, `OperationActivityId`, `ErrorMessage`, `VersionEOL`.
//!
//! The status is 200 whatever happened, unless signing in failed or a limit was met: success is
//! `IsSuccess`. Field names are read without regard to case: the pages and the answers disagree.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::Response;

/// The year that `VersionEOL` names while the service's version has no end.
const NO_END: &str = "9999-";

/// An answer that says it went well.
#[derive(Debug)]
pub(super) struct Envelope {
    /// The id of the call. For the trigger of an operation it is the operation's id as well.
    pub(super) call: Option<String>,
    /// When this version of the service ends, where that is known.
    pub(super) end_of_life: Option<String>,
    /// All of it.
    pub(super) body: Value,
}

impl Envelope {
    /// Opens an answer. One that says that it did not go well is [`ErrorKind::Refused`], and one that
    /// says neither is of the kind `unclear`: for a read that is [`ErrorKind::Malformed`], for a
    /// trigger [`ErrorKind::Ambiguous`].
    pub(super) fn open(answer: &Response, unclear: ErrorKind) -> Result<Self, Error> {
        let body = answer.maybe_value().unwrap_or_default();
        match field(&body, "IsSuccess").and_then(Value::as_bool) {
            Some(true) => Ok(Self {
                call: text(&body, "OperationActivityId"),
                end_of_life: text(&body, "VersionEOL").filter(|end| !end.starts_with(NO_END)),
                body,
            }),
            Some(false) => {
                let said = text(&body, "ErrorMessage");
                let said = said.unwrap_or_else(|| "it gives no reason".to_owned());
                Err(answer.error(ErrorKind::Refused, &said))
            }
            None => {
                let why = "its answer says neither that it went well nor that it did not";
                Err(answer.error(unclear, why))
            }
        }
    }
}

/// The refusal of a trigger whose quota is spent, as the service words it (Microsoft Learn, *Database
/// movement API*, throttling): so many operations in 24 hours, counted from here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// How many operations a day holds.
    pub limit: usize,
    /// When the oldest that counts began.
    pub from: Timestamp,
}

impl Quota {
    /// Reads `Maximum allowed API operations are 3 from 2019-09-30T04:01:01.9999999`; none where a
    /// text says something else.
    pub fn read(message: &str) -> Option<Self> {
        let (_, rest) = message.split_once("Maximum allowed API operations are ")?;
        let mut words = rest.split_whitespace();
        let limit = words.next()?.parse().ok()?;
        let from = words.next().filter(|word| *word == "from");
        let from = from.and_then(|_| words.next())?;
        let from = from.trim_end_matches(['.', ',']);
        Some(Self {
            limit,
            from: lcs_time(from)?,
        })
    }
}

/// A time as the service writes it: UTC, most often without saying so.
pub fn lcs_time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let time = text.parse::<DateTime>().ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// A field, whatever the case of its name.
pub(super) fn field<'body>(body: &'body Value, name: &str) -> Option<&'body Value> {
    let members: &Map<String, Value> = body.as_object()?;
    let found = members
        .iter()
        .find(|(member, _)| member.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
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
    fn the_quotas_message_is_read_and_no_other() {
        let quota =
            Quota::read("Maximum allowed API operations are 3 from 2019-09-30T04:01:01.9999999");
        let from = "2019-09-30T04:01:01.9999999Z".parse().unwrap();
        assert_eq!(quota, Some(Quota { limit: 3, from }));
        for other in [
            "Another operation is in progress on the target environment.",
            "Maximum allowed API operations are many from 2019-09-30T04:01:01",
            "Maximum allowed API operations are 3",
        ] {
            assert_eq!(Quota::read(other), None, "{other}");
        }
    }

    #[test]
    fn times_are_utc_whether_they_say_so_or_not() {
        let time = "2026-02-14T03:17:48.87Z".parse().ok();
        assert_eq!(lcs_time("2026-02-14T03:17:48.87"), time);
        assert_eq!(lcs_time("2026-02-14T03:17:48.87Z"), time);
        assert_eq!(lcs_time("4/1/2024 9:35 PM"), None);
    }
}
