//! Does a command begin a new refresh, or continue with the run in the state file? `--fresh` says
//! it; with `--fresh-after`, the age of the last refresh decides.

use std::time::Duration;

use clap::Args;
use jiff::{Span, SpanRelativeTo, Timestamp};

use crate::base::clock::between;
use crate::base::text::duration;
use crate::journal::State;

/// The flags that begin a new refresh.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct NewRefreshArguments {
    /// Begin a new refresh although the state file has a run, which must have ended; `run` archives
    /// that state file
    #[arg(long)]
    fresh: bool,
    /// As --fresh if the last refresh finished at least AGE ago, such as `12h` or `20d`; otherwise as
    /// without it. For a scheduler: an unfinished run is resumed
    #[arg(long, value_name = "AGE", value_parser = parse_age, conflicts_with = "fresh")]
    fresh_after: Option<Age>,
}

/// How old a refresh must be, with the text that was given.
#[derive(Clone, Debug)]
struct Age {
    text: String,
    age: Duration,
}

/// What a command does with the run in the state file.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Decision {
    /// A new refresh takes its place.
    Replace,
    /// The command is about it, if there is one.
    Keep,
    /// The same, because it finished too recently for `--fresh-after`; the sentence that says so.
    KeepRecent(String),
}

impl Decision {
    /// Does a new refresh take the place of the run?
    pub(super) fn is_new(&self) -> bool {
        *self == Self::Replace
    }

    /// Why `--fresh-after` begins no new refresh.
    pub(super) fn reason_to_keep(&self) -> Option<&str> {
        match self {
            Self::KeepRecent(reason) => Some(reason),
            Self::Replace | Self::Keep => None,
        }
    }
}

impl NewRefreshArguments {
    /// Decides for this state, if there is one, at this time of the wall clock. The repair of a step
    /// or of a provider does not make a refresh younger. A finish in the future counts as recent.
    pub(super) fn decide(&self, state: Option<&State>, now: Timestamp) -> Decision {
        if self.fresh {
            return Decision::Replace;
        }
        let finished = state.and_then(|state| state.finished.and(state.first_finished));
        let (Some(given), Some(finished)) = (&self.fresh_after, finished) else {
            return Decision::Keep;
        };
        let age = between(finished, now);
        if finished <= now && age >= given.age {
            return Decision::Replace;
        }
        let when = if finished > now {
            format!("finished at {finished:.0}, which is in the future")
        } else {
            format!("finished {} ago", duration(age))
        };
        Decision::KeepRecent(format!(
            "the last refresh {when}, so no new one was begun (--fresh-after {})",
            given.text
        ))
    }

    /// The flag in a command that a message suggests, with a blank before it.
    pub(super) fn as_flag(&self) -> String {
        match &self.fresh_after {
            _ if self.fresh => " --fresh".to_owned(),
            Some(after) => format!(" --fresh-after {}", after.text),
            None => String::new(),
        }
    }
}

fn parse_age(given: &str) -> Result<Age, String> {
    let invalid = || "write it as `12h` or `20d`".to_owned();
    let text = given.trim();
    let span: Span = text.parse().map_err(|_| invalid())?;
    let age = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| invalid())?;
    Ok(Age {
        // The suggested command needs no quotes.
        text: text.split_whitespace().collect(),
        age: age.try_into().map_err(|_| invalid())?,
    })
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::base::clock::Clock;
    use crate::cli::testing::began;
    use crate::journal::{self, Finished, Reopened};

    fn after(age: &str) -> NewRefreshArguments {
        NewRefreshArguments {
            fresh: false,
            fresh_after: Some(parse_age(age).unwrap()),
        }
    }

    #[test]
    fn an_age_has_days_and_hours_and_is_not_negative() {
        for (given, hours) in [
            ("12h", 12),
            ("20d", 480),
            ("1d 12h", 36),
            ("2w", 336),
            ("0h", 0),
        ] {
            let age = parse_age(given).unwrap();
            assert_eq!(age.age, Duration::from_hours(hours), "{given}");
            assert_eq!(
                after(&age.text).fresh_after.unwrap().age,
                age.age,
                "{given}"
            );
        }
        for given in ["", "12", "h", "-1h", "1h ago", "1 month", "tomorrow"] {
            assert!(parse_age(given).is_err(), "{given}");
        }
    }

    #[tokio::test]
    async fn only_a_refresh_that_finished_long_ago_is_followed_by_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        let far = |state: &State| state.last_time + SignedDuration::from_hours(24 * 365);
        assert_eq!(
            after("1h").decide(None, open.journal.state().last_time),
            Decision::Keep
        );
        let unfinished = open.journal.state();
        assert_eq!(
            after("1h").decide(Some(&unfinished), far(&unfinished)),
            Decision::Keep
        );
        open.journal.append(Finished {}).await.unwrap();

        let state = open.journal.state();
        let finished = state.finished.unwrap();
        let at =
            |hours| after("20d").decide(Some(&state), finished + SignedDuration::from_hours(hours));
        assert_eq!(at(480), Decision::Replace);
        let recent = at(3);
        assert_eq!(
            recent.reason_to_keep(),
            Some("the last refresh finished 3 h ago, so no new one was begun (--fresh-after 20d)")
        );
        assert!(!at(479).is_new() && !at(-1).is_new());
        assert!(at(-1).reason_to_keep().unwrap().contains("in the future"));
        let none = NewRefreshArguments::default();
        assert_eq!(none.decide(Some(&state), far(&state)), Decision::Keep);

        // A reinstallation months later, first open, then finished: the refresh is as old as before.
        let reopened = Reopened {
            provider: "p".to_owned(),
            seals: Vec::new(),
            steps: Vec::new(),
            who: "a".to_owned(),
        };
        open.journal.append(reopened).await.unwrap();
        let state = open.journal.state();
        assert_eq!(
            after("0h").decide(Some(&state), far(&state)),
            Decision::Keep
        );
        open.journal.append(Finished {}).await.unwrap();
        let again = open.journal.state();
        assert!(again.finished.unwrap() > finished, "it finished again");
        let decided = after("1h").decide(Some(&again), finished + SignedDuration::from_hours(1));
        assert_eq!(decided, Decision::Replace);
    }
}
