//! A launch that one process waits for and another process continues to wait for.

use super::*;

/// An operation that never ends, and the request to stop at its third poll.
struct Endless {
    polls: Arc<Mutex<u32>>,
    stop: Cancellation,
}

#[async_trait]
impl Launch for Endless {
    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    async fn probe(&self) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    async fn request(&self) -> Result<Started, WriteError> {
        Ok(Started {
            handle: json!("endless"),
            service_date: None,
        })
    }

    async fn find(&self, _probed: &Value) -> Result<Found, Failure> {
        Ok(Found::Operation(json!("endless")))
    }

    async fn poll(&self, _handle: &Value) -> Result<Progress, Failure> {
        let mut polls = self.polls.lock().unwrap();
        *polls += 1;
        if *polls == 3 {
            self.stop.request_stop();
        }
        Ok(Progress::Running("Run".to_owned()))
    }

    async fn verify(&self, _handle: &Value) -> Result<Proof, Failure> {
        Ok(Proof::NotYet("it runs".to_owned()))
    }

    /// Longer than one process waits in this test, and shorter than two.
    fn timeout(&self) -> Duration {
        Duration::from_secs(18)
    }
}

struct Once(Arc<Mutex<u32>>, Cancellation);

#[async_trait]
impl Survey for Once {
    async fn survey(&self, _known: &JournalView) -> Result<Vec<Change>, Failure> {
        Ok(vec![Change {
            key: "endless".to_owned(),
            name: "endless".to_owned(),
            before: Value::Null.into(),
            after: json!(true).into(),
            follows: Vec::new(),
            action: Action::Launch(Arc::new(Endless {
                polls: Arc::clone(&self.0),
                stop: self.1.clone(),
            })),
        }])
    }
}

/// The waits that one process reports, how often it says that it goes on with an operation, and how it
/// ends.
async fn process(stage: &mut Stage, polls: &Arc<Mutex<u32>>) -> (Vec<f64>, usize, Failure) {
    stage.cancellation = Cancellation::new();
    let opening = stage.open();
    let (mut executor, events_seen) = stage.executor(&opening, stage.wanted(vec![]));
    let survey = Once(Arc::clone(polls), stage.cancellation.clone());
    only_step(&mut executor).phases = vec![Phase::changes("phase", survey)];
    let failure = executor.run().await.unwrap_err();
    opening.journal.close("stopped", 0, None).await.unwrap();
    let events_seen = events_seen.0.lock().unwrap();
    let waits = events_seen.iter().filter_map(|event| match event {
        EventKind::Progress { elapsed, .. } => Some(*elapsed),
        _ => None,
    });
    let resumed = events_seen.iter().filter(
        |event| matches!(event, EventKind::OperationResumed { name, .. } if name == "endless"),
    );
    (waits.collect(), resumed.count(), failure)
}

#[tokio::test]
async fn a_resumed_wait_continues_its_duration_and_its_timeout() {
    let mut stage = Stage::new();
    // So slow that a busy machine does not delay a poll much in the program's time.
    stage.clock = Clock::new(50.0);
    let polls = Arc::default();
    let (first, resumed, failure) = process(&mut stage, &polls).await;
    assert_eq!(failure.kind, FailureKind::Interrupted);
    assert_eq!(resumed, 0, "it has requested the operation itself");
    let waited = first.last().copied().unwrap_or_default();
    assert!(waited >= 10.0, "{first:?}");
    let (second, resumed, failure) = process(&mut stage, &polls).await;
    assert_eq!(failure.kind, FailureKind::Temporary, "{failure}");
    assert_eq!(resumed, 1, "it says once what it found");
    assert!(
        second.iter().all(|elapsed| *elapsed >= waited),
        "{second:?}"
    );
    assert!(*polls.lock().unwrap() <= 6, "the timeout continues too");
}
