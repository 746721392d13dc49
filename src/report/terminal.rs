//! Events at a terminal: the same lines, with what is under way below them: a line for the step, and
//! one for each thing that is waited for.

use std::sync::{Arc, Mutex};

use super::Printer;
use super::lines::recorded;
use super::words::seconds;
use crate::base::text::escape;
use crate::engine::{Event, EventKind, Listener, StepLine};

/// The subject of the line that tells what the step does: no change has this name.
const STEP: &str = "";

/// Hears events and draws them.
pub struct Terminal {
    printer: Arc<Printer>,
    steps: Mutex<(Vec<StepLine>, String)>,
}

impl Terminal {
    /// A terminal through this printer.
    pub fn new(printer: Arc<Printer>) -> Self {
        Self {
            printer,
            steps: Mutex::new((Vec::new(), String::new())),
        }
    }

    /// Shows what the step does now.
    fn show(&self, step: &str, what: &str) {
        self.printer.show(STEP, &format!("{step}  {what}"));
    }
}

impl Listener for Terminal {
    fn hear(&self, event: &Event) {
        let Ok(mut told) = self.steps.lock() else {
            return;
        };
        match &event.kind {
            EventKind::RunBegan { steps, .. } => told.0.clone_from(steps),
            EventKind::StepBegan { step } => {
                let at = told
                    .0
                    .iter()
                    .position(|line| line.name == *step)
                    .map_or(0, |at| at + 1);
                told.1 = format!("[{at}/{}]", told.0.len());
                self.show(&told.1, step);
            }
            EventKind::PhaseBegan { phase, .. } => {
                self.printer.hide_all();
                self.show(&told.1, &format!("surveying {phase}"));
            }
            EventKind::ChangeBegan { name, .. } => self.show(&told.1, &escape(name)),
            EventKind::Progress {
                name,
                note,
                elapsed,
                ..
            } => {
                // What changes comes first: a narrow terminal cuts the end.
                let since = if *elapsed < 1.0 {
                    String::new()
                } else {
                    format!(", {}", seconds(*elapsed))
                };
                let text = format!("{}{since}: {}", escape(note), escape(name));
                self.printer.show(name, &format!("{}  {text}", told.1));
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
            } => {
                let text = format!(
                    "{} ({reason}): again in {}",
                    escape(service),
                    seconds(*wait)
                );
                self.show(&told.1, &text);
            }
            EventKind::RunEnded { .. } => self.printer.hide_all(),
            _ => {}
        }
        if let Some(line) = recorded(&event.kind, &told.0, self.printer.palette()) {
            self.printer.remark(&line);
        }
    }
}
