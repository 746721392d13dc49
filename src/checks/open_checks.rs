//! Checks that `preflight` may not be able to answer, repeated at the head of the step that needs
//! them. A check that still does not pass becomes a manual task: the remedy is what to do, and the
//! check itself is the evidence.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::check_result::CheckResult;
use super::preflight;
use crate::domain::environments::copy_key;
use crate::domain::manual_change::ManualChange;
use crate::domain::verdict::Verdict;
use crate::domain::{RefreshContext, keys};
use crate::engine::{Change, Failure, FailureKind, JournalView, Phase, Survey};
use crate::runbook::StepName;

/// The phase at the head of a step. A step without such checks has none.
pub(crate) fn open_checks_phase(refresh: &Arc<RefreshContext>, step: StepName) -> Phase {
    Phase::changes(
        keys::QUESTIONS,
        OpenChecks {
            refresh: Arc::clone(refresh),
            step,
        },
    )
}

struct OpenChecks {
    refresh: Arc<RefreshContext>,
    step: StepName,
}

#[async_trait]
impl Survey for OpenChecks {
    async fn survey(&self, journal: &JournalView) -> Result<Vec<Change>, Failure> {
        let refresh = &self.refresh;
        let results = match self.step {
            // After the copy is requested, the service itself has answered.
            StepName::CopyEnvironments if journal.launch(&copy_key(refresh)).is_some() => {
                Vec::new()
            }
            StepName::CopyEnvironments => preflight::checks_before_copy(refresh).await?,
            StepName::ReconfigureConnections => {
                preflight::checks_before_connections(refresh, journal).await?
            }
            StepName::ActivateFlows => {
                Box::pin(preflight::checks_before_flows(refresh, journal)).await?
            }
            _ => Vec::new(),
        };
        let open: Vec<&CheckResult> = results
            .iter()
            .filter(|result| result.verdict != Verdict::Pass)
            .collect();
        match open.iter().find_map(|result| unavailable(result)) {
            Some(failure) => Err(failure),
            None => Ok(open.into_iter().map(manual_task).collect()),
        }
    }
}

/// A check that is unknown because a service is unavailable; no person can answer it instead.
fn unavailable(result: &CheckResult) -> Option<Failure> {
    result.is_unavailable().then(|| {
        let open = format!("{}: {}", result.headline, result.found);
        Failure::new(FailureKind::Temporary, open)
    })
}

/// A check that does not pass, as a manual task.
fn manual_task(result: &CheckResult) -> Change {
    let answer = match result.verdict {
        Verdict::Pass => "yes",
        Verdict::Fail => "no",
        Verdict::Unknown => "not known",
    };
    let mut instructions = vec![format!("{}: {}", result.headline, result.found)];
    instructions.extend(result.remedy.clone());
    let advice = (result.verdict == Verdict::Unknown).then_some(
        "what stays unreadable, check yourself, and continue without evidence (`--waive`)",
    );
    ManualChange {
        key: keys::question(&result.check),
        name: format!("make sure that {}", result.check),
        before: json!({ "answer": answer, "read": result.found }),
        after: json!({ "answer": "yes" }),
        instructions,
        evidence: result.check.clone(),
    }
    .into_change()
    .with_advice(advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::check::Check;
    use crate::engine::Action;

    #[test]
    fn a_service_that_is_unavailable_makes_no_task() {
        let check =
            Check::new("the door is open", "a problem", "open it").before(StepName::ActivateFlows);
        let gone = Failure::new(FailureKind::Temporary, "nobody is there");
        let failure = unavailable(&check.settle(Err(gone))).expect("it is checked again later");
        assert_eq!(failure.kind, FailureKind::Temporary);
        assert!(failure.message.contains("nobody is there"));
        assert!(unavailable(&check.settle(Err(Failure::failed("it may not be read")))).is_none());
        assert!(unavailable(&check.fail("it is shut")).is_none());
    }

    #[test]
    fn a_check_that_does_not_pass_is_a_task_with_itself_as_evidence() {
        let check =
            Check::new("the door is open", "a problem", "open it").before(StepName::ActivateFlows);
        let change = manual_task(&check.unknown("nobody looked"));
        let Action::ManualTask(asked) = &change.action else {
            panic!("it is not a manual task");
        };
        assert_eq!(asked.evidence, "the door is open");
        assert_eq!(
            asked.instructions,
            [
                "could not check that the door is open: nobody looked",
                "open it"
            ]
        );
        assert!(asked.advice[0].contains("--waive"));
        let Action::ManualTask(asked) = manual_task(&check.fail("it is shut")).action else {
            panic!("it is not a manual task");
        };
        assert_eq!(
            (asked.instructions.len(), asked.advice.len()),
            (2, 0),
            "what was read cannot be waived by looking"
        );
    }
}
