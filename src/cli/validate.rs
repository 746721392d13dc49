//! `iomcopy validate`: is the document right?

use super::arguments::{Output, RunbookArguments};
use super::document;
use super::exit::DONE;
use super::session::Session;
use crate::engine::Failure;
use crate::report::{ValidateDocument, Version, document as written};

/// Reads the runbook and says so in one line.
pub(super) fn validate(session: &Session, arguments: &RunbookArguments) -> Result<u8, Failure> {
    let runbook = document::read(&arguments.runbook)?;
    let line = match session.output {
        Output::Human => runbook.summary(),
        Output::Json => written(&ValidateDocument {
            v: Version,
            right: true,
            name: runbook.name.value.clone(),
            summary: runbook.summary(),
        }),
    };
    session.printer.data(&line);
    Ok(DONE)
}
