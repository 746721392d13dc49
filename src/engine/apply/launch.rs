//! Launches: probe, intent durable, request once, handle durable, poll, proof from the tenant.
//!
//! A launch that is in doubt (an intent without a handle: a crash, a lost reply) is looked for at
//! the service and adopted. What may follow when it is not found is the launch's own rule.

use std::time::Duration;

use serde_json::{Value, json};

use super::Place;
use crate::engine::context::poll_interval;
use crate::engine::{
    Change, Context, Failure, FailureKind, Found, Launch, Progress, Repeat, Verdict, WriteError,
};
use crate::journal::{Ended, Intent, LaunchOutcome, LaunchState, Launched, Record, Verified};

/// How many searches must agree that a launch is absent.
const ABSENT_SEARCHES: u32 = 3;

/// How long an accepted operation may stay unknown to the service before it is looked for.
const MISSING_PATIENCE: Duration = Duration::from_mins(10);

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
    let handle = match state.launch(&change.key).map(|launch| Stage::of(launch)) {
        None | Some(Stage::Over) => application.begin().await?,
        Some(Stage::InDoubt(probed)) => application.resolve(&probed).await?,
        Some(Stage::Running(handle)) => handle,
        Some(Stage::Unproved(handle)) => return application.prove(&handle).await,
    };
    application.follow(&handle).await?;
    application.prove(&handle).await
}

/// Where the journal left a launch.
enum Stage {
    /// An intent and no handle.
    InDoubt(Value),
    /// A handle and no end.
    Running(Value),
    /// Ended well and not proved.
    Unproved(Value),
    /// Failed, absent, or proved: what comes now is a new attempt.
    Over,
}

impl Stage {
    fn of(launch: &LaunchState) -> Self {
        let handle = launch.handle().cloned().unwrap_or(Value::Null);
        match (launch.outcome(), launch.handle()) {
            _ if launch.verified.is_some() => Self::Over,
            (Some(LaunchOutcome::Succeeded), _) => Self::Unproved(handle),
            (Some(LaunchOutcome::Failed | LaunchOutcome::Absent), _) => Self::Over,
            (None, Some(_)) => Self::Running(handle),
            (None, None) => Self::InDoubt(launch.intent.detail.clone()),
        }
    }
}

struct Application<'a> {
    context: &'a Context,
    place: Place<'a>,
    change: &'a Change,
    launch: &'a dyn Launch,
}

