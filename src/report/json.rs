//! Events as JSON Lines: one event a line on stdout, `{"v":1,"seq":…,"time":…,"type":…,…}`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Printer;
use crate::engine::{Event, Listener};
use crate::text::redact;

/// Hears events and writes each as a line of JSON.
pub struct JsonLines {
    printer: Arc<Printer>,
}

impl JsonLines {
    /// JSON through this printer.
    pub fn new(printer: Arc<Printer>) -> Self {
        Self { printer }
    }
}

impl Listener for JsonLines {
    fn hear(&self, event: &Event) {
        let mut line = Map::from_iter([("v".to_owned(), Value::from(1))]);
        if let Ok(Value::Object(members)) = serde_json::to_value(event) {
            line.extend(members);
        }
        self.printer.data(&redact(&Value::Object(line).to_string()));
    }
}
