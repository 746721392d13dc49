//! Launches: probe, intent durable, request once, handle durable, poll, proof from the tenant.
//!
//! What is read is gathered here, and judged by the table of [`super::ruling`]: this file records and
//! does what the table rules.

use std::time::Duration;

use serde_json::{Value, json};

use super::Place;
use super::ruling::{Answer, Evidence, Listed, Operation, Ruling, Target, Time, rule};
use crate::engine::context::poll_interval;
use crate::engine::{
    Change, Context, Failure, FailureKind, Found, Launch, Progress, Repeat, Trace, Verdict,
    WriteError,
};
use crate::journal::{Ended, Intent, LaunchOutcome, LaunchState, Launched, Record, Verified};

/// How many looks must agree that a launch is absent.
const ABSENT_LOOKS: u32 = 3;

/// How long a process looks for a launch beyond its settling time, before it leaves it open.
const GRACE: Duration = Duration::from_mins(10);

/// How long an operation that the service accepted, does not know and does not list is waited for while
/// the target shows nothing of it.
const MISSING: Duration = Duration::from_mins(30);

/// The member of an end that holds what the service listed when a person decided.
const SEEN: &str = "seen";

/// Takes a launch from wherever the journal left it to its proof.
pub(in crate::engine) async fn apply(
    context: &Context,
    place: Place<'_>,
    change: &Change,
    launch: &dyn Launch,
) -> Result<(), Failure> {
    let application = Application {
        context,
        place,
        change,
        launch,
    };
    let state = context.journal.state();
    let Some(last) = state.launch(&change.key) else {
        return application.begin(None).await;
    };
    match (last.outcome(), last.handle()) {
        _ if last.verified.is_some() => application.begin(None).await,
        (Some(LaunchOutcome::Failed | LaunchOutcome::Absent), _) => {
            application.begin(Some(last)).await
        }
        (outcome, handle) => {
            if application.is_given_up(last).await? {
                return Box::pin(application.begin(None)).await;
            }
            let case = Case {
                probed: last.intent.detail.clone(),
                handle: handle.cloned(),
                answer: if handle.is_some() || outcome.is_some() {
                    Answer::Accepted
                } else {
                    Answer::InDoubt
                },
                has_succeeded: outcome.is_some(),
                said: None,
            };
            application.settle(case).await
        }
    }
}

/// What is known of the attempt that is under way.
struct Case {
    /// What `probe` kept before the request.
    probed: Value,
    /// What the service answered, or what was adopted.
    handle: Option<Value>,
    answer: Answer,
    /// Has the service's word that it ended well been recorded?
    has_succeeded: bool,
    /// Why the answer was not an acceptance, where this process received it.
    said: Option<Failure>,
}

/// What shows later of an attempt that was taken for absent.
enum Late {
    /// Its operation.
    Ours(Value),
    /// Operations of which one may be its own: the attempt is open again, and a person decides.
    Unclear,
}

/// What was read in one look.
#[derive(Default)]
struct Look {
    /// What `poll` said.
    detail: Value,
    /// The listed operation.
    found: Option<Value>,
    /// What the target shows.
    observed: Value,
    /// What is shown while waiting, and what is said where nothing can be concluded.
    note: String,
}

/// Since when, by the program's clock, looks have agreed; each is none where they have not.
#[derive(Default)]
struct Since {
    /// Nothing shows anywhere, and how many looks have said so.
    nothing: Option<(Duration, u32)>,
    /// The service does not know the operation, and the target shows nothing of it.
    missing: Option<Duration>,
    /// The operation has ended well.
    ended: Option<Duration>,
    /// How long the launch had run before this process began to look.
    before: Duration,
}

struct Application<'a> {
    context: &'a Context,
    place: Place<'a>,
    change: &'a Change,
    launch: &'a dyn Launch,
}

