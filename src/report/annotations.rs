//! The commands of a run for its pipeline: each step is a folded group, and what a person must see
//! is an annotation. The log contains all of it as well.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::TaskCommands;
use super::pipeline::{Level, Pipeline};
use super::printer::Printer;
use crate::base::redaction::redact;
use crate::base::sync::lock;
use crate::base::text::{count, escape};
use crate::engine::{Event, EventKind, Failure, FailureKind, Listener, RunbookPlace, StepLine};

/// How many errors and how many warnings of a job's step a pipeline shows. It silently drops the
/// rest.
const SHOWN: usize = 10;

/// Writes annotations for what a person must see, each once.
pub struct Annotations {
    pipeline: Pipeline,
    printer: Arc<Printer>,
    checkout: Checkout,
    state: Mutex<State>,
}

/// Where the pipeline has the repository, to name a file as the repository does.
#[derive(Clone, Debug, Default)]
pub struct Checkout {
    /// The folder of the repository, if it is known.
    pub root: Option<PathBuf>,
    /// The folder that relative paths begin in.
    pub current: PathBuf,
}

#[derive(Default)]
struct State {
    errors: usize,
    warnings: usize,
    steps: Vec<StepLine>,
    /// The arguments that name the runbook and its state file.
    arguments: String,
    /// Where each step is in the runbook.
    places: BTreeMap<String, RunbookPlace>,
    /// The messages and tasks that have an annotation: the failure that ends the run repeats them.
    annotated: Vec<String>,
    has_open_group: bool,
}

impl Checkout {
    /// The path of a file in the repository, with `/` between its parts. As it is, if the file is
    /// outside or the repository's folder is unknown.
    fn path(&self, file: &str) -> String {
        let inside = self.root.as_deref().and_then(|root| {
            let whole = without_detours(&self.current.join(file));
            Some(whole.strip_prefix(root).ok()?.to_owned())
        });
        let Some(inside) = inside else {
            return file.to_owned();
        };
        let parts = inside.components();
        let parts: Vec<_> = parts
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        parts.join("/")
    }
}

