//! The changes of a run since its status was last shown: lines for `status --follow` in a pipe or a log.

use super::current_work::Estimates;
use super::status::{condition, describe_step, step_condition};
use crate::base::text::escape;
use crate::journal::StateFileContents;

/// The lines that were shown.
#[derive(Debug, Default)]
pub struct StatusChanges {
    shown: Vec<String>,
}

impl StatusChanges {
    /// The lines that were not shown the last time. A line contains no time that passes, so that a
    /// line is new only if something has happened.
    pub fn since_last(
        &mut self,
        contents: &StateFileContents,
        steps: &[&str],
        estimates: &Estimates,
    ) -> Vec<String> {
        let lines = lines(contents, steps, estimates);
        let mut changes = lines.clone();
        changes.retain(|line| !self.shown.contains(line));
        self.shown = lines;
        changes
    }
}

fn lines(contents: &StateFileContents, steps: &[&str], estimates: &Estimates) -> Vec<String> {
    let state = &contents.state;
    let mut lines = vec![format!("run {}: {}", state.run, condition(contents).0)];
    for (number, name) in steps.iter().enumerate() {
        let Some(step) = state.step(name) else {
            continue;
        };
        let line = format!(
            "[{}/{}] {name}: {}{}",
            number + 1,
            steps.len(),
            step_condition(Some(step)).as_text(),
            describe_step(state, step)
        );
        lines.push(line.trim_end().to_owned());
    }
    for launch in state.launches_in_doubt() {
        let name = &launch.intent.name;
        let reported = estimates.stages.get(name);
        let reported = reported.map(|words| format!(": {}", escape(words)));
        lines.push(format!(
            "running at the service: {}{}",
            escape(name),
            reported.unwrap_or_default()
        ));
    }
    for task in state.waiting() {
        lines.push(format!(
            "waits for a person: {}",
            escape(&task.waiting.task)
        ));
    }
    for failure in &state.failures {
        lines.push(format!("failed: {}", failure.message));
    }
    lines
}
