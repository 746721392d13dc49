//! A state file's fold as a table for people and as a JSON document for programs.

use std::time::Duration;

use super::change_counts::StepCounts;
use super::current_work::{self, Estimates};
use super::documents::{
    LastProcess, RunState, StatusDocument, StepCondition, StepFailure, StepStatus, Target, Version,
    Worksheet,
};
use super::open_failures::failure_blocks;
use super::{NextCommand, Palette, TaskCommands, duration, worksheet_text};
use crate::base::text::{count, escape};
use crate::engine::OpenWorksheet;
use crate::journal::{
    LostRecords, Occupancy, Record, State, StateFileContents, StepOutcome, StepState,
    TaskState as Task,
};

/// The commands that a message about a run suggests.
pub struct SuggestedCommands {
    /// The arguments that name the runbook, and the state file if one was given.
    pub arguments: String,
    /// The next command.
    pub next: String,
    /// The command that was just run: a text does not suggest it again.
    pub ran: String,
}

/// That the last record is incomplete. Takes its length.
pub(super) fn torn_note(bytes: u64) -> String {
    format!("the last record is incomplete ({bytes} bytes); the next run cuts it off")
}

/// The state file as a table: run, target, state, a line for each step, each open worksheet, the
/// next command. Takes the names of all steps in order, and the commands to suggest. At the end of
/// a run, `ending` has the messages of the failure that is printed after the table, or is empty: a worksheet, a failure
/// and the next command, which the run shows elsewhere, are then left out.
pub fn status_table(
    contents: &StateFileContents,
    steps: &[&str],
    commands: &SuggestedCommands,
    estimates: &Estimates,
    palette: Palette,
    ending: Option<&str>,
) -> String {
    let state = &contents.state;
    let ending_words = ending.map(words);
    let follows = |message: &str| {
        let mut ending = ending_words.iter();
        ending.any(|ending| ending.contains(&words(message)))
    };
    let mut text = head(contents, steps, estimates);
    let width = steps.iter().map(|name| name.len()).max().unwrap_or(0);
    let digits = steps.len().to_string().len();
    let longest = steps.iter().map(|name| step_word(contents, name).len());
    let longest = longest.max().unwrap_or(0).max(8);
    for (number, name) in steps.iter().enumerate() {
        let step = state.step(name);
        let is_blocked = step.is_none() && why_not_begun(state, name).is_some();
        let word = step_word(contents, name);
        let painted = paint_condition(word, (is_blocked, longest), palette);
        text += &format!("  {:>digits$} {name:<width$}  {painted}", number + 1);
        text += &match step {
            Some(step) => describe_step(state, step) + describe_wait(contents, name),
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
            text += &worksheet_lines(&worksheet(state, task), &commands.arguments, contents);
        }
    }
    text += &current_work::operation_lines(contents, estimates);
    let failures = state.failures.iter();
    let failures: Vec<_> = failures.filter(|it| !follows(&it.message)).collect();
    text += &failure_blocks(state, &failures, palette);
    if !estimates.findings.texts.is_empty() && ending.is_none() {
        let (findings, files) = (estimates.findings.texts.len(), &commands.arguments);
        text += &format!(
            "\n{}\n",
            findings_line(findings, &format!("iomcopy report {files}"))
        );
        let verify = format!("iomcopy verify {files}");
        let as_of = as_of_end(contents, &verify);
        text += &as_of.map_or_else(String::new, |line| format!("  {line}\n"));
    }
    // While a process works, it is a record that is being written.
    if let Some(torn) = &contents.torn
        && contents.occupancy == Occupancy::Free
    {
        text += &format!("\n{}\n", torn_note(torn.bytes));
    }
    let next = NextCommand::new(&commands.next).line(&commands.ran);
    let line = next.filter(|_| ending.is_none());
    text + &line.map_or_else(String::new, |line| format!("\n{line}\n"))
}

/// The text without its line breaks and indentation: a failure that contains others indents them.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The line about what needs a look. Takes how many findings there are and the command that shows
/// them.
pub(super) fn findings_line(findings: usize, command: &str) -> String {
    format!(
        "needs a look: {}, see: {command}",
        count(findings, "warning")
    )
}

