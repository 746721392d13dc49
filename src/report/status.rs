//! A state file's fold as a table for people and as a JSON document for programs.

use std::time::Duration;

use serde_json::Value;

use super::change_counts::StepCounts;
use super::documents::{
    LastProcess, RunState, StatusDocument, StepCondition, StepFailure, StepStatus, Target, Version,
    Worksheet,
};
use super::under_way::{self, Outlook};
use super::{Palette, duration};
use crate::base::text::escape;
use crate::journal::{
    Occupancy, State, StateFileContents, StepOutcome, StepState, TaskState as Task,
};

/// The commands that a message about a run suggests.
pub struct SuggestedCommands {
    /// The arguments that name the runbook, and the state file if one was given.
    pub arguments: String,
    /// The next command.
    pub next: String,
}

/// That the last record is incomplete. Takes its length.
pub(super) fn torn_note(bytes: u64) -> String {
    format!("the last record is incomplete ({bytes} bytes); the next run cuts it off")
}

/// The state file as a table: run, target, state, a line for each step, each open worksheet, the
/// next command. Takes the names of all steps in order, and the commands to suggest. At the end of
/// a run, `ending` is the failure that is printed after the table, or empty: a worksheet, a failure
/// and the next command, which the run shows elsewhere, are then left out.
pub fn status_table(
    contents: &StateFileContents,
    steps: &[&str],
    commands: &SuggestedCommands,
    outlook: &Outlook,
    palette: Palette,
    ending: Option<&str>,
) -> String {
    let state = &contents.state;
    let follows = |message: &str| ending.is_some_and(|ending| ending.contains(message));
    let mut text = head(contents, steps, outlook);
    let width = steps.iter().map(|name| name.len()).max().unwrap_or(0);
    let digits = steps.len().to_string().len();
    for (number, name) in steps.iter().enumerate() {
        let step = state.step(name);
        let painted = paint_condition(step_condition(step), palette);
        text += &format!("  {:>digits$} {name:<width$}  {painted}", number + 1);
        text += &match step {
            Some(step) => describe_step(state, step),
            None => why_not_begun(state, name)
                .filter(|why| !follows(why))
                .map(|why| format!("  {}", escape(why)))
                .unwrap_or_default(),
        };
        text.truncate(text.trim_end().len());
        text += "\n";
    }
    for task in state.waiting() {
        let (name, since) = (escape(&task.waiting.task), task.waiting.time);
        text += &format!("\nwaits for a person: {name}\n  since {since:.0}\n");
        if ending.is_none() {
            text += &worksheet_lines(&worksheet(task), &commands.arguments, contents);
        }
    }
    text += &under_way::operation_lines(contents, outlook);
    let failures = state.failures.iter();
    for failure in failures.filter(|failure| !follows(&failure.message)) {
        text += &format!("\n{} {}\n", palette.bad("failed:"), failure.message);
        if let Some(help) = &failure.help {
            text += &format!("help: {help}\n");
        }
        text += &format!("when: {:.0}\n", failure.time);
    }
    // While a process works, it is a record that is being written.
    if let Some(torn) = &contents.torn
        && contents.occupancy == Occupancy::Free
    {
        text += &format!("\n{}\n", torn_note(torn.bytes));
    }
    match (state.finished, ending) {
        (_, Some(_)) => {}
        (None, None) => text += &format!("\nnext: {}\n", commands.next),
        (Some(_), None) => text += &format!("\nnext: iomcopy verify {}\n", commands.arguments),
    }
    text
}

/// The lines before the steps.
fn head(contents: &StateFileContents, steps: &[&str], outlook: &Outlook) -> String {
    let state = &contents.state;
    let mut text = format!(
        "run    {}\ntarget {} ({})\nstate  {}\n",
        state.run,
        escape(&state.began.pinned.target.name),
        escape(&state.began.pinned.target.environment),
        condition(contents).0,
    );
    let began = under_way::began_line(contents, outlook.now);
    let repair = state.repair.as_ref().map(|repair| {
        let (step, who) = (escape(&repair.step), escape(&repair.who));
        format!("repair {step}, since {:.0}, by {who}", repair.time)
    });
    let now = under_way::now_line(contents, steps);
    let end = under_way::end_line(contents, steps, outlook);
    for line in [Some(began), repair, now, end].into_iter().flatten() {
        text += &format!("{line}\n");
    }
    if let Some(last) = last_process(state)
        && !is_shown_elsewhere(state, &last)
    {
        let first_line = last.message.lines().next().unwrap_or_default();
        text += &format!(
            "last   {} (exit {}) at {}: {}\n",
            escape(&last.reason),
            last.exit,
            last.time,
            escape(first_line)
        );
    }
    if let Some(speed) = state.work.speed() {
        text += &format!("times  {}\n", simulation_note(speed));
    }
    text + "\n"
}