impl Application<'_> {
    /// Probes, makes the intent durable and requests once. Takes the last attempt, where it failed or
    /// is absent.
    async fn begin(&self, last: Option<&LaunchState>) -> Result<(), Failure> {
        self.context.may_begin()?;
        if let Some(last) = last {
            self.require_repeatable(last)?;
            if let Some(late) = self.found_late(last).await? {
                let probed = last.intent.detail.clone();
                self.intend(probed.clone()).await?;
                let case = match late {
                    Late::Ours(handle) => {
                        self.adopt(&handle, None).await?;
                        Case::accepted(probed, handle)
                    }
                    Late::Unclear => Case {
                        probed,
                        handle: None,
                        answer: Answer::InDoubt,
                        has_succeeded: false,
                        said: None,
                    },
                };
                return self.settle(case).await;
            }
        }
        let probed = self.launch.probe().await?;
        self.intend(probed.clone()).await?;
        let case = match self.launch.request().await {
            Ok(started) => {
                self.adopt(&started.handle, started.service_date).await?;
                Case::accepted(probed, started.handle)
            }
            Err(WriteError::Refused(said) | WriteError::Moved(said)) => {
                Case::unaccepted(probed, Answer::Refused, said)
            }
            Err(WriteError::InDoubt(said)) => {
                self.progress(
                    &format!(
                        "whether the request was received is unknown ({said}); looking for it"
                    ),
                    Duration::ZERO,
                );
                Case::unaccepted(probed, Answer::InDoubt, said)
            }
        };
        self.settle(case).await
    }

    /// May a launch that has ended be requested again? A refused one is not, in the process that was
    /// refused; one that destroys needs a person's confirmation that names the attempt.
    fn require_repeatable(&self, last: &LaunchState) -> Result<(), Failure> {
        let state = self.context.journal.state();
        let Some(ended) = &last.ended else {
            return Ok(());
        };
        let is_of_this_process = state
            .opened
            .as_ref()
            .is_some_and(|opened| ended.number > opened.number);
        if is_of_this_process && last.was_refused() {
            let why = ended.detail["refused"].as_str().unwrap_or_default();
            return Err(Failure::failed(format!(
                "the service refused it, and it is not sent again in the same run: {why}"
            ))
            .lasting());
        }
        if !self.launch.is_destructive() || last.was_refused() || self.is_confirmed(ended.number) {
            return Ok(());
        }
        Err(unconfirmed(last.attempt + 1))
    }

    /// Has a person confirmed, after this record, that this launch is requested again?
    fn is_confirmed(&self, after: u64) -> bool {
        let state = self.context.journal.state();
        state.confirmed.as_ref().is_some_and(|confirmed| {
            confirmed.number > after && confirmed.repeats.contains(&self.change.key)
        })
    }

    /// What shows now of the last attempt, which was taken for absent.
    async fn found_late(&self, last: &LaunchState) -> Result<Option<Late>, Failure> {
        if last.outcome() != Some(LaunchOutcome::Absent) {
            return Ok(None);
        }
        // A service may list late what it began, also what it said that it refused. Before something is
        // destroyed once more, it is looked for as long as a request in doubt is.
        let (looks, pause) = match self.launch.repeat() {
            Repeat::WhenAbsent(settle) if self.launch.is_destructive() => {
                (ABSENT_LOOKS, settle / (ABSENT_LOOKS - 1))
            }
            _ => (1, Duration::ZERO),
        };
        for look in 1..=looks {
            match self.launch.find(&last.intent.detail).await? {
                Found::Operation(handle) => return Ok(Some(Late::Ours(handle))),
                Found::Ambiguous(seen)
                    if self.launch.is_destructive() && !has_decided_on(last, &seen) =>
                {
                    return Ok(Some(Late::Unclear));
                }
                Found::Ambiguous(_) | Found::Absent | Found::Unlisted => {}
            }
            if look < looks {
                let waited = pause * (look - 1);
                self.progress("looking for an operation of the last attempt", waited);
                self.context.pause(pause).await?;
            }
        }
        Ok(None)
    }

    /// Has a person confirmed that a launch whose end is unknown did not begin or will not end? Then it
    /// is recorded so, unless it is seen after all.
    async fn is_given_up(&self, last: &LaunchState) -> Result<bool, Failure> {
        let latest = [
            Some(last.intent.number),
            last.launched.as_ref().map(|launched| launched.number),
            last.ended.as_ref().map(|ended| ended.number),
        ];
        if !self.is_confirmed(latest.into_iter().flatten().max().unwrap_or_default()) {
            return Ok(false);
        }
        let mut detail = json!({ "person": "confirmed that it is to be requested again" });
        match last.handle() {
            None => match self.launch.find(&last.intent.detail).await? {
                Found::Operation(_) => return Ok(false),
                Found::Ambiguous(seen) => detail[SEEN] = seen.into(),
                Found::Absent | Found::Unlisted => {}
            },
            Some(handle) => {
                if matches!(self.launch.poll(handle).await?, Progress::Running(_)) {
                    return Ok(false);
                }
            }
        }
        let outcome = if last.outcome().is_some() {
            LaunchOutcome::Failed
        } else {
            LaunchOutcome::Absent
        };
        self.end(outcome, detail).await?;
        Ok(true)
    }

    async fn intend(&self, probed: Value) -> Result<(), Failure> {
        let intent = Intent {
            step: self.place.step.to_owned(),
            phase: self.place.phase.to_owned(),
            key: self.change.key.clone(),
            kind: self.change.kind(),
            name: self.change.name.clone(),
            before: self.change.before.clone(),
            after: self.change.after.clone(),
            detail: probed,
        };
        self.context.journal.append(Record::from(intent)).await?;
        Ok(())
    }

    async fn adopt(&self, handle: &Value, service_date: Option<String>) -> Result<(), Failure> {
        let record = Record::from(Launched {
            key: self.change.key.clone(),
            handle: handle.clone(),
            service_date,
        });
        self.context.journal.append(record).await?;
        self.place.accepted.notify_one();
        Ok(())
    }

    async fn end(&self, outcome: LaunchOutcome, detail: Value) -> Result<(), Failure> {
        let key = self.change.key.clone();
        let record = Record::from(Ended {
            key,
            outcome,
            detail,
        });
        self.context.journal.append(record).await?;
        Ok(())
    }

    /// Reads and waits until the table rules how it ended, or that it stays open.
    async fn settle(&self, mut case: Case) -> Result<(), Failure> {
        let mut began = self.context.clock.elapsed();
        // It runs since it was accepted, whichever process waited for it.
        let mut since = Since::of(self.context.since_launch(&self.change.key));
        loop {
            let now = self.context.clock.elapsed();
            let mut look = Look::default();
            let mut evidence = Evidence {
                answer: case.answer,
                operation: self.ask_after(&case, &mut look).await?,
                listed: Listed::NotRead,
                target: Target::NotRead,
                time: Time::Early,
                repeat: self.launch.repeat(),
                is_destructive: self.launch.is_destructive(),
            };
            if evidence.operation == Operation::Succeeded && !case.has_succeeded {
                self.end(LaunchOutcome::Succeeded, look.detail.clone())
                    .await?;
                case.has_succeeded = true;
            }
            let ruling = loop {
                evidence.time = since.time(self.launch, &evidence, now.saturating_sub(began), now);
                match rule(&evidence) {
                    Ruling::LookAtList => {
                        evidence.listed = self.look_at_list(&case, &mut look).await?;
                    }
                    Ruling::LookAtTarget => {
                        let operation = evidence.operation;
                        evidence.target = self.look_at_target(&case, operation, &mut look).await?;
                    }
                    ruling => break ruling,
                }
            };
            match ruling {
                Ruling::Wait | Ruling::LookAtList | Ruling::LookAtTarget => {}
                Ruling::Adopt => {
                    let handle = look.found.take().unwrap_or_default();
                    self.adopt(&handle, None).await?;
                    case = Case::accepted(case.probed, handle);
                    began = now;
                    since = Since::of(self.context.since_launch(&self.change.key));
                    continue;
                }
                Ruling::Proved => return self.prove(&case, look.observed).await,
                Ruling::Failed => return self.fail(look.note).await,
                Ruling::Absent => return self.absent(case).await,
                Ruling::StayOpen => {
                    return Err(stay_open(&case, evidence.operation, &look.note));
                }
                Ruling::AskPerson => return Err(ask_person(&look.note)),
            }
            let elapsed = since.before.saturating_add(now.saturating_sub(began));
            self.progress(&look.note, elapsed);
            self.context.pause(poll_interval(elapsed)).await?;
        }
    }

    /// What the service says of the operation.
    async fn ask_after(&self, case: &Case, look: &mut Look) -> Result<Operation, Failure> {
        let Some(handle) = &case.handle else {
            "looking for an operation that may have begun".clone_into(&mut look.note);
            return Ok(if case.has_succeeded {
                Operation::Succeeded
            } else {
                Operation::NoHandle
            });
        };
        if !self.launch.has_operation() {
            return Ok(Operation::Nonexistent);
        }
        if case.has_succeeded {
            return Ok(Operation::Succeeded);
        }
        Ok(match self.launch.poll(handle).await {
            Ok(Progress::Running(note)) => {
                look.note = note;
                Operation::Running
            }
            Ok(Progress::Missing) => {
                "the service does not list it yet".clone_into(&mut look.note);
                Operation::Missing
            }
            Ok(Progress::Succeeded(detail)) => {
                look.detail = detail;
                Operation::Succeeded
            }
            Ok(Progress::Failed(why)) => {
                look.note = format!("the service says that it failed: {why}");
                Operation::Failed
            }
            // A poll that fails says nothing about the operation: it continues at the service.
            Err(failure) => {
                look.note = unread(failure)?;
                Operation::Unreadable
            }
        })
    }

    /// What the service lists that is new since the intent, besides the operation of the handle.
    async fn look_at_list(&self, case: &Case, look: &mut Look) -> Result<Listed, Failure> {
        let probed = match &case.handle {
            None => Some(case.probed.clone()),
            Some(handle) => self.launch.besides(&case.probed, handle),
        };
        let Some(probed) = probed else {
            return Ok(Listed::NoList);
        };
        Ok(match self.launch.find(&probed).await {
            Ok(Found::Operation(handle)) => {
                look.found = Some(handle);
                Listed::Ours
            }
            Ok(Found::Absent) => Listed::Nothing,
            Ok(Found::Unlisted) => Listed::NoList,
            Ok(Found::Ambiguous(seen)) => {
                look.note = seen;
                Listed::Unclear
            }
            Err(failure) => {
                look.note = unread(failure)?;
                Listed::Unreadable
            }
        })
    }

    /// What the target shows. Where no operation says that it ended well, an end that was there before
    /// the request is no proof of it.
    async fn look_at_target(
        &self,
        case: &Case,
        operation: Operation,
        look: &mut Look,
    ) -> Result<Target, Failure> {
        let handle = case.handle.clone().unwrap_or_default();
        let is_stated = matches!(operation, Operation::Succeeded | Operation::Nonexistent);
        if !is_stated {
            match self.launch.trace(&case.probed).await {
                Ok(Trace::Changed(note)) => look.note = note,
                Ok(Trace::Same) => return Ok(Target::AsBefore),
                Ok(Trace::NothingKept) if case.handle.is_none() => return Ok(Target::NothingKept),
                Ok(Trace::NothingKept) => {}
                Err(failure) => {
                    look.note = unread(failure)?;
                    return Ok(Target::Unreadable);
                }
            }
        }
        match self.launch.verify(&handle).await {
            Ok(Verdict::Proved(observed)) => {
                look.observed = observed;
                return Ok(Target::Proved);
            }
            Ok(Verdict::Wrong(why)) => {
                look.note = format!("it ended, but not as asked: {why}");
                return Ok(Target::Wrong);
            }
            Ok(Verdict::NotYet(missing)) => look.note = missing,
            Err(failure) => {
                look.note = unread(failure)?;
                return Ok(Target::Unreadable);
            }
        }
        if operation != Operation::Nonexistent {
            return Ok(Target::Changed);
        }
        Ok(match self.launch.trace(&case.probed).await {
            Ok(Trace::Same) => Target::AsBefore,
            Ok(Trace::Changed(_) | Trace::NothingKept) => Target::Changed,
            Err(failure) => {
                look.note = unread(failure)?;
                Target::Unreadable
            }
        })
    }

    async fn prove(&self, case: &Case, observed: Value) -> Result<(), Failure> {
        if !case.has_succeeded {
            self.end(
                LaunchOutcome::Succeeded,
                json!({ "shown-by": "the target" }),
            )
            .await?;
        }
        let key = self.change.key.clone();
        let record = Record::from(Verified { key, observed });
        self.context.journal.append(record).await?;
        Ok(())
    }

    async fn fail(&self, why: String) -> Result<(), Failure> {
        self.end(LaunchOutcome::Failed, json!({ "why": why }))
            .await?;
        let aftermath = self.launch.aftermath().await;
        let failure = Failure::failed(why);
        let failure = match aftermath {
            Some(aftermath) => failure.with_help(aftermath),
            None => failure,
        };
        // What may be asked for again is tried again in the next pass.
        let may_repeat = self.launch.repeat() != Repeat::Never && !self.launch.is_destructive();
        Err(if may_repeat {
            failure
        } else {
            failure.lasting()
        })
    }

    /// It never began. What was refused ends with the refusal. What was in doubt may be requested again:
    /// at once where an earlier process left it, in the next pass where this one did.
    async fn absent(&self, case: Case) -> Result<(), Failure> {
        let said = case.said.as_ref().map(|said| said.message.clone());
        if case.answer == Answer::Refused {
            self.end(LaunchOutcome::Absent, json!({ "refused": said }))
                .await?;
            let failure = case
                .said
                .unwrap_or_else(|| Failure::failed("it was refused"));
            return Err(failure.lasting());
        }
        // What was recorded as ended well cannot become absent.
        let outcome = if case.has_succeeded {
            LaunchOutcome::Failed
        } else {
            LaunchOutcome::Absent
        };
        self.end(outcome, json!({ "looks": ABSENT_LOOKS, "answer": said }))
            .await?;
        let Some(said) = case.said else {
            if case.answer == Answer::Accepted {
                return Err(Failure::failed(
                    "the service accepted the request, and the target shows nothing of it",
                ));
            }
            let state = self.context.journal.state();
            return match state.launch(&self.change.key) {
                Some(last) => Box::pin(self.begin(Some(last))).await,
                None => Ok(()),
            };
        };
        let message = format!("it did not begin: {}", said.message);
        if !matches!(said.kind, FailureKind::Temporary | FailureKind::Failed) {
            return Err(Failure { message, ..said }.lasting());
        }
        if self.launch.is_destructive() {
            let failure = Failure::new(FailureKind::Unconfirmed, message);
            return Err(failure.with_help("nothing was changed; confirm it to send it again"));
        }
        Err(Failure::failed(message))
    }

    fn progress(&self, note: &str, elapsed: Duration) {
        self.context
            .narrator
            .progress(self.place.step, &self.change.name, note, elapsed);
    }
}

