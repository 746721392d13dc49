//! The table at a terminal while a run works: a row for each step, and below them what the running
//! step does. Pure functions of [`LiveRun`] and the time.

use std::time::Duration;

use console::truncate_str;
use jiff::Timestamp;

use super::Palette;
use super::durations::{duration, rough};
use super::live_run::{Condition, Current, LiveRun, LiveStep};
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
}

impl Moment {
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
    let fit = |text: String| truncate_str(&text, columns, "…").into_owned();
    let mut lines = vec![String::new(), palette.bold(&fit(head(run, target, moment)))];
    let names = run.steps.iter().map(|step| step.name.chars().count());
    let width = names.max().unwrap_or(0);
    let digits = run.steps.len().to_string().len();
    for (at, step) in run.steps.iter().enumerate() {
        let name = format!("  {:>digits$} {:<width$}  ", at + 1, step.name);
        let (word, paint) = condition(step.condition, palette);
        let row = format!("{name}{word:<7}  {}", describe(step, moment));
        let row = fit(row.trim_end().to_owned());
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
        .map(|step| fit(format!("{}: {}", step.name, describe(step, moment))))
        .into_iter()
        .chain(now)
        .collect();
    short.truncate(rows.saturating_sub(1).max(1));
    short
}

/// The line above the steps: the target, how far the run is, and when it should end.
fn head(run: &LiveRun, target: &str, moment: &Moment) -> String {
    let ended =
        |step: &&LiveStep| !matches!(step.condition, Condition::Waiting | Condition::Running);
    let at = run
        .running
        .map_or_else(|| run.steps.iter().filter(ended).count(), |at| at + 1);
    let worked: Duration = run.steps.iter().map(|step| time_of(step, moment)).sum();
    let end = time_left(run, moment).and_then(|left| moment.hour_after(left));
    let end = end.map(|end| format!(", should end about {end}"));
    format!(
        "{target}: step {at} of {}, {}{}",
        run.steps.len(),
        rough(worked),
        end.unwrap_or_default()
    )
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

type Paint = Box<dyn Fn(&str) -> String>;

/// The word for how far a step is, and its colour.
fn condition(condition: Condition, palette: Palette) -> (&'static str, Paint) {
    match condition {
        Condition::Waiting => ("waiting", Box::new(move |word| palette.faint(word))),
        Condition::Running => ("running", Box::new(move |word| palette.bold(word))),
        Condition::Done => ("done", Box::new(move |word| palette.good(word))),
        Condition::Failed => ("failed", Box::new(move |word| palette.bad(word))),
        Condition::Skipped => ("skipped", Box::new(move |word| palette.faint(word))),
        Condition::Blocked => ("blocked", Box::new(move |word| palette.notable(word))),
    }
}

/// What is known about a step, beside its condition.
fn describe(step: &LiveStep, moment: &Moment) -> String {
    match step.condition {
        Condition::Running if step.again => {
            format!("{}, surveyed again", rough(step.elapsed(moment.now)))
        }
        Condition::Running => describe_running(step, moment),
        Condition::Waiting if step.again => {
            format!("done before, {}", duration(step.worked))
        }
        Condition::Waiting => match (&step.note, step.planned, step.expected) {
            (Some(note), _, _) => format!("skipped: {note}"),
            (None, Some(0), _) => "nothing to do, as planned".to_owned(),
            (None, Some(changes), Some(expected)) => {
                format!("{}, about {}", count(changes, "change"), rough(expected))
            }
            (None, Some(changes), None) => count(changes, "change"),
            (None, None, Some(expected)) => format!("about {}", rough(expected)),
            (None, None, None) => String::new(),
        },
        Condition::Done if step.done == 0 => {
            format!("nothing to do, {}", duration(step.worked))
        }
        Condition::Done => {
            format!("{}, {}", count(step.done, "change"), duration(step.worked))
        }
        Condition::Failed => {
            format!(
                "{} done, {}",
                count(step.done, "change"),
                duration(step.worked)
            )
        }
        Condition::Skipped | Condition::Blocked => step.note.clone().unwrap_or_default(),
    }
}

fn describe_running(step: &LiveStep, moment: &Moment) -> String {
    let elapsed = step.elapsed(moment.now);
    let Some(expected) = step.expected.filter(|expected| !expected.is_zero()) else {
        return rough(elapsed);
    };
    if elapsed >= expected {
        return format!("{}, longer than {}", rough(elapsed), rough(expected));
    }
    let until = moment.hour_after(expected.saturating_sub(elapsed));
    let until = until.map(|hour| format!(", until {hour}"));
    format!(
        "{} of {}{}",
        rough(elapsed),
        rough(expected),
        until.unwrap_or_default()
    )
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
    if now.task.is_some() {
        let text = "the worksheet is above; when it is done, the run continues by itself";
        lines.extend(whole(text, &notable));
    }
    if let Some((done, all)) = run.progress() {
        let bar = bar(done, all, (columns / 3).clamp(10, 30));
        let line = format!("{bar} {done} of {all}{}", describe_retries(now));
        lines.push(truncate_str(&line, columns, "…").into_owned());
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
    lines
}

/// What is worked on: operations with what their services report, else the newest change.
fn objects(now: &Current, moment: &Moment) -> Vec<String> {
    let reported = now.waits.iter().take(NAMED).map(|(name, reported)| {
        let since = moment.now.saturating_sub(reported.since);
        format!("{name}: {}, {}", reported.note, rough(since))
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
        text += &format!(", {} tried again", now.retries);
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
mod tests {
    use super::*;
    use crate::engine::{EventKind, StepLine};
    use crate::journal::{ChangeKind, StepOutcome};

    const COPY: &str = "copy-environments";
    const REINSTALL: &str = "reinstall-providers";

    fn line(name: &str, changes: Option<usize>, minutes: Option<u64>) -> StepLine {
        StepLine {
            name: name.to_owned(),
            changes,
            expected_seconds: minutes.map(|minutes| minutes * 60),
            ..StepLine::default()
        }
    }

    /// A run in which the copy is done, and the step after it is as far as these events.
    fn run(events: Vec<(u64, EventKind)>) -> LiveRun {
        let mut run = LiveRun::default();
        let steps = vec![
            line(COPY, Some(1), Some(95)),
            line(REINSTALL, Some(105), Some(111)),
            line("restore-provider-actions", Some(11), Some(23)),
            StepLine {
                skip: Some("the target does not use it".to_owned()),
                ..line("reconfigure-dual-write", None, None)
            },
        ];
        let began = EventKind::RunBegan {
            run: "01a2".to_owned(),
            resumed: false,
            target: "Contoso UAT".to_owned(),
            steps,
        };
        let copied = change_done(COPY, "copy 'Contoso Prod' onto 'Contoso UAT'");
        let first = [
            (0, began),
            (0, step_began(COPY)),
            (6000, copied),
            (6000, ended(COPY, StepOutcome::Done)),
        ];
        for (at, event) in first.into_iter().chain(events) {
            run.update(&event, Duration::from_secs(at));
        }
        run
    }

    fn step_began(step: &str) -> EventKind {
        EventKind::StepBegan {
            step: step.to_owned(),
        }
    }

    fn phase(step: &str, phase: &str, changes: usize) -> [(u64, EventKind); 2] {
        let (step, phase) = (step.to_owned(), phase.to_owned());
        let began = EventKind::PhaseBegan {
            step: step.clone(),
            phase: phase.clone(),
        };
        let surveyed = EventKind::Surveyed {
            step,
            phase,
            changes,
            pass: 1,
        };
        [(6000, began), (6000, surveyed)]
    }

    fn change_began(name: &str) -> EventKind {
        EventKind::ChangeBegan {
            step: REINSTALL.to_owned(),
            phase: "settings".to_owned(),
            key: name.to_owned(),
            name: name.to_owned(),
            kind: ChangeKind::Set,
        }
    }

    fn change_done(step: &str, name: &str) -> EventKind {
        EventKind::ChangeDone {
            step: step.to_owned(),
            phase: "settings".to_owned(),
            key: name.to_owned(),
            name: name.to_owned(),
            kind: ChangeKind::Set,
            elapsed: 1.0,
        }
    }

    fn ended(step: &str, outcome: StepOutcome) -> EventKind {
        EventKind::StepEnded {
            step: step.to_owned(),
            outcome,
            note: None,
            changes: 1,
            elapsed: 1.0,
        }
    }

    fn lines(run: &LiveRun, at: u64, size: (usize, usize)) -> String {
        let moment = Moment {
            now: Duration::from_secs(at),
            time: "2026-11-29T01:00:00Z".parse().unwrap(),
            speed: 1.0,
        };
        table(run, "Contoso UAT", &moment, size, Palette::plain()).join("\n")
    }

    /// The step that reinstalls has set 36 parameters and sets one with a long name.
    fn reinstalling() -> LiveRun {
        let name = "set parameter 'msdyn_storehash' of the new provider 'msdyn_bigcommerce' \
                    in Contoso UAT, a long name";
        let mut events = vec![(6000, step_began(REINSTALL))];
        events.extend(phase(REINSTALL, "settings", 105));
        events.extend((0..36).map(|_| (9000, change_done(REINSTALL, "x"))));
        events.push((9000, change_began("another")));
        events.push((9000, change_began(name)));
        let failed = EventKind::ChangeFailed {
            step: REINSTALL.to_owned(),
            phase: "settings".to_owned(),
            key: "y".to_owned(),
            name: "y".to_owned(),
            message: "no".to_owned(),
            help: None,
            again: true,
        };
        events.push((9000, failed));
        let waiting = EventKind::Waiting {
            service: "Dataverse".to_owned(),
            reason: "throttled".to_owned(),
            seconds: 60.0,
            attempt: 2,
        };
        events.push((9700, waiting));
        run(events)
    }

    #[test]
    fn a_run_at_80_columns() {
        assert_eq!(
            lines(&reinstalling(), 9720, (24, 80)),
            "
Contoso UAT: step 2 of 4, 2 h 42 min, should end about 02:12 UTC
  1 copy-environments         done     1 change, 1 h 40 min
  2 reinstall-providers       running  1 h 2 min of 1 h 51 min, until 01:49 UTC
  3 restore-provider-actions  waiting  11 changes, about 23 min
  4 reconfigure-dual-write    waiting  skipped: the target does not use it
set parameter 'msdyn_storehash' of the new provider 'msdyn_bigcommerce' in
  Contoso UAT, a long name, and 1 more
[========>                 ] 36 of 105, 1 tried again, Dataverse: 1 wait
waiting for Dataverse (throttled): attempt 2 in 40 s"
        );
    }

    #[test]
    fn a_run_at_120_columns() {
        let text = lines(&reinstalling(), 13_000, (40, 120));
        assert_eq!(
            text,
            "
Contoso UAT: step 2 of 4, 3 h 36 min, should end about 01:23 UTC
  1 copy-environments         done     1 change, 1 h 40 min
  2 reinstall-providers       running  1 h 56 min, longer than 1 h 51 min
  3 restore-provider-actions  waiting  11 changes, about 23 min
  4 reconfigure-dual-write    waiting  skipped: the target does not use it
set parameter 'msdyn_storehash' of the new provider 'msdyn_bigcommerce' in Contoso UAT, a long name, and 1 more
[==========>                   ] 36 of 105, 1 tried again, Dataverse: 1 wait"
        );
    }

    #[test]
    fn an_operation_comes_with_what_its_service_reports() {
        let name = "deactivate provider 'BigCommerce'";
        let mut events = vec![(6000, step_began(REINSTALL))];
        events.extend(phase(REINSTALL, "deactivate", 2));
        events.push((6000, change_began(name)));
        let progress = EventKind::Progress {
            step: REINSTALL.to_owned(),
            name: name.to_owned(),
            note: "Deactivating".to_owned(),
            elapsed: 60.0,
        };
        events.push((6100, progress));
        let text = lines(&run(events), 6160, (24, 80));
        assert!(
            text.ends_with(
                "\ndeactivate provider 'BigCommerce': Deactivating, 2 min\n\
                 [>                         ] 0 of 105"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_manual_task_names_its_worksheet_and_counts_what_a_person_did() {
        let task = "reinstall-providers/vanished";
        let mut events = vec![(6000, step_began(REINSTALL))];
        events.extend(phase(REINSTALL, "vanished", 3));
        let asked = EventKind::ManualTask {
            task: task.to_owned(),
            things: 3,
            instructions: Vec::new(),
            evidence: Vec::new(),
        };
        events.push((6000, asked));
        let progress = |left: usize| EventKind::Progress {
            step: REINSTALL.to_owned(),
            name: task.to_owned(),
            note: format!("{left} things left for you to do"),
            elapsed: 0.0,
        };
        events.push((6000, progress(3)));
        let [_, surveyed] = phase(REINSTALL, "vanished", 2);
        events.push(surveyed);
        events.push((6500, progress(2)));
        let text = lines(&run(events), 6600, (24, 80));
        assert!(
            text.ends_with(
                "\nreinstall-providers/vanished: 2 things left for you to do, 10 min\n\
                 the worksheet is above; when it is done, the run continues by itself\n\
                 [>                         ] 1 of 105"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_step_of_an_earlier_process_is_only_surveyed_again() {
        let mut run = LiveRun::default();
        let steps = vec![
            StepLine {
                ended: Some(StepOutcome::Done),
                worked_seconds: Some(6000),
                ..line(COPY, Some(1), Some(95))
            },
            line(REINSTALL, Some(105), Some(60)),
        ];
        let began = EventKind::RunBegan {
            run: "01a2".to_owned(),
            resumed: true,
            target: "Contoso UAT".to_owned(),
            steps,
        };
        run.update(&began, Duration::ZERO);
        let text = lines(&run, 0, (24, 80));
        assert_eq!(
            text,
            "
Contoso UAT: step 0 of 2, 1 h 40 min, should end about 02:00 UTC
  1 copy-environments    waiting  done before, 1 h 40 min
  2 reinstall-providers  waiting  105 changes, about 1 h"
        );
        run.update(&step_began(COPY), Duration::ZERO);
        let text = lines(&run, 20, (24, 80));
        assert!(
            text.contains("running  1 h 40 min, surveyed again\n"),
            "{text}"
        );
    }

    #[test]
    fn a_low_terminal_shows_the_running_step_alone() {
        let text = lines(&reinstalling(), 9720, (8, 80));
        assert_eq!(
            text,
            "\
reinstall-providers: 1 h 2 min of 1 h 51 min, until 01:49 UTC
set parameter 'msdyn_storehash' of the new provider 'msdyn_bigcommerce' in
  Contoso UAT, a long name, and 1 more
[========>                 ] 36 of 105, 1 tried again, Dataverse: 1 wait
waiting for Dataverse (throttled): attempt 2 in 40 s"
        );
        assert_eq!(lines(&reinstalling(), 9720, (3, 80)).lines().count(), 2);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_a_failed_step_blocks_the_next() {
        let mut events = vec![(6000, step_began(REINSTALL))];
        events.push((7000, ended(REINSTALL, StepOutcome::Failed)));
        events.push((
            7000,
            EventKind::StepNotBegun {
                step: "restore-provider-actions".to_owned(),
                why: "it needs reinstall-providers, which failed".to_owned(),
            },
        ));
        let run = run(events);
        let text = lines(&run, 7000, (24, 80));
        // Nothing is left that could end.
        assert!(
            text.starts_with("\nContoso UAT: step 3 of 4, 1 h 56 min\n"),
            "{text}"
        );
        for row in [
            "reinstall-providers       failed   0 changes done, 16 min 40 s",
            "restore-provider-actions  blocked  it needs reinstall-providers, which fail…",
        ] {
            assert!(text.contains(row), "{text}");
        }
        for columns in 40..80 {
            let text = lines(&run, 7000, (24, columns));
            let widest = text.lines().map(console::measure_text_width).max();
            assert!(widest <= Some(columns), "{columns}: {text}");
        }
    }
}
