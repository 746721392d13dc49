//! A test: runs every kind of launch against a modelled service with wrong or lost responses,
//! incomplete lists and outages. Checks that nothing is sent twice, that no operation is lost, and
//! that no false outcome is recorded. Time is simulated.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::base::cancellation::Cancellation;
use crate::base::clock::Clock;
use crate::clients::{Detail, Error, ErrorKind};
use crate::domain::failure::launch_error;
use crate::domain::iom_change::repeat;
use crate::engine::{
    Action, Change, Context, EventSink, Executor, Failure, FailureKind, Found, JournalView, Launch,
    Needs, Phase, Progress, Proof, Repeat, Started, Step, Survey, TargetComparison, WriteError,
};
use crate::journal::{self, LaunchOutcome};
use crate::runbook::IomRequest;

const MINUTE: Duration = Duration::from_mins(1);

/// The properties of a launch.
#[derive(Clone, Copy, Debug)]
struct Profile {
    name: &'static str,
    repeat: Repeat,
    is_destructive: bool,
    has_operation: bool,
    /// What the service lists.
    lists: Lists,
    /// Does the intent record a fingerprint of the target?
    traces: bool,
    settle_timeout: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lists {
    /// Every operation.
    Operations,
    /// Only the target's own rows, which show the end.
    Target,
    /// Nothing at all.
    Nothing,
}

/// The launches as the steps define them.
fn profiles() -> Vec<Profile> {
    let iom = |name, request| Profile {
        name,
        repeat: repeat(request, 15 * MINUTE),
        is_destructive: false,
        has_operation: false,
        lists: Lists::Target,
        traces: true,
        settle_timeout: 15 * MINUTE,
    };
    let listed = |name, settle, traces| Profile {
        name,
        repeat: Repeat::WhenAbsent(settle),
        is_destructive: true,
        has_operation: true,
        lists: Lists::Operations,
        traces,
        settle_timeout: 15 * MINUTE,
    };
    let copy = listed("environment copy", 2 * MINUTE, true);
    vec![
        copy,
        listed("database refresh", 20 * MINUTE, false),
        Profile {
            name: "never repeated",
            repeat: Repeat::Never,
            ..copy
        },
        iom("activate system", IomRequest::ActivateSystem),
        iom("activate provider", IomRequest::ActivateProvider),
        iom("publish policy", IomRequest::PublishPolicy),
        iom("publish orchestration", IomRequest::PublishOrchestration),
        Profile {
            has_operation: true,
            ..iom("apply solution", IomRequest::ActivateProvider)
        },
        Profile {
            name: "reset link",
            is_destructive: true,
            ..iom("reset link", IomRequest::ActivateProvider)
        },
        Profile {
            lists: Lists::Nothing,
            traces: false,
            ..iom("refresh tables", IomRequest::ActivateSystem)
        },
    ]
}

/// The response to the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reply {
    Accepted,
    Status(u16),
    Reset,
    TimedOut,
    Truncated,
}

fn replies() -> Vec<Reply> {
    let statuses = [
        300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410,
        411, 412, 413, 415, 418, 421, 422, 423, 425, 428, 429, 431, 451, 499, 500, 501, 502, 503,
        504,
    ];
    let lost = [
        Reply::Accepted,
        Reply::Reset,
        Reply::TimedOut,
        Reply::Truncated,
    ];
    statuses
        .map(Reply::Status)
        .into_iter()
        .chain(lost)
        .collect()
}

/// The course of an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Course {
    Runs,
    Succeeds,
    Fails,
    /// It succeeds, and is not found by its id.
    Missing,
    /// It succeeds, and the list never shows it.
    Unlisted,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    profile: Profile,
    is_applied: bool,
    reply: Reply,
    course: Course,
    /// How long the service is unavailable after the request.
    outage: Duration,
}

struct Service {
    case: Case,
    clock: Clock,
    /// When each request that was applied was received.
    applied: Vec<Duration>,
    requests: usize,
    /// Requests that came while an earlier one was running or had succeeded.
    duplicates: usize,
}

type Shared = Arc<Mutex<Service>>;

impl Service {
    /// How long an operation runs.
    fn lasts(&self) -> Duration {
        match (self.case.course, self.case.profile.lists) {
            (Course::Runs, Lists::Operations) => Duration::from_hours(6),
            (Course::Runs, _) => 12 * MINUTE,
            _ => 5 * MINUTE,
        }
    }

    fn reachable(&self) -> Result<(), Failure> {
        let since = self.applied.first().copied().unwrap_or_default();
        let now = self.clock.elapsed();
        if self.requests > 0 && now < since + self.case.outage {
            return Err(Failure::temporary("the service is unavailable"));
        }
        Ok(())
    }

