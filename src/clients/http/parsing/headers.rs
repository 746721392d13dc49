//! Response headers: how long to wait, and the server's date.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap};

/// How long a service asks to wait: `x-ms-retry-after-ms` and `retry-after-ms` in milliseconds, or
/// `Retry-After` in seconds (also with a fraction) or as an HTTP date, which is compared with the
/// `Date` of the same response, never with our clock.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| text(name)?.parse::<f64>().ok();
    let milliseconds = number("x-ms-retry-after-ms").or_else(|| number("retry-after-ms"));
    if let Some(milliseconds) = milliseconds {
        return seconds(milliseconds / 1_000.0);
    }
    if let Some(delay) = number("retry-after") {
        return seconds(delay);
    }
    let until = httpdate::parse_http_date(text("retry-after")?).ok()?;
    let now = httpdate::parse_http_date(text("date")?).ok()?;
    Some(at_most_a_year(
        until.duration_since(now).unwrap_or_default(),
    ))
}

/// The server's `Date`.
pub(crate) fn server_date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

/// A duration from a number of seconds. A negative number is zero; NaN is `None`.
fn seconds(number: f64) -> Option<Duration> {
    if number.is_nan() {
        return None;
    }
    Some(Duration::try_from_secs_f64(number.max(0.0)).map_or(MAX_RETRY_AFTER, at_most_a_year))
}

/// A service may send any number of seconds. Longer delays are capped, so that adding one to a time
/// cannot overflow; no request waits that long.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24 * 365);

fn at_most_a_year(delay: Duration) -> Duration {
    delay.min(MAX_RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delay(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        let map = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        retry_after(&map)
    }

    #[test]
    fn every_form_of_retry_after_is_parsed() {
        let seconds = |s| Some(Duration::from_secs_f64(s));
        assert_eq!(delay(&[("retry-after", "27")]), seconds(27.0));
        assert_eq!(delay(&[("retry-after", " 1.5 ")]), seconds(1.5));
        assert_eq!(delay(&[("retry-after", "-3")]), seconds(0.0));
        assert_eq!(delay(&[("retry-after-ms", "250")]), seconds(0.25));
        assert_eq!(
            delay(&[("x-ms-retry-after-ms", "1500"), ("retry-after", "27")]),
            seconds(1.5)
        );
        assert_eq!(delay(&[("retry-after", "soon")]), None);
        assert_eq!(delay(&[("retry-after", "NaN")]), None);
        assert_eq!(delay(&[]), None);
    }

    #[test]
    fn a_delay_beyond_the_clocks_range_is_capped() {
        for text in ["1e300", "inf", "18446744073709551615", "9e18"] {
            let mut map = HeaderMap::new();
            map.insert("retry-after", text.parse().unwrap());
            assert_eq!(retry_after(&map), Some(MAX_RETRY_AFTER), "{text}");
        }
        let until = ("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT");
        let date = ("date", "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(delay(&[until, date]), Some(MAX_RETRY_AFTER));
    }

    proptest::proptest! {
        #[test]
        fn no_header_value_makes_a_delay_that_overflows(
            name in proptest::sample::select(vec!["retry-after", "retry-after-ms", "x-ms-retry-after-ms"]),
            text in "[-+]?[0-9]{0,25}[.]?[0-9]{0,5}(e[-+]?[0-9]{1,4})?|inf|nan|[ -~]{0,20}",
        ) {
            let mut map = HeaderMap::new();
            map.insert(name, text.parse().unwrap());
            let delay = retry_after(&map).unwrap_or_default();
            proptest::prop_assert!(delay <= MAX_RETRY_AFTER);
        }
    }

    #[test]
    fn a_date_is_compared_with_the_date_of_the_same_response() {
        let until = ("retry-after", "Fri, 01 Jan 2038 00:01:30 GMT");
        let date = ("date", "Fri, 01 Jan 2038 00:00:00 GMT");
        assert_eq!(delay(&[until, date]), Some(Duration::from_secs(90)));
        assert_eq!(delay(&[until]), None);
        let rfc850 = ("retry-after", "Friday, 01-Jan-38 00:00:20 GMT");
        assert_eq!(delay(&[rfc850, date]), Some(Duration::from_secs(20)));
        let past = ("retry-after", "Thu, 31 Dec 2037 00:00:00 GMT");
        assert_eq!(delay(&[past, date]), Some(Duration::ZERO));
    }
}
