//! Whether a launch that was requested before may be requested again: what a person must confirm,
//! and the search for an operation that appears late.
//!
//! | Recorded | What the list shows later | Decision |
//! |---|---|---|
//! | absent | the attempt's operation | open again: adopt it |
//! | absent | for a destructive launch, operations that may be the attempt's | open again: a person decides |

use std::time::Duration;

use serde_json::{Value, json};

use super::{ABSENT_LOOKS, Application};
use crate::engine::{Failure, FailureKind, Found, Progress, Repeat};
use crate::journal::{LaunchOutcome, LaunchState};

/// The member of an `ended` record that holds what the service listed when a person decided.
const SEEN: &str = "seen";

/// Signs of an attempt that appear after it was recorded as absent.
pub(super) enum Late {
    /// Its operation.
    Ours(Value),
    /// Operations, one of which may belong to it: the attempt is open again, and a person decides.
    Unclear,
}

impl Application<'_> {
    /// Fails unless a launch that has ended may be requested again. The process in which it was
    /// refused does not repeat it. A destructive launch needs a user's confirmation that names the
    /// attempt.
    pub(super) fn require_repeatable(&self, last: &LaunchState) -> Result<(), Failure> {
        let state = self.context.journal.state();
        let Some(ended) = &last.ended else {
            return Ok(());
        };
        let is_of_this_process = state
            .opened
            .as_ref()
            .is_some_and(|opened| ended.number > opened.number);
        if is_of_this_process && last.was_refused() {
            let why = ended.detail["refused"].as_str().unwrap_or_default();
            return Err(Failure::failed(format!(
                "the service refused it, and it is not sent again in the same run: {why}"
            ))
            .permanent());
        }
        if !self.launch.is_destructive() || last.was_refused() || self.is_confirmed(ended.number) {
            return Ok(());
        }
        Err(unconfirmed(last.attempt + 1))
    }

    /// Has a person confirmed, after this record, that this launch is requested again?
    fn is_confirmed(&self, after: u64) -> bool {
        let state = self.context.journal.state();
        state.confirmed.as_ref().is_some_and(|confirmed| {
            confirmed.number > after && confirmed.repeats.contains(&self.change.key)
        })
    }

    /// Looks for the last attempt again, if it was recorded as absent or given up.
    pub(super) async fn find_late(&self, last: &LaunchState) -> Result<Option<Late>, Failure> {
        let may_appear = [LaunchOutcome::Absent, LaunchOutcome::GivenUp].map(Some);
        if !may_appear.contains(&last.outcome()) {
            return Ok(None);
        }
        // A service may list late what it began, even what it reported as refused. Before a
        // destructive request is repeated, the search takes as long as for a request in doubt.
        let (looks, pause) = match self.launch.repeat() {
            Repeat::WhenAbsent(settle) if self.launch.is_destructive() => {
                (ABSENT_LOOKS, settle / (ABSENT_LOOKS - 1))
            }
            _ => (1, Duration::ZERO),
        };
        for look in 1..=looks {
            match self.launch.find(&last.intent.detail).await? {
                Found::Operation(handle) => return Ok(Some(Late::Ours(handle))),
                Found::Ambiguous(seen)
                    if self.launch.is_destructive() && !has_decided_on(last, &seen) =>
                {
                    return Ok(Some(Late::Unclear));
                }
                Found::Ambiguous(_) | Found::Absent | Found::Unlisted => {}
            }
            if look < looks {
                let waited = pause * (look - 1);
                self.progress("looking for an operation of the last attempt", waited);
                self.context.pause(pause).await?;
            }
        }
        Ok(None)
    }

    /// Has a person confirmed that a launch whose end is unknown did not begin or will not end?
    /// Then that is recorded, unless the launch is seen after all.
    pub(super) async fn record_if_given_up(&self, last: &LaunchState) -> Result<bool, Failure> {
        let latest = [
            Some(last.intent.number),
            last.launched.as_ref().map(|launched| launched.number),
            last.ended.as_ref().map(|ended| ended.number),
        ];
        if !self.is_confirmed(latest.into_iter().flatten().max().unwrap_or_default()) {
            return Ok(false);
        }
        let mut detail = json!({ "person": "confirmed that it is to be requested again" });
        match last.handle() {
            None => match self.launch.find(&last.intent.detail).await? {
                Found::Operation(_) => return Ok(false),
                Found::Ambiguous(seen) => detail[SEEN] = seen.into(),
                Found::Absent | Found::Unlisted => {}
            },
            Some(handle) => {
                if matches!(self.launch.poll(handle).await?, Progress::Running(_)) {
                    return Ok(false);
                }
            }
        }
        let outcome = if last.outcome().is_some() {
            LaunchOutcome::Failed
        } else {
            LaunchOutcome::Absent
        };
        self.record_end(outcome, detail, None).await?;
        Ok(true)
    }
}

/// Has a person confirmed the repetition while the service listed exactly this?
fn has_decided_on(last: &LaunchState, seen: &str) -> bool {
    last.ended
        .as_ref()
        .is_some_and(|ended| ended.detail[SEEN] == seen)
}

fn unconfirmed(attempt: u32) -> Failure {
    Failure::new(
        FailureKind::Unconfirmed,
        format!("attempt {attempt} must be confirmed with --confirm-repeat"),
    )
}
