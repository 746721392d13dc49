//! Events as plain lines, for a pipe or a log: readable without colour, one event on each line, with
//! the time of day. A pipeline's log has its own times.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::change_counts::StepCounts;
use super::documents::StepCondition;
use super::durations::{seconds, unread_time};
use super::worksheet_text::manual_task_text;
use super::{Palette, Printer};
use crate::base::redaction::redact;
use crate::base::text::{count, escape};
use crate::engine::{Event, EventKind, Listener, StepLine};
use crate::journal::{ChangeKind, StepOutcome};

/// After how many seconds a wait is reported again, even if nothing has changed: the reader of a
/// log, and a pipeline that ends silent jobs, must see that the run continues.
const REMINDER: f64 = 600.0;

/// Prints the recorded events, and the transient ones if they are new or a reminder is due.
pub struct Lines {
    printer: Arc<Printer>,
    detail: Detail,
    state: Mutex<Shown>,
}

/// How much of a run is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Detail {
    /// What was done.
    Usual,
    /// Also each phase, and what each survey finds (`-v`).
    More,
}

/// What the first event says of a run, for the lines about the later ones.
#[derive(Default)]
pub(super) struct RunHead {
    steps: Vec<StepLine>,
    /// The arguments that name the runbook and its state file.
    arguments: String,
}

impl RunHead {
    /// Takes in an event.
    pub(super) fn update(&mut self, kind: &EventKind) {
        if let EventKind::RunBegan {
            steps, arguments, ..
        } = kind
        {
            self.steps.clone_from(steps);
            self.arguments.clone_from(arguments);
        }
    }
}

#[derive(Default)]
struct Shown {
    head: RunHead,
    /// The last line about each wait, and how long the wait had lasted then, so that the line is
    /// not repeated.
    notes: BTreeMap<String, (String, f64)>,
}

impl Lines {
    /// Lines through this printer.
    pub fn new(printer: Arc<Printer>, detail: Detail) -> Self {
        Self {
            printer,
            detail,
            state: Mutex::default(),
        }
    }
}

impl Listener for Lines {
    fn on_event(&self, event: &Event) {
        let Ok(mut shown) = self.state.lock() else {
            return;
        };
        shown.head.update(&event.kind);
        let line = if event.kind.is_transient() {
            shown.transient_line(&event.kind)
        } else {
            let line = recorded_line(&event.kind, &shown.head, self.printer.palette());
            line.or_else(|| detail_line(&event.kind).filter(|_| self.detail == Detail::More))
        };
        let Some(line) = line else { return };
        if self.printer.is_in_pipeline() {
            self.printer.info(&line);
        } else {
            self.printer
                .info(&format!("{}  {line}", clock_time(&event.time)));
        }
    }
}

/// The time of day of an event, to the second: `02:10:11Z`.
pub(super) fn clock_time(time: &str) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%H:%M:%SZ").to_string(),
        Err(_) => time.to_owned(),
    }
}

/// An event that only `-v` shows, as a line.
fn detail_line(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::PhaseBegan { phase, .. } => format!("  phase {}", escape(phase)),
        EventKind::Surveyed {
            phase,
            changes,
            pass,
            ..
        } => format!(
            "  surveyed {}: {} to do (pass {pass})",
            escape(phase),
            count(*changes, "change")
        ),
        EventKind::ChangeBegan { name, .. } => format!("  begun {}", escape(name)),
        _ => return None,
    })
}

