//! What may be recorded about a requested launch, and what follows: one table from evidence to
//! decision, which every launch goes through. An attempt that was recorded as absent and whose
//! operation appears late is in `repetition.rs`.
//!
//! Unknown is not no. *Absent* follows only from a clear refusal with nothing new at the service,
//! or, for a request in doubt, from a settling time in which every look at the list and at the
//! target agrees that nothing happened. *Failed* follows only from a positive statement. Everything
//! else stays open.
//!
//! | Response | What is read | Decision |
//! |---|---|---|
//! | refused or in doubt | the list shows one of ours, new since the intent | adopt it |
//! | refused or in doubt | the list shows an operation that may be ours or somebody else's | a person decides |
//! | refused or in doubt | list or target cannot be read, or the target has changed | look again; stay open |
//! | refused or in doubt | the target shows the intended end state, and was different before | succeeded |
//! | refused | nothing new, and the target is as before | absent |
//! | in doubt | the same, for the whole settling time, if a repeat is allowed | absent |
//! | in doubt | the same, if a repeat is not allowed, or without a list | a person decides |
//! | accepted | the operation runs, or cannot be read | wait; stay open |
//! | accepted | the service does not know the operation (404) | look at the list and the target; wait |
//! | accepted | the same for the whole time, nothing is listed, and the target is as before | absent; a person decides if a repeat is never allowed |
//! | accepted | the same, and the list shows an operation that may be ours or somebody else's | a person decides |
//! | accepted | the same, and the list or the target cannot be read, or the target has changed | stay open |
//! | accepted | the operation failed | adopt another that is new, else failed |
//! | accepted | it succeeded, the target shows the intended end state | proved |
//! | accepted | it succeeded, the target shows another end state that will not change | adopt another that is new, else failed |
//! | accepted | it succeeded, the target cannot be read or does not show it yet | wait; stay open |
//! | accepted | no operation exists, and the target is as before after the settling time | absent, if a repeat is allowed and it is not destructive; else stay open |

#[cfg(test)]
mod tests;

use crate::engine::Repeat;

/// The service's response to the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RequestOutcome {
    /// It clearly refused this very request.
    Refused,
    /// Anything that is neither an acceptance nor a clear refusal, or a response that was lost.
    InDoubt,
    /// It accepted the request.
    Accepted,
}

/// What the service reports about the operation of an accepted request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PolledState {
    /// There is no handle to poll with.
    NoHandle,
    /// The service has no operation for such a request: only the target shows its end.
    Nonexistent,
    /// Its state could not be read.
    Unreadable,
    /// It has not ended.
    Running,
    /// The service does not know it.
    Missing,
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
}

/// What the service's list shows that is new since the intent, except the operation of the handle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ListReading {
    /// It has not been read.
    NotRead,
    /// It could not be read.
    Unreadable,
    /// One operation that is ours.
    Ours,
    /// Nothing, and the list is complete.
    Nothing,
    /// The service lists no such operations.
    NoList,
    /// Operations, one of which may be ours.
    Unclear,
}

/// What the target itself shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TargetState {
    /// It has not been read.
    NotRead,
    /// It could not be read.
    Unreadable,
    /// It is as it was when the intent was recorded.
    AsBefore,
    /// Nothing was recorded that it could be compared with, and it does not show the intended end
    /// state.
    NothingRecorded,
    /// It has changed since the intent, or does not show the intended end state yet.
    Changed,
    /// It shows the intended end state.
    Proved,
    /// It shows another end state, which will not change.
    Disproved,
}

/// How long the search or the wait has taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SettleTime {
    /// Not long enough to conclude anything.
    Early,
    /// So long that an effect would show by now, and every look agreed.
    Settled,
    /// Longer than this process waits, without agreement.
    Over,
}

/// Everything that is known about a launch whose end is not recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    pub(super) answer: RequestOutcome,
    pub(super) operation: PolledState,
    pub(super) listed: ListReading,
    pub(super) target: TargetState,
    pub(super) time: SettleTime,
    pub(super) repeat: Repeat,
    pub(super) is_destructive: bool,
}

impl Evidence {
    /// Does it show that the launch has not ended successfully yet?
    pub(super) fn shows_no_end(&self) -> bool {
        let is_open = matches!(
            self.target,
            TargetState::AsBefore | TargetState::NothingRecorded | TargetState::Changed
        );
        self.operation == PolledState::Running || is_open
    }
}

/// What follows from the evidence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Decision {
    /// Read the service's list before concluding anything.
    ReadList,
    /// Read the target before concluding anything.
    ReadTarget,
    /// Nothing can be concluded yet: wait and look again.
    Wait,
    /// Adopt the listed operation as this launch's own.
    Adopt,
    /// Record that it succeeded and was proved.
    Proved,
    /// Record that it failed.
    Failed,
    /// Record that it never began.
    Absent,
    /// Record nothing, and end as temporary: the next run continues from here.
    StayOpen,
    /// Record nothing: only a person can decide.
    AskPerson,
}

