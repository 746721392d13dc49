//! What a run tells the pipeline that it runs in: each step folded, and what a person must see as
//! annotations. Everything stands in the log as well.

use std::sync::{Arc, Mutex, PoisonError};

use super::pipeline::{Level, Pipeline};
use super::printer::Printer;
use crate::base::text::{escape, redact};
use crate::engine::{Event, EventKind, Failure, FailureKind, Listener, Mark};

/// A pipeline shows this many errors and this many warnings of a job's step, and drops the rest
/// without a word.
const SHOWN: usize = 10;

/// Tells a pipeline what a person must see.
pub struct Annotations {
    pipeline: Pipeline,
    printer: Arc<Printer>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    errors: usize,
    warnings: usize,
    steps: usize,
    step: usize,
    is_folded: bool,
}

impl Annotations {
    /// Annotations of this pipeline, through this printer.
    pub fn new(pipeline: Pipeline, printer: Arc<Printer>) -> Self {
        Self {
            pipeline,
            printer,
            told: Mutex::default(),
        }
    }

    /// Tells a warning, unless as many were told as are shown. Takes its title and what is to be
    /// said.
    pub fn warn(&self, title: &str, message: &str) {
        self.tell(Level::Warning, SHOWN, title, None, message);
    }

    /// Tells an error. One place is kept free for the failure that a command ends with.
    pub fn complain(&self, title: &str, message: &str) {
        self.tell(Level::Error, SHOWN - 1, title, None, message);
    }

    /// Tells the failure that a command ends with: each place of the runbook that it is about, else
    /// all that it says.
    pub fn fail(&self, failure: &Failure) {
        let (level, title) = match failure.kind {
            FailureKind::Waiting => (Level::Warning, "waiting for a person"),
            FailureKind::Interrupted => (Level::Warning, "interrupted"),
            FailureKind::Temporary => (Level::Error, "temporary: run again"),
            FailureKind::Refused => (Level::Error, "refused"),
            FailureKind::NotAllowed => (Level::Error, "not allowed"),
            FailureKind::Unconfirmed => (Level::Error, "not confirmed"),
            FailureKind::Wrong | FailureKind::Failed => (Level::Error, "failed"),
        };
        let title = format!("iomcopy: {title}");
        if failure.marks.is_empty() {
            let message = with_help(&failure.message, failure.help.as_deref());
            self.tell(level, SHOWN, &title, None, &message);
        }
        for mark in &failure.marks {
            let message = with_help(&mark.message, mark.help.as_deref());
            self.tell(level, SHOWN, &title, Some(mark), &message);
        }
    }

    fn tell(&self, level: Level, room: usize, title: &str, place: Option<&Mark>, message: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let count = match level {
            Level::Error => &mut told.errors,
            Level::Warning => &mut told.warnings,
        };
        if *count >= room {
            return;
        }
        *count += 1;
        let message = redact(message);
        let command = self.pipeline.annotation(level, title, place, &message);
        self.printer.instruct(self.pipeline, &command);
    }

    /// Folds a step, after the one before it if that is still folded.
    fn fold(&self, step: &str) {
        self.unfold();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.step += 1;
        told.is_folded = true;
        let title = format!("[{}/{}] {step}", told.step, told.steps);
        let command = self.pipeline.group(&title);
        self.printer.instruct(self.pipeline, &command);
    }

    fn unfold(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut told.is_folded) {
            let command = self.pipeline.end_group();
            self.printer.instruct(self.pipeline, command);
        }
    }

    fn hear(&self, kind: &EventKind) {
        match kind {
            EventKind::ChangeFailed {
                name,
                message,
                help,
                again: false,
                ..
            } => {
                let title = format!("iomcopy: {}", escape(name));
                self.complain(&title, &with_help(message, help.as_deref()));
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

/// A listener whose steps are folded, and whose troubles are annotated.
pub struct Annotated<L> {
    inner: L,
    annotations: Arc<Annotations>,
}

impl<L> Annotated<L> {
    /// The same listener, heard by a pipeline too.
    pub fn new(inner: L, annotations: Arc<Annotations>) -> Self {
        Self { inner, annotations }
    }
}

impl<L: Listener> Listener for Annotated<L> {
    fn hear(&self, event: &Event) {
        match &event.kind {
            EventKind::RunBegan { steps, .. } => {
                let told = &self.annotations.told;
                told.lock().unwrap_or_else(PoisonError::into_inner).steps = steps.len();
            }
            EventKind::StepBegan { step } => self.annotations.fold(step),
            _ => {}
        }
        self.inner.hear(event);
        self.annotations.hear(&event.kind);
        if matches!(
            event.kind,
            EventKind::StepEnded { .. } | EventKind::RunEnded { .. }
        ) {
            self.annotations.unfold();
        }
    }
}
