//! Operations that end while no process reads them.

use super::*;

/// What the service shows of the operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shown {
    Running,
    /// Its end, and by its own times that it took so long.
    Ended(Option<Duration>),
}

type Service = Arc<Mutex<Shown>>;

struct Operation {
    service: Service,
    stop: Cancellation,
}

impl Operation {
    fn shown(&self) -> Shown {
        *self.service.lock().unwrap()
    }
}

#[async_trait]
impl Launch for Operation {
    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    async fn probe(&self) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    async fn request(&self) -> Result<Started, WriteError> {
        Ok(Started {
            handle: json!("operation"),
            service_date: None,
        })
    }

    async fn find(&self, _probed: &Value) -> Result<Found, Failure> {
        Ok(Found::Absent)
    }

    async fn poll(&self, _handle: &Value) -> Result<Progress, Failure> {
        Ok(match self.shown() {
            Shown::Running => {
                self.stop.request_stop();
                Progress::Running("Run".to_owned())
            }
            Shown::Ended(_) => Progress::Succeeded(Value::Null),
        })
    }

    async fn verify(&self, _handle: &Value) -> Result<Proof, Failure> {
        Ok(Proof::Proved(Value::Null))
    }

    fn service_duration(&self, _reported: &Value, _observed: &Value) -> Option<Duration> {
        match self.shown() {
            Shown::Ended(took) => took,
            Shown::Running => None,
        }
    }

    fn timeout(&self) -> Duration {
        Duration::from_hours(1)
    }
}

/// Finds the operation until the journal has its proof, or until the tenant shows its end.
struct UntilEnd {
    service: Service,
    stop: Cancellation,
    by_journal: bool,
}

#[async_trait]
impl Survey for UntilEnd {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let has_ended = *self.service.lock().unwrap() != Shown::Running;
        let is_done = if self.by_journal {
            journal.is_launch_proved("key")
        } else {
            has_ended
        };
        let change = Change {
            key: "key".to_owned(),
            name: "copy it".to_owned(),
            before: Value::Null.into(),
            after: json!(true).into(),
            follows: Vec::new(),
            action: Action::Launch(Arc::new(Operation {
                service: Arc::clone(&self.service),
                stop: self.stop.clone(),
            })),
        };
        Ok((!is_done).then_some(change).into_iter().collect())
    }
}

/// The events of one process.
async fn process(stage: &mut Stage, service: &Service, by_journal: bool) -> Vec<EventKind> {
    stage.cancellation = Cancellation::new();
    let opening = stage.open();
    let (mut executor, events_seen) = stage.executor(&opening, stage.wanted(vec![]));
    let survey = UntilEnd {
        service: Arc::clone(service),
        stop: stage.cancellation.clone(),
        by_journal,
    };
    only_step(&mut executor).phases = vec![Phase::changes("phase", survey)];
    drop(executor.run().await);
    opening.journal.close("stopped", 0, None).await.unwrap();
    std::mem::take(&mut *events_seen.0.lock().unwrap())
}

/// The name and the time in the events about what is done, and whether its time is unknown.
fn done(events: &[EventKind]) -> Vec<(&str, Option<f64>, bool)> {
    let done = events.iter().filter_map(|event| match event {
        EventKind::ChangeDone {
            name,
            elapsed,
            unread_since,
            ..
        } => Some((name.as_str(), *elapsed, unread_since.is_some())),
        _ => None,
    });
    done.collect()
}

#[tokio::test]
async fn what_ended_between_two_processes_is_done_in_the_next_one_and_has_no_false_time() {
    for by_journal in [false, true] {
        let mut stage = Stage::new();
        let service = Arc::new(Mutex::new(Shown::Running));
        assert_eq!(done(&process(&mut stage, &service, by_journal).await), []);
        *service.lock().unwrap() = Shown::Ended(None);
        let events = process(&mut stage, &service, by_journal).await;
        assert_eq!(done(&events), [("copy it", None, true)], "{by_journal}");
    }
}

#[tokio::test]
async fn an_operation_that_ended_unread_took_as_long_as_the_service_says() {
    let mut stage = Stage::new();
    let service = Arc::new(Mutex::new(Shown::Running));
    drop(process(&mut stage, &service, true).await);
    *service.lock().unwrap() = Shown::Ended(Some(Duration::from_mins(44)));
    let events = process(&mut stage, &service, true).await;
    assert_eq!(done(&events), [("copy it", Some(2640.0), false)]);
}
