//! A question before it is answered, and its answer.

use super::questions::QUESTIONS;
use crate::base::text::count;
use crate::clients::{Error, ErrorKind};
use crate::engine::{Failure, FailureKind};
use crate::runbook::{StepName, Word as _};

/// The answer to a read-only question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is as it must be.
    Pass,
    /// It is not.
    Fail,
    /// It cannot be read, or only a person can judge it; neither good nor bad.
    Unknown,
}

/// A question, its answer, what was read, and what to do.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The question's name: what is so where all is well.
    pub probe: String,
    /// The answer.
    pub verdict: Verdict,
    /// What was read.
    pub read: String,
    /// What to do, where the answer is not `Pass`.
    pub remedy: Option<String>,
    /// How a run ends that meets a `Fail`. Of an `Unknown`: `Temporary` where the service was away, so
    /// that the same question will be answered later, and a run does not begin before it is.
    pub kind: FailureKind,
    /// The manual task, `STEP/PHASE`, that an `Unknown` becomes: the question is asked again there.
    pub task: Option<String>,
}

/// What helps where a service did not answer.
const AWAY: &str = "the service did not answer: run again when it does";

/// How many things an answer names; more are counted.
const NAMED: usize = 20;

/// What helps only where something is proved to be wrong: it may delete, reset or compile again, so it
/// is never advised for something that is unknown.
#[derive(Clone, Debug)]
pub(super) enum Cure {
    /// What a person does.
    ByHand(String),
    /// The provider of this definition is deleted and installed again, by the run of this runbook.
    Reinstall { runbook: String, definition: String },
}

impl std::fmt::Display for Cure {
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

/// A question: its name, and what helps where the answer is not good.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    name: String,
    /// What helps or tells more whatever the answer; it destroys nothing.
    remedy: String,
    /// What helps where it is proved that something is wrong, and only there.
    cure: Option<Cure>,
    kind: FailureKind,
    task: Option<String>,
}

impl Probe {
    /// A question whose `Fail` is a guard that refuses.
    pub(super) fn new(name: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            remedy: remedy.into(),
            cure: None,
            kind: FailureKind::Refused,
            task: None,
        }
    }

    /// The same, with what helps besides where the answer is `Fail`.
    pub(super) fn if_failed(mut self, cure: Cure) -> Self {
        self.cure = Some(cure);
        self
    }

    /// The same, whose `Fail` is a mistake in the runbook.
    pub(super) fn wrong(mut self) -> Self {
        self.kind = FailureKind::Wrong;
        self
    }

    /// The same, whose `Fail` is a right that the caller lacks.
    pub(super) fn not_allowed(mut self) -> Self {
        self.kind = FailureKind::NotAllowed;
        self
    }

    /// The same, whose `Fail` passes by itself: run again later.
    pub(super) fn temporary(mut self) -> Self {
        self.kind = FailureKind::Temporary;
        self
    }

    /// The same, asked again at the head of this step where it cannot be answered before.
    pub(super) fn before(mut self, step: StepName) -> Self {
        self.task = Some(format!("{}/{QUESTIONS}", step.word()));
        self
    }

    fn answered(&self, verdict: Verdict, read: impl Into<String>) -> Finding {
        let cure = self.cure.as_ref().filter(|_| verdict == Verdict::Fail);
        let remedies = [self.remedy.clone()]
            .into_iter()
            .chain(cure.map(Cure::to_string))
            .filter(|remedy| !remedy.is_empty());
        let remedy = remedies.collect::<Vec<_>>().join("; ");
        Finding {
            probe: self.name.clone(),
            verdict,
            read: read.into(),
            remedy: (verdict != Verdict::Pass).then_some(remedy),
            kind: self.kind,
            task: self.task.clone().filter(|_| verdict == Verdict::Unknown),
        }
    }

    /// It is as it must be.
    pub(super) fn pass(&self, read: impl Into<String>) -> Finding {
        self.answered(Verdict::Pass, read)
    }

    /// It is not.
    pub(super) fn fail(&self, read: impl Into<String>) -> Finding {
        self.answered(Verdict::Fail, read)
    }

    /// It cannot be told.
    pub(super) fn unknown(&self, read: impl Into<String>) -> Finding {
        self.answered(Verdict::Unknown, read)
    }

    /// The answer of a question about what the caller may do, where a service gave an error. The
    /// error is the answer where it is about the caller (not signed in, not allowed, a credential or
    /// an address that cannot be used); any other leaves the question open.
    pub(super) fn refused(&self, error: &Error) -> Finding {
        match error.kind {
            ErrorKind::NotSignedIn
            | ErrorKind::Forbidden
            | ErrorKind::Configuration
            | ErrorKind::ForeignOrigin => {
                let mut finding = self.fail(error.to_string());
                // What helps against that refusal goes before the question's own advice.
                if let Some(help) = &error.help {
                    finding.remedy = Some(format!("{help}; {}", self.remedy));
                }
                finding
            }
            _ => self.unread(error.clone().into()),
        }
    }

    /// The answer where the reading failed: unknown, never a failure of what would have been read.
    /// Where the service was away, neither the question's advice nor a person helps, only asking
    /// again.
    pub(super) fn unread(&self, failure: Failure) -> Finding {
        let mut finding = self.unknown(failure.message);
        if failure.kind == FailureKind::Temporary {
            finding.remedy = Some(AWAY.to_owned());
            finding.kind = FailureKind::Temporary;
            finding.task = None;
        } else if let Some(help) = failure.help {
            finding.remedy = Some(format!("{help}; {}", self.remedy));
        }
        finding
    }

    /// Pass or fail.
    pub(super) fn judged(&self, good: bool, read: impl Into<String>) -> Finding {
        if good {
            self.pass(read)
        } else {
            self.fail(read)
        }
    }

    /// Fails where there is any of these, and names them; else passes with these words.
    pub(super) fn none_of(&self, bad: &[String], good: &str) -> Finding {
        match bad {
            [] => self.pass(good),
            bad => self.fail(named(bad)),
        }
    }

    /// Fails where there is any of the first, and names them; else is not known where there is any of
    /// the second; else passes with these words.
    pub(super) fn judged_lists(&self, bad: &[String], open: &[String], good: &str) -> Finding {
        match bad {
            [] => self.unless_any(open, good),
            bad => self.fail(named(bad)),
        }
    }

    /// The same, where only a person can tell whether what was seen is bad.
    pub(super) fn unless_any(&self, seen: &[String], good: &str) -> Finding {
        match seen {
            [] => self.pass(good),
            seen => self.unknown(named(seen)),
        }
    }

    /// The answer, or unknown where its reading failed.
    pub(super) fn settle(&self, answer: Result<Finding, Failure>) -> Finding {
        answer.unwrap_or_else(|failure| self.unread(failure))
    }
}

