//! What is read about a launch: the service's operation, its list of operations, the target, and
//! how long they have agreed. It only reads; [`super`] records and acts.

use std::time::Duration;

use serde_json::Value;

use super::decision::{
    Evidence, ListReading, PolledState, RequestOutcome, SettleTime, TargetState,
};
use super::{ABSENT_LOOKS, Application, Attempt};
use crate::engine::context::LaunchAge;
use crate::engine::{
    Failure, FailureKind, Found, Launch, Progress, Proof, Repeat, TargetComparison,
};

/// How long a process looks for a launch beyond its settling time, before it leaves it open.
const GRACE: Duration = Duration::from_mins(10);

/// How long to wait for an operation that the service accepted, does not know and does not list,
/// while the target does not show it.
const MISSING: Duration = Duration::from_mins(30);

/// What was read in one look.
#[derive(Default)]
pub(super) struct Look {
    /// What `poll` reported.
    pub(super) detail: Value,
    /// The listed operation.
    pub(super) found: Option<Value>,
    /// What the target shows.
    pub(super) observed: Value,
    /// What is shown during the wait, and the reason if nothing can be concluded.
    pub(super) note: String,
}

/// Since when, by the program's clock, looks have agreed; `None` while they disagree.
#[derive(Default)]
pub(super) struct Since {
    /// Nothing shows anywhere, and how many looks have found that.
    nothing: Option<(Duration, u32)>,
    /// The service does not know the operation, and the target does not show it.
    missing: Option<Duration>,
    /// The operation has succeeded.
    ended: Option<Duration>,
    /// How long the launch had run before this process began to look.
    pub(super) before: LaunchAge,
}

impl Application<'_> {
    /// Reads the state of the operation at the service.
    pub(super) async fn read_operation(
        &self,
        attempt: &Attempt,
        look: &mut Look,
    ) -> Result<PolledState, Failure> {
        let Some(handle) = &attempt.handle else {
            "looking for an operation that may have begun".clone_into(&mut look.note);
            return Ok(if attempt.has_succeeded {
                PolledState::Succeeded
            } else {
                PolledState::NoHandle
            });
        };
        if !self.launch.has_operation() {
            return Ok(PolledState::Nonexistent);
        }
        if attempt.has_succeeded {
            return Ok(PolledState::Succeeded);
        }
        Ok(match self.launch.poll(handle).await {
            Ok(Progress::Running(note)) => {
                look.note = note;
                PolledState::Running
            }
            Ok(Progress::Missing) => {
                "the service does not list it yet".clone_into(&mut look.note);
                PolledState::Missing
            }
            Ok(Progress::Succeeded(detail)) => {
                look.detail = detail;
                PolledState::Succeeded
            }
            Ok(Progress::Failed(why)) => {
                look.note = format!("the service reports a failure: {why}");
                PolledState::Failed
            }
            // A poll that fails says nothing about the operation: it continues at the service.
            Err(failure) => {
                look.note = unread(failure)?;
                PolledState::Unreadable
            }
        })
    }

    /// Reads what the service lists that is new since the intent, except the operation of the
    /// handle.
    pub(super) async fn read_list(
        &self,
        attempt: &Attempt,
        look: &mut Look,
    ) -> Result<ListReading, Failure> {
        let probed = match &attempt.handle {
            None => Some(attempt.probed.clone()),
            Some(handle) => self.launch.probed_with(&attempt.probed, handle),
        };
        let Some(probed) = probed else {
            return Ok(ListReading::NoList);
        };
        Ok(match self.launch.find(&probed).await {
            Ok(Found::Operation(handle)) => {
                look.found = Some(handle);
                ListReading::Ours
            }
            Ok(Found::Absent) => ListReading::Nothing,
            Ok(Found::Unlisted) => ListReading::NoList,
            Ok(Found::Ambiguous(seen)) => {
                look.note = seen;
                ListReading::Unclear
            }
            Err(failure) => {
                look.note = unread(failure)?;
                ListReading::Unreadable
            }
        })
    }

    /// Reads what the target shows. Unless the operation reports success, an end state that was
    /// there before the request does not prove it. Whether anything has changed matters only once
    /// the time to settle is over, so until then a look reads the target once.
    pub(super) async fn read_target(
        &self,
        attempt: &Attempt,
        (operation, time): (PolledState, SettleTime),
        look: &mut Look,
    ) -> Result<TargetState, Failure> {
        let handle = attempt.handle.clone().unwrap_or_default();
        let is_stated = matches!(operation, PolledState::Succeeded | PolledState::Nonexistent);
        if !is_stated {
            match self.launch.compare_target(&attempt.probed).await {
                Ok(TargetComparison::Changed(note)) => look.note = note,
                Ok(TargetComparison::Same) => return Ok(TargetState::AsBefore),
                Ok(TargetComparison::NothingRecorded) if attempt.handle.is_none() => {
                    return Ok(TargetState::NothingRecorded);
                }
                Ok(TargetComparison::NothingRecorded) => {}
                Err(failure) => {
                    look.note = unread(failure)?;
                    return Ok(TargetState::Unreadable);
                }
            }
        }
        let proof = if operation == PolledState::Succeeded {
            self.launch.verify_success(&attempt.probed, &handle).await
        } else {
            self.launch.verify(&handle).await
        };
        match proof {
            Ok(Proof::Proved(observed)) => {
                look.observed = observed;
                return Ok(TargetState::Proved);
            }
            Ok(Proof::Disproved(why)) => {
                look.note = format!("it ended with the wrong result: {why}");
                return Ok(TargetState::Disproved);
            }
            Ok(Proof::NotYet(missing)) => look.note = missing,
            Err(failure) => {
                look.note = unread(failure)?;
                return Ok(TargetState::Unreadable);
            }
        }
        if operation != PolledState::Nonexistent || time == SettleTime::Early {
            return Ok(TargetState::Changed);
        }
        Ok(match self.launch.compare_target(&attempt.probed).await {
            Ok(TargetComparison::Same) => TargetState::AsBefore,
            Ok(TargetComparison::Changed(_) | TargetComparison::NothingRecorded) => {
                TargetState::Changed
            }
            Err(failure) => {
                look.note = unread(failure)?;
                TargetState::Unreadable
            }
        })
    }
}

