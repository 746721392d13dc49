//! The report of a run, left where the pipeline that it runs in shows it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::session::{Session, variable};
use crate::base::files;
use crate::journal;
use crate::report::{Pipeline, gather};
use crate::steps::NAMES;

/// What GitHub takes as the summary of a job's step; of more it shows nothing.
const LARGEST: usize = 1024 * 1024;

/// Leaves the report of this state file as Markdown for the pipeline, where there is one. What goes
/// wrong is told, and changes nothing about how the run ended.
pub(super) fn leave_summary(session: &Session, runbook: &Path, state: &Path) {
    let Some(pipeline) = session.pipeline else {
        return;
    };
    if !journal::exists(state) {
        return;
    }
    if let Err(error) = leave(session, pipeline, runbook, state) {
        let warning = format!("warning: the pipeline's summary could not be written: {error:#}");
        session.printer.complain(&warning);
    }
}

fn leave(
    session: &Session,
    pipeline: Pipeline,
    runbook: &Path,
    state: &Path,
) -> anyhow::Result<()> {
    let reading = journal::read(state)?;
    let named = session.named(runbook);
    let report = gather(&reading, &state.display().to_string(), &NAMES, &named);
    match pipeline {
        Pipeline::GitHub => {
            // A job that was set up without it has nowhere to show a summary.
            let Some(file) = variable("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) else {
                return Ok(());
            };
            let file = PathBuf::from(file);
            let taken = std::fs::metadata(&file).map_or(0, |known| known.len());
            let room = LARGEST.saturating_sub(usize::try_from(taken).unwrap_or(LARGEST));
            // A line's end before it and after it.
            let text = report.markdown_within(room.saturating_sub(2));
            let text = text.context("there is no room left for it")?;
            let mut options = std::fs::OpenOptions::new();
            let mut opened = files::open_with(options.append(true).create(true), &file)
                .with_context(|| file.display().to_string())?;
            opened
                .write_all(format!("\n{text}\n").as_bytes())
                .with_context(|| file.display().to_string())
        }
        Pipeline::Azure => {
            // It is shown by a command, and commands are none of JSON's.
            if session.annotations.is_none() {
                return Ok(());
            }
            let folder = variable("AGENT_TEMPDIRECTORY").map(PathBuf::from);
            let name = format!("iomcopy-{}.md", reading.state.run);
            let file = match folder {
                Some(folder) => folder.join(name),
                None => state.with_file_name(name),
            };
            let file = std::path::absolute(&file).unwrap_or(file);
            let text = report.markdown_within(LARGEST);
            let text = text.context("it is too long")?;
            // An earlier process of this run has left one with the same heading.
            let heading = text.lines().next().unwrap_or_default().as_bytes();
            let same = |found: &[u8]| found.starts_with(heading);
            let kind = "a report of this run";
            files::write_output(&file, text.as_bytes(), kind, Some(&same))
                .with_context(|| file.display().to_string())?;
            if let Some(command) = pipeline.summary(&file) {
                session.printer.instruct(pipeline, &command);
            }
            Ok(())
        }
    }
}
