//! Refusals of a change: a permanent one is known to later surveys, a lock is waited for.

use super::sets::{Fill, WANTED, fill, forbidden, process, sheet};
use super::*;
use crate::engine::Maker;

/// Fills cells, and asks a person for those that the service refused.
struct ByHand(Fill);
#[async_trait]
impl Survey for ByHand {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let mut changes = self.0.survey(journal).await?;
        for change in &mut changes {
            if let Some(why) = journal.permanent_failure(&change.key) {
                change.action = Action::ManualTask(ManualTask {
                    instructions: vec![format!("do it by hand: {why}")],
                    evidence: "it is filled".to_owned(),
                    ..ManualTask::default()
                });
            }
        }
        Ok(changes)
    }
}

/// Asks a person only for the first cell, although the service refuses others as well.
struct OnlyA(ByHand, Fill);
#[async_trait]
impl Survey for OnlyA {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let mut changes = self.0.survey(journal).await?;
        changes.retain(|change| change.key == "a");
        let others = self.1.survey(journal).await?.into_iter();
        changes.extend(others.filter(|change| change.key != "a"));
        Ok(changes)
    }
}

/// A refused change becomes a task in the next process, and stays one until it is done.
#[tokio::test]
async fn a_refused_change_is_known_to_the_next_survey_until_it_is_made() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old"), ("b", "old")]);
    let passing = Failure::failed("come again");
    let refusal = Failure::failed("a rule forbids it").permanent();
    sheet.lock().unwrap().refusals = [("a", refusal), ("b", passing)].into();
    let process = async || {
        let opening = stage.open();
        let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
        let survey = ByHand(fill(&sheet, &["a", "b"]));
        only_step(&mut executor).phases = vec![Phase::changes("phase", survey)];
        executor.run().await
    };
    let failure = process().await.unwrap_err();
    assert!(
        failure.message.contains("not done after 3 passes"),
        "{failure}"
    );
    let failed = stage.open().journal.state().refused.len();
    assert_eq!(failed, 1, "only the one that would be refused again");
    sheet.lock().unwrap().refusals.clear();
    // Both processes ask: handing a task out does not make it automatic again.
    for _ in 0..2 {
        let failure = process().await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Waiting, "{failure}");
    }
    {
        let mut cells = sheet.lock().unwrap();
        assert_eq!((cells.attempts_of("a"), cells.holds("b")), (1, WANTED));
        cells.put("a", WANTED);
    }
    assert_eq!(process().await.unwrap(), Outcome::Finished);
    assert!(stage.open().journal.state().refused.is_empty());
}

/// A missing permission may be given: each process tries once before it asks, and not while it waits.
#[tokio::test]
async fn what_was_not_allowed_is_tried_once_by_each_process_before_a_person_is_asked() {
    for maker in [Maker::Program, Maker::Person] {
        let stage = Stage::new();
        let sheet = sheet(&[("a", "old")]);
        sheet.lock().unwrap().refusals = [("a", forbidden())].into();
        let process = async || {
            let opening = stage.open();
            let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
            let survey = ByHand(fill(&sheet, &["a"]));
            only_step(&mut executor).phases = vec![Phase::changes("phase", survey)];
            executor.run().await
        };
        let failure = process().await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotAllowed, "{failure}");
        for attempts in [2, 3] {
            let failure = process().await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Waiting, "{failure}");
            assert_eq!(sheet.lock().unwrap().attempts_of("a"), attempts);
        }
        // Outside of a run, it is the person's.
        let view = || JournalView::from_journal(stage.open().journal.state());
        assert!(view().permanent_failure("a").is_some());

        match maker {
            Maker::Program => sheet.lock().unwrap().refusals.clear(),
            Maker::Person => sheet.lock().unwrap().put("a", WANTED),
        }
        assert_eq!(process().await.unwrap(), Outcome::Finished);
        assert_eq!(sheet.lock().unwrap().holds("a"), WANTED);
        assert_eq!(view().maker("a"), Some(maker));
        assert!(view().permanent_failure("a").is_none());
    }
}

