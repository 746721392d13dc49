//! A check: a read-only question, and how what was read becomes its result.

use super::check_result::{CheckResult, Protected};
use crate::base::text::list_first;
use crate::clients::{Error, ErrorKind};
use crate::domain::keys;
use crate::domain::verdict::{Answer, Verdict};
use crate::engine::{Failure, FailureKind};
use crate::runbook::StepName;

/// The advice if a service did not answer.
const UNAVAILABLE: &str = "the service did not answer: run again when it does";

/// The advice of a check that has none, which is a defect.
const LOOK: &str = "look at it in the environment";

/// The code of a request that the IP firewall of an environment refuses. It does not show what the
/// caller may do (Dataverse, *Web service error codes*).
pub(super) const FIREWALL: &str = "0x80095ffe";

/// How many things a result names; more are counted.
const NAMED: usize = 20;

/// What helps only if something is known to be broken: it may delete, reset or compile again, so
/// it is never advised if the verdict is unknown.
#[derive(Clone, Debug)]
pub(super) enum Remedy {
    /// What a person does.
    ByHand(String),
    /// The run of this runbook deletes the provider of this definition and installs it again.
    Reinstall { runbook: String, definition: String },
}

impl std::fmt::Display for Remedy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ByHand(what) => f.write_str(what),
            Self::Reinstall {
                runbook,
                definition,
            } => write!(
                f,
                "only if that does not help: `iomcopy run {runbook} --again reinstall-providers \
                 --provider {definition}` deletes the provider and installs it again"
            ),
        }
    }
}

/// A question that has not been answered yet: its name, the problem that it looks for, and what
/// helps.
#[derive(Clone, Debug)]
pub(super) struct Check {
    name: String,
    /// A statement that is true if the check fails; the opposite of the name.
    problem: String,
    /// What helps or explains, for every verdict; it destroys nothing.
    advice: String,
    /// What helps if the verdict is `Fail`, and in no other case.
    remedy: Option<Remedy>,
    kind: FailureKind,
    task: Option<String>,
    protects: Option<Protected>,
}

