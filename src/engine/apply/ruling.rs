//! What may be recorded of a launch, and what follows: one table from evidence to ruling, which every
//! launch goes through.
//!
//! Unknown is not no. *Absent* follows only from a clear refusal with nothing new at the service, or,
//! for a request in doubt, from a settling time in which every look at the list and at the target agrees
//! that nothing happened. *Failed* follows only from a positive statement. Everything else stays open.
//!
//! | Answer | What is read | Ruling |
//! |---|---|---|
//! | refused or in doubt | the list shows one of ours, new since the intent | adopt it |
//! | refused or in doubt | the list shows what may be ours or somebody else's | a person decides |
//! | refused or in doubt | list or target cannot be read, or the target has changed | look again; stay open |
//! | refused or in doubt | the target shows the wanted end, and was different before | succeeded |
//! | refused | nothing new, and the target is as before | absent |
//! | in doubt | the same, for the whole settling time, where a repeat is allowed | absent |
//! | absent until now | what destroys shows in the list after all, or may | open again: adopt it, or a person decides |
//! | in doubt | the same, where a repeat is not allowed, or without a list | a person decides |
//! | accepted | the operation runs, or cannot be read | wait; stay open |
//! | accepted | the operation is unknown to the service (404) | look at the list and the target; wait; stay open |
//! | accepted | the operation failed | adopt another that is new, else failed |
//! | accepted | it succeeded, the target shows the wanted end | proved |
//! | accepted | it succeeded, the target shows a wrong end for good | adopt another that is new, else failed |
//! | accepted | it succeeded, the target cannot be read or does not show it yet | wait; stay open |
//! | accepted | no operation exists, and the target is as before after the settling time | absent where a repeat is allowed |

use crate::engine::Repeat;

/// What the service answered to the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// It clearly refused this very request.
    Refused,
    /// Anything that is neither an acceptance nor a clear refusal, or an answer that nobody received.
    InDoubt,
    /// It accepted the request.
    Accepted,
}

/// What the service says of the operation of an accepted request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation {
    /// There is no handle to ask with.
    NoHandle,
    /// The service has no operation for such a request: the target alone shows its end.
    Nonexistent,
    /// It could not be asked after.
    Unreadable,
    /// It has not ended.
    Running,
    /// The service does not know it.
    Missing,
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
}

/// What the service's list shows that is new since the intent, besides the operation of the handle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Listed {
    /// It has not been looked at.
    NotRead,
    /// It could not be read.
    Unreadable,
    /// One operation that is ours.
    Ours,
    /// Nothing, and the list is complete.
    Nothing,
    /// The service lists no such operations.
    NoList,
    /// Operations of which one may be ours.
    Unclear,
}

/// What the target itself shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Target {
    /// It has not been looked at.
    NotRead,
    /// It could not be read.
    Unreadable,
    /// It is as it was at the intent.
    AsBefore,
    /// Nothing was kept that it could be compared with, and it does not show the wanted end.
    NothingKept,
    /// It has changed since the intent, or does not show the wanted end yet.
    Changed,
    /// It shows the wanted end.
    Proved,
    /// It shows another end, for good.
    Wrong,
}

/// How long it has been looked for or waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Time {
    /// Not long enough to conclude anything.
    Early,
    /// Long enough that what happened would show, and every look agreed.
    Settled,
    /// Longer than this process waits, without agreement.
    Over,
}

/// Everything that is known of a launch whose end is not recorded.
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
pub(super) enum Ruling {
    /// Look at the service's list before anything is concluded.
    LookAtList,
    /// Look at the target before anything is concluded.
    LookAtTarget,
    /// Nothing can be concluded yet: wait and look again.
    Wait,
    /// Take the listed operation as this launch's own.
    Adopt,
    /// Record that it succeeded and was proved.
    Proved,
    /// Record that it failed.
    Failed,
    /// Record that it never began.
    Absent,
    /// Record nothing, and end as temporary: the next run goes on from here.
    StayOpen,
    /// Record nothing: only a person can tell.
    AskPerson,
}

/// The table.
pub(super) fn rule(evidence: &Evidence) -> Ruling {
    match evidence.answer {
        Answer::Accepted => accepted(evidence),
        Answer::Refused | Answer::InDoubt => unaccepted(evidence),
    }
}

