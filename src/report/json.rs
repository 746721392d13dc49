//! Events as JSON Lines: one event a line on stdout, `{"v":1,"seq":…,"time":…,"type":…,…}`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use schemars::JsonSchema;
use serde::Serialize;

use super::Printer;
use super::documents::{Version, document};
use crate::engine::{Event, EventKind, Listener};

/// One line of what `run` writes.
#[derive(JsonSchema, Serialize)]
pub(super) struct EventLine {
    v: Version,
    #[serde(flatten)]
    event: Event,
}

/// Writes each event as a line of JSON.
pub struct JsonLines {
    printer: Arc<Printer>,
    last: AtomicU64,
}

impl JsonLines {
    /// Writes through this printer.
    pub fn new(printer: Arc<Printer>) -> Self {
        Self {
            printer,
            last: AtomicU64::new(0),
        }
    }

    /// Writes a last event, for a run that could not begin and so has no event sink.
    pub fn end(&self, time: String, kind: EventKind) {
        let seq = self.last.load(Ordering::SeqCst) + 1;
        self.on_event(&Event { seq, time, kind });
    }
}

impl Listener for JsonLines {
    fn on_event(&self, event: &Event) {
        self.last.store(event.seq, Ordering::SeqCst);
        let event = event.clone();
        self.printer
            .data(&document(&EventLine { v: Version, event }));
    }
}
