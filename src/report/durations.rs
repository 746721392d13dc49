//! Durations in a form for people.

use std::time::Duration;

pub use crate::base::text::duration;

/// The same for a time that passes: without the seconds from ten minutes on.
pub(super) fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 600 {
        duration(time)
    } else {
        duration(Duration::from_secs(seconds / 60 * 60))
    }
}

/// The same for real time, which may be long: `3 days`.
pub(super) fn real_time(real: Duration) -> String {
    match real.as_secs() / (24 * 3600) {
        0 | 1 => duration(real),
        days => format!("{days} days"),
    }
}

/// What is known of the time of an operation that ended unread. Takes since when it was not read,
/// and until when, as text.
pub(super) fn unread_time(since: &str, until: &str) -> String {
    format!("unknown: it ended between {since} and {until}, while no process read it")
}

/// The same for seconds, as events carry them.
pub(super) fn seconds(seconds: f64) -> String {
    duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_passes_has_no_seconds_from_ten_minutes_on() {
        let text = |seconds| rough(Duration::from_secs(seconds));
        assert_eq!(text(599), "9 min 59 s");
        assert_eq!(text(659), "10 min");
        assert_eq!(text(6119), "1 h 41 min");
    }

    #[test]
    fn a_long_time_is_shown_in_days() {
        let text = |hours: u64| real_time(Duration::from_secs(hours * 3600));
        assert_eq!(text(47), "47 h");
        assert_eq!(text(49), "2 days");
    }
}