impl Since {
    /// Before the first look of this process. Takes how long the launch had run before.
    pub(super) fn new(before: LaunchAge) -> Self {
        Self {
            before,
            ..Self::default()
        }
    }

    /// Judges the time. Takes how long this process has looked, and the program's time now.
    pub(super) fn judge(
        &mut self,
        launch: &dyn Launch,
        evidence: &Evidence,
        elapsed: Duration,
        now: Duration,
    ) -> SettleTime {
        let over = |limit: Duration, since: Duration| {
            if since > limit {
                SettleTime::Over
            } else {
                SettleTime::Early
            }
        };
        if evidence.answer != RequestOutcome::Accepted {
            return self.judge_unaccepted(launch, evidence, elapsed, now);
        }
        match evidence.operation {
            PolledState::Succeeded | PolledState::Nonexistent => {
                let ended = *self.ended.get_or_insert(now);
                over(launch.settle_timeout(), now.saturating_sub(ended))
            }
            PolledState::Missing => {
                if evidence.target == TargetState::Changed {
                    self.missing = None;
                }
                let missing = *self.missing.get_or_insert(now);
                match over(MISSING, now.saturating_sub(missing)) {
                    SettleTime::Over => SettleTime::Over,
                    _ => over(launch.timeout(), elapsed),
                }
            }
            _ => {
                self.missing = None;
                over(launch.timeout(), self.before.waited.saturating_add(elapsed))
            }
        }
    }

    fn judge_unaccepted(
        &mut self,
        launch: &dyn Launch,
        evidence: &Evidence,
        elapsed: Duration,
        now: Duration,
    ) -> SettleTime {
        let settle = match launch.repeat() {
            Repeat::WhenAbsent(settle) => settle,
            Repeat::Harmless => launch.timeout(),
            Repeat::Never => Duration::ZERO,
        };
        let shows_nothing = matches!(evidence.listed, ListReading::Nothing | ListReading::NoList)
            && matches!(
                evidence.target,
                TargetState::AsBefore | TargetState::NothingRecorded
            );
        let is_read = evidence.listed != ListReading::NotRead
            && evidence.target != TargetState::NotRead
            || evidence.listed == ListReading::Unreadable;
        if shows_nothing {
            let (first, looks) = self.nothing.unwrap_or((now, 0));
            self.nothing = Some((first, looks + 1));
            if now.saturating_sub(first) >= settle && looks + 1 >= ABSENT_LOOKS {
                return SettleTime::Settled;
            }
        } else if is_read {
            self.nothing = None;
        }
        // Looks that agree are not cut short.
        if !shows_nothing && elapsed > settle + GRACE {
            SettleTime::Over
        } else {
            SettleTime::Early
        }
    }
}

/// A failure to read, as the note that is shown during the wait: it says nothing about the launch.
/// A failure that a person must correct first, and a request to stop, end the wait.
fn unread(failure: Failure) -> Result<String, Failure> {
    match failure.kind {
        FailureKind::Temporary | FailureKind::Failed => Ok(failure.message),
        _ => Err(failure),
    }
}
