use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

const ANSWERS: [RequestAnswer; 3] = [
    RequestAnswer::Refused,
    RequestAnswer::InDoubt,
    RequestAnswer::Accepted,
];
const OPERATIONS: [OperationState; 7] = [
    OperationState::NoHandle,
    OperationState::Nonexistent,
    OperationState::Unreadable,
    OperationState::Running,
    OperationState::Missing,
    OperationState::Succeeded,
    OperationState::Failed,
];
const LISTED: [Listed; 6] = [
    Listed::NotRead,
    Listed::Unreadable,
    Listed::Ours,
    Listed::Nothing,
    Listed::NoList,
    Listed::Unclear,
];
const TARGETS: [TargetState; 7] = [
    TargetState::NotRead,
    TargetState::Unreadable,
    TargetState::AsBefore,
    TargetState::NothingRecorded,
    TargetState::Changed,
    TargetState::Proved,
    TargetState::Disproved,
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
        let is_untouched = matches!(
            e.target,
            TargetState::AsBefore | TargetState::NothingRecorded
        );
        match decision {
            Decision::Absent if e.answer == RequestAnswer::Accepted => assert!(
                e.operation == OperationState::Nonexistent
                    && e.target == TargetState::AsBefore
                    && !e.is_destructive
                    && e.time != Time::Early
                    && e.repeat != Repeat::Never,
                "{e:?}"
            ),
            Decision::Absent => {
                assert!(list_is_empty && is_untouched, "{e:?}");
                let is_settled = e.time == Time::Settled && e.repeat != Repeat::Never;
                assert!(e.answer == RequestAnswer::Refused || is_settled, "{e:?}");
            }
            Decision::Failed => {
                let is_stated =
                    e.operation == OperationState::Failed || e.target == TargetState::Disproved;
                assert!(is_stated && list_is_empty, "{e:?}");
                assert_eq!(e.answer, RequestAnswer::Accepted, "{e:?}");
            }
            Decision::Proved => assert_eq!(e.target, TargetState::Proved, "{e:?}"),
            Decision::Adopt => assert_eq!(e.listed, Listed::Ours, "{e:?}"),
            Decision::StayOpen => assert_eq!(e.time, Time::Over, "{e:?}"),
            Decision::AskPerson => assert!(
                e.listed == Listed::Unclear
                    || e.answer == RequestAnswer::InDoubt && list_is_empty && is_untouched,
                "{e:?}"
            ),
            Decision::Wait => assert_ne!(e.time, Time::Over, "{e:?}"),
            Decision::ReadList => assert_eq!(e.listed, Listed::NotRead, "{e:?}"),
            Decision::ReadTarget => assert_eq!(e.target, TargetState::NotRead, "{e:?}"),
        }
    });
    println!("{counts:?}");
    assert_eq!(counts.len(), 9, "each decision occurs: {counts:?}");
}

/// One case for each line of the table.
#[test]
fn each_line_of_the_table_leads_to_its_decision() {
    let base = Evidence {
        answer: RequestAnswer::InDoubt,
        operation: OperationState::NoHandle,
        listed: Listed::Nothing,
        target: TargetState::AsBefore,
        time: Time::Settled,
        repeat: Repeat::WhenAbsent(Duration::from_mins(2)),
        is_destructive: true,
    };
    let accepted = Evidence {
        answer: RequestAnswer::Accepted,
        operation: OperationState::Missing,
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
                target: TargetState::Changed,
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
                target: TargetState::Proved,
                ..base
            },
            Decision::Proved,
        ),
        (
            Evidence {
                answer: RequestAnswer::Refused,
                time: Time::Early,
                ..base
            },
            Decision::Absent,
        ),
        (
            Evidence {
                answer: RequestAnswer::Refused,
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
                target: TargetState::Proved,
                ..accepted
            },
            Decision::Proved,
        ),
        (
            Evidence {
                operation: OperationState::Failed,
                ..accepted
            },
            Decision::Failed,
        ),
        (
            Evidence {
                operation: OperationState::Failed,
                listed: Listed::Ours,
                ..accepted
            },
            Decision::Adopt,
        ),
        (
            Evidence {
                operation: OperationState::Succeeded,
                target: TargetState::Changed,
                time: Time::Over,
                ..accepted
            },
            Decision::StayOpen,
        ),
    ] {
        assert_eq!(decide(&evidence), decision, "{evidence:?}");
    }
}
