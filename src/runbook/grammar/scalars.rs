//! Single values: texts, keywords, booleans, numbers, GUIDs, users, durations, addresses. A scalar is
//! kept as the text that was written, and a number or a boolean is accepted where a text is
//! expected; a schema sees values as YAML resolves them, so there a text is a string, a number or a
//! boolean.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Value, json};
use url::{Host, ParseError, Url};
use uuid::Uuid;

use super::kind::Kind;
use super::{Binder, Field};
use crate::runbook::model::keywords::{self, Keyword};
use crate::runbook::source::Located;

/// A GUID in the form with hyphens.
const GUID: &str = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";

/// An origin on loopback, where `http:` is allowed.
pub(in crate::runbook) const LOOPBACK: &str =
    "^[hH][tT][tT][pP][sS]?://(?:localhost|127(?:\\.[0-9]{1,3}){1,3}|\\[::1\\])(?::[0-9]{1,5})?/?$";

/// No wait of a refresh is longer; a longer one has a wrong unit.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// A text that is not empty, as it is written: `0123` stays `0123`.
pub(in crate::runbook) fn text() -> Kind<Located<String>> {
    let schema = || json!({ "type": ["string", "number", "boolean"], "pattern": "\\S" });
    Kind::new(read_text, schema)
}

fn read_text(binder: &mut Binder, field: Field<'_>) -> Option<Located<String>> {
    let value = read_any_text(binder, field)?;
    if value.trim().is_empty() {
        let message = format!("{} is empty", field.title());
        return binder.refuse(field.span(), message, "write its value");
    }
    Some(value)
}

/// A text that may be empty.
pub(in crate::runbook) fn any_text() -> Kind<Located<String>> {
    Kind::new(
        read_any_text,
        || json!({ "type": ["string", "number", "boolean"] }),
    )
}

fn read_any_text(binder: &mut Binder, field: Field<'_>) -> Option<Located<String>> {
    let Some(text) = field.text() else {
        return binder.wrong_type(field, "a string", "write one string");
    };
    Some(Located::new(text.to_owned(), field.node.span))
}

/// A text of a certain form. `schema` describes the form, `expected` names it for messages.
pub(in crate::runbook) fn text_matching(
    is_valid: fn(&str) -> bool,
    schema: fn() -> Value,
    expected: &'static str,
    help: &'static str,
) -> Kind<Located<String>> {
    let read = move |binder: &mut Binder, field: Field<'_>| {
        let text = read_text(binder, field)?;
        if is_valid(&text) {
            return Some(text);
        }
        binder.invalid(field, expected, help)
    };
    Kind::new(read, schema)
}

/// Is this a user principal name or an object id?
pub fn is_user(user: &str) -> bool {
    let is_name = user.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && domain.contains('.') && !user.contains(char::is_whitespace)
    });
    is_name || parse_guid(user).is_some()
}

/// A user by user principal name or object id.
pub(in crate::runbook) fn user() -> Kind<Located<String>> {
    let schema = || {
        let pattern = format!("^(?:{GUID}|[^@\\s]+@\\S*\\.\\S*)$");
        json!({ "type": "string", "pattern": pattern })
    };
    let help = "write a user principal name, `svc-iom@contoso.com`, or an object id";
    text_matching(
        is_user,
        schema,
        "a user principal name or an object id",
        help,
    )
}

/// An Entra tenant by its domain name or its GUID. It is not a secret.
pub(in crate::runbook) fn tenant() -> Kind<Located<String>> {
    let is_tenant = |tenant: &str| is_domain(tenant) || parse_guid(tenant).is_some();
    let schema = || {
        let label = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
        let last = "[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
        json!({ "type": "string", "pattern": format!("^(?:{GUID}|(?:{label}\\.)+{last})$") })
    };
    let help = "write it as `contoso.onmicrosoft.com`";
    text_matching(is_tenant, schema, "a domain name or a GUID", help)
        .and_then(|binder, _, tenant| {
            binder.hidden.reveal(tenant.span);
            Some(tenant)
        })
        .with_example("contoso.onmicrosoft.com")
}

/// Labels of letters, digits and hyphens, at least two of them, the last beginning with a letter.
fn is_domain(value: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    value.rsplit_once('.').is_some_and(|(labels, last)| {
        labels.split('.').all(is_label)
            && is_label(last)
            && last.starts_with(|c: char| c.is_ascii_alphabetic())
    })
}

