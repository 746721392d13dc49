//! The commands of a run for its pipeline: each step is a folded group, and what a person must see
//! is an annotation. The log contains all of it as well.

use std::sync::{Arc, Mutex};

use super::pipeline::{Level, Pipeline};
use super::printer::Printer;
use crate::base::redaction::redact;
use crate::base::sync::lock;
use crate::base::text::escape;
use crate::engine::{Event, EventKind, Failure, FailureKind, Listener, RunbookPlace};

/// How many errors and how many warnings of a job's step a pipeline shows. It silently drops the
/// rest.
const SHOWN: usize = 10;

/// Writes annotations for what a person must see.
pub struct Annotations {
    pipeline: Pipeline,
    printer: Arc<Printer>,
    state: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    errors: usize,
    warnings: usize,
    steps: usize,
    step: usize,
    has_open_group: bool,
}

impl Annotations {
    /// Annotations for this pipeline, through this printer.
    pub fn new(pipeline: Pipeline, printer: Arc<Printer>) -> Self {
        Self {
            pipeline,
            printer,
            state: Mutex::default(),
        }
    }

    /// Writes a warning, unless the pipeline would drop it.
    pub fn warn(&self, title: &str, message: &str) {
        self.write(Level::Warning, SHOWN, title, None, message);
    }

    /// Writes an error. One place stays free for the failure with which a command ends.
    pub fn error(&self, title: &str, message: &str) {
        self.write(Level::Error, SHOWN - 1, title, None, message);
    }

    /// Writes the failure with which a command ends: each place in the runbook that it is about,
    /// else its whole message.
    pub fn fail(&self, failure: &Failure) {
        let (level, title) = match failure.kind {
            FailureKind::Waiting => (Level::Warning, "waiting for a person"),
            FailureKind::Interrupted => (Level::Warning, "interrupted"),
            FailureKind::Temporary => (Level::Error, "temporary: run again"),
            FailureKind::Refused => (Level::Error, "refused"),
            FailureKind::NotAllowed => (Level::Error, "not allowed"),
            FailureKind::Unconfirmed => (Level::Error, "not confirmed"),
            FailureKind::InvalidInput | FailureKind::Failed => (Level::Error, "failed"),
        };
        let title = format!("iomcopy: {title}");
        if failure.marks.is_empty() {
            let message = with_help(&failure.message, failure.help.as_deref());
            self.write(level, SHOWN, &title, None, &message);
        }
        for mark in &failure.marks {
            let message = with_help(&mark.message, mark.help.as_deref());
            self.write(level, SHOWN, &title, Some(mark), &message);
        }
    }

    fn write(
        &self,
        level: Level,
        limit: usize,
        title: &str,
        place: Option<&RunbookPlace>,
        message: &str,
    ) {
        let mut counts = lock(&self.state);
        let count = match level {
            Level::Error => &mut counts.errors,
            Level::Warning => &mut counts.warnings,
        };
        if *count >= limit {
            return;
        }
        *count += 1;
        let message = redact(message);
        let command = self.pipeline.annotation(level, title, place, &message);
        self.printer.send_command(self.pipeline, &command);
    }

    /// Begins the folded group of a step, and ends the one before it.
    fn begin_group(&self, step: &str) {
        self.end_group();
        let mut counts = lock(&self.state);
        counts.step += 1;
        counts.has_open_group = true;
        let title = format!("[{}/{}] {step}", counts.step, counts.steps);
        let command = self.pipeline.group(&title);
        self.printer.send_command(self.pipeline, &command);
    }

    fn end_group(&self) {
        let mut counts = lock(&self.state);
        if std::mem::take(&mut counts.has_open_group) {
            let command = self.pipeline.end_group();
            self.printer.send_command(self.pipeline, command);
        }
    }

    fn annotate(&self, kind: &EventKind) {
        match kind {
            EventKind::ChangeFailed {
                name,
                message,
                help,
                again: false,
                ..
            } => {
                let title = format!("iomcopy: {}", escape(name));
                self.error(&title, &with_help(message, help.as_deref()));
            }
            EventKind::ChangeOpen {
                name,
                message,
                help,
                ..
            } => {
                let title = format!("iomcopy: {}", escape(name));
                self.warn(&title, &with_help(message, help.as_deref()));
            }
            EventKind::Noted { step, message } => {
                self.warn(&format!("iomcopy: {step}"), message);
            }
            EventKind::ManualTask {
                task, instructions, ..
            } => {
                let title = format!("iomcopy: a person must do {task}");
                self.warn(&title, &instructions.join("\n"));
            }
            _ => {}
        }
    }
}

fn with_help(message: &str, help: Option<&str>) -> String {
    let help = help.map(|help| format!("\nhelp: {help}"));
    format!("{message}{}", help.unwrap_or_default())
}

/// A listener with folded groups for steps and annotations for problems.
pub struct Annotated<L> {
    inner: L,
    annotations: Arc<Annotations>,
}

impl<L> Annotated<L> {
    /// Adds annotations to this listener.
    pub fn new(inner: L, annotations: Arc<Annotations>) -> Self {
        Self { inner, annotations }
    }
}

impl<L: Listener> Listener for Annotated<L> {
    fn on_event(&self, event: &Event) {
        match &event.kind {
            EventKind::RunBegan { steps, .. } => {
                lock(&self.annotations.state).steps = steps.len();
            }
            EventKind::StepBegan { step } => self.annotations.begin_group(step),
            _ => {}
        }
        self.inner.on_event(event);
        self.annotations.annotate(&event.kind);
        if matches!(
            event.kind,
            EventKind::StepEnded { .. } | EventKind::RunEnded { .. }
        ) {
            self.annotations.end_group();
        }
    }
}
