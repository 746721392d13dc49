//! Two launches of one phase, the second of which awaits the acceptance of the first.

use super::*;

/// Two operations at a service.
#[derive(Default)]
struct Operations {
    /// The requests, in order.
    requested: Vec<&'static str>,
    /// The operations that were polled and had not ended while both had been requested.
    seen_open: BTreeSet<&'static str>,
    /// Requests for these are refused.
    refused: BTreeSet<&'static str>,
    /// The responses to requests for these are lost, and nothing begins.
    lost: BTreeSet<&'static str>,
    /// The service lists two operations, one of which may belong to this launch.
    unclear: BTreeSet<&'static str>,
    /// The service is unavailable when the next request for these is prepared.
    away: BTreeSet<&'static str>,
    /// These fail at the service.
    failing: BTreeSet<&'static str>,
    /// These have succeeded.
    ended: BTreeSet<&'static str>,
}

type Shared = Arc<Mutex<Operations>>;

struct Half {
    shared: Shared,
    name: &'static str,
    awaits: Option<&'static str>,
}

#[async_trait]
impl Launch for Half {
    fn repeat(&self) -> Repeat {
        Repeat::WhenAbsent(Duration::from_secs(10))
    }

    fn is_destructive(&self) -> bool {
        true
    }

    fn awaits(&self) -> Option<&str> {
        self.awaits
    }

    async fn probe(&self) -> Result<Value, Failure> {
        if self.shared.lock().unwrap().away.remove(self.name) {
            return Err(Failure::temporary("the service is away"));
        }
        Ok(Value::Null)
    }

    async fn request(&self) -> Result<Started, WriteError> {
        let mut operations = self.shared.lock().unwrap();
        operations.requested.push(self.name);
        if operations.refused.contains(self.name) {
            let failure = Failure::failed("the quota is spent").permanent();
            return Err(WriteError::Refused(failure));
        }
        if operations.lost.contains(self.name) {
            return Err(WriteError::InDoubt(Failure::temporary("no reply")));
        }
        Ok(Started {
            handle: json!(self.name),
            service_date: None,
        })
    }

    async fn find(&self, _probed: &Value) -> Result<Found, Failure> {
        Ok(if self.shared.lock().unwrap().unclear.contains(self.name) {
            Found::Ambiguous("Copy 1, Copy 2".to_owned())
        } else {
            Found::Absent
        })
    }

    async fn poll(&self, _handle: &Value) -> Result<Progress, Failure> {
        let mut operations = self.shared.lock().unwrap();
        if operations.failing.contains(self.name) {
            return Ok(Progress::Failed("out of order".to_owned()));
        }
        if operations.requested.len() < 2 {
            return Ok(Progress::Running("alone".to_owned()));
        }
        // One more poll, so that both are seen while both are open.
        if operations.seen_open.insert(self.name) {
            return Ok(Progress::Running("side by side".to_owned()));
        }
        operations.ended.insert(self.name);
        Ok(Progress::Succeeded(Value::Null))
    }

    async fn verify(&self, _handle: &Value) -> Result<Proof, Failure> {
        Ok(Proof::Proved(json!(true)))
    }

    fn timeout(&self) -> Duration {
        Duration::from_hours(1)
    }
}

/// Both halves, each until it is proved. The second awaits the first.
struct Pair(Shared);

#[async_trait]
impl Survey for Pair {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        // The one that awaits comes first, so that the order does not keep it waiting.
        let halves = [("copy", Some("refresh")), ("refresh", None)];
        Ok(halves
            .into_iter()
            .filter(|(name, _)| !journal.is_launch_proved(name))
            .map(|(name, awaits)| Change {
                key: name.to_owned(),
                name: name.to_owned(),
                before: Value::Null.into(),
                after: json!(true).into(),
                follows: Vec::new(),
                action: Action::Launch(Arc::new(Half {
                    shared: Arc::clone(&self.0),
                    name,
                    awaits,
                })),
            })
            .collect())
    }
}

/// Runs both halves once, and returns the outcome.
async fn run(stage: &Stage, shared: &Shared) -> Result<Outcome, Failure> {
    let phase = Phase::changes("phase", Pair(Arc::clone(shared)));
    run_phases(stage, vec![phase]).await
}

async fn run_phases(stage: &Stage, phases: Vec<Phase>) -> Result<Outcome, Failure> {
    let opening = stage.open();
    let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
    only_step(&mut executor).phases = phases;
    executor.confirmed = ["copy", "refresh"].map(str::to_owned).into();
    executor.run().await
}

/// A person confirms that a launch is requested again.
async fn confirm_again(stage: &Stage, key: &str) {
    let confirmed = journal::Confirmed {
        who: "ada".to_owned(),
        how: "typed".to_owned(),
        target: "n".to_owned(),
        digest: String::new(),
        destructive: vec![key.to_owned()],
        repeats: vec![key.to_owned()],
    };
    stage.open().journal.append(confirmed).await.unwrap();
}