/// How to read the durations of a rehearsal. Takes the speed of its clock.
pub(super) fn simulation_note(speed: f64) -> String {
    format!("durations are simulated, {speed} times faster than real time; dates are real")
}

/// How the last process ended, if the user should know: it is not running, and its exit code is
/// not 0.
fn last_process(state: &State) -> Option<LastProcess> {
    let closed = state.closed.as_ref().filter(|closed| closed.exit != 0)?;
    Some(LastProcess {
        reason: closed.reason.clone(),
        exit: closed.exit,
        message: closed.message.clone()?,
        time: format!("{:.0}", closed.time),
    })
}

/// Does the table show the last process's message already, as a failure or as the task that waits?
fn is_shown_elsewhere(state: &State, last: &LastProcess) -> bool {
    let mut failures = state.failures.iter();
    failures.any(|failure| last.message.contains(&failure.message))
        || (last.reason == "waiting" && state.waiting().next().is_some())
}

/// The worksheet of a manual task, as it was handed out.
pub(super) fn worksheet(task: &Task) -> Worksheet {
    let lines = |key: &str| {
        let lines = task.waiting.worksheet.get(key).and_then(Value::as_array);
        let lines = lines.into_iter().flatten().filter_map(Value::as_str);
        lines.map(str::to_owned).collect()
    };
    Worksheet {
        task: task.waiting.task.clone(),
        since: format!("{:.0}", task.waiting.time),
        things: lines("things"),
        instructions: lines("instructions"),
        evidence: lines("evidence"),
    }
}

/// What a person must do, one line for each instruction, and the commands that follow.
fn worksheet_lines(sheet: &Worksheet, arguments: &str, contents: &StateFileContents) -> String {
    let task = escape(&sheet.task);
    let mut text = String::new();
    for line in &sheet.instructions {
        text += &format!("  [ ] {}\n", escape(line));
    }
    for line in &sheet.evidence {
        text += &format!("  evidence: {}\n", escape(line));
    }
    if contents.occupancy != Occupancy::Free {
        return text + "  when it is done, the run continues by itself\n";
    }
    text + &format!(
        "  when it is done: iomcopy run {arguments}\n  \
         only to check it: iomcopy complete {arguments} {task}\n  \
         to continue without evidence: iomcopy complete {arguments} {task} --waive \"REASON\"\n"
    )
}

/// The state as text, and as the JSON document has it.
pub(super) fn condition(contents: &StateFileContents) -> (String, RunState) {
    let state = &contents.state;
    let (text, state) = match (&contents.occupancy, &state.closed) {
        (Occupancy::Held(holder), _) => {
            let host = escape(&holder.host);
            let text = format!("running by process {} on {host}", holder.pid);
            return (describe_running(&text, state), RunState::Running);
        }
        (Occupancy::HeldByUnknown, _) => {
            let text = describe_running("running by another process", state);
            return (text, RunState::Running);
        }
        _ if state.finished.is_some() => ("finished", RunState::Finished),
        _ if state.waiting().next().is_some() => ("waiting for a person", RunState::Waiting),
        _ if !state.failures.is_empty() => ("failed", RunState::Failed),
        (_, Some(closed)) if closed.reason == "failed" => ("failed", RunState::Failed),
        (_, Some(closed)) if closed.reason == "completed" => (
            "not finished (a manual task is completed)",
            RunState::Stopped,
        ),
        (_, Some(closed)) => {
            let text = format!("not finished ({})", escape(&closed.reason));
            return (text, RunState::Stopped);
        }
        (_, None) => (
            "not finished (its process was killed or crashed)",
            RunState::Stopped,
        ),
    };
    (text.to_owned(), state)
}

/// The state of a run that a process works on; the process may wait for a person.
fn describe_running(process: &str, state: &State) -> String {
    if state.finished.is_none() && state.waiting().next().is_some() {
        format!("{process}, waiting for a person")
    } else {
        process.to_owned()
    }
}

pub(super) fn step_condition(step: Option<&StepState>) -> StepCondition {
    match step.map(|step| step.outcome) {
        None => StepCondition::NotBegun,
        Some(None) => StepCondition::Begun,
        Some(Some(StepOutcome::Done)) => StepCondition::Done,
        Some(Some(StepOutcome::Skipped)) => StepCondition::Skipped,
        Some(Some(StepOutcome::Failed)) => StepCondition::Failed,
    }
}