/// Of a request without an acceptance.
fn unaccepted(evidence: &Evidence) -> Ruling {
    match (evidence.listed, evidence.target) {
        (Listed::NotRead, _) => Ruling::LookAtList,
        (Listed::Ours, _) => Ruling::Adopt,
        (Listed::Unclear, _) => Ruling::AskPerson,
        (Listed::Nothing | Listed::NoList, Target::NotRead) => Ruling::LookAtTarget,
        (Listed::Nothing | Listed::NoList, Target::Proved) => Ruling::Proved,
        (Listed::Nothing | Listed::NoList, Target::AsBefore | Target::NothingKept) => {
            nothing_shows(evidence)
        }
        (Listed::Unreadable, _) | (_, Target::Unreadable | Target::Changed | Target::Wrong) => {
            wait(evidence)
        }
    }
}

/// Of a request without an acceptance, where neither the list nor the target shows anything.
#[expect(
    clippy::match_same_arms,
    reason = "the first row that fits decides, so their order is kept"
)]
fn nothing_shows(evidence: &Evidence) -> Ruling {
    match (
        evidence.answer,
        evidence.time,
        evidence.repeat,
        evidence.listed,
    ) {
        (Answer::Refused, ..) => Ruling::Absent,
        (_, Time::Early, ..) => Ruling::Wait,
        (_, Time::Over, ..) => Ruling::StayOpen,
        (_, Time::Settled, Repeat::Harmless, _)
        | (_, Time::Settled, Repeat::WhenAbsent(_), Listed::Nothing) => Ruling::Absent,
        (_, Time::Settled, Repeat::Never | Repeat::WhenAbsent(_), _) => Ruling::AskPerson,
    }
}

/// Of an accepted request.
fn accepted(evidence: &Evidence) -> Ruling {
    match evidence.operation {
        Operation::NoHandle | Operation::Running | Operation::Unreadable => wait(evidence),
        Operation::Missing => match (evidence.listed, evidence.target) {
            (Listed::NotRead, _) => Ruling::LookAtList,
            (Listed::Ours, _) => Ruling::Adopt,
            (_, Target::NotRead) => Ruling::LookAtTarget,
            (_, Target::Proved) => Ruling::Proved,
            _ => wait(evidence),
        },
        Operation::Failed => failed(evidence),
        Operation::Succeeded | Operation::Nonexistent => match evidence.target {
            Target::NotRead => Ruling::LookAtTarget,
            Target::Proved => Ruling::Proved,
            Target::Wrong => failed(evidence),
            Target::AsBefore
                if evidence.operation == Operation::Nonexistent
                    && evidence.repeat != Repeat::Never
                    && !evidence.is_destructive
                    && evidence.time != Time::Early =>
            {
                Ruling::Absent
            }
            _ => wait(evidence),
        },
    }
}

/// Of a positive statement that it failed.
fn failed(evidence: &Evidence) -> Ruling {
    match evidence.listed {
        Listed::NotRead => Ruling::LookAtList,
        Listed::Ours => Ruling::Adopt,
        Listed::Nothing | Listed::NoList => Ruling::Failed,
        Listed::Unclear => Ruling::AskPerson,
        Listed::Unreadable => wait(evidence),
    }
}

