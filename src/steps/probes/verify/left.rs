//! What each step's survey still finds: a step whose survey finds nothing is done.

use std::sync::Arc;

use crate::engine::{Failure, FailureKind, Known, Plan, PlannedStep, Step};
use crate::steps::probes::finding::{Finding, Probe};
use crate::steps::{Refresh, all};

/// One probe a step, by what the journal knows. Without a journal old and new cannot be told
/// apart, and what the copy left not from what a person did; then it is said that none was asked.
pub(super) async fn ask(
    refresh: &Arc<Refresh>,
    known: Option<&Known>,
) -> Result<Vec<Finding>, Failure> {
    let runbook = refresh.runbook.file().display().to_string();
    let Some(known) = known else {
        let probe = Probe::new(
            "every step of the refresh is done",
            "give the state file of the run by `--state`",
        );
        let read = "there is no state file, so what a step left cannot be told";
        return Ok(vec![probe.unknown(read)]);
    };
    let known = known.clone().for_planning();
    let steps = all(refresh);
    // A later step's survey may need what an earlier step's seal holds, so all are surveyed in one
    // go; where that fails, each by itself, so that one failure does not hide the others.
    match Plan::make(&steps, known.clone()).await {
        Ok(plan) => {
            return Ok(plan
                .steps
                .iter()
                .filter_map(|step| judged(&runbook, step))
                .collect());
        }
        Err(failure) if failure.kind == FailureKind::Interrupted => return Err(failure),
        Err(_) => {}
    }
    let mut findings = Vec::new();
    for step in &steps {
        match Plan::make(std::slice::from_ref(step), known.clone()).await {
            Ok(plan) => {
                findings.extend(plan.steps.iter().filter_map(|step| judged(&runbook, step)));
            }
            Err(failure) if failure.kind == FailureKind::Interrupted => return Err(failure),
            Err(failure) => findings.push(unsurveyed(&runbook, step, &failure)),
        }
    }
    Ok(findings)
}

fn probe(runbook: &str, step: &str) -> Probe {
    Probe::new(
        format!("step {step} finds nothing left to do"),
        format!("`iomcopy plan {runbook}` shows each change; `iomcopy run {runbook}` goes on"),
    )
}

fn unsurveyed(runbook: &str, step: &Step, failure: &Failure) -> Finding {
    let help = failure.help.as_ref().map(|help| format!(" ({help})"));
    let read = format!("{}{}", failure.message, help.unwrap_or_default());
    probe(runbook, step.name).unknown(read)
}

/// A step that the runbook leaves out is not asked about.
fn judged(runbook: &str, step: &PlannedStep) -> Option<Finding> {
    if step.skip.is_some() {
        return None;
    }
    let left: Vec<String> = step
        .changes
        .iter()
        .map(|change| change.name.clone())
        .collect();
    Some(probe(runbook, &step.name).none_of(&left, "nothing is left"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::PlannedChange;
    use crate::steps::probes::finding::Verdict;
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
        let finding = judged("uat.yaml", &step(None, vec![change])).unwrap();
        assert_eq!(
            (finding.verdict, finding.read.as_str()),
            (Verdict::Fail, "turn on 'A'")
        );
        assert!(finding.remedy.unwrap().contains("iomcopy run uat.yaml"));
        assert_eq!(
            judged("r", &step(None, Vec::new())).unwrap().verdict,
            Verdict::Pass
        );
        assert!(judged("r", &step(Some("by hand"), Vec::new())).is_none());
    }
}
