//! What is known of each step before it runs: how many changes, and how long it should take.

use crate::cli::connect::Connected;
use crate::engine::StepLine;
use crate::journal::State;

/// The steps that this process runs: all of them, or the one that is repaired.
pub(super) fn step_lines(connected: &Connected, state: &State) -> Vec<StepLine> {
    let repaired = state.repair.as_ref().map(|repair| repair.step.as_str());
    let steps = super::repair::only(&connected.steps, repaired);
    let line = |step: &crate::engine::Step| {
        let planned = state.planned.get(&step.name);
        let known = state.step(&step.name);
        let automatic = state.progress_since_reopening(&step.name);
        let done = automatic.done + state.by_hand(&step.name).done;
        StepLine {
            name: step.name.clone(),
            skip: step.skip.clone(),
            changes: planned.map(|planned| planned.changes),
            done: known.map(|_| done),
            ended: known.and_then(|step| step.outcome),
            expected_seconds: planned.map(|planned| planned.seconds),
            expected_from: planned.map(|planned| planned.source),
            worked_seconds: known.map(|step| step.worked_since_reopening().as_secs()),
            seconds_before: known
                .and_then(|step| step.reopened)
                .map(|reopened| reopened.took.as_secs()),
        }
    };
    steps.iter().map(line).collect()
}
