//! Launches: probe, intent durable, request once, handle durable, poll, proof from the tenant.
//!
//! - `decision`: the table from evidence to decision.
//! - `evidence`: what is read about a launch.
//! - `repetition`: whether a launch that was requested before may be requested again.
//!
//! This file records and does what the table decides.

mod decision;
mod evidence;
mod repetition;

use std::time::Duration;

use serde_json::{Value, json};

use self::decision::{
    Decision, Evidence, Listed, OperationState, RequestAnswer, TargetState, Time, decide,
};
use self::evidence::{Look, Since};
use self::repetition::Late;
use super::{Place, intent, wait_for_release};
use crate::engine::context::poll_interval;
use crate::engine::{Change, Context, Failure, FailureKind, Launch, Repeat, Started, WriteError};
use crate::journal::{Ended, LaunchOutcome, LaunchState, Launched, Verified};

/// How many looks must agree that a launch is absent.
const ABSENT_LOOKS: u32 = 3;

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
            if application.record_if_given_up(last).await? {
                return Box::pin(application.begin(None)).await;
            }
            let answer = if handle.is_some() || outcome.is_some() {
                RequestAnswer::Accepted
            } else {
                RequestAnswer::InDoubt
            };
            let attempt = Attempt {
                handle: handle.cloned(),
                has_succeeded: outcome.is_some(),
                ..Attempt::new(last.intent.detail.clone(), answer)
            };
            application.settle(attempt).await
        }
    }
}

