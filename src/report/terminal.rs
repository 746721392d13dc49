//! Events at a terminal: the same lines as in a log, and below them a line for the current step and
//! one for each operation that the run waits for.

use std::sync::{Arc, Mutex};

use super::Printer;
use super::durations::seconds;
use super::lines::{recorded_line, step_number, waiting_text};
use crate::base::text::escape;
use crate::engine::{Event, EventKind, Listener, StepLine};

/// The subject of the line of the current step. No change has this name.
const STEP: &str = "";

/// The steps of the run, and which one is running.
#[derive(Default)]
struct Current {
    steps: Vec<StepLine>,
    /// `[3/8]`.
    number: String,
}

/// Draws events.
pub struct Terminal {
    printer: Arc<Printer>,
    state: Mutex<Current>,
}

impl Terminal {
    /// Draws through this printer.
    pub fn new(printer: Arc<Printer>) -> Self {
        Self {
            printer,
            state: Mutex::default(),
        }
    }

    /// Shows what the current step does.
    fn show(&self, step: &str, what: &str) {
        self.printer.show(STEP, &format!("{step}  {what}"));
    }
}

impl Listener for Terminal {
    fn on_event(&self, event: &Event) {
        let Ok(mut current) = self.state.lock() else {
            return;
        };
        match &event.kind {
            EventKind::RunBegan { steps, .. } => current.steps.clone_from(steps),
            EventKind::StepBegan { step } => {
                current.number = step_number(&current.steps, step);
                self.show(&current.number, step);
            }
            EventKind::PhaseBegan { phase, .. } => {
                self.printer.hide_all();
                self.show(&current.number, &format!("surveying {phase}"));
            }
            EventKind::ChangeBegan { name, .. } => self.show(&current.number, &escape(name)),
            EventKind::Progress {
                name,
                note,
                elapsed,
                ..
            } => {
                // The note comes first, because it changes: a narrow terminal cuts the end.
                let since = if *elapsed < 1.0 {
                    String::new()
                } else {
                    format!(", {}", seconds(*elapsed))
                };
                let text = format!("{}{since}: {}", escape(note), escape(name));
                self.printer
                    .show(name, &format!("{}  {text}", current.number));
                self.printer.hide(STEP);
            }
            EventKind::ChangeDone { name, .. }
            | EventKind::ChangeFailed { name, .. }
            | EventKind::ChangeOpen { name, .. } => {
                self.printer.hide(name);
            }
            EventKind::Waiting {
                service,
                reason,
                seconds: wait,
                ..
            } => self.show(&current.number, &waiting_text(service, reason, *wait)),
            EventKind::RunEnded { .. } => self.printer.hide_all(),
            _ => {}
        }
        if let Some(line) = recorded_line(&event.kind, &current.steps, self.printer.palette()) {
            self.printer.info(&line);
        }
    }
}
