//! What each step's survey still finds: a step whose survey finds nothing is done.

use std::sync::Arc;

use crate::checks::finding::{Finding, Probe};
use crate::domain::Refresh;
use crate::engine::{Failure, FailureKind, Known, Plan, PlannedStep, Step};
use crate::steps::{all, by_hand};

/// One probe a step, by what the journal knows. Without a journal old and new cannot be told
/// apart, and what the copy left not from what a person did; then it is said that none was asked.
pub(super) async fn ask(
    refresh: &Arc<Refresh>,
    known: Option<&Known>,
) -> Result<Vec<Finding>, Failure> {
    let Some(known) = known else {
        let probe = Probe::new(
            "every step of the refresh is done",
            "give the state file of the run by `--state`",
        );
        let read = "there is no state file, so what a step left cannot be told";
        return Ok(vec![probe.unknown(read)]);
    };
    let known = known.clone().for_planning();
    let cure = |step: &str| cure(refresh, &known, step);
    let steps = all(refresh, crate::checks::questions);
    // A later step's survey may need what an earlier step's seal holds, so all are surveyed in one
    // go; where that fails, each by itself, so that one failure does not hide the others.
    match Plan::make(&steps, known.clone()).await {
        Ok(plan) => {
            return Ok(plan
                .steps
                .iter()
                .filter_map(|step| judged(cure(&step.name), step))
                .collect());
        }
        Err(failure) if failure.kind == FailureKind::Interrupted => return Err(failure),
        Err(_) => {}
    }
    let mut findings = Vec::new();
    for step in &steps {
        match Plan::make(std::slice::from_ref(step), known.clone()).await {
            Ok(plan) => {
                findings.extend(
                    plan.steps
                        .iter()
                        .filter_map(|step| judged(cure(&step.name), step)),
                );
            }
            Err(failure) if failure.kind == FailureKind::Interrupted => return Err(failure),
            Err(failure) => findings.push(unsurveyed(cure(step.name), step, failure)),
        }
    }
    Ok(findings)
}

/// The smallest cure for what a step's survey still finds: the run goes on, or, where it has finished,
/// a person makes it good.
pub(super) fn cure(refresh: &Refresh, known: &Known, step: &str) -> String {
    let runbook = refresh.runbook.file().display();
    let plan = format!("`iomcopy plan {runbook}` shows each change");
    if known.has_finished() {
        format!(
            "{plan}; the run has finished and changes nothing any more: {}",
            by_hand(step)
        )
    } else {
        format!("{plan}; `iomcopy run {runbook}` goes on")
    }
}

fn probe(cure: String, step: &str) -> Probe {
    Probe::new(format!("step {step} finds nothing left to do"), cure)
}

fn unsurveyed(cure: String, step: &Step, failure: Failure) -> Finding {
    probe(cure, step.name).unread(failure)
}

/// A step that the runbook leaves out is not asked about.
fn judged(cure: String, step: &PlannedStep) -> Option<Finding> {
    if step.skip.is_some() {
        return None;
    }
    let left: Vec<String> = step
        .changes
        .iter()
        .map(|change| change.name.clone())
        .collect();
    Some(probe(cure, &step.name).none_of(&left, "nothing is left"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Verdict;
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
        let finding = judged("turn it on".to_owned(), &step(None, vec![change])).unwrap();
        assert_eq!(
            (finding.verdict, finding.read.as_str()),
            (Verdict::Fail, "turn on 'A'")
        );
        assert_eq!(finding.remedy.as_deref(), Some("turn it on"));
        assert_eq!(
            judged("r".to_owned(), &step(None, Vec::new()))
                .unwrap()
                .verdict,
            Verdict::Pass
        );
        assert!(judged("r".to_owned(), &step(Some("by hand"), Vec::new())).is_none());
    }
}
