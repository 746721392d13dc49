//! Durations: waits, token lifetimes, deadlines.
//!
//! The program's clock runs `speed` times faster than the wall clock, so that a rehearsal of a
//! whole night takes seconds. For a real tenant the speed is 1. This clock never decides whether
//! something at a service is newer than something of ours: only the service's own times do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The slowest clock: a second of the program's time in 100 seconds of the wall clock.
pub const SLOWEST: f64 = 0.01;

/// The fastest clock.
pub const FASTEST: f64 = 1_000_000.0;

/// No time and no wait is longer than this, so that two of them can be added.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 1_000);

/// The time from one time to a later one; zero if it is not later, as after the system clock was
/// set back.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

/// The program's clock. Clones share their start.
#[derive(Clone, Debug)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    speed: f64,
    services_stop: bool,
    began: Instant,
    /// The time of a clock that advances only by waiting, in milliseconds.
    #[cfg(test)]
    waited: Option<std::sync::atomic::AtomicU64>,
    /// The virtual time of a test with several tasks.
    #[cfg(test)]
    timeline: Option<super::timeline::Timeline>,
}

impl Clock {
    /// A clock that runs `speed` times as fast as the wall clock, from [`SLOWEST`] to [`FASTEST`].
    /// Anything but a positive, finite number counts as 1.
    pub fn new(speed: f64) -> Self {
        let speed = if speed.is_finite() && speed > 0.0 {
            speed.clamp(SLOWEST, FASTEST)
        } else {
            1.0
        };
        Self {
            inner: Arc::new(Inner {
                speed,
                services_stop: false,
                began: Instant::now(),
                #[cfg(test)]
                waited: None,
                #[cfg(test)]
                timeline: None,
            }),
        }
    }

    /// A clock that advances only by waiting, and at once: a test takes no time and does not depend
    /// on the machine's speed. For one task at a time.
    #[cfg(test)]
    pub(crate) fn simulated() -> Self {
        Self {
            inner: Arc::new(Inner {
                services_stop: false,
                speed: 1.0,
                began: Instant::now(),
                waited: Some(std::sync::atomic::AtomicU64::new(0)),
                timeline: None,
            }),
        }
    }

    /// A clock in virtual time, for several tasks of one future that [`Self::run`] runs.
    #[cfg(test)]
    pub(crate) fn in_virtual_time() -> Self {
        Self {
            inner: Arc::new(Inner {
                speed: 1.0,
                began: Instant::now(),
                services_stop: false,
                waited: None,
                timeline: Some(super::timeline::Timeline::default()),
            }),
        }
    }

    /// Runs a future in this clock's virtual time.
    #[cfg(test)]
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        let timeline = self.inner.timeline.as_ref();
        timeline.expect("a clock in virtual time").run(future)
    }

    /// The program's time since this clock was created.
    pub fn elapsed(&self) -> Duration {
        #[cfg(test)]
        if let Some(waited) = &self.inner.waited {
            return Duration::from_millis(waited.load(std::sync::atomic::Ordering::SeqCst));
        }
        #[cfg(test)]
        if let Some(timeline) = &self.inner.timeline {
            return timeline.now();
        }
        scaled(self.inner.began.elapsed(), self.inner.speed)
    }

    /// Waits for `duration` of the program's time.
    pub async fn sleep(&self, duration: Duration) {
        #[cfg(test)]
        if let Some(waited) = &self.inner.waited {
            let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            waited.fetch_add(milliseconds, std::sync::atomic::Ordering::SeqCst);
            return;
        }
        #[cfg(test)]
        if let Some(timeline) = &self.inner.timeline {
            return timeline.sleep(duration).await;
        }
        tokio::time::sleep(self.real(duration)).await;
    }

    /// Converts a duration of the program's time to the wall clock's.
    pub fn real(&self, duration: Duration) -> Duration {
        scaled(duration, 1.0 / self.inner.speed)
    }

    /// A new clock as [`Self::new`], whose services run in this process, so that their time stops
    /// with it.
    pub fn of_services_in_this_process(speed: f64) -> Self {
        let mut clock = Self::new(speed);
        if let Some(inner) = Arc::get_mut(&mut clock.inner) {
            inner.services_stop = true;
        }
        clock
    }

    /// Does the time of the services stop with this process?
    pub fn services_stop(&self) -> bool {
        self.inner.services_stop
    }

    /// How many times faster than the wall clock this clock runs.
    pub fn speed(&self) -> f64 {
        self.inner.speed
    }

    /// The speed as a state file records it: none at the wall clock's speed.
    pub fn recorded_speed(&self) -> Option<f64> {
        (self.inner.speed.to_bits() != 1.0_f64.to_bits()).then_some(self.inner.speed)
    }

    /// The wall clock's time: for the `time` of records and events, and for the expiry of a token
    /// that a program on this machine reports. It decides nothing else.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the time of day"
    )]
    pub fn time_of_day(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A duration times a factor, at most [`LONGEST`].
fn scaled(duration: Duration, factor: f64) -> Duration {
    let seconds = duration.as_secs_f64() * factor;
    Duration::try_from_secs_f64(seconds).map_or(LONGEST, |scaled| scaled.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_fast_clock_sleeps_a_fraction_of_the_time() {
        let clock = Clock::new(1000.0);
        let real = Instant::now();
        clock.sleep(Duration::from_secs(20)).await;
        assert!(real.elapsed() < Duration::from_secs(5));
        assert!(clock.elapsed() >= Duration::from_secs(20));
    }

    proptest::proptest! {
        #[test]
        fn no_speed_and_no_duration_overflows(speed: f64, seconds: u64, nanoseconds in 0_u32..1_000_000_000) {
            let clock = Clock::new(speed);
            let real = clock.real(Duration::new(seconds, nanoseconds));
            proptest::prop_assert!(real <= LONGEST);
            proptest::prop_assert!(clock.elapsed() + real < Duration::MAX);
        }
    }

    #[test]
    fn a_speed_near_zero_becomes_the_slowest() {
        let clock = Clock::new(1e-300);
        assert!((clock.speed() - SLOWEST).abs() < f64::EPSILON);
        assert_eq!(clock.real(Duration::from_secs(1)), Duration::from_secs(100));
    }

    #[test]
    fn an_invalid_speed_counts_as_one() {
        for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!((Clock::new(speed).speed() - 1.0).abs() < f64::EPSILON);
        }
    }
}