    fn is_running(&self, number: usize) -> bool {
        self.applied
            .get(number)
            .is_some_and(|began| self.clock.elapsed() < *began + self.lasts())
    }

    /// Has the operation with this number succeeded? Only the first one may fail.
    fn has_succeeded(&self, number: usize) -> bool {
        let fails = number == 0 && self.case.course == Course::Fails;
        number < self.applied.len() && !self.is_running(number) && !fails
    }

    /// Without a fingerprint of the target, an operation that is not listed at first is listed
    /// later.
    fn is_listed_late(&self) -> bool {
        let late = |began: &Duration| self.clock.elapsed() >= *began + 15 * MINUTE;
        !self.case.profile.traces && self.applied.first().is_some_and(late)
    }

    fn is_done(&self) -> bool {
        (0..self.applied.len()).any(|number| self.has_succeeded(number))
    }
}

/// A launch at the modelled service.
struct Modelled(Shared, Profile);

impl Modelled {
    fn service(&self) -> MutexGuard<'_, Service> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Launch for Modelled {
    fn repeat(&self) -> Repeat {
        self.1.repeat
    }

    fn is_destructive(&self) -> bool {
        self.1.is_destructive
    }

    async fn probe(&self) -> Result<Value, Failure> {
        let service = self.service();
        service.reachable()?;
        let is_seen = self.1.lists == Lists::Operations && service.case.course != Course::Unlisted;
        let newest = service.applied.len().saturating_sub(1);
        if service.is_running(newest) && (is_seen || self.1.traces && self.1.is_destructive) {
            return Err(Failure::refused("another operation is running"));
        }
        Ok(json!({ "before": service.applied.len(), "done": service.is_done() }))
    }

    async fn request(&self) -> Result<Started, WriteError> {
        let mut service = self.service();
        let case = service.case;
        let newest = service.applied.len().saturating_sub(1);
        if service.is_running(newest) || service.is_done() && self.1.lists != Lists::Nothing {
            service.duplicates += 1;
        }
        let is_first = service.requests == 0;
        service.requests += 1;
        if !is_first || case.is_applied {
            let now = service.clock.elapsed();
            service.applied.push(now);
        }
        if is_first && (case.reply != Reply::Accepted || !case.is_applied) {
            return Err(reply_error(case.reply));
        }
        Ok(Started {
            handle: json!({ "id": service.applied.len() - 1 }),
            service_date: None,
        })
    }

    async fn find(&self, probed: &Value) -> Result<Found, Failure> {
        let service = self.service();
        service.reachable()?;
        let before = usize::try_from(probed["before"].as_u64().unwrap_or_default()).unwrap();
        let known = probed["known"].as_u64();
        Ok(match self.1.lists {
            Lists::Nothing => Found::Unlisted,
            Lists::Target if service.is_done() => Found::Operation(json!({ "id": null })),
            Lists::Target => Found::Absent,
            Lists::Operations
                if service.case.course == Course::Unlisted && !service.is_listed_late() =>
            {
                Found::Absent
            }
            Lists::Operations => (before..service.applied.len())
                .find(|number| Some(*number as u64) != known)
                .map_or(Found::Absent, |number| {
                    Found::Operation(json!({ "id": number }))
                }),
        })
    }

    fn probed_with(&self, probed: &Value, handle: &Value) -> Option<Value> {
        let mut probed = probed.clone();
        probed["known"] = handle["id"].clone();
        (self.1.lists == Lists::Operations).then_some(probed)
    }

    async fn compare_target(&self, probed: &Value) -> Result<TargetComparison, Failure> {
        let service = self.service();
        service.reachable()?;
        if !self.1.traces {
            return Ok(TargetComparison::NothingRecorded);
        }
        // Only an environment shows a running operation.
        let newest = service.applied.len().saturating_sub(1);
        let runs = self.1.lists == Lists::Operations && service.is_running(newest);
        Ok(if runs || json!(service.is_done()) != probed["done"] {
            TargetComparison::Changed("changed".to_owned())
        } else {
            TargetComparison::Same
        })
    }

    fn has_operation(&self) -> bool {
        self.1.has_operation
    }

    async fn poll(&self, handle: &Value) -> Result<Progress, Failure> {
        let service = self.service();
        service.reachable()?;
        let Some(number) = handle["id"].as_u64() else {
            return Ok(Progress::Succeeded(Value::Null));
        };
        let number = usize::try_from(number).unwrap();
        Ok(if service.case.course == Course::Missing && number == 0 {
            Progress::Missing
        } else if service.is_running(number) {
            Progress::Running("running".to_owned())
        } else if service.has_succeeded(number) {
            Progress::Succeeded(Value::Null)
        } else {
            Progress::Failed("it failed".to_owned())
        })
    }

