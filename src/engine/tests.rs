//! The engine with a tenant of a few switches, and with a real journal in a separate folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    Action, Barrier, Change, Context, Event, EventKind, EventSink, Executor, Failure, FailureKind,
    Found, JournalView, Launch, Listener, ManualTask, Needs, Outcome, Phase, Plan, Progress, Proof,
    Reading, Repeat, Set, Started, Step, Survey, WriteError, Written,
};
use crate::base::cancellation::Cancellation;
use crate::base::clock::Clock;
use crate::journal::{self, Completed, Journal, OpenStateFile, Reopened};

mod asks;
mod destructive;
mod durability;
mod launches;
mod looks;
mod needs;
mod overlap;
mod records;
mod refusals;
mod resumed;
mod sets;
mod unread_ends;

/// The tenant: switches that are on or off, and what happened to them.
#[derive(Default)]
struct Switches {
    on: BTreeSet<String>,
    /// Writes to these are accepted and ignored.
    lies: BTreeSet<String>,
    /// Responses to writes of these are lost.
    lost: BTreeSet<String>,
    writes: Vec<String>,
    requests: usize,
    /// How many requests of the button find a lock.
    locked: u32,
    surveys: usize,
    /// The number of the survey that finds its service unavailable.
    away_at: Option<usize>,
    /// The number of the survey before which a person has done the manual task.
    asked_at: Option<usize>,
}

type World = Arc<Mutex<Switches>>;

struct Switch(World, String);

#[async_trait]
impl Set for Switch {
    async fn read(&self) -> Result<Reading, Failure> {
        Ok(Reading::of(json!(
            self.0.lock().unwrap().on.contains(&self.1)
        )))
    }

    async fn write(&self, _reading: &Reading) -> Result<Written, WriteError> {
        let mut world = self.0.lock().unwrap();
        world.writes.push(self.1.clone());
        if !world.lies.contains(&self.1) {
            world.on.insert(self.1.clone());
        }
        if world.lost.remove(&self.1) {
            return Err(WriteError::InDoubt(Failure::temporary("no reply")));
        }
        Ok(Written::default())
    }
}

/// The press of a button that turns the switch `pressed` on.
struct Press(World);

#[async_trait]
impl Launch for Press {
    fn repeat(&self) -> Repeat {
        Repeat::WhenAbsent(Duration::from_secs(10))
    }

    async fn probe(&self) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    async fn request(&self) -> Result<Started, WriteError> {
        let mut world = self.0.lock().unwrap();
        world.requests += 1;
        if world.locked > 0 {
            world.locked -= 1;
            let lock = Failure::temporary("a solution is being installed");
            return Err(WriteError::NotYet(lock, Duration::from_mins(30)));
        }
        world.on.insert("pressed".to_owned());
        if world.lost.remove("pressed") {
            return Err(WriteError::InDoubt(Failure::temporary("no reply")));
        }
        Ok(Started {
            handle: json!("press"),
            service_date: None,
        })
    }

    async fn find(&self, _probed: &Value) -> Result<Found, Failure> {
        let pressed = self.0.lock().unwrap().on.contains("pressed");
        Ok(if pressed {
            Found::Operation(json!("press"))
        } else {
            Found::Absent
        })
    }

    async fn poll(&self, _handle: &Value) -> Result<Progress, Failure> {
        Ok(Progress::Succeeded(Value::Null))
    }

    async fn verify(&self, _handle: &Value) -> Result<Proof, Failure> {
        let pressed = self.0.lock().unwrap().on.contains("pressed");
        Ok(if pressed {
            Proof::Proved(json!(true))
        } else {
            Proof::NotYet("off".to_owned())
        })
    }

    fn timeout(&self) -> Duration {
        Duration::from_mins(5)
    }
}

/// Finds every switch of a list that is off, with the switches that it follows.
struct Wanted {
    world: World,
    switches: Vec<(&'static str, Vec<&'static str>)>,
    press: bool,
    /// The key of the manual change that it asks a person for.
    ask: Option<&'static str>,
    /// Does its barrier never pass?
    holds: bool,
}

