//! The names of a runbook's steps: in reports, and as a flag's value.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::error::Error;
use clap::{Arg, Command};

use super::did_you_mean;
use crate::engine::{Failure, FailureKind};
use crate::journal::State;
use crate::runbook::Runbook;
use crate::steps;

/// The steps of a run, in order: those of the runbook, and each step that ran and that the runbook
/// no longer has, after the step that it ran after. Without a state, those of the runbook.
pub(super) fn step_names<'a>(runbook: &'a Runbook, state: Option<&'a State>) -> Vec<&'a str> {
    let ran = state.into_iter().flat_map(|state| &state.steps);
    with_those_that_ran(steps::names_of(runbook), ran.map(|step| step.step.as_str()))
}

/// The steps of a run, in order, where only its state file is known: the eight, and each other step
/// that ran, after the step that it ran after.
pub(super) fn names_that_ran(state: &State) -> Vec<&str> {
    let ran = state.steps.iter().map(|step| step.step.as_str());
    with_those_that_ran(steps::names(), ran)
}

fn with_those_that_ran<'a>(
    mut names: Vec<&'a str>,
    ran: impl Iterator<Item = &'a str>,
) -> Vec<&'a str> {
    let mut place = 0;
    for step in ran {
        if let Some(at) = names.iter().position(|name| *name == step) {
            place = at + 1;
        } else {
            names.insert(place, step);
            place += 1;
        }
    }
    names
}

/// Fails if the runbook has no step of this name.
pub(super) fn require_step(runbook: &Runbook, step: &str) -> Result<(), Failure> {
    let names = steps::names_of(runbook);
    if names.contains(&step) {
        return Ok(());
    }
    let failure = Failure::new(
        FailureKind::InvalidInput,
        format!("the runbook has no step '{step}'"),
    );
    Err(failure.with_help(did_you_mean::advice(step, &names, "its steps")))
}

/// Parses a name. A shell completes those of the eight steps; those of custom steps are known
/// only once the runbook is read.
#[derive(Clone)]
pub(super) struct NameParser(fn() -> Vec<&'static str>);

/// The name of a step.
pub(super) const STEP: NameParser = NameParser(steps::names);

/// The name of a manual task: `STEP/PHASE`.
pub(super) const TASK: NameParser = NameParser(steps::task_names);

impl TypedValueParser for NameParser {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.0)().into_iter().map(PossibleValue::new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_ran_and_is_gone_from_the_runbook_keeps_its_place() {
        let names = |ran: &[&'static str]| {
            with_those_that_ran(vec!["copy", "open", "flows"], ran.iter().copied()).join(" ")
        };
        assert_eq!(names(&[]), "copy open flows");
        assert_eq!(names(&["copy", "open"]), "copy open flows");
        assert_eq!(names(&["copy", "scrub", "open"]), "copy scrub open flows");
        assert_eq!(
            names(&["copy", "a", "b", "open", "flows", "c"]),
            "copy a b open flows c"
        );
    }
}
