//! Which outcome of an attempt may be retried, and after which delay.
//!
//! | Outcome | A read (GET) | A write |
//! |---|---|---|
//! | no connection: nothing was sent | retry | retry |
//! | 429: rejected unprocessed | retry, after the gate | retry, after the gate |
//! | 429 with the code of a lock: it is not about the number of requests | retry, after the gate | final: the caller waits |
//! | 401: rejected unprocessed | once, with a new token | once, with a new token |
//! | 408, 500, 502, 503, 504, other 5xx | retry | **ambiguous** |
//! | sent, but no whole response: timeout, reset, cut off | retry | **ambiguous** |
//! | 2xx with a body that is not JSON | retry | final: the client reads what it needs |
//! | a code that passes by itself, such as of an environment that is not known yet | retry | final: the caller waits |
//! | anything else | final | final |
//!
//! 501 is final for both: the service does not have this function. A request that is sent at most
//! once (`Request::once`) ends with 401 and 429 too; `Error::is_clear_refusal` says which responses
//! are a clear refusal of it.

use std::sync::OnceLock;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::refusal::refusal_error;
use crate::base::text::duration;
use crate::clients::error::{Error, ErrorKind};
use crate::clients::http::attempt::{Attempt, AttemptOutcome};
use crate::clients::http::parsing::retry_after;
use crate::clients::http::request::Request;
use crate::clients::http::response::Response;

/// What to do after an attempt. A duration is the service's `Retry-After`.
#[derive(Debug)]
pub(in crate::clients::http) enum RetryDecision {
    /// The request succeeded.
    Done(Box<Response>),
    /// The token was refused; retry once with a new one.
    SignInAgain(Error),
    /// The limit that all requests to this host share is used up.
    Throttled(Option<Duration>, Error),
    /// Retry after a delay.
    Retry(Option<Duration>, Error),
    /// The request failed.
    GiveUp(Error),
}

/// Decides by the table above. Takes the service's name and the request's description for errors.
pub(in crate::clients::http) fn decide_retry(
    service: &str,
    what: &str,
    request: &Request,
    attempt: Attempt,
) -> RetryDecision {
    use AttemptOutcome as Outcome;
    use RetryDecision::{GiveUp, Retry};
    let Attempt { id, outcome } = attempt;
    let failed = |kind, message: &str| Error::new(kind, service, what, message).with_request_id(id);
    match (outcome, request.is_read()) {
        (Outcome::Responded(response), is_read) => decide_by_status(response, is_read),
        (Outcome::NotConnected(error), _) if is_untrusted_certificate(&error.to_string()) => {
            GiveUp(
                failed(ErrorKind::Configuration, &error.to_string())
                    .with_source(error)
                    .with_help(untrusted_certificate_help()),
            )
        }
        (Outcome::NotConnected(error), _) => Retry(
            None,
            failed(ErrorKind::Unavailable, &error.to_string())
                .with_source(error)
                .with_help(NOT_REACHED),
        ),
        (Outcome::Incomplete(error), true) => Retry(
            None,
            failed(ErrorKind::Unavailable, &error.to_string()).with_source(error),
        ),
        (Outcome::InvalidRequest(error), _) => {
            GiveUp(failed(ErrorKind::Configuration, &error.to_string()).with_source(error))
        }
        (Outcome::BodyTooLong(error), true) => {
            GiveUp(failed(ErrorKind::Malformed, &error.to_string()).with_source(error))
        }
        (Outcome::Halted, _) => GiveUp(failed(ErrorKind::Cancelled, HALTED)),
        (Outcome::Interrupted, true) => {
            GiveUp(failed(ErrorKind::Cancelled, "the run was asked to stop"))
        }
        (Outcome::Incomplete(error) | Outcome::BodyTooLong(error), false) => GiveUp(
            failed(ErrorKind::Ambiguous, &error.to_string())
                .with_source(error)
                .with_help(AMBIGUOUS),
        ),
        (Outcome::Interrupted, false) => {
            let why = "the run was asked to stop before the response arrived";
            GiveUp(failed(ErrorKind::Ambiguous, why).with_help(AMBIGUOUS))
        }
    }
}

/// Whether a connection failed because its certificate is not trusted. Waiting does not help then.
pub(crate) fn is_untrusted_certificate(message: &str) -> bool {
    message.contains("invalid peer certificate")
}

/// What to do about a service without a connection. A host that does not exist looks the same.
pub(crate) const NOT_REACHED: &str = "check its address (`cloud` and `endpoints` of the runbook) and that this machine reaches it \
     (network, proxy, firewall), then run again";

/// What to do about an untrusted certificate.
const UNTRUSTED_CERTIFICATE: &str = "this machine does not trust the server's certificate: if a proxy opens TLS here, give its root \
     certificate in SSL_CERT_FILE; otherwise check the address and the network";

/// What to do about a client that cannot be made.
const NO_CERTIFICATES: &str = "check that the CA certificates of this machine are installed";

/// Why the file that `SSL_CERT_FILE` names cannot be read, if it cannot.
static UNREADABLE_ROOTS: OnceLock<String> = OnceLock::new();

/// Says that no root certificate is known, because the file that `SSL_CERT_FILE` names cannot be read.
pub fn note_unreadable_roots(why: String) {
    // Once is enough: the variable stays what it is.
    drop(UNREADABLE_ROOTS.set(why));
}

/// What to do about an untrusted certificate in this process.
pub(crate) fn untrusted_certificate_help() -> String {
    certificates_help(UNTRUSTED_CERTIFICATE)
}

