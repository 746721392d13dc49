//! The report of a run, written where the pipeline shows it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::suggested_commands;
use crate::base::{files, platform};
use crate::cli::common_arguments::RunFiles;
use crate::cli::process_environment::environment_variable;
use crate::cli::session::Session;
use crate::cli::step_names::step_names;
use crate::cli::warnings::is_answered;
use crate::journal;
use crate::report::{Pipeline, gather_report};
use crate::runbook::Runbook;

/// The largest step summary that GitHub shows.
const SIZE_LIMIT: usize = 1024 * 1024;

/// Writes the report of this state file as Markdown for the pipeline, if there is one. A failure is
/// a warning, and does not change how the run ended.
pub(super) fn write_summary(session: &Session, files: &RunFiles, runbook: &Runbook, state: &Path) {
    let Some(pipeline) = session.pipeline else {
        return;
    };
    if !journal::exists(state) {
        return;
    }
    if let Err(error) = write_for(session, pipeline, files, runbook, state) {
        let warning = format!("warning: the pipeline's summary cannot be written: {error:#}");
        session.printer.error(&warning);
    }
}

fn write_for(
    session: &Session,
    pipeline: Pipeline,
    files: &RunFiles,
    runbook: &Runbook,
    state: &Path,
) -> anyhow::Result<()> {
    let reading = journal::read_state_file(state)?;
    let next = suggested_commands(files, &reading).next;
    let file = state.display().to_string();
    let names = step_names(runbook, Some(&reading.state));
    let report = gather_report(&reading, &file, &names, &next);
    let report = report.without_answered(is_answered(&reading.state));
    match pipeline {
        Pipeline::GitHub => {
            // A job without this variable shows no summary.
            let Some(file) =
                environment_variable("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty())
            else {
                return Ok(());
            };
            let file = PathBuf::from(file);
            let used = std::fs::metadata(&file).map_or(0, |known| known.len());
            let free = SIZE_LIMIT.saturating_sub(usize::try_from(used).unwrap_or(SIZE_LIMIT));
            // One line break before the text and one after it.
            let text = report.markdown_within(free.saturating_sub(2));
            let text = text.context("the step summary of this job is full")?;
            let mut options = std::fs::OpenOptions::new();
            let mut opened = platform::open_regular(options.append(true).create(true), &file)
                .with_context(|| file.display().to_string())?;
            opened
                .write_all(format!("\n{text}\n").as_bytes())
                .with_context(|| file.display().to_string())
        }
        Pipeline::Azure => {
            // A command on stdout shows the summary, and with JSON output stdout has no commands.
            if session.annotations.is_none() {
                return Ok(());
            }
            let folder = environment_variable("AGENT_TEMPDIRECTORY").map(PathBuf::from);
            let name = format!("iomcopy-{}.md", reading.state.run);
            let file = match folder {
                Some(folder) => folder.join(name),
                None => state.with_file_name(name),
            };
            let file = std::path::absolute(&file).unwrap_or(file);
            let text = report.markdown_within(SIZE_LIMIT);
            let text = text.context("it is too long")?;
            // An earlier process of this run wrote a file with the same heading.
            let heading = text.lines().next().unwrap_or_default().as_bytes();
            let is_same_report = |found: &[u8]| found.starts_with(heading);
            let kind = "a report of this run";
            files::write_output(&file, text.as_bytes(), kind, Some(&is_same_report))
                .with_context(|| file.display().to_string())?;
            if let Some(command) = pipeline.summary(&file) {
                session.printer.send_command(pipeline, &command);
            }
            Ok(())
        }
    }
}
