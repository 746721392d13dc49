//! Every kind of launch against a modelled service whose answer lies or is lost, whose list has gaps, and
//! which is away: what is sent twice, what is lost, what is recorded and is not so. Simulated time.

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
    Action, Change, Context, Executor, Failure, FailureKind, Found, Known, Launch, Narrator, Phase,
    Progress, Repeat, Started, Step, Survey, Trace, Verdict, WriteError,
};
use crate::journal::{self, Began, LaunchOutcome, Opening, Pinned, PinnedTarget};
use crate::runbook::IomRequest;

const MINUTE: Duration = Duration::from_mins(1);

/// What is special of a launch.
#[derive(Clone, Copy, Debug)]
struct Profile {
    name: &'static str,
    repeat: Repeat,
    is_destructive: bool,
    has_operation: bool,
    /// Does the service list operations? Else the target's rows are all there is.
    lists: Lists,
    /// Is a fingerprint of the target kept?
    traces: bool,
    patience: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lists {
    /// Every operation.
    Operations,
    /// Nothing but the target's own rows, which show the end.
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
        patience: 15 * MINUTE,
    };
    let listed = |name, settle, traces| Profile {
        name,
        repeat: Repeat::WhenAbsent(settle),
        is_destructive: true,
        has_operation: true,
        lists: Lists::Operations,
        traces,
        patience: 15 * MINUTE,
    };
    let copy = listed("environment copy", 2 * MINUTE, true);
    vec![
        copy,
        listed("database refresh", 20 * MINUTE, false),
        Profile {
            name: "never to be repeated",
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

/// What the request is answered with.
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

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Runs,
    EndsWell,
    Fails,
    /// It ends well, and is not found by its id.
    Missing,
    /// It ends well, and the list never shows it.
    Unlisted,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    profile: Profile,
    is_applied: bool,
    reply: Reply,
    fate: Fate,
    away: Duration,
}

struct Service {
    case: Case,
    clock: Clock,
    /// When each request that was applied was received.
    applied: Vec<Duration>,
    requests: usize,
    /// Requests that came while an earlier one was under way or had ended well.
    doubled: usize,
}

type Shared = Arc<Mutex<Service>>;

impl Service {
    /// How long an operation runs.
    fn lasts(&self) -> Duration {
        match (self.case.fate, self.case.profile.lists) {
            (Fate::Runs, Lists::Operations) => Duration::from_hours(6),
            (Fate::Runs, _) => 12 * MINUTE,
            _ => 5 * MINUTE,
        }
    }

    fn reachable(&self) -> Result<(), Failure> {
        let since = self.applied.first().copied().unwrap_or_default();
        let now = self.clock.elapsed();
        if self.requests > 0 && now < since + self.case.away {
            return Err(Failure::temporary("the service is away"));
        }
        Ok(())
    }

    fn is_running(&self, number: usize) -> bool {
        self.applied
            .get(number)
            .is_some_and(|began| self.clock.elapsed() < *began + self.lasts())
    }

    /// Of the operation of this number; only the first one may fail.
    fn has_ended_well(&self, number: usize) -> bool {
        let fails = number == 0 && self.case.fate == Fate::Fails;
        number < self.applied.len() && !self.is_running(number) && !fails
    }

    /// Where no fingerprint of the target helps, what is not listed is listed in the end.
    fn is_listed_late(&self) -> bool {
        let late = |began: &Duration| self.clock.elapsed() >= *began + 15 * MINUTE;
        !self.case.profile.traces && self.applied.first().is_some_and(late)
    }

    fn is_done(&self) -> bool {
        (0..self.applied.len()).any(|number| self.has_ended_well(number))
    }
}

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
        let is_seen = self.1.lists == Lists::Operations && service.case.fate != Fate::Unlisted;
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
            service.doubled += 1;
        }
        let is_first = service.requests == 0;
        service.requests += 1;
        if !is_first || case.is_applied {
            let now = service.clock.elapsed();
            service.applied.push(now);
        }
        if is_first && (case.reply != Reply::Accepted || !case.is_applied) {
            return Err(lost(case.reply));
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
                if service.case.fate == Fate::Unlisted && !service.is_listed_late() =>
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

    fn besides(&self, probed: &Value, handle: &Value) -> Option<Value> {
        let mut probed = probed.clone();
        probed["known"] = handle["id"].clone();
        (self.1.lists == Lists::Operations).then_some(probed)
    }

    async fn trace(&self, probed: &Value) -> Result<Trace, Failure> {
        let service = self.service();
        service.reachable()?;
        if !self.1.traces {
            return Ok(Trace::NothingKept);
        }
        // Only an environment shows that an operation runs.
        let newest = service.applied.len().saturating_sub(1);
        let runs = self.1.lists == Lists::Operations && service.is_running(newest);
        Ok(if runs || json!(service.is_done()) != probed["done"] {
            Trace::Changed("changed".to_owned())
        } else {
            Trace::Same
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
        Ok(if service.case.fate == Fate::Missing && number == 0 {
            Progress::Missing
        } else if service.is_running(number) {
            Progress::Running("running".to_owned())
        } else if service.has_ended_well(number) {
            Progress::Succeeded(Value::Null)
        } else {
            Progress::Failed("out of order".to_owned())
        })
    }

    async fn verify(&self, _handle: &Value) -> Result<Verdict, Failure> {
        let service = self.service();
        service.reachable()?;
        // An error of an earlier attempt says nothing of the one that followed.
        let has_failed = service.applied.len() == 1
            && !service.is_running(0)
            && service.case.fate == Fate::Fails;
        Ok(if service.is_done() || self.1.lists == Lists::Nothing {
            Verdict::Proved(json!(true))
        } else if self.1.lists == Lists::Target && !service.applied.is_empty() && has_failed {
            Verdict::Wrong("the target says so".to_owned())
        } else {
            Verdict::NotYet("not yet".to_owned())
        })
    }

    fn timeout(&self) -> Duration {
        if self.1.lists == Lists::Operations {
            Duration::from_hours(24)
        } else {
            15 * MINUTE
        }
    }

    fn patience(&self) -> Duration {
        self.1.patience
    }
}

/// The error that the clients make of a reply, judged as the steps judge it.
fn lost(reply: Reply) -> WriteError {
    match reply {
        Reply::Status(status) => launch_error(answered(status)),
        Reply::Accepted | Reply::Reset | Reply::TimedOut | Reply::Truncated => {
            let why = format!("{reply:?}");
            launch_error(Error::new(ErrorKind::Ambiguous, "it", "POST", &why))
        }
    }
}

/// The error of a status, as `clients::http` makes it, with a code in a JSON body.
fn answered(status: u16) -> Error {
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

struct One(Shared, Profile);

#[async_trait]
impl Survey for One {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let is_shown = {
            let service = self.0.lock().unwrap();
            service.reachable()?;
            self.1.lists == Lists::Target && service.is_done()
        };
        if known.launch_proved("it") || is_shown {
            return Ok(Vec::new());
        }
        Ok(vec![Change {
            key: "it".to_owned(),
            name: self.1.name.to_owned(),
            before: Value::Null,
            after: json!(true),
            follows: Vec::new(),
            action: Action::Launch(Arc::new(Modelled(Arc::clone(&self.0), self.1))),
        }])
    }
}

fn open(path: &std::path::Path, clock: &Clock) -> Opening {
    if journal::exists(path) {
        return journal::resume(path, clock.clone(), false).unwrap();
    }
    let target = PinnedTarget {
        environment: "e".to_owned(),
        name: "n".to_owned(),
        url: None,
        organization: None,
        unique_name: None,
    };
    let pinned = Pinned {
        tenant: "t".to_owned(),
        cloud: "rehearsal".to_owned(),
        source: None,
        target,
        lcs: None,
    };
    let began = Began {
        format: journal::FORMAT,
        program: "0".to_owned(),
        runbook: "s".to_owned(),
        runbook_digest: "d".to_owned(),
        pinned,
        origins: BTreeMap::new(),
    };
    journal::begin(path, clock.clone(), began).unwrap()
}

/// One process; what it ended with.
async fn process(path: &std::path::Path, clock: &Clock, shared: &Shared) -> Result<(), Failure> {
    let opening = open(path, clock);
    let profile = shared.lock().unwrap().case.profile;
    let executor = Executor {
        context: Context {
            journal: opening.journal.clone(),
            clock: clock.clone(),
            cancellation: Cancellation::new(),
            narrator: Narrator::new(clock.clone(), Vec::new()),
            attended: false,
        },
        steps: vec![Step {
            name: "step",
            skip: None,
            attempts: 3,
            concurrency: 1,
            timeout: 5 * MINUTE,
            phases: vec![Phase::changes("phase", One(Arc::clone(shared), profile))],
        }],
        until: None,
        confirmed: ["it".to_owned()].into(),
        shown: Mutex::default(),
    };
    executor.run().await.map(|_| ())
}

/// What a case came to.
#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    doubled: Vec<String>,
    lost: Vec<String>,
    wrong: Vec<String>,
    /// The service refused in so many words what it had applied, and nothing of it could be seen then.
    contradicted: usize,
    endings: BTreeMap<String, usize>,
}

async fn play(case: Case, folder: &std::path::Path, tally: &mut Tally) {
    let clock = Clock::simulated();
    let shared = Arc::new(Mutex::new(Service {
        case,
        clock: clock.clone(),
        applied: Vec::new(),
        requests: 0,
        doubled: 0,
    }));
    let path = folder.join(format!("{}.iomcopy.jsonl", tally.cases));
    tally.cases += 1;
    let shown = format!("{case:?}");
    let is_clear = matches!(case.reply, Reply::Status(status)
        if matches!(launch_error(answered(status)), WriteError::Refused(_)));
    let mut ending = String::new();
    for _ in 0..6 {
        let result = process(&path, &clock, &shared).await;
        let state = journal::read(&path).unwrap();
        let launch = state.state.launch("it").cloned();
        let outcome = launch.as_ref().and_then(|launch| launch.outcome());
        let is_first = launch.as_ref().is_some_and(|launch| launch.attempt == 1);
        let (was_applied, ends_well) = {
            let service = shared.lock().unwrap();
            (!service.applied.is_empty(), case.fate != Fate::Fails)
        };
        // A service that says in so many words that it did not begin what it began, and shows nothing.
        let is_contradicted = is_clear && case.is_applied;
        let is_harmless_and_unseen = case.profile.lists == Lists::Nothing;
        // What failed and left the target as it was is as good as absent.
        let leaves_something = ends_well || case.profile.lists == Lists::Operations;
        if is_first && was_applied && leaves_something && outcome == Some(LaunchOutcome::Absent) {
            if is_contradicted || is_harmless_and_unseen {
                tally.contradicted += 1;
            } else {
                tally.lost.push(shown.clone());
            }
        }
        if is_first && outcome == Some(LaunchOutcome::Failed) && (ends_well || !was_applied) {
            tally.wrong.push(shown.clone());
        }
        let is_proved = launch
            .as_ref()
            .is_some_and(|launch| launch.verified.is_some());
        let has_ended = shared.lock().unwrap().is_done() || is_harmless_and_unseen;
        if is_proved && !has_ended {
            tally.wrong.push(shown.clone());
        }
        ending = match &result {
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
    if shared.lock().unwrap().doubled > 0 {
        let unseen = is_clear && case.is_applied && case.profile.lists != Lists::Operations;
        if unseen {
            tally.contradicted += 1;
        } else {
            tally.doubled.push(shown);
        }
    }
    *tally.endings.entry(ending).or_default() += 1;
    drop(std::fs::remove_file(path));
}

#[test]
fn nothing_is_doubled_nothing_is_lost_and_no_verdict_is_false() {
    // The same switch as in the integration tests' harness, which a unit test cannot reach.
    let is_campaign = std::env::var("IOMCOPY_CAMPAIGN").is_ok_and(|kind| kind == "full");
    let fates = [
        Fate::Runs,
        Fate::EndsWell,
        Fate::Fails,
        Fate::Missing,
        Fate::Unlisted,
    ];
    let mut cases = Vec::new();
    for profile in profiles() {
        for is_applied in [true, false] {
            for reply in replies() {
                for fate in fates {
                    for away in [0, 8, 25, 60] {
                        cases.push(Case {
                            profile,
                            is_applied,
                            reply,
                            fate,
                            away: away * MINUTE,
                        });
                    }
                }
            }
        }
    }
    // Every 37th: a number that divides none of the parts, so that each part is met with each other.
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
    let mut tally = Tally::default();
    // What the whole campaign once found is played in each.
    let found_before = |case: &Case| {
        case.is_applied
            && matches!(case.reply, Reply::Status(400))
            && case.fate == Fate::Unlisted
            && case.away.is_zero()
    };
    let known = cases.iter().filter(|case| step > 1 && found_before(case));
    for case in cases.iter().step_by(step).chain(known) {
        runtime.block_on(play(*case, folder.path(), &mut tally));
    }
    println!(
        "{} cases: {} doubled, {} lost, {} false verdicts; {} contradicted by the service itself; {:?}",
        tally.cases,
        tally.doubled.len(),
        tally.lost.len(),
        tally.wrong.len(),
        tally.contradicted,
        tally.endings
    );
    let bad = [&tally.doubled, &tally.lost, &tally.wrong];
    for (word, found) in ["doubled", "lost", "false"].iter().zip(bad) {
        assert!(
            found.is_empty(),
            "{word}: {:#?}",
            &found[..found.len().min(5)]
        );
    }
}
