//! What a run does at this moment, how long it has taken, and when it should end: from its state
//! file, and from what earlier runs took.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::change_counts::StepCounts;
use super::documents::{Findings, Now, OperationStatus};
use super::duration;
use super::expected_time::ExpectedTime;
use super::live_table::counts;
use crate::base::clock::between;
use crate::base::text::escape;
use crate::journal::{Intent, LaunchState, Occupancy, State, StateFileContents};

/// How many of the current changes are named; more are counted.
const NAMED: usize = 3;

/// What a display needs besides the state file: the time, expected durations, reported states.
#[derive(Clone, Debug)]
pub struct Estimates {
    /// The time of day.
    pub now: Timestamp,
    /// How long operations usually take, by the key of their launch.
    pub operations: BTreeMap<String, Expected>,
    /// What the services report about the operations, by the name of each.
    pub stages: BTreeMap<String, String>,
    /// What needs a look in the run.
    pub findings: Findings,
    /// Was the process that works on the run asked to stop?
    pub is_stopping: bool,
}

/// How long something is expected to take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expected {
    /// How long, by the program's clock.
    pub takes: Duration,
    /// What the estimate is based on.
    pub basis: String,
}

impl Estimates {
    /// Only the time, without estimates.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            operations: BTreeMap::new(),
            stages: BTreeMap::new(),
            findings: Findings::default(),
            is_stopping: false,
        }
    }
}

/// Does a process hold the state file?
fn is_running(contents: &StateFileContents) -> bool {
    contents.occupancy != Occupancy::Free
}

/// How many times faster than the wall clock the run's clock runs.
fn speed(contents: &StateFileContents) -> f64 {
    contents.state.work.speed().unwrap_or(1.0)
}

/// How long it has been since then at the services, by the program's clock.
pub(super) fn elapsed(contents: &StateFileContents, from: Timestamp, now: Timestamp) -> Duration {
    let last = contents.state.last_time.clamp(from, from.max(now));
    let recorded = contents.state.work.elapsed(from, last);
    let factor = if is_running(contents) {
        speed(contents)
    } else {
        contents.state.work.pause_speed()
    };
    let since = between(last, now).as_secs_f64() * factor;
    let since = Duration::try_from_secs_f64(since).unwrap_or(Duration::MAX);
    recorded.saturating_add(since)
}

/// The wall-clock time when `left` of the program's clock has passed.
fn end_of(contents: &StateFileContents, left: Duration, now: Timestamp) -> Option<Timestamp> {
    let real = Duration::try_from_secs_f64(left.as_secs_f64() / speed(contents)).ok()?;
    now.checked_add(real).ok()
}

/// How long ago the run began, in real time; for a finished run, how long it took: the work, as its
/// report says it, and with longer pauses the whole time. In a rehearsal only the work: a sum of
/// simulated and real time says nothing.
pub(super) fn run_time(contents: &StateFileContents, now: Timestamp) -> Duration {
    let state = &contents.state;
    match state.finished {
        Some(finished) if is_short(pauses(state, finished)) || state.work.speed().is_some() => {
            state.run_duration()
        }
        Some(finished) => state.work.elapsed(state.began.time, finished),
        None => between(state.began.time, now),
    }
}

/// The part of the real time from the beginning of a run to this time in which no process worked on
/// a step.
pub(super) fn pauses(state: &State, end: Timestamp) -> Duration {
    between(state.began.time, end).saturating_sub(state.work.real())
}

/// May a pause be only the time that a process takes to begin?
pub(super) fn is_short(pause: Duration) -> bool {
    pause < Duration::from_mins(1)
}

/// The line about the beginning.
pub(super) fn began_line(contents: &StateFileContents, now: Timestamp) -> String {
    let began = contents.state.began.time;
    let time = duration(run_time(contents, now));
    let is_simulated = contents.state.work.speed().is_some();
    match contents.state.finished {
        None if is_simulated => format!("began  {began:.0}, {time} of real time ago"),
        Some(finished) => format!("began  {began:.0}, finished {finished:.0}: {time}"),
        None => format!("began  {began:.0}, {time} ago"),
    }
}

/// The step that a process works on; none if no process runs, or if it is between two steps.
pub(super) fn running_step(contents: &StateFileContents) -> Option<&str> {
    let (step, _) = contents.state.running.as_ref()?;
    is_running(contents).then_some(step.as_str())
}

