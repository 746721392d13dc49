//! Custom steps: what their surveys do not show, such as the check of a program.

use std::sync::Arc;

use super::remaining_changes::remedy;
use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::domain::RefreshContext;
use crate::domain::failure::unless_interrupted;
use crate::engine::{Failure, JournalView};
use crate::steps::custom_step_runner;

/// One check for each step that is not skipped and has more to say than its survey.
pub(super) async fn run_checks(
    refresh: &Arc<RefreshContext>,
    journal: Option<&JournalView>,
) -> Result<Vec<CheckResult>, Failure> {
    let mut results = Vec::new();
    let steps = refresh.runbook.steps.own.iter();
    for step in steps.filter(|step| step.skip.is_none()) {
        let place = refresh.runbook.place(step.span);
        let advice = match journal {
            Some(journal) if !journal.has_finished() => remedy(refresh, journal, &step.name),
            _ => format!("do by hand what the step does ({place}), then verify again"),
        };
        let check = Check::new(
            format!("the check of step {} passes", step.name),
            format!("the check of step {} does not pass", step.name),
            advice,
        );
        let verified = unless_interrupted(custom_step_runner(refresh, step).verify(journal).await)?;
        results.extend(match verified {
            Ok(answer) => answer.map(|answer| check.answered(&answer)),
            Err(failure) => Some(check.unread(failure)),
        });
    }
    Ok(results)
}