/// A keyword of a fixed list.
pub(in crate::runbook) fn keyword<K: Keyword>() -> Kind<Located<K>> {
    let schema = || json!({ "enum": keywords::all_keywords::<K>() });
    Kind::new(read_keyword, schema).with_keywords(keywords::explain_keywords::<K>)
}

pub(in crate::runbook) fn read_keyword<K: Keyword>(
    binder: &mut Binder,
    field: Field<'_>,
) -> Option<Located<K>> {
    let word = read_word(binder, field, &keywords::all_keywords::<K>())?;
    keywords::find_keyword(word).map(|choice| Located::new(choice, field.node.span))
}

/// One of these words.
fn read_word<'a>(binder: &mut Binder, field: Field<'a>, words: &[&str]) -> Option<&'a str> {
    let allowed = || {
        let words = words.iter().copied();
        format!("allowed: {}", keywords::quoted_list(words))
    };
    let Some(given) = field.text() else {
        return binder.wrong_type(field, "a word", &allowed());
    };
    if words.contains(&given) {
        return Some(given);
    }
    binder.unknown_keyword(field, given, words, &allowed())
}

/// `true` or `false`, without quotes, in the three spellings of YAML's core schema.
pub(in crate::runbook) fn boolean() -> Kind<Located<bool>> {
    let read = |binder: &mut Binder, field: Field<'_>| {
        let value = match field.plain_text() {
            Some("true" | "True" | "TRUE") => Some(true),
            Some("false" | "False" | "FALSE") => Some(false),
            _ => binder.invalid(
                field,
                "a boolean",
                "write `true` or `false`, without quotes",
            ),
        };
        Some(Located::new(value?, field.node.span))
    };
    Kind::new(read, || json!({ "type": "boolean" }))
}

/// A whole number within limits, without quotes.
pub(in crate::runbook) fn whole_number(limits: RangeInclusive<u64>) -> Kind<Located<u64>> {
    let parse = |text: &str| {
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u64>().ok().filter(|_| is_digits)
    };
    number_within(limits, "whole number", "integer", parse)
}

/// A number within limits, without quotes, such as `1000` or `0.5`.
pub(in crate::runbook) fn number(limits: RangeInclusive<f64>) -> Kind<Located<f64>> {
    number_within(limits, "number", "number", |text| text.parse().ok())
}

fn number_within<N: PartialOrd + Copy + Display + Serialize + 'static>(
    limits: RangeInclusive<N>,
    name: &'static str,
    schema_type: &'static str,
    parse: fn(&str) -> Option<N>,
) -> Kind<Located<N>> {
    let (least, most) = limits.into_inner();
    let read = move |binder: &mut Binder, field: Field<'_>| {
        let number = field.plain_text().and_then(parse);
        let number = number.filter(|number| (least..=most).contains(number));
        let Some(number) = number else {
            let expected = format!("a {name} from {least} to {most}");
            let help = format!("write {expected}, without quotes");
            return binder.invalid(field, &expected, &help);
        };
        Some(Located::new(number, field.node.span))
    };
    let schema = move || json!({ "type": schema_type, "minimum": least, "maximum": most });
    Kind::new(read, schema)
}

/// A GUID in the form with hyphens. The GUID of zeros is a placeholder that nobody filled in. A
/// GUID is not a secret.
pub(in crate::runbook) fn guid() -> Kind<Located<Uuid>> {
    let schema = || {
        json!({
            "type": "string",
            "pattern": format!("^{GUID}$"),
            "not": { "const": Uuid::nil() },
        })
    };
    Kind::new(read_guid, schema).with_example("GUID")
}