#[async_trait]
impl Survey for Wanted {
    async fn survey(&self, _journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let mut world = self.world.lock().unwrap();
        world.surveys += 1;
        let number = Some(world.surveys);
        if world.away_at == number {
            return Err(Failure::temporary("the service is away"));
        }
        if world.asked_at == number {
            world.on.insert("asked".to_owned());
        }
        let change = |key: &str, follows: &[&str], action| Change {
            key: key.to_owned(),
            name: format!("turn on '{key}'"),
            before: json!(false).into(),
            after: json!(true).into(),
            follows: follows.iter().map(|key| (*key).to_owned()).collect(),
            action,
        };
        let mut changes: Vec<Change> = self
            .switches
            .iter()
            .filter(|(key, _)| !world.on.contains(*key))
            .map(|(key, follows)| {
                let switch = Switch(Arc::clone(&self.world), (*key).to_owned());
                change(key, follows, Action::Set(Arc::new(switch)))
            })
            .collect();
        if self.press && !world.on.contains("pressed") {
            let press = Press(Arc::clone(&self.world));
            changes.push(change("pressed", &[], Action::Launch(Arc::new(press))));
        }
        if let Some(key) = self.ask.filter(|key| !world.on.contains(*key)) {
            let ask = ManualTask {
                instructions: vec!["turn it on".to_owned()],
                evidence: "it is on".to_owned(),
                ..ManualTask::default()
            };
            changes.push(change(key, &[], Action::ManualTask(ask)));
        }
        Ok(changes)
    }

    async fn barrier(&self, _journal: &JournalView) -> Result<Barrier, Failure> {
        Ok(if self.holds {
            Barrier::Holds("the manual task".to_owned())
        } else {
            Barrier::Passed
        })
    }
}

#[derive(Default)]
struct Recorder(Mutex<Vec<EventKind>>);

impl Listener for Recorder {
    fn on_event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.kind.clone());
    }
}

struct Stage {
    folder: tempfile::TempDir,
    world: World,
    clock: Clock,
    cancellation: Cancellation,
}

impl Stage {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            world: World::default(),
            clock: Clock::new(5000.0),
            cancellation: Cancellation::new(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("s.iomcopy.jsonl")
    }

    fn open(&self) -> OpenStateFile {
        journal::testing::open(&self.path(), &self.clock)
    }

    fn executor(&self, opening: &OpenStateFile, survey: Wanted) -> (Executor, Arc<Recorder>) {
        let events_seen = Arc::new(Recorder::default());
        let events = EventSink::new(self.clock.clone(), vec![Box::new(Arc::clone(&events_seen))]);
        let executor = self.executor_of(opening.journal.clone(), events, survey);
        (executor, events_seen)
    }

    fn executor_of(&self, journal: Journal, events: EventSink, survey: Wanted) -> Executor {
        let context = Context {
            journal,
            clock: self.clock.clone(),
            cancellation: self.cancellation.clone(),
            events,
            attended: false,
        };
        let step = Step {
            name: "step".to_owned(),
            needs: Needs::EveryEarlier,
            skip: None,
            attempts: 3,
            concurrency: 4,
            barrier_timeout: Duration::from_mins(5),
            phases: vec![Phase::changes("phase", survey)],
        };
        Executor {
            context,
            steps: [step].into(),
            until: None,
            only: None,
            confirmed: BTreeSet::new(),
            shown: Mutex::default(),
        }
    }

    /// A survey that asks a person for the change of this key.
    fn asking(&self, key: &'static str) -> Wanted {
        Wanted {
            ask: Some(key),
            ..self.wanted(vec![])
        }
    }

    fn wanted(&self, switches: Vec<(&'static str, Vec<&'static str>)>) -> Wanted {
        Wanted {
            world: Arc::clone(&self.world),
            switches,
            press: false,
            ask: None,
            holds: false,
        }
    }
}

fn only_step(executor: &mut Executor) -> &mut Step {
    Arc::get_mut(&mut executor.steps)
        .and_then(|steps| steps.first_mut())
        .unwrap()
}

#[tokio::test]
async fn a_phase_is_taken_to_its_fixpoint_children_before_parents() {
    let stage = Stage::new();
    let opening = stage.open();
    let switches = vec![
        ("parent", vec!["child"]),
        ("child", vec![]),
        ("other", vec![]),
    ];
    let (executor, _) = stage.executor(&opening, stage.wanted(switches));
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    let writes = stage.world.lock().unwrap().writes.clone();
    let place = |name: &str| writes.iter().position(|write| write == name).unwrap();
    assert!(
        writes.len() == 3 && place("child") < place("parent"),
        "{writes:?}"
    );
}

