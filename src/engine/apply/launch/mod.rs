//! Launches: probe, intent durable, request once, handle durable, poll, proof from the tenant.
//!
//! - `decision`: the table from evidence to decision.
//! - `evidence`: what is read about a launch.
//!
//! This file records and does what the table decides.

mod decision;
mod evidence;

use std::time::Duration;

use serde_json::{Value, json};

use self::decision::{Answer, Decision, Evidence, Listed, Operation, Target, Time, decide};
use self::evidence::{Look, Since};
use super::{Place, intent};
use crate::engine::context::poll_interval;
use crate::engine::{
    Change, Context, Failure, FailureKind, Found, Launch, Progress, Repeat, WriteError,
};
use crate::journal::{Ended, LaunchOutcome, LaunchState, Launched, Record, Verified};

/// How many looks must agree that a launch is absent.
const ABSENT_LOOKS: u32 = 3;

/// The member of an `ended` record that holds what the service listed when a person decided.
const SEEN: &str = "seen";

/// Takes a launch from its last recorded state to its proof.
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
            let attempt = Attempt {
                probed: last.intent.detail.clone(),
                handle: handle.cloned(),
                answer: if handle.is_some() || outcome.is_some() {
                    Answer::Accepted
                } else {
                    Answer::InDoubt
                },
                has_succeeded: outcome.is_some(),
                refusal: None,
            };
            application.settle(attempt).await
        }
    }
}

/// What is known about the attempt that is under way.
struct Attempt {
    /// What `probe` recorded before the request.
    probed: Value,
    /// The handle from the service's response, or of the adopted operation.
    handle: Option<Value>,
    answer: Answer,
    /// Has the journal recorded that the service reported success?
    has_succeeded: bool,
    /// Why the request was not accepted, if this process received the response.
    refusal: Option<Failure>,
}

/// What appears later of an attempt that was recorded as absent.
enum Late {
    /// Its operation.
    Ours(Value),
    /// Operations, one of which may belong to it: the attempt is open again, and a person decides.
    Unclear,
}

struct Application<'a> {
    context: &'a Context,
    place: Place<'a>,
    change: &'a Change,
    launch: &'a dyn Launch,
}

