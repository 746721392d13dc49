//! What every command is given: the printer, the output's form, the wish to stop.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::arguments::{Color, Common, Output};
use super::exit::{code, without_output, word};
use super::notes::Notes;
use crate::base::cancellation::Cancellation;
use crate::base::clock::Clock;
use crate::base::text::redact;
use crate::engine::{EventKind, Failure, FailureKind};
use crate::report::{
    Annotations, ColorChoice, FailureDocument, JsonLines, Palette, Pipeline, Printer, document,
    headline,
};

/// One call of the program.
pub(super) struct Session {
    pub(super) printer: Arc<Printer>,
    pub(super) output: Output,
    pub(super) cancellation: Cancellation,
    /// What a run's events are written by as JSON.
    pub(super) events: Arc<JsonLines>,
    /// What was found and stopped nothing.
    pub(super) notes: Arc<Notes>,
    /// The pipeline that this call runs in.
    pub(super) pipeline: Option<Pipeline>,
    /// What a pipeline is told by commands; none where stdout belongs to a program that reads JSON.
    pub(super) annotations: Option<Arc<Annotations>>,
    color: ColorChoice,
    state: Option<PathBuf>,
    verbose: bool,
    terminated: Arc<AtomicBool>,
}

impl Session {
    /// Resolves what was typed and what the environment says.
    pub(super) fn new(common: &Common) -> Self {
        let choice = match common.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let terminal = std::io::stderr().is_terminal();
        let palette = Palette::decide(choice, terminal, variable);
        let pipeline = Pipeline::decide(variable);
        let printer = Arc::new(Printer::new(palette, common.quiet, pipeline.is_some()));
        log(&printer, common.verbose);
        let annotations = pipeline.filter(|_| common.output == Output::Human);
        let annotations =
            annotations.map(|pipeline| Arc::new(Annotations::new(pipeline, Arc::clone(&printer))));
        Self {
            events: Arc::new(JsonLines::new(Arc::clone(&printer))),
            printer,
            notes: Arc::default(),
            pipeline,
            annotations,
            output: common.output,
            cancellation: Cancellation::new(),
            color: choice,
            state: common.state.clone(),
            verbose: common.verbose > 0,
            terminated: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Is there a person who can be asked?
    pub(super) fn can_ask() -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Should progress be drawn, and not written line by line?
    pub(super) fn draws(&self) -> bool {
        let in_pipeline =
            self.pipeline.is_some() || variable("CI").is_some_and(|value| !value.is_empty());
        let dumb = variable("TERM").as_deref() == Some("dumb");
        self.printer.has_terminal() && !in_pipeline && !dumb && !self.verbose
    }

    /// The colours of what is written to stdout: none where stdout is no terminal.
    pub(super) fn data_palette(&self) -> Palette {
        Palette::decide(self.color, std::io::stdout().is_terminal(), variable)
    }

    /// The state file that was named on the command line.
    pub(super) fn given_state(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    /// Where the state of this runbook's run is kept. Takes the runbook's path and name.
    pub(super) fn state_path(&self, runbook: &Path, name: &str) -> PathBuf {
        let beside = || runbook.with_file_name(format!("{name}.iomcopy.jsonl"));
        self.state.clone().unwrap_or_else(beside)
    }

    /// A runbook as the commands that come next name it: with the state file, where one was given.
    pub(super) fn named(&self, runbook: &Path) -> String {
        let quoted = |path: &Path| {
            let path = path.display().to_string();
            if path.contains(char::is_whitespace) {
                format!("\"{path}\"")
            } else {
                path
            }
        };
        let state = self.state.as_deref();
        let state = state.map(|state| format!(" --state {}", quoted(state)));
        format!("{}{}", quoted(runbook), state.unwrap_or_default())
    }

    /// Ctrl-C once asks to stop, twice insists; SIGTERM does as Ctrl-C.
    pub(super) fn listen_to_signals(&self) {
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            self.printer
                .complain("warning: signals cannot be heard; Ctrl-C ends the program at once");
            return;
        };
        let (cancellation, printer) = (self.cancellation.clone(), Arc::clone(&self.printer));
        let terminated = Arc::clone(&self.terminated);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => terminated.store(true, Ordering::SeqCst),
                }
                if cancellation.asked() {
                    printer.complain("Stopping now. The state file is right; run again to go on.");
                    cancellation.insist();
                } else {
                    printer.complain(
                        "Stopping: nothing new is begun, what is under way is awaited and recorded. \
                         Once more to stop at once.",
                    );
                    cancellation.ask();
                }
            }
        });
    }

    /// Shows what is wrong and stops nothing, a line each, on stderr.
    pub(super) fn warn(&self, warnings: &[String]) {
        for warning in warnings {
            self.printer.complain(&format!("warning: {warning}"));
        }
    }

    /// The exit code of a failure in this call.
    pub(super) fn code(&self, kind: FailureKind) -> u8 {
        code(kind, self.terminated.load(Ordering::SeqCst))
    }

    /// The exit code that this call ends with, after all its output. Takes the command's own.
    pub(super) fn settled(&self, exit: u8) -> u8 {
        match self.printer.lost() {
            Some(_) => without_output(exit),
            None => exit,
        }
    }

    /// Tells a failure on stderr, and to a program that reads JSON on stdout as well; returns its
    /// exit code. `events` says whether that program reads events, whose last this then is.
    pub(super) fn fail(&self, failure: &Failure, events: bool) -> u8 {
        let exit = self.tell(failure);
        match self.output {
            Output::Human => {}
            Output::Json if events => {
                let time = Clock::new(1.0).time_of_day().to_string();
                self.events.end(time, ended(failure, exit));
            }
            Output::Json => {
                let document = document(&FailureDocument::new(failure, exit));
                self.printer.data(&document);
            }
        }
        exit
    }

    /// Tells a failure on stderr and returns its exit code.
    pub(super) fn tell(&self, failure: &Failure) -> u8 {
        let palette = self.printer.palette();
        let head = match failure.kind {
            FailureKind::Waiting => palette.notable("waiting:"),
            FailureKind::Interrupted => palette.notable("interrupted:"),
            _ => palette.bad("error:"),
        };
        self.printer.hide_all();
        self.printer
            .complain(&format!("{head} {}", redact(&failure.message)));
        if let Some(help) = &failure.help {
            self.printer.complain(&format!("help: {}", redact(help)));
        }
        if let Some(annotations) = &self.annotations {
            annotations.fail(failure);
        }
        self.code(failure.kind)
    }
}

/// The last event of a run that failed before it began.
fn ended(failure: &Failure, exit: u8) -> EventKind {
    EventKind::RunEnded {
        outcome: word(failure.kind).to_owned(),
        exit,
        message: Some(headline(failure)),
        help: failure.help.clone(),
        kind: Some(failure.kind),
        diagnostics: failure.marks.clone(),
        summary: Value::Null,
    }
}

/// A variable of the process's environment, if it is set and is text.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Sends log lines to stderr, through the printer, so that they do not tear the bar.
fn log(printer: &Arc<Printer>, verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "iomcopy=debug",
        _ => "iomcopy=trace,azure_identity=debug",
    };
    let filter = EnvFilter::try_new(level).unwrap_or_default();
    let writer = Arc::clone(printer);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(false)
        .without_time()
        .with_writer(move || Through(Arc::clone(&writer)));
    // A second call in the same process keeps the first subscriber.
    drop(subscriber.try_init());
}

/// A writer that goes through the printer.
struct Through(Arc<Printer>);

impl std::io::Write for Through {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.as_ref().write_log(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
