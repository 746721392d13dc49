//! Which outcome may be sent again, and after how long.
//!
//! | Outcome | A read (GET) | A write |
//! |---|---|---|
//! | no connection: nothing was sent | again | again |
//! | 429: rejected unprocessed | again, after the gate | again, after the gate |
//! | 401: rejected unprocessed | once, with a new token | once, with a new token |
//! | 408, 500, 502, 503, 504, other 5xx | again | **ambiguous** |
//! | sent, but no whole answer: timeout, reset, cut off | again | **ambiguous** |
//! | anything else | final | final |
//!
//! 501 is final for both: it says that the service has no such function. A request that is sent at most
//! once (`Request::once`) ends with 401 and 429 too; which answers are a clear refusal of it is in
//! `Error::is_clear_refusal`.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use reqwest::header::HeaderMap;

use super::error_body::refusal;
use super::request::Request;
use super::response::Response;
use super::send::{Attempt, Sent};
use crate::clients::error::{Error, ErrorKind};

/// What follows from an attempt.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It ended well.
    Done(Box<Response>),
    /// The token was not accepted; with a new one the same may be sent once more.
    SignIn(Error),
    /// The limit is spent for everybody who shares it.
    Throttled(Option<Duration>, Error),
    /// The same may be sent again, after what the service asked to wait.
    Again(Option<Duration>, Error),
    /// It ended.
    Over(Error),
}

/// Judges an attempt by the table above. Takes the service's name, what was asked, and the request.
pub(super) fn judge(service: &str, what: &str, request: &Request, attempt: Attempt) -> Verdict {
    let Attempt { id, sent } = attempt;
    let failed = |kind, message: &str| Error::new(kind, service, what, message).with_request_id(id);
    let in_doubt = |error: Error| Verdict::Over(error.with_help(IN_DOUBT));
    match (sent, request.is_read()) {
        (Sent::Answered(response), is_read) => judge_status(response, is_read),
        (Sent::Never(why), _) if is_distrusted(&why) => {
            Verdict::Over(failed(ErrorKind::Configuration, &why).with_help(DISTRUSTED))
        }
        (Sent::Never(why), _) | (Sent::InDoubt(why), true) => {
            Verdict::Again(None, failed(ErrorKind::Unavailable, &why))
        }
        (Sent::Impossible(why), _) => Verdict::Over(failed(ErrorKind::Configuration, &why)),
        (Sent::TooLong(why), true) => Verdict::Over(failed(ErrorKind::Malformed, &why)),
        (Sent::Withheld, _) => Verdict::Over(failed(ErrorKind::Cancelled, WITHHELD)),
        (Sent::Stopped, true) => {
            Verdict::Over(failed(ErrorKind::Cancelled, "stopping was asked for"))
        }
        (Sent::InDoubt(why) | Sent::TooLong(why), false) => {
            in_doubt(failed(ErrorKind::Ambiguous, &why))
        }
        (Sent::Stopped, false) => {
            let why = "stopping was asked for before its answer came";
            in_doubt(failed(ErrorKind::Ambiguous, why))
        }
    }
}

/// Was there no connection because its certificate is not trusted? Waiting does not cure that.
pub(crate) fn is_distrusted(why: &str) -> bool {
    why.contains("invalid peer certificate")
}

/// What to do about a certificate that is not trusted.
pub(crate) const DISTRUSTED: &str = "this machine does not trust who answered: behind a proxy that \
                                     opens TLS, give its root in SSL_CERT_FILE; else look whether the \
                                     address is right and nobody stands between";

const WITHHELD: &str = "not sent, because what it does could not be recorded";

const IN_DOUBT: &str = "run again: it is read first what became of it";

