//! Single values: texts, words of a list, truth values, numbers, GUIDs, durations, addresses.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::SignedDuration;
use url::{Host, Url};
use uuid::Uuid;

use super::{Binder, Field, unknown_choice};
use crate::runbook::model::words::{self, Word};
use crate::runbook::source::Located;
use crate::runbook::tree::Content;

/// No wait of a refresh is longer; past this, somebody has mistaken a unit.
const LONGEST: Duration = Duration::from_hours(30 * 24);

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

/// `true` or `false`, without quotes.
pub(super) fn boolean(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<bool>> {
    let value = plain_text(field).and_then(|text| text.parse::<bool>().ok());
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
        .filter(|number| *number > 0.0 && *number <= 1e6);
    if number.is_none() {
        let wanted = "a number above 0 and up to 1000000";
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
            binder.not_a(field, "a GUID", help);
            None
        }
    }
}

/// A GUID in the form with hyphens, and in no other.
pub(super) fn parse_guid(given: &str) -> Option<Uuid> {
    Uuid::parse_str(given).ok().filter(|_| given.len() == 36)
}

/// A length of time with its unit: `90s`, `45m`, `24h`, `1h 30m`, `PT24H`.
pub(super) fn duration(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Duration> {
    let Content::Text { text: given, .. } = &field.node.content else {
        binder.wrong_kind(field, "a length of time", "write it as `45m` or `24h`");
        return None;
    };
    let duration = given
        .parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| (Duration::from_secs(1)..=LONGEST).contains(duration));
    if duration.is_none() {
        binder.not_a(field, "a length of time", &duration_help(given));
    }
    duration
}

/// Days are refused because a day is not always 24 hours; the help says what is meant instead.
fn duration_help(given: &str) -> String {
    let digits: String = given.chars().take_while(char::is_ascii_digit).collect();
    let unit = given[digits.len()..].trim();
    match (digits.parse::<u64>(), unit) {
        (Ok(days), "d" | "day" | "days") if (1..=30).contains(&days) => {
            format!("write `{}h`", days * 24)
        }
        (Ok(number), "") if number > 0 => format!("write its unit: `{number}m` or `{number}h`"),
        _ => "write it as `90s`, `45m` or `24h`, from `1s` to `720h`".to_owned(),
    }
}

/// An origin: `https://host`, or `http://` on loopback, with nothing after host and port.
pub(super) fn origin(binder: &mut Binder<'_>, field: Field<'_>) -> Option<Located<Url>> {
    let value = text(binder, field)?;
    let Ok(url) = Url::parse(&value) else {
        binder.not_a(field, "an address", "write it as `https://host`");
        return None;
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

fn plain_text(field: Field<'_>) -> Option<&str> {
    match &field.node.content {
        Content::Text { text, plain: true } => Some(text),
        _ => None,
    }
}
