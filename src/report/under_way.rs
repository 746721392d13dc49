//! What a run does at this moment, how long it has taken, and when it should end: from its state
//! file, and from what earlier runs took.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::documents::{Now, OperationStatus};
use super::duration;
use super::live_table::counts;
use crate::base::clock::between;
use crate::base::text::escape;
use crate::journal::{Intent, LaunchState, Occupancy, State, StateFileContents};

/// How many of the current changes are named; more are counted.
const NAMED: usize = 3;

/// What the state file alone does not tell about a run.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The time of day.
    pub now: Timestamp,
    /// How long operations usually take, by the key of their launch.
    pub operations: BTreeMap<String, Expected>,
    /// The last finished run of this runbook before this one.
    pub earlier: Option<EarlierRun>,
    /// What the services report about the operations, by the name of each.
    pub stages: BTreeMap<String, String>,
}

/// How long something is expected to take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expected {
    /// How long, by the program's clock.
    pub takes: Duration,
    /// From where that is known.
    pub why: String,
}

/// How long the steps of a finished run took.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EarlierRun {
    /// How long processes worked on each step.
    pub steps: BTreeMap<String, Duration>,
}

impl Outlook {
    /// An outlook that knows only the time.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            operations: BTreeMap::new(),
            earlier: None,
            stages: BTreeMap::new(),
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

/// How long it has been since then: by the program's clock while processes worked, and by the wall
/// clock in between.
fn elapsed(contents: &StateFileContents, from: Timestamp, now: Timestamp) -> Duration {
    let last = contents.state.last_time.clamp(from, from.max(now));
    let recorded = contents.state.work.elapsed(from, last);
    let since = between(last, now);
    let factor = if is_running(contents) {
        speed(contents)
    } else {
        1.0
    };
    let since = Duration::try_from_secs_f64(since.as_secs_f64() * factor).unwrap_or(Duration::MAX);
    recorded.saturating_add(since)
}

/// When a time of the program's clock from now is over, by the wall clock.
fn end_of(contents: &StateFileContents, left: Duration, now: Timestamp) -> Option<Timestamp> {
    let real = Duration::try_from_secs_f64(left.as_secs_f64() / speed(contents)).ok()?;
    now.checked_add(real).ok()
}

/// How long ago the run began; for a finished run, how long it took: the work, as its report says
/// it, and with longer pauses the whole time.
pub(super) fn run_time(contents: &StateFileContents, now: Timestamp) -> Duration {
    let state = &contents.state;
    match state.finished {
        Some(finished) if is_short(pauses(state, finished)) => state.work.total(),
        Some(finished) => state.work.elapsed(state.began.time, finished),
        None => elapsed(contents, state.began.time, now),
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
    match contents.state.finished {
        Some(finished) => format!("began  {began:.0}, finished {finished:.0}: {time}"),
        None => format!("began  {began:.0}, {time} ago"),
    }
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
    let Some(planned) = state
        .planned
        .get(step)
        .filter(|planned| planned.changes > 0)
    else {
        return String::new();
    };
    let done = state.progress(step, None).done + state.by_hand(step).done;
    format!(", {done} of {}", planned.changes.max(done))
}

/// How long each step should take, and from where that is known: the last finished run, else the
/// plan of this one.
fn expected_times(
    contents: &StateFileContents,
    outlook: &Outlook,
) -> Option<(BTreeMap<String, Duration>, &'static str)> {
    if let Some(earlier) = &outlook.earlier {
        return Some((earlier.steps.clone(), "the last finished run"));
    }
    let planned = contents.state.planned.iter();
    let times: BTreeMap<String, Duration> = planned
        .map(|(step, planned)| (step.clone(), Duration::from_secs(planned.seconds)))
        .collect();
    (!times.is_empty()).then_some((times, "its plan"))
}

/// When the run should end, if that is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum RunEnd {
    /// At this time.
    About(Timestamp),
    /// Later than expected: the running step has already taken longer than this. A time would move
    /// with the clock.
    Late(Duration),
}

/// The end of a run that works, if it is known how long its steps take.
fn run_end(contents: &StateFileContents, steps: &[&str], outlook: &Outlook) -> Option<RunEnd> {
    let (times, _) = expected_times(contents, outlook)?;
    let state = &contents.state;
    // While a person must act, the end is as far away as that.
    let waits = state.waiting().next().is_some();
    if state.finished.is_some() || waits || !is_running(contents) {
        return None;
    }
    let since = elapsed(contents, state.last_time, outlook.now);
    let running = state.running.as_ref().map(|(step, _)| step.as_str());
    let whole: Duration = times.values().sum();
    let mut left = Duration::ZERO;
    for name in steps {
        let takes = times.get(*name).copied().unwrap_or_default();
        let is_running = running == Some(*name);
        let so_far = match state.step(name) {
            // A step that was done before is only surveyed again.
            Some(step) if step.outcome.is_some() || step.is_surveyed_again() => continue,
            Some(step) if is_running => step.worked.saturating_add(since),
            Some(step) => step.worked,
            None => Duration::ZERO,
        };
        // Nothing is known about a step that should take no time.
        let late = so_far.saturating_sub(takes);
        if is_running && !takes.is_zero() && !late.is_zero() && counts(late, whole) {
            return Some(RunEnd::Late(takes));
        }
        left = left.saturating_add(takes.saturating_sub(so_far));
    }
    end_of(contents, left, outlook.now).map(RunEnd::About)
}

/// When the run should end; none also if its running step takes longer than expected.
pub(super) fn expected_end(
    contents: &StateFileContents,
    steps: &[&str],
    outlook: &Outlook,
) -> Option<Timestamp> {
    match run_end(contents, steps, outlook)? {
        RunEnd::About(end) => Some(end),
        RunEnd::Late(_) => None,
    }
}

/// The line about the end of the run.
pub(super) fn end_line(
    contents: &StateFileContents,
    steps: &[&str],
    outlook: &Outlook,
) -> Option<String> {
    let (times, from) = expected_times(contents, outlook)?;
    Some(match run_end(contents, steps, outlook)? {
        RunEnd::About(end) => format!(
            "end    about {}, if it takes as long as {from} ({})",
            clock_time(end),
            duration(times.values().sum())
        ),
        RunEnd::Late(usual) => format!(
            "end    unknown: this step takes longer than expected ({} in {from})",
            duration(usual)
        ),
    })
}

/// A time of day to the minute.
fn clock_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The operations whose end is unknown.
pub(super) fn operations(contents: &StateFileContents, outlook: &Outlook) -> Vec<OperationStatus> {
    let launches = contents.state.launches_in_doubt();
    let status = |launch: &std::sync::Arc<LaunchState>| OperationStatus {
        name: launch.intent.name.clone(),
        since: format!("{:.0}", launch.intent.time),
        accepted: launch.launched.is_some(),
        stage: outlook.stages.get(&launch.intent.name).cloned(),
        expected_end: operation_end(contents, launch, outlook).map(|end| format!("{end:.0}")),
    };
    launches.map(status).collect()
}

/// When an operation should end, if that is known. None for one that takes longer than expected.
fn operation_end(
    contents: &StateFileContents,
    launch: &LaunchState,
    outlook: &Outlook,
) -> Option<Timestamp> {
    let expected = outlook.operations.get(&launch.intent.key)?;
    let so_far = elapsed(contents, launch.intent.time, outlook.now);
    let left = expected.takes.checked_sub(so_far)?;
    end_of(contents, left, outlook.now)
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
pub(super) fn operation_lines(contents: &StateFileContents, outlook: &Outlook) -> String {
    let mut text = String::new();
    for launch in contents.state.launches_in_doubt() {
        let intent = &launch.intent;
        let line = operation_line(contents, &escape(&intent.name));
        text += &if is_running(contents) {
            let so_far = duration(elapsed(contents, intent.time, outlook.now));
            format!("\n{line}\n  since {:.0}, for {so_far}\n", intent.time)
        } else {
            format!("\n{line}\n  requested {:.0}\n", intent.time)
        };
        if let Some(stage) = outlook.stages.get(&intent.name) {
            text += &format!("  the service reports: {}\n", escape(stage));
        } else if launch.launched.is_none() {
            text += "  the service has not confirmed it yet\n";
        }
        if let Some(expected) = outlook.operations.get(&intent.key) {
            let why = &expected.why;
            text += &match operation_end(contents, launch, outlook) {
                Some(end) => format!("  expected end: about {} ({why})\n", clock_time(end)),
                // Without a process it may have ended.
                None if !is_running(contents) => String::new(),
                None => format!("  longer than expected ({why})\n"),
            };
        }
    }
    text
}