/// Names in one line; of many, the first and how many more.
pub(super) fn named(names: &[String]) -> String {
    let shown = names
        .get(..NAMED)
        .filter(|_| names.len() > NAMED)
        .unwrap_or(names);
    let text = shown.join("; ");
    match names.len() - shown.len() {
        0 => text,
        more => format!("{text}; and {} besides", count(more, "more thing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_is_told_only_where_it_is_needed() {
        let probe = Probe::new("all is well", "mend it").wrong();
        assert_eq!(probe.pass("so it is").remedy, None);
        assert_eq!(probe.fail("no").remedy.as_deref(), Some("mend it"));
        assert_eq!(probe.unknown("?").remedy.as_deref(), Some("mend it"));
        assert_eq!(probe.fail("no").kind, FailureKind::Wrong);
    }

    #[test]
    fn what_may_destroy_is_advised_only_where_something_is_proved_wrong() {
        let reinstall = Cure::Reinstall {
            runbook: "uat.yaml".to_owned(),
            definition: "msdyn_finops".to_owned(),
        };
        let probe = Probe::new("the flow is on", "turn it on").if_failed(reinstall);
        let away = Failure::new(FailureKind::Temporary, "away");
        let unreadable = Failure::failed("no").with_help("look at the table");
        for open in [
            probe.unknown("?"),
            probe.unless_any(&["one".to_owned()], "none"),
            probe.judged_lists(&[], &["one".to_owned()], "none"),
            probe.settle(Err(away)),
            probe.settle(Err(unreadable)),
        ] {
            assert!(!open.remedy.unwrap().contains("--again"));
        }
        let cured = probe.fail("no").remedy.unwrap();
        assert!(cured.starts_with("turn it on; only if"), "{cured}");
        assert!(cured.contains("--provider msdyn_finops"), "{cured}");
    }

    #[test]
    fn what_is_bad_is_named_and_much_is_counted() {
        let probe = Probe::new("all is well", "mend it");
        assert_eq!(probe.none_of(&[], "all").verdict, Verdict::Pass);
        let bad = vec!["'a'".to_owned(), "'b'".to_owned()];
        let finding = probe.none_of(&bad, "all");
        assert_eq!(
            (finding.verdict, finding.read.as_str()),
            (Verdict::Fail, "'a'; 'b'")
        );
        assert_eq!(probe.unless_any(&bad, "all").verdict, Verdict::Unknown);
        let many: Vec<String> = (0..NAMED + 3).map(|n| n.to_string()).collect();
        assert!(
            named(&many).ends_with("19; and 3 more things besides"),
            "{}",
            named(&many)
        );
    }

    #[test]
    fn a_reading_that_failed_leaves_the_question_open() {
        let probe = Probe::new("all is well", "mend it");
        let finding = probe.settle(Err(Failure::failed("the service is away")));
        assert_eq!(finding.verdict, Verdict::Unknown);
        assert_eq!(finding.read, "the service is away");
        assert_eq!(finding.kind, FailureKind::Refused);
        let away = Failure::new(FailureKind::Temporary, "the service is away");
        let finding = probe.before(StepName::ActivateFlows).settle(Err(away));
        assert_eq!(finding.kind, FailureKind::Temporary);
        // Neither the question's own advice nor a person cures an outage.
        assert_eq!(
            (finding.remedy.as_deref(), finding.task),
            (Some(AWAY), None)
        );
    }

    #[test]
    fn only_an_error_that_is_about_the_caller_is_a_failure_of_the_caller() {
        use ErrorKind::{
            Ambiguous, Busy, Cancelled, Configuration, Conflict, Forbidden, ForeignOrigin,
            Malformed, NotFound, NotSignedIn, PreconditionFailed, Refused, Throttled, Unavailable,
        };
        let probe = Probe::new("the caller is an administrator", "give it the role").not_allowed();
        let of = |kind| probe.refused(&Error::new(kind, "Dataverse", "GET /WhoAmI", "no"));
        for kind in [NotSignedIn, Forbidden, Configuration, ForeignOrigin] {
            let finding = of(kind);
            assert_eq!(finding.verdict, Verdict::Fail, "{kind:?}");
            assert_eq!(finding.kind, FailureKind::NotAllowed, "{kind:?}");
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
            let finding = of(kind);
            assert_eq!(finding.verdict, Verdict::Unknown, "{kind:?}");
            assert_eq!(finding.kind, FailureKind::Temporary, "{kind:?}");
            assert!(!finding.remedy.unwrap().contains("role"), "{kind:?}");
        }
    }
}
