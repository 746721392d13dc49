//! `iomcopy preflight`: can a run succeed? Online, reads only.

use std::path::Path;
use std::sync::Arc;

use super::common_arguments::{Output, RunbookArguments, state_file_beside};
use super::connect::{self, Connected};
use super::exit_code::DONE;
use super::outages;
use super::run::{known_settings, suggested_commands};
use super::session::Session;
use crate::base::redaction::redacted_line;
use crate::base::text::{count, escape};
use crate::checks::{self, CheckResult, Verdict};
use crate::domain::environments::{UNFINISHED_RUN, has_begun};
use crate::engine::{Failure, JournalView};
use crate::journal::{self, StateFileContents};
use crate::report::{
    CheckLine, ChecksDocument, ChecksSummary, NextCommand, Palette, Usable, Version, document,
};

/// Runs every check and shows every result. The exit code is that of the first failed check, as for
/// a run; if none fails and a service is unavailable, 75.
pub(super) async fn preflight(
    session: &Session,
    arguments: &RunbookArguments,
) -> Result<u8, Failure> {
    let runbook = arguments.read()?;
    // A run takes the lease first. Without the copy, it ends like this.
    let path = state_file_beside(&arguments.runbook, &runbook);
    connect::state_is_leased(&runbook, None, &path)?;
    let open = open_run(&path);
    let own_settings = known_settings(&runbook, open.as_ref().map(|contents| &contents.state));
    let own_run = open.map(|contents| OpenRun::of(arguments, contents));
    let checks = async |connected: &Connected| {
        let refresh = &connected.refresh;
        let begun = own_run.filter(|run| has_begun(refresh, &run.journal));
        let findings = checks::preflight(refresh).await;
        findings.map(|findings| (findings, begun.map(|run| run.next)))
    };
    let (mut findings, next) =
        connect::with_own_settings(session, runbook, own_settings, checks).await?;
    if let Some(next) = &next {
        advise_own_run(&mut findings, next);
    }
    print_findings(session, &findings, None);
    if session.output == Output::Human
        && let Some(line) = next_line(arguments, &findings, next)
    {
        session.printer.text(&format!("\n{line}"));
    }
    let failed = findings
        .iter()
        .find(|finding| finding.verdict == Verdict::Fail);
    let stops = failed.or_else(|| first_unavailable(&findings));
    Ok(stops.map_or(DONE, |finding| session.exit_code(finding.kind)))
}

/// The content of this state file, if its run has not finished: a run that has finished tells nothing
/// about the next one. `None` also if there is no file, and if it cannot be read: then `run` says why.
fn open_run(path: &Path) -> Option<StateFileContents> {
    let contents = journal::exists(path).then(|| journal::read_state_file(path).ok())??;
    contents.state.finished.is_none().then_some(contents)
}

/// The line about what follows. Takes the command that continues the runbook's own run, if it has
/// begun.
fn next_line(
    arguments: &RunbookArguments,
    findings: &[CheckResult],
    begun: Option<String>,
) -> Option<String> {
    let files = arguments.as_run_files().as_arguments();
    let ran = format!("iomcopy preflight {files}");
    let has_failed = findings.iter().any(|it| it.verdict == Verdict::Fail);
    let next = match begun {
        Some(next) => NextCommand::new(next),
        None if has_failed => NextCommand::once_done("correct what failed", ran.clone()),
        None if first_unavailable(findings).is_some() => {
            NextCommand::once_done("wait until the service is available", ran.clone())
        }
        None => NextCommand::new(format!("iomcopy plan {files}")),
    };
    next.line(&ran)
}

/// The run in the runbook's own state file, which has not finished.
struct OpenRun {
    journal: JournalView,
    /// The command that continues or watches it.
    next: String,
}

impl OpenRun {
    fn of(arguments: &RunbookArguments, contents: StateFileContents) -> Self {
        let next = suggested_commands(&arguments.as_run_files(), &contents).next;
        Self {
            journal: JournalView::from_journal(Arc::new(contents.state)),
            next,
        }
    }
}