/// Has a person confirmed a repetition while the service listed exactly this?
fn has_decided_on(last: &LaunchState, seen: &str) -> bool {
    last.ended
        .as_ref()
        .is_some_and(|ended| ended.detail[SEEN] == seen)
}

fn unconfirmed(attempt: u32) -> Failure {
    Failure::new(
        FailureKind::Unconfirmed,
        format!("attempt {attempt} needs a confirmation that names it"),
    )
}

fn stay_open(case: &Case, operation: Operation, note: &str) -> Failure {
    let (message, help) = match (case.answer, operation) {
        (Answer::Accepted, Operation::Succeeded) => (
            format!(
                "the service says that it ended well, and the target does not show it yet ({note})"
            ),
            "nothing is lost; run again, and the target is checked again",
        ),
        (Answer::Accepted, Operation::Missing | Operation::Nonexistent) => (
            format!("the service accepted it, and nothing shows how it is doing ({note})"),
            "nothing is sent twice; look at the target in the portal; run again, and it is looked for \
             again",
        ),
        (Answer::Accepted, _) => (
            format!("it continues at the service ({note})"),
            "nothing is lost; run again to look at it again, or give the step a longer `timeout` to wait \
             for it",
        ),
        (Answer::Refused | Answer::InDoubt, _) => (
            format!("it is unknown whether the request took effect ({note})"),
            "nothing is sent twice; run again once the service can be reached, and its outcome is \
             checked first",
        ),
    };
    Failure::temporary(message).with_help(help)
}