fn judge_status(response: Box<Response>, is_read: bool) -> Verdict {
    let asked = retry_after(&response.headers);
    match response.status {
        200..=299 => Verdict::Done(response),
        401 => Verdict::SignIn(refusal(&response, ErrorKind::NotSignedIn)),
        429 => Verdict::Throttled(asked, refusal(&response, ErrorKind::Throttled)),
        408 | 500 | 502..=599 if is_read => {
            Verdict::Again(asked, refusal(&response, ErrorKind::Unavailable))
        }
        408 | 500 | 502..=599 => {
            let error = refusal(&response, ErrorKind::Ambiguous);
            Verdict::Over(error.with_help(IN_DOUBT))
        }
        403 => Verdict::Over(refusal(&response, ErrorKind::Forbidden)),
        404 | 410 => Verdict::Over(refusal(&response, ErrorKind::NotFound)),
        409 => Verdict::Over(refusal(&response, ErrorKind::Conflict)),
        412 => Verdict::Over(refusal(&response, ErrorKind::PreconditionFailed)),
        400..=499 | 501 => Verdict::Over(refusal(&response, ErrorKind::Refused)),
        _ => Verdict::Over(redirected(&response)),
    }
}

/// Redirects are off: none of these services redirects an authorized request, and a token must not
/// travel where a header points.
fn redirected(response: &Response) -> Error {
    let to = response.header("location").unwrap_or("nowhere");
    let to = to.split(['?', '#']).next().unwrap_or_default();
    let why = format!(
        "status {} to {to}: redirects are not followed",
        response.status
    );
    response.malformed(&why)
}

/// The delays between the attempts of one request.
#[derive(Debug)]
pub(crate) struct Backoff(ExponentialBackoff);

impl Backoff {
    /// For a request that is given up after so many attempts.
    pub(crate) fn new(tries: u32) -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(Duration::from_secs(1))
            .with_max_delay(Duration::from_mins(1))
            .with_max_times(tries.saturating_sub(1) as usize)
            .with_jitter();
        Self(delays.build())
    }

    /// How long to wait before the next attempt, in the program's time: the greater of what the
    /// service asked for and our own delay. The error itself when the attempts are spent, or when
    /// the service asks for more than is sat through.
    pub(crate) fn after(
        &mut self,
        asked: Option<Duration>,
        error: Error,
    ) -> Result<Duration, Error> {
        if let Some(asked) = asked.filter(|asked| *asked > LONGEST_WAIT) {
            return Err(error.with_help(come_back(asked)));
        }
        let Some(own) = self.0.next() else {
            return Err(error);
        };
        // A little more than was asked, and not the same for all who wait: our own delay is random.
        Ok(asked.map_or(own, |asked| own.max(asked + own / 20)))
    }
}

/// The longest wait that is worth sitting through. A service that asks for more is left alone: the
/// run ends as temporary, and running it again goes on.
pub(super) const LONGEST_WAIT: Duration = Duration::from_mins(15);

/// What to do where a service asks for a longer wait.
pub(super) fn come_back(asked: Duration) -> String {
    format!("run again in {} minutes", asked.as_secs().div_ceil(60))
}

/// How long a service asks to wait: `x-ms-retry-after-ms` and `retry-after-ms` in milliseconds, or
/// `Retry-After` in seconds (also with a fraction) or as an HTTP date, which is measured against the
/// same answer's own `Date`, never against our clock.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| text(name)?.parse::<f64>().ok();
    let milliseconds = number("x-ms-retry-after-ms").or_else(|| number("retry-after-ms"));
    if let Some(milliseconds) = milliseconds {
        return seconds(milliseconds / 1_000.0);
    }
    if let Some(asked) = number("retry-after") {
        return seconds(asked);
    }
    let until = httpdate::parse_http_date(text("retry-after")?).ok()?;
    let now = httpdate::parse_http_date(text("date")?).ok()?;
    Some(longest_asked(until.duration_since(now).unwrap_or_default()))
}

/// A duration of so many seconds; what is negative means at once, what is no number means nothing.
fn seconds(number: f64) -> Option<Duration> {
    if number.is_nan() {
        return None;
    }
    Some(Duration::try_from_secs_f64(number.max(0.0)).map_or(LONGEST_ASKED, longest_asked))
}

