//! What each step's survey still finds: a step whose survey finds nothing is done.

use crate::checks::check::Check;
use crate::checks::check_result::CheckResult;
use crate::domain::RefreshContext;
use crate::domain::verdict::Verdict;
use crate::engine::{Failure, FailureKind, JournalView, Plan, PlannedStep, Step};
use crate::steps::{manual_remedy, repair_remedy};

/// How many changes of a step are named while the run is open.
const NAMED: usize = 3;

/// What the name of a step's check says before and after the step.
const STEP: &str = "step ";
const DONE: &str = " finds nothing left to do";

/// The step of a finished run that still has changes to make, if this check shows that; its command
/// is that of `steps::repair_command`.
pub fn step_to_repair(finding: &CheckResult) -> Option<&str> {
    let step = finding.check.strip_prefix(STEP)?.strip_suffix(DONE)?;
    (finding.verdict == Verdict::Fail).then_some(step)
}

/// One check for each step. Without a journal, old rows cannot be distinguished from new ones, nor
/// what the copy left from what a person did; so the only result is then an unknown one.
pub(super) async fn run_checks(
    refresh: &RefreshContext,
    steps: &[Step],
    journal: Option<&JournalView>,
) -> Result<Vec<CheckResult>, Failure> {
    let Some(journal) = journal else {
        let check = Check::new(
            "every step of the refresh is done",
            "steps of the refresh are not done",
            "give the run's state file with `--state`",
        );
        let read = "there is no state file, so it is unknown what the steps have left to do";
        return Ok(vec![check.unknown(read)]);
    };
    let journal = journal.clone().for_planning();
    let remedy = |step: &str| remedy(refresh, &journal, step);
    // What an open run still does, its plan shows.
    let limit = if journal.has_finished() {
        usize::MAX
    } else {
        NAMED
    };
    // A later step's survey may need what an earlier step's seal holds, so all steps are surveyed
    // together. If that fails, each is surveyed alone, so that one failure does not hide the
    // others.
    match Plan::make(steps, journal.clone()).await {
        Ok(plan) => {
            return Ok(plan
                .steps
                .iter()
                .filter_map(|step| judge(remedy(&step.name), step, limit))
                .collect());
        }
        Err(failure) if failure.kind == FailureKind::Interrupted => return Err(failure),
        Err(_) => {}
    }
    let mut results = Vec::new();
    for step in steps {
        match Plan::make(std::slice::from_ref(step), journal.clone()).await {
            Ok(plan) => {
                results.extend(
                    plan.steps
                        .iter()
                        .filter_map(|step| judge(remedy(&step.name), step, limit)),
                );
            }
            Err(failure) if failure.kind == FailureKind::Interrupted => return Err(failure),
            Err(failure) => results.push(unsurveyed(remedy(&step.name), step, failure)),
        }
    }
    Ok(results)
}

/// The smallest remedy for what a step's survey still finds: the run resumes; after a finished run,
/// the step is repaired.
pub(super) fn remedy(refresh: &RefreshContext, journal: &JournalView, step: &str) -> String {
    let runbook = refresh.runbook.as_argument();
    let plan = format!("`iomcopy plan {runbook}` shows each change");
    let steps = refresh.runbook.steps.in_order();
    let mut listed = steps.iter().filter(|listed| listed.name() == step);
    let is_skipped = listed.any(|listed| listed.skip().is_some());
    if journal.has_finished() {
        let remedy = if is_skipped {
            manual_remedy(step).to_owned()
        } else {
            repair_remedy(&runbook, step)
        };
        format!("{plan}; {remedy}")
    } else {
        format!("{plan}; `iomcopy run {runbook}` resumes the run")
    }
}

fn check(remedy: String, step: &str) -> Check {
    Check::new(
        format!("{STEP}{step}{DONE}"),
        format!("step {step} still has changes to make"),
        remedy,
    )
}

fn unsurveyed(remedy: String, step: &Step, failure: Failure) -> CheckResult {
    check(remedy, &step.name).unread(failure)
}

/// A step that the runbook skips is not checked. Of its changes at most `limit` are named.
fn judge(remedy: String, step: &PlannedStep, limit: usize) -> Option<CheckResult> {
    if step.skip.is_some() {
        return None;
    }
    let mut left: Vec<String> = step
        .changes
        .iter()
        .map(|change| change.name.clone())
        .collect();
    // One more takes no more room than its number.
    if left.len() > limit.saturating_add(1) {
        let more = left.len() - limit;
        left.truncate(limit);
        left.push(format!("and {more} more"));
    }
    Some(check(remedy, &step.name).none_of(&left, "nothing is left"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use crate::engine::PlannedChange;
    use serde_json::{from_value, json};

    #[test]
    fn a_step_with_changes_left_fails_and_names_them() {
        let change: PlannedChange = from_value(json!({"phase": "turn-on", "key": "flow/1",
            "kind": "set", "name": "turn on 'A'", "before": "off", "after": "on",
            "destructive": false, "expected_seconds": 1}))
        .unwrap();
        let step = |skip: Option<&str>, changes: Vec<PlannedChange>| PlannedStep {
            name: "activate-flows".to_owned(),
            skip: skip.map(str::to_owned),
            changes,
        };
        let many = step(None, vec![change.clone(); 9]);
        let result = judge("turn it on".to_owned(), &step(None, vec![change]), NAMED).unwrap();
        assert_eq!(
            (result.verdict, result.found.as_str()),
            (Verdict::Fail, "turn on 'A'")
        );
        assert_eq!(result.remedy.as_deref(), Some("turn it on"));
        assert_eq!(
            judge("r".to_owned(), &step(None, Vec::new()), NAMED)
                .unwrap()
                .verdict,
            Verdict::Pass
        );
        assert!(judge("r".to_owned(), &step(Some("by hand"), Vec::new()), NAMED).is_none());
        // An open run names a few; a finished one all that a person has to do.
        let found = |limit: usize| judge("r".to_owned(), &many, limit).unwrap().found;
        let named = "turn on 'A'; turn on 'A'; turn on 'A'; and 6 more";
        assert_eq!(found(NAMED), named);
        assert_eq!(found(usize::MAX).matches("turn on").count(), 9);
    }
}
