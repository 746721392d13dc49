//! Changes that cannot be undone: a plan marks each, and a run asks only for what no runbook states.

use super::*;
use crate::engine::PlannedChange;

/// Ends what cannot be restored, and is a set.
struct Ending(Switch);

#[async_trait]
impl Set for Ending {
    async fn read(&self) -> Result<Reading, Failure> {
        self.0.read().await
    }

    async fn write(&self, reading: &Reading) -> Result<Written, WriteError> {
        self.0.write(reading).await
    }

    fn is_destructive(&self) -> bool {
        true
    }
}

/// Finds what is still to be turned on, as changes of every kind that a survey may find; on request,
/// only the sets.
struct EveryKind(World, bool);

#[async_trait]
impl Survey for EveryKind {
    async fn survey(&self, _journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let switch = |key: &str| Switch(Arc::clone(&self.0), key.to_owned());
        let task = |is_destructive| {
            Action::ManualTask(ManualTask {
                instructions: vec!["do it".to_owned()],
                evidence: "it is done".to_owned(),
                is_destructive,
                ..ManualTask::default()
            })
        };
        let removal = Action::Remove {
            set: Arc::new(switch("removal")),
            seal: "s",
            captured: "c".to_owned(),
            sealed: json!(false),
        };
        let kinds = [
            ("set", json!(true), Action::Set(Arc::new(switch("set")))),
            (
                "ending set",
                json!(true),
                Action::Set(Arc::new(Ending(switch("ending set")))),
            ),
            ("removal", Value::Null, removal),
            (
                "removal by a launch",
                Value::Null,
                Action::Launch(Arc::new(Press(Arc::clone(&self.0)))),
            ),
            ("task", json!(true), task(false)),
            ("removal by hand", Value::Null, task(false)),
            ("ending by hand", json!(true), task(true)),
        ];
        let world = self.0.lock().unwrap();
        let on = &world.on;
        let wanted = |key: &str| !self.1 || key.ends_with("set");
        let left = kinds
            .into_iter()
            .filter(|(key, ..)| wanted(key) && !on.contains(*key));
        Ok(left
            .map(|(key, after, action)| Change {
                key: key.to_owned(),
                name: format!("change '{key}'"),
                before: json!(false).into(),
                after: after.into(),
                follows: Vec::new(),
                action,
            })
            .collect())
    }
}

#[tokio::test]
async fn a_plan_marks_each_change_that_cannot_be_undone_and_only_some_stop_a_run() {
    let stage = Stage::new();
    let opening = stage.open();
    let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
    let survey = |only_sets| EveryKind(Arc::clone(&stage.world), only_sets);
    only_step(&mut executor).phases = vec![Phase::changes("phase", survey(false))];
    let plan = Plan::make(&executor.steps, JournalView::empty()).await;
    let plan = plan.unwrap();
    let marked: Vec<&PlannedChange> = plan.destructive_changes().collect();
    let marked: Vec<&str> = marked.iter().map(|change| change.key.as_str()).collect();
    let program = ["ending set", "removal", "removal by a launch"];
    let by_hand = ["removal by hand", "ending by hand"];
    assert_eq!(marked, [&program[..], &by_hand[..]].concat());
    // With the plan, a user confirms what the program does.
    assert_eq!(plan.destructive_keys(), program);
    assert_eq!(plan.keys_to_confirm(), program[1..]);

    // Nothing was confirmed: the set, which a survey may find only now, is made all the same.
    only_step(&mut executor).phases = vec![
        Phase::changes("sets", survey(true)),
        Phase::changes("all", survey(false)),
    ];
    let failure = executor.run().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unconfirmed, "{failure}");
    let writes = stage.world.lock().unwrap().writes.clone();
    assert!(writes.contains(&"ending set".to_owned()), "{writes:?}");
    assert!(!writes.contains(&"removal".to_owned()), "{writes:?}");
    assert_eq!(stage.world.lock().unwrap().requests, 0, "nor is the launch");
}
