//! Questions that `preflight` may find no answer to, asked again at the head of the step that needs
//! it. What is still not answered well then is a person's task: the remedy is what to do, and the
//! question itself is the evidence.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::finding::{Finding, Verdict};
use super::preflight;
use crate::domain::Refresh;
use crate::domain::environments::copy_key;
use crate::engine::{Action, Ask, Change, Failure, FailureKind, Known, Phase, Survey};
use crate::runbook::StepName;

/// The name of the phase at the head of a step.
pub(super) const QUESTIONS: &str = "questions";

/// The phase at the head of a step. Steps without such questions have none.
pub(crate) fn questions(refresh: &Arc<Refresh>, step: StepName) -> Phase {
    Phase::changes(
        QUESTIONS,
        Questions {
            refresh: Arc::clone(refresh),
            step,
        },
    )
}

struct Questions {
    refresh: Arc<Refresh>,
    step: StepName,
}

#[async_trait]
impl Survey for Questions {
    async fn survey(&self, known: &Known) -> Result<Vec<Change>, Failure> {
        let refresh = &self.refresh;
        let findings = match self.step {
            // Once the copy is asked for, the service itself has answered.
            StepName::CopyEnvironments if known.launch(&copy_key(refresh)).is_some() => Vec::new(),
            StepName::CopyEnvironments => preflight::of_the_copy(refresh).await?,
            StepName::ReconfigureConnections => preflight::of_connections(refresh, known).await?,
            StepName::ActivateFlows => preflight::of_flows(refresh, known).await?,
            _ => Vec::new(),
        };
        let open: Vec<&Finding> = findings
            .iter()
            .filter(|finding| finding.verdict != Verdict::Pass)
            .collect();
        match open.iter().find_map(|finding| away(finding)) {
            Some(failure) => Err(failure),
            None => Ok(open.into_iter().map(ask).collect()),
        }
    }
}

/// A service that is away leaves a question open, and no person can answer it in its place.
fn away(finding: &Finding) -> Option<Failure> {
    let is_away = finding.verdict == Verdict::Unknown && finding.kind == FailureKind::Temporary;
    is_away.then(|| {
        let open = format!("not known whether {}: {}", finding.probe, finding.read);
        Failure::new(FailureKind::Temporary, open)
    })
}

/// A question that is not answered well, as a person's task.
fn ask(finding: &Finding) -> Change {
    let answer = match finding.verdict {
        Verdict::Pass => "yes",
        Verdict::Fail => "no",
        Verdict::Unknown => "not known",
    };
    let mut instructions = vec![format!("{}: {}", finding.probe, finding.read)];
    instructions.extend(finding.remedy.clone());
    if finding.verdict == Verdict::Unknown {
        instructions.push(
            "where it stays unreadable, look yourself, and say with `iomcopy complete … --waive` \
             that it is so"
                .to_owned(),
        );
    }
    Change {
        key: format!("question/{}", finding.probe),
        name: format!("see to it that {}", finding.probe),
        before: json!({ "answer": answer, "read": finding.read }),
        after: json!({ "answer": "yes" }),
        follows: Vec::new(),
        action: Action::Ask(Ask {
            instructions,
            evidence: finding.probe.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Probe;

    #[test]
    fn a_service_that_is_away_makes_no_task() {
        let probe = Probe::new("the door is open", "open it").before(StepName::ActivateFlows);
        let gone = Failure::new(FailureKind::Temporary, "nobody is there");
        let failure = away(&probe.settle(Err(gone))).expect("it is asked again later");
        assert_eq!(failure.kind, FailureKind::Temporary);
        assert!(failure.message.contains("nobody is there"));
        assert!(away(&probe.settle(Err(Failure::failed("it may not be read")))).is_none());
        assert!(away(&probe.fail("it is shut")).is_none());
    }

    #[test]
    fn a_question_without_a_good_answer_is_a_task_with_itself_as_evidence() {
        let probe = Probe::new("the door is open", "open it").before(StepName::ActivateFlows);
        let change = ask(&probe.unknown("nobody looked"));
        let Action::Ask(asked) = &change.action else {
            panic!("it is a person's");
        };
        assert_eq!(asked.evidence, "the door is open");
        assert_eq!(
            asked.instructions[..2],
            ["the door is open: nobody looked", "open it"]
        );
        assert!(asked.instructions[2].contains("--waive"));
        let Action::Ask(asked) = ask(&probe.fail("it is shut")).action else {
            panic!("it is a person's");
        };
        assert_eq!(
            asked.instructions.len(),
            2,
            "what was read cannot be waived by looking"
        );
    }
}