impl Application<'_> {
    /// Probes, makes the intent durable and requests once. Takes the last attempt, if it failed or
    /// is absent.
    async fn begin(&self, last: Option<&LaunchState>) -> Result<(), Failure> {
        self.context.may_begin()?;
        if let Some(last) = last {
            self.require_repeatable(last)?;
            if let Some(late) = self.find_late(last).await? {
                let probed = last.intent.detail.clone();
                self.record_intent(probed.clone()).await?;
                let attempt = match late {
                    Late::Ours(handle) => {
                        self.adopt(&handle, None).await?;
                        Attempt::accepted(probed, handle)
                    }
                    Late::Unclear => Attempt {
                        probed,
                        handle: None,
                        answer: Answer::InDoubt,
                        has_succeeded: false,
                        refusal: None,
                    },
                };
                return self.settle(attempt).await;
            }
        }
        let probed = self.launch.probe().await?;
        self.record_intent(probed.clone()).await?;
        let attempt = match self.launch.request().await {
            Ok(started) => {
                self.adopt(&started.handle, started.service_date).await?;
                Attempt::accepted(probed, started.handle)
            }
            Err(WriteError::Refused(refusal) | WriteError::PreconditionFailed(refusal)) => {
                Attempt::unaccepted(probed, Answer::Refused, refusal)
            }
            Err(WriteError::InDoubt(doubt)) => {
                self.progress(
                    &format!(
                        "whether the request was received is unknown ({doubt}); looking for it"
                    ),
                    Duration::ZERO,
                );
                Attempt::unaccepted(probed, Answer::InDoubt, doubt)
            }
        };
        self.settle(attempt).await
    }

    /// Fails unless a launch that has ended may be requested again. The process in which it was
    /// refused does not repeat it. A destructive launch needs a user's confirmation that names the
    /// attempt.
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
            .permanent());
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

    /// Looks for the last attempt again, if it was recorded as absent.
    async fn find_late(&self, last: &LaunchState) -> Result<Option<Late>, Failure> {
        if last.outcome() != Some(LaunchOutcome::Absent) {
            return Ok(None);
        }
        // A service may list late what it began, even what it reported as refused. Before a
        // destructive request is repeated, the search takes as long as for a request in doubt.
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

    /// Has a person confirmed that a launch whose end is unknown did not begin or will not end?
    /// Then that is recorded, unless the launch is seen after all.
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
        self.record_end(outcome, detail).await?;
        Ok(true)
    }

    async fn record_intent(&self, probed: Value) -> Result<(), Failure> {
        let intent = intent(self.place.step, self.place.phase, self.change, probed);
        self.context.journal.append(Record::from(intent)).await?;
        Ok(())
    }

    /// Records the handle of the operation, whether the service returned it or a search found it,
    /// and lets the launch begin that awaits its acceptance.
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

    async fn record_end(&self, outcome: LaunchOutcome, detail: Value) -> Result<(), Failure> {
        let key = self.change.key.clone();
        let record = Record::from(Ended {
            key,
            outcome,
            detail,
        });
        self.context.journal.append(record).await?;
        Ok(())
    }

    /// Reads and waits until the table decides how it ended, or that it stays open.
    async fn settle(&self, mut attempt: Attempt) -> Result<(), Failure> {
        let mut began = self.context.clock.elapsed();
        // It has run since it was accepted, no matter which process waited for it.
        let mut since = Since::new(self.context.since_launch(&self.change.key));
        loop {
            let now = self.context.clock.elapsed();
            let mut look = Look::default();
            let mut evidence = Evidence {
                answer: attempt.answer,
                operation: self.read_operation(&attempt, &mut look).await?,
                listed: Listed::NotRead,
                target: Target::NotRead,
                time: Time::Early,
                repeat: self.launch.repeat(),
                is_destructive: self.launch.is_destructive(),
            };
            if evidence.operation == Operation::Succeeded && !attempt.has_succeeded {
                self.record_end(LaunchOutcome::Succeeded, look.detail.clone())
                    .await?;
                attempt.has_succeeded = true;
            }
            let decision = loop {
                evidence.time = since.judge(self.launch, &evidence, now.saturating_sub(began), now);
                match decide(&evidence) {
                    Decision::ReadList => {
                        evidence.listed = self.read_list(&attempt, &mut look).await?;
                    }
                    Decision::ReadTarget => {
                        let operation = evidence.operation;
                        evidence.target = self.read_target(&attempt, operation, &mut look).await?;
                    }
                    decision => break decision,
                }
            };
            match decision {
                Decision::Wait | Decision::ReadList | Decision::ReadTarget => {}
                Decision::Adopt => {
                    let handle = look.found.take().unwrap_or_default();
                    self.adopt(&handle, None).await?;
                    attempt = Attempt::accepted(attempt.probed, handle);
                    began = now;
                    since = Since::new(self.context.since_launch(&self.change.key));
                    continue;
                }
                Decision::Proved => return self.prove(&attempt, look.observed).await,
                Decision::Failed => return self.fail(look.note).await,
                Decision::Absent => return self.record_absent(attempt).await,
                Decision::StayOpen => {
                    return Err(left_open(&attempt, evidence.operation, &look.note));
                }
                Decision::AskPerson => return Err(undecided(&look.note)),
            }
            let elapsed = since.before.saturating_add(now.saturating_sub(began));
            self.progress(&look.note, elapsed);
            self.context.pause(poll_interval(elapsed)).await?;
        }
    }

    async fn prove(&self, attempt: &Attempt, observed: Value) -> Result<(), Failure> {
        if !attempt.has_succeeded {
            self.record_end(
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
        self.record_end(LaunchOutcome::Failed, json!({ "why": why }))
            .await?;
        let aftermath = self.launch.aftermath().await;
        let failure = Failure::failed(why);
        let failure = match aftermath {
            Some(aftermath) => failure.with_help(aftermath),
            None => failure,
        };
        // A launch that may be repeated is tried again in the next pass.
        let may_repeat = self.launch.repeat() != Repeat::Never && !self.launch.is_destructive();
        Err(if may_repeat {
            failure
        } else {
            failure.permanent()
        })
    }

    /// Records that it never began. A refused request ends with the refusal. A request in doubt may
    /// be sent again: at once if an earlier process left it, in the next pass if this one did.
    async fn record_absent(&self, attempt: Attempt) -> Result<(), Failure> {
        let refusal = attempt.refusal.as_ref();
        let reason = refusal.map(|refusal| refusal.message.clone());
        if attempt.answer == Answer::Refused {
            self.record_end(LaunchOutcome::Absent, json!({ "refused": reason }))
                .await?;
            let failure = attempt
                .refusal
                .unwrap_or_else(|| Failure::failed("the service refused it"));
            return Err(failure.permanent());
        }
        // A launch that is recorded as succeeded cannot become absent.
        let outcome = if attempt.has_succeeded {
            LaunchOutcome::Failed
        } else {
            LaunchOutcome::Absent
        };
        self.record_end(outcome, json!({ "looks": ABSENT_LOOKS, "answer": reason }))
            .await?;
        let Some(refusal) = attempt.refusal else {
            if attempt.answer == Answer::Accepted {
                return Err(Failure::failed(
                    "the service accepted the request, but the target shows no sign of it",
                ));
            }
            let state = self.context.journal.state();
            return match state.launch(&self.change.key) {
                Some(last) => Box::pin(self.begin(Some(last))).await,
                None => Ok(()),
            };
        };
        let message = format!("it did not begin: {}", refusal.message);
        if !matches!(refusal.kind, FailureKind::Temporary | FailureKind::Failed) {
            return Err(Failure { message, ..refusal }.permanent());
        }
        if self.launch.is_destructive() {
            let failure = Failure::new(FailureKind::Unconfirmed, message);
            return Err(failure.with_help("nothing was changed; confirm it to send it again"));
        }
        Err(Failure::failed(message))
    }

    fn progress(&self, note: &str, elapsed: Duration) {
        self.context
            .events
            .progress(self.place.step, &self.change.name, note, elapsed);
    }
}

/// Has a person confirmed the repetition while the service listed exactly this?
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

fn left_open(attempt: &Attempt, operation: Operation, note: &str) -> Failure {
    let (message, help) = match (attempt.answer, operation) {
        (Answer::Accepted, Operation::Succeeded) => (
            format!("the service reports success, but the target does not show it yet ({note})"),
            "nothing is lost; run again to check the target again",
        ),
        (Answer::Accepted, Operation::Missing | Operation::Nonexistent) => (
            format!("the service accepted it, and its status is unknown ({note})"),
            "nothing is sent twice; look at the target in the portal, then run again to look for the \
             operation again",
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

fn undecided(seen: &str) -> Failure {
    Failure::new(
        FailureKind::Waiting,
        format!("it was requested, and its status is unknown: {seen}"),
    )
    .with_help(
        "either it began: wait for its end in the portal, then run again; or it did not: look at \
         the environment's history, and confirm that it may be sent again",
    )
}

impl Attempt {
    fn accepted(probed: Value, handle: Value) -> Self {
        Self {
            probed,
            handle: Some(handle),
            answer: Answer::Accepted,
            has_succeeded: false,
            refusal: None,
        }
    }

    fn unaccepted(probed: Value, answer: Answer, refusal: Failure) -> Self {
        Self {
            probed,
            handle: None,
            answer,
            has_succeeded: false,
            refusal: Some(refusal),
        }
    }
}