/// What a running process does now; none if no process runs, or if it is between two steps.
pub(super) fn now(contents: &StateFileContents) -> Option<Now> {
    let (step, phase) = contents.state.running.clone()?;
    is_running(contents).then(|| Now {
        step,
        phase,
        changes: current_changes(contents)
            .iter()
            .map(|intent| intent.name.clone())
            .collect(),
    })
}

/// The changes that the present process has begun, or begins next, and has neither read back nor
/// given up; the newest comes first. Operations are shown by themselves.
fn current_changes(contents: &StateFileContents) -> Vec<&Intent> {
    let state = &contents.state;
    let opened = state.opened.as_ref().map_or(0, |opened| opened.number);
    let has_failed = |key: &str, after: u64| {
        let mut failures = state.failures.iter().chain(state.refused.values());
        failures.any(|failed| failed.number > after && failed.key.as_deref() == Some(key))
    };
    let begun = state.sets.values().filter(|set| {
        let intent = &set.intent;
        let is_new = intent.number > opened && set.done.is_none();
        is_new && !has_failed(&intent.key, intent.number)
    });
    let mut begun: Vec<_> = begun.map(|set| &set.intent).collect();
    begun.sort_by_key(|intent| std::cmp::Reverse(intent.number));
    begun.into_iter().map(|intent| &**intent).collect()
}

/// The line about the present: the step with its number, the phase, and the changes.
pub(super) fn now_line(contents: &StateFileContents, steps: &[&str]) -> Option<String> {
    let now = now(contents)?;
    let at = steps.iter().position(|name| *name == now.step);
    let number = at.map_or(0, |at| at + 1);
    let phase = now.phase.map(|phase| format!(", {}", escape(&phase)));
    let mut line = format!(
        "now    [{number}/{}] {}{}{}",
        steps.len(),
        escape(&now.step),
        phase.unwrap_or_default(),
        describe_progress(&contents.state, &now.step)
    );
    let named: Vec<_> = now
        .changes
        .iter()
        .take(NAMED)
        .map(|name| escape(name))
        .collect();
    if !named.is_empty() {
        line += &format!(": {}", named.join("; "));
    }
    if now.changes.len() > NAMED {
        line += &format!(" and {} more", now.changes.len() - NAMED);
    }
    Some(line)
}

/// How many changes of a step are made, of those that its plan has; empty if that is not known.
fn describe_progress(state: &State, step: &str) -> String {
    match StepCounts::of(state, step).progress() {
        (done, Some(total)) => format!(", {done} of {total}"),
        (_, None) => String::new(),
    }
}

/// When the run should end, if that is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum RunEnd {
    /// At this time.
    About(Timestamp),
    /// Later than expected: the running step has already taken longer than this. A time would move
    /// with the clock.
    Late(ExpectedTime),
}

/// How long the steps should take in all, if that is known; during a repair, the step that is
/// repaired.
fn expected_time(state: &State) -> Option<ExpectedTime> {
    let Some(repair) = &state.repair else {
        return ExpectedTime::sum(&state.planned);
    };
    state
        .planned
        .get(&repair.step)
        .copied()
        .map(ExpectedTime::of)
}

/// The end of a run that works, if it is known how long its steps take.
fn run_end(contents: &StateFileContents, steps: &[&str], estimates: &Estimates) -> Option<RunEnd> {
    let state = &contents.state;
    let whole = expected_time(state)?.takes;
    // While a person must act, the end is as far away as that.
    let waits = state.waiting().next().is_some();
    if state.finished.is_some() || waits || !is_running(contents) || estimates.is_stopping {
        return None;
    }
    let since = elapsed(contents, state.last_time, estimates.now);
    let running = state.running.as_ref().map(|(step, _)| step.as_str());
    let mut left = Duration::ZERO;
    for name in steps {
        let expected = state.planned.get(*name).copied().map(ExpectedTime::of);
        let takes = expected.map_or(Duration::ZERO, |expected| expected.takes);
        let is_running = running == Some(*name);
        let so_far = match state.step(name) {
            // A step that was done before is only surveyed again.
            Some(step) if step.outcome.is_some() || step.is_surveyed_again() => continue,
            Some(step) if is_running => step.worked_since_reopening().saturating_add(since),
            Some(step) => step.worked_since_reopening(),
            None => Duration::ZERO,
        };
        // Nothing is known about a step that should take no time.
        let late = so_far.saturating_sub(takes);
        if let Some(expected) = expected
            && is_running
            && !takes.is_zero()
            && !late.is_zero()
            && counts(late, whole)
        {
            return Some(RunEnd::Late(expected));
        }
        left = left.saturating_add(takes.saturating_sub(so_far));
    }
    end_of(contents, left, estimates.now).map(RunEnd::About)
}