    async fn verify(&self, _handle: &Value) -> Result<Proof, Failure> {
        let service = self.service();
        service.reachable()?;
        // The error of an earlier attempt says nothing about a later one.
        let has_failed = service.applied.len() == 1
            && !service.is_running(0)
            && service.case.course == Course::Fails;
        Ok(if service.is_done() || self.1.lists == Lists::Nothing {
            Proof::Proved(json!(true))
        } else if self.1.lists == Lists::Target && !service.applied.is_empty() && has_failed {
            Proof::Disproved("the target shows a failure".to_owned())
        } else {
            Proof::NotYet("not yet".to_owned())
        })
    }

    fn timeout(&self) -> Duration {
        if self.1.lists == Lists::Operations {
            Duration::from_hours(24)
        } else {
            15 * MINUTE
        }
    }

    fn settle_timeout(&self) -> Duration {
        self.1.settle_timeout
    }
}

/// The error that the clients make from a reply, classified as the steps classify it.
fn reply_error(reply: Reply) -> WriteError {
    match reply {
        Reply::Status(status) => launch_error(status_error(status)),
        Reply::Accepted | Reply::Reset | Reply::TimedOut | Reply::Truncated => {
            let why = format!("{reply:?}");
            launch_error(Error::new(ErrorKind::Ambiguous, "it", "POST", &why))
        }
    }
}

/// The error of a status, as `clients::http` makes it, with a code in a JSON body.
fn status_error(status: u16) -> Error {
    let kind = match status {
        401 => ErrorKind::NotSignedIn,
        403 => ErrorKind::Forbidden,
        404 | 410 => ErrorKind::NotFound,
        408 | 500 | 502..=599 => ErrorKind::Ambiguous,
        409 => ErrorKind::Conflict,
        412 => ErrorKind::PreconditionFailed,
        429 => ErrorKind::Throttled,
        400..=499 | 501 => ErrorKind::Refused,
        _ => ErrorKind::Malformed,
    };
    let detail = Detail {
        status: Some(status),
        code: Some("OnPurpose".to_owned()),
        body: Some(json!({})),
        ..Detail::default()
    };
    Error::from_detail(kind, detail, None)
}

struct OneLaunch(Shared, Profile);

#[async_trait]
impl Survey for OneLaunch {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let is_shown = {
            let service = self.0.lock().unwrap();
            service.reachable()?;
            self.1.lists == Lists::Target && service.is_done()
        };
        if journal.is_launch_proved("it") || is_shown {
            return Ok(Vec::new());
        }
        Ok(vec![Change {
            key: "it".to_owned(),
            name: self.1.name.to_owned(),
            before: Value::Null.into(),
            after: json!(true).into(),
            follows: Vec::new(),
            action: Action::Launch(Arc::new(Modelled(Arc::clone(&self.0), self.1))),
        }])
    }
}

/// Runs one process, and returns its result.
async fn run_process(
    path: &std::path::Path,
    clock: &Clock,
    shared: &Shared,
) -> Result<(), Failure> {
    let opening = journal::testing::open(path, clock);
    let profile = shared.lock().unwrap().case.profile;
    let executor = Executor {
        context: Context {
            journal: opening.journal.clone(),
            clock: clock.clone(),
            cancellation: Cancellation::new(),
            events: EventSink::new(clock.clone(), Vec::new()),
            attended: false,
        },
        steps: [Step {
            name: "step".to_owned(),
            needs: Needs::EveryEarlier,
            skip: None,
            attempts: 3,
            concurrency: 1,
            barrier_timeout: 5 * MINUTE,
            phases: vec![Phase::changes(
                "phase",
                OneLaunch(Arc::clone(shared), profile),
            )],
        }]
        .into(),
        until: None,
        only: None,
        confirmed: ["it".to_owned()].into(),
        shown: Mutex::default(),
    };
    executor.run().await.map(|_| ())
}

/// The results of all cases.
#[derive(Debug, Default)]
struct Results {
    cases: usize,
    /// Cases in which a request was sent again while an earlier one ran or had succeeded.
    duplicated: Vec<String>,
    /// Cases in which an operation that had an effect was recorded as absent.
    lost: Vec<String>,
    /// Cases in which a false end was recorded.
    wrong: Vec<String>,
    /// The service explicitly refused a request that it had applied, and showed no trace of it.
    contradicted: usize,
    outcomes: BTreeMap<String, usize>,
}

