//! Changes of a phase one after the other, of which the next one is requested while the proof of the
//! last one is read.

use super::*;
use crate::engine::Overlap;

const KEYS: [&str; 3] = ["one", "two", "three"];

/// The service.
#[derive(Default)]
struct Received {
    requested: Vec<&'static str>,
    looks: [usize; 3],
    proved: BTreeSet<&'static str>,
    /// How many were requested and not proved, at most.
    most_open: usize,
}

type Service = Arc<Mutex<Received>>;

/// A change that is proved at the second look, or not before the next one is requested.
struct InOrder {
    service: Service,
    place: usize,
    awaits_next: bool,
}

impl InOrder {
    fn request_it(&self) {
        let mut service = self.service.lock().unwrap();
        service.requested.push(KEYS[self.place]);
        let open = service.requested.len() - service.proved.len();
        service.most_open = service.most_open.max(open);
    }

    /// Is it proved now?
    fn look(&self) -> bool {
        let mut service = self.service.lock().unwrap();
        service.looks[self.place] += 1;
        let next = self.place + 1;
        let is_open = if self.awaits_next && next < KEYS.len() {
            service.requested.len() <= next
        } else {
            service.looks[self.place] < 2
        };
        if !is_open {
            service.proved.insert(KEYS[self.place]);
        }
        !is_open
    }

    /// Long enough for the slowest disk at the speed of the clock.
    fn long_enough() -> Duration {
        Duration::from_hours(10)
    }
}

#[async_trait]
impl Launch for InOrder {
    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    async fn probe(&self) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    async fn request(&self) -> Result<Started, WriteError> {
        self.request_it();
        Ok(Started {
            handle: json!(KEYS[self.place]),
            service_date: None,
        })
    }

    async fn find(&self, _probed: &Value) -> Result<Found, Failure> {
        Ok(Found::Absent)
    }

    async fn poll(&self, _handle: &Value) -> Result<Progress, Failure> {
        Ok(Progress::Succeeded(Value::Null))
    }

    async fn verify(&self, _handle: &Value) -> Result<Proof, Failure> {
        Ok(if self.look() {
            Proof::Proved(json!(true))
        } else {
            Proof::NotYet("it runs".to_owned())
        })
    }

    fn timeout(&self) -> Duration {
        Self::long_enough()
    }

    fn settle_timeout(&self) -> Duration {
        Self::long_enough()
    }
}

#[async_trait]
impl Set for InOrder {
    async fn read(&self) -> Result<Reading, Failure> {
        let is_requested = self.service.lock().unwrap().requested.len() > self.place;
        let is_done = is_requested && self.look();
        Ok(Reading::of(if is_done { json!(true) } else { Value::Null }))
    }

    async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
        self.request_it();
        Ok(Written::default())
    }

    fn settle_timeout(&self) -> Duration {
        Self::long_enough()
    }
}

struct All {
    service: Service,
    awaits_next: bool,
    are_sets: bool,
}

#[async_trait]
impl Survey for All {
    async fn survey(&self, _journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let proved = self.service.lock().unwrap().proved.clone();
        let open = KEYS.into_iter().enumerate();
        let open = open.filter(|(_, key)| !proved.contains(key));
        Ok(open
            .map(|(place, key)| {
                let change = InOrder {
                    service: Arc::clone(&self.service),
                    place,
                    awaits_next: self.awaits_next,
                };
                Change {
                    key: key.to_owned(),
                    name: key.to_owned(),
                    before: Value::Null.into(),
                    after: json!(true).into(),
                    follows: Vec::new(),
                    action: if self.are_sets {
                        Action::Set(Arc::new(change))
                    } else {
                        Action::Launch(Arc::new(change))
                    },
                }
            })
            .collect())
    }
}

#[tokio::test]
async fn the_next_change_is_requested_while_the_last_one_is_proved_if_the_phase_allows_it() {
    for (is_allowed, are_sets) in [(true, false), (true, true), (false, false), (false, true)] {
        let (stage, service) = (Stage::new(), Service::default());
        let opening = stage.open();
        let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
        let overlap = Arc::new(Overlap::default());
        overlap.allow(is_allowed);
        let all = All {
            service: Arc::clone(&service),
            awaits_next: is_allowed,
            are_sets,
        };
        let phase = Phase::changes("phase", all);
        only_step(&mut executor).phases = vec![phase.with_concurrency(1).overlapping(&overlap)];
        assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
        let service = service.lock().unwrap();
        assert_eq!(service.requested, KEYS);
        // Never three.
        assert_eq!(service.most_open, if is_allowed { 2 } else { 1 });
    }
}