impl Application<'_> {
    /// Probes, makes the intent durable, requests once, makes the handle durable.
    async fn begin(&self) -> Result<Value, Failure> {
        self.context.may_begin()?;
        let probed = self.launch.probe().await?;
        self.context
            .journal
            .append(Record::from(Intent {
                step: self.place.step.to_owned(),
                phase: self.place.phase.to_owned(),
                key: self.change.key.clone(),
                kind: self.change.kind(),
                name: self.change.name.clone(),
                before: self.change.before.clone(),
                after: self.change.after.clone(),
                detail: probed.clone(),
            }))
            .await?;
        match self.launch.request().await {
            Ok(started) => self.adopt(started.handle, started.service_date).await,
            Err(WriteError::Refused(failure) | WriteError::Moved(failure)) => {
                self.end(LaunchOutcome::Absent, json!({ "refused": failure.message }))
                    .await?;
                Err(failure)
            }
            Err(WriteError::InDoubt(doubt)) => {
                self.tell(&format!(
                    "the request's fate is not known ({doubt}); looking for it"
                ));
                self.resolve(&probed).await
            }
        }
    }

    async fn adopt(&self, handle: Value, service_date: Option<String>) -> Result<Value, Failure> {
        let key = self.change.key.clone();
        let record = Record::from(Launched {
            key,
            handle: handle.clone(),
            service_date,
        });
        self.context.journal.append(record).await?;
        self.place.accepted.notify_one();
        Ok(handle)
    }

    async fn end(&self, outcome: LaunchOutcome, detail: Value) -> Result<(), Failure> {
        let key = self.change.key.clone();
        self.context
            .journal
            .append(Record::from(Ended {
                key,
                outcome,
                detail,
            }))
            .await?;
        Ok(())
    }

    /// Looks for a launch whose request may have been received.
    async fn resolve(&self, probed: &Value) -> Result<Value, Failure> {
        let settle = match self.launch.repeat() {
            Repeat::WhenAbsent(settle) => settle,
            Repeat::Never | Repeat::Harmless => Duration::ZERO,
        };
        for search in 1..=ABSENT_SEARCHES {
            match self.launch.find(probed).await? {
                Found::Operation(handle) => return self.adopt(handle, None).await,
                Found::Absent => {}
                Found::Unlisted if self.launch.repeat() == Repeat::Harmless => break,
                Found::Unlisted => {
                    return Err(self.cannot_be_told("the service does not list such operations"));
                }
                Found::Ambiguous(seen) => return Err(self.cannot_be_told(&seen)),
            }
            if search < ABSENT_SEARCHES {
                self.tell("looking for an operation that may have begun");
                self.context.pause(settle / (ABSENT_SEARCHES - 1)).await?;
            }
        }
        if self.launch.repeat() == Repeat::Never {
            return Err(self.cannot_be_told("no such operation is listed"));
        }
        self.end(
            LaunchOutcome::Absent,
            json!({ "searches": ABSENT_SEARCHES }),
        )
        .await?;
        Box::pin(self.begin()).await
    }

    fn cannot_be_told(&self, seen: &str) -> Failure {
        Failure::new(
            FailureKind::Waiting,
            format!(
                "{}: it was requested, and whether it began cannot be told: {seen}",
                self.change.name
            ),
        )
        .with_help(
            "either it began: wait for its end in the portal, then run again; or it did not: \
             look at the environment's history, and run again when you are sure",
        )
    }

    /// Asks after the operation until the service says that it ended.
    async fn follow(&self, handle: &Value) -> Result<(), Failure> {
        let began = self.context.clock.elapsed();
        loop {
            let elapsed = self.context.clock.elapsed().saturating_sub(began);
            let note = match self.launch.poll(handle).await {
                Ok(Progress::Succeeded(detail)) => {
                    return self.end(LaunchOutcome::Succeeded, detail).await;
                }
                Ok(Progress::Failed(why)) => {
                    self.end(LaunchOutcome::Failed, json!({ "why": why }))
                        .await?;
                    return Err(
                        Failure::failed(format!("the service says that it failed: {why}"))
                            .lasting(),
                    );
                }
                Ok(Progress::Missing) if elapsed > MISSING_PATIENCE => {
                    let why = "the service accepted the request and lists no operation for it";
                    self.end(LaunchOutcome::Failed, json!({ "why": why }))
                        .await?;
                    return Err(Failure::failed(why)
                        .with_help("look at the environment's history before you run again")
                        .lasting());
                }
                Ok(Progress::Missing) => "not listed yet".to_owned(),
                Ok(Progress::Running(note)) => note,
                // A poll that fails says nothing about the operation: it goes on at the service.
                Err(failure) if failure.kind == FailureKind::Temporary => failure.message,
                Err(failure) => return Err(failure),
            };
            if elapsed > self.launch.timeout() {
                return Err(Failure::temporary(format!(
                    "{} is still under way after {} ({note})",
                    self.change.name,
                    hours(self.launch.timeout())
                ))
                .with_help("it goes on at the service; run again to go on waiting for it"));
            }
            self.progress(&note, elapsed);
            self.context.pause(poll_interval(elapsed)).await?;
        }
    }

    /// Reads the end state from the tenant itself.
    async fn prove(&self, handle: &Value) -> Result<(), Failure> {
        let began = self.context.clock.elapsed();
        loop {
            let elapsed = self.context.clock.elapsed().saturating_sub(began);
            let missing = match self.launch.verify(handle).await {
                Ok(Verdict::Proved(observed)) => {
                    let key = self.change.key.clone();
                    self.context
                        .journal
                        .append(Record::from(Verified { key, observed }))
                        .await?;
                    return Ok(());
                }
                Ok(Verdict::Wrong(why)) => {
                    self.end(LaunchOutcome::Failed, json!({ "why": why }))
                        .await?;
                    let failure = Failure::failed(format!("it ended, but not as asked: {why}"));
                    // What may be asked for again is tried again in the next pass.
                    let may_repeat =
                        self.launch.repeat() != Repeat::Never && !self.launch.is_destructive();
                    return Err(if may_repeat {
                        failure
                    } else {
                        failure.lasting()
                    });
                }
                Ok(Verdict::NotYet(missing)) => missing,
                Err(failure) if failure.kind == FailureKind::Temporary => failure.message,
                Err(failure) => return Err(failure),
            };
            if elapsed > self.launch.patience() {
                self.end(LaunchOutcome::Failed, json!({ "missing": missing }))
                    .await?;
                let failure = Failure::failed(format!(
                    "the service says that it ended well, but {missing}"
                ));
                // What destroys is asked for again only by a person.
                return Err(if self.launch.is_destructive() {
                    failure.lasting()
                } else {
                    failure
                });
            }
            self.progress(&missing, elapsed);
            self.context.pause(poll_interval(elapsed)).await?;
        }
    }

    fn progress(&self, note: &str, elapsed: Duration) {
        self.context
            .narrator
            .progress(self.place.step, &self.change.name, note, elapsed);
    }

    fn tell(&self, note: &str) {
        self.progress(note, Duration::ZERO);
    }
}

fn hours(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    if minutes.is_multiple_of(60) {
        format!("{} h", minutes / 60)
    } else {
        format!("{minutes} min")
    }
}
