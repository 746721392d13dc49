//! Events as plain lines, for a pipe or a log: understood without colour, one thing a line.

use std::sync::{Arc, Mutex};

use super::words::seconds;
use super::{Palette, Printer};
use crate::engine::{Event, EventKind, Listener, StepLine};
use crate::journal::StepOutcome;
use crate::text::{count, escape, redact};

/// Hears events and prints the recorded ones, and of the passing ones one a while.
pub struct Lines {
    printer: Arc<Printer>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    steps: Vec<StepLine>,
    /// What was last said of a thing that is waited for, so that it is not said again and again.
    last_note: String,
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
            passing(&event.kind).filter(|note| {
                let new = *note != told.last_note;
                told.last_note.clone_from(note);
                new
            })
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

/// A passing event as text, without what changes at every telling.
fn passing(kind: &EventKind) -> Option<String> {
    match kind {
        EventKind::Progress { name, note, .. } => {
            Some(format!("  … {}: {}", escape(name), escape(note)))
        }
        EventKind::Waiting {
            service,
            reason,
            seconds: wait,
            ..
        } => Some(format!(
            "  … {} ({reason}): trying again in {}",
            escape(service),
            seconds(*wait)
        )),
        _ => None,
    }
}
