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
//! | in doubt | the same, for the whole settling time, where a repeat is allowed | absent |
//! | recorded as absent | the list shows a destructive operation after all, or one that may be it | open again: adopt it, or a person decides |
//! | in doubt | the same, where a repeat is not allowed, or without a list | a person decides |
//! | accepted | the operation runs, or cannot be read | wait; stay open |
//! | accepted | the service does not know the operation (404) | look at the list and the target; wait; stay open |
//! | accepted | the operation failed | adopt another that is new, else failed |
//! | accepted | it succeeded, the target shows the intended end state | proved |
//! | accepted | it succeeded, the target shows another end state that will not change | adopt another that is new, else failed |
//! | accepted | it succeeded, the target cannot be read or does not show it yet | wait; stay open |
//! | accepted | no operation exists, and the target is as before after the settling time | absent where a repeat is allowed |

use crate::engine::Repeat;

/// The service's response to the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// It clearly refused this very request.
    Refused,
    /// Anything that is neither an acceptance nor a clear refusal, or a response that was lost.
    InDoubt,
    /// It accepted the request.
    Accepted,
}

/// What the service reports about the operation of an accepted request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation {
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
pub(super) enum Target {
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
    pub(super) answer: Answer,
    pub(super) operation: Operation,
    pub(super) listed: Listed,
    pub(super) target: Target,
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
        Answer::Accepted => decide_accepted(evidence),
        Answer::Refused | Answer::InDoubt => decide_unaccepted(evidence),
    }
}

