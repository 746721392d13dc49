//! `iomcopy verify`: is order management usable in the target now? Online, reads only.

use std::sync::Arc;

use super::common_arguments::{Output, RunFiles};
use super::exit_code::{DONE, FAILED};
use super::run::run_binding::require_same_runbook;
use super::run::suggested_commands;
use super::session::Session;
use super::{connect, preflight};
use crate::base::text::{count, escape};
use crate::checks::{self, CheckResult, Verdict};
use crate::engine::{CheckLevel, Failure, FailureKind, JournalView};
use crate::journal;
use crate::report::{NextCommand, Usable};
use crate::steps::repair_command;

/// Runs every check of the target and shows every result. Exit 1 if a check fails; if none fails
/// and a service is unavailable, exit 75, and if the caller may not read what would show that nothing
/// of production acts, exit 4. Other unknown results are shown and do not fail.
pub(super) async fn verify(session: &Session, files: &RunFiles) -> Result<u8, Failure> {
    let (runbook, path) = files.read_state()?;
    let mut run = Run::NotBegun;
    let journal = if journal::exists(&path) {
        let contents = journal::read_state_file(&path)?;
        session.warn_of_lost_records(&contents);
        require_same_runbook(&contents.state, &runbook)?;
        run = match contents.state.finished {
            Some(_) => Run::Finished,
            None => Run::Open(suggested_commands(files, &contents).next),
        };
        let state = Arc::new(contents.state);
        Some(JournalView::from_journal(state).with_state_file(&path))
    } else {
        None
    };
    let known = journal.clone();
    let target = runbook.target.name.value.clone();
    let findings = connect::with_services(session, runbook, async |connected| {
        checks::verify(&connected.refresh, &connected.steps, journal).await
    });
    let mut findings = Box::pin(findings).await?;
    // A list of captures may be incomplete, so no result may be shown.
    if let Some(failure) = known.as_ref().and_then(JournalView::unread) {
        return Err(failure);
    }
    if let Run::Open(next) = &run {
        advise_open_run(&mut findings, next);
    }
    let tally = Tally::of(&findings);
    preflight::print_findings(session, &findings, Some(tally.usable()));
    if session.output == Output::Human {
        let arguments = files.as_arguments();
        let next = tally.next_command(&arguments, &run);
        let next = next.line(&format!("iomcopy verify {arguments}"));
        let next = next.map_or_else(String::new, |line| format!("\n\n{line}"));
        let conclusion = tally.conclusion(&escape(&target));
        session.printer.text(&format!("{conclusion}{next}"));
    }
    if findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Fail)
    {
        return Ok(FAILED);
    }
    let unread = preflight::first_unavailable(&findings).or_else(|| first_refused(&findings));
    Ok(unread.map_or(DONE, |finding| session.exit_code(finding.kind)))
}

/// The first check without an answer because the caller may not read a surface through which
/// production could act.
fn first_refused(findings: &[CheckResult]) -> Option<&CheckResult> {
    findings.iter().find(|finding| {
        finding.verdict == Verdict::Unknown && finding.kind == FailureKind::NotAllowed
    })
}

/// Adds to each check that did not pass that the run has not ended and may still correct it. Takes
/// the command that continues or watches the run.
fn advise_open_run(findings: &mut [CheckResult], next: &str) {
    let run = format!("`{next}`");
    let resumes = format!("{run} resumes the run");
    for finding in findings {
        let Some(remedy) = &mut finding.remedy else {
            continue;
        };
        // The remedy of a step's own changes is the run already. Others name the run after what a
        // person does, or with flags that need a finished run.
        let is_run = remedy.starts_with(&run) || remedy.contains(&resumes);
        if finding.verdict != Verdict::Pass && !is_run {
            *remedy = format!(
                "the run has not finished and may still do this: `{next}`; if it is the same after \
                 the run: {remedy}"
            );
        }
    }
}

/// How far the run in the state file is.
enum Run {
    NotBegun,
    /// With the command that continues or watches it.
    Open(String),
    Finished,
}

/// How many checks gave no reason to call the target usable.
struct Tally {
    failed: usize,
    /// The first step with changes that the program can make again.
    to_repair: Option<String>,
    /// Without an answer; a warning is an answer.
    unknown: usize,
    /// Those of them that a service which is unavailable could not answer.
    unavailable: usize,
}

impl Tally {
    fn of(findings: &[CheckResult]) -> Self {
        let number = |is_counted: fn(&CheckResult) -> bool| {
            findings
                .iter()
                .filter(|finding| is_counted(finding))
                .count()
        };
        let mut to_repair = findings.iter().filter_map(checks::step_to_repair);
        Self {
            failed: number(|finding| finding.verdict == Verdict::Fail),
            to_repair: to_repair.next().map(str::to_owned),
            unknown: number(|finding| {
                finding.level() == CheckLevel::Unknown || finding.is_unavailable()
            }),
            unavailable: number(CheckResult::is_unavailable),
        }
    }

    /// What the checks say together.
    fn usable(&self) -> Usable {
        match (self.failed, self.unknown) {
            (0, 0) => Usable::Yes,
            (0, _) => Usable::Unknown,
            _ => Usable::No,
        }
    }

    /// The same as a sentence.
    fn conclusion(&self, target: &str) -> String {
        match self.usable() {
            Usable::Yes => format!("Order management is usable in '{target}'."),
            Usable::Unknown => format!(
                "It is unknown whether order management is usable in '{target}': {} without an \
                 answer.",
                count(self.unknown, "check")
            ),
            Usable::No => format!(
                "Order management is not usable in '{target}': {} failed.",
                count(self.failed, "check")
            ),
        }
    }