fn ask_person(seen: &str) -> Failure {
    Failure::new(
        FailureKind::Waiting,
        format!("it was requested, and its status is unknown: {seen}"),
    )
    .with_help(
        "either it began: wait for its end in the portal, then run again; or it did not: look at \
         the environment's history, and confirm that it is to be sent again",
    )
}

impl Case {
    fn accepted(probed: Value, handle: Value) -> Self {
        Self {
            probed,
            handle: Some(handle),
            answer: Answer::Accepted,
            has_succeeded: false,
            said: None,
        }
    }

    fn unaccepted(probed: Value, answer: Answer, said: Failure) -> Self {
        Self {
            probed,
            handle: None,
            answer,
            has_succeeded: false,
            said: Some(said),
        }
    }
}

impl Since {
    /// Nothing was looked at yet by this process. Takes how long the launch had run before.
    fn of(before: Duration) -> Self {
        Self {
            before,
            ..Self::default()
        }
    }

    /// Judges the time. Takes how long this process has looked, and the program's time now.
    fn time(
        &mut self,
        launch: &dyn Launch,
        evidence: &Evidence,
        elapsed: Duration,
        now: Duration,
    ) -> Time {
        let over = |limit: Duration, since: Duration| {
            if since > limit {
                Time::Over
            } else {
                Time::Early
            }
        };
        if evidence.answer != Answer::Accepted {
            return self.unaccepted(launch, evidence, elapsed, now);
        }
        match evidence.operation {
            Operation::Succeeded | Operation::Nonexistent => {
                let ended = *self.ended.get_or_insert(now);
                over(launch.patience(), now.saturating_sub(ended))
            }
            Operation::Missing => {
                if evidence.target == Target::Changed {
                    self.missing = None;
                }
                let missing = *self.missing.get_or_insert(now);
                match over(MISSING, now.saturating_sub(missing)) {
                    Time::Over => Time::Over,
                    _ => over(launch.timeout(), elapsed),
                }
            }
            _ => {
                self.missing = None;
                over(launch.timeout(), self.before.saturating_add(elapsed))
            }
        }
    }

