//! The table at a terminal while a run works: a row for each step, and below them what the running
//! step does. Pure functions of [`LiveRun`] and the time.

use std::time::Duration;

use jiff::Timestamp;

use super::Palette;
use super::documents::StepCondition;
use super::durations::{duration, rough};
use super::lines::slow_write_text;
use super::live_run::{Condition, Current, LiveRun, LiveStep};
use super::shorten::shortened;
use super::wrap::wrapped;
use crate::base::text::count;

/// How many rows of the terminal stay free for the lines above the table.
const FREE_ROWS: usize = 3;

/// How many operations are named at once; more are counted.
const NAMED: usize = 3;

/// The time of a drawing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// By the program's clock, since this process began.
    pub(super) now: Duration,
    /// The time of day.
    pub(super) time: Timestamp,
    /// How many times faster than the wall clock the program's clock runs.
    pub(super) speed: f64,
    /// Was a stop requested? Then no new change begins.
    pub(super) is_stopping: bool,
}

impl Moment {
    /// Does the program's clock run as fast as the wall clock?
    fn is_real_time(&self) -> bool {
        (self.speed - 1.0).abs() < f64::EPSILON
    }

    /// The hour at which this time of the program's clock from now is over.
    fn hour_after(&self, left: Duration) -> Option<String> {
        let real = Duration::try_from_secs_f64(left.as_secs_f64() / self.speed).ok()?;
        let end = self.time.checked_add(real).ok()?;
        let form = if real < Duration::from_hours(20) {
            "%H:%M UTC"
        } else {
            "%a %H:%M UTC"
        };
        Some(end.strftime(form).to_string())
    }
}

/// The lines for a terminal of this size. Where it has fewer rows than the table needs, the running
/// step alone.
pub(super) fn table(
    run: &LiveRun,
    target: &str,
    moment: &Moment,
    (rows, columns): (usize, usize),
    palette: Palette,
) -> Vec<String> {
    if run.steps.is_empty() {
        return Vec::new();
    }
    let fit = |text: String| shortened(&text, columns);
    let head = wrapped(&head(run, target, moment), Some(columns));
    let mut lines = vec![String::new()];
    lines.extend(head.lines().map(|line| palette.bold(&fit(line.to_owned()))));
    let names = run.steps.iter().map(|step| step.name.chars().count());
    let width = names.max().unwrap_or(0);
    let digits = run.steps.len().to_string().len();
    let words = run.steps.iter();
    let words = words.map(|step| condition(shown_condition(step), palette).0.len());
    let words = words.max().unwrap_or(0);
    for (at, step) in run.steps.iter().enumerate() {
        let name = format!("  {:>digits$} {:<width$}  ", at + 1, step.name);
        let (word, paint) = condition(shown_condition(step), palette);
        let row = with_longest_form(
            &format!("{name}{word:<words$}  "),
            &describe(run, step, moment),
            columns,
        );
        lines.push(match row.strip_prefix(&format!("{name}{word}")) {
            Some(rest) => format!("{name}{}{rest}", paint(word)),
            None => row,
        });
    }
    let now = current(run, moment, columns, palette);
    if lines.len() + now.len() + FREE_ROWS <= rows {
        lines.extend(now);
        return lines;
    }
    let mut short: Vec<String> = run
        .running_step()
        .map(|step| {
            let name = format!("{}: ", step.name);
            with_longest_form(&name, &describe(run, step, moment), columns)
        })
        .into_iter()
        .chain(now)
        .collect();
    short.truncate(rows.saturating_sub(1).max(1));
    short
}

/// A line that begins so and ends with the longest of these texts that fits; where none does, with
/// the beginning of the last one.
fn with_longest_form(beginning: &str, forms: &[String], columns: usize) -> String {
    let mut lines = forms.iter().map(|form| format!("{beginning}{form}"));
    let fits = lines.find(|line| line.chars().count() <= columns);
    let line = fits.unwrap_or_else(|| {
        let last = forms.last().map_or("", String::as_str);
        shortened(&format!("{beginning}{last}"), columns)
    });
    line.trim_end().to_owned()
}