/// What a person can make is handed out although another change of the phase fails each time: it is
/// never in no list. The failure decides how the run ends.
#[tokio::test]
async fn a_refused_change_is_handed_out_beside_what_fails() {
    let passing = || Failure::failed("a rule forbids it");
    for (refusal, first_kind) in [
        (passing().permanent(), FailureKind::Failed),
        (forbidden(), FailureKind::NotAllowed),
    ] {
        let stage = Stage::new();
        let sheet = sheet(&[("a", "old"), ("b", "old")]);
        sheet.lock().unwrap().refusals = [("a", refusal.clone()), ("b", refusal.clone())].into();
        let process = async || {
            let opening = stage.open();
            let (mut executor, events_seen) = stage.executor(&opening, stage.wanted(vec![]));
            let survey = OnlyA(ByHand(fill(&sheet, &["a", "b"])), fill(&sheet, &["a", "b"]));
            only_step(&mut executor).phases = vec![Phase::changes("phase", survey)];
            let failure = executor.run().await.unwrap_err();
            let folded = opening.journal.state();
            let events_seen = events_seen.0.lock().unwrap();
            let handed_out = events_seen
                .iter()
                .filter(|event| matches!(event, EventKind::ManualTask { things: 1, .. }));
            (failure, folded, handed_out.count())
        };
        let (failure, _, handed_out) = process().await;
        assert_eq!((failure.items().len(), handed_out), (2, 0), "{failure}");
        for _ in 0..2 {
            let (failure, folded, handed_out) = process().await;
            assert_eq!((failure.kind, handed_out), (first_kind, 1), "{failure}");
            let kinds: Vec<_> = failure.items().iter().map(|item| item.kind).collect();
            assert_eq!(kinds, [first_kind, FailureKind::Waiting]);
            for part in [
                "cell 'b'",
                "also waits for a person",
                "step/phase",
                "1 thing",
            ] {
                assert!(failure.message.contains(part), "{part}: {failure}");
            }
            let waiting: Vec<&str> = folded.waiting().map(|it| &*it.waiting.task).collect();
            assert_eq!(waiting, ["step/phase"]);
            let failed: Vec<_> = folded.failures.iter().map(|it| it.key.as_deref()).collect();
            assert_eq!(failed, [Some("b")]);
        }
        // A person makes one, the other one is allowed: the phase ends.
        {
            let mut cells = sheet.lock().unwrap();
            cells.put("a", WANTED);
            cells.refusals.clear();
        }
        let opening = stage.open();
        let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
        let survey = OnlyA(ByHand(fill(&sheet, &["a", "b"])), fill(&sheet, &["a", "b"]));
        only_step(&mut executor).phases = vec![Phase::changes("phase", survey)];
        assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
        assert_eq!(opening.journal.state().waiting().count(), 0);
    }
}

/// Nobody was asked: a person saw the failure and made the change, and the next process goes on.
#[tokio::test]
async fn what_a_person_made_after_a_refusal_is_that_persons() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old"), ("b", "old")]);
    sheet.lock().unwrap().refusals = [("a", forbidden())].into();
    let phases: [(&'static str, &'static [&'static str]); 1] = [("phase", &["a", "b"])];
    let failure = process(&stage, &sheet, &phases).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotAllowed, "{failure}");
    sheet.lock().unwrap().put("a", WANTED);
    let finished = process(&stage, &sheet, &phases).await.unwrap();
    assert_eq!(finished, Outcome::Finished);
    assert_eq!(sheet.lock().unwrap().attempts_of("a"), 1);
    let recorded = stage.open().journal.state();
    assert!(recorded.refused.is_empty());
    let (automatic, by_hand) = (recorded.progress("step", None), recorded.by_hand("step"));
    assert_eq!((automatic.begun, automatic.done), (1, 1));
    assert_eq!((by_hand.begun, by_hand.done), (1, 1));
    let view = JournalView::from_journal(recorded);
    assert_eq!(view.maker("a"), Some(Maker::Person));
    assert_eq!(view.maker("b"), Some(Maker::Program));
}

/// A lock of minutes is waited for on the program's clock, with what is waited for; the other
/// changes continue, and only a lock that does not end is temporary.
#[tokio::test]
async fn a_locked_change_waits_and_is_sent_again() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old"), ("b", "old")]);
    sheet.lock().unwrap().locked = [("a", 5)].into();
    let opening = stage.open();
    let (mut executor, events_seen) = stage.executor(&opening, stage.wanted(vec![]));
    only_step(&mut executor).phases = vec![Phase::changes("phase", fill(&sheet, &["a", "b"]))];
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    assert_eq!(sheet.lock().unwrap().attempts_of("a"), 6);
    let events_seen = events_seen.0.lock().unwrap();
    let shown = events_seen.iter().any(|event| {
        matches!(event, EventKind::Progress { note, .. }
            if note == "not possible yet: 0x80071151 a solution is being installed")
    });
    assert!(shown, "{events_seen:?}");
    let failed = events_seen
        .iter()
        .any(|event| matches!(event, EventKind::ChangeFailed { .. }));
    assert!(!failed, "a lock is not a failure");
}

#[tokio::test]
async fn a_lock_that_does_not_end_is_temporary() {
    let stage = Stage::new();
    let sheet = sheet(&[("a", "old")]);
    sheet.lock().unwrap().locked = [("a", u32::MAX)].into();
    let failure = process(&stage, &sheet, &[("phase", &["a"])])
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Temporary);
    for part in ["still refused after 3", " min", "is being installed"] {
        assert!(failure.message.contains(part), "{failure}");
    }
    let folded = stage.open().journal.state();
    assert!(folded.failures.is_empty() && folded.refused.is_empty());
}