#[tokio::test]
async fn changes_that_follow_each_other_in_a_circle_still_begin() {
    let stage = Stage::new();
    let opening = stage.open();
    let switches = vec![("one", vec!["other"]), ("other", vec!["one"])];
    let (executor, _) = stage.executor(&opening, stage.wanted(switches));
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
}

#[tokio::test]
async fn a_write_that_is_accepted_and_ignored_fails_by_name() {
    let stage = Stage::new();
    stage.world.lock().unwrap().lies.insert("liar".to_owned());
    let opening = stage.open();
    let (executor, events_seen) = stage.executor(
        &opening,
        stage.wanted(vec![("liar", vec![]), ("good", vec![])]),
    );
    let failure = executor.run().await.unwrap_err();
    assert!(
        failure.kind == FailureKind::Failed && failure.message.contains("turn on 'liar'"),
        "{failure}"
    );
    let events_seen = events_seen.0.lock().unwrap();
    let done = events_seen
        .iter()
        .filter(|event| matches!(event, EventKind::ChangeDone { .. }));
    assert_eq!(done.count(), 1, "only the other one is done");
    assert!(opening.journal.state().finished.is_none());
}

#[tokio::test]
async fn a_lost_response_is_read_back_and_not_written_again() {
    let stage = Stage::new();
    stage
        .world
        .lock()
        .unwrap()
        .lost
        .extend(["switch".to_owned(), "pressed".to_owned()]);
    let opening = stage.open();
    let survey = Wanted {
        press: true,
        ..stage.wanted(vec![("switch", vec![])])
    };
    let (executor, _) = stage.executor(&opening, survey);
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    let world = stage.world.lock().unwrap();
    assert_eq!((world.writes.len(), world.requests), (1, 1));
}

/// Each of the refusals was clear, so nothing began; it stays one attempt. A lock that does not end
/// leaves nothing in doubt.
#[tokio::test]
async fn a_launch_that_finds_a_lock_is_requested_when_it_has_ended() {
    for (locked, is_released) in [(3, true), (u32::MAX, false)] {
        let stage = Stage::new();
        stage.world.lock().unwrap().locked = locked;
        let opening = stage.open();
        let survey = Wanted {
            press: true,
            ..stage.wanted(vec![])
        };
        let (executor, _) = stage.executor(&opening, survey);
        let result = executor.run().await;
        let folded = opening.journal.state();
        assert_eq!(folded.launches_in_doubt().count(), 0);
        if is_released {
            assert_eq!(result.unwrap(), Outcome::Finished);
            assert_eq!(stage.world.lock().unwrap().requests, 4);
            assert_eq!(folded.launch("pressed").unwrap().attempt, 1);
        } else {
            let failure = result.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Temporary, "{failure}");
            assert!(failure.message.contains("still refused after"), "{failure}");
        }
    }
}

#[tokio::test]
async fn a_launch_in_doubt_is_closed_when_the_survey_shows_its_end() {
    let stage = Stage::new();
    {
        // A process that died between the intent and the handle; the request was received.
        let opening = stage.open();
        press_in_doubt(&opening.journal).await;
        stage.world.lock().unwrap().on.insert("pressed".to_owned());
    }
    let opening = stage.open();
    let survey = Wanted {
        press: true,
        ..stage.wanted(vec![])
    };
    let (executor, _) = stage.executor(&opening, survey);
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    assert_eq!(stage.world.lock().unwrap().requests, 0);
    assert_eq!(opening.journal.state().launches_in_doubt().count(), 0);
}

/// The records of a process that died between the intent of the launch `pressed` and its handle.
async fn press_in_doubt(journal: &Journal) {
    let begun = journal::StepBegan {
        step: "step".to_owned(),
        speed: None,
        services_stop: false,
    };
    journal.append(begun).await.unwrap();
    let begun = journal::PhaseBegan {
        step: "step".to_owned(),
        phase: "phase".to_owned(),
    };
    journal.append(begun).await.unwrap();
    let intent = journal::Intent {
        step: "step".to_owned(),
        phase: "phase".to_owned(),
        key: "pressed".to_owned(),
        kind: journal::ChangeKind::Launch,
        name: "press".to_owned(),
        before: json!(false).into(),
        after: json!(true).into(),
        detail: Value::Null,
    };
    journal.append(intent).await.unwrap();
}