/// What is known about the running attempt.
struct Attempt {
    /// What `probe` recorded before the request.
    probed: Value,
    /// The handle from the service's response, or of the adopted operation.
    handle: Option<Value>,
    answer: RequestAnswer,
    /// Has the journal recorded that the service reported success?
    has_succeeded: bool,
    /// Why the request was not accepted, if this process received the response.
    refusal: Option<Failure>,
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
                        self.record_handle(&handle, None).await?;
                        Attempt::accepted(probed, handle)
                    }
                    Late::Unclear => Attempt::new(probed, RequestAnswer::InDoubt),
                };
                return self.settle(attempt).await;
            }
        }
        let probed = self.launch.probe().await?;
        self.record_intent(probed.clone()).await?;
        let attempt = match self.request().await {
            Ok(started) => {
                self.record_handle(&started.handle, started.service_date)
                    .await?;
                Attempt::accepted(probed, started.handle)
            }
            Err(
                WriteError::Refused(refusal)
                | WriteError::PreconditionFailed(refusal)
                | WriteError::Exists(refusal)
                | WriteError::NotYet(refusal, _),
            ) => Attempt::unaccepted(probed, RequestAnswer::Refused, refusal),
            Err(WriteError::InDoubt(doubt)) => {
                self.progress(
                    &format!(
                        "whether the request was received is unknown ({doubt}); looking for it"
                    ),
                    Duration::ZERO,
                );
                Attempt::unaccepted(probed, RequestAnswer::InDoubt, doubt)
            }
        };
        self.settle(attempt).await
    }

    /// Sends the request; again while the service clearly refuses it because something else must
    /// end first. A destructive request is sent once.
    async fn request(&self) -> Result<Started, WriteError> {
        let began = self.context.clock.elapsed();
        loop {
            match self.launch.request().await {
                Err(WriteError::NotYet(refusal, limit)) if !self.launch.is_destructive() => {
                    wait_for_release(self.context, self.place, self.change, began, limit, refusal)
                        .await
                        .map_err(WriteError::Refused)?;
                }
                answer => return answer,
            }
        }
    }

    async fn record_intent(&self, probed: Value) -> Result<(), Failure> {
        let intent = intent(self.place.step, self.place.phase, self.change, probed);
        self.context.record(intent).await
    }

    /// Records the handle of the operation, whether the service returned it or a search found it,
    /// and lets the launch begin that awaits its acceptance.
    async fn record_handle(
        &self,
        handle: &Value,
        service_date: Option<String>,
    ) -> Result<(), Failure> {
        let launched = Launched {
            key: self.change.key.clone(),
            handle: handle.clone(),
            service_date,
        };
        self.context.record(launched).await?;
        self.place.accept(self.change);
        Ok(())
    }

    async fn record_end(&self, outcome: LaunchOutcome, detail: Value) -> Result<(), Failure> {
        let key = self.change.key.clone();
        let ended = Ended {
            key,
            outcome,
            detail,
        };
        self.context.record(ended).await
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
                target: TargetState::NotRead,
                time: Time::Early,
                repeat: self.launch.repeat(),
                is_destructive: self.launch.is_destructive(),
            };
            if evidence.operation == OperationState::Succeeded && !attempt.has_succeeded {
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
                        let known = (evidence.operation, evidence.time);
                        evidence.target = self.read_target(&attempt, known, &mut look).await?;
                    }
                    decision => break decision,
                }
            };
            match decision {
                Decision::Wait | Decision::ReadList | Decision::ReadTarget => {}
                Decision::Adopt => {
                    let handle = look.found.take().unwrap_or_default();
                    self.record_handle(&handle, None).await?;
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
            let detail = json!({ "shown-by": "the target" });
            self.record_end(LaunchOutcome::Succeeded, detail).await?;
        }
        let key = self.change.key.clone();
        self.context.record(Verified { key, observed }).await
    }

    async fn fail(&self, why: String) -> Result<(), Failure> {
        self.record_end(LaunchOutcome::Failed, json!({ "why": why }))
            .await?;
        let aftermath = self.launch.aftermath().await;
        Err(Failure {
            help: aftermath,
            // A launch that may be repeated is tried again in the next pass.
            retryable: self.launch.repeat() != Repeat::Never && !self.launch.is_destructive(),
            ..Failure::failed(why)
        })
    }

    /// Records that it never began. A refused request ends with the refusal. A request in doubt may
    /// be sent again: at once if an earlier process left it, in the next pass if this one did.
    async fn record_absent(&self, attempt: Attempt) -> Result<(), Failure> {
        let refusal = attempt.refusal.as_ref();
        let reason = refusal.map(|refusal| refusal.message.clone());
        if attempt.answer == RequestAnswer::Refused {
            self.record_end(LaunchOutcome::Absent, json!({ "refused": reason }))
                .await?;
            let failure = attempt
                .refusal
                .unwrap_or_else(|| Failure::failed("the service refused it"));
            return Err(failure.permanent().into_refusal());
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
            if attempt.answer == RequestAnswer::Accepted {
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

fn left_open(attempt: &Attempt, operation: OperationState, note: &str) -> Failure {
    let (message, help) = match (attempt.answer, operation) {
        (RequestAnswer::Accepted, OperationState::Succeeded) => (
            format!("the service reports success, but the target does not show it yet ({note})"),
            "nothing is lost; run again to check the target again",
        ),
        (RequestAnswer::Accepted, OperationState::Missing | OperationState::Nonexistent) => (
            format!("the service accepted it, and its status is unknown ({note})"),
            "nothing is sent twice; look at the target in the portal, then run again to look for the \
             operation again",
        ),
        (RequestAnswer::Accepted, _) => (
            format!("it continues at the service ({note})"),
            "nothing is lost; run again to look at it again, or give the step a longer `timeout` to wait \
             for it",
        ),
        (RequestAnswer::Refused | RequestAnswer::InDoubt, _) => (
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
    /// An attempt of which only the answer is known.
    fn new(probed: Value, answer: RequestAnswer) -> Self {
        Self {
            probed,
            handle: None,
            answer,
            has_succeeded: false,
            refusal: None,
        }
    }

    fn accepted(probed: Value, handle: Value) -> Self {
        Self {
            handle: Some(handle),
            ..Self::new(probed, RequestAnswer::Accepted)
        }
    }

    fn unaccepted(probed: Value, answer: RequestAnswer, refusal: Failure) -> Self {
        Self {
            refusal: Some(refusal),
            ..Self::new(probed, answer)
        }
    }
}