/// Decides about a request that was not accepted.
fn decide_unaccepted(evidence: &Evidence) -> Decision {
    match (evidence.listed, evidence.target) {
        (Listed::NotRead, _) => Decision::ReadList,
        (Listed::Ours, _) => Decision::Adopt,
        (Listed::Unclear, _) => Decision::AskPerson,
        (Listed::Nothing | Listed::NoList, Target::NotRead) => Decision::ReadTarget,
        (Listed::Nothing | Listed::NoList, Target::Proved) => Decision::Proved,
        (Listed::Nothing | Listed::NoList, Target::AsBefore | Target::NothingRecorded) => {
            decide_without_trace(evidence)
        }
        (Listed::Unreadable, _) | (_, Target::Unreadable | Target::Changed | Target::Disproved) => {
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
        (Answer::Refused, ..) => Decision::Absent,
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
        Operation::NoHandle | Operation::Running | Operation::Unreadable => {
            wait_or_stay_open(evidence)
        }
        Operation::Missing => match (evidence.listed, evidence.target) {
            (Listed::NotRead, _) => Decision::ReadList,
            (Listed::Ours, _) => Decision::Adopt,
            (_, Target::NotRead) => Decision::ReadTarget,
            (_, Target::Proved) => Decision::Proved,
            _ => wait_or_stay_open(evidence),
        },
        Operation::Failed => decide_failed(evidence),
        Operation::Succeeded | Operation::Nonexistent => match evidence.target {
            Target::NotRead => Decision::ReadTarget,
            Target::Proved => Decision::Proved,
            Target::Disproved => decide_failed(evidence),
            Target::AsBefore
                if evidence.operation == Operation::Nonexistent
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    const ANSWERS: [Answer; 3] = [Answer::Refused, Answer::InDoubt, Answer::Accepted];
    const OPERATIONS: [Operation; 7] = [
        Operation::NoHandle,
        Operation::Nonexistent,
        Operation::Unreadable,
        Operation::Running,
        Operation::Missing,
        Operation::Succeeded,
        Operation::Failed,
    ];
    const LISTED: [Listed; 6] = [
        Listed::NotRead,
        Listed::Unreadable,
        Listed::Ours,
        Listed::Nothing,
        Listed::NoList,
        Listed::Unclear,
    ];
    const TARGETS: [Target; 7] = [
        Target::NotRead,
        Target::Unreadable,
        Target::AsBefore,
        Target::NothingRecorded,
        Target::Changed,
        Target::Proved,
        Target::Disproved,
    ];
    const TIMES: [Time; 3] = [Time::Early, Time::Settled, Time::Over];
    const REPEATS: [Repeat; 3] = [
        Repeat::Never,
        Repeat::Harmless,
        Repeat::WhenAbsent(Duration::from_mins(2)),
    ];

    fn for_every_evidence(mut each: impl FnMut(&Evidence)) {
        for answer in ANSWERS {
            for operation in OPERATIONS {
                for listed in LISTED {
                    for target in TARGETS {
                        for time in TIMES {
                            for repeat in REPEATS {
                                for is_destructive in [true, false] {
                                    each(&Evidence {
                                        answer,
                                        operation,
                                        listed,
                                        target,
                                        time,
                                        repeat,
                                        is_destructive,
                                    });
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The guarantees, for every possible evidence.
    #[test]
    fn no_outcome_is_recorded_without_the_required_evidence() {
        let mut counts = BTreeMap::new();
        for_every_evidence(|e| {
            let decision = decide(e);
            *counts.entry(format!("{decision:?}")).or_insert(0) += 1;
            let list_is_empty = matches!(e.listed, Listed::Nothing | Listed::NoList);
            let is_untouched = matches!(e.target, Target::AsBefore | Target::NothingRecorded);
            match decision {
                Decision::Absent if e.answer == Answer::Accepted => assert!(
                    e.operation == Operation::Nonexistent
                        && e.target == Target::AsBefore
                        && !e.is_destructive
                        && e.time != Time::Early
                        && e.repeat != Repeat::Never,
                    "{e:?}"
                ),
                Decision::Absent => {
                    assert!(list_is_empty && is_untouched, "{e:?}");
                    let is_settled = e.time == Time::Settled && e.repeat != Repeat::Never;
                    assert!(e.answer == Answer::Refused || is_settled, "{e:?}");
                }
                Decision::Failed => {
                    let is_stated =
                        e.operation == Operation::Failed || e.target == Target::Disproved;
                    assert!(is_stated && list_is_empty, "{e:?}");
                    assert_eq!(e.answer, Answer::Accepted, "{e:?}");
                }
                Decision::Proved => assert_eq!(e.target, Target::Proved, "{e:?}"),
                Decision::Adopt => assert_eq!(e.listed, Listed::Ours, "{e:?}"),
                Decision::StayOpen => assert_eq!(e.time, Time::Over, "{e:?}"),
                Decision::AskPerson => assert!(
                    e.listed == Listed::Unclear
                        || e.answer == Answer::InDoubt && list_is_empty && is_untouched,
                    "{e:?}"
                ),
                Decision::Wait => assert_ne!(e.time, Time::Over, "{e:?}"),
                Decision::ReadList => assert_eq!(e.listed, Listed::NotRead, "{e:?}"),
                Decision::ReadTarget => assert_eq!(e.target, Target::NotRead, "{e:?}"),
            }
        });
        println!("{counts:?}");
        assert_eq!(counts.len(), 9, "each decision occurs: {counts:?}");
    }

    /// One case for each line of the table.
    #[test]
    fn each_line_of_the_table_leads_to_its_decision() {
        let base = Evidence {
            answer: Answer::InDoubt,
            operation: Operation::NoHandle,
            listed: Listed::Nothing,
            target: Target::AsBefore,
            time: Time::Settled,
            repeat: Repeat::WhenAbsent(Duration::from_mins(2)),
            is_destructive: true,
        };
        let accepted = Evidence {
            answer: Answer::Accepted,
            operation: Operation::Missing,
            ..base
        };
        for (evidence, decision) in [
            (base, Decision::Absent),
            (
                Evidence {
                    time: Time::Early,
                    ..base
                },
                Decision::Wait,
            ),
            (
                Evidence {
                    listed: Listed::Unreadable,
                    time: Time::Over,
                    ..base
                },
                Decision::StayOpen,
            ),
            (
                Evidence {
                    target: Target::Changed,
                    time: Time::Over,
                    ..base
                },
                Decision::StayOpen,
            ),
            (
                Evidence {
                    repeat: Repeat::Never,
                    ..base
                },
                Decision::AskPerson,
            ),
            (
                Evidence {
                    listed: Listed::NoList,
                    ..base
                },
                Decision::AskPerson,
            ),
            (
                Evidence {
                    listed: Listed::NoList,
                    repeat: Repeat::Harmless,
                    ..base
                },
                Decision::Absent,
            ),
            (
                Evidence {
                    listed: Listed::Unclear,
                    ..base
                },
                Decision::AskPerson,
            ),
            (
                Evidence {
                    target: Target::Proved,
                    ..base
                },
                Decision::Proved,
            ),
            (
                Evidence {
                    answer: Answer::Refused,
                    time: Time::Early,
                    ..base
                },
                Decision::Absent,
            ),
            (
                Evidence {
                    answer: Answer::Refused,
                    listed: Listed::Ours,
                    ..base
                },
                Decision::Adopt,
            ),
            (accepted, Decision::Wait),
            (
                Evidence {
                    time: Time::Over,
                    ..accepted
                },
                Decision::StayOpen,
            ),
            (
                Evidence {
                    target: Target::Proved,
                    ..accepted
                },
                Decision::Proved,
            ),
            (
                Evidence {
                    operation: Operation::Failed,
                    ..accepted
                },
                Decision::Failed,
            ),
            (
                Evidence {
                    operation: Operation::Failed,
                    listed: Listed::Ours,
                    ..accepted
                },
                Decision::Adopt,
            ),
            (
                Evidence {
                    operation: Operation::Succeeded,
                    target: Target::Changed,
                    time: Time::Over,
                    ..accepted
                },
                Decision::StayOpen,
            ),
        ] {
            assert_eq!(decide(&evidence), decision, "{evidence:?}");
        }
    }
}
