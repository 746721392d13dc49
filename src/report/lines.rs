//! Events as plain lines, for a pipe or a log: understood without colour, one thing a line.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::words::seconds;
use super::{Palette, Printer};
use crate::base::text::{count, escape, redact};
use crate::engine::{Event, EventKind, Listener, StepLine};
use crate::journal::StepOutcome;

/// After how many seconds of waiting a thing is told of again, though nothing about it has changed:
/// whoever reads a log, and what ends a job that says nothing, must see that it goes on.
const STILL: f64 = 600.0;

/// Hears events and prints the recorded ones, and of the passing ones what is new, and now and then
/// what is not.
pub struct Lines {
    printer: Arc<Printer>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    steps: Vec<StepLine>,
    /// What was last said of each thing that is waited for, and how long it had been waited for, so
    /// that it is not said again and again.
    notes: BTreeMap<String, (String, f64)>,
}

impl Lines {
    /// Lines through this printer.
    pub fn new(printer: Arc<Printer>) -> Self {
        Self {
            printer,
            told: Mutex::new(Told::default()),
        }
    }
}

impl Listener for Lines {
    fn hear(&self, event: &Event) {
        let Ok(mut told) = self.told.lock() else {
            return;
        };
        if let EventKind::RunBegan { steps, .. } = &event.kind {
            told.steps.clone_from(steps);
        }
        let line = if event.kind.is_passing() {
            told.passing(&event.kind)
        } else {
            recorded(&event.kind, &told.steps, self.printer.palette())
        };
        if let Some(line) = line {
            self.printer.remark(&line);
        }
    }
}

/// A recorded event as text; none for what a reader of lines need not see.
pub(super) fn recorded(kind: &EventKind, steps: &[StepLine], palette: Palette) -> Option<String> {
    Some(match kind {
        EventKind::RunBegan {
            run,
            resumed,
            target,
            ..
        } => format!(
            "{} run {run} on '{}'",
            if *resumed {
                "going on with"
            } else {
                "beginning"
            },
            escape(target)
        ),
        EventKind::StepBegan { step } => {
            let number = steps
                .iter()
                .position(|line| line.name == *step)
                .map_or(0, |at| at + 1);
            palette.bold(&format!("[{number}/{}] {step}", steps.len()))
        }
        EventKind::Sealed {
            seal, count: rows, ..
        } => {
            format!("  sealed '{seal}': {}", count(*rows, "capture"))
        }
        EventKind::ChangeDone { name, elapsed, .. } => {
            format!(
                "  {} {} ({})",
                palette.good("done"),
                escape(name),
                seconds(*elapsed)
            )
        }
        EventKind::ChangeFailed {
            name,
            message,
            help,
            again,
            ..
        } => {
            let head = if *again {
                palette.notable("not yet")
            } else {
                palette.bad("failed")
            };
            let help = help
                .as_ref()
                .map(|help| format!("\n    help: {}", redact(help)));
            format!(
                "  {head} {}: {}{}",
                escape(name),
                redact(message),
                help.unwrap_or_default()
            )
        }
        EventKind::ChangeOpen {
            name,
            message,
            help,
            ..
        } => {
            let head = palette.notable("still open");
            let help = help
                .as_ref()
                .map(|help| format!("\n    help: {}", redact(help)));
            format!(
                "  {head} {}: {}{}",
                escape(name),
                redact(message),
                help.unwrap_or_default()
            )
        }
        EventKind::Noted { message, .. } => format!("  note: {}", escape(message)),
        EventKind::StepEnded {
            outcome,
            note,
            changes,
            elapsed,
            ..
        } => match outcome {
            StepOutcome::Done if *changes == 0 => "  nothing to do".to_owned(),
            StepOutcome::Done => {
                format!("  {} in {}", count(*changes, "change"), seconds(*elapsed))
            }
            StepOutcome::Skipped => format!("  skipped: {}", note.as_deref().unwrap_or_default()),
            StepOutcome::Failed => "  failed".to_owned(),
        },
        EventKind::ManualTask {
            task,
            things,
            instructions,
            evidence,
        } => {
            let steps = instructions
                .iter()
                .map(|line| format!("\n  [ ] {}", escape(line)));
            let proof = evidence
                .iter()
                .map(|line| format!("\n  proof: {}", escape(line)));
            format!(
                "{} ({task}, {}){}{}",
                palette.notable("A person must do this"),
                count(*things, "thing"),
                steps.collect::<String>(),
                proof.collect::<String>()
            )
        }
        EventKind::PhaseBegan { .. }
        | EventKind::Surveyed { .. }
        | EventKind::ChangeBegan { .. }
        | EventKind::RunEnded { .. }
        | EventKind::Progress { .. }
        | EventKind::Waiting { .. } => return None,
    })
}

impl Told {
    /// A passing event as text; none where it was told already.
    fn passing(&mut self, kind: &EventKind) -> Option<String> {
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
                let again = seconds(*wait);
                let text = format!(
                    "  … {} ({reason}): trying again in {again}",
                    escape(service)
                );
                (service, text, 0.0)
            }
            _ => return None,
        };
        let told = self.notes.get(subject);
        let is_new = told.is_none_or(|(last, _)| *last != text);
        let is_due = told.is_some_and(|(_, since)| elapsed - since >= STILL);
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

    #[test]
    fn what_is_waited_for_is_told_when_it_changes_and_now_and_then() {
        let mut told = Told::default();
        let mut tell = |name: &str, note: &str, elapsed: f64| {
            told.passing(&EventKind::Progress {
                step: "copy-environments".to_owned(),
                name: name.to_owned(),
                note: note.to_owned(),
                elapsed,
            })
        };
        assert_eq!(tell("copy", "Run", 5.0).unwrap(), "  … copy: Run");
        assert!(tell("refresh", "in progress", 6.0).is_some());
        // Two things that are waited for by turns are not told by turns.
        assert_eq!(tell("copy", "Run", 10.0), None);
        assert_eq!(tell("refresh", "in progress", 11.0), None);
        assert!(tell("copy", "Finalize", 20.0).is_some());
        assert_eq!(
            tell("refresh", "in progress", 606.0).unwrap(),
            "  … refresh: in progress (for 10 min 6 s)"
        );
        assert_eq!(tell("refresh", "in progress", 700.0), None);
    }
}
