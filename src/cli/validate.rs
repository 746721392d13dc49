//! `iomcopy validate`: is the runbook valid? Offline.

use super::common_arguments::{Output, RunbookArguments};
use super::exit_code::DONE;
use super::session::Session;
use crate::engine::Failure;
use crate::report::{ValidateDocument, Version, document};

/// Reads the runbook and prints its summary in one line.
pub(super) fn validate(session: &Session, arguments: &RunbookArguments) -> Result<u8, Failure> {
    let runbook = arguments.read()?;
    let line = match session.output {
        Output::Human => runbook.summary(),
        Output::Json => document(&ValidateDocument {
            v: Version,
            valid: true,
            name: runbook.name.value.clone(),
            summary: runbook.summary(),
        }),
    };
    session.printer.data(&line);
    Ok(DONE)
}
