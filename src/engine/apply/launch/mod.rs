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

use jiff::Timestamp;
use serde_json::{Value, json};

use self::decision::{
    Decision, Evidence, ListReading, PolledState, RequestOutcome, SettleTime, TargetState, decide,
};
use self::evidence::{Look, Since};
use self::repetition::Late;
use super::{PhaseRef, intent, wait_for_release};
use crate::engine::context::poll_interval;
use crate::engine::{
    Change, Context, EventKind, Failure, FailureKind, Launch, Repeat, Started, WriteError,
};
use crate::journal::{Ended, LaunchOutcome, LaunchState, Launched, Verified};

/// How many looks must agree that a launch is absent.
const ABSENT_LOOKS: u32 = 3;

/// Takes a launch from its last recorded state to its proof.
pub(in crate::engine) async fn apply(
    context: &Context,
    phase_ref: PhaseRef<'_>,
    change: &Change,
    launch: &dyn Launch,
) -> Result<(), Failure> {
    let application = Application {
        context,
        phase_ref,
        change,
        launch,
    };
    let state = context.journal.state();
    let Some(last) = state.launch(&change.key) else {
        return application.begin(None).await;
    };
    match (last.outcome(), last.handle()) {
        _ if last.verified.is_some() => application.begin(None).await,
        (Some(LaunchOutcome::Failed | LaunchOutcome::Absent | LaunchOutcome::GivenUp), _) => {
            application.begin(Some(last)).await
        }
        (outcome, handle) => {
            if application.record_if_given_up(last).await? {
                return Box::pin(application.begin(None)).await;
            }
            let answer = if handle.is_some() || outcome.is_some() {
                RequestOutcome::Accepted
            } else {
                RequestOutcome::InDoubt
            };
            let attempt = Attempt {
                handle: handle.cloned(),
                has_succeeded: outcome.is_some(),
                unread_since: context.requested_earlier(last),
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
    answer: RequestOutcome,
    /// Has the journal recorded that the service reported success?
    has_succeeded: bool,
    /// Why the request was not accepted, if this process received the response.
    refusal: Option<Failure>,
    /// When it was requested, until this process has read that it had not ended: if it began
    /// before this attempt.
    unread_since: Option<Timestamp>,
}

struct Application<'a> {
    context: &'a Context,
    phase_ref: PhaseRef<'a>,
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
                    Late::Unclear => Attempt::new(probed, RequestOutcome::InDoubt),
                };
                let unread_since = Some(last.intent.time);
                return self
                    .settle(Attempt {
                        unread_since,
                        ..attempt
                    })
                    .await;
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
            ) => Attempt::unaccepted(probed, RequestOutcome::Refused, refusal),
            Err(WriteError::InDoubt(doubt)) => {
                self.progress(
                    &format!(
                        "whether the request was received is unknown ({doubt}); looking for it"
                    ),
                    Duration::ZERO,
                );
                Attempt::unaccepted(probed, RequestOutcome::InDoubt, doubt)
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
                    wait_for_release(
                        self.context,
                        self.phase_ref,
                        self.change,
                        began,
                        limit,
                        refusal,
                    )
                    .await
                    .map_err(WriteError::Refused)?;
                }
                answer => return answer,
            }
        }
    }

    async fn record_intent(&self, probed: Value) -> Result<(), Failure> {
        let intent = intent(
            self.phase_ref.step,
            self.phase_ref.phase,
            self.change,
            probed,
        );
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
        self.phase_ref.accept(self.change);
        Ok(())
    }

    async fn record_end(
        &self,
        outcome: LaunchOutcome,
        detail: Value,
        unread_since: Option<Timestamp>,
    ) -> Result<(), Failure> {
        let key = self.change.key.clone();
        let ended = Ended {
            key,
            outcome,
            detail,
            unread_since,
        };
        self.context.record(ended).await
    }

    /// Reads and waits until the table decides how it ended, or that it stays open.
    async fn settle(&self, mut attempt: Attempt) -> Result<(), Failure> {
        let mut began = self.context.clock.elapsed();
        let mut since = Since::new(self.context.launch_age(&self.change.key));
        loop {
            let now = self.context.clock.elapsed();
            let mut look = Look::default();
            let mut evidence = Evidence {
                answer: attempt.answer,
                operation: self.read_operation(&attempt, &mut look).await?,
                listed: ListReading::NotRead,
                target: TargetState::NotRead,
                time: SettleTime::Early,
                repeat: self.launch.repeat(),
                is_destructive: self.launch.is_destructive(),
            };
            if evidence.operation == PolledState::Succeeded && !attempt.has_succeeded {
                let (detail, unread_since) = (look.detail.clone(), attempt.unread_since);
                self.record_end(LaunchOutcome::Succeeded, detail, unread_since)
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
                    attempt = Attempt {
                        unread_since: attempt.unread_since,
                        ..Attempt::accepted(attempt.probed, handle)
                    };
                    began = now;
                    since = Since::new(self.context.launch_age(&self.change.key));
                    continue;
                }
                Decision::Proved => return self.prove(&attempt, look.observed).await,
                Decision::Failed => return self.fail(&attempt, look.note).await,
                Decision::Absent => return self.record_absent(attempt).await,
                Decision::StayOpen => {
                    return Err(left_open(&attempt, evidence.operation, &look.note));
                }
                Decision::AskPerson => return Err(undecided(&look.note)),
            }
            if evidence.shows_no_end() {
                let requested = attempt.unread_since.take();
                if evidence.operation == PolledState::Running
                    && let Some(requested) = requested
                {
                    self.emit_resumed(requested);
                }
            }
            let before = since.before.elapsed;
            let elapsed = before.saturating_add(now.saturating_sub(began));
            self.progress(&look.note, elapsed);
            self.context.pause(poll_interval(elapsed)).await?;
        }
    }

    async fn prove(&self, attempt: &Attempt, observed: Value) -> Result<(), Failure> {
        if !attempt.has_succeeded {
            let detail = json!({ "shown-by": "the target" });
            self.record_end(LaunchOutcome::Succeeded, detail, attempt.unread_since)
                .await?;
        }
        let key = self.change.key.clone();
        let state = self.context.journal.state();
        let ended = state.launch(&key).and_then(|launch| launch.ended.clone());
        let took = ended.and_then(|ended| self.launch.service_duration(&ended.detail, &observed));
        let verified = Verified {
            key,
            observed,
            unread_since: attempt.unread_since,
            service_seconds: took.map(|took| took.as_secs()),
        };
        self.context.record(verified).await
    }

    async fn fail(&self, attempt: &Attempt, why: String) -> Result<(), Failure> {
        let detail = json!({ "why": why });
        self.record_end(LaunchOutcome::Failed, detail, attempt.unread_since)
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
        if attempt.answer == RequestOutcome::Refused {
            self.record_end(LaunchOutcome::Absent, json!({ "refused": reason }), None)
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
        let detail = json!({ "looks": ABSENT_LOOKS, "answer": reason });
        self.record_end(outcome, detail, None).await?;
        let Some(refusal) = attempt.refusal else {
            if attempt.answer == RequestOutcome::Accepted {
                return Err(accepted_without_trace(self.launch.is_destructive()));
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

    fn emit_resumed(&self, requested: Timestamp) {
        self.context.events.emit(EventKind::OperationResumed {
            step: self.phase_ref.step.to_owned(),
            phase: self.phase_ref.phase.to_owned(),
            key: self.change.key.clone(),
            name: self.change.name.clone(),
            requested: format!("{requested:.0}"),
        });
    }

    fn progress(&self, note: &str, elapsed: Duration) {
        self.context
            .events
            .progress(self.phase_ref.step, &self.change.name, note, elapsed);
    }
}

fn left_open(attempt: &Attempt, operation: PolledState, note: &str) -> Failure {
    let (message, help) = match (attempt.answer, operation) {
        (RequestOutcome::Accepted, PolledState::Succeeded) => (
            format!("the service reports success, but the target does not show it yet ({note})"),
            "nothing is lost; run again to check the target again",
        ),
        (RequestOutcome::Accepted, PolledState::Missing | PolledState::Nonexistent) => (
            format!("the service accepted it, and its status is unknown ({note})"),
            "nothing is sent twice; look at the target in the portal, then run again to look for the \
             operation again",
        ),
        (RequestOutcome::Accepted, _) => (
            format!("it continues at the service ({note})"),
            "nothing is lost; run again to look at it again, or give the step a longer `timeout` to wait \
             for it",
        ),
        (RequestOutcome::Refused | RequestOutcome::InDoubt, _) => (
            format!("it is unknown whether the request took effect ({note})"),
            "nothing is sent twice; run again once the service can be reached, and its outcome is \
             checked first",
        ),
    };
    Failure::temporary(message).with_help(help)
}

/// The failure of a launch that the service accepted, and of which nothing shows.
fn accepted_without_trace(is_destructive: bool) -> Failure {
    if !is_destructive {
        return Failure::failed(
            "the service accepted the request, but the target shows no sign of it",
        );
    }
    Failure::new(
        FailureKind::Unconfirmed,
        "the service accepted it, but does not list its operation, and the target is unchanged",
    )
    .with_help(
        "look at the environment's history in the portal: if the operation is listed, run again, which \
         finds it; if it is not, confirm that it may be sent again",
    )
}

fn undecided(seen: &str) -> Failure {
    Failure::new(
        FailureKind::Waiting,
        format!("it was requested, and its status is unknown: {seen}"),
    )
    .with_help(
        "look at the environment's history in the portal: if the operation is listed, wait for its end \
         and run again; if it is not, confirm that it may be sent again",
    )
}

impl Attempt {
    /// An attempt of which only the answer is known.
    fn new(probed: Value, answer: RequestOutcome) -> Self {
        Self {
            probed,
            handle: None,
            answer,
            has_succeeded: false,
            refusal: None,
            unread_since: None,
        }
    }

    fn accepted(probed: Value, handle: Value) -> Self {
        Self {
            handle: Some(handle),
            ..Self::new(probed, RequestOutcome::Accepted)
        }
    }

    fn unaccepted(probed: Value, answer: RequestOutcome, refusal: Failure) -> Self {
        Self {
            refusal: Some(refusal),
            ..Self::new(probed, answer)
        }
    }
}
