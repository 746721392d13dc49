//! What is known of each step before it runs: how many changes, and how long it should take.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::connect::Connected;
use crate::cli::expectations::Expectations;
use crate::engine::{Plan, StepLine};
use crate::journal::{State, StepForecast};

/// What a plan has for each step, by the step's name.
pub(super) fn step_forecasts(plan: &Plan) -> BTreeMap<String, StepForecast> {
    let steps = plan.steps.iter().filter(|step| step.skip.is_none());
    let forecast = steps.map(|step| {
        let seconds = step.changes.iter().map(|change| change.expected_seconds);
        let forecast = StepForecast {
            changes: step.changes.len(),
            seconds: seconds.sum(),
        };
        (step.name.clone(), forecast)
    });
    forecast.collect()
}

/// The steps that this process runs: all of them, or the one that is repaired. A step should take
/// as long as in the last finished run of this runbook, else as long as its plan says.
pub(super) fn step_lines(connected: &Connected, state: &State, path: &Path) -> Vec<StepLine> {
    let repaired = state.repair.as_ref().map(|repair| repair.step.as_str());
    // The duration of a whole run says nothing about the duration of a repair.
    let earlier = if repaired.is_some() {
        BTreeMap::new()
    } else {
        Expectations::of(path).steps_of_last_run()
    };
    let steps = super::repair::only(&connected.steps, repaired);
    let line = |step: &crate::engine::Step| {
        let planned = state.planned.get(&step.name);
        let earlier = earlier.get(&step.name).map(std::time::Duration::as_secs);
        let known = state.step(&step.name).filter(|_| repaired.is_none());
        let done = state.progress(&step.name, None).done + state.by_hand(&step.name).done;
        StepLine {
            name: step.name.clone(),
            skip: step.skip.clone(),
            changes: planned.map(|planned| planned.changes),
            done: known.map(|_| done),
            ended: known.and_then(|step| step.outcome),
            expected_seconds: earlier.or(planned.map(|planned| planned.seconds)),
            worked_seconds: known.map(|step| step.worked.as_secs()),
        }
    };
    steps.iter().map(line).collect()
}
