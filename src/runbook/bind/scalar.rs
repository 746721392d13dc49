//! Single values: texts, words of a list, truth values, numbers, GUIDs, durations, addresses.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::SignedDuration;
use url::{Host, ParseError, Url};
use uuid::Uuid;

use super::{Binder, Field, unknown_choice};
use crate::runbook::model::words::{self, Word};
use crate::runbook::source::Located;
use crate::runbook::tree::Content;

/// No wait of a refresh is longer; past this, somebody has mistaken a unit.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// The highest speed that is taken; past this, somebody has mistaken a unit.
pub(in crate::runbook) const HIGHEST_NUMBER: f64 = 1e6;

/// The lowest number: of a clock, a second in 100 seconds.
pub(in crate::runbook) const LOWEST_NUMBER: f64 = 0.01;

/// A text that is not empty, as it is written: `0123` stays `0123`.
pub(super) fn text(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<String>> {
    let value = any_text(binder, field)?;
    if value.trim().is_empty() {
        let message = format!("{} is empty", field.title());
        binder.error(field.span(), message, "write its value");
        return None;
    }
    Some(value)
}

/// A text that may be empty.
pub(super) fn any_text(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<String>> {
    let Content::Text { text, .. } = &field.node.content else {
        binder.wrong_kind(field, "a text", "write one text");
        return None;
    };
    Some(Located::new(text.clone(), field.node.span))
}

/// A word of a fixed list.
pub(super) fn word<W: Word>(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<W>> {
    let allowed = || format!("allowed: {}", words::listed::<W>());
    let Content::Text { text: given, .. } = &field.node.content else {
        binder.wrong_kind(field, "a word", &allowed());
        return None;
    };
    if let Some(choice) = words::find(given) {
        return Some(Located::new(choice, field.node.span));
    }
    let words: Vec<&str> = W::ALL.iter().map(|choice| choice.word()).collect();
    unknown_choice(binder, field, given, &words, &allowed());
    None
}

/// `true` or `false`, without quotes, in the three spellings of YAML's core schema.
pub(super) fn boolean(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<bool>> {
    let value = match plain_text(field) {
        Some("true" | "True" | "TRUE") => Some(true),
        Some("false" | "False" | "FALSE") => Some(false),
        _ => None,
    };
    if value.is_none() {
        let help = "write `true` or `false`, without quotes";
        binder.not_a(field, "a truth value", help);
    }
    Some(Located::new(value?, field.node.span))
}

/// A whole number within bounds, without quotes.
pub(super) fn whole_number(
    binder: &mut Binder<'_>,
    field: Field<'_>,
    bounds: RangeInclusive<u64>,
) -> Option<Located<u64>> {
    let number = plain_text(field)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|number| bounds.contains(number));
    if number.is_none() {
        let wanted = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let help = format!("write {wanted}, without quotes");
        binder.not_a(field, &wanted, &help);
    }
    Some(Located::new(number?, field.node.span))
}

/// A number above nothing, such as `1000` or `0.5`.
pub(super) fn positive_number(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<f64>> {
    let number = plain_text(field)
        .and_then(|text| text.parse::<f64>().ok())
        .filter(|number| (LOWEST_NUMBER..=HIGHEST_NUMBER).contains(number));
    if number.is_none() {
        let wanted = "a number from 0.01 to 1000000";
        binder.not_a(field, wanted, &format!("write {wanted}, without quotes"));
    }
    Some(Located::new(number?, field.node.span))
}

/// A GUID in the form with hyphens. The GUID of zeros is a place that nobody filled in.
pub(super) fn guid(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<Uuid>> {
    let help = "write it as `01234567-89ab-cdef-0123-456789abcdef`";
    let Content::Text { text: given, .. } = &field.node.content else {
        binder.wrong_kind(field, "a GUID", help);
        return None;
    };
    match parse_guid(given) {
        Some(id) if id.is_nil() => {
            let message = format!("{} is the GUID of zeros", field.title());
            binder.error(field.node.span, message, "write the real one");
            None
        }
        Some(id) => {
            binder.hidden.reveal(field.node.span);
            Some(Located::new(id, field.node.span))
        }
        None => {
            // An address or a pair of braces around a GUID: it is shown, unless it may be a secret.
            let inner = guid_within(given).filter(|_| !binder.hidden.covers(field.node.span));
            let help = match inner {
                Some(_) if given.starts_with("Default-") => {
                    "this is the tenant's default environment, which is never refreshed: choose \
                     another"
                        .to_owned()
                }
                Some(id) => format!("write `{id}`"),
                None => help.to_owned(),
            };
            binder.not_a(field, "a GUID", &help);
            None
        }
    }
}

/// The first GUID inside a longer text.
fn guid_within(given: &str) -> Option<&str> {
    (0..given.len().saturating_sub(35))
        .filter_map(|at| given.get(at..at + 36))
        .find(|part| parse_guid(part).is_some())
}

/// A GUID in the form with hyphens, and in no other.
pub(in crate::runbook) fn parse_guid(given: &str) -> Option<Uuid> {
    Uuid::parse_str(given).ok().filter(|_| given.len() == 36)
}

/// A length of time: hours, minutes and seconds, each a whole number with its unit, in this order;
/// `90s`, `45m`, `24h`, `1h 30m`, or as ISO 8601 has it, `PT24H`. The schema has the same pattern.
pub(super) fn duration(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Duration> {
    let Content::Text { text: given, .. } = &field.node.content else {
        binder.wrong_kind(field, "a length of time", "write it as `45m` or `24h`");
        return None;
    };
    if !has_units_in_order(given) {
        binder.not_a(field, "a length of time", &duration_help(given));
        return None;
    }
    let duration = given
        .parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| (Duration::from_secs(1)..=LONGEST).contains(duration));
    if duration.is_none() {
        binder.not_a(
            field,
            "between `1s` and `720h`",
            "write it as `45m` or `24h`",
        );
    }
    duration
}

fn has_units_in_order(given: &str) -> bool {
    let (mut rest, units, blank) = match given.strip_prefix("PT") {
        Some(rest) => (rest, ['H', 'M', 'S'], ""),
        None => (given, ['h', 'm', 's'], " "),
    };
    if !rest.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    for unit in units {
        let number = rest.strip_prefix(blank).unwrap_or(rest);
        let after = number.trim_start_matches(|c: char| c.is_ascii_digit());
        if after.len() < number.len()
            && let Some(after) = after.strip_prefix(unit)
        {
            rest = after;
        }
    }
    rest.is_empty()
}

/// Days are refused because a day is not always 24 hours; the help says what is meant instead.
fn duration_help(given: &str) -> String {
    let digits: String = given.chars().take_while(char::is_ascii_digit).collect();
    let unit = given[digits.len()..].trim().to_ascii_lowercase();
    match (digits.parse::<u64>(), unit.as_str()) {
        (Ok(days), "d" | "day" | "days") if (1..=30).contains(&days) => {
            format!("write `{}h`", days * 24)
        }
        (Ok(hours), "hr" | "hrs" | "hour" | "hours") if (1..=720).contains(&hours) => {
            format!("write `{hours}h`")
        }
        (Ok(minutes), "min" | "mins" | "minute" | "minutes") if (1..=43_200).contains(&minutes) => {
            format!("write `{minutes}m`")
        }
        (Ok(seconds), "sec" | "secs" | "second" | "seconds")
            if (1..=2_592_000).contains(&seconds) =>
        {
            format!("write `{seconds}s`")
        }
        (Ok(number), "") if number > 0 => format!("write its unit: `{number}m` or `{number}h`"),
        _ => "write it as `90s`, `45m` or `24h`, from `1s` to `720h`".to_owned(),
    }
}

/// An origin: `https://host`, or `http://` on loopback, with nothing after host and port.
pub(super) fn origin(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<Url>> {
    let value = text(binder, field)?;
    let url = match Url::parse(&value) {
        Ok(url) => url,
        Err(error) => {
            let help = match (error, binder.shown(value.span, &value)) {
                (ParseError::RelativeUrlWithoutBase, Some(host)) => {
                    format!("write `https://{}", host.trim_start_matches('`'))
                }
                (ParseError::RelativeUrlWithoutBase, None) => "write it as `https://host`".into(),
                (error, _) => format!("{error}; write it as `https://host`"),
            };
            binder.not_a(field, "an address", &help);
            return None;
        }
    };
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let message = match url.scheme() {
        "https" | "http" if !url.username().is_empty() || url.password().is_some() => {
            binder.hidden.hide(field.node.span);
            "an address takes no user and no password"
        }
        "http" if !is_loopback(&url) => "`http:` is taken for this machine's own addresses only",
        "https" | "http" if !bare => "an address ends with its host or port",
        "https" | "http" => return Some(Located::new(url, value.span)),
        _ => "this is neither an `https:` nor an `http:` address",
    };
    let help = match url.host_str() {
        Some(host) => format!("write `https://{host}`"),
        None => "write it as `https://host`".to_owned(),
    };
    binder.error(field.node.span, message, help);
    None
}

/// Whether an address is this machine's own.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A list of texts, none of them empty.
pub(super) fn texts(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Vec<Located<String>>> {
    let items = binder.items(field, "write it as `[one, another]`")?;
    let bound: Vec<Option<Located<String>>> = items
        .iter()
        .map(|item| text(binder, field.item(item)))
        .collect();
    bound.into_iter().collect()
}

/// A scalar that stands without quotes.
pub(super) fn plain_text(field: Field<'_>) -> Option<&str> {
    match &field.node.content {
        Content::Text { text, plain: true } => Some(text),
        _ => None,
    }
}