impl Check {
    /// A check before a run, as [`Check::new`]. Takes the first step that the problem would stop or
    /// harm; every check of `preflight` names one.
    pub(super) fn protecting(
        step: impl Into<Protected>,
        name: impl Into<String>,
        problem: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            protects: Some(step.into()),
            ..Self::new(name, problem, advice)
        }
    }

    /// A check that protects no step (`verify`). If it fails, the command ends as refused. `name` is
    /// true if the check passes, `problem` is true if it fails, and `advice` is what to do then.
    pub(super) fn new(
        name: impl Into<String>,
        problem: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            problem: problem.into(),
            advice: advice.into(),
            remedy: None,
            kind: FailureKind::Refused,
            task: None,
            protects: None,
        }
    }

    /// The same, with a remedy that is shown only if the verdict is `Fail`.
    pub(super) fn if_failed(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// The same, whose `Fail` is a mistake in the runbook.
    pub(super) fn invalid_input(mut self) -> Self {
        self.kind = FailureKind::InvalidInput;
        self
    }

    /// The same, whose `Fail` is a permission that the caller lacks.
    pub(super) fn not_allowed(mut self) -> Self {
        self.kind = FailureKind::NotAllowed;
        self
    }

    /// The same, whose failure is temporary: run again later.
    pub(super) fn temporary(mut self) -> Self {
        self.kind = FailureKind::Temporary;
        self
    }

    /// The same, repeated at the head of this step if it cannot be answered before.
    pub(super) fn before(mut self, step: StepName) -> Self {
        self.task = Some(keys::task(step, keys::QUESTIONS));
        self
    }

    /// The headline if nothing is known.
    fn unchecked(&self) -> String {
        format!("could not check that {}", self.name)
    }

    fn result(&self, verdict: Verdict, is_warning: bool, found: impl Into<String>) -> CheckResult {
        let remedy = self.remedy.as_ref().filter(|_| verdict == Verdict::Fail);
        let remedies = [self.advice.clone()]
            .into_iter()
            .chain(remedy.map(Remedy::to_string))
            .filter(|remedy| !remedy.is_empty());
        let mut remedy = remedies.collect::<Vec<_>>().join("; ");
        if verdict != Verdict::Pass && remedy.is_empty() {
            debug_assert!(false, "the check '{}' has no remedy", self.name);
            LOOK.clone_into(&mut remedy);
        }
        CheckResult {
            check: self.name.clone(),
            verdict,
            headline: match verdict {
                Verdict::Pass => self.name.clone(),
                Verdict::Unknown if !is_warning => self.unchecked(),
                Verdict::Fail | Verdict::Unknown => self.problem.clone(),
            },
            found: found.into(),
            remedy: (verdict != Verdict::Pass).then_some(remedy),
            kind: self.kind,
            task: self.task.clone().filter(|_| verdict == Verdict::Unknown),
            protects: self.protects.clone(),
            is_warning,
        }
    }

    /// It is as it must be.
    pub(super) fn pass(&self, found: impl Into<String>) -> CheckResult {
        self.result(Verdict::Pass, false, found)
    }

    /// It is not as it must be.
    pub(super) fn fail(&self, found: impl Into<String>) -> CheckResult {
        self.result(Verdict::Fail, false, found)
    }

    /// It cannot be read.
    pub(super) fn unknown(&self, found: impl Into<String>) -> CheckResult {
        self.result(Verdict::Unknown, false, found)
    }

    /// It can be read, and only a person can judge it.
    pub(super) fn warn(&self, found: impl Into<String>) -> CheckResult {
        self.result(Verdict::Unknown, true, found)
    }

    /// The result of an answer that is known.
    pub(super) fn answered(&self, answer: &Answer) -> CheckResult {
        self.result(answer.verdict(), false, answer.found())
    }

    /// The result if a service gave an error to a check of what the caller may do. The error is
    /// the answer if it is about the caller (not signed in, not allowed, a credential or an
    /// address that cannot be used); any other error leaves the verdict unknown.
    pub(super) fn refused(&self, error: &Error) -> CheckResult {
        match error.kind {
            // Another check names the firewall.
            _ if error.code.as_deref() == Some(FIREWALL) => self.unread(error.clone().into()),
            ErrorKind::NotSignedIn
            | ErrorKind::Forbidden
            | ErrorKind::Configuration
            | ErrorKind::ForeignOrigin => {
                let mut result = self.fail(error.to_string());
                // Without a sign-in nothing was asked, so it is unknown whether the problem exists.
                if error.kind != ErrorKind::Forbidden {
                    result.headline = self.unchecked();
                }
                // What helps against that refusal goes before the check's own advice.
                if let Some(help) = &error.help {
                    result.remedy = Some(format!("{help}; {}", self.advice));
                }
                result
            }
            _ => self.unread(error.clone().into()),
        }
    }

    /// The result if reading failed: unknown, never a failure of what would have been read.
    /// Where the service was unavailable, neither the check's advice nor a person helps, only
    /// repeating the check.
    pub(super) fn unread(&self, failure: Failure) -> CheckResult {
        let mut result = self.unknown(failure.message);
        if failure.kind == FailureKind::Temporary {
            result.remedy = Some(UNAVAILABLE.to_owned());
            result.kind = FailureKind::Temporary;
            result.task = None;
        } else if let Some(help) = failure.help {
            result.remedy = Some(format!("{help}; {}", self.advice));
        }
        result
    }

    /// Pass or fail.
    pub(super) fn pass_if(&self, good: bool, found: impl Into<String>) -> CheckResult {
        if good {
            self.pass(found)
        } else {
            self.fail(found)
        }
    }

    /// Fails if the list is not empty, and names what it holds; else passes with these words.
    pub(super) fn none_of(&self, bad: &[String], good: &str) -> CheckResult {
        match bad {
            [] => self.pass(good),
            bad => self.fail(named(bad)),
        }
    }

    /// Fails if the first list is not empty, and names what it holds; else warns of what the
    /// second list holds; else passes with these words.
    pub(super) fn fail_or_warn(&self, bad: &[String], open: &[String], good: &str) -> CheckResult {
        match bad {
            [] => self.warn_of(open, good),
            bad => self.fail(named(bad)),
        }
    }

    /// Warns of what the list holds, which only a person can judge; else passes with these words.
    pub(super) fn warn_of(&self, seen: &[String], good: &str) -> CheckResult {
        match seen {
            [] => self.pass(good),
            seen => self.warn(named(seen)),
        }
    }

    /// The result, or unknown if reading failed.
    pub(super) fn settle(&self, result: Result<CheckResult, Failure>) -> CheckResult {
        result.unwrap_or_else(|failure| self.unread(failure))
    }
}