    /// The next command. Takes the arguments that name the files.
    fn next_command(&self, arguments: &str, run: &Run) -> NextCommand {
        let again = |first: &str| {
            let command = format!("iomcopy verify {arguments}");
            NextCommand::once_done(first, command)
        };
        match run {
            Run::NotBegun => NextCommand::new(format!("iomcopy plan {arguments}")),
            Run::Open(command) => NextCommand::new(command),
            Run::Finished if self.failed > 0 => {
                let step = self.to_repair.as_deref();
                let repair = step.and_then(|step| repair_command(arguments, step));
                repair.map_or_else(|| again("correct what failed"), NextCommand::new)
            }
            Run::Finished if self.unknown > self.unavailable => {
                again("do what `fix` says about each unknown check")
            }
            Run::Finished if self.unknown > 0 => again("wait until the service is available"),
            Run::Finished => NextCommand::new(format!("iomcopy report {arguments}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_an_open_run_the_first_advice_is_to_continue_it() {
        let finding = |verdict, remedy: &str| {
            let mut finding = CheckResult::with_verdict("every flow is on", verdict);
            finding.remedy = Some(remedy.to_owned());
            finding
        };
        let mut findings = [
            finding(Verdict::Fail, "turn it on in the portal"),
            finding(Verdict::Fail, "`iomcopy run uat.yaml` resumes the run"),
        ];
        advise_open_run(&mut findings, "iomcopy run uat.yaml");
        let [portal, run] = findings.map(|finding| finding.remedy.unwrap());
        assert!(
            portal.starts_with(
                "the run has not finished and may still do this: `iomcopy run uat.yaml`"
            ),
            "{portal}"
        );
        assert!(portal.ends_with(": turn it on in the portal"), "{portal}");
        assert_eq!(run, "`iomcopy run uat.yaml` resumes the run");
    }

    #[test]
    fn in_an_open_run_advice_that_names_the_run_after_something_else_comes_second() {
        let remedies = [
            "name a connection under `connections`, then `iomcopy run uat.yaml`",
            "turn it on; only if that does not help: `iomcopy run uat.yaml --again \
             reinstall-providers --provider msdyn_d`",
        ];
        let mut findings = remedies.map(|remedy| {
            let mut finding = CheckResult::with_verdict("every flow is on", Verdict::Fail);
            finding.remedy = Some(remedy.to_owned());
            finding
        });
        advise_open_run(&mut findings, "iomcopy run uat.yaml");
        for (finding, remedy) in findings.iter().zip(remedies) {
            let advice = finding.remedy.as_deref().unwrap_or_default();
            assert!(advice.starts_with("the run has not finished"), "{advice}");
            assert!(advice.ends_with(remedy), "{advice}");
        }
    }

    #[test]
    fn the_end_says_whether_the_target_is_usable_and_what_to_do() {
        let end = |failed, unknown, run: &Run| {
            let tally = Tally {
                failed,
                to_repair: None,
                unknown,
                unavailable: 0,
            };
            let next = tally.next_command("uat.yaml", run);
            let next = next.line("iomcopy verify uat.yaml").unwrap_or_default();
            format!("{}\n{next}", tally.conclusion("UAT"))
        };
        assert_eq!(
            end(0, 0, &Run::Finished),
            "Order management is usable in 'UAT'.\nnext: iomcopy report uat.yaml"
        );
        assert_eq!(
            end(0, 1, &Run::Finished),
            "It is unknown whether order management is usable in 'UAT': 1 check without an \
             answer.\nnext: do what `fix` says about each unknown check, then iomcopy verify uat.yaml"
        );
        assert_eq!(
            end(2, 1, &Run::Finished),
            "Order management is not usable in 'UAT': 2 checks failed.\n\
             next: correct what failed, then iomcopy verify uat.yaml"
        );
        let open = Run::Open("iomcopy run uat.yaml".to_owned());
        assert!(end(2, 0, &open).ends_with("\nnext: iomcopy run uat.yaml"));
        assert!(end(0, 0, &Run::NotBegun).ends_with("\nnext: iomcopy plan uat.yaml"));
        let tally = Tally {
            failed: 0,
            to_repair: None,
            unknown: 2,
            unavailable: 2,
        };
        let next = tally.next_command("uat.yaml", &Run::Finished);
        let line = next.line("iomcopy verify uat.yaml").unwrap_or_default();
        assert!(line.starts_with("next: wait until the service"), "{line}");
    }

    /// What `plan` and `run` say of a finished run.
    #[test]
    fn a_step_that_can_be_repaired_has_its_command() {
        let finding = |check: &str| CheckResult::with_verdict(check, Verdict::Fail);
        for (step, next) in [
            (
                "activate-flows",
                "next: iomcopy run uat.yaml --only activate-flows",
            ),
            (
                "copy-environments",
                "next: correct what failed, then iomcopy verify uat.yaml",
            ),
        ] {
            let findings = [
                finding("every flow is on"),
                finding(&format!("step {step} finds nothing left to do")),
            ];
            let command = Tally::of(&findings).next_command("uat.yaml", &Run::Finished);
            let line = command.line("iomcopy verify uat.yaml");
            assert_eq!(line.as_deref(), Some(next));
        }
    }
}