/// A recorded event as a line. None for an event that is not shown.
pub(super) fn recorded_line(kind: &EventKind, head: &RunHead, palette: Palette) -> Option<String> {
    let steps = &head.steps;
    Some(match kind {
        EventKind::RunBegan {
            run,
            resumed,
            target,
            ..
        } => {
            let verb = if *resumed { "resuming" } else { "beginning" };
            format!("{verb} run {run} on '{}'", escape(target))
        }
        EventKind::StepBegan { step } => {
            palette.bold(&format!("{} {step}", step_number(steps, step)))
        }
        EventKind::StepNotBegun { step, why } => {
            let head = palette.bold(&format!("{} {step}", step_number(steps, step)));
            format!("{head}\n  not begun: {}", escape(why))
        }
        EventKind::Sealed {
            seal, count: rows, ..
        } => {
            format!("  sealed '{seal}': {}", count(*rows, "capture"))
        }
        EventKind::ChangeDone { .. }
        | EventKind::ChangeFailed { .. }
        | EventKind::ChangeOpen { .. } => return change_line(kind, palette),
        EventKind::OperationResumed {
            name, requested, ..
        } => format!(
            "  {}, requested at {requested}, is still running at the service: the run goes on \
             with it",
            escape(name)
        ),
        EventKind::Noted {
            message, remedy, ..
        } => {
            let fix = remedy
                .as_ref()
                .map(|fix| format!("\n    fix: {}", escape(fix)));
            format!("  note: {}{}", escape(message), fix.unwrap_or_default())
        }
        EventKind::StepEnded {
            step,
            outcome,
            note,
            changes,
            total,
            ..
        } => {
            let again = steps.iter().any(|line| {
                line.name == *step && line.ended == Some(StepOutcome::Done) && *changes == 0
            });
            let line = steps.iter().find(|line| line.name == *step);
            let planned = line.and_then(|line| line.changes);
            let counts = StepCounts::of_total(total, planned);
            step_end_line(*outcome, note.as_deref(), again, (&counts, total.seconds))
        }
        EventKind::ManualTask { .. } => return manual_task_text(kind, &head.arguments, palette),
        EventKind::PhaseBegan { .. }
        | EventKind::Surveyed { .. }
        | EventKind::ChangeBegan { .. }
        | EventKind::RunEnded { .. }
        | EventKind::Progress { .. }
        | EventKind::Waiting { .. }
        | EventKind::SlowWrite { .. }
        | EventKind::SlowWriteEnded { .. } => return None,
    })
}

/// How a change ended, as a line. None for another event. Why it failed or stays open is left out
/// here, because the failure that ends the run says it; before another attempt it is shown.
fn change_line(kind: &EventKind, palette: Palette) -> Option<String> {
    Some(match kind {
        EventKind::ChangeDone {
            name,
            kind,
            elapsed,
            unread_since,
            ..
        } => {
            let done = palette.good("done");
            let time = match (elapsed, unread_since) {
                _ if *kind == ChangeKind::ManualTask => " (by hand)".to_owned(),
                (Some(elapsed), _) => format!(" ({})", seconds(*elapsed)),
                (None, Some(since)) => format!(" (time {})", unread_time(since, "now")),
                (None, None) => String::new(),
            };
            format!("  {done} {}{time}", escape(name))
        }
        EventKind::ChangeFailed {
            name,
            message,
            help,
            again: true,
            ..
        } => {
            let head = palette.notable("not done yet:");
            let help = help
                .as_ref()
                .map(|help| format!("\n    help: {}", redact(help)));
            let help = help.unwrap_or_default();
            format!("  {head} {}: {}{help}", escape(name), redact(message))
        }
        // Shows the reason at once; the error that ends the run says what to do.
        EventKind::ChangeFailed { name, message, .. } => {
            let head = palette.bad("failed");
            format!("  {head} {}: {}", escape(name), redact(message))
        }
        EventKind::ChangeOpen { name, message, .. } => {
            let head = palette.notable("still open");
            format!("  {head} {}: {}", escape(name), redact(message))
        }
        _ => return None,
    })
}

/// `[3/8]`: which of the run's steps this is.
fn step_number(steps: &[StepLine], step: &str) -> String {
    let at = steps.iter().position(|line| line.name == step);
    format!("[{}/{}]", at.map_or(0, |at| at + 1), steps.len())
}

/// Why the program waits for a service.
fn waiting_text(service: &str, reason: &str, wait: f64) -> String {
    let (service, wait) = (escape(service), seconds(wait));
    format!("{service} ({reason}): trying again in {wait}")
}

/// The text about a write that has no response: which one, and for how long.
pub(super) fn slow_write_text(
    service: &str,
    address: &str,
    request: &str,
    elapsed: &str,
) -> String {
    let (service, address, request) = (escape(service), escape(address), escape(request));
    format!("{service} at {address} has not answered {request} for {elapsed}")
}

