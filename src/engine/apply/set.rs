//! Sets and removals: intent durable, read, compare, write with the version that was read, wait if
//! the service answers with an operation, read back until it shows. A person's edit is left as it
//! is; see [`edits`].

use std::time::Duration;

use serde_json::Value;

use super::Place;
use crate::engine::context::poll_interval;
use crate::engine::{Change, Context, Failure, FailureKind, Progress, Set, WriteError, edits};
use crate::journal::{Done, Intent, Record};

/// How often a set is read and written again when its object moved meanwhile (412) and the compared
/// fields did not change.
const MOVED_RETRIES: u32 = 3;

/// How long a set's own operation may take.
const OPERATION_TIMEOUT: Duration = Duration::from_hours(1);

/// Applies a set; returns what was read back.
pub(in crate::engine) async fn apply(
    context: &Context,
    place: Place<'_>,
    change: &Change,
    set: &dyn Set,
) -> Result<(), Failure> {
    context
        .journal
        .append(Record::from(Intent {
            step: place.step.to_owned(),
            phase: place.phase.to_owned(),
            key: change.key.clone(),
            kind: change.kind(),
            name: change.name.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
            detail: Value::Null,
        }))
        .await?;
    let observed = write_and_read_back(context, place, change, set).await?;
    context
        .journal
        .append(Record::from(Done {
            key: change.key.clone(),
            observed,
        }))
        .await?;
    Ok(())
}

async fn write_and_read_back(
    context: &Context,
    place: Place<'_>,
    change: &Change,
    set: &dyn Set,
) -> Result<Value, Failure> {
    let mut moved = None;
    for _ in 0..=MOVED_RETRIES {
        let reading = set.read().await?;
        if reading.value == change.after {
            return Ok(reading.value);
        }
        if reading.value != change.before {
            return Err(edits::judge_reading(context, place, change, set, &reading.value).await);
        }
        match set.write(&reading).await {
            Ok(written) => {
                if let Some(operation) = written.operation {
                    wait(context, place, change, set, &operation).await?;
                }
                return read_back(context, place, change, set, None).await;
            }
            Err(WriteError::InDoubt(doubt)) => {
                return read_back(context, place, change, set, Some(doubt)).await;
            }
            Err(WriteError::Refused(failure)) => return Err(failure),
            Err(WriteError::Moved(failure)) => moved = Some(failure),
        }
    }
    Err(moved
        .unwrap_or_else(|| Failure::failed("it keeps changing"))
        .with_help("somebody or something edits it at the same time; stop that, then run again")
        .lasting())
}

async fn wait(
    context: &Context,
    place: Place<'_>,
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
            // What was asked for is read back anyway; an operation that is not listed proves nothing.
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
            .narrator
            .progress(place.step, &change.name, &note, elapsed);
        context.pause(poll_interval(elapsed)).await?;
    }
}

/// Reads until the change shows. Takes what made the write doubtful, if anything did.
async fn read_back(
    context: &Context,
    place: Place<'_>,
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
        if elapsed > set.patience() {
            return Err(match doubt {
                Some(doubt) => doubt.during(format!("not applied, it reads {}", reading.value)),
                None => Failure::failed(format!(
                    "the service accepted the change, but it reads {} where {} was written",
                    reading.value, change.after
                ))
                .with_help(
                    "nothing is claimed to be done; look at it in the portal, then run again",
                ),
            });
        }
        context
            .narrator
            .progress(place.step, &change.name, "reading it back", elapsed);
        context.pause(poll_interval(elapsed)).await?;
    }
}