fn read_guid(binder: &mut Binder, field: Field<'_>) -> Option<Located<Uuid>> {
    let help = "write it as `01234567-89ab-cdef-0123-456789abcdef`";
    let Some(given) = field.text() else {
        return binder.wrong_type(field, "a GUID", help);
    };
    match parse_guid(given) {
        Some(id) if id.is_nil() => {
            let message = format!("{} is the GUID of zeros", field.title());
            binder.refuse(field.node.span, message, "write the real one")
        }
        Some(id) => {
            binder.hidden.reveal(field.node.span);
            Some(Located::new(id, field.node.span))
        }
        None => {
            // A GUID inside an address or braces is shown, unless it may be a secret.
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
            binder.invalid(field, "a GUID", &help)
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

/// A duration: hours, minutes and seconds, each a whole number with its unit, in this order: `90s`,
/// `45m`, `24h`, `1h 30m`, or as ISO 8601 writes it, `PT24H`.
pub(in crate::runbook) fn duration() -> Kind<Duration> {
    let schema = || {
        let pattern = "^(?:(?=[0-9])(?:[0-9]+h)?(?: ?[0-9]+m)?(?: ?[0-9]+s)?\
                       |PT(?=[0-9])(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+S)?)$";
        json!({ "type": "string", "pattern": pattern })
    };
    Kind::new(read_duration, schema)
}

fn read_duration(binder: &mut Binder, field: Field<'_>) -> Option<Duration> {
    let help = "write it as `45m` or `24h`";
    let Some(given) = field.text() else {
        return binder.wrong_type(field, "a duration", help);
    };
    if !has_units_in_order(given) {
        return binder.invalid(field, "a duration", &duration_help(given));
    }
    let duration = given
        .parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| (Duration::from_secs(1)..=LONGEST).contains(duration));
    duration.or_else(|| binder.invalid(field, "between `1s` and `720h`", help))
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

/// Days are refused because a day is not always 24 hours; the help names the hours.
fn duration_help(given: &str) -> String {
    let digits: String = given.chars().take_while(char::is_ascii_digit).collect();
    let unit = given[digits.len()..].trim().to_ascii_lowercase();
    let number = digits.parse::<u64>().unwrap_or_default();
    let (number, unit, most) = match unit.as_str() {
        "d" | "day" | "days" => (number.saturating_mul(24), "h", 720),
        "hr" | "hrs" | "hour" | "hours" => (number, "h", 720),
        "min" | "mins" | "minute" | "minutes" => (number, "m", 43_200),
        "sec" | "secs" | "second" | "seconds" => (number, "s", 2_592_000),
        "" if number > 0 => return format!("write its unit: `{number}m` or `{number}h`"),
        _ => (0, "", 0),
    };
    if (1..=most).contains(&number) {
        return format!("write `{number}{unit}`");
    }
    "write it as `90s`, `45m` or `24h`, from `1s` to `720h`".to_owned()
}

/// An origin: `https://host`, or `http://` on loopback, with nothing after host and port.
pub(in crate::runbook) fn origin() -> Kind<Located<Url>> {
    let schema = || {
        let secure = "^[hH][tT][tT][pP][sS]://(?:[^\\s/?#@:\\\\<>^|%\\[\\]]+|\\[[0-9A-Fa-f:.]+\\])(?::[0-9]{1,5})?/?$";
        json!({ "type": "string", "anyOf": [{ "pattern": secure }, { "pattern": LOOPBACK }] })
    };
    Kind::new(read_origin, schema).with_example("https://host")
}

fn read_origin(binder: &mut Binder, field: Field<'_>) -> Option<Located<Url>> {
    let value = read_text(binder, field)?;
    let url = match Url::parse(&value) {
        Ok(url) => url,
        Err(error) => {
            let help = match (error, binder.quoted(value.span, &value)) {
                (ParseError::RelativeUrlWithoutBase, Some(host)) => {
                    format!("write `https://{}", host.trim_start_matches('`'))
                }
                (ParseError::RelativeUrlWithoutBase, None) => "write it as `https://host`".into(),
                (error, _) => format!("{error}; write it as `https://host`"),
            };
            return binder.invalid(field, "an address", &help);
        }
    };
    let Some(message) = origin_error(&url) else {
        return Some(Located::new(url, value.span));
    };
    if has_user(&url) {
        binder.hidden.hide(field.node.span);
    }
    let help = match url.host_str() {
        Some(host) => format!("write `https://{host}`"),
        None => "write it as `https://host`".to_owned(),
    };
    binder.refuse(field.node.span, message, help)
}

/// Why an address is not an origin that may be called.
pub(in crate::runbook) fn origin_error(url: &Url) -> Option<&'static str> {
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    match url.scheme() {
        "https" | "http" if has_user(url) => {
            Some("an address must not contain a user or a password")
        }
        "http" if !is_loopback(url) => {
            Some("`http:` is allowed only for this machine's own addresses")
        }
        "https" | "http" if !bare => Some("an address must end with its host or port"),
        "https" | "http" => None,
        _ => Some("an address must begin with `https:` or `http:`"),
    }
}

fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Whether an address is this machine's own.
pub(in crate::runbook) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
