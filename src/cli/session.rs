//! What every command needs: the printer, the output format, the request to stop.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::common_arguments::{Color, Common, Output};
use super::exit_code::{exit_code, exit_code_without_output, outcome_name};
use super::logging::{FinishTrace, start_logging};
use super::process_environment::environment_variable;
use super::signals::{Activity, Stopped, stop_on_signals};
use super::warnings::Warnings;
use crate::base::cancellation::Cancellation;
use crate::base::clock::Clock;
use crate::base::platform;
use crate::base::redaction::redact;
use crate::engine::{EventKind, Failure, FailureKind};
use crate::journal::StateFileContents;
use crate::report::{
    Annotations, Checkout, ColorChoice, EndSummary, FailureDocument, JsonLines, Palette, Pipeline,
    Printer, document,
};

/// One run of the program.
pub(super) struct Session {
    pub(super) printer: Arc<Printer>,
    pub(super) output: Output,
    pub(super) cancellation: Cancellation,
    /// Writes a run's events as JSON.
    pub(super) events: Arc<JsonLines>,
    /// What was found in this process and stopped nothing.
    pub(super) warnings: Arc<Warnings>,
    /// What did not succeed at first.
    pub(super) end_summary: Arc<EndSummary>,
    /// What the message at Ctrl-C depends on.
    pub(super) activity: Arc<Activity>,
    /// The pipeline that this process runs in.
    pub(super) pipeline: Option<Pipeline>,
    /// Writes annotations for the pipeline; `None` if stdout is JSON.
    pub(super) annotations: Option<Arc<Annotations>>,
    /// The command that this process carries out, to be copied into a shell.
    pub(super) command_line: String,
    /// Was `-v` given?
    pub(super) verbose: bool,
    /// Ends the trace, if this process sends one.
    pub(super) finish_trace: Option<FinishTrace>,
    color: ColorChoice,
    is_terminated: Arc<AtomicBool>,
}

