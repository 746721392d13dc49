//! A worksheet of several things, some of which are done before the next process.

use super::*;
use crate::engine::OpenWorksheet;

/// Asks a person to turn on each of these switches that is off.
struct Asks(World);

#[async_trait]
impl Survey for Asks {
    async fn survey(&self, _journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let world = self.0.lock().unwrap();
        let left = ["one", "two", "three"].into_iter();
        let left = left.filter(|key| !world.on.contains(*key));
        let change = |key: &str| Change {
            key: key.to_owned(),
            name: format!("turn on '{key}'"),
            before: json!(false),
            after: json!(true),
            follows: Vec::new(),
            action: Action::ManualTask(ManualTask {
                instructions: vec!["open the page".to_owned(), format!("press {key}")],
                evidence: "it is on".to_owned(),
                is_destructive: false,
            }),
        };
        Ok(left.map(change).collect())
    }
}

/// Runs one process, and returns how many things its surveys found left and done, in all and in the
/// phase, and how many its worksheet has.
async fn process(stage: &Stage) -> (Vec<(usize, usize, usize)>, Vec<usize>) {
    let opening = stage.open();
    let (mut executor, events_seen) = stage.executor(&opening, stage.wanted(vec![]));
    only_step(&mut executor).phases = vec![Phase::changes("phase", Asks(Arc::clone(&stage.world)))];
    drop(executor.run().await);
    opening.journal.close("waiting", 10, None).await.unwrap();
    let (mut surveyed, mut handed_out) = (Vec::new(), Vec::new());
    for event in events_seen.0.lock().unwrap().iter() {
        match event {
            EventKind::Surveyed {
                changes,
                done,
                done_in_phase,
                ..
            } => surveyed.push((*changes, *done, *done_in_phase)),
            EventKind::ManualTask { things, .. } => handed_out.push(*things),
            _ => {}
        }
    }
    (surveyed, handed_out)
}

#[tokio::test]
async fn what_was_done_of_a_worksheet_counts_once_in_every_process() {
    let stage = Stage::new();
    assert_eq!(process(&stage).await, (vec![(3, 0, 0)], vec![3]));
    stage.world.lock().unwrap().on.insert("one".to_owned());
    for _ in 0..2 {
        assert_eq!(process(&stage).await, (vec![(2, 1, 1)], vec![2]));
    }
    let recorded = journal::read_state_file(&stage.path()).unwrap().state;
    let counts = recorded.by_hand("step");
    assert_eq!((counts.begun, counts.done), (3, 1));
    let open = OpenWorksheet::of(&recorded, &recorded.tasks["step/phase"]);
    assert_eq!(open.things, ["turn on 'two'", "turn on 'three'"]);
    assert_eq!(
        open.instructions,
        ["open the page", "press two", "press three"]
    );
    assert_eq!(open.done, 1);
    // It is found again: it is not done any more.
    stage.world.lock().unwrap().on.remove("one");
    assert_eq!(process(&stage).await, (vec![(3, 0, 0)], vec![3]));
}