/// The state of a step in the table, in colour.
fn paint_condition(condition: StepCondition, palette: Palette) -> String {
    let word = match condition {
        StepCondition::NotBegun => "-",
        other => other.as_text(),
    };
    let word = format!("{word:<8}");
    match condition {
        StepCondition::Done => palette.good(&word),
        StepCondition::Failed => palette.bad(&word),
        StepCondition::NotBegun | StepCondition::Begun | StepCondition::Skipped => {
            palette.faint(&word)
        }
    }
}

/// How long processes worked on a step, by the program's clock, if it has ended.
fn work_time(step: &StepState) -> Option<Duration> {
    step.ended.map(|_| step.worked)
}

pub(super) fn describe_step(state: &State, step: &StepState) -> String {
    let changes = StepCounts::of(state, &step.step).describe(step_condition(Some(step)));
    let time = work_time(step).map(|time| format!(", {}", duration(time)));
    // The whole failure of a step is shown below the table.
    let note = step
        .note
        .as_ref()
        .filter(|_| step.outcome != Some(StepOutcome::Failed))
        .map(|note| format!("  {}", escape(note)));
    if step.outcome == Some(StepOutcome::Skipped) {
        return note.unwrap_or_default();
    }
    format!(
        "  {changes}{}{}",
        time.unwrap_or_default(),
        note.unwrap_or_default()
    )
}

/// The state file as one JSON document. Takes the next command.
pub fn status_document(
    contents: &StateFileContents,
    steps: &[&str],
    next: &str,
    outlook: &Outlook,
) -> StatusDocument {
    let state = &contents.state;
    let began = state.began.time;
    let elapsed = under_way::run_time(contents, outlook.now);
    let end = under_way::expected_end(contents, steps, outlook);
    let line = |name: &&str| step_status(state, name);
    let waiting = state.waiting().map(|task| task.waiting.task.clone());
    StatusDocument {
        v: Version,
        run: Some(state.run.to_string()),
        target: Some(Target::from(state.began.pinned.target.clone())),
        state: condition(contents).1,
        began: Some(format!("{began:.0}")),
        finished: state.finished.map(|finished| format!("{finished:.0}")),
        elapsed_seconds: Some(elapsed.as_secs()),
        expected_end: end.map(|end| format!("{end:.0}")),
        now: under_way::now(contents),
        operations: under_way::operations(contents, outlook),
        steps: steps.iter().map(line).collect(),
        waiting: waiting.collect(),
        worksheets: state.waiting().map(|task| worksheet(task)).collect(),
        failures: step_failures(state),
        last: last_process(state),
        speed: state.work.speed(),
        next: state.finished.is_none().then(|| next.to_owned()),
    }
}

/// One step of a run for a document, even if it has not begun.
pub(super) fn step_status(state: &State, name: &str) -> StepStatus {
    let step = state.step(name);
    let counts = StepCounts::of(state, name);
    StepStatus {
        name: name.to_owned(),
        state: step_condition(step),
        changes_begun: counts.automatic.begun,
        changes_done: counts.automatic.done,
        changes_planned: counts.planned,
        by_hand_begun: counts.by_hand.begun,
        by_hand_done: counts.by_hand.done,
        by_hand_waived: counts.waived,
        began: step.map(|step| format!("{:.0}", step.began)),
        seconds: step.and_then(work_time).map(|time| time.as_secs()),
        note: match step {
            Some(step) => step.note.clone(),
            None => why_not_begun(state, name).map(str::to_owned),
        },
    }
}

/// Why the last process did not begin a step, if that was due to what failed before it.
fn why_not_begun<'a>(state: &'a State, name: &str) -> Option<&'a str> {
    let closed = state.closed.as_ref()?;
    closed.not_begun.get(name).map(String::as_str)
}

/// A step of a run that has not begun.
pub(super) fn step_not_begun(name: &str) -> StepStatus {
    StepStatus {
        name: name.to_owned(),
        ..StepStatus::default()
    }
}

/// The open failures, for a document.
pub(super) fn step_failures(state: &State) -> Vec<StepFailure> {
    let failures = state.failures.iter().map(|failure| StepFailure {
        step: failure.step.clone(),
        message: failure.message.clone(),
        help: failure.help.clone(),
        time: format!("{:.0}", failure.time),
    });
    failures.collect()
}

/// The document of a run that has not begun.
pub fn not_begun_document(steps: &[&str], next: &str) -> StatusDocument {
    StatusDocument {
        steps: steps.iter().map(|name| step_not_begun(name)).collect(),
        next: Some(next.to_owned()),
        ..StatusDocument::default()
    }
}
