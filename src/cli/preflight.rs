//! `iomcopy preflight`: could a run succeed? Online, reads only.

use super::arguments::{Output, RunbookArguments};
use super::exit::DONE;
use super::session::Session;
use super::{connect, document};
use crate::base::text::{count, escape, redact};
use crate::checks::{Finding, Verdict, preflight};
use crate::engine::{Failure, FailureKind, Narrator};
use crate::report::{Answer, ProbeLine, ProbesDocument, Version, document as written};

/// Asks every question and shows every answer. Exit 0 where none is a failure; else as a run would
/// end that met the first. Where nothing failed and a service was away, it is temporary.
pub(super) async fn show(session: &Session, arguments: &RunbookArguments) -> Result<u8, Failure> {
    let runbook = document::read(&arguments.runbook)?;
    let connected =
        connect::connect(session, runbook, |clock| Narrator::new(clock, Vec::new())).await?;
    let findings = preflight(&connected.refresh).await;
    connected.stop().await;
    let findings = findings?;
    print(session, &findings);
    let failed = findings
        .iter()
        .find(|finding| finding.verdict == Verdict::Fail);
    let stops = failed.or_else(|| away(&findings));
    Ok(stops.map_or(DONE, |finding| session.code(finding.kind)))
}

/// The first question that a service left open because it was away: it is answered before a run
/// begins.
pub(super) fn away(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().find(|finding| {
        finding.verdict == Verdict::Unknown && finding.kind == FailureKind::Temporary
    })
}

/// Shows every question with its answer, as text or as one JSON document.
pub(super) fn print(session: &Session, findings: &[Finding]) {
    session.printer.data(&match session.output {
        Output::Human => text(session, findings),
        Output::Json => written(&document_of(findings)),
    });
    annotate(session, findings);
}

/// Tells a pipeline of what is not as it must be, the failures first.
pub(super) fn annotate(session: &Session, findings: &[Finding]) {
    let Some(annotations) = &session.annotations else {
        return;
    };
    for finding in findings {
        let title = format!(
            "iomcopy: {}: {}",
            word(finding.verdict),
            escape(&finding.probe)
        );
        let help = finding
            .remedy
            .as_ref()
            .map(|help| format!("\nhelp: {help}"));
        let message = format!("{}{}", finding.read, help.unwrap_or_default());
        match finding.verdict {
            Verdict::Pass => {}
            Verdict::Fail => annotations.complain(&title, &message),
            Verdict::Unknown => annotations.warn(&title, &message),
        }
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Unknown => "unknown",
    }
}

fn text(session: &Session, findings: &[Finding]) -> String {
    let palette = session.data_palette();
    let mut text = String::new();
    for finding in findings {
        let word = format!("{:<7}", word(finding.verdict));
        let word = match finding.verdict {
            Verdict::Pass => palette.good(&word),
            Verdict::Fail => palette.bad(&word),
            Verdict::Unknown => palette.notable(&word),
        };
        text += &format!(
            "{word}  {}\n         read: {}\n",
            escape(&finding.probe),
            escape(&redact(&finding.read))
        );
        if let Some(remedy) = &finding.remedy {
            text += &format!("         help: {}\n", escape(&redact(remedy)));
        }
        if let Some(task) = &finding.task {
            text += &format!("         else: a run waits for a person at {task}\n");
        }
    }
    let with = |verdict| {
        findings
            .iter()
            .filter(|finding| finding.verdict == verdict)
            .count()
    };
    text + &format!(
        "\n{}: {} passed, {} failed, {} unknown",
        count(findings.len(), "probe"),
        with(Verdict::Pass),
        with(Verdict::Fail),
        with(Verdict::Unknown)
    )
}

fn document_of(findings: &[Finding]) -> ProbesDocument {
    let line = |finding: &Finding| ProbeLine {
        probe: finding.probe.clone(),
        verdict: match finding.verdict {
            Verdict::Pass => Answer::Pass,
            Verdict::Fail => Answer::Fail,
            Verdict::Unknown => Answer::Unknown,
        },
        read: finding.read.clone(),
        remedy: finding.remedy.clone(),
        task: finding.task.clone(),
    };
    ProbesDocument {
        v: Version,
        probes: findings.iter().map(line).collect(),
    }
}