/// Then a person is asked for the same change, and waives it: nobody knows whether it is done.
#[tokio::test]
async fn a_waived_launch_in_doubt_is_neither_succeeded_nor_proved() {
    let stage = Stage::new();
    let by_hand = || stage.asking("pressed");
    let opening = stage.open();
    press_in_doubt(&opening.journal).await;
    drop(opening);
    let opening = stage.open();
    let (executor, _) = stage.executor(&opening, by_hand());
    let waiting = executor.run().await.unwrap_err();
    assert_eq!(waiting.kind, FailureKind::Waiting, "{waiting}");
    drop((executor, opening));

    let opening = stage.open();
    opening.journal.append(waiver()).await.unwrap();
    let (executor, _) = stage.executor(&opening, by_hand());
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    let folded = opening.journal.state();
    let launch = folded.launch("pressed").unwrap();
    assert_eq!(launch.outcome(), Some(journal::LaunchOutcome::GivenUp));
    assert!(launch.verified.is_none());
    let journal = JournalView::from_journal(folded);
    assert_eq!(
        journal.maker("pressed"),
        None,
        "nobody is known to have made it"
    );
    assert_eq!(stage.world.lock().unwrap().requests, 0);
}

#[tokio::test]
async fn a_manual_task_waits_for_its_evidence_or_a_waiver() {
    let stage = Stage::new();
    let opening = stage.open();
    let survey = || Wanted {
        ask: Some("asked"),
        ..stage.wanted(vec![("automatic", vec![])])
    };
    let (executor, _) = stage.executor(&opening, survey());
    let failure = executor.run().await.unwrap_err();
    assert!(
        failure.kind == FailureKind::Waiting && failure.message.contains("step/phase"),
        "{failure}"
    );
    assert!(
        stage.world.lock().unwrap().on.contains("automatic"),
        "the rest is done first"
    );
    drop((executor, opening));

    stage.world.lock().unwrap().on.insert("asked".to_owned());
    let opening = stage.open();
    let (executor, _) = stage.executor(&opening, survey());
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    let task = Arc::clone(&opening.journal.state().tasks["step/phase"]);
    assert!(task.completed.as_ref().unwrap().waived.is_none());
}

#[tokio::test]
async fn a_run_waits_for_a_person_at_the_terminal_even_while_the_evidence_cannot_be_read() {
    let stage = Stage::new();
    {
        let mut world = stage.world.lock().unwrap();
        (world.away_at, world.asked_at) = (Some(2), Some(4));
    }
    let opening = stage.open();
    let survey = stage.asking("asked");
    let (mut executor, events_seen) = stage.executor(&opening, survey);
    executor.context.attended = true;
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    assert_eq!(stage.world.lock().unwrap().surveys, 4);
    let events_seen = events_seen.0.lock().unwrap();
    let worksheets = events_seen
        .iter()
        .filter(|event| matches!(event, EventKind::ManualTask { things: 1, .. }));
    assert_eq!(worksheets.count(), 1, "it is handed out once");
    let unread = events_seen.iter().any(|event| {
        matches!(event, EventKind::Progress { note, .. }
            if note.contains("cannot be read: the service is away"))
    });
    assert!(unread, "{events_seen:?}");
}

#[tokio::test]
async fn what_follows_the_change_of_a_person_begins_when_it_is_done() {
    let stage = Stage::new();
    let survey = || Wanted {
        ask: Some("asked"),
        ..stage.wanted(vec![
            ("later", vec!["next"]),
            ("next", vec!["asked"]),
            ("free", vec![]),
        ])
    };
    let is_on = |key: &str| stage.world.lock().unwrap().on.contains(key);
    let opening = stage.open();
    let (executor, _) = stage.executor(&opening, survey());
    let failure = executor.run().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Waiting, "{failure}");
    assert!(is_on("free") && !is_on("next") && !is_on("later"));
    drop((executor, opening));
    stage.world.lock().unwrap().on.insert("asked".to_owned());
    let opening = stage.open();
    let (executor, _) = stage.executor(&opening, survey());
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    assert!(is_on("next") && is_on("later"));
}