/// How a step ended. `again`: the step was done before, and this process found nothing to do. The
/// counts and the seconds are of all processes.
fn step_end_line(
    outcome: StepOutcome,
    note: Option<&str>,
    again: bool,
    (counts, worked): (&StepCounts, f64),
) -> String {
    let begun = counts.automatic.begun + counts.by_hand.begun + counts.before;
    let rest = counts.describe_rest(StepCondition::Done);
    match outcome {
        StepOutcome::Done if again => "  nothing more to do".to_owned(),
        StepOutcome::Done if begun == 0 => format!("  nothing to do{rest}"),
        StepOutcome::Done => format!(
            "  {} in {}{rest}",
            counts.describe(StepCondition::Done),
            seconds(worked)
        ),
        StepOutcome::Skipped => format!("  skipped: {}", note.unwrap_or_default()),
        StepOutcome::Failed => "  failed".to_owned(),
    }
}

impl Shown {
    /// A transient event as a line. None if the same line was printed before; a slow write is named
    /// once, also where it is tried again.
    fn transient_line(&mut self, kind: &EventKind) -> Option<String> {
        if let EventKind::SlowWrite {
            service,
            address,
            request,
            elapsed,
        } = kind
        {
            let subject = format!("{address} {request}");
            let text = slow_write_text(service, address, request, &seconds(*elapsed));
            let earlier = self.notes.insert(subject, (text.clone(), 0.0));
            return earlier
                .is_none()
                .then(|| format!("  … {text}; waiting for it"));
        }
        let (subject, text, elapsed) = match kind {
            EventKind::Progress {
                name,
                note,
                elapsed,
                ..
            } => {
                let text = format!("  … {}: {}", escape(name), escape(note));
                (name, text, *elapsed)
            }
            EventKind::Waiting {
                service,
                reason,
                seconds: wait,
                ..
            } => {
                let text = format!("  … {}", waiting_text(service, reason, *wait));
                (service, text, 0.0)
            }
            _ => return None,
        };
        let last = self.notes.get(subject);
        let is_new = last.is_none_or(|(line, _)| *line != text);
        let is_due = last.is_some_and(|(_, since)| elapsed - since >= REMINDER);
        if !is_new && !is_due {
            return None;
        }
        self.notes.insert(subject.clone(), (text.clone(), elapsed));
        if is_new {
            return Some(text);
        }
        Some(format!("{text} (for {})", seconds(elapsed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{StepTotal, WorksheetThing};

    fn head(steps: &[StepLine]) -> RunHead {
        RunHead {
            steps: steps.to_vec(),
            arguments: "w.yaml".to_owned(),
        }
    }

    #[test]
    fn what_a_person_did_and_must_do_is_a_line_each() {
        let line = |kind: &EventKind| recorded_line(kind, &head(&[]), Palette::plain()).unwrap();
        let done = EventKind::ChangeDone {
            step: "reinstall-providers".to_owned(),
            phase: "deactivate".to_owned(),
            key: "a".to_owned(),
            name: "deactivate provider 'FedEx'".to_owned(),
            kind: ChangeKind::ManualTask,
            elapsed: None,
            unread_since: None,
        };
        assert_eq!(line(&done), "  done deactivate provider 'FedEx' (by hand)");
        let asked = |needs_waiver| EventKind::ManualTask {
            task: "call/by-hand".to_owned(),
            things: 1,
            instructions: Vec::new(),
            advice: vec!["sign in".to_owned()],
            to_do: vec![WorksheetThing {
                name: "call".to_owned(),
                instructions: vec!["dial".to_owned(), "speak".to_owned()],
            }],
            evidence: vec!["none".to_owned()],
            needs_waiver,
        };
        let sheet = "Manual task call/by-hand (1 thing)\n  sign in\n  [ ] call\n      dial\n      \
                     speak\n  evidence: none";
        assert_eq!(line(&asked(false)), sheet);
        let waive = "iomcopy complete w.yaml call/by-hand --waive \"who, when\"";
        assert_eq!(
            line(&asked(true)),
            format!("{sheet}\n  when it is done, stop the run (Ctrl-C), then {waive}")
        );
    }

    #[test]
    fn a_wait_is_printed_when_it_changes_and_as_a_reminder() {
        let mut shown = Shown::default();
        let mut line = |name: &str, note: &str, elapsed: f64| {
            shown.transient_line(&EventKind::Progress {
                step: "copy-environments".to_owned(),
                name: name.to_owned(),
                note: note.to_owned(),
                elapsed,
            })
        };
        assert_eq!(line("copy", "Run", 5.0).unwrap(), "  … copy: Run");
        assert!(line("refresh", "in progress", 6.0).is_some());
        // Two waits that alternate are not printed alternately.
        assert_eq!(line("copy", "Run", 10.0), None);
        assert_eq!(line("refresh", "in progress", 11.0), None);
        assert!(line("copy", "Finalize", 20.0).is_some());
        assert_eq!(
            line("refresh", "in progress", 606.0).unwrap(),
            "  … refresh: in progress (for 10 min 6 s)"
        );
        assert_eq!(line("refresh", "in progress", 700.0), None);
    }

    #[test]
    fn a_write_without_an_answer_is_named_once_with_host_and_port() {
        let mut shown = Shown::default();
        let mut line = |elapsed: f64| {
            shown.transient_line(&EventKind::SlowWrite {
                service: "Power Platform".to_owned(),
                address: "api.powerplatform.com:443".to_owned(),
                request: "POST /environments/2/copy".to_owned(),
                elapsed,
            })
        };
        assert_eq!(
            line(61.0).unwrap(),
            "  … Power Platform at api.powerplatform.com:443 has not answered \
             POST /environments/2/copy for 1 min 1 s; waiting for it"
        );
        // The same write, sent again.
        assert_eq!(line(62.0), None);
    }

    #[test]
    fn more_detail_shows_phases_and_surveys() {
        let phase = EventKind::PhaseBegan {
            step: "activate-flows".to_owned(),
            phase: "activate".to_owned(),
        };
        assert_eq!(
            recorded_line(&phase, &RunHead::default(), Palette::plain()),
            None
        );
        assert_eq!(detail_line(&phase).unwrap(), "  phase activate");
        let surveyed = EventKind::Surveyed {
            step: "activate-flows".to_owned(),
            phase: "activate".to_owned(),
            changes: 2,
            pass: 1,
            done: 0,
            done_in_phase: 0,
        };
        assert_eq!(
            detail_line(&surveyed).unwrap(),
            "  surveyed activate: 2 changes to do (pass 1)"
        );
    }

    #[test]
    fn the_end_of_a_step_has_the_figures_of_the_whole_run() {
        let ended = |changes: usize| EventKind::StepEnded {
            step: "activate-flows".to_owned(),
            outcome: StepOutcome::Done,
            note: None,
            changes,
            elapsed: 60.0,
            total: StepTotal {
                changes_begun: 12,
                changes_done: 12,
                by_hand_begun: 2,
                by_hand_done: 2,
                by_hand_waived: 0,
                changes_before: 0,
                seconds_before: 0.0,
                reopened_by: None,
                seconds: 3900.0,
            },
        };
        let line = |changes: usize, before: Option<StepOutcome>| {
            let steps = [StepLine {
                name: "activate-flows".to_owned(),
                ended: before,
                ..StepLine::default()
            }];
            recorded_line(&ended(changes), &head(&steps), Palette::plain()).unwrap()
        };
        let whole = "  14 changes, 2 by hand in 1 h 5 min";
        // Nine of them were made by an earlier process.
        assert_eq!(line(3, None), whole);
        // A person made the rest.
        assert_eq!(line(0, None), whole);
        assert_eq!(line(0, Some(StepOutcome::Done)), "  nothing more to do");
        assert_eq!(line(1, Some(StepOutcome::Done)), whole);
        let steps = [StepLine {
            name: "activate-flows".to_owned(),
            changes: Some(17),
            ..StepLine::default()
        }];
        let line = recorded_line(&ended(3), &head(&steps), Palette::plain()).unwrap();
        assert_eq!(line, format!("{whole}; 3 planned changes were not needed"));
    }

    #[test]
    fn a_line_has_the_time_of_day() {
        assert_eq!(clock_time("2026-03-01T02:03:04.567Z"), "02:03:04Z");
        assert_eq!(clock_time("?"), "?");
    }
}