/// The line above the steps: the target, how far the run is, and when it should end. Where this hour
/// would move with the clock, because the running step takes so long or a person must act, and while
/// the run stops, no hour.
fn head(run: &LiveRun, target: &str, moment: &Moment) -> String {
    let ended =
        |step: &&LiveStep| !matches!(step.condition, Condition::Waiting | Condition::Running);
    let at = run
        .running
        .map_or_else(|| run.steps.iter().filter(ended).count(), |at| at + 1);
    let worked = run.steps.iter();
    let worked: Duration = worked
        .map(|step| step.before.saturating_add(time_of(step, moment)))
        .sum();
    let end = if moment.is_stopping {
        Some(", stopping: no new change begins".to_owned())
    } else if run.current.task.is_some() {
        Some(", waits for a person".to_owned())
    } else if makes_run_late(run, moment) {
        Some(format!(", step {at} takes longer than expected"))
    } else {
        let end = time_left(run, moment).and_then(|left| moment.hour_after(left));
        end.map(|end| format!(", should end about {end}"))
    };
    // Hours of the day are real also in a rehearsal.
    let simulated = if moment.is_real_time() {
        ""
    } else {
        " simulated"
    };
    format!(
        "{target}: step {at} of {}, {}{simulated}{}",
        run.steps.len(),
        rough(worked),
        end.unwrap_or_default()
    )
}

/// Does the running step take so much longer than expected that the run is late?
fn makes_run_late(run: &LiveRun, moment: &Moment) -> bool {
    let whole: Duration = run.steps.iter().filter_map(usual_time).sum();
    let late = run
        .running_step()
        .filter(|step| is_late(step, moment))
        .and_then(|step| Some(step.elapsed(moment.now).saturating_sub(usual_time(step)?)));
    late.is_some_and(|late| counts(late, whole))
}

/// Does a run of this usual duration end at another hour if one of its steps takes so much longer?
pub(super) fn counts(late: Duration, whole: Duration) -> bool {
    late >= whole / 10
}

/// Does the running step take longer than expected?
fn is_late(step: &LiveStep, moment: &Moment) -> bool {
    let expected = usual_time(step).filter(|_| !step.again);
    expected.is_some_and(|expected| step.elapsed(moment.now) >= expected)
}

/// How long a step should take, if that is known.
fn usual_time(step: &LiveStep) -> Option<Duration> {
    step.expected.filter(|expected| !expected.is_zero())
}

/// How long processes have worked on a step.
fn time_of(step: &LiveStep, moment: &Moment) -> Duration {
    match step.condition {
        Condition::Running => step.elapsed(moment.now),
        _ => step.worked,
    }
}

/// How long the rest of the run should take; none if that is unknown for one of its steps, or if
/// nothing is left.
fn time_left(run: &LiveRun, moment: &Moment) -> Option<Duration> {
    let open = run.steps.iter().filter(|step| {
        let is_open = matches!(step.condition, Condition::Waiting | Condition::Running);
        is_open && !step.again && !is_skipped(step)
    });
    let left = open.map(|step| {
        let expected = step.expected?;
        Some(expected.saturating_sub(time_of(step, moment)))
    });
    let left: Vec<Duration> = left.collect::<Option<_>>()?;
    (!left.is_empty()).then(|| left.iter().sum())
}

/// Does the runbook skip this step, which has not begun?
fn is_skipped(step: &LiveStep) -> bool {
    step.condition == Condition::Waiting && step.note.is_some()
}

/// How far a step is, as `status` says it too: one that an earlier process has done is done until it
/// is surveyed again.
fn shown_condition(step: &LiveStep) -> Condition {
    match step.condition {
        Condition::Waiting if step.again => Condition::Done,
        condition => condition,
    }
}