/// As of when the figures and the findings of a finished run are: what a person does since is not in
/// them. `None` before the run has finished. Takes the command that reads what is true now.
pub(super) fn as_of_end(contents: &StateFileContents, verify: &str) -> Option<String> {
    contents.state.finished?;
    let ends = contents.entries.iter().rev();
    let mut ends = ends.filter(|entry| matches!(entry.record, Record::Closed(_)));
    let end = ends.next()?.time;
    Some(format!(
        "as of {end:.0}, when the last process of the run ended; `{verify}` reads what is true now"
    ))
}

/// The lines before the steps.
fn head(contents: &StateFileContents, steps: &[&str], estimates: &Estimates) -> String {
    let state = &contents.state;
    let mut text = contents.lost.as_ref().map_or_else(String::new, |lost| {
        format!("warning: {}\n\n", escape(&lost.message()))
    });
    text += &format!(
        "run    {}\ntarget {} ({})\nstate  {}\n",
        state.run,
        escape(&state.began.pinned.target.name),
        escape(&state.began.pinned.target.environment),
        condition(contents).0,
    );
    if estimates.is_stopping {
        text += "stop   requested: no new change begins\n";
    }
    let began = current_work::began_line(contents, estimates.now);
    let repair = state.repair.as_ref().map(|repair| {
        let (step, who) = (escape(&repair.step), escape(&repair.who));
        format!("repair {step}, since {:.0}, by {who}", repair.time)
    });
    let now = current_work::now_line(contents, steps);
    let end = current_work::end_line(contents, steps, estimates);
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

/// The worksheet of a manual task, without what is done since it was handed out.
pub(super) fn worksheet(state: &State, task: &Task) -> Worksheet {
    let open = OpenWorksheet::of(state, task);
    Worksheet {
        task: task.waiting.task.clone(),
        since: format!("{:.0}", task.waiting.time),
        things: open.names(),
        things_done: open.done,
        instructions: open.instructions(),
        advice: open.advice,
        to_do: open.things,
        evidence: open.evidence,
        needs_waiver: open.needs_waiver,
    }
}

/// What a person must do, a box for each thing, and the commands that follow.
fn worksheet_lines(sheet: &Worksheet, arguments: &str, contents: &StateFileContents) -> String {
    let mut text = String::new();
    if sheet.things_done > 0 {
        let all = sheet.things_done + sheet.things.len();
        text += &format!("  {} of {} done\n", sheet.things_done, count(all, "thing"));
    }
    for line in worksheet_text(&sheet.advice, &sheet.to_do) {
        text += &format!("{line}\n");
    }
    for line in &sheet.evidence {
        text += &format!("  evidence: {}\n", escape(line));
    }
    let commands = TaskCommands::new(arguments, &sheet.task, sheet.needs_waiver);
    if contents.occupancy != Occupancy::Free {
        return text + &format!("  when it is done, {}\n", commands.while_waiting());
    }
    if contents.lost.is_some() {
        // These commands are refused.
        return text;
    }
    for line in commands.lines() {
        text += &format!("  {line}\n");
    }
    text
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
        _ if !state.failures.is_empty() && state.waiting().next().is_some() => {
            ("failed, and waiting for a person", RunState::Failed)
        }
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
        (_, None) if contents.lost.is_some() => (
            "unknown (the file lacks the last records of its run)",
            RunState::Stopped,
        ),
        (_, None) => (
            "not finished (its process was killed, crashed or could not write)",
            RunState::Stopped,
        ),
    };
    (text.to_owned(), state)
}

/// The state of a run that a process works on; the process may wait for a person.
fn describe_running(process: &str, state: &State) -> String {
    if state.finished.is_none() && state.waiting().next().is_some() {
        // First: a narrow column cuts the end.
        format!("waiting for a person, {process}")
    } else {
        process.to_owned()
    }
}

pub(super) fn step_condition(step: Option<&StepState>) -> StepCondition {
    match step
        .filter(|step| !step.waits_again())
        .map(|step| step.outcome)
    {
        None => StepCondition::NotBegun,
        Some(None) => StepCondition::Begun,
        Some(Some(StepOutcome::Done)) => StepCondition::Done,
        Some(Some(StepOutcome::Skipped)) => StepCondition::Skipped,
        Some(Some(StepOutcome::Failed)) => StepCondition::Failed,
    }
}