async fn run_case(case: Case, folder: &std::path::Path, results: &mut Results) {
    let clock = Clock::simulated();
    let shared = Arc::new(Mutex::new(Service {
        case,
        clock: clock.clone(),
        applied: Vec::new(),
        requests: 0,
        duplicates: 0,
    }));
    let path = folder.join(format!("{}.iomcopy.jsonl", results.cases));
    results.cases += 1;
    let shown = format!("{case:?}");
    let is_clear = matches!(case.reply, Reply::Status(status)
        if matches!(launch_error(status_error(status)), WriteError::Refused(_)));
    let mut outcome_word = String::new();
    for _ in 0..6 {
        let result = run_process(&path, &clock, &shared).await;
        let state = journal::read_state_file(&path).unwrap();
        let launch = state.state.launch("it").cloned();
        let outcome = launch.as_ref().and_then(|launch| launch.outcome());
        let is_first = launch.as_ref().is_some_and(|launch| launch.attempt == 1);
        let (was_applied, ends_well) = {
            let service = shared.lock().unwrap();
            (!service.applied.is_empty(), case.course != Course::Fails)
        };
        // The service explicitly says that it did not start an operation that it started.
        let is_contradicted = is_clear && case.is_applied;
        let is_harmless_and_unseen = case.profile.lists == Lists::Nothing;
        // An operation that failed and left the target unchanged counts as absent.
        let leaves_something = ends_well || case.profile.lists == Lists::Operations;
        if is_first && was_applied && leaves_something && outcome == Some(LaunchOutcome::Absent) {
            if is_contradicted || is_harmless_and_unseen {
                results.contradicted += 1;
            } else {
                results.lost.push(shown.clone());
            }
        }
        if is_first && outcome == Some(LaunchOutcome::Failed) && (ends_well || !was_applied) {
            results.wrong.push(shown.clone());
        }
        let is_proved = launch
            .as_ref()
            .is_some_and(|launch| launch.verified.is_some());
        let has_ended = shared.lock().unwrap().is_done() || is_harmless_and_unseen;
        if is_proved && !has_ended {
            results.wrong.push(shown.clone());
        }
        outcome_word = match &result {
            Ok(()) => "done".to_owned(),
            Err(failure) => format!("{:?}", failure.kind),
        };
        match result {
            Ok(()) => break,
            Err(failure)
                if failure.kind == FailureKind::Failed && failure.message.contains("defect") =>
            {
                panic!("{failure}: {shown}");
            }
            Err(_) => clock.sleep(10 * MINUTE).await,
        }
    }
    if shared.lock().unwrap().duplicates > 0 {
        let unseen = is_clear && case.is_applied && case.profile.lists != Lists::Operations;
        if unseen {
            results.contradicted += 1;
        } else {
            results.duplicated.push(shown);
        }
    }
    *results.outcomes.entry(outcome_word).or_default() += 1;
    drop(std::fs::remove_file(path));
}

#[test]
fn no_launch_is_duplicated_or_lost_and_no_recorded_outcome_is_false() {
    // The same switch as in the integration tests' harness, which a unit test cannot reach.
    let is_campaign = std::env::var("IOMCOPY_CAMPAIGN").is_ok_and(|kind| kind == "full");
    let courses = [
        Course::Runs,
        Course::Succeeds,
        Course::Fails,
        Course::Missing,
        Course::Unlisted,
    ];
    let mut cases = Vec::new();
    for profile in profiles() {
        for is_applied in [true, false] {
            for reply in replies() {
                for course in courses {
                    for outage in [0, 8, 25, 60] {
                        cases.push(Case {
                            profile,
                            is_applied,
                            reply,
                            course,
                            outage: outage * MINUTE,
                        });
                    }
                }
            }
        }
    }
    // Every 37th case: the number divides none of the dimensions, so all values combine.
    let step = if is_campaign { 1 } else { 37 };
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let folder = folder.unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut results = Results::default();
    // Every run includes the cases in which the whole campaign once found a defect.
    let found_before = |case: &Case| {
        case.is_applied
            && matches!(case.reply, Reply::Status(400))
            && case.course == Course::Unlisted
            && case.outage.is_zero()
    };
    let known = cases.iter().filter(|case| step > 1 && found_before(case));
    for case in cases.iter().step_by(step).chain(known) {
        runtime.block_on(run_case(*case, folder.path(), &mut results));
    }
    println!(
        "{} cases: {} duplicated, {} lost, {} false outcomes; {} contradicted by the service itself; {:?}",
        results.cases,
        results.duplicated.len(),
        results.lost.len(),
        results.wrong.len(),
        results.contradicted,
        results.outcomes
    );
    let bad = [&results.duplicated, &results.lost, &results.wrong];
    for (word, found) in ["duplicated", "lost", "false"].iter().zip(bad) {
        assert!(
            found.is_empty(),
            "{word}: {:#?}",
            &found[..found.len().min(5)]
        );
    }
}
