//! The report of a run, written where the pipeline shows it.

use std::path::Path;

use super::suggested_commands;
use crate::cli::common_arguments::RunFiles;
use crate::cli::job_summary::{JobSummary, warn_of_no_summary};
use crate::cli::session::Session;
use crate::cli::step_names::step_names;
use crate::cli::warnings::is_answered;
use crate::journal;
use crate::report::gather_report;
use crate::runbook::Runbook;

/// Writes the report of this state file as Markdown for the pipeline, if there is one. A failure is
/// a warning, and does not change how the run ended.
pub(super) fn write_summary(session: &Session, files: &RunFiles, runbook: &Runbook, state: &Path) {
    if session.pipeline.is_none() || !journal::exists(state) {
        return;
    }
    let reading = match journal::read_state_file(state) {
        Ok(reading) => reading,
        Err(error) => return warn_of_no_summary(session, &error),
    };
    let next = suggested_commands(files, &reading).next;
    let file = state.display().to_string();
    let names = step_names(runbook, Some(&reading.state));
    let report = gather_report(&reading, &file, &names, &next);
    let report = report.without_answered(is_answered(&reading.state));
    let summary = JobSummary {
        file_name: &format!("iomcopy-{}.md", reading.state.run),
        folder: state.parent().unwrap_or(state),
        render: |bytes| report.markdown_within(bytes),
    };
    summary.show(session);
}