/// The state of a step in the table, with the words of the table that `run` draws.
fn step_word(contents: &StateFileContents, name: &str) -> &'static str {
    let state = &contents.state;
    match step_condition(state.step(name)) {
        _ if current_work::running_step(contents) == Some(name) => "running",
        other => other.as_text(),
    }
}

/// That a running step waits for a person; empty if it does not.
fn describe_wait(contents: &StateFileContents, name: &str) -> &'static str {
    let is_of_step = |task: &Task| {
        let step = task.waiting.task.split('/').next();
        step == Some(name)
    };
    let waits = contents.state.waiting().any(|task| is_of_step(task));
    if waits && step_word(contents, name) == "running" {
        "; waits for you"
    } else {
        ""
    }
}

/// The word for the state of a step in this width, in its colour. `is_blocked`: it has not begun,
/// because something that it needs has failed.
fn paint_condition(word: &str, (is_blocked, width): (bool, usize), palette: Palette) -> String {
    let padded = format!("{word:<width$}");
    match word {
        "done" => palette.good(&padded),
        "failed" => palette.bad(&padded),
        "running" => palette.bold(&padded),
        _ if is_blocked => palette.notable(&padded),
        _ => palette.faint(&padded),
    }
}

/// How long a step took, if it has ended; since it was opened again, if it was.
fn step_time(state: &State, step: &StepState) -> Option<Duration> {
    step.ended.map(|_| state.step_duration(step))
}

pub(super) fn describe_step(state: &State, step: &StepState) -> String {
    let counts = StepCounts::of(state, &step.step);
    if step.waits_again() {
        // It does what its plan has once it begins again.
        let (changes, rest) = (
            counts.describe(StepCondition::Begun),
            counts.describe_rest(StepCondition::Begun),
        );
        return format!("  {changes}{rest}");
    }
    let condition = step_condition(Some(step));
    let changes = counts.describe(condition);
    let rest = counts.describe_rest(condition);
    let time = step_time(state, step).map(|time| format!(", {}", duration(time)));
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
        "  {changes}{}{rest}{}",
        time.unwrap_or_default(),
        note.unwrap_or_default()
    )
}

/// The state file as one JSON document. Takes the next command.
pub fn status_document(
    contents: &StateFileContents,
    steps: &[&str],
    next: &str,
    estimates: &Estimates,
) -> StatusDocument {
    let state = &contents.state;
    let began = state.began.time;
    let elapsed = current_work::run_time(contents, estimates.now);
    let end = current_work::expected_end(contents, steps, estimates);
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
        now: current_work::now(contents),
        operations: current_work::operations(contents, estimates),
        steps: steps.iter().map(line).collect(),
        waiting: waiting.collect(),
        worksheets: state.waiting().map(|task| worksheet(state, task)).collect(),
        findings: estimates.findings.clone(),
        failures: step_failures(state),
        last: last_process(state),
        speed: state.work.speed(),
        warning: contents.lost.as_ref().map(LostRecords::message),
        next: Some(next.to_owned()),
    }
}

/// One step of a run for a document, even if it has not begun.
pub(super) fn step_status(state: &State, name: &str) -> StepStatus {
    let step = state.step(name);
    let counts = StepCounts::of(state, name);
    let expected = state.planned.get(name);
    StepStatus {
        name: name.to_owned(),
        state: step_condition(step),
        changes_begun: counts.automatic.begun,
        changes_done: counts.automatic.done,
        changes_planned: counts.planned,
        by_hand_begun: counts.by_hand.begun,
        by_hand_done: counts.by_hand.done,
        by_hand_waived: counts.waived,
        changes_before: counts.before,
        seconds_before: counts.time_before.as_secs(),
        reopened_by: counts.reopened_by,
        expected_seconds: expected.map(|expected| expected.seconds),
        expected_from: expected.map(|expected| expected.source),
        began: step.map(|step| format!("{:.0}", step.began)),
        seconds: step
            .and_then(|step| step_time(state, step))
            .map(|time| time.as_secs()),
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