/// Where an unfinished run was found, advises only to continue this runbook's own, which has begun
/// to replace the target. Takes the command for that.
fn advise_own_run(findings: &mut [CheckResult], next: &str) {
    for finding in findings {
        if finding.verdict == Verdict::Fail && finding.remedy.as_deref() == Some(UNFINISHED_RUN) {
            finding.remedy = Some(format!(
                "`{next}`: it is this runbook's own run, which has not finished"
            ));
        }
    }
}

/// The first check without a result because a service is unavailable. A run needs that result
/// before it begins.
pub(super) fn first_unavailable(findings: &[CheckResult]) -> Option<&CheckResult> {
    findings.iter().find(|finding| finding.is_unavailable())
}

/// Prints the checks with their results, as text or as one JSON document. The text begins with what
/// did not pass; without `-v`, it only counts what passed. Takes also what they say together.
pub(super) fn print_findings(session: &Session, findings: &[CheckResult], usable: Option<Usable>) {
    match session.output {
        Output::Human => {
            let text = findings_text(session.data_palette(), findings, !session.verbose);
            session.printer.text(&text);
        }
        Output::Json => session
            .printer
            .data(&document(&findings_document(findings, usable))),
    }
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

/// The step that a check protects, to be shown after its headline.
pub(super) fn protection(finding: &CheckResult) -> String {
    let step = finding.protection();
    step.map_or_else(String::new, |step| format!(" ({step})"))
}

fn findings_text(palette: Palette, findings: &[CheckResult], folds: bool) -> String {
    let mut shown: Vec<&CheckResult> = findings.iter().collect();
    // First what stops a run, last what passed.
    shown.sort_by_key(|finding| finding.level());
    if folds {
        shown.retain(|finding| finding.verdict != Verdict::Pass);
    }
    let folded = findings.len() - shown.len();
    let mut text = String::new();
    let groups = if folds {
        outages::grouped(&shown)
    } else {
        shown.iter().map(|finding| vec![*finding]).collect()
    };
    for group in groups {
        let [finding, ..] = group.as_slice() else {
            continue;
        };
        let word = format!("{:<7}", finding.label());
        let word = match finding.verdict {
            Verdict::Pass => palette.good(&word),
            Verdict::Fail => palette.bad(&word),
            Verdict::Unknown => palette.notable(&word),
        };
        if let Some(block) = outages::block(&group) {
            text += &format!("{word}  {block}");
            continue;
        }
        text += &format!(
            "{word}  {}{}\n         found: {}\n",
            escape(&finding.headline),
            protection(finding),
            redacted_line(&finding.found)
        );
        if let Some(remedy) = &finding.remedy {
            text += &format!("         fix: {}\n", redacted_line(remedy));
        }
        if let Some(task) = &finding.task {
            text += &format!("         or: the run waits for a person at {task}\n");
        }
    }
    if folded > 0 {
        let checks = count(folded, "check");
        text += &format!(
            "{}  {checks}: -v shows what was found\n",
            palette.good("pass   ")
        );
    }
    let summary = ChecksSummary::new(findings.iter().map(CheckResult::level), None);
    // A terminal shows the end of a long list.
    let first = match findings.len() - summary.passed {
        0 => "",
        _ if folds => "",
        1 => "; the one that did not pass is at the top",
        _ => "; those that did not pass are at the top",
    };
    text + &format!(
        "\n{}: {} passed, {} failed, {}, {} unknown{first}",
        count(findings.len(), "check"),
        summary.passed,
        summary.failed,
        count(summary.warnings, "warning"),
        summary.unknown
    )
}

fn findings_document(findings: &[CheckResult], usable: Option<Usable>) -> ChecksDocument {
    let line = |finding: &CheckResult| CheckLine {
        check: finding.check.clone(),
        verdict: finding.verdict,
        level: finding.level(),
        found: finding.found.clone(),
        remedy: finding.remedy.clone(),
        task: finding.task.clone(),
        protects: finding.protects.as_ref().map(ToString::to_string),
    };
    ChecksDocument {
        v: Version,
        checks: findings.iter().map(line).collect(),
        summary: ChecksSummary::new(findings.iter().map(CheckResult::level), usable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::cli::testing::began;
    use crate::journal::Finished;

    #[test]
    fn the_runbooks_own_unfinished_run_is_only_to_be_continued() {
        let finding = |verdict, remedy: &str| {
            let mut finding = CheckResult::with_verdict("no unfinished run", verdict);
            finding.remedy = Some(remedy.to_owned());
            finding
        };
        let mut findings = [
            finding(Verdict::Fail, UNFINISHED_RUN),
            finding(Verdict::Unknown, UNFINISHED_RUN),
            finding(Verdict::Fail, "grant the role"),
        ];
        advise_own_run(&mut findings, "iomcopy run uat.yaml");
        let [own, unknown, other] = findings.map(|finding| finding.remedy.unwrap());
        assert!(own.starts_with("`iomcopy run uat.yaml`"), "{own}");
        assert!(!own.contains("--abandon-captures"), "{own}");
        assert_eq!(unknown, UNFINISHED_RUN);
        assert_eq!(other, "grant the role");
    }

    #[tokio::test]
    async fn the_own_run_is_read_until_it_has_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let arguments = RunbookArguments {
            runbook: "uat.yaml".into(),
            values: None,
        };
        assert!(open_run(&path).is_none());
        let open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        let run = OpenRun::of(&arguments, open_run(&path).unwrap());
        // This process has the file.
        assert_eq!(run.next, "iomcopy status uat.yaml --follow");
        open.journal.append(Finished {}).await.unwrap();
        assert!(open_run(&path).is_none());
    }

    #[test]
    fn the_document_tells_a_warning_from_what_could_not_be_read() {
        let result = |verdict| CheckResult::with_verdict("a check", verdict);
        let findings = [
            result(Verdict::Pass),
            result(Verdict::Fail),
            result(Verdict::Unknown).into_warning(),
            result(Verdict::Unknown),
            result(Verdict::Unknown),
        ];
        let document = |usable| {
            let document = findings_document(&findings, usable);
            serde_json::to_value(document).unwrap()
        };
        let verify = document(Some(Usable::No));
        let of = |member: &str| {
            let checks = verify["probes"].as_array().unwrap().iter();
            checks
                .map(|check| check[member].clone())
                .collect::<Vec<_>>()
        };
        let levels = ["pass", "failed", "warning", "unknown", "unknown"];
        assert_eq!(of("level"), levels);
        let verdicts = ["pass", "fail", "unknown", "unknown", "unknown"];
        assert_eq!(of("verdict"), verdicts, "as in earlier versions");
        let mut summary = serde_json::json!({
            "passed": 1, "failed": 1, "warnings": 1, "unknown": 2, "usable": "no",
        });
        assert_eq!(verify["summary"], summary);
        summary.as_object_mut().unwrap().remove("usable");
        assert_eq!(document(None)["summary"], summary);
        let text = findings_text(Palette::plain(), &findings, true);
        let line = "5 checks: 1 passed, 1 failed, 1 warning, 2 unknown";
        assert!(text.ends_with(line), "{text}");
    }

    #[test]
    fn preflight_ends_with_the_next_command() {
        let arguments = RunbookArguments {
            runbook: "uat.yaml".into(),
            values: None,
        };
        let result = |verdict| CheckResult::with_verdict("a check", verdict);
        let line = |findings: &[CheckResult], begun: Option<&str>| {
            next_line(&arguments, findings, begun.map(str::to_owned)).unwrap()
        };
        let plan = "next: iomcopy plan uat.yaml";
        assert_eq!(line(&[result(Verdict::Pass)], None), plan);
        let failed = [result(Verdict::Pass), result(Verdict::Fail)];
        assert_eq!(
            line(&failed, None),
            "next: correct what failed, then iomcopy preflight uat.yaml"
        );
        let begun = line(&failed, Some("iomcopy run uat.yaml"));
        assert_eq!(begun, "next: iomcopy run uat.yaml");
    }
}
