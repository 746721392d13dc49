//! Sets and removals: intent durable, compare, write with the version that was read, wait if the
//! service responds with an operation, done when the change shows. A person's edit is left as it
//! is; see [`edits`]. The end of a set is durable at the latest when its pass ends, that of a
//! removal at once.
//!
//! The version is the survey's if the set has it, so most sets cost one request: if the object
//! has a newer version (412), it is read and compared again, and what the service's response shows
//! proves the change. Otherwise the object is read before the write, and read back after it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{PhaseRef, wait_for_release};
use crate::engine::context::poll_interval;
use crate::engine::intents::IntentsWritten;
use crate::engine::{Change, Context, Failure, FailureKind, Progress, Set, WriteError, edits};
use crate::journal::Done;

/// How often a set is read and written again if its object has a newer version (412) with the same
/// compared fields.
const VERSION_RETRIES: u32 = 3;

/// How long a set's own operation may take.
const OPERATION_TIMEOUT: Duration = Duration::from_hours(1);

/// Applies a set and records what was read back. `intent` is the write of its intent, if that has
/// begun already.
pub(in crate::engine) async fn apply(
    context: &Context,
    phase_ref: PhaseRef<'_>,
    change: &Change,
    set: &dyn Set,
    intent: Option<IntentsWritten>,
) -> Result<(), Failure> {
    if let Some(written) = intent {
        written.await?;
    } else {
        let intent = super::intent(phase_ref.step, phase_ref.phase, change, Value::Null);
        context.record(intent).await?;
    }
    let mut observed = write_and_read_back(context, phase_ref, change, set).await?;
    if let Some(report) = set.report() {
        observed = json!({ "read": observed, "report": report });
    }
    let key = change.key.clone();
    let done = Done { key, observed };
    if change.is_destructive() {
        context.record(done).await
    } else {
        // If it is lost, the next survey reads the object again.
        context.record_unsynced(done).await
    }
}

async fn write_and_read_back(
    context: &Context,
    phase_ref: PhaseRef<'_>,
    change: &Change,
    set: &dyn Set,
) -> Result<Value, Failure> {
    let mut conflicts = 0;
    let began = context.clock.elapsed();
    // A version that does not belong to `before` would let the write pass an edit by.
    let mut surveyed = set
        .surveyed()
        .filter(|reading| reading.etag.is_some() && reading.value == change.before);
    loop {
        let reading = match surveyed.take() {
            Some(reading) => reading,
            None => set.read().await?,
        };
        if reading.value == change.after {
            return Ok(reading.value);
        }
        if reading.value != change.before {
            return Err(
                edits::explain_reading(context, phase_ref, change, set, &reading.value).await,
            );
        }
        match set.write(&reading).await {
            Ok(written) => {
                if let Some(operation) = written.operation {
                    wait_for_operation(context, phase_ref, change, set, &operation).await?;
                } else if let Some(shown) = written.observed.filter(|shown| *shown == change.after)
                {
                    return Ok(shown);
                }
                phase_ref.accept(change);
                return read_back(context, phase_ref, change, set, None).await;
            }
            Err(WriteError::InDoubt(doubt)) => {
                return read_back(context, phase_ref, change, set, Some(doubt)).await;
            }
            Err(WriteError::Refused(failure)) => return Err(failure.into_refusal()),
            Err(WriteError::Exists(failure)) => {
                // It is ours if an earlier request was received after all.
                let now = set.read().await?.value;
                return if now == change.after {
                    Ok(now)
                } else {
                    Err(failure.into_refusal())
                };
            }
            Err(WriteError::NotYet(failure, limit)) => {
                let limit = limit.max(set.settle_timeout());
                wait_for_release(context, phase_ref, change, began, limit, failure).await?;
            }
            Err(WriteError::PreconditionFailed(failure)) if conflicts == VERSION_RETRIES => {
                let help =
                    "another user or process edits it at the same time; stop that, then run again";
                return Err(failure.with_help(help).permanent());
            }
            Err(WriteError::PreconditionFailed(_)) => conflicts += 1,
        }
    }
}

async fn wait_for_operation(
    context: &Context,
    phase_ref: PhaseRef<'_>,
    change: &Change,
    set: &dyn Set,
    operation: &Value,
) -> Result<(), Failure> {
    let began = context.clock.elapsed();
    loop {
        let elapsed = context.clock.elapsed().saturating_sub(began);
        let note = match set.poll(operation).await {
            Ok(Progress::Succeeded(_)) => return Ok(()),
            Ok(Progress::Failed(why)) => return Err(Failure::failed(why)),
            Ok(Progress::Running(note)) => note,
            // The change is read back anyway; an operation that is not listed proves nothing.
            Ok(Progress::Missing) if elapsed > Duration::from_mins(2) => return Ok(()),
            Ok(Progress::Missing) => "not listed yet".to_owned(),
            Err(failure) if failure.kind == FailureKind::Temporary => failure.message,
            Err(failure) => return Err(failure),
        };
        if elapsed > OPERATION_TIMEOUT {
            return Err(Failure::temporary(format!(
                "its operation still runs: {note}"
            )));
        }
        context
            .events
            .progress(phase_ref.step, &change.name, &note, elapsed);
        context.pause(poll_interval(elapsed)).await?;
    }
}

/// Reads until the change shows. Takes the reason why the write is in doubt, if it is.
async fn read_back(
    context: &Context,
    phase_ref: PhaseRef<'_>,
    change: &Change,
    set: &dyn Set,
    doubt: Option<Failure>,
) -> Result<Value, Failure> {
    let began = context.clock.elapsed();
    loop {
        let reading = set.read().await?;
        if reading.value == change.after {
            return Ok(reading.value);
        }
        let elapsed = context.clock.elapsed().saturating_sub(began);
        if elapsed > set.settle_timeout() {
            return Err(match doubt {
                Some(doubt) => doubt.during(format!("not applied, the value is {}", reading.value)),
                None => Failure::failed(format!(
                    "the service accepted the change, but the value is {} instead of {}",
                    reading.value, change.after
                ))
                .with_help("look at it in the portal, then run again"),
            });
        }
        context
            .events
            .progress(phase_ref.step, &change.name, "reading it back", elapsed);
        context.pause(poll_interval(elapsed)).await?;
    }
}
