//! A state file's fold as a table for a person and as a JSON document for a program.

use serde_json::{Value, json};

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
        let (word, good) = step_word(step);
        let painted = match good {
            Some(true) => palette.good(&format!("{word:<8}")),
            Some(false) => palette.bad(&format!("{word:<8}")),
            None => palette.faint(&format!("{word:<8}")),
        };
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

/// The state in a word or two, and as the JSON document names it.
fn condition(reading: &Reading) -> (String, &'static str) {
    let state = &reading.state;
    match &reading.occupancy {
        Occupancy::Free => {}
        Occupancy::Held(holder) => {
            let words = format!(
                "running by process {} on {}",
                holder.pid,
                escape(&holder.host)
            );
            return (words, "running");
        }
        Occupancy::HeldByUnknown => return ("running by another process".to_owned(), "running"),
    }
    if state.finished.is_some() {
        return ("finished".to_owned(), "finished");
    }
    if state.waiting().next().is_some() {
        return ("waiting for a person".to_owned(), "waiting");
    }
    match &state.closed {
        Some(closed) if closed.reason == "failed" => ("failed".to_owned(), "failed"),
        Some(closed) => (
            format!("not finished ({})", escape(&closed.reason)),
            "stopped",
        ),
        None => (
            "not finished (its process ended without a word)".to_owned(),
            "stopped",
        ),
    }
}

fn step_word(step: Option<&StepState>) -> (&'static str, Option<bool>) {
    match step.map(|step| step.outcome) {
        None => ("-", None),
        Some(None) => ("begun", None),
        Some(Some(StepOutcome::Done)) => ("done", Some(true)),
        Some(Some(StepOutcome::Skipped)) => ("skipped", None),
        Some(Some(StepOutcome::Failed)) => ("failed", Some(false)),
    }
}

fn step_detail(state: &State, step: &StepState) -> String {
    let progress = state.progress(&step.step, None);
    let changes = match (progress.done, progress.begun) {
        (0, 0) => "nothing to do".to_owned(),
        (done, begun) if done == begun => count(done, "change"),
        (done, begun) => format!("{done} of {}", count(begun, "change")),
    };
    let time = step.ended.map(|ended| {
        let took = ended.duration_since(step.began);
        format!(", {}", duration(took.try_into().unwrap_or_default()))
    });
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

/// The state file as one JSON document.
pub fn status_document(reading: &Reading, steps: &[&str], next: &str) -> String {
    let state = &reading.state;
    let lines: Vec<Value> = steps
        .iter()
        .map(|name| {
            let step = state.step(name);
            let progress = state.progress(name, None);
            json!({
                "name": name,
                "state": step_word(step).0,
                "changes-begun": progress.begun,
                "changes-done": progress.done,
                "note": step.and_then(|step| step.note.clone()),
            })
        })
        .collect();
    let waiting: Vec<&str> = state
        .waiting()
        .map(|task| task.waiting.task.as_str())
        .collect();
    let failures: Vec<Value> = state
        .failures
        .iter()
        .map(|failure| json!({ "step": failure.step, "message": failure.message, "help": failure.help }))
        .collect();
    json!({
        "v": 1,
        "run": state.run,
        "target": state.began.pinned.target,
        "state": condition(reading).1,
        "steps": lines,
        "waiting": waiting,
        "failures": failures,
        "next": state.finished.is_none().then_some(next),
    })
    .to_string()
}