impl Session {
    /// Resolves the common flags and the environment variables. Takes also the command as it was given.
    pub(super) fn new(common: &Common, command_line: String) -> Self {
        let choice = match common.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let terminal = std::io::stderr().is_terminal();
        let palette = Palette::decide(choice, terminal, environment_variable);
        let pipeline = Pipeline::detect(environment_variable);
        let printer = Arc::new(Printer::new(palette, common.quiet, pipeline.is_some()));
        let finish_trace = start_logging(&printer, common.verbose);
        let annotations = pipeline.filter(|_| common.output == Output::Human);
        let annotations = annotations.map(|pipeline| {
            if is_read_by(pipeline) {
                printer.mask_secrets_for(pipeline);
            }
            let checkout = find_checkout(pipeline);
            Arc::new(Annotations::new(pipeline, Arc::clone(&printer), checkout))
        });
        Self {
            events: Arc::new(JsonLines::new(Arc::clone(&printer))),
            printer,
            warnings: Arc::default(),
            end_summary: Arc::default(),
            activity: Arc::default(),
            pipeline,
            annotations,
            output: common.output,
            cancellation: Cancellation::new(),
            command_line,
            verbose: common.verbose > 0,
            finish_trace,
            color: choice,
            is_terminated: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Can a person answer a prompt?
    pub(super) fn can_prompt() -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Is progress a bar, rather than lines?
    pub(super) fn shows_live_table(&self) -> bool {
        let in_pipeline = self.pipeline.is_some()
            || environment_variable("CI").is_some_and(|value| !value.is_empty());
        self.printer.has_terminal() && !in_pipeline && can_move_cursor() && !self.verbose
    }

    /// Can stdout be drawn again in place?
    pub(super) fn draws_in_place(&self) -> bool {
        self.output == Output::Human
            && std::io::stdout().is_terminal()
            && self.pipeline.is_none()
            && can_move_cursor()
    }

    /// The colours of the data on stdout; none if stdout is not a terminal.
    pub(super) fn data_palette(&self) -> Palette {
        Palette::decide(
            self.color,
            std::io::stdout().is_terminal(),
            environment_variable,
        )
    }

    /// Stops on Ctrl-C and SIGTERM. Takes what the command does.
    pub(super) fn listen_to_signals(&self, stopped: Stopped) {
        stop_on_signals(
            self.cancellation.clone(),
            Arc::clone(&self.printer),
            Arc::clone(&self.is_terminated),
            Arc::clone(&self.activity),
            stopped,
        );
    }

    /// Prints warnings on stderr.
    pub(super) fn warn(&self, warnings: &[String]) {
        for warning in warnings {
            self.printer.error(&format!("warning: {warning}"));
        }
    }

    /// Prints on stderr that a state file lacks records of its run, if it does.
    pub(super) fn warn_of_lost_records(&self, contents: &StateFileContents) {
        if let Some(lost) = &contents.lost {
            self.warn(&[lost.message()]);
        }
    }

    /// The exit code of a failure in this process.
    pub(super) fn exit_code(&self, kind: FailureKind) -> u8 {
        exit_code(kind, self.is_terminated.load(Ordering::SeqCst))
    }

    /// The exit code of this process after all its output. Takes the command's exit code.
    pub(super) fn final_exit_code(&self, exit: u8) -> u8 {
        match self.printer.lost() {
            Some(_) => exit_code_without_output(exit),
            None => exit,
        }
    }

    /// Reports a failure on stderr, and as JSON on stdout if that is the output format; returns its
    /// exit code. With `as_event`, the JSON is the last event of a run.
    pub(super) fn report_failure(&self, failure: &Failure, as_event: bool) -> u8 {
        let exit = self.print_failure(failure);
        match self.output {
            Output::Human => {}
            Output::Json if as_event => {
                let time = format!("{:.3}", Clock::new(1.0).time_of_day());
                let outcome = outcome_name(failure.kind);
                let event = run_ended_event(outcome, exit, Some(failure), Value::Null);
                self.events.end(time, event);
            }
            Output::Json => {
                let document = document(&FailureDocument::new(failure, exit));
                self.printer.data(&document);
            }
        }
        exit
    }

    /// Prints a failure on stderr and returns its exit code.
    pub(super) fn print_failure(&self, failure: &Failure) -> u8 {
        self.print_failure_with(failure, failure.help.as_deref())
    }

    /// The same with this help for the reader of the terminal or log. An annotation, which stands
    /// alone, has the failure's own.
    pub(super) fn print_failure_with(&self, failure: &Failure, help: Option<&str>) -> u8 {
        let palette = self.printer.palette();
        let head = match failure.kind {
            FailureKind::Waiting => palette.notable("waiting:"),
            FailureKind::Interrupted => palette.notable("interrupted:"),
            _ => palette.bad("error:"),
        };
        self.printer.hide_live();
        let message = redact(&failure.message);
        if is_located(failure) {
            self.printer.error(&message);
        } else {
            self.printer.error(&format!("{head} {message}"));
        }
        if let Some(help) = help {
            self.printer.error(&format!("help: {}", redact(help)));
        }
        if let Some(annotations) = &self.annotations {
            annotations.fail(failure);
        }
        self.exit_code(failure.kind)
    }
}

/// Does the message begin with a place in the runbook? Then it has its own head,
/// `uat.yaml:7:3: error: …`, in the form that editors jump to.
fn is_located(failure: &Failure) -> bool {
    let mut marks = failure.marks.iter();
    marks.any(|mark| {
        let place = format!(
            "{}:{}:{}: {}: ",
            mark.file, mark.line, mark.column, mark.severity
        );
        failure.message.starts_with(&place)
    })
}

/// The last event of a run. Takes the failure that ended it, if it failed.
pub(super) fn run_ended_event(
    outcome: &str,
    exit: u8,
    failure: Option<&Failure>,
    summary: Value,
) -> EventKind {
    EventKind::RunEnded {
        outcome: outcome.to_owned(),
        exit,
        message: failure.map(Failure::headline),
        help: failure.and_then(|failure| failure.help.clone()),
        kind: failure.map(|failure| failure.kind),
        diagnostics: failure.map_or_else(Vec::new, |failure| failure.marks.to_vec()),
        failures: failure.map_or_else(Vec::new, Failure::items),
        summary,
    }
}

/// Does a pipeline read the stream on which it takes commands? A file does not: a command there
/// would keep the secret that it should mask.
fn is_read_by(pipeline: Pipeline) -> bool {
    if pipeline.reads_stdout() {
        platform::is_pipe(&std::io::stdout())
    } else {
        platform::is_pipe(&std::io::stderr())
    }
}

/// Where a pipeline has the repository. GitHub names the file of an annotation by its path there;
/// Azure Pipelines takes any path.
fn find_checkout(pipeline: Pipeline) -> Checkout {
    let root = match pipeline {
        Pipeline::GitHub => environment_variable("GITHUB_WORKSPACE"),
        Pipeline::Azure => None,
    };
    Checkout {
        root: root.map(PathBuf::from),
        current: std::env::current_dir().unwrap_or_default(),
    }
}

/// Does the terminal, if there is one, understand more than text?
fn can_move_cursor() -> bool {
    environment_variable("TERM").as_deref() != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::RunbookPlace;

    #[test]
    fn a_message_about_a_place_in_the_runbook_has_one_head() {
        let place = RunbookPlace {
            file: "uat.yaml".to_owned(),
            line: 7,
            column: 3,
            end_line: 7,
            end_column: 9,
            severity: "error".to_owned(),
            message: "the variable SECRET is not set".to_owned(),
            help: None,
        };
        let failure =
            |message: &str| Failure::new(FailureKind::InvalidInput, message).at([place.clone()]);
        let located = failure("uat.yaml:7:3: error: the variable SECRET is not set\n 7 | x");
        assert!(is_located(&located));
        assert!(!is_located(&failure(
            "invalid runbook\nuat.yaml:7:3: error: x"
        )));
        assert!(!is_located(&Failure::failed("the service said no")));
    }
}
