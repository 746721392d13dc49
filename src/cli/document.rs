//! Reading the runbook, and refusing at its position what this version cannot do yet.

use std::path::Path;

use crate::engine::{Failure, FailureKind, Mark};
use crate::runbook::{self, Diagnostic, FinopsMode, Gateway, ReadError, Runbook, Span};

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

/// Refuses to run what is bound and not built yet: each such key, at its position.
pub(super) fn require_supported(runbook: &Runbook) -> Result<(), Failure> {
    let steps = &runbook.steps;
    let mut unsupported: Vec<(Span, &str)> = Vec::new();
    if let Some(lcs) = &runbook.lcs {
        unsupported.push((
            lcs.span,
            "refreshing a database through LCS is not built yet",
        ));
    }
    if steps.copy_environments.options.finops.value == FinopsMode::Guided {
        let span = steps.copy_environments.options.finops.span;
        unsupported.push((span, "a refresh done by hand in LCS is not built yet"));
    }
    if let Gateway::AcknowledgedBy(_) = &steps.reconfigure_dual_write.options.gateway.value {
        let span = steps.reconfigure_dual_write.options.gateway.span;
        unsupported.push((span, "requests to the dual-write gateway are not built yet"));
    }
    if unsupported.is_empty() {
        return Ok(());
    }
    let diagnostics = unsupported
        .iter()
        .map(|(span, why)| runbook.diagnostic(*span, why, Some("leave the key out")));
    let diagnostics: Vec<Diagnostic> = diagnostics.collect();
    let blocks: Vec<String> = diagnostics.iter().map(Diagnostic::to_string).collect();
    Err(Failure::new(
        FailureKind::Wrong,
        format!("this version cannot run it\n{}", blocks.join("\n")),
    )
    .at(diagnostics.iter().map(Mark::from)))
}
