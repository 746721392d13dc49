//! Custom steps: could each succeed in a run? Asked before the copy.

use std::sync::Arc;

use crate::checks::check::Check;
use crate::checks::check_result::{CheckResult, Protected};
use crate::domain::RefreshContext;
use crate::domain::failure::unless_interrupted;
use crate::engine::Failure;
use crate::steps::custom_step_runner;

/// One check for each step that is not skipped.
pub(super) async fn run_checks(refresh: &Arc<RefreshContext>) -> Result<Vec<CheckResult>, Failure> {
    let mut results = Vec::new();
    let steps = refresh.runbook.steps.own.iter();
    for step in steps.filter(|step| step.skip.is_none()) {
        let check = Check::protecting(
            Protected::Custom(step.name.value.clone()),
            format!("step {} can do its work", step.name),
            format!("step {} cannot do its work", step.name),
            "correct the step in the runbook, or skip it",
        )
        .invalid_input();
        let forecast = unless_interrupted(custom_step_runner(refresh, step).forecast().await)?;
        results.push(check.settle(forecast.map(|answer| check.answered(&answer))));
    }
    Ok(results)
}
