//! Reading the runbook.

use std::path::Path;

use crate::engine::{Failure, FailureKind, Mark};
use crate::runbook::{self, ReadError, Runbook};

/// Reads and binds a runbook. Every mistake is told at once.
pub(super) fn read(path: &Path) -> Result<Runbook, Failure> {
    runbook::read(path).map_err(|error| match error {
        ReadError::Invalid(diagnostics) => Failure::new(
            FailureKind::Wrong,
            format!("the runbook is not right\n{diagnostics}"),
        )
        .at(diagnostics.iter().map(Mark::from)),
        error => Failure::new(FailureKind::Wrong, error.to_string()),
    })
}