/// What to do if this machine has no root certificates.
pub(in crate::clients::http) fn no_certificates_help() -> String {
    certificates_help(NO_CERTIFICATES)
}

fn certificates_help(usual: &str) -> String {
    UNREADABLE_ROOTS.get().map_or_else(
        || usual.to_owned(),
        |why| {
            format!(
                "SSL_CERT_FILE names a file that cannot be read ({why}), so no server's certificate is \
                 trusted: name the file with the root certificates, or unset the variable"
            )
        },
    )
}

const HALTED: &str = "not sent, because its effect could not be recorded";

const AMBIGUOUS: &str = "run again: the outcome is checked first";

/// A read whose refusal passes by itself, by the table of refusals, is tried again like one of an
/// unavailable service: that a service does not know a new environment yet does not mean that there
/// is none.
fn decide_by_status(response: Box<Response>, is_read: bool) -> RetryDecision {
    let delay = retry_after(&response.headers);
    match judge_status(response, is_read) {
        RetryDecision::GiveUp(error) if is_read && error.worth_waiting().is_some() => {
            RetryDecision::Retry(delay, error.of_kind(ErrorKind::Unavailable))
        }
        decision => decision,
    }
}

fn judge_status(response: Box<Response>, is_read: bool) -> RetryDecision {
    use RetryDecision::{Done, GiveUp, Retry, SignInAgain, Throttled};
    let delay = retry_after(&response.headers);
    match response.status {
        200..=299 if is_read => match response.describe_garbled() {
            Some(what) => {
                let why = format!("status {} with {what}", response.status);
                Retry(delay, response.error(ErrorKind::Unavailable, &why))
            }
            None => Done(response),
        },
        200..=299 => Done(response),
        401 => SignInAgain(refusal_error(&response, ErrorKind::NotSignedIn)),
        429 => match refusal_error(&response, ErrorKind::Throttled) {
            // A lock does not hold back the requests of others.
            error if !is_read && error.worth_waiting().is_some() => {
                GiveUp(error.of_kind(ErrorKind::Locked))
            }
            error => Throttled(delay, error),
        },
        408 | 500 | 502..=599 if is_read => {
            Retry(delay, refusal_error(&response, ErrorKind::Unavailable))
        }
        408 | 500 | 502..=599 => {
            GiveUp(refusal_error(&response, ErrorKind::Ambiguous).with_help(AMBIGUOUS))
        }
        403 => GiveUp(refusal_error(&response, ErrorKind::Forbidden)),
        404 | 410 => GiveUp(refusal_error(&response, ErrorKind::NotFound)),
        409 => GiveUp(refusal_error(&response, ErrorKind::Conflict)),
        412 => match refusal_error(&response, ErrorKind::PreconditionFailed) {
            error if error.is_existing_row() => GiveUp(error.of_kind(ErrorKind::Exists)),
            error => GiveUp(error),
        },
        400..=499 | 501 => GiveUp(refusal_error(&response, ErrorKind::Refused)),
        _ => GiveUp(redirect_error(&response)),
    }
}

/// Redirects are off: none of these services redirects an authorized request, and a token must not
/// be sent where a header points.
fn redirect_error(response: &Response) -> Error {
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
    /// For a request with this number of attempts.
    pub(crate) fn new(tries: u32) -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(Duration::from_secs(1))
            .with_max_delay(Duration::from_mins(1))
            .with_max_times(tries.saturating_sub(1) as usize)
            .with_jitter();
        Self(delays.build())
    }

    /// The delay before the next attempt, on the program's clock: the greater of the service's
    /// `Retry-After` and our own delay. Fails with the given error if the attempts are used up, or
    /// if the service asks for longer than [`MAX_WAIT`].
    pub(crate) fn next_delay(
        &mut self,
        retry_after: Option<Duration>,
        error: Error,
    ) -> Result<Duration, Error> {
        if let Some(delay) = retry_after.filter(|delay| *delay > MAX_WAIT) {
            return Err(error.with_help(retry_after_hint(delay)));
        }
        let Some(own) = self.0.next() else {
            return Err(error);
        };
        // Slightly longer than Retry-After, and different for each waiting request: our own delay
        // is random.
        Ok(retry_after.map_or(own, |delay| own.max(delay + own / 20)))
    }
}

/// The maximum wait inside a run. If a service asks for longer, the run ends with a temporary error
/// and can be resumed later.
pub(super) const MAX_WAIT: Duration = Duration::from_mins(15);

/// What to do if a service asks for a longer wait.
pub(in crate::clients::http) fn retry_after_hint(delay: Duration) -> String {
    let minutes = Duration::from_mins(delay.as_secs().div_ceil(60));
    format!("run again in {}", duration(minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_at_least_retry_after_and_at_least_our_own() {
        let error = || Error::new(ErrorKind::Throttled, "it", "GET /", "too many");
        let mut backoff = Backoff::new(3);
        let first = backoff
            .next_delay(Some(Duration::from_secs(30)), error())
            .unwrap();
        assert!(
            first > Duration::from_secs(30) && first < Duration::from_secs(31),
            "{first:?}"
        );
        let second = backoff.next_delay(Some(Duration::ZERO), error()).unwrap();
        assert!(second >= Duration::from_secs(2), "{second:?}");
        assert_eq!(backoff.next_delay(None, error()).unwrap_err().help, None);
        assert!(Backoff::new(1).next_delay(None, error()).is_err());
        let too_long = Backoff::new(3).next_delay(Some(Duration::from_hours(1)), error());
        assert_eq!(
            too_long.unwrap_err().help.as_deref(),
            Some("run again in 1 h")
        );
    }
}
