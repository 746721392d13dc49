//! `iomcopy validate`: is the document right?

use serde_json::json;

use super::arguments::{Output, RunbookArguments};
use super::document;
use super::exit::DONE;
use super::session::Session;
use crate::engine::Failure;

/// Reads the runbook and says so in one line.
pub(super) fn validate(session: &Session, arguments: &RunbookArguments) -> Result<u8, Failure> {
    let runbook = document::read(&arguments.runbook)?;
    let line = match session.output {
        Output::Human => runbook.summary(),
        Output::Json => json!({ "v": 1, "right": true, "name": runbook.name.value, "summary": runbook.summary() }).to_string(),
    };
    session.printer.data(&line);
    Ok(DONE)
}