#[tokio::test]
async fn a_resumed_run_shows_the_worksheet_again_once() {
    let stage = Stage::new();
    let survey = || stage.asking("asked");
    let opening = stage.open();
    let (executor, _) = stage.executor(&opening, survey());
    drop(executor.run().await.unwrap_err());
    drop((executor, opening));
    let surveys = stage.world.lock().unwrap().surveys;
    stage.world.lock().unwrap().asked_at = Some(surveys + 3);
    let opening = stage.open();
    let (mut executor, events_seen) = stage.executor(&opening, survey());
    executor.context.attended = true;
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    let events_seen = events_seen.0.lock().unwrap();
    let worksheets = events_seen
        .iter()
        .filter(|event| matches!(event, EventKind::ManualTask { things: 1, .. }));
    assert_eq!(worksheets.count(), 1, "{events_seen:?}");
}

#[tokio::test]
async fn a_manual_change_counts_as_done_when_it_is_proved() {
    let stage = Stage::new();
    let survey = || Wanted {
        ask: Some("asked"),
        ..stage.wanted(vec![("automatic", vec![])])
    };
    let by_hand = |opening: &OpenStateFile| {
        let counted = opening.journal.state().by_hand("step");
        (counted.begun, counted.done)
    };
    let opening = stage.open();
    assert_eq!(by_hand(&opening), (0, 0));
    let (executor, _) = stage.executor(&opening, survey());
    drop(executor.run().await.unwrap_err());
    assert_eq!(by_hand(&opening), (1, 0));
    drop((executor, opening));
    // After it is handed out again, it is still one thing.
    let opening = stage.open();
    let (executor, _) = stage.executor(&opening, survey());
    drop(executor.run().await.unwrap_err());
    assert_eq!(by_hand(&opening), (1, 0));
    drop((executor, opening));
    stage.world.lock().unwrap().on.insert("asked".to_owned());
    let opening = stage.open();
    let (executor, _) = stage.executor(&opening, survey());
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    assert_eq!(by_hand(&opening), (1, 1));
    let folded = opening.journal.state();
    assert_eq!(folded.progress("step", None).done, 1);
    assert!(JournalView::from_journal(folded).is_done_by_hand("asked"));
}

#[tokio::test]
async fn a_failed_step_is_recorded_as_failed_with_its_reason() {
    let stage = Stage::new();
    stage.world.lock().unwrap().lies.insert("a".to_owned());
    let opening = stage.open();
    let (executor, _) = stage.executor(&opening, stage.wanted(vec![("a", vec![])]));
    drop(executor.run().await.unwrap_err());
    let folded = opening.journal.state();
    let step = folded.step("step").unwrap();
    assert_eq!(step.outcome, Some(journal::StepOutcome::Failed));
    assert!(
        step.note.as_ref().unwrap().contains("step/phase"),
        "{step:?}"
    );
    assert_eq!(folded.failures[0].phase.as_deref(), Some("phase"));
    assert!(step.worked > Duration::ZERO);
}

#[tokio::test]
async fn without_a_person_a_task_with_unreadable_evidence_has_an_unknown_state() {
    let stage = Stage::new();
    stage.world.lock().unwrap().away_at = Some(2);
    let survey = || stage.asking("asked");
    let opening = stage.open();
    let (executor, _) = stage.executor(&opening, survey());
    let waiting = executor.run().await.unwrap_err();
    assert_eq!(waiting.kind, FailureKind::Waiting);
    drop((executor, opening));
    let opening = stage.open();
    let (executor, _) = stage.executor(&opening, survey());
    let failure = executor.run().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Temporary);
    assert!(
        failure.message.contains("its state is unknown"),
        "{failure}"
    );
}

fn waiver() -> Completed {
    Completed {
        task: "step/phase".to_owned(),
        evidence: json!("waived"),
        who: "ada".to_owned(),
        waived: Some("it is done tomorrow".to_owned()),
    }
}

