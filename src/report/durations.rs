//! Durations in a form for people.

use std::time::Duration;

/// The two largest units of a duration: `1 h 32 min`, `3 min 5 s`, `12 s`, `0 s`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest} s"),
        (0, _) if rest == 0 => format!("{minutes} min"),
        (0, _) => format!("{minutes} min {rest} s"),
        (_, 0) => format!("{hours} h"),
        _ => format!("{hours} h {minutes} min"),
    }
}

/// The same for real time, which may be long: `3 days`.
pub(super) fn real_time(real: Duration) -> String {
    match real.as_secs() / (24 * 3600) {
        0 | 1 => duration(real),
        days => format!("{days} days"),
    }
}

/// The same for seconds, as events carry them.
pub(super) fn seconds(seconds: f64) -> String {
    duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shown_in_at_most_two_units() {
        let text = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(text(0), "0 s");
        assert_eq!(text(59), "59 s");
        assert_eq!(text(120), "2 min");
        assert_eq!(text(185), "3 min 5 s");
        assert_eq!(text(3600), "1 h");
        assert_eq!(text(5520), "1 h 32 min");
    }

    #[test]
    fn a_long_time_is_shown_in_days() {
        let text = |hours: u64| real_time(Duration::from_secs(hours * 3600));
        assert_eq!(text(47), "47 h");
        assert_eq!(text(49), "2 days");
    }
}