/// Decides by the table.
pub(super) fn decide(evidence: &Evidence) -> Decision {
    match evidence.answer {
        RequestOutcome::Accepted => decide_accepted(evidence),
        RequestOutcome::Refused | RequestOutcome::InDoubt => decide_unaccepted(evidence),
    }
}

/// Decides about a request that was not accepted.
fn decide_unaccepted(evidence: &Evidence) -> Decision {
    match (evidence.listed, evidence.target) {
        (ListReading::NotRead, _) => Decision::ReadList,
        (ListReading::Ours, _) => Decision::Adopt,
        (ListReading::Unclear, _) => Decision::AskPerson,
        (ListReading::Nothing | ListReading::NoList, TargetState::NotRead) => Decision::ReadTarget,
        (ListReading::Nothing | ListReading::NoList, TargetState::Proved) => Decision::Proved,
        (
            ListReading::Nothing | ListReading::NoList,
            TargetState::AsBefore | TargetState::NothingRecorded,
        ) => decide_without_trace(evidence),
        (ListReading::Unreadable, _)
        | (_, TargetState::Unreadable | TargetState::Changed | TargetState::Disproved) => {
            wait_or_stay_open(evidence)
        }
    }
}

/// Decides about a request that was not accepted, if neither the list nor the target shows
/// anything.
#[expect(
    clippy::match_same_arms,
    reason = "the first row that matches decides, so the rows keep their order"
)]
fn decide_without_trace(evidence: &Evidence) -> Decision {
    match (
        evidence.answer,
        evidence.time,
        evidence.repeat,
        evidence.listed,
    ) {
        (RequestOutcome::Refused, ..) => Decision::Absent,
        (_, SettleTime::Early, ..) => Decision::Wait,
        (_, SettleTime::Over, ..) => Decision::StayOpen,
        (_, SettleTime::Settled, Repeat::Harmless, _)
        | (_, SettleTime::Settled, Repeat::WhenAbsent(_), ListReading::Nothing) => Decision::Absent,
        (_, SettleTime::Settled, Repeat::Never | Repeat::WhenAbsent(_), _) => Decision::AskPerson,
    }
}

/// Decides about an accepted request.
fn decide_accepted(evidence: &Evidence) -> Decision {
    match evidence.operation {
        PolledState::NoHandle | PolledState::Running | PolledState::Unreadable => {
            wait_or_stay_open(evidence)
        }
        PolledState::Missing => match (evidence.listed, evidence.target) {
            (ListReading::NotRead, _) => Decision::ReadList,
            (ListReading::Ours, _) => Decision::Adopt,
            (_, TargetState::NotRead) => Decision::ReadTarget,
            (_, TargetState::Proved) => Decision::Proved,
            _ if evidence.time != SettleTime::Over => Decision::Wait,
            (ListReading::Unclear, _) => Decision::AskPerson,
            // Without a list, nothing shows that the operation does not wait to begin.
            (ListReading::Nothing, TargetState::AsBefore) if evidence.repeat == Repeat::Never => {
                Decision::AskPerson
            }
            (ListReading::Nothing, TargetState::AsBefore) => Decision::Absent,
            _ => Decision::StayOpen,
        },
        PolledState::Failed => decide_failed(evidence),
        PolledState::Succeeded | PolledState::Nonexistent => match evidence.target {
            TargetState::NotRead => Decision::ReadTarget,
            TargetState::Proved => Decision::Proved,
            TargetState::Disproved => decide_failed(evidence),
            TargetState::AsBefore
                if evidence.operation == PolledState::Nonexistent
                    && evidence.repeat != Repeat::Never
                    && !evidence.is_destructive
                    && evidence.time != SettleTime::Early =>
            {
                Decision::Absent
            }
            _ => wait_or_stay_open(evidence),
        },
    }
}

/// Decides after a positive statement that it failed.
fn decide_failed(evidence: &Evidence) -> Decision {
    match evidence.listed {
        ListReading::NotRead => Decision::ReadList,
        ListReading::Ours => Decision::Adopt,
        ListReading::Nothing | ListReading::NoList => Decision::Failed,
        ListReading::Unclear => Decision::AskPerson,
        ListReading::Unreadable => wait_or_stay_open(evidence),
    }
}

fn wait_or_stay_open(evidence: &Evidence) -> Decision {
    match evidence.time {
        SettleTime::Early | SettleTime::Settled => Decision::Wait,
        SettleTime::Over => Decision::StayOpen,
    }
}