#[tokio::test]
async fn a_waiver_ends_a_phase_until_steps_are_reopened() {
    let stage = Stage::new();
    let survey = || Wanted {
        ask: Some("asked"),
        holds: true,
        ..stage.wanted(vec![])
    };
    let opening = stage.open();
    let (executor, _) = stage.executor(&opening, survey());
    drop(executor.run().await.unwrap_err());
    drop((executor, opening));

    let opening = stage.open();
    opening.journal.append(waiver()).await.unwrap();
    let (executor, _) = stage.executor(&opening, survey());
    // The run does not wait for a waived task.
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    let journal = JournalView::from_journal(opening.journal.state());
    assert!(journal.is_waived("step/phase"));
    let plan = Plan::make(&executor.steps, journal).await.unwrap();
    assert!(plan.is_empty(), "nothing is left to do");

    let again = Reopened {
        provider: "msdyn_x".to_owned(),
        seals: Vec::new(),
        steps: Vec::new(),
        who: "ada".to_owned(),
    };
    opening.journal.append(again).await.unwrap();
    let journal = JournalView::from_journal(opening.journal.state());
    assert!(!journal.is_waived("step/phase"));
}

#[tokio::test]
async fn a_waived_task_proves_nothing_about_what_a_person_did() {
    let stage = Stage::new();
    let asking = stage.asking("asked");
    let opening = stage.open();
    let (executor, _) = stage.executor(&opening, asking);
    drop(executor.run().await.unwrap_err());
    drop((executor, opening));
    let opening = stage.open();
    opening.journal.append(waiver()).await.unwrap();
    // The survey no longer looks for it.
    let (executor, _) = stage.executor(&opening, stage.wanted(vec![]));
    assert_eq!(executor.run().await.unwrap(), Outcome::Finished);
    let journal = JournalView::from_journal(opening.journal.state());
    assert!(journal.was_asked_for("asked"));
    assert!(!journal.is_done_by_hand("asked"), "nobody did it");
    assert_eq!(opening.journal.state().waived("step"), 1);
    assert_eq!(
        journal.waived_task_of("asked").as_deref(),
        Some("step/phase")
    );
    assert!(journal.is_step_done("step"));
}

#[tokio::test]
async fn nothing_new_begins_once_the_run_is_asked_to_stop() {
    let stage = Stage::new();
    let opening = stage.open();
    stage.cancellation.request_stop();
    let (executor, _) = stage.executor(&opening, stage.wanted(vec![("switch", vec![])]));
    assert_eq!(
        executor.run().await.unwrap_err().kind,
        FailureKind::Interrupted
    );
    assert!(stage.world.lock().unwrap().writes.is_empty());
}

#[tokio::test]
async fn an_unconfirmed_removal_is_not_sent() {
    struct Gone(World);
    #[async_trait]
    impl Survey for Gone {
        async fn survey(&self, _journal: &JournalView) -> Result<Vec<Change>, Failure> {
            let set = Arc::new(Switch(Arc::clone(&self.0), "gone".to_owned()));
            let action = Action::Remove {
                set,
                seal: "s",
                captured: "c".to_owned(),
                sealed: json!(false),
            };
            Ok(vec![Change {
                key: "remove".to_owned(),
                name: "remove it".to_owned(),
                before: json!(false).into(),
                after: json!(true).into(),
                follows: Vec::new(),
                action,
            }])
        }
    }
    let stage = Stage::new();
    let opening = stage.open();
    let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
    only_step(&mut executor).phases = vec![Phase::changes("phase", Gone(Arc::clone(&stage.world)))];
    let unconfirmed = executor.run().await.unwrap_err();
    assert_eq!(unconfirmed.kind, FailureKind::Unconfirmed);
    // `iomcopy plan` shows nothing of a run that was opened again (`--only`, `--again`).
    let help = unconfirmed.help.unwrap_or_default();
    assert!(!help.contains("iomcopy plan"), "{help}");
    assert!(
        help.contains("--confirm-target") && help.contains("--dry-run"),
        "{help}"
    );
    executor.confirmed.insert("remove".to_owned());
    drop(executor);
    drop(opening);
    let opening = stage.open();
    let (mut executor, _) = stage.executor(&opening, stage.wanted(vec![]));
    only_step(&mut executor).phases = vec![Phase::changes("phase", Gone(Arc::clone(&stage.world)))];
    executor.confirmed.insert("remove".to_owned());
    // It is confirmed, but no seal holds it: a guard refuses.
    let failure = executor.run().await.unwrap_err();
    assert!(failure.message.contains("seal"), "{failure}");
    assert!(stage.world.lock().unwrap().writes.is_empty());
}