fn wait(evidence: &Evidence) -> Ruling {
    match evidence.time {
        Time::Early | Time::Settled => Ruling::Wait,
        Time::Over => Ruling::StayOpen,
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
        Target::NothingKept,
        Target::Changed,
        Target::Proved,
        Target::Wrong,
    ];
    const TIMES: [Time; 3] = [Time::Early, Time::Settled, Time::Over];
    const REPEATS: [Repeat; 3] = [
        Repeat::Never,
        Repeat::Harmless,
        Repeat::WhenAbsent(Duration::from_mins(2)),
    ];

    fn every(mut each: impl FnMut(&Evidence)) {
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

    /// The promises, for every evidence there can be.
    #[test]
    fn nothing_is_recorded_without_what_it_takes() {
        let mut counts = BTreeMap::new();
        every(|e| {
            let ruling = rule(e);
            *counts.entry(format!("{ruling:?}")).or_insert(0) += 1;
            let list_is_empty = matches!(e.listed, Listed::Nothing | Listed::NoList);
            let is_untouched = matches!(e.target, Target::AsBefore | Target::NothingKept);
            match ruling {
                Ruling::Absent if e.answer == Answer::Accepted => assert!(
                    e.operation == Operation::Nonexistent
                        && e.target == Target::AsBefore
                        && !e.is_destructive
                        && e.time != Time::Early
                        && e.repeat != Repeat::Never,
                    "{e:?}"
                ),
                Ruling::Absent => {
                    assert!(list_is_empty && is_untouched, "{e:?}");
                    let is_settled = e.time == Time::Settled && e.repeat != Repeat::Never;
                    assert!(e.answer == Answer::Refused || is_settled, "{e:?}");
                }
                Ruling::Failed => {
                    let is_stated = e.operation == Operation::Failed || e.target == Target::Wrong;
                    assert!(is_stated && list_is_empty, "{e:?}");
                    assert_eq!(e.answer, Answer::Accepted, "{e:?}");
                }
                Ruling::Proved => assert_eq!(e.target, Target::Proved, "{e:?}"),
                Ruling::Adopt => assert_eq!(e.listed, Listed::Ours, "{e:?}"),
                Ruling::StayOpen => assert_eq!(e.time, Time::Over, "{e:?}"),
                Ruling::AskPerson => assert!(
                    e.listed == Listed::Unclear
                        || e.answer == Answer::InDoubt && list_is_empty && is_untouched,
                    "{e:?}"
                ),
                Ruling::Wait => assert_ne!(e.time, Time::Over, "{e:?}"),
                Ruling::LookAtList => assert_eq!(e.listed, Listed::NotRead, "{e:?}"),
                Ruling::LookAtTarget => assert_eq!(e.target, Target::NotRead, "{e:?}"),
            }
        });
        println!("{counts:?}");
        assert_eq!(counts.len(), 9, "each ruling occurs: {counts:?}");
    }

    /// One line of the table each.
    #[test]
    fn the_lines_of_the_table() {
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
        for (evidence, ruling) in [
            (base, Ruling::Absent),
            (
                Evidence {
                    time: Time::Early,
                    ..base
                },
                Ruling::Wait,
            ),
            (
                Evidence {
                    listed: Listed::Unreadable,
                    time: Time::Over,
                    ..base
                },
                Ruling::StayOpen,
            ),
            (
                Evidence {
                    target: Target::Changed,
                    time: Time::Over,
                    ..base
                },
                Ruling::StayOpen,
            ),
            (
                Evidence {
                    repeat: Repeat::Never,
                    ..base
                },
                Ruling::AskPerson,
            ),
            (
                Evidence {
                    listed: Listed::NoList,
                    ..base
                },
                Ruling::AskPerson,
            ),
            (
                Evidence {
                    listed: Listed::NoList,
                    repeat: Repeat::Harmless,
                    ..base
                },
                Ruling::Absent,
            ),
            (
                Evidence {
                    listed: Listed::Unclear,
                    ..base
                },
                Ruling::AskPerson,
            ),
            (
                Evidence {
                    target: Target::Proved,
                    ..base
                },
                Ruling::Proved,
            ),
            (
                Evidence {
                    answer: Answer::Refused,
                    time: Time::Early,
                    ..base
                },
                Ruling::Absent,
            ),
            (
                Evidence {
                    answer: Answer::Refused,
                    listed: Listed::Ours,
                    ..base
                },
                Ruling::Adopt,
            ),
            (accepted, Ruling::Wait),
            (
                Evidence {
                    time: Time::Over,
                    ..accepted
                },
                Ruling::StayOpen,
            ),
            (
                Evidence {
                    target: Target::Proved,
                    ..accepted
                },
                Ruling::Proved,
            ),
            (
                Evidence {
                    operation: Operation::Failed,
                    ..accepted
                },
                Ruling::Failed,
            ),
            (
                Evidence {
                    operation: Operation::Failed,
                    listed: Listed::Ours,
                    ..accepted
                },
                Ruling::Adopt,
            ),
            (
                Evidence {
                    operation: Operation::Succeeded,
                    target: Target::Changed,
                    time: Time::Over,
                    ..accepted
                },
                Ruling::StayOpen,
            ),
        ] {
            assert_eq!(rule(&evidence), ruling, "{evidence:?}");
        }
    }
}
