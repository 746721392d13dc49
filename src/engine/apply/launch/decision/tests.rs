use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

const ANSWERS: [RequestOutcome; 3] = [
    RequestOutcome::Refused,
    RequestOutcome::InDoubt,
    RequestOutcome::Accepted,
];
const OPERATIONS: [PolledState; 7] = [
    PolledState::NoHandle,
    PolledState::Nonexistent,
    PolledState::Unreadable,
    PolledState::Running,
    PolledState::Missing,
    PolledState::Succeeded,
    PolledState::Failed,
];
const LISTED: [ListReading; 6] = [
    ListReading::NotRead,
    ListReading::Unreadable,
    ListReading::Ours,
    ListReading::Nothing,
    ListReading::NoList,
    ListReading::Unclear,
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
const TIMES: [SettleTime; 3] = [SettleTime::Early, SettleTime::Settled, SettleTime::Over];
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
        let list_is_empty = matches!(e.listed, ListReading::Nothing | ListReading::NoList);
        let is_untouched = matches!(
            e.target,
            TargetState::AsBefore | TargetState::NothingRecorded
        );
        match decision {
            Decision::Absent
                if e.answer == RequestOutcome::Accepted && e.operation == PolledState::Missing =>
            {
                assert!(
                    e.listed == ListReading::Nothing
                        && e.target == TargetState::AsBefore
                        && e.time == SettleTime::Over
                        && e.repeat != Repeat::Never,
                    "{e:?}"
                );
            }
            Decision::Absent if e.answer == RequestOutcome::Accepted => assert!(
                e.operation == PolledState::Nonexistent
                    && e.target == TargetState::AsBefore
                    && !e.is_destructive
                    && e.time != SettleTime::Early
                    && e.repeat != Repeat::Never,
                "{e:?}"
            ),
            Decision::Absent => {
                assert!(list_is_empty && is_untouched, "{e:?}");
                let is_settled = e.time == SettleTime::Settled && e.repeat != Repeat::Never;
                assert!(e.answer == RequestOutcome::Refused || is_settled, "{e:?}");
            }
            Decision::Failed => {
                let is_stated =
                    e.operation == PolledState::Failed || e.target == TargetState::Disproved;
                assert!(is_stated && list_is_empty, "{e:?}");
                assert_eq!(e.answer, RequestOutcome::Accepted, "{e:?}");
            }
            Decision::Proved => assert_eq!(e.target, TargetState::Proved, "{e:?}"),
            Decision::Adopt => assert_eq!(e.listed, ListReading::Ours, "{e:?}"),
            Decision::StayOpen => assert_eq!(e.time, SettleTime::Over, "{e:?}"),
            Decision::AskPerson => assert!(
                e.listed == ListReading::Unclear
                    || e.answer != RequestOutcome::Refused && list_is_empty && is_untouched,
                "{e:?}"
            ),
            Decision::Wait => assert_ne!(e.time, SettleTime::Over, "{e:?}"),
            Decision::ReadList => assert_eq!(e.listed, ListReading::NotRead, "{e:?}"),
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
        answer: RequestOutcome::InDoubt,
        operation: PolledState::NoHandle,
        listed: ListReading::Nothing,
        target: TargetState::AsBefore,
        time: SettleTime::Settled,
        repeat: Repeat::WhenAbsent(Duration::from_mins(2)),
        is_destructive: true,
    };
    let accepted = Evidence {
        answer: RequestOutcome::Accepted,
        operation: PolledState::Missing,
        ..base
    };
    for (evidence, decision) in [
        (base, Decision::Absent),
        (
            Evidence {
                time: SettleTime::Early,
                ..base
            },
            Decision::Wait,
        ),
        (
            Evidence {
                listed: ListReading::Unreadable,
                time: SettleTime::Over,
                ..base
            },
            Decision::StayOpen,
        ),
        (
            Evidence {
                target: TargetState::Changed,
                time: SettleTime::Over,
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
                listed: ListReading::NoList,
                ..base
            },
            Decision::AskPerson,
        ),
        (
            Evidence {
                listed: ListReading::NoList,
                repeat: Repeat::Harmless,
                ..base
            },
            Decision::Absent,
        ),
        (
            Evidence {
                listed: ListReading::Unclear,
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
                answer: RequestOutcome::Refused,
                time: SettleTime::Early,
                ..base
            },
            Decision::Absent,
        ),
        (
            Evidence {
                answer: RequestOutcome::Refused,
                listed: ListReading::Ours,
                ..base
            },
            Decision::Adopt,
        ),
        (accepted, Decision::Wait),
        (
            Evidence {
                time: SettleTime::Over,
                ..accepted
            },
            Decision::Absent,
        ),
        (
            Evidence {
                time: SettleTime::Over,
                repeat: Repeat::Never,
                ..accepted
            },
            Decision::AskPerson,
        ),
        (
            Evidence {
                time: SettleTime::Over,
                listed: ListReading::Unclear,
                ..accepted
            },
            Decision::AskPerson,
        ),
        (
            Evidence {
                time: SettleTime::Over,
                target: TargetState::Changed,
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
                operation: PolledState::Failed,
                ..accepted
            },
            Decision::Failed,
        ),
        (
            Evidence {
                operation: PolledState::Failed,
                listed: ListReading::Ours,
                ..accepted
            },
            Decision::Adopt,
        ),
        (
            Evidence {
                operation: PolledState::Succeeded,
                target: TargetState::Changed,
                time: SettleTime::Over,
                ..accepted
            },
            Decision::StayOpen,
        ),
    ] {
        assert_eq!(decide(&evidence), decision, "{evidence:?}");
    }
}
