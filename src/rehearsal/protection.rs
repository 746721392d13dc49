//! The service protection limits of Dataverse, for each user: 6,000 requests and 1,200 seconds of
//! execution within 300 seconds, and fewer than 52 requests at once (Microsoft Learn, *Service
//! protection API limits*: codes, messages and numbers). A refused request does not count.
//!
//! Windows are measured in the tenant's time; a request executes as long as its response takes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::clock::Moment;

/// The length of the window, in milliseconds.
const WINDOW: u64 = 300_000;

/// The number of requests in a window.
const REQUESTS: usize = 6_000;

/// The time that requests may execute in a window, in milliseconds.
const EXECUTION: u64 = 1_200_000;

/// From this number on, requests at once are refused.
const AT_ONCE: usize = 52;

const TOO_MANY: &str =
    "Number of requests exceeded the limit of 6000 over time window of 300 seconds.";
const TOO_LONG: &str = "Combined execution time of incoming requests exceeded limit of 1,200,000 milliseconds over time window of 300 seconds. Decrease number of concurrent requests or reduce the duration of requests and try again later.";
const TOO_MANY_AT_ONCE: &str = "Number of concurrent requests exceeded the limit of 52.";

/// The limits, and what counts for them.
#[derive(Debug)]
pub(crate) struct Protection {
    /// How long a response takes, in real time.
    latency: Duration,
    /// The same in milliseconds of the tenant's time.
    execution: u64,
    users: Mutex<HashMap<String, User>>,
}

#[derive(Debug, Default)]
struct User {
    /// When the requests of the window were accepted.
    accepted: VecDeque<Moment>,
    /// When the responses that are on their way arrive.
    on_their_way: Vec<Instant>,
}

/// Why a request is refused with 429.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
    /// When it may be sent again, in seconds of the tenant's time.
    pub(crate) retry_after: u64,
}

impl Protection {
    /// The limits of a tenant whose responses take this long, and whose clock runs at this speed.
    pub(crate) fn new(latency: Duration, speed: f64) -> Self {
        let execution = latency.mul_f64(speed).as_millis();
        Self {
            latency,
            execution: u64::try_from(execution).unwrap_or(u64::MAX),
            users: Mutex::default(),
        }
    }

    /// Accepts a request of a user at this moment, or says which limit it exceeds.
    pub(crate) fn accept(&self, user: &str, now: Moment) -> Result<(), Excess> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let user = users.entry(user.to_owned()).or_default();
        let real = Instant::now();
        user.on_their_way.retain(|arrives| *arrives > real);
        if user.on_their_way.len() + 1 >= AT_ONCE {
            return Err(Excess {
                code: "0x80072326",
                message: TOO_MANY_AT_ONCE,
                retry_after: 1,
            });
        }
        let is_over = |accepted: &Moment| accepted.milliseconds() + WINDOW <= now.milliseconds();
        while user.accepted.front().is_some_and(is_over) {
            user.accepted.pop_front();
        }
        let oldest = user
            .accepted
            .front()
            .map_or(0, |first| first.milliseconds());
        let retry_after = (oldest + WINDOW)
            .saturating_sub(now.milliseconds())
            .div_ceil(1000);
        let count = u64::try_from(user.accepted.len()).unwrap_or(u64::MAX);
        let executed = self.execution.saturating_mul(count);
        let (code, message) = if user.accepted.len() >= REQUESTS {
            ("0x80072322", TOO_MANY)
        } else if executed >= EXECUTION {
            ("0x80072321", TOO_LONG)
        } else {
            user.accepted.push_back(now);
            user.on_their_way.push(real + self.latency);
            return Ok(());
        };
        Err(Excess {
            code,
            message,
            retry_after,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "ada";

    fn accepted(protection: &Protection, user: &str, requests: usize, at: Moment) -> usize {
        let all = 0..requests;
        all.filter(|_| protection.accept(user, at).is_ok()).count()
    }

    #[test]
    fn each_user_has_6000_requests_in_a_window() {
        let protection = Protection::new(Duration::ZERO, 1.0);
        let start = Moment::from_milliseconds(1_000);
        let later = start + Duration::from_secs(200);
        assert_eq!(accepted(&protection, USER, 4_000, start), 4_000);
        assert_eq!(accepted(&protection, USER, 4_000, later), 2_000);
        assert_eq!(accepted(&protection, "another", 1, later), 1);
        let excess = protection.accept(USER, later).unwrap_err();
        assert_eq!((excess.code, excess.retry_after), ("0x80072322", 100));
        let free = later + Duration::from_secs(excess.retry_after);
        assert_eq!(accepted(&protection, USER, 5_000, free), 4_000);
    }

    #[test]
    fn requests_that_execute_long_are_fewer() {
        // 30 milliseconds at this speed are 30 seconds of the tenant's time.
        let protection = Protection::new(Duration::from_millis(30), 1_000.0);
        let start = Moment::from_milliseconds(1_000);
        assert_eq!(accepted(&protection, USER, 100, start), 40);
        let excess = protection.accept(USER, start).unwrap_err();
        assert_eq!((excess.code, excess.retry_after), ("0x80072321", 300));
    }

    #[test]
    fn fewer_than_52_requests_are_on_their_way_at_once() {
        let protection = Protection::new(Duration::from_mins(1), 0.01);
        let start = Moment::from_milliseconds(1_000);
        assert_eq!(accepted(&protection, USER, 100, start), 51);
        let excess = protection.accept(USER, start).unwrap_err();
        assert_eq!((excess.code, excess.retry_after), ("0x80072326", 1));
    }
}
