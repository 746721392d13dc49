//! Reads a runbook file.

use std::path::Path;

use super::did_you_mean::runbook_like;
use crate::engine::{Failure, FailureKind, RunbookPlace};
use crate::runbook::{self, ReadError, Runbook};

/// Reads and binds a runbook with the values file that the command line names. All errors are
/// reported at once.
pub(super) fn read_runbook(path: &Path, values: Option<&Path>) -> Result<Runbook, Failure> {
    runbook::read_file(path, values).map_err(|error| match error {
        ReadError::Invalid(diagnostics) => Failure::new(
            FailureKind::InvalidInput,
            format!("invalid runbook\n{diagnostics}"),
        )
        .at(diagnostics.iter().map(RunbookPlace::from)),
        ReadError::Unreadable { ref path, .. } => {
            let help = match runbook_like(path) {
                Some(meant) => format!("did you mean {meant}?"),
                None if Some(path.as_path()) == values => "check the path".to_owned(),
                None => "check the path; `iomcopy init` writes a new runbook".to_owned(),
            };
            Failure::new(FailureKind::InvalidInput, error.to_string()).with_help(help)
        }
        error => Failure::new(FailureKind::InvalidInput, error.to_string()),
    })
}
