//! What the later steps and jobs of a pipeline read about a run: its outputs.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::reports::ReportFile;
use crate::base::platform;
use crate::cli::exit_code::exit_meaning;
use crate::cli::process_environment::environment_variable;
use crate::cli::session::Session;
use crate::engine::{Failure, RunbookPlace};
use crate::journal;
use crate::report::Pipeline;
use crate::runbook::Runbook;

/// Prepares the output of a run for the pipeline, if there is one: what happens in a step is
/// annotated where the runbook has the step, and the lines of a step are in the stream of its group.
pub(super) fn prepare(session: &Session, runbook: &Runbook) {
    let (Some(annotations), Some(pipeline)) = (&session.annotations, session.pipeline) else {
        return;
    };
    if pipeline.reads_stdout() {
        session.printer.log_to_stdout();
    }
    let steps = runbook.steps.in_order();
    let places: BTreeMap<String, RunbookPlace> = steps
        .iter()
        .map(|step| {
            let here = runbook.diagnostic(step.span(), "", None);
            (step.name().to_owned(), RunbookPlace::from(&here))
        })
        .collect();
    annotations.locate_steps(places);
}

/// Writes the outputs of a run for the pipeline, if there is one. Takes the path of the state file
/// if the runbook could be read, the reports that were written, and how the run ended. A failure is
/// a warning, and does not change how the run ended.
pub(super) fn write_outputs(
    session: &Session,
    state: Option<&Path>,
    reports: &[&ReportFile],
    result: &Result<u8, Failure>,
) {
    let Some(pipeline) = session.pipeline else {
        return;
    };
    let exit = match result {
        Ok(exit) => *exit,
        Err(failure) => session.exit_code(failure.kind),
    };
    let mut outputs = vec![
        ("exit".to_owned(), exit.to_string()),
        ("meaning".to_owned(), exit_meaning(exit).to_owned()),
    ];
    outputs.extend(state.map(describe_run).unwrap_or_default());
    outputs.extend(reports.iter().map(|report| {
        let name = format!("report-{}", report.format_name());
        (name, absolute(report.path()))
    }));
    let lines: Vec<String> = outputs
        .iter()
        .map(|(name, value)| pipeline.output(name, value))
        .collect();
    if let Err(error) = write_for(session, pipeline, &lines) {
        let warning = format!("warning: the pipeline's outputs cannot be written: {error:#}");
        session.printer.error(&warning);
    }
}

/// The outputs that the state file has: the run, the file, and the tasks that wait for a person.
fn describe_run(state: &Path) -> Vec<(String, String)> {
    let mut outputs = vec![("state-file".to_owned(), absolute(state))];
    let contents = journal::exists(state).then(|| journal::read_state_file(state));
    if let Some(Ok(contents)) = contents {
        let state = &contents.state;
        let waiting: Vec<&str> = state
            .waiting()
            .map(|task| task.waiting.task.as_str())
            .collect();
        outputs.push(("run".to_owned(), state.run.to_string()));
        outputs.push(("waiting-task".to_owned(), waiting.join(" ")));
    }
    outputs
}

fn absolute(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.display().to_string()
}

fn write_for(session: &Session, pipeline: Pipeline, lines: &[String]) -> anyhow::Result<()> {
    match pipeline {
        Pipeline::GitHub => {
            // A step without this variable has no outputs.
            let file = environment_variable("GITHUB_OUTPUT").filter(|file| !file.is_empty());
            let Some(file) = file.map(PathBuf::from) else {
                return Ok(());
            };
            let mut options = std::fs::OpenOptions::new();
            let mut opened = platform::open_regular(options.append(true).create(true), &file)
                .with_context(|| file.display().to_string())?;
            opened
                .write_all(format!("{}\n", lines.join("\n")).as_bytes())
                .with_context(|| file.display().to_string())
        }
        Pipeline::Azure => {
            // With JSON output, stdout has no commands.
            if session.annotations.is_some() {
                for command in lines {
                    session.printer.send_command(pipeline, command);
                }
            }
            Ok(())
        }
    }
}