    fn unaccepted(
        &mut self,
        launch: &dyn Launch,
        evidence: &Evidence,
        elapsed: Duration,
        now: Duration,
    ) -> Time {
        let settle = match launch.repeat() {
            Repeat::WhenAbsent(settle) => settle,
            Repeat::Harmless => launch.timeout(),
            Repeat::Never => Duration::ZERO,
        };
        let shows_nothing = matches!(evidence.listed, Listed::Nothing | Listed::NoList)
            && matches!(evidence.target, Target::AsBefore | Target::NothingKept);
        let is_read = evidence.listed != Listed::NotRead && evidence.target != Target::NotRead
            || evidence.listed == Listed::Unreadable;
        if shows_nothing {
            let (first, looks) = self.nothing.unwrap_or((now, 0));
            self.nothing = Some((first, looks + 1));
            if now.saturating_sub(first) >= settle && looks + 1 >= ABSENT_LOOKS {
                return Time::Settled;
            }
        } else if is_read {
            self.nothing = None;
        }
        // Looks that agree are not cut short.
        if !shows_nothing && elapsed > settle + GRACE {
            Time::Over
        } else {
            Time::Early
        }
    }
}

/// A failure to read, as what is shown while waiting: it says nothing of the launch. What a person must
/// mend first, and being asked to stop, end the wait.
fn unread(failure: Failure) -> Result<String, Failure> {
    match failure.kind {
        FailureKind::Temporary | FailureKind::Failed => Ok(failure.message),
        _ => Err(failure),
    }
}
