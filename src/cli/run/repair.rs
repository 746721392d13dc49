//! One step of a finished run, surveyed and repaired again (`--only`): for what somebody changed
//! since, without a new copy. `plan` uses it for `run --dry-run --only`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::confirm_target::{Scope, confirm_target};
use super::run_end::lost_orchestrations;
use super::{PreparedRun, RunArguments, resume};
use crate::cli::actor::current_actor;
use crate::cli::common_arguments::Output;
use crate::cli::connect::Connected;
use crate::cli::session::{Session, run_ended_event};
use crate::cli::step_names::require_step;
use crate::cli::{plan_file, plan_notes};
use crate::engine::{Failure, FailureKind, JournalView, Plan, Step};
use crate::journal::{LockedStateFile, Planned, Record, RepairBegan, State};
use crate::report::{PlanReport, expected_steps, plan_text};
use crate::runbook::{Keyword as _, ListedStep, Runbook, StepName};

/// Refuses a step that the runbook does not have or skips (exit code 3), and the step that launches
/// the copy: a repair never copies.
pub(in crate::cli) fn require_repairable(runbook: &Runbook, step: &str) -> Result<(), Failure> {
    require_step(runbook, step)?;
    if step == StepName::CopyEnvironments.keyword() {
        return Err(Failure::refused(format!(
            "--only {step}: this step would copy the source over the target again"
        ))
        .with_help(
            "--only repairs a later step without a new copy; a new refresh begins with --fresh",
        ));
    }
    let listed = runbook.steps.in_order();
    let skip = listed
        .iter()
        .find(|listed| listed.name() == step)
        .and_then(ListedStep::skip);
    match skip {
        None => Ok(()),
        Some(reason) => Err(Failure::new(
            FailureKind::InvalidInput,
            format!(
                "--only {step}: the runbook skips this step: {}",
                reason.value
            ),
        )
        .with_help("remove its `skip`, or name another step")),
    }
}

/// The record that opens one step of a finished run again. `None` if a repair of this step has begun
/// and not ended. Fails if the run has not finished.
fn record(state: Option<&State>, step: &str) -> Result<Option<RepairBegan>, Failure> {
    let Some(state) = state else {
        return Err(not_finished("no run has begun"));
    };
    if state.finished.is_some() {
        return Ok(Some(RepairBegan {
            step: step.to_owned(),
            who: current_actor(),
        }));
    }
    match &state.repair {
        Some(repair) if repair.step == step => Ok(None),
        Some(repair) => Err(Failure::refused(format!(
            "the repair of {} has begun and not ended",
            repair.step
        ))
        .with_help(format!(
            "run without --only, or with --only {}, to resume it",
            repair.step
        ))),
        None => Err(not_finished("this run has not finished")),
    }
}

/// Refuses a repair unless the run has finished, or this repair of it has begun.
pub(super) fn require_begun(state: Option<&State>, step: &str) -> Result<(), Failure> {
    record(state, step).map(drop)
}

fn not_finished(why: &str) -> Failure {
    Failure::refused(format!("{why}; --only needs a finished run"))
        .with_help("run without --only: a run surveys every step")
}

/// The state in which a repair of this step begins or resumes, and the record that opens it.
fn opened(
    state: Option<Arc<State>>,
    step: &str,
) -> Result<(Arc<State>, Option<RepairBegan>), Failure> {
    let record = record(state.as_deref(), step)?;
    let Some(state) = state else {
        return Err(not_finished("no run has begun"));
    };
    let Some(repair) = &record else {
        return Ok((state, None));
    };
    let ahead = state.as_repairing(repair);
    let ahead = ahead.map_err(|error| Failure::refused(error.to_string()))?;
    Ok((Arc::new(ahead), record))
}

/// What a repair of this step would do now.
pub(in crate::cli) async fn plan(
    connected: &Connected,
    state: Option<Arc<State>>,
    step: &str,
) -> Result<Plan, Failure> {
    require_repairable(&connected.refresh.runbook, step)?;
    let (state, _) = opened(state, step)?;
    plan_of(connected, state, step).await
}

async fn plan_of(connected: &Connected, state: Arc<State>, step: &str) -> Result<Plan, Failure> {
    let journal = JournalView::from_journal(state).for_planning();
    Plan::make(only(&connected.steps, Some(step)), journal).await
}

/// The steps to survey: this one alone, or all.
pub(super) fn only<'a>(steps: &'a [Step], step: Option<&str>) -> &'a [Step] {
    let Some(name) = step else { return steps };
    let at = steps.iter().position(|step| step.name == name);
    at.map_or(&[], |at| &steps[at..=at])
}

