//! How often a pass syncs the journal, what is durable when a set is written, and what a loss of power
//! takes.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::journal::testing::{Memory, journal_in_memory};
use crate::journal::{Intent, Record};

/// How many sets may be in flight, and how many there are.
const IN_FLIGHT: usize = 16;
const SETS: usize = 96;

/// The service of a run whose journal is in memory.
struct Service {
    world: World,
    memory: Memory,
    /// How many writes it has received, and how many it has responded to.
    received: AtomicUsize,
    answered: AtomicUsize,
    /// How many syncs there were at each survey.
    syncs: Mutex<Vec<usize>>,
    /// The write at which the machine loses power, and what the disk holds then.
    loses_power: Option<(usize, Cancellation)>,
    left: Mutex<Vec<u8>>,
}

/// A switch of this number. The service responds to one write after the other, each once as many are in
/// flight as may be: the worst order for records that share a sync.
struct Numbered(Arc<Service>, usize);

fn key(number: usize) -> String {
    format!("switch-{number:03}")
}

#[async_trait]
impl Set for Numbered {
    async fn read(&self) -> Result<Reading, Failure> {
        let is_on = self.0.world.lock().unwrap().on.contains(&key(self.1));
        Ok(Reading::of(json!(is_on)))
    }

    async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
        let (service, number) = (&self.0, self.1);
        let is_intent = |record: &Record| matches!(record, Record::Intent(Intent { key: intended, .. }) if *intended == key(number));
        let durable = service.memory.durable_records();
        assert!(durable.iter().any(is_intent), "{number} has no intent");
        service.received.fetch_add(1, Ordering::SeqCst);
        if let Some((at, run)) = &service.loses_power
            && *at == number
        {
            *service.left.lock().unwrap() = service.memory.durable_bytes();
            run.request_stop();
        }
        let is_stopping = || {
            let run = service.loses_power.as_ref();
            run.is_some_and(|(_, run)| run.is_stop_requested())
        };
        let in_flight = SETS.min(number + IN_FLIGHT);
        while !is_stopping()
            && (service.answered.load(Ordering::SeqCst) < number
                || service.received.load(Ordering::SeqCst) < in_flight)
        {
            tokio::task::yield_now().await;
        }
        service.answered.fetch_add(1, Ordering::SeqCst);
        let mut world = service.world.lock().unwrap();
        world.writes.push(key(number));
        world.on.insert(key(number));
        Ok(Written {
            observed: Some(json!(true)),
            ..Written::default()
        })
    }
}

/// Finds the switches that are off.
struct Off(Arc<Service>);

#[async_trait]
impl Survey for Off {
    async fn survey(&self, _journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let syncs = self.0.memory.syncs();
        self.0.syncs.lock().unwrap().push(syncs);
        let on = self.0.world.lock().unwrap().on.clone();
        let off = (0..SETS).filter(|number| !on.contains(&key(*number)));
        let changes = off.map(|number| Change {
            key: key(number),
            name: format!("turn on switch {number}"),
            before: json!(false).into(),
            after: json!(true).into(),
            follows: Vec::new(),
            action: Action::Set(Arc::new(Numbered(Arc::clone(&self.0), number))),
        });
        Ok(changes.collect())
    }
}

/// A process whose journal is in this memory, or at the stage's path.
async fn process(
    stage: &Stage,
    journal: Journal,
    loses_power: Option<(usize, Cancellation)>,
    memory: &Memory,
) -> (Arc<Service>, Result<Outcome, Failure>) {
    let service = Arc::new(Service {
        world: Arc::clone(&stage.world),
        memory: memory.clone(),
        received: AtomicUsize::new(0),
        answered: AtomicUsize::new(0),
        syncs: Mutex::default(),
        loses_power,
        left: Mutex::default(),
    });
    let events = EventSink::new(stage.clock.clone(), Vec::new());
    let mut executor = stage.executor_of(journal, events, stage.wanted(vec![]));
    let step = only_step(&mut executor);
    step.concurrency = IN_FLIGHT;
    step.phases = vec![Phase::changes("phase", Off(Arc::clone(&service)))];
    let result = executor.run().await;
    (service, result)
}

#[tokio::test]
async fn sixteen_sets_in_flight_need_a_quarter_of_a_sync_each() {
    let stage = Stage::new();
    let memory = Memory::default();
    let journal = journal_in_memory(stage.folder.path(), &memory);
    let (service, result) = process(&stage, journal, None, &memory).await;
    assert_eq!(result.unwrap(), Outcome::Finished);
    assert_eq!(stage.world.lock().unwrap().writes.len(), SETS);
    let syncs = service.syncs.lock().unwrap();
    let of_pass = syncs[1] - syncs[0];
    assert!(of_pass * 100 <= SETS * 27, "{of_pass} syncs of {SETS} sets");
    let is_done = |record: &&Record| matches!(record, Record::Done(_));
    let durable = memory.durable_records();
    assert_eq!(durable.iter().filter(is_done).count(), SETS);
}

#[tokio::test]
async fn a_loss_of_power_takes_ends_of_sets_and_repeats_no_set() {
    let stage = Stage::new();
    let memory = Memory::default();
    let journal = journal_in_memory(stage.folder.path(), &memory);
    let at = Some((40, stage.cancellation.clone()));
    let (service, result) = process(&stage, journal, at, &memory).await;
    assert_eq!(result.unwrap_err().kind, FailureKind::Interrupted);
    let left = service.left.lock().unwrap().clone();
    std::fs::write(stage.path(), left).unwrap();
    crate::base::platform::testing::make_private(&stage.path());

    let stage = Stage {
        cancellation: Cancellation::new(),
        ..stage
    };
    let opening = journal::resume(&stage.path(), stage.clock.clone(), true).unwrap();
    let resumed = opening.journal.state();
    let sets: Vec<_> = resumed.sets.values().collect();
    let lost = sets.iter().filter(|set| set.done.is_none()).count();
    // Those in flight, those whose intents were written ahead, and the ends that no sync had followed.
    assert!(
        lost > 0 && lost <= 2 * IN_FLIGHT,
        "{lost} of {}",
        sets.len()
    );
    assert!(sets.len() > 40, "no intent of a set that was sent is lost");
    let sent = stage.world.lock().unwrap().writes.len();
    let off = SETS - sent;
    // The service of this process does not know the journal, which is in a file now.
    let world = Arc::clone(&stage.world);
    let switches = (0..SETS).map(key).collect();
    let survey = Rest(world, switches);
    let events = EventSink::new(stage.clock.clone(), Vec::new());
    let mut executor = stage.executor_of(opening.journal.clone(), events, stage.wanted(vec![]));
    only_step(&mut executor).phases = vec![Phase::changes("phase", survey)];
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    let writes = stage.world.lock().unwrap().writes.clone();
    let once: BTreeSet<&String> = writes.iter().collect();
    assert_eq!((writes.len(), once.len()), (sent + off, SETS));
}

/// Finds the switches of this list that are off.
struct Rest(World, Vec<String>);

#[async_trait]
impl Survey for Rest {
    async fn survey(&self, _journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let on = self.0.lock().unwrap().on.clone();
        let off = self.1.iter().filter(|key| !on.contains(*key));
        let changes = off.map(|key| Change {
            key: key.clone(),
            name: format!("turn on '{key}'"),
            before: json!(false).into(),
            after: json!(true).into(),
            follows: Vec::new(),
            action: Action::Set(Arc::new(Switch(Arc::clone(&self.0), key.clone()))),
        });
        Ok(changes.collect())
    }
}
