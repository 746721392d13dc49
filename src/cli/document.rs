//! Reading the runbook, and refusing at its position what this version cannot do yet.

use std::path::Path;

use crate::engine::{Failure, FailureKind};
use crate::runbook::{self, Gateway, ReadError, Runbook, Span};

/// Reads and binds a runbook. Every mistake is told at once.
pub(super) fn read(path: &Path) -> Result<Runbook, Failure> {
    runbook::read(path).map_err(|error| match error {
        ReadError::Invalid(diagnostics) => Failure::new(
            FailureKind::Wrong,
            format!("the runbook is not right\n{diagnostics}"),
        ),
        error => Failure::new(FailureKind::Wrong, error.to_string()),
    })
}

/// Refuses to run what is bound and not built yet: each such key, at its position.
pub(super) fn require_supported(runbook: &Runbook) -> Result<(), Failure> {
    let steps = &runbook.steps;
    let mut unsupported: Vec<(Span, &str)> = Vec::new();
    if let Gateway::AcknowledgedBy(_) = &steps.reconfigure_dual_write.options.gateway.value {
        let span = steps.reconfigure_dual_write.options.gateway.span;
        unsupported.push((span, "requests to the dual-write gateway are not built yet"));
    }
    if unsupported.is_empty() {
        return Ok(());
    }
    let blocks = unsupported.iter().map(|(span, why)| {
        runbook
            .diagnostic(*span, why, Some("leave the key out"))
            .to_string()
    });
    let blocks: Vec<String> = blocks.collect();
    Err(Failure::new(
        FailureKind::Wrong,
        format!("this version cannot run it\n{}", blocks.join("\n")),
    ))
}
