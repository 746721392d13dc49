//! How long the steps of a run should take, and from where that is known.
//!
//! [`expected_steps`] is the only place that decides it. A run records the result with its plan, so
//! that the plan, the prompt, the table, the status and the report say the same.

use std::collections::BTreeMap;
use std::time::Duration;

use super::duration;
use crate::engine::Plan;
use crate::journal::{StepForecast, TimeSource};

/// How many changes each step of a plan has, and how long it should take, by the step's name. Takes
/// how long the steps took in the last finished run; a step that it does not have takes as long as
/// its changes as a rule, and a step without a change takes no time.
pub fn expected_steps(
    plan: &Plan,
    last_run: &BTreeMap<String, Duration>,
) -> BTreeMap<String, StepForecast> {
    let steps = plan.steps.iter().filter(|step| step.skip.is_none());
    let forecast = steps.map(|step| {
        let usual = step.changes.iter().map(|change| change.expected_seconds);
        let last = last_run
            .get(&step.name)
            .filter(|_| !step.changes.is_empty());
        let (seconds, source) = match last {
            Some(last) => (last.as_secs(), TimeSource::LastRun),
            None => (usual.sum(), TimeSource::Plan),
        };
        let forecast = StepForecast {
            changes: step.changes.len(),
            seconds,
            source,
        };
        (step.name.clone(), forecast)
    });
    forecast.collect()
}

/// How long these steps should take together, and from where that is known; none if nothing is known
/// about them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ExpectedTime {
    pub(super) takes: Duration,
    pub(super) source: &'static str,
}

impl ExpectedTime {
    /// Of one step.
    pub(super) fn of(forecast: StepForecast) -> Self {
        let source = match forecast.source {
            TimeSource::Plan => "its plan",
            TimeSource::LastRun => "the last finished run",
        };
        Self {
            takes: Duration::from_secs(forecast.seconds),
            source,
        }
    }

    /// Of several steps together; none without steps.
    pub(super) fn sum(forecasts: &BTreeMap<String, StepForecast>) -> Option<Self> {
        if forecasts.is_empty() {
            return None;
        }
        let seconds = forecasts.values().map(|forecast| forecast.seconds).sum();
        let has = |source| {
            let mut steps = forecasts.values();
            steps.any(|step| step.seconds > 0 && step.source == source)
        };
        let source = match (has(TimeSource::LastRun), has(TimeSource::Plan)) {
            (true, false) => "the last finished run",
            (true, true) => "the last finished run, and its plan for the other steps",
            (false, _) => "its plan",
        };
        Some(Self {
            takes: Duration::from_secs(seconds),
            source,
        })
    }

    /// The window to book: half as long again as expected, in whole hours.
    pub(super) fn window(self) -> Duration {
        let seconds = self.takes.as_secs();
        Duration::from_hours((seconds * 3 / 2).div_ceil(3600))
    }
}

/// How long the changes of a plan should take, which no service promises, and the window to book.
/// `expected` comes from [`expected_steps`].
pub fn expected_duration(plan: &Plan, expected: &BTreeMap<String, StepForecast>) -> String {
    let by_hand = if plan.by_hand() == 0 {
        "none".to_owned()
    } else {
        duration(plan.human_time())
    };
    let usual = format!(
        "services {}, manual tasks {by_hand}",
        duration(plan.automatic_time())
    );
    let Some(time) = ExpectedTime::sum(expected) else {
        return format!("Usually: {usual}");
    };
    let window = duration(time.window());
    let is_usual = expected
        .values()
        .all(|step| step.seconds == 0 || step.source == TimeSource::Plan);
    if is_usual {
        return format!("Usually: {usual}; plan a window of {window}");
    }
    format!(
        "Expected: {}, as in {} (usually: {usual}); plan a window of {window}",
        duration(time.takes),
        time.source
    )
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::*;

    fn last_run(minutes: u64) -> BTreeMap<String, Duration> {
        let copy = ("copy-environments", minutes);
        // A step that has nothing to do now.
        let dual_write = ("activate-flows", 600);
        [copy, dual_write]
            .map(|(step, minutes)| (step.to_owned(), Duration::from_mins(minutes)))
            .into()
    }

    #[test]
    fn a_step_takes_as_long_as_in_the_last_run_else_as_its_changes_as_a_rule() {
        let plan = plan();
        let usual = expected_steps(&plan, &BTreeMap::new());
        let seconds = |expected: &BTreeMap<String, StepForecast>| -> Vec<u64> {
            expected.values().map(|step| step.seconds).collect()
        };
        // The skipped step has no time.
        assert_eq!(seconds(&usual), [3600, 200]);
        assert_eq!(
            expected_duration(&plan, &usual),
            "Usually: services 1 h, manual tasks 3 min; plan a window of 2 h"
        );
        let known = expected_steps(&plan, &last_run(180));
        assert_eq!(seconds(&known), [10_800, 200]);
        assert_eq!(
            expected_duration(&plan, &known),
            "Expected: 3 h 3 min, as in the last finished run, and its plan for the other steps \
             (usually: services 1 h, manual tasks 3 min); plan a window of 5 h"
        );
        let only_copy = known
            .into_iter()
            .filter(|(step, _)| step == "copy-environments")
            .collect();
        let time = ExpectedTime::sum(&only_copy);
        assert_eq!(time.map(|time| time.source), Some("the last finished run"));
    }

    #[test]
    fn a_step_with_nothing_to_do_takes_no_time_whatever_it_took_before() {
        let mut plan = plan();
        plan.steps[0].changes.clear();
        let expected = expected_steps(&plan, &last_run(180));
        assert_eq!(expected["copy-environments"].seconds, 0);
    }
}
