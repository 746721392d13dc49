//! Simulated time, counted from the moment when the world was seeded.
//!
//! The tenant's time starts on a fixed Friday evening, so that two rehearsals have the same times.
//! It runs `speed` times faster than real time while the tenant runs, and pauses while it does not.

use std::ops::Add;
use std::time::{Duration, Instant, UNIX_EPOCH};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The tenant's time when a world is seeded: 2026-03-06 20:00:00 UTC, in milliseconds since 1970.
const EPOCH: u64 = 1_772_827_200_000;

/// A moment of simulated time, in milliseconds since the world was seeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Moment(u64);

impl Moment {
    /// The moment `milliseconds` after the seed.
    pub(crate) const fn from_milliseconds(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since the seed.
    pub(crate) const fn milliseconds(self) -> u64 {
        self.0
    }

    /// The format of Dataverse: `2026-03-06T20:00:00Z`.
    pub(crate) fn to_iso_seconds(self) -> String {
        self.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// The format of the admin API, with seven digits of a second.
    pub(crate) fn to_iso_ticks(self) -> String {
        let milliseconds = (EPOCH + self.0) % 1000;
        let seconds = self.timestamp().strftime("%Y-%m-%dT%H:%M:%S");
        format!("{seconds}.{milliseconds:03}0000Z")
    }

    /// The time since 1970.
    pub(crate) const fn since_unix_epoch(self) -> Duration {
        Duration::from_millis(EPOCH.saturating_add(self.0))
    }

    /// The format of a `Date` header.
    pub(crate) fn to_http_date(self) -> String {
        UNIX_EPOCH
            .checked_add(self.since_unix_epoch())
            .map(httpdate::fmt_http_date)
            .unwrap_or_default()
    }

    fn timestamp(self) -> Timestamp {
        i64::try_from(EPOCH.saturating_add(self.0))
            .ok()
            .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
            .unwrap_or(Timestamp::MAX)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(milliseconds))
    }
}

/// The tenant's clock.
#[derive(Debug)]
pub(crate) struct SimulatedClock {
    speed: f64,
    start: Moment,
    started_at: Instant,
}

impl SimulatedClock {
    /// A clock that starts at `start` and runs `speed` times faster than real time. `speed` is a
    /// positive, finite number.
    pub(crate) fn new(speed: f64, start: Moment) -> Self {
        Self {
            speed,
            start,
            started_at: Instant::now(),
        }
    }

    /// Sets the clock forward.
    #[cfg(test)]
    pub(crate) fn skip(&mut self, duration: Duration) {
        self.start = self.start + duration;
    }

    /// The current simulated time.
    pub(crate) fn now(&self) -> Moment {
        let seconds = self.started_at.elapsed().as_secs_f64() * self.speed;
        self.start + Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_the_format_of_each_service() {
        let moment = Moment::from_milliseconds(90_061_007);
        assert_eq!(moment.to_iso_seconds(), "2026-03-07T21:01:01Z");
        assert_eq!(moment.to_iso_ticks(), "2026-03-07T21:01:01.0070000Z");
        assert_eq!(moment.to_http_date(), "Sat, 07 Mar 2026 21:01:01 GMT");
    }

    #[test]
    fn a_clock_continues_from_its_start() {
        let clock = SimulatedClock::new(1_000_000.0, Moment::from_milliseconds(5000));
        assert!(clock.now() >= Moment::from_milliseconds(5000));
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.now() >= Moment::from_milliseconds(5000) + Duration::from_secs(2000));
    }
}
