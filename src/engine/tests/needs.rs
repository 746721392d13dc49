//! Steps and what they need: a failure stops what depends on it and nothing else.

use super::sets::{Sheet, WANTED, fill, forbidden, sheet};
use super::*;

/// A step with one phase over these cells.
fn step(sheet: &Sheet, name: &'static str, needs: &[&str], keys: &[&'static str]) -> Step {
    Step {
        name: name.to_owned(),
        needs: Needs::Only(needs.iter().map(|name| (*name).to_owned()).collect()),
        skip: None,
        attempts: 3,
        concurrency: 4,
        barrier_timeout: Duration::from_mins(5),
        phases: vec![Phase::changes("phase", fill(sheet, keys))],
    }
}

/// The part of a message about steps that were not begun.
fn steps_not_begun(failure: &Failure) -> &str {
    let (_, lines) = failure.message.split_once("steps not begun:").unwrap();
    lines
}

/// A step that may delete does not begin while a failure that it depends on is open. What it needs
/// through a skipped step counts too, and a custom step needs all before it.
#[tokio::test]
async fn a_step_that_needs_what_failed_does_not_begin() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old"), ("b", "old"), ("c", "old"), ("d", "old")]);
    sheet.lock().unwrap().refusals = [("a", forbidden())].into();
    let opening = stage.open();
    let (mut executor, events_seen) = stage.executor(&opening, stage.wanted(vec![]));
    let skipped = Step {
        skip: Some("not today".to_owned()),
        ..step(&sheet, "skipped", &["first"], &[])
    };
    let own = Step {
        needs: Needs::EveryEarlier,
        ..step(&sheet, "own", &[], &["d"])
    };
    executor.steps = [
        step(&sheet, "first", &[], &["a"]),
        skipped,
        step(&sheet, "second", &["first"], &["b"]),
        step(&sheet, "third", &["skipped"], &["c"]),
        own,
    ]
    .into();
    let failure = executor.run().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotAllowed, "the cause decides");
    assert_eq!(
        steps_not_begun(&failure),
        "\n  - second: it needs first, which failed\
         \n  - third: it needs first, which failed\
         \n  - own: it needs first, which failed, and second, which was not begun, and third, \
         which was not begun"
    );
    let cells = sheet.lock().unwrap();
    assert!(
        ["b", "c", "d"]
            .iter()
            .all(|cell| cells.attempts_of(cell) == 0)
    );
    let folded = opening.journal.state();
    assert!(folded.step("second").is_none() && folded.finished.is_none());
    assert_eq!(
        folded.step("skipped").unwrap().outcome,
        Some(journal::StepOutcome::Skipped)
    );
    let events_seen = events_seen.0.lock().unwrap();
    let noted = events_seen.iter().any(|event| {
        matches!(event, EventKind::StepNotBegun { step, why }
            if step == "second" && why == "it needs first, which failed")
    });
    assert!(noted, "{events_seen:?}");
}

/// The run continues with every step that needs nothing of the failed ones, ends with all failures,
/// and the next process does the rest.
#[tokio::test]
async fn a_step_that_needs_nothing_of_the_failed_one_goes_on() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old"), ("b", "old"), ("c", "old"), ("d", "old")]);
    let refusal = Failure::failed("a data policy forbids it").permanent();
    sheet.lock().unwrap().refusals = [("a", refusal), ("c", forbidden())].into();
    let process = async || {
        let opening = stage.open();
        let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
        executor.steps = [
            step(&sheet, "one", &[], &["a"]),
            step(&sheet, "two", &[], &["b"]),
            step(&sheet, "three", &["two"], &["c"]),
            step(&sheet, "four", &["three"], &["d"]),
        ]
        .into();
        let result = executor.run().await;
        (result, opening.journal.state())
    };
    let (result, folded) = process().await;
    let failure = result.unwrap_err();
    assert_eq!(
        (failure.kind, failure.items().len()),
        (FailureKind::Failed, 2)
    );
    for part in ["cell 'a': a data policy forbids it", "cell 'c': 403"] {
        assert!(failure.message.contains(part), "{part}: {failure}");
    }
    assert_eq!(
        steps_not_begun(&failure),
        "\n  - four: it needs three, which failed"
    );
    {
        let cells = sheet.lock().unwrap();
        assert_eq!(
            cells.holds("b"),
            WANTED,
            "it needs nothing of the failed one"
        );
        assert_eq!((cells.attempts_of("a"), cells.attempts_of("d")), (1, 0));
    }
    let outcome = |name: &str| folded.step(name).and_then(|step| step.outcome);
    assert_eq!(outcome("one"), Some(journal::StepOutcome::Failed));
    assert_eq!(outcome("two"), Some(journal::StepOutcome::Done));
    assert_eq!(folded.failures.len(), 2, "both stay open");

    sheet.lock().unwrap().refusals.clear();
    let (result, folded) = process().await;
    assert_eq!(result.unwrap(), Outcome::Finished);
    assert!(folded.failures.is_empty() && folded.finished.is_some());
    assert_eq!(sheet.lock().unwrap().attempts_of("b"), 1, "done once");
}

/// A person must act in a later step while an earlier failure is open: the run has failed, and the
/// task is listed with the failure.
#[tokio::test]
async fn a_task_beside_an_open_failure_is_a_failed_run_with_both() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old")]);
    sheet.lock().unwrap().refusals = [("a", forbidden())].into();
    let opening = stage.open();
    let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
    let ask = stage.asking("asked");
    let asking = Step {
        phases: vec![Phase::changes("phase", ask)],
        ..step(&sheet, "asking", &[], &[])
    };
    executor.steps = [step(&sheet, "one", &[], &["a"]), asking].into();
    let failure = executor.run().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotAllowed);
    for part in [
        "manual task not done (asking/phase)",
        "also failed",
        "cell 'a': 403",
    ] {
        assert!(failure.message.contains(part), "{part}: {failure}");
    }
    assert_eq!(opening.journal.state().waiting().count(), 1);
}

/// The same within a step: a phase waits, and an earlier one of which it is independent has failed.
#[tokio::test]
async fn a_task_beside_a_failure_of_another_phase_is_a_failed_run() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old")]);
    sheet.lock().unwrap().refusals = [("a", forbidden())].into();
    let opening = stage.open();
    let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
    let ask = stage.asking("asked");
    let asking = Phase {
        independent_of: &["first"],
        ..Phase::changes("asking", ask)
    };
    only_step(&mut executor).phases = vec![Phase::changes("first", fill(&sheet, &["a"])), asking];
    let failure = executor.run().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotAllowed, "{failure}");
    let kinds: Vec<_> = failure.items().iter().map(|item| item.kind).collect();
    assert_eq!(kinds, [FailureKind::Waiting, FailureKind::NotAllowed]);
}
