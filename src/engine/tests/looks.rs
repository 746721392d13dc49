//! How often a launch is looked at whose request was accepted, and of which the target shows no sign.

use super::*;
use crate::engine::TargetComparison;

/// How often the target was read.
#[derive(Clone, Copy, Debug, Default)]
struct Reads {
    requests: u32,
    /// For the intended end.
    ends: u32,
    /// For any change.
    changes: u32,
}

/// A button whose first press has no effect.
struct Button(Arc<Mutex<Reads>>);

#[async_trait]
impl Launch for Button {
    fn repeat(&self) -> Repeat {
        Repeat::Harmless
    }

    async fn probe(&self) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    async fn request(&self) -> Result<Started, WriteError> {
        self.0.lock().unwrap().requests += 1;
        Ok(Started {
            handle: json!("button"),
            service_date: None,
        })
    }

    async fn find(&self, _probed: &Value) -> Result<Found, Failure> {
        Ok(Found::Absent)
    }

    fn has_operation(&self) -> bool {
        false
    }

    async fn compare_target(&self, _probed: &Value) -> Result<TargetComparison, Failure> {
        self.0.lock().unwrap().changes += 1;
        Ok(TargetComparison::Same)
    }

    async fn verify(&self, _handle: &Value) -> Result<Proof, Failure> {
        let mut reads = self.0.lock().unwrap();
        reads.ends += 1;
        Ok(match reads.requests {
            0 | 1 => Proof::NotYet("not pressed".to_owned()),
            _ => Proof::Proved(json!(true)),
        })
    }

    fn timeout(&self) -> Duration {
        Duration::from_mins(15)
    }
}

/// The button until its press is proved.
struct Pressed(Arc<Mutex<Reads>>);

#[async_trait]
impl Survey for Pressed {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        if journal.is_launch_proved("press") {
            return Ok(Vec::new());
        }
        Ok(vec![Change {
            key: "press".to_owned(),
            name: "press".to_owned(),
            before: Value::Null.into(),
            after: json!(true).into(),
            follows: Vec::new(),
            action: Action::Launch(Arc::new(Button(Arc::clone(&self.0)))),
        }])
    }
}

/// Each look at *Activate system* reads two tables, and a request that had no effect is looked at for
/// a quarter of an hour.
#[tokio::test]
async fn a_look_reads_the_target_once_and_looks_become_rarer() {
    let (stage, reads) = (Stage::new(), Arc::default());
    let opening = stage.open();
    let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
    let phase = Phase::changes("phase", Pressed(Arc::clone(&reads)));
    only_step(&mut executor).phases = vec![phase];
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    let reads = *reads.lock().unwrap();
    assert_eq!(reads.requests, 2, "pressing again is the remedy");
    assert_eq!(reads.changes, 1, "only when the time to settle is over");
    // Every five seconds for 100 seconds, then after a twentieth of the time: 20 + 20 ln(900 / 100),
    // and the looks at both ends and at the second press.
    assert!((3..=68).contains(&reads.ends), "{reads:?}");
}