#[tokio::test]
async fn a_launch_begins_when_the_awaited_one_is_accepted_and_both_run_in_parallel() {
    let (stage, shared) = (Stage::new(), Shared::default());
    assert_eq!(run(&stage, &shared).await.unwrap(), Outcome::Finished);
    let operations = shared.lock().unwrap();
    assert_eq!(operations.requested, ["refresh", "copy"]);
    assert_eq!(operations.seen_open.len(), 2);
}

#[tokio::test]
async fn a_launch_does_not_begin_if_the_awaited_one_is_refused() {
    let (stage, shared) = (Stage::new(), Shared::default());
    shared.lock().unwrap().refused.insert("refresh");
    let failure = run(&stage, &shared).await.unwrap_err();
    assert!(failure.message.contains("the quota is spent"), "{failure}");
    assert!(
        failure.message.contains("refresh was not accepted"),
        "{failure}"
    );
    assert_eq!(shared.lock().unwrap().requested, ["refresh"], "once");
}

#[tokio::test]
async fn a_refused_launch_is_not_sent_again_by_a_later_phase_of_the_same_run() {
    let (stage, shared) = (Stage::new(), Shared::default());
    shared.lock().unwrap().refused.insert("refresh");
    let first = Phase::changes("phase", Pair(Arc::clone(&shared)));
    let later = Phase::changes("later", Pair(Arc::clone(&shared))).independent_of(&["phase"]);
    let failure = run_phases(&stage, vec![first, later]).await.unwrap_err();
    assert!(
        failure
            .message
            .contains("it is not sent again in the same run"),
        "{failure}"
    );
    assert_eq!(shared.lock().unwrap().requested, ["refresh"], "once");
}

#[tokio::test]
async fn if_one_half_fails_the_other_finishes_and_the_failed_one_is_not_repeated_automatically() {
    for (failing, good) in [("refresh", "copy"), ("copy", "refresh")] {
        let (stage, shared) = (Stage::new(), Shared::default());
        shared.lock().unwrap().failing.insert(failing);
        let failure = run(&stage, &shared).await.unwrap_err();
        assert!(failure.message.contains("out of order"), "{failure}");
        {
            let mut operations = shared.lock().unwrap();
            assert_eq!(operations.requested, ["refresh", "copy"], "{failing}");
            assert_eq!(operations.ended, BTreeSet::from([good]), "{failing}");
            operations.failing.clear();
        }
        // A later run begins only the failed half, after a person has confirmed that attempt.
        let unconfirmed = run(&stage, &shared).await.unwrap_err();
        assert_eq!(unconfirmed.kind, FailureKind::Unconfirmed, "{unconfirmed}");
        confirm_again(&stage, failing).await;
        assert_eq!(run(&stage, &shared).await.unwrap(), Outcome::Finished);
        assert_eq!(
            shared.lock().unwrap().requested,
            ["refresh", "copy", failing]
        );
    }
}

/// A request that was refused or lost, and was recorded as absent. Then the service lists two
/// operations, one of which may belong to it.
#[tokio::test]
async fn a_launch_recorded_as_absent_that_may_be_listed_late_is_repeated_only_by_a_person() {
    for is_refused in [true, false] {
        let (stage, shared) = (Stage::new(), Shared::default());
        let requested = || shared.lock().unwrap().requested.clone();
        let operations = || shared.lock().unwrap();
        if is_refused {
            operations().refused.insert("refresh");
        } else {
            operations().lost.insert("refresh");
        }
        run(&stage, &shared).await.unwrap_err();
        *operations() = Operations {
            requested: requested(),
            unclear: BTreeSet::from(["refresh"]),
            ..Operations::default()
        };
        if !is_refused {
            confirm_again(&stage, "refresh").await;
        }
        // It stays open, in this run and in the next one.
        for _ in 0..2 {
            let open = run(&stage, &shared).await.unwrap_err();
            assert_eq!(open.kind, FailureKind::Waiting, "{open}");
            assert!(open.message.contains("Copy 1, Copy 2"), "{open}");
            let help = open.help.unwrap_or_default();
            assert!(
                help.contains("if the operation is listed") && help.contains("if it is not"),
                "{help}"
            );
            assert_eq!(requested(), ["refresh"], "not sent again");
        }
        // A decision of a person is not requested again, even if the next request is
        // not sent at once.
        confirm_again(&stage, "refresh").await;
        operations().away.insert("refresh");
        let away = run(&stage, &shared).await.unwrap_err();
        assert!(away.message.contains("the service is away"), "{away}");
        confirm_again(&stage, "refresh").await;
        assert_eq!(run(&stage, &shared).await.unwrap(), Outcome::Finished);
        assert_eq!(requested(), ["refresh", "refresh", "copy"]);
    }
}
