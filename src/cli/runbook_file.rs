//! Reads a runbook file.

use std::path::Path;

use crate::engine::{Failure, FailureKind, RunbookPlace};
use crate::runbook::{self, ReadError, Runbook};

/// Reads and binds a runbook. All errors are reported at once.
pub(super) fn read_runbook(path: &Path) -> Result<Runbook, Failure> {
    runbook::read_file(path).map_err(|error| match error {
        ReadError::Invalid(diagnostics) => Failure::new(
            FailureKind::InvalidInput,
            format!("invalid runbook\n{diagnostics}"),
        )
        .at(diagnostics.iter().map(RunbookPlace::from)),
        error @ ReadError::Unreadable { .. } => {
            Failure::new(FailureKind::InvalidInput, error.to_string())
                .with_help("check the path; `iomcopy init` writes a new runbook")
        }
        error => Failure::new(FailureKind::InvalidInput, error.to_string()),
    })
}
