//! What has failed so far in a run, and which steps do not begin because of it.
//!
//! A failure belongs to what failed: a step begins unless a step that it needs, directly or through
//! other steps, has failed or was not begun. So nothing is deleted while a failure that the deletion
//! depends on is open, and everything else is done.

use super::{Failure, FailureKind, Step};

/// What has failed so far, and what does not begin because of it.
pub(super) struct RunProgress<'a> {
    steps: &'a [Step],
    /// The steps that failed, and how.
    failed: Vec<(&'a str, Failure)>,
    /// The steps that were not begun, and why.
    not_begun: Vec<(&'a str, String)>,
}

impl<'a> RunProgress<'a> {
    /// Takes all steps, in order.
    pub(super) fn new(steps: &'a [Step]) -> Self {
        Self {
            steps,
            failed: Vec::new(),
            not_begun: Vec::new(),
        }
    }

    /// Records that a step failed.
    pub(super) fn fail(&mut self, step: &'a Step, failure: Failure) {
        self.failed.push((&step.name, failure));
    }

    /// Why a step does not begin, if it does not; this is recorded. A step that the runbook skips
    /// needs nothing.
    pub(super) fn not_begun(&mut self, step: &'a Step) -> Option<&str> {
        let missing = self.missing(step);
        if step.skip.is_some() || missing.is_empty() {
            return None;
        }
        let why = format!("it needs {}", missing.join(", and "));
        self.not_begun.push((&step.name, why));
        self.not_begun.last().map(|(_, why)| why.as_str())
    }

    /// What a step needs and does not have. It also needs what each skipped step before it needs.
    fn missing(&self, step: &Step) -> Vec<String> {
        let earlier = self
            .steps
            .iter()
            .take_while(|other| other.name != step.name);
        let mut missing: Vec<String> = Vec::new();
        for needed in earlier.filter(|other| step.needs.include(&other.name)) {
            let found = if self.failed.iter().any(|(name, _)| *name == needed.name) {
                vec![format!("{}, which failed", needed.name)]
            } else if self.not_begun.iter().any(|(name, _)| *name == needed.name) {
                vec![format!("{}, which was not begun", needed.name)]
            } else if needed.skip.is_some() {
                self.missing(needed)
            } else {
                Vec::new()
            };
            for one in found {
                if !missing.contains(&one) {
                    missing.push(one);
                }
            }
        }
        missing
    }

    /// All failures as one, with the steps that were not begun. None if nothing failed.
    pub(super) fn into_failure(self) -> Option<Failure> {
        let Self {
            failed, not_begun, ..
        } = self;
        let failures: Vec<Failure> = failed.into_iter().map(|(_, failure)| failure).collect();
        (!failures.is_empty()).then(|| with_steps_not_begun(Failure::combine(failures), not_begun))
    }

    /// The failure that ends the run at once, with those of earlier steps. If a person must act and
    /// something has failed in another phase, the run has failed: both are listed.
    pub(super) fn end_with(self, failure: Failure) -> Failure {
        let mut failure = failure.with_others(self.failed.iter().map(|(_, failure)| failure));
        if failure.kind == FailureKind::Waiting
            && let Some(kind) = kind_elsewhere(failure.each())
        {
            failure.kind = kind;
        }
        with_steps_not_begun(failure, self.not_begun)
    }
}

/// The kind of the failures that are not in the phase of the first one; `None` if there are none.
fn kind_elsewhere(failures: &[Failure]) -> Option<FailureKind> {
    let place = |failure: &Failure| {
        let location = failure.location.as_deref();
        location.map(|at| (at.step.clone(), at.phase.clone()))
    };
    let here = failures.first().map(place);
    let elsewhere = failures
        .iter()
        .filter(|failure| failure.kind != FailureKind::Waiting && Some(place(failure)) != here);
    let mut kinds = elsewhere.map(|failure| failure.kind);
    let first = kinds.next()?;
    let is_same = kinds.all(|kind| kind == first);
    Some(if is_same { first } else { FailureKind::Failed })
}

/// The same failure, with a line for each step that was not begun.
fn with_steps_not_begun(mut failure: Failure, not_begun: Vec<(&str, String)>) -> Failure {
    if !not_begun.is_empty() {
        failure.message += "\nsteps not begun:";
    }
    for (step, why) in not_begun {
        failure.message += &format!("\n  - {step}: {why}");
        failure.not_begun.insert(step.to_owned(), why);
    }
    failure
}