/// The word for a step that has not begun, also where what it needs has failed.
const NOT_BEGUN: &str = StepCondition::NotBegun.as_text();

type Paint = Box<dyn Fn(&str) -> String>;

/// The word for how far a step is, and its colour.
fn condition(condition: Condition, palette: Palette) -> (&'static str, Paint) {
    match condition {
        Condition::Waiting => (NOT_BEGUN, Box::new(move |word| palette.faint(word))),
        Condition::Running => ("running", Box::new(move |word| palette.bold(word))),
        Condition::Done => ("done", Box::new(move |word| palette.good(word))),
        Condition::Failed => ("failed", Box::new(move |word| palette.bad(word))),
        Condition::Skipped => ("skipped", Box::new(move |word| palette.faint(word))),
        Condition::Blocked => (NOT_BEGUN, Box::new(move |word| palette.notable(word))),
    }
}

/// What is known about a step, beside its condition: the whole text, then shorter ones. Of a step that
/// is opened again and has not ended, the first text also has the time before, which is part of the
/// run's time.
fn describe(run: &LiveRun, step: &LiveStep, moment: &Moment) -> Vec<String> {
    let mut forms = describe_now(run, step, moment);
    let is_open = matches!(step.condition, Condition::Waiting | Condition::Running);
    if is_open
        && !step.before.is_zero()
        && let Some(first) = forms.first()
    {
        let whole = format!("{first}; {} before", duration(step.before));
        forms.insert(0, whole);
    }
    forms
}

fn describe_now(run: &LiveRun, step: &LiveStep, moment: &Moment) -> Vec<String> {
    let changes_and_time = |changes: String, time: String| {
        let whole = format!("{changes}, {time}");
        vec![whole, time]
    };
    match step.condition {
        Condition::Running if step.again => {
            let survey = rough(step.since_begin(moment.now));
            vec![format!("surveyed again for {survey}"), survey]
        }
        // When a person has done the task is as unknown here as above the steps.
        Condition::Running if run.current.task.is_some() => {
            let so_far = rough(step.elapsed(moment.now));
            let waits = "waits for you".to_owned();
            vec![format!("{waits}, {so_far} so far"), waits]
        }
        Condition::Running => describe_running(step, moment),
        Condition::Waiting if step.again => {
            changes_and_time("by an earlier process".to_owned(), duration(step.worked))
        }
        Condition::Waiting => match (&step.note, step.planned, step.expected) {
            (Some(note), _, _) => vec![format!("skipped: {note}")],
            (None, Some(0), _) => vec!["nothing to do, as planned".to_owned()],
            (None, Some(changes), Some(expected)) => changes_and_time(
                count(changes, "change"),
                format!("about {}", rough(expected)),
            ),
            (None, Some(changes), None) => vec![count(changes, "change")],
            (None, None, Some(expected)) => vec![format!("about {}", rough(expected))],
            (None, None, None) => Vec::new(),
        },
        Condition::Done | Condition::Failed => {
            let time = duration(step.worked);
            let changes = step.describe_changes();
            let whole = format!("{changes}, {time}{}", step.describe_rest());
            let mut forms = vec![whole];
            forms.extend(changes_and_time(changes, time));
            forms
        }
        Condition::Skipped | Condition::Blocked => vec![step.note.clone().unwrap_or_default()],
    }
}