/// Names in one line; of many, the first and how many more.
pub(super) fn named(names: &[String]) -> String {
    list_first(names, NAMED, "; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_is_shown_only_where_it_is_needed() {
        let check = Check::new("all is well", "a problem", "repair it").invalid_input();
        assert_eq!(check.pass("so it is").remedy, None);
        assert_eq!(check.fail("no").remedy.as_deref(), Some("repair it"));
        assert_eq!(check.unknown("?").remedy.as_deref(), Some("repair it"));
        assert_eq!(check.fail("no").kind, FailureKind::InvalidInput);
    }

    /// Every test that runs a check looks for it.
    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "'all is well' has no remedy")]
    fn a_check_without_a_remedy_is_a_defect() {
        drop(Check::new("all is well", "a problem", "").warn("?"));
    }

    #[test]
    fn the_headline_says_what_is_the_case() {
        let check = Check::new("all flows are on", "flows are off", "turn them on");
        for (result, label, headline) in [
            (check.pass("3 flows"), "pass", "all flows are on"),
            (check.fail("'a'"), "failed", "flows are off"),
            (check.warn("'a'"), "warning", "flows are off"),
            (
                check.unknown("no answer"),
                "unknown",
                "could not check that all flows are on",
            ),
        ] {
            assert_eq!(
                (result.label(), result.headline.as_str()),
                (label, headline)
            );
            assert_eq!(result.check, "all flows are on");
        }
    }

    #[test]
    fn destructive_advice_is_given_only_for_the_verdict_fail() {
        let reinstall = Remedy::Reinstall {
            runbook: "uat.yaml".to_owned(),
            definition: "msdyn_finops".to_owned(),
        };
        let check = Check::new("the flow is on", "a problem", "turn it on").if_failed(reinstall);
        let away = Failure::new(FailureKind::Temporary, "away");
        let unreadable = Failure::failed("no").with_help("look at the table");
        for open in [
            check.unknown("?"),
            check.warn_of(&["one".to_owned()], "none"),
            check.fail_or_warn(&[], &["one".to_owned()], "none"),
            check.settle(Err(away)),
            check.settle(Err(unreadable)),
        ] {
            assert!(!open.remedy.unwrap().contains("--again"));
        }
        let cured = check.fail("no").remedy.unwrap();
        assert!(cured.starts_with("turn it on; only if"), "{cured}");
        assert!(cured.contains("--provider msdyn_finops"), "{cured}");
    }

    #[test]
    fn problems_are_named_and_many_are_counted() {
        let check = Check::new("all is well", "a problem", "repair it");
        assert_eq!(check.none_of(&[], "all").verdict, Verdict::Pass);
        let bad = vec!["'a'".to_owned(), "'b'".to_owned()];
        let result = check.none_of(&bad, "all");
        assert_eq!(
            (result.verdict, result.found.as_str()),
            (Verdict::Fail, "'a'; 'b'")
        );
        assert_eq!(check.warn_of(&bad, "all").verdict, Verdict::Unknown);
        let many: Vec<String> = (0..NAMED + 3).map(|n| n.to_string()).collect();
        assert!(named(&many).ends_with("19; and 3 more"), "{}", named(&many));
    }

    #[test]
    fn a_failed_read_leaves_the_verdict_unknown() {
        let check = Check::new("all is well", "a problem", "repair it");
        let result = check.settle(Err(Failure::failed("the service is unavailable")));
        assert_eq!(result.verdict, Verdict::Unknown);
        assert_eq!(result.found, "the service is unavailable");
        assert_eq!(result.kind, FailureKind::Refused);
        let away = Failure::new(FailureKind::Temporary, "the service is unavailable");
        let result = check.before(StepName::ActivateFlows).settle(Err(away));
        assert_eq!(result.kind, FailureKind::Temporary);
        // Neither the check's own advice nor a person ends an outage.
        assert_eq!(
            (result.remedy.as_deref(), result.task),
            (Some(UNAVAILABLE), None)
        );
    }

    #[test]
    fn only_an_error_that_is_about_the_caller_is_a_failure_of_the_caller() {
        use ErrorKind::{
            Ambiguous, Busy, Cancelled, Configuration, Conflict, Forbidden, ForeignOrigin,
            Malformed, NotFound, NotSignedIn, PreconditionFailed, Refused, Throttled, Unavailable,
        };
        let check = Check::new(
            "the caller is an administrator",
            "a problem",
            "give it the role",
        )
        .not_allowed();
        let of = |kind| check.refused(&Error::new(kind, "Dataverse", "GET /WhoAmI", "no"));
        for kind in [NotSignedIn, Forbidden, Configuration, ForeignOrigin] {
            let result = of(kind);
            assert_eq!(result.verdict, Verdict::Fail, "{kind:?}");
            assert_eq!(result.kind, FailureKind::NotAllowed, "{kind:?}");
            let is_known = result.headline == "a problem";
            assert_eq!(is_known, kind == Forbidden, "{kind:?}: {}", result.headline);
        }
        for kind in [
            NotFound,
            Conflict,
            Busy,
            PreconditionFailed,
            Refused,
            Malformed,
            Cancelled,
        ] {
            assert_eq!(of(kind).verdict, Verdict::Unknown, "{kind:?}");
        }
        for kind in [Throttled, Unavailable, Ambiguous] {
            let result = of(kind);
            assert_eq!(result.verdict, Verdict::Unknown, "{kind:?}");
            assert_eq!(result.kind, FailureKind::Temporary, "{kind:?}");
            assert!(!result.remedy.unwrap().contains("role"), "{kind:?}");
        }
    }
}
