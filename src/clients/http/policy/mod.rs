//! Decisions about requests and responses; nothing here parses bytes or sends.
//!
//! - [`limits`]: the bounds of requests and lists.
//! - `retry`: which outcome of an attempt may be retried, and after which delay.
//! - `budget`: how many requests to a service may be in flight at once.
//! - `throttle`: the gate in front of a service, which one 429 closes for all requests of a user.
//! - `refusal`: a response that is not 2xx as an error.
//! - `refusal_codes`: the table of error codes of refused requests: does repeating help, how long,
//!   whose task it is, what to do.
//! - `remedies`: error codes of sign-in and tokens, and what to do.

/// A table with one row for each code.
macro_rules! rows {
    ($($code:literal => $($cell:expr),+;)*) => { &[$(($code, $($cell),+)),*] };
}

mod budget;
mod limits;
mod refusal;
mod refusal_codes;
mod remedies;
mod retry;
mod throttle;

pub use limits::{Limits, ListBudget};
pub use refusal_codes::{KnownRefusal, RetryAdvice, Who};
pub use retry::note_unreadable_roots;
pub(crate) use retry::{
    Backoff, NOT_REACHED, is_untrusted_certificate, untrusted_certificate_help,
};
pub(super) use retry::{RetryDecision, decide_retry, no_certificates_help, retry_after_hint};
pub(crate) use throttle::Gate;
pub(super) use throttle::Slot;