/// Surveys one step of a finished run, shows what is to be repaired, and has it confirmed. `None`
/// if nothing is: then the state file stays as it is.
pub(super) async fn prepare(
    session: &Session,
    arguments: &RunArguments,
    connected: &Connected,
    locked: LockedStateFile,
    step: &str,
) -> Result<Option<PreparedRun>, Failure> {
    let runbook = &connected.refresh.runbook;
    let given = arguments.confirm_target.as_deref();
    let (state, repair) = opened(Some(locked.state()), step)?;
    let plan = plan_of(connected, Arc::clone(&state), step).await?;
    if plan.is_empty() && repair.is_some() {
        if step == StepName::RestoreProviderActions.keyword() {
            let journal = JournalView::from_journal(state);
            let lost = lost_orchestrations(connected, &journal, &arguments.files).await;
            lost.map_or(Ok(()), Err)?;
        }
        report_nothing(session, connected, step);
        return Ok(None);
    }
    if let Some(approved) = &arguments.plan {
        plan_file::require_covered(approved, &plan)?;
    }
    if session.output == Output::Human {
        show_plan(session, connected, &plan);
        session
            .printer
            .info(&format!("note: only {step} is surveyed and repaired"));
    }
    let digest = plan.digest(&runbook.pinned_digest());
    let scope = Scope::Step(step);
    let confirmed = confirm_target(session, given, runbook, &plan, &digest, scope).await?;
    let mut records = Vec::new();
    records.extend(resume::runbook_change(session, connected, &state));
    records.extend(repair.map(Record::from));
    // The duration of a whole run says nothing about the duration of a repair.
    let steps = expected_steps(&plan, &BTreeMap::new());
    records.push(Record::from(Planned {
        digest,
        steps,
        names: connected.refresh.known_names.all(),
    }));
    records.push(Record::from(confirmed));
    Ok(Some(PreparedRun {
        state_file: resume::open_state_file(session, locked)?,
        records,
        backups: Vec::new(),
    }))
}

/// Shows the changes that are to be confirmed, for people.
pub(super) fn show_plan(session: &Session, connected: &Connected, plan: &Plan) {
    let refresh = &connected.refresh;
    let shown = PlanReport {
        lost_providers: plan_notes::lost_providers(plan),
        names: refresh.known_names.all(),
        ..PlanReport::of(plan, &refresh.runbook.target.name.value)
    };
    let text = plan_text(&shown, session.data_palette(), session.verbose);
    session.printer.text(text.trim_end());
}

/// Reports that a step is as the run left it.
fn report_nothing(session: &Session, connected: &Connected, step: &str) {
    if session.output == Output::Human {
        let target = &connected.refresh.runbook.target.name.value;
        session.printer.data(&format!(
            "Nothing to repair: {step} finds nothing left to do in '{target}'."
        ));
    }
    let event = run_ended_event("finished", 0, None, json!({ "changes": 0 }));
    connected.events.emit(event);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::cli::testing::{began, runbook};
    use crate::journal::{self, Finished};

    #[test]
    fn a_step_that_copies_or_is_unknown_is_refused() {
        let runbook = runbook("public", "");
        let copy = require_repairable(&runbook, "copy-environments").unwrap_err();
        assert_eq!(copy.kind, FailureKind::Refused);
        let unknown = require_repairable(&runbook, "activate-flow").unwrap_err();
        assert_eq!(unknown.kind, FailureKind::InvalidInput);
        let help = unknown.help.unwrap_or_default();
        assert!(help.contains("did you mean 'activate-flows'?"), "{help}");
        let skipped = require_repairable(&runbook, "reconfigure-connections").unwrap_err();
        assert_eq!(skipped.kind, FailureKind::InvalidInput);
        require_repairable(&runbook, "activate-flows").unwrap();
    }

    #[tokio::test]
    async fn only_a_finished_run_is_repaired_and_one_step_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        let refused = |state: Option<&State>, step: &str| {
            let failure = record(state, step).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Refused);
            failure.message
        };
        assert!(refused(None, "activate-flows").contains("no run has begun"));
        let state = open.journal.state();
        assert!(refused(Some(&state), "activate-flows").contains("has not finished"));
        open.journal.append(Finished {}).await.unwrap();
        let repair = record(Some(&open.journal.state()), "activate-flows").unwrap();
        open.journal.append(repair.unwrap()).await.unwrap();
        let state = open.journal.state();
        assert_eq!(record(Some(&state), "activate-flows").unwrap(), None);
        let other = refused(Some(&state), "reconfigure-connections");
        assert!(other.contains("the repair of activate-flows"), "{other}");
    }
}
