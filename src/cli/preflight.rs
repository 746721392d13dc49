//! `iomcopy preflight`: can a run succeed? Online, reads only.

use super::common_arguments::{Output, RunbookArguments};
use super::connect;
use super::exit_code::DONE;
use super::runbook_file::read_runbook;
use super::session::Session;
use crate::base::redaction::redact;
use crate::base::text::{count, escape};
use crate::checks::{self, CheckResult, Verdict};
use crate::engine::{Failure, FailureKind};
use crate::report::{CheckLine, ChecksDocument, Version, document};

/// Runs every check and shows every result. The exit code is that of the first failed check, as for
/// a run; if none fails and a service is unavailable, 75.
pub(super) async fn preflight(
    session: &Session,
    arguments: &RunbookArguments,
) -> Result<u8, Failure> {
    let runbook = read_runbook(&arguments.runbook)?;
    let findings = connect::with_services(session, runbook, async |connected| {
        checks::preflight(&connected.refresh).await
    })
    .await?;
    print_findings(session, &findings);
    let failed = findings
        .iter()
        .find(|finding| finding.verdict == Verdict::Fail);
    let stops = failed.or_else(|| first_unavailable(&findings));
    Ok(stops.map_or(DONE, |finding| session.exit_code(finding.kind)))
}

/// The first check without a result because a service is unavailable. A run needs that result
/// before it begins.
pub(super) fn first_unavailable(findings: &[CheckResult]) -> Option<&CheckResult> {
    findings.iter().find(|finding| {
        finding.verdict == Verdict::Unknown && finding.kind == FailureKind::Temporary
    })
}

/// Prints every check with its result, as text or as one JSON document.
pub(super) fn print_findings(session: &Session, findings: &[CheckResult]) {
    session.printer.data(&match session.output {
        Output::Human => findings_text(session, findings),
        Output::Json => document(&findings_document(findings)),
    });
    annotate(session, findings);
}

/// Annotates the pipeline with every check that did not pass.
pub(super) fn annotate(session: &Session, findings: &[CheckResult]) {
    let Some(annotations) = &session.annotations else {
        return;
    };
    for finding in findings {
        let title = format!(
            "iomcopy: {}: {}",
            finding.label(),
            escape(&finding.headline)
        );
        let help = finding.remedy.as_ref().map(|fix| format!("\nfix: {fix}"));
        let message = format!("{}{}", finding.found, help.unwrap_or_default());
        match finding.verdict {
            Verdict::Pass => {}
            Verdict::Fail => annotations.error(&title, &message),
            Verdict::Unknown => annotations.warn(&title, &message),
        }
    }
}

fn findings_text(session: &Session, findings: &[CheckResult]) -> String {
    let palette = session.data_palette();
    let mut text = String::new();
    for finding in findings {
        let word = format!("{:<7}", finding.label());
        let word = match finding.verdict {
            Verdict::Pass => palette.good(&word),
            Verdict::Fail => palette.bad(&word),
            Verdict::Unknown => palette.notable(&word),
        };
        let protection = finding.protection();
        let protection = protection.map_or_else(String::new, |step| format!(" ({step})"));
        text += &format!(
            "{word}  {}{protection}\n         found: {}\n",
            escape(&finding.headline),
            escape(&redact(&finding.found))
        );
        if let Some(remedy) = &finding.remedy {
            text += &format!("         fix: {}\n", escape(&redact(remedy)));
        }
        if let Some(task) = &finding.task {
            text += &format!("         or: the run waits for a person at {task}\n");
        }
    }
    let with = |label| {
        findings
            .iter()
            .filter(|finding| finding.label() == label)
            .count()
    };
    text + &format!(
        "\n{}: {} passed, {} failed, {}, {} unknown",
        count(findings.len(), "check"),
        with("pass"),
        with("failed"),
        count(with("warning"), "warning"),
        with("unknown")
    )
}

fn findings_document(findings: &[CheckResult]) -> ChecksDocument {
    let line = |finding: &CheckResult| CheckLine {
        check: finding.check.clone(),
        verdict: finding.verdict,
        found: finding.found.clone(),
        remedy: finding.remedy.clone(),
        task: finding.task.clone(),
        protects: finding.protects.as_ref().map(ToString::to_string),
    };
    ChecksDocument {
        v: Version,
        checks: findings.iter().map(line).collect(),
    }
}
