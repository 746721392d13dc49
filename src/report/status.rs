//! A state file's fold as a table for a person and as a JSON document for a program.

use std::time::Duration;

use super::documents::{RunState, StatusDocument, StepFailure, StepStatus, StepWord, Version};
use super::{Palette, duration};
use crate::journal::{Occupancy, Reading, State, StepOutcome, StepState};
use crate::text::{count, escape};

/// The state file as a table: run, target, state, a line a step, what it waits for, what to do now.
/// Takes the names of all steps in order and the command that goes on.
pub fn status_table(reading: &Reading, steps: &[&str], next: &str, palette: Palette) -> String {
    let state = &reading.state;
    let mut text = format!(
        "run    {}\ntarget {} ({})\nstate  {}\n\n",
        state.run,
        escape(&state.began.pinned.target.name),
        escape(&state.began.pinned.target.environment),
        condition(reading).0,
    );
    let width = steps
        .iter()
        .map(|name| name.len())
        .max()
        .unwrap_or_default();
    for (number, name) in steps.iter().enumerate() {
        let step = state.step(name);
        let painted = painted(step_word(step), palette);
        text += &format!("  {} {name:<width$}  {painted}", number + 1);
        text += &step
            .map(|step| step_detail(state, step))
            .unwrap_or_default();
        text.truncate(text.trim_end().len());
        text += "\n";
    }
    for task in state.waiting() {
        text += &format!("\nwaits for a person: {}\n", escape(&task.waiting.task));
    }
    for launch in state.launches_in_doubt() {
        text += &format!(
            "\nunder way at the service: {}\n",
            escape(&launch.intent.name)
        );
    }
    for failure in &state.failures {
        text += &format!("\n{} {}\n", palette.bad("failed:"), failure.message);
        if let Some(help) = &failure.help {
            text += &format!("help: {help}\n");
        }
    }
    if let Some(torn) = &reading.torn {
        text += &format!(
            "\nthe last record was not written whole ({} bytes); the next run cuts it off\n",
            torn.bytes
        );
    }
    if state.finished.is_none() {
        text += &format!("\nnext: {next}\n");
    }
    text
}

/// The state in a word or two, and as the JSON document has it.
pub(super) fn condition(reading: &Reading) -> (String, RunState) {
    let state = &reading.state;
    match &reading.occupancy {
        Occupancy::Free => {}
        Occupancy::Held(holder) => {
            let words = format!(
                "running by process {} on {}",
                holder.pid,
                escape(&holder.host)
            );
            return (words, RunState::Running);
        }
        Occupancy::HeldByUnknown => {
            return ("running by another process".to_owned(), RunState::Running);
        }
    }
    if state.finished.is_some() {
        return ("finished".to_owned(), RunState::Finished);
    }
    if state.waiting().next().is_some() {
        return ("waiting for a person".to_owned(), RunState::Waiting);
    }
    match &state.closed {
        Some(closed) if closed.reason == "failed" => ("failed".to_owned(), RunState::Failed),
        Some(closed) => (
            format!("not finished ({})", escape(&closed.reason)),
            RunState::Stopped,
        ),
        None => (
            "not finished (its process ended without a word)".to_owned(),
            RunState::Stopped,
        ),
    }
}

pub(super) fn step_word(step: Option<&StepState>) -> StepWord {
    match step.map(|step| step.outcome) {
        None => StepWord::NotBegun,
        Some(None) => StepWord::Begun,
        Some(Some(StepOutcome::Done)) => StepWord::Done,
        Some(Some(StepOutcome::Skipped)) => StepWord::Skipped,
        Some(Some(StepOutcome::Failed)) => StepWord::Failed,
    }
}

/// The word of a step in the table, painted.
fn painted(word: StepWord, palette: Palette) -> String {
    match word {
        StepWord::NotBegun => palette.faint("-       "),
        StepWord::Begun => palette.faint("begun   "),
        StepWord::Done => palette.good("done    "),
        StepWord::Skipped => palette.faint("skipped "),
        StepWord::Failed => palette.bad("failed  "),
    }
}

/// How long a step took, where it has ended.
fn time(step: &StepState) -> Option<Duration> {
    let took = step.ended?.duration_since(step.began);
    Some(took.try_into().unwrap_or_default())
}

fn step_detail(state: &State, step: &StepState) -> String {
    let progress = state.progress(&step.step, None);
    let changes = changes_told(progress.done, progress.begun);
    let time = time(step).map(|time| format!(", {}", duration(time)));
    let note = step.note.as_ref().map(|note| format!("  {}", escape(note)));
    if step.outcome == Some(StepOutcome::Skipped) {
        return note.unwrap_or_default();
    }
    format!(
        "  {changes}{}{}",
        time.unwrap_or_default(),
        note.unwrap_or_default()
    )
}

/// How far a step has come with its changes, in words. Takes how many are done and were begun.
pub(super) fn changes_told(done: usize, begun: usize) -> String {
    match (done, begun) {
        (0, 0) => "nothing to do".to_owned(),
        (done, begun) if done == begun => count(done, "change"),
        (done, begun) => format!("{done} of {}", count(begun, "change")),
    }
}

/// The state file as one JSON document.
pub fn status_document(reading: &Reading, steps: &[&str], next: &str) -> StatusDocument {
    let state = &reading.state;
    let line = |name: &&str| step_status(state, name);
    let waiting = state.waiting().map(|task| task.waiting.task.clone());
    StatusDocument {
        v: Version,
        run: Some(state.run.to_string()),
        target: Some(state.began.pinned.target.clone()),
        state: condition(reading).1,
        steps: steps.iter().map(line).collect(),
        waiting: waiting.collect(),
        failures: step_failures(state),
        next: state.finished.is_none().then(|| next.to_owned()),
    }
}

/// One step of a run as a document has it, whether it has begun or not.
pub(super) fn step_status(state: &State, name: &str) -> StepStatus {
    let step = state.step(name);
    let progress = state.progress(name, None);
    StepStatus {
        name: name.to_owned(),
        state: step_word(step),
        changes_begun: progress.begun,
        changes_done: progress.done,
        seconds: step.and_then(time).map(|time| time.as_secs()),
        note: step.and_then(|step| step.note.clone()),
    }
}

/// A step of a run that has not begun.
pub(super) fn step_not_begun(name: &str) -> StepStatus {
    StepStatus {
        name: name.to_owned(),
        state: StepWord::NotBegun,
        changes_begun: 0,
        changes_done: 0,
        seconds: None,
        note: None,
    }
}

/// What has failed since the file was last opened, as a document has it.
pub(super) fn step_failures(state: &State) -> Vec<StepFailure> {
    let failures = state.failures.iter().map(|failure| StepFailure {
        step: failure.step.clone(),
        message: failure.message.clone(),
        help: failure.help.clone(),
    });
    failures.collect()
}

/// The document of a run that has not begun.
pub fn not_begun_document(steps: &[&str], next: &str) -> StatusDocument {
    let line = |name: &&str| step_not_begun(name);
    StatusDocument {
        v: Version,
        run: None,
        target: None,
        state: RunState::NotBegun,
        steps: steps.iter().map(line).collect(),
        waiting: Vec::new(),
        failures: Vec::new(),
        next: Some(next.to_owned()),
    }
}
