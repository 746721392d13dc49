//! A question before it is answered, and its answer.

use super::questions::QUESTIONS;
use crate::clients::Error;
use crate::engine::{Failure, FailureKind};
use crate::runbook::{StepName, Word as _};
use crate::text::count;

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
    /// that the same question will be answered later.
    pub kind: FailureKind,
    /// The manual task, `STEP/PHASE`, that an `Unknown` becomes: the question is asked again there.
    pub task: Option<String>,
}

/// How many things an answer names; more are counted.
const NAMED: usize = 20;

/// A question: its name, and what helps where the answer is not good.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    name: String,
    remedy: String,
    kind: FailureKind,
    task: Option<String>,
}

impl Probe {
    /// A question whose `Fail` is a guard that refuses.
    pub(super) fn new(name: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            remedy: remedy.into(),
            kind: FailureKind::Refused,
            task: None,
        }
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
        Finding {
            probe: self.name.clone(),
            verdict,
            read: read.into(),
            remedy: (verdict != Verdict::Pass).then(|| self.remedy.clone()),
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

    /// It is not, because a service refused. What helps against that refusal goes before the
    /// question's own advice.
    pub(super) fn refused(&self, error: &Error) -> Finding {
        let mut finding = self.fail(error.to_string());
        if let Some(help) = &error.help {
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
        answer.unwrap_or_else(|failure| {
            let open = self.unknown(failure.message);
            match failure.kind {
                FailureKind::Temporary => Finding {
                    kind: FailureKind::Temporary,
                    ..open
                },
                _ => open,
            }
        })
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
        assert_eq!(probe.settle(Err(away)).kind, FailureKind::Temporary);
    }
}
