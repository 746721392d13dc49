//! What may be recorded about a launch, and what follows: one table from evidence to decision,
//! which every launch goes through.
//!
//! Unknown is not no. *Absent* follows only from a clear refusal with nothing new at the service,
//! or, for a request in doubt, from a settling time in which every look at the list and at the
//! target agrees that nothing happened. *Failed* follows only from a positive statement. Everything
//! else stays open.
//!
//! | Answer | What is read | Decision |
//! |---|---|---|
//! | refused or in doubt | the list shows one of ours, new since the intent | adopt it |
//! | refused or in doubt | the list shows an operation that may be ours or somebody else's | a person decides |
//! | refused or in doubt | list or target cannot be read, or the target has changed | look again; stay open |
//! | refused or in doubt | the target shows the intended end state, and was different before | succeeded |
//! | refused | nothing new, and the target is as before | absent |
//! | in doubt | the same, for the whole settling time, if a repeat is allowed | absent |
//! | recorded as absent | the list shows a destructive operation after all, or one that may be it | open again: adopt it, or a person decides |
//! | in doubt | the same, if a repeat is not allowed, or without a list | a person decides |
//! | accepted | the operation runs, or cannot be read | wait; stay open |
//! | accepted | the service does not know the operation (404) | look at the list and the target; wait; stay open |
//! | accepted | the operation failed | adopt another that is new, else failed |
//! | accepted | it succeeded, the target shows the intended end state | proved |
//! | accepted | it succeeded, the target shows another end state that will not change | adopt another that is new, else failed |
//! | accepted | it succeeded, the target cannot be read or does not show it yet | wait; stay open |
//! | accepted | no operation exists, and the target is as before after the settling time | absent if a repeat is allowed |

#[cfg(test)]
mod tests;

use crate::engine::Repeat;

/// The service's response to the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RequestAnswer {
    /// It clearly refused this very request.
    Refused,
    /// Anything that is neither an acceptance nor a clear refusal, or a response that was lost.
    InDoubt,
    /// It accepted the request.
    Accepted,
}

/// What the service reports about the operation of an accepted request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OperationState {
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
pub(super) enum Listed {
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
pub(super) enum Time {
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
    pub(super) answer: RequestAnswer,
    pub(super) operation: OperationState,
    pub(super) listed: Listed,
    pub(super) target: TargetState,
    pub(super) time: Time,
    pub(super) repeat: Repeat,
    pub(super) is_destructive: bool,
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
        RequestAnswer::Accepted => decide_accepted(evidence),
        RequestAnswer::Refused | RequestAnswer::InDoubt => decide_unaccepted(evidence),
    }
}

/// Decides about a request that was not accepted.
fn decide_unaccepted(evidence: &Evidence) -> Decision {
    match (evidence.listed, evidence.target) {
        (Listed::NotRead, _) => Decision::ReadList,
        (Listed::Ours, _) => Decision::Adopt,
        (Listed::Unclear, _) => Decision::AskPerson,
        (Listed::Nothing | Listed::NoList, TargetState::NotRead) => Decision::ReadTarget,
        (Listed::Nothing | Listed::NoList, TargetState::Proved) => Decision::Proved,
        (
            Listed::Nothing | Listed::NoList,
            TargetState::AsBefore | TargetState::NothingRecorded,
        ) => decide_without_trace(evidence),
        (Listed::Unreadable, _)
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
        (RequestAnswer::Refused, ..) => Decision::Absent,
        (_, Time::Early, ..) => Decision::Wait,
        (_, Time::Over, ..) => Decision::StayOpen,
        (_, Time::Settled, Repeat::Harmless, _)
        | (_, Time::Settled, Repeat::WhenAbsent(_), Listed::Nothing) => Decision::Absent,
        (_, Time::Settled, Repeat::Never | Repeat::WhenAbsent(_), _) => Decision::AskPerson,
    }
}

/// Decides about an accepted request.
fn decide_accepted(evidence: &Evidence) -> Decision {
    match evidence.operation {
        OperationState::NoHandle | OperationState::Running | OperationState::Unreadable => {
            wait_or_stay_open(evidence)
        }
        OperationState::Missing => match (evidence.listed, evidence.target) {
            (Listed::NotRead, _) => Decision::ReadList,
            (Listed::Ours, _) => Decision::Adopt,
            (_, TargetState::NotRead) => Decision::ReadTarget,
            (_, TargetState::Proved) => Decision::Proved,
            _ => wait_or_stay_open(evidence),
        },
        OperationState::Failed => decide_failed(evidence),
        OperationState::Succeeded | OperationState::Nonexistent => match evidence.target {
            TargetState::NotRead => Decision::ReadTarget,
            TargetState::Proved => Decision::Proved,
            TargetState::Disproved => decide_failed(evidence),
            TargetState::AsBefore
                if evidence.operation == OperationState::Nonexistent
                    && evidence.repeat != Repeat::Never
                    && !evidence.is_destructive
                    && evidence.time != Time::Early =>
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
        Listed::NotRead => Decision::ReadList,
        Listed::Ours => Decision::Adopt,
        Listed::Nothing | Listed::NoList => Decision::Failed,
        Listed::Unclear => Decision::AskPerson,
        Listed::Unreadable => wait_or_stay_open(evidence),
    }
}

fn wait_or_stay_open(evidence: &Evidence) -> Decision {
    match evidence.time {
        Time::Early | Time::Settled => Decision::Wait,
        Time::Over => Decision::StayOpen,
    }
}