fn describe_running(step: &LiveStep, moment: &Moment) -> Vec<String> {
    let elapsed = step.elapsed(moment.now);
    let so_far = rough(elapsed);
    let expected = usual_time(step).filter(|_| !moment.is_stopping);
    let Some(expected) = expected else {
        return vec![so_far];
    };
    let usual = rough(expected);
    if is_late(step, moment) {
        let whole = format!("{so_far}, longer than expected (usually {usual})");
        let short = format!("{so_far}, usually {usual}");
        return vec![whole, short, "longer than usual".to_owned()];
    }
    let Some(hour) = moment.hour_after(expected.saturating_sub(elapsed)) else {
        return vec![format!("{so_far} of {usual}")];
    };
    let whole = |until: &str| format!("{so_far} of {usual}, {until} {hour}");
    // At 80 columns, the longest names leave room for the second one.
    vec![whole("until"), whole("to"), format!("until {hour}"), so_far]
}

/// The lines about what the running step does: the current object first, whole; then the bar; then
/// what a service makes the run wait for.
fn current(run: &LiveRun, moment: &Moment, columns: usize, palette: Palette) -> Vec<String> {
    if run.running.is_none() {
        return Vec::new();
    }
    let now = &run.current;
    // A text is painted after it is wrapped: its colours are not yet those of a terminal.
    let whole = |text: &str, paint: &dyn Fn(&str) -> String| -> Vec<String> {
        wrapped(text, Some(columns)).lines().map(paint).collect()
    };
    let notable = |line: &str| palette.notable(line);
    let mut lines = Vec::new();
    for object in objects(now, moment) {
        lines.extend(whole(&object, &|line| palette.bold(line)));
    }
    if let Some(after) = &now.task {
        let text = format!("the worksheet is above; when it is done, {after}");
        lines.extend(whole(&text, &notable));
    }
    if let Some((done, all)) = run.progress() {
        let bar = bar(done, all, (columns / 3).clamp(10, 30));
        let line = format!("{bar} {done} of {all}{}", describe_retries(now));
        lines.push(shortened(&line, columns));
    }
    if let Some(pause) = &now.pause
        && pause.until > moment.now
    {
        let left = rough(pause.until.saturating_sub(moment.now));
        let text = format!(
            "waiting for {} ({}): attempt {} in {left}",
            pause.service, pause.reason, pause.attempt
        );
        lines.extend(whole(&text, &notable));
    }
    for ((address, request), write) in now.slow_writes.iter().take(NAMED) {
        let since = rough(moment.now.saturating_sub(write.since));
        let text = slow_write_text(&write.service, address, request, &since);
        lines.extend(whole(&text, &notable));
    }
    lines
}

/// What is worked on: operations with what their services report, else the newest change.
fn objects(now: &Current, moment: &Moment) -> Vec<String> {
    let reported = now.waits.iter().take(NAMED).map(|(name, reported)| {
        let since = moment.now.saturating_sub(reported.since);
        format!("{name}: {} ({} so far)", reported.note, rough(since))
    });
    let mut objects: Vec<String> = reported.collect();
    if objects.is_empty() {
        objects.extend(now.changes.last().cloned());
    }
    let silent = now
        .changes
        .iter()
        .filter(|name| !now.waits.contains_key(*name));
    let rest = (now.waits.len() + silent.count()).saturating_sub(objects.len());
    match objects.last_mut() {
        Some(last) if rest > 0 => *last += &format!(", and {rest} more"),
        Some(_) => {}
        None if now.phase.is_empty() => objects.push("surveying".to_owned()),
        None => objects.push(format!("surveying {}", now.phase)),
    }
    objects
}

/// What did not succeed at first in this step.
fn describe_retries(now: &Current) -> String {
    let mut text = String::new();
    if now.retries > 0 {
        text += &format!(", {} retried", now.retries);
    }
    for (service, times) in &now.pauses {
        text += &format!(", {service}: {}", count(*times, "wait"));
    }
    text
}

/// A bar of this width inside its brackets.
fn bar(done: usize, all: usize, width: usize) -> String {
    let filled = (width * done).checked_div(all).unwrap_or(0).min(width);
    let head = if filled < width { ">" } else { "" };
    let line = format!("{}{head}", "=".repeat(filled));
    format!("[{line:<width$}]")
}

#[cfg(test)]
mod tests;
