//! Events at a terminal: the same lines as in a log, and below them the table of the steps. The time
//! of day is beside each step only: the table says the present one.

use std::sync::{Arc, Mutex};

use super::Printer;
use super::lines::{RunHead, clock_time, recorded_line};
use super::live_run::LiveRun;
use super::live_table::{self, Moment};
use crate::base::cancellation::Cancellation;
use crate::base::clock::Clock;
use crate::base::sync::lock;
use crate::base::text::escape;
use crate::engine::{Event, EventKind, Listener};

/// Draws events.
pub struct Terminal {
    printer: Arc<Printer>,
    clock: Clock,
    head: Mutex<RunHead>,
    run: Arc<Mutex<LiveRun>>,
    cancellation: Cancellation,
}

impl Terminal {
    /// Draws through this printer. Takes the clock of the run, because time passes also between two
    /// events, and the requests to stop it.
    pub fn new(printer: Arc<Printer>, clock: Clock, cancellation: Cancellation) -> Self {
        Self {
            printer,
            clock,
            head: Mutex::default(),
            run: Arc::default(),
            cancellation,
        }
    }

    /// Shows the table from now on.
    fn show(&self, target: &str) {
        let run = Arc::clone(&self.run);
        let clock = self.clock.clone();
        let cancellation = self.cancellation.clone();
        let target = escape(target).into_owned();
        let palette = self.printer.palette();
        self.printer.show_live(move |rows, columns| {
            let moment = Moment {
                now: clock.elapsed(),
                time: clock.time_of_day(),
                speed: clock.speed(),
                is_stopping: cancellation.is_stop_requested(),
            };
            live_table::table(&lock(&run), &target, &moment, (rows, columns), palette)
        });
    }
}

impl Listener for Terminal {
    fn on_event(&self, event: &Event) {
        lock(&self.head).update(&event.kind);
        // The table draws itself while the printer is locked, so its state is not locked then.
        lock(&self.run).update(&event.kind, self.clock.elapsed());
        let palette = self.printer.palette();
        let line = recorded_line(&event.kind, &lock(&self.head), palette);
        if let Some(line) = line {
            self.printer.info(&match &event.kind {
                EventKind::RunBegan { .. } | EventKind::StepBegan { .. } => {
                    format!("{line}  {}", palette.faint(&clock_time(&event.time)))
                }
                _ => line,
            });
        }
        match &event.kind {
            EventKind::RunBegan { target, .. } => self.show(target),
            EventKind::RunEnded { .. } => self.printer.hide_live(),
            _ => self.printer.redraw_live(),
        }
    }
}