/// A path without `.` and `..`.
fn without_detours(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

impl Annotations {
    /// Annotations for this pipeline, through this printer.
    pub fn new(pipeline: Pipeline, printer: Arc<Printer>, checkout: Checkout) -> Self {
        Self {
            pipeline,
            printer,
            checkout,
            state: Mutex::default(),
        }
    }

    /// Sets the position of each step in the runbook, where the events of the step are annotated.
    pub fn locate_steps(&self, places: BTreeMap<String, RunbookPlace>) {
        lock(&self.state).places = places;
    }

    /// Writes a warning, unless the pipeline would drop it.
    pub fn warn(&self, title: &str, message: &str) {
        self.send(self.command(Level::Warning, SHOWN, title, None, message));
    }

    /// Writes an error. One place stays free for the failure that ends the command.
    pub fn error(&self, title: &str, message: &str) {
        let command = self.command(Level::Error, SHOWN - 1, title, None, message);
        if command.is_some() {
            let first_line = message.lines().next().unwrap_or_default();
            lock(&self.state).annotated.push(first_line.to_owned());
        }
        self.send(command);
    }

    /// Writes the failure that ends a command: each place in the runbook that it is about, else each
    /// single failure. A failure that has an annotation does not get another.
    pub fn fail(&self, failure: &Failure) {
        self.send(self.commands_of_failure(failure));
    }

    fn commands_of_failure(&self, failure: &Failure) -> Vec<String> {
        let mut commands = Vec::new();
        for mark in &failure.marks {
            let message = with_help(&mark.message, mark.help.as_deref());
            let (level, title) = heading(failure.kind);
            commands.extend(self.command(level, SHOWN, title, Some(mark), &message));
        }
        if !failure.marks.is_empty() {
            return commands;
        }
        for single in failure.each() {
            if self.is_annotated(&single.message) {
                continue;
            }
            // The kind of the whole decides for its only part: a run that waits has not failed.
            let kind = if failure.failures.is_empty() {
                failure.kind
            } else {
                single.kind
            };
            let (level, title) = heading(kind);
            let step = single.location.as_deref().map(|at| at.step.as_str());
            let place = self.place(step);
            let message = with_help(&single.message, single.help.as_deref());
            commands.extend(self.command(level, SHOWN, title, place.as_ref(), &message));
        }
        commands
    }

    fn send(&self, commands: impl IntoIterator<Item = String>) {
        for command in commands {
            self.printer.send_command(self.pipeline, &command);
        }
    }

    fn is_annotated(&self, message: &str) -> bool {
        let state = lock(&self.state);
        let mut annotated = state.annotated.iter();
        annotated.any(|known| !known.is_empty() && message.contains(known))
    }

    /// Where a step is in the runbook.
    fn place(&self, step: Option<&str>) -> Option<RunbookPlace> {
        lock(&self.state).places.get(step?).cloned()
    }

    /// The command of an annotation, which then counts; none if the pipeline would drop it.
    fn command(
        &self,
        level: Level,
        limit: usize,
        title: &str,
        place: Option<&RunbookPlace>,
        message: &str,
    ) -> Option<String> {
        let mut state = lock(&self.state);
        let count = match level {
            Level::Error => &mut state.errors,
            Level::Warning => &mut state.warnings,
        };
        if *count >= limit {
            return None;
        }
        *count += 1;
        let message = redact(message);
        let place = place.map(|place| RunbookPlace {
            file: self.checkout.path(&place.file),
            ..place.clone()
        });
        let place = place.as_ref();
        Some(self.pipeline.annotation(level, title, place, &message))
    }

    /// Begins the folded group of a step, and ends the one before it.
    fn begin_group(&self, step: &str) {
        self.end_group();
        let mut state = lock(&self.state);
        state.has_open_group = true;
        let number = state.steps.iter().position(|line| line.name == step);
        let (number, steps) = (number.map_or(0, |at| at + 1), state.steps.len());
        let command = self.pipeline.group(&format!("[{number}/{steps}] {step}"));
        self.printer.send_command(self.pipeline, &command);
        let done = number.saturating_sub(1) * 100 / steps.max(1);
        self.show_progress(done, &format!("Step {number} of {steps}: {step}"));
    }

    fn end_group(&self) {
        let mut state = lock(&self.state);
        if std::mem::take(&mut state.has_open_group) {
            let command = self.pipeline.end_group();
            self.printer.send_command(self.pipeline, command);
        }
    }

    fn show_progress(&self, percent: usize, text: &str) {
        if let Some(command) = self.pipeline.progress(percent, text) {
            self.printer.send_command(self.pipeline, &command);
        }
    }

    /// The annotation of a change that failed or stays open, in its step.
    fn command_of_change(
        &self,
        (level, limit): (Level, usize),
        (step, name): (&str, &str),
        message: &str,
        help: Option<&str>,
    ) -> Option<String> {
        let title = format!("iomcopy: {}", escape(name));
        let place = self.place(Some(step));
        let text = with_help(message, help);
        let command = self.command(level, limit, &title, place.as_ref(), &text)?;
        lock(&self.state).annotated.push(message.to_owned());
        Some(command)
    }

    /// The annotation of an event, if it has one.
    fn command_of_event(&self, kind: &EventKind) -> Option<String> {
        match kind {
            EventKind::ChangeFailed {
                step,
                name,
                message,
                help,
                again: false,
                ..
            } => {
                let level = (Level::Error, SHOWN - 1);
                self.command_of_change(level, (step, name), message, help.as_deref())
            }
            EventKind::ChangeOpen {
                step,
                name,
                message,
                help,
                ..
            } => {
                let level = (Level::Warning, SHOWN);
                self.command_of_change(level, (step, name), message, help.as_deref())
            }
            EventKind::Noted {
                step,
                message,
                remedy,
            } => {
                let message = &with_fix(message, remedy.as_deref());
                let title = format!("iomcopy: {step}");
                let place = self.place(Some(step));
                self.command(Level::Warning, SHOWN, &title, place.as_ref(), message)
            }
            EventKind::ManualTask {
                task,
                things,
                needs_waiver,
                ..
            } => {
                let title = format!("iomcopy: manual task {task}");
                let place = self.place(task.split('/').next());
                let things = count(*things, "thing");
                let mut message = format!("{things} to do; the summary of the job lists each");
                if *needs_waiver {
                    let arguments = lock(&self.state).arguments.clone();
                    let commands = TaskCommands::new(&arguments, task, true);
                    message += &format!("; when it is done: {}", commands.next());
                }
                let place = place.as_ref();
                let command = self.command(Level::Warning, SHOWN, &title, place, &message)?;
                // The failure that ends the run names it in this form.
                lock(&self.state).annotated.push(format!("({task})"));
                Some(command)
            }
            _ => None,
        }
    }
}

/// How severe the end of a command is, and its heading.
fn heading(kind: FailureKind) -> (Level, &'static str) {
    match kind {
        FailureKind::Waiting => (Level::Warning, "iomcopy: waiting for a person"),
        FailureKind::Interrupted => (Level::Warning, "iomcopy: interrupted"),
        FailureKind::Temporary => (Level::Error, "iomcopy: temporary: run again"),
        FailureKind::Refused => (Level::Error, "iomcopy: refused"),
        FailureKind::NotAllowed => (Level::Error, "iomcopy: not allowed"),
        FailureKind::Unconfirmed => (Level::Error, "iomcopy: not confirmed"),
        FailureKind::InvalidInput | FailureKind::Failed => (Level::Error, "iomcopy: failed"),
    }
}

fn with_help(message: &str, help: Option<&str>) -> String {
    let help = help.map(|help| format!("\nhelp: {help}"));
    format!("{message}{}", help.unwrap_or_default())
}

fn with_fix(message: &str, fix: Option<&str>) -> String {
    let fix = fix.map(|fix| format!("\nfix: {fix}"));
    format!("{message}{}", fix.unwrap_or_default())
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
            EventKind::RunBegan {
                steps, arguments, ..
            } => {
                let mut state = lock(&self.annotations.state);
                state.steps.clone_from(steps);
                state.arguments.clone_from(arguments);
            }
            EventKind::StepBegan { step } => {
                // The group's title is the line of this event.
                self.annotations.begin_group(step);
                return;
            }
            _ => {}
        }
        self.inner.on_event(event);
        let annotations = &self.annotations;
        annotations.send(annotations.command_of_event(&event.kind));
        match &event.kind {
            EventKind::StepEnded { .. } => self.annotations.end_group(),
            EventKind::RunEnded { outcome, .. } => {
                self.annotations.end_group();
                if outcome == "finished" {
                    self.annotations.show_progress(100, "finished");
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: usize) -> RunbookPlace {
        RunbookPlace {
            file: "uat.yaml".to_owned(),
            line,
            column: 5,
            end_line: line,
            end_column: 19,
            severity: "error".to_owned(),
            message: String::new(),
            help: None,
        }
    }

    fn annotations(pipeline: Pipeline) -> Annotations {
        let printer = Arc::new(Printer::new(crate::report::Palette::plain(), true, true));
        let annotations = Annotations::new(pipeline, printer, Checkout::default());
        let step = ("activate-flows".to_owned(), place(12));
        annotations.locate_steps([step].into());
        annotations
    }

    fn failed(name: &str, message: &str) -> EventKind {
        EventKind::ChangeFailed {
            step: "activate-flows".to_owned(),
            phase: "activate".to_owned(),
            key: name.to_owned(),
            name: name.to_owned(),
            message: message.to_owned(),
            help: Some("ask for a licence".to_owned()),
            again: false,
        }
    }

    #[test]
    fn a_failure_has_one_annotation_at_its_step() {
        let github = annotations(Pipeline::GitHub);
        let expected = "::error file=uat.yaml,line=12,endLine=12,col=5,endColumn=19,\
                        title=iomcopy%3A turn on 'A'::no licence%0Ahelp: ask for a licence";
        let event = failed("turn on 'A'", "no licence");
        assert_eq!(github.command_of_event(&event).as_deref(), Some(expected));
        // The failure that ends the run repeats it, with where it happened.
        let again = Failure::failed("activate-flows/activate: no licence");
        assert_eq!(github.commands_of_failure(&again), [""; 0]);
        let other = Failure::failed("the disk is full").with_help("free some space");
        assert_eq!(
            github.commands_of_failure(&other),
            ["::error title=iomcopy%3A failed::the disk is full%0Ahelp: free some space"]
        );
        let azure = annotations(Pipeline::Azure);
        assert_eq!(
            azure.command_of_event(&event).as_deref(),
            Some(
                "##vso[task.logissue type=error;sourcepath=uat.yaml;linenumber=12;columnnumber=5;]\
                 iomcopy: turn on 'A': no licence%0Ahelp: ask for a licence"
            )
        );
    }

    #[test]
    fn a_task_without_evidence_names_its_waiver() {
        let github = annotations(Pipeline::GitHub);
        lock(&github.state).arguments = "uat.yaml".to_owned();
        let asked = |needs_waiver| EventKind::ManualTask {
            task: "call/by-hand".to_owned(),
            things: 1,
            instructions: Vec::new(),
            advice: Vec::new(),
            to_do: Vec::new(),
            evidence: Vec::new(),
            needs_waiver,
        };
        let shown = |needs_waiver| github.command_of_event(&asked(needs_waiver)).unwrap();
        let waive = "iomcopy complete uat.yaml call/by-hand --waive \"who, when\"";
        assert!(shown(true).ends_with(waive), "{}", shown(true));
        assert!(!shown(false).contains("iomcopy complete"));
    }

    #[test]
    fn the_failure_that_ends_a_run_has_a_place_among_the_ten_that_are_shown() {
        let github = annotations(Pipeline::GitHub);
        let events = (0..12).map(|at| failed(&format!("{at}"), &format!("reason {at}.")));
        let shown = events.filter(|event| github.command_of_event(event).is_some());
        assert_eq!(shown.count(), 9);
        let last = Failure::failed("reason 11.");
        assert_eq!(github.commands_of_failure(&last).len(), 1);
        assert_eq!(github.commands_of_failure(&last).len(), 0, "the eleventh");
    }

    #[test]
    fn a_file_has_its_path_in_the_repository() {
        let checkout = Checkout {
            root: Some(PathBuf::from("/work/shop")),
            current: PathBuf::from("/work/shop/refresh"),
        };
        assert_eq!(checkout.path("uat.yaml"), "refresh/uat.yaml");
        assert_eq!(checkout.path("./../uat.yaml"), "uat.yaml");
        assert_eq!(checkout.path("/work/shop/a/uat.yaml"), "a/uat.yaml");
        assert_eq!(checkout.path("/etc/uat.yaml"), "/etc/uat.yaml");
        let unknown = Checkout::default();
        assert_eq!(unknown.path("./uat.yaml"), "./uat.yaml");
    }
}
