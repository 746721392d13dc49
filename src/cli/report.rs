//! `iomcopy report`: what a run did, from its state file alone.

use super::arguments::{Output, ReportArguments, ReportForm};
use super::document;
use super::exit::DONE;
use super::session::Session;
use crate::engine::{Failure, FailureKind};
use crate::journal;
use crate::report::{ReportFormat, gather, not_begun};
use crate::steps::NAMES;

/// Reads the state file without repairing it, and writes what the run did so far. Exit 0 whatever
/// became of the run.
pub(super) fn report(session: &Session, arguments: &ReportArguments) -> Result<u8, Failure> {
    let format = format(session, arguments)?;
    let runbook = document::read(&arguments.runbook)?;
    let path = session.state_path(&arguments.runbook, &runbook.name.value);
    let named = session.named(&arguments.runbook);
    let file = path.display().to_string();
    let report = if journal::exists(&path) {
        gather(&journal::read(&path)?, &file, &NAMES, &named)
    } else {
        not_begun(&runbook.name.value, &file, &NAMES, &named)
    };
    session.printer.data(&report.render(format));
    Ok(DONE)
}

/// The form that was asked for. `--output json` means JSON, and nothing else goes with it.
fn format(session: &Session, arguments: &ReportArguments) -> Result<ReportFormat, Failure> {
    match (session.output, arguments.format) {
        (_, Some(ReportForm::Json)) | (Output::Json, None) => Ok(ReportFormat::Json),
        (Output::Json, Some(_)) => Err(Failure::new(
            FailureKind::Wrong,
            "--output json writes JSON, and --format asks for something else",
        )
        .with_help("leave one of the two out")),
        (Output::Human, Some(ReportForm::Html)) => Ok(ReportFormat::Html),
        (Output::Human, Some(ReportForm::Junit)) => Ok(ReportFormat::Junit),
        (Output::Human, Some(ReportForm::Markdown) | None) => Ok(ReportFormat::Markdown),
    }
}
