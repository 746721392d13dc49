//! A worksheet of several things, some of which are done before the next process.

use super::*;
use crate::engine::{OpenWorksheet, Worksheet};
use crate::journal::{ChangeKind, TaskState};

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
            before: json!(false).into(),
            after: json!(true).into(),
            follows: Vec::new(),
            action: Action::ManualTask(ManualTask {
                advice: vec!["open the page".to_owned()],
                instructions: vec![format!("press {key}")],
                evidence: "it is on".to_owned(),
                ..ManualTask::default()
            }),
        };
        Ok(left.map(change).collect())
    }
}

/// Runs one process, and returns how many things its surveys found left and done, in all and in the
/// phase, how many its worksheet has, and what was read as done by hand.
async fn process(stage: &Stage) -> (Vec<(usize, usize, usize)>, Vec<usize>, Vec<String>) {
    let opening = stage.open();
    let (mut executor, events_seen) = stage.executor(&opening, stage.wanted(vec![]));
    only_step(&mut executor).phases = vec![Phase::changes("phase", Asks(Arc::clone(&stage.world)))];
    drop(executor.run().await);
    opening.journal.close("waiting", 10, None).await.unwrap();
    let (mut surveyed, mut handed_out, mut made) = (Vec::new(), Vec::new(), Vec::new());
    for event in events_seen.0.lock().unwrap().iter() {
        match event {
            EventKind::Surveyed {
                changes,
                done,
                done_in_phase,
                ..
            } => surveyed.push((*changes, *done, *done_in_phase)),
            EventKind::ManualTask { things, to_do, .. } => {
                assert_eq!(to_do.len(), *things);
                handed_out.push(*things);
            }
            EventKind::ChangeDone { name, kind, .. } => {
                assert_eq!(*kind, ChangeKind::ManualTask);
                made.push(name.clone());
            }
            _ => {}
        }
    }
    (surveyed, handed_out, made)
}

#[tokio::test]
async fn what_was_done_of_a_worksheet_counts_once_in_every_process() {
    let stage = Stage::new();
    let none = Vec::new();
    let first = process(&stage).await;
    assert_eq!(first, (vec![(3, 0, 0)], vec![3], none.clone()));
    stage.world.lock().unwrap().on.insert("one".to_owned());
    for made in [vec!["turn on 'one'".to_owned()], none.clone()] {
        assert_eq!(process(&stage).await, (vec![(2, 1, 1)], vec![2], made));
    }
    let recorded = journal::read_state_file(&stage.path()).unwrap().state;
    let counts = recorded.by_hand("step");
    assert_eq!((counts.begun, counts.done), (3, 1));
    let open = OpenWorksheet::of(&recorded, &recorded.tasks["step/phase"]);
    assert_eq!(open.names(), ["turn on 'two'", "turn on 'three'"]);
    assert_eq!(open.advice, ["open the page"]);
    assert_eq!(open.things[0].instructions, ["press two"]);
    assert_eq!(
        open.instructions(),
        ["open the page", "press two", "press three"]
    );
    assert!(!open.needs_waiver);
    assert_eq!(open.done, 1);
    // It is found again: it is not done any more.
    stage.world.lock().unwrap().on.remove("one");
    assert_eq!(process(&stage).await, (vec![(3, 0, 0)], vec![3], none));
}

/// Versions before the advice was recorded wrote it among the instructions of each thing, and the
/// first ones wrote only lines.
#[tokio::test]
async fn a_worksheet_of_an_earlier_version_has_a_box_for_each_thing() {
    let stage = Stage::new();
    drop(process(&stage).await);
    let recorded = journal::read_state_file(&stage.path()).unwrap().state;
    let of = |worksheet: Value| {
        let mut task = TaskState::clone(&recorded.tasks["step/phase"]);
        Arc::make_mut(&mut task.waiting.payload).worksheet = worksheet;
        OpenWorksheet::of(&recorded, &task)
    };
    let entry = |key: &str| {
        let lines = ["open the page".to_owned(), format!("press {key}")];
        json!({ "key": key, "name": format!("turn on '{key}'"), "instructions": lines })
    };
    let evidence = "none; a person confirms it with --waive";
    let open = of(json!({ "changes": [entry("one"), entry("two")], "evidence": [evidence] }));
    assert_eq!(open.advice, ["open the page"]);
    assert_eq!(open.things[1].lines(), ("press two", Vec::new()));
    assert!(open.needs_waiver);
    let lines = ["open the page", "press one", "press two"];
    let open = of(json!({ "things": ["one", "two"], "instructions": lines, "evidence": ["a"] }));
    assert_eq!(open.advice, lines);
    assert_eq!(open.names(), ["one", "two"]);
    assert_eq!(open.instructions(), lines);
    assert!(!open.needs_waiver);
}

/// What nothing in the tenant shows is completed with a waiver, and the help says so.
#[test]
fn a_task_without_evidence_is_not_run_again() {
    let change = |needs_waiver| Change {
        key: "a".to_owned(),
        name: "call finance".to_owned(),
        before: json!(false).into(),
        after: json!(true).into(),
        follows: Vec::new(),
        action: Action::ManualTask(ManualTask {
            instructions: vec!["dial".to_owned()],
            evidence: "none".to_owned(),
            needs_waiver,
            ..ManualTask::default()
        }),
    };
    let help = |needs_waiver| {
        let left = [change(needs_waiver)];
        let failure = Worksheet::new(&left).not_done("call-finance/by-hand");
        failure.help.unwrap_or_default()
    };
    let waive = "`iomcopy complete RUNBOOK call-finance/by-hand --waive \"who, when\"`";
    assert!(help(true).contains(waive), "{}", help(true));
    assert!(!help(true).contains("run again"), "{}", help(true));
    assert!(help(false).contains("run again"), "{}", help(false));
}
