//! A launch that one process waits for and another one goes on waiting for.

use super::*;

/// An operation that never ends, and the wish to stop that its third poll makes.
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
            self.stop.ask();
        }
        Ok(Progress::Running("Run".to_owned()))
    }

    async fn verify(&self, _handle: &Value) -> Result<Verdict, Failure> {
        Ok(Verdict::NotYet("it runs".to_owned()))
    }

    /// Longer than one process waits here, and shorter than two.
    fn timeout(&self) -> Duration {
        Duration::from_secs(18)
    }
}

struct Once(Arc<Mutex<u32>>, Cancellation);

#[async_trait]
impl Survey for Once {
    async fn survey(&self, _known: &Known) -> Result<Vec<Change>, Failure> {
        Ok(vec![Change {
            key: "endless".to_owned(),
            name: "endless".to_owned(),
            before: Value::Null,
            after: json!(true),
            follows: Vec::new(),
            action: Action::Launch(Arc::new(Endless {
                polls: Arc::clone(&self.0),
                stop: self.1.clone(),
            })),
        }])
    }
}

/// What one process says of how long it waits, and how it ends.
async fn process(stage: &mut Stage, polls: &Arc<Mutex<u32>>) -> (Vec<f64>, Failure) {
    stage.cancellation = Cancellation::new();
    let opening = stage.open();
    let (mut executor, heard) = stage.executor(&opening, stage.wanted(vec![]));
    let survey = Once(Arc::clone(polls), stage.cancellation.clone());
    executor.steps[0].phases = vec![Phase::changes("phase", survey)];
    let failure = executor.run().await.unwrap_err();
    opening.journal.close("stopped", 0, None).await.unwrap();
    let heard = heard.0.lock().unwrap();
    let waits = heard.iter().filter_map(|event| match event {
        EventKind::Progress { elapsed, .. } => Some(*elapsed),
        _ => None,
    });
    (waits.collect(), failure)
}

#[tokio::test]
async fn a_resumed_wait_goes_on_counting_and_so_does_its_timeout() {
    let mut stage = Stage::new();
    // Slow enough that a busy machine does not make a poll late by much of the program's time.
    stage.clock = Clock::new(50.0);
    let polls = Arc::default();
    let (first, failure) = process(&mut stage, &polls).await;
    assert_eq!(failure.kind, FailureKind::Interrupted);
    let waited = first.last().copied().unwrap_or_default();
    assert!(waited >= 10.0, "{first:?}");
    let (second, failure) = process(&mut stage, &polls).await;
    assert_eq!(failure.kind, FailureKind::Temporary, "{failure}");
    assert!(
        second.iter().all(|elapsed| *elapsed >= waited),
        "{second:?}"
    );
    assert!(*polls.lock().unwrap() <= 6, "the timeout goes on too");
}
