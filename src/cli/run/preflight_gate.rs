//! The findings of preflight that stop a run before it begins.

use std::collections::BTreeSet;

use crate::base::redaction::redacted_line;
use crate::checks::{CheckResult, Verdict};
use crate::cli::outages;
use crate::cli::preflight::{annotate, first_unavailable, protection};
use crate::cli::session::Session;
use crate::engine::{Failure, FailureKind};

/// Shows every finding. Fails if a check failed, or if a service was unavailable, so that a check
/// has no answer yet. Everything else that is unknown is a warning.
pub(super) fn require_no_failure(
    session: &Session,
    findings: &[CheckResult],
) -> Result<(), Failure> {
    warn_about_unknown(session, findings);
    annotate(session, findings);
    let failed: Vec<&CheckResult> = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Fail)
        .collect();
    let Some(first) = failed.first() else {
        return match first_unavailable(findings) {
            Some(unavailable) => Err(Failure::temporary(format!(
                "a service is unavailable, so preflight is incomplete; nothing was begun: {}",
                unavailable.found
            ))
            .with_help("run again when the service is available")),
            None => Ok(()),
        };
    };
    let lines: Vec<String> = failed
        .iter()
        .map(|finding| {
            let remedy = finding.remedy.as_deref().unwrap_or_default();
            format!(
                "\n  - failed: {}{}\n    found: {}\n    fix: {remedy}",
                finding.headline,
                protection(finding),
                finding.found
            )
        })
        .collect();
    let codes: BTreeSet<u8> = failed
        .iter()
        .map(|finding| session.exit_code(finding.kind))
        .collect();
    let kind = if codes.len() == 1 {
        first.kind
    } else {
        FailureKind::Refused
    };
    Err(Failure::new(
        kind,
        format!("preflight failed; nothing was begun{}", lines.concat()),
    ))
}

fn warn_about_unknown(session: &Session, findings: &[CheckResult]) {
    let unknown = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Unknown);
    let unknown: Vec<&CheckResult> = unknown.collect();
    for group in outages::grouped(&unknown) {
        let block = outages::block(&group).filter(|_| !session.verbose);
        if let (Some(block), Some(first)) = (&block, group.first()) {
            let block = format!("{}: {}", first.label(), block.trim_end());
            session.printer.info(&block);
        }
        for finding in group {
            let warning = describe_unknown(finding);
            if block.is_none() {
                session.printer.info(&redacted_line(&warning));
                if let Some(remedy) = &finding.remedy {
                    let fix = format!("  fix: {}", redacted_line(remedy));
                    session.printer.info(&fix);
                }
            }
            session.warnings.add(warning, finding.remedy.as_deref());
        }
    }
}

/// A check without an answer as a warning.
fn describe_unknown(finding: &CheckResult) -> String {
    let task = finding.task.as_ref();
    let task = task.map(|task| format!("; the run will wait for a person at {task}"));
    format!(
        "{}: {}{}: {}{}",
        finding.label(),
        finding.headline,
        protection(finding),
        finding.found,
        task.unwrap_or_default()
    )
}
