//! Reads what is left of a manual task from the tenant.

use crate::cli::connect;
use crate::cli::run::run_binding::require_same_binding;
use crate::cli::session::Session;
use crate::engine::{
    Change, Failure, FailureKind, JournalView, Phase, Step, Work, unreadable_evidence,
};
use crate::journal::State;
use crate::runbook::Runbook;

/// Reads the evidence of a task from the tenant: the changes that are left, for a person and for the
/// program, or why it cannot be read. Fails if the state file is of another refresh, or if a guard
/// refuses the target.
pub(super) async fn read_evidence(
    session: &Session,
    runbook: Runbook,
    journal: &JournalView,
    state: &State,
    task: &str,
) -> Result<Result<Vec<Change>, Failure>, Failure> {
    let read = connect::with_services(session, runbook, async |connected| {
        require_same_binding(state, connected)?;
        Ok(survey_left(&connected.steps, journal, task).await)
    });
    match Box::pin(read).await {
        Ok(read) => Ok(read),
        Err(failure) if is_final(failure.kind) => Err(failure),
        Err(failure) => Ok(Err(failure)),
    }
}

/// Is it not a failure to read, but a refusal, or a request to stop?
fn is_final(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Refused | FailureKind::Interrupted)
}

async fn survey_left(
    steps: &[Step],
    journal: &JournalView,
    task: &str,
) -> Result<Vec<Change>, Failure> {
    let phase = find_phase(steps, task)?;
    let Work::Changes(survey) = &phase.work else {
        let message = format!("'{task}' is not a manual task");
        return Err(Failure::new(FailureKind::InvalidInput, message));
    };
    let left = survey.survey(journal).await;
    left.map_err(|failure| failure.during(unreadable_evidence(task)))
}

fn find_phase<'a>(steps: &'a [Step], task: &str) -> Result<&'a Phase, Failure> {
    let (step, phase) = task.split_once('/').unwrap_or((task, ""));
    let found = steps
        .iter()
        .filter(|candidate| candidate.name == step)
        .flat_map(|candidate| &candidate.phases)
        .find(|candidate| candidate.name == phase);
    found.ok_or_else(|| {
        Failure::new(
            FailureKind::InvalidInput,
            format!("no step has the phase '{task}'"),
        )
    })
}