/// When the run should end; none also if its running step takes longer than expected.
pub(super) fn expected_end(
    contents: &StateFileContents,
    steps: &[&str],
    estimates: &Estimates,
) -> Option<Timestamp> {
    match run_end(contents, steps, estimates)? {
        RunEnd::About(end) => Some(end),
        RunEnd::Late(_) => None,
    }
}

/// The line about the end of the run.
pub(super) fn end_line(
    contents: &StateFileContents,
    steps: &[&str],
    estimates: &Estimates,
) -> Option<String> {
    let expected = expected_time(&contents.state)?;
    let source = expected.source;
    Some(match run_end(contents, steps, estimates)? {
        RunEnd::About(end) => format!(
            "end    about {}, if it takes as long as {source} ({})",
            clock_time(end),
            duration(expected.takes)
        ),
        RunEnd::Late(usual) => format!(
            "end    unknown: this step takes longer than expected ({} in {})",
            duration(usual.takes),
            usual.source
        ),
    })
}

/// A time of day to the minute.
fn clock_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The operations whose end is unknown.
pub(super) fn operations(
    contents: &StateFileContents,
    estimates: &Estimates,
) -> Vec<OperationStatus> {
    let launches = contents.state.launches_in_doubt();
    let status = |launch: &std::sync::Arc<LaunchState>| OperationStatus {
        name: launch.intent.name.clone(),
        since: format!("{:.0}", launch.intent.time),
        accepted: launch.launched.is_some(),
        stage: estimates.stages.get(&launch.intent.name).cloned(),
        expected_end: operation_end(contents, launch, estimates).map(|end| format!("{end:.0}")),
    };
    launches.map(status).collect()
}

/// When an operation should end, if that is known. None for one that takes longer than expected.
fn operation_end(
    contents: &StateFileContents,
    launch: &LaunchState,
    estimates: &Estimates,
) -> Option<Timestamp> {
    let expected = estimates.operations.get(&launch.intent.key)?;
    let so_far = elapsed(contents, launch.intent.time, estimates.now);
    let left = expected.takes.checked_sub(so_far)?;
    end_of(contents, left, estimates.now)
}

/// What is known of something that was requested and whose outcome no process reads. Takes the time
/// of the last reading.
pub(super) fn not_read(since: &str) -> String {
    format!("was requested; not read since {since}")
}

/// Since when no process has read what the services do; `None` while a process works on the run.
pub(super) fn unread_since(contents: &StateFileContents) -> Option<String> {
    let last_time = contents.state.last_time;
    (!is_running(contents)).then(|| format!("{last_time:.0}"))
}

/// The line about an operation whose end is unknown. That it runs at the service is known only while
/// a process reads it. Takes its name, safe to show.
pub(super) fn operation_line(contents: &StateFileContents, name: &str) -> String {
    match unread_since(contents) {
        None => format!("running at the service: {name}"),
        Some(since) => format!("{name}: {}", not_read(&since)),
    }
}

/// The lines about the operations at the services.
pub(super) fn operation_lines(contents: &StateFileContents, estimates: &Estimates) -> String {
    let mut text = String::new();
    for launch in contents.state.launches_in_doubt() {
        let intent = &launch.intent;
        let line = operation_line(contents, &escape(&intent.name));
        text += &if is_running(contents) {
            let so_far = duration(elapsed(contents, intent.time, estimates.now));
            format!("\n{line}\n  since {:.0}, for {so_far}\n", intent.time)
        } else {
            format!("\n{line}\n  requested {:.0}\n", intent.time)
        };
        if let Some(stage) = estimates.stages.get(&intent.name) {
            text += &format!("  the service reports: {}\n", escape(stage));
        } else if launch.launched.is_none() {
            text += "  the service has not confirmed it yet\n";
        }
        if let Some(expected) = estimates.operations.get(&intent.key) {
            let basis = &expected.basis;
            text += &match operation_end(contents, launch, estimates) {
                Some(end) => format!("  expected end: about {} ({basis})\n", clock_time(end)),
                // Without a process it may have ended.
                None if !is_running(contents) => String::new(),
                None => format!("  longer than expected ({basis})\n"),
            };
        }
    }
    text
}