/// A service may ask for any number of seconds. Of what is longer only this much is reckoned with,
/// so that it can be added to a time; nobody waits for so long anyway.
const LONGEST_ASKED: Duration = Duration::from_hours(24 * 365);

fn longest_asked(asked: Duration) -> Duration {
    asked.min(LONGEST_ASKED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        let map = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        retry_after(&map)
    }

    #[test]
    fn every_form_of_retry_after_is_read() {
        let seconds = |s| Some(Duration::from_secs_f64(s));
        assert_eq!(asked(&[("retry-after", "27")]), seconds(27.0));
        assert_eq!(asked(&[("retry-after", " 1.5 ")]), seconds(1.5));
        assert_eq!(asked(&[("retry-after", "-3")]), seconds(0.0));
        assert_eq!(asked(&[("retry-after-ms", "250")]), seconds(0.25));
        assert_eq!(
            asked(&[("x-ms-retry-after-ms", "1500"), ("retry-after", "27")]),
            seconds(1.5)
        );
        assert_eq!(asked(&[("retry-after", "soon")]), None);
        assert_eq!(asked(&[("retry-after", "NaN")]), None);
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn a_wait_that_no_clock_can_hold_can_still_be_added_to_a_time() {
        for text in ["1e300", "inf", "18446744073709551615", "9e18"] {
            let mut map = HeaderMap::new();
            map.insert("retry-after", text.parse().unwrap());
            assert_eq!(retry_after(&map), Some(LONGEST_ASKED), "{text}");
        }
        let until = ("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT");
        let date = ("date", "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(asked(&[until, date]), Some(LONGEST_ASKED));
    }

    proptest::proptest! {
        #[test]
        fn no_text_in_a_header_makes_a_wait_that_overflows(
            name in proptest::sample::select(vec!["retry-after", "retry-after-ms", "x-ms-retry-after-ms"]),
            text in "[-+]?[0-9]{0,25}[.]?[0-9]{0,5}(e[-+]?[0-9]{1,4})?|inf|nan|[ -~]{0,20}",
        ) {
            let mut map = HeaderMap::new();
            map.insert(name, text.parse().unwrap());
            let asked = retry_after(&map).unwrap_or_default();
            proptest::prop_assert!(asked <= LONGEST_ASKED);
        }
    }

    #[test]
    fn a_date_is_measured_against_the_answers_own_date() {
        let until = ("retry-after", "Fri, 01 Jan 2038 00:01:30 GMT");
        let date = ("date", "Fri, 01 Jan 2038 00:00:00 GMT");
        assert_eq!(asked(&[until, date]), Some(Duration::from_secs(90)));
        assert_eq!(asked(&[until]), None);
        let rfc850 = ("retry-after", "Friday, 01-Jan-38 00:00:20 GMT");
        assert_eq!(asked(&[rfc850, date]), Some(Duration::from_secs(20)));
        let past = ("retry-after", "Thu, 31 Dec 2037 00:00:00 GMT");
        assert_eq!(asked(&[past, date]), Some(Duration::ZERO));
    }

    #[test]
    fn a_delay_is_at_least_what_was_asked_and_at_least_our_own() {
        let error = || Error::new(ErrorKind::Throttled, "it", "GET /", "too many");
        let mut backoff = Backoff::new(3);
        let first = backoff
            .after(Some(Duration::from_secs(30)), error())
            .unwrap();
        assert!(
            first > Duration::from_secs(30) && first < Duration::from_secs(31),
            "{first:?}"
        );
        let second = backoff.after(Some(Duration::ZERO), error()).unwrap();
        assert!(second >= Duration::from_secs(2), "{second:?}");
        assert_eq!(backoff.after(None, error()).unwrap_err().help, None);
        assert!(Backoff::new(1).after(None, error()).is_err());
        let too_long = Backoff::new(3).after(Some(Duration::from_hours(1)), error());
        assert_eq!(
            too_long.unwrap_err().help.as_deref(),
            Some("run again in 60 minutes")
        );
    }
}
