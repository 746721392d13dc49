//! A run that continues, up to its open state file.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::confirm_target::{Scope, confirm_target};
use super::run_binding::is_other_lcs;
use super::{
    PreparedRun, RunArguments, confirm_overwrite, confirm_repeat, confirmed_keys, preflight_gate,
    reopen, repair, seal_backups,
};
use crate::base::clock::Clock;
use crate::base::text::escape;
use crate::checks::preflight;
use crate::cli::common_arguments::Output;
use crate::cli::connect::Connected;
use crate::cli::exit_code::UNCONFIRMED;
use crate::cli::expectations::left_of_last_run;
use crate::cli::plan_file;
use crate::cli::session::Session;
use crate::domain::environments;
use crate::engine::{Failure, JournalView, Plan};
use crate::journal::{
    Confirmed, LaunchOutcome, LockedStateFile, OpenStateFile, Planned, Record, RunbookChanged,
    SealBackup, State, StepForecast, StepState,
};
use crate::report::expected_steps;
use crate::runbook::Difference;

/// Preflight while the copy has not begun, confirmation; then the state file. A finished run is
/// resumed only to reinstall a provider.
pub(super) async fn prepare(
    session: &Session,
    arguments: &RunArguments,
    connected: &Connected,
    locked: LockedStateFile,
    backups: Vec<SealBackup>,
) -> Result<PreparedRun, Failure> {
    let backups = seal_backups::without_held(&locked.state(), backups)?;
    if let Some(repair) = &locked.state().repair {
        let step = escape(&repair.step);
        let note = format!(
            "note: resuming the repair of {step}, which has not ended; nothing else changes"
        );
        session.printer.info(&note);
    }
    let refresh = &connected.refresh;
    let reopened = match &arguments.provider {
        Some(provider) => reopen::reopen(refresh, &locked.state(), provider).await?,
        None => None,
    };
    let state = match &reopened {
        Some(reopened) => reopen::state_after(&locked.state(), reopened)?,
        None => locked.state(),
    };
    let mut records = Vec::new();
    records.extend(runbook_change(session, connected, &state));
    let is_reopened = reopened.is_some();
    records.extend(reopened.map(Record::from));
    let given = arguments.confirm_target.as_deref();
    // Once the copy has begun, preflight would judge a target that is being replaced; the steps'
    // surveys decide then.
    let journal = JournalView::from_journal(Arc::clone(&state));
    if !environments::has_begun(refresh, &journal) {
        preflight_gate::require_no_failure(session, &preflight(refresh).await?)?;
    }
    let token = arguments.confirm_repeat.as_deref();
    let repeats = confirm_repeat::confirm_repeat(session, token, &arguments.files, &state).await?;
    let is_rebound = is_other_lcs(&state, &refresh.runbook);
    let confirms = must_confirm(&state) || is_rebound || given.is_some() || !repeats.is_empty();
    if confirms || arguments.plan.is_some() {
        let plan = remaining_plan(session, connected, &state, &backups).await?;
        if let Some(approved) = &arguments.plan {
            plan_file::require_covered(approved, &plan)?;
        }
        if confirms {
            let expected = expected_steps(&plan, &left_of_last_run(&state));
            let scope = Scope::of(&state, &expected);
            let confirmed = confirm_remaining(session, given, connected, &state, &plan, scope);
            let mut confirmed = confirmed.await?;
            confirmed.repeats = repeats;
            if is_reopened {
                records.push(plan_of_round(connected, &state, &plan, &expected));
            }
            records.push(Record::from(confirmed));
        }
    }
    records.extend(confirm_overwrite::new_records(
        &arguments.confirm_overwrite,
        &state,
    ));
    Ok(PreparedRun {
        state_file: open_state_file(session, locked)?,
        records,
        backups,
    })
}

/// The record of a runbook that was edited since the last process of this run.
pub(super) fn runbook_change(
    session: &Session,
    connected: &Connected,
    state: &State,
) -> Option<Record> {
    let runbook = &connected.refresh.runbook;
    let digest = runbook.digest();
    if state.runbook_digest == digest {
        return None;
    }
    let earlier = state.runbook_meaning.as_deref();
    let differences = earlier.map(|earlier| runbook.differences(earlier));
    let differences = differences.unwrap_or_default();
    let difference: Vec<String> = differences.iter().map(describe_difference).collect();
    session
        .printer
        .info("note: the runbook has changed since this run began; the change is recorded");
    for line in &difference {
        session.printer.info(&format!("  {}", escape(line)));
    }
    Some(Record::from(RunbookChanged {
        digest,
        difference,
        meaning: Some(runbook.meaning()),
    }))
}

/// One key of the runbook with its earlier and its present value.
fn describe_difference(difference: &Difference) -> String {
    let shown = |value: &Option<Value>| match value {
        Some(value) => value.to_string(),
        None => "absent".to_owned(),
    };
    format!(
        "{}: {} before, {} now",
        difference.key,
        shown(&difference.before),
        shown(&difference.after)
    )
}

/// Must the user name the target again? Yes if nothing was confirmed yet, if a confirmed launch
/// failed or did not begin, and if the last process ended at a change that was not confirmed.
fn must_confirm(state: &State) -> bool {
    let confirmed = confirmed_keys(state);
    let has_failed = state.launches.iter().any(|(key, launch)| {
        let has_failed = matches!(
            launch.outcome(),
            Some(LaunchOutcome::Failed | LaunchOutcome::Absent)
        );
        has_failed && confirmed.iter().any(|confirmed| **confirmed == **key)
    });
    let last = state.closed.as_ref();
    let was_unconfirmed = last.is_some_and(|closed| closed.exit == UNCONFIRMED);
    state.confirmed.is_none() || has_failed || was_unconfirmed
}

/// Plans what is left of the run, with the captures that are sealed first.
async fn remaining_plan(
    session: &Session,
    connected: &Connected,
    state: &Arc<State>,
    backups: &[SealBackup],
) -> Result<Plan, Failure> {
    let journal = JournalView::from_journal(Arc::clone(state)).for_planning();
    let journal = seal_backups::with_backups(journal, backups);
    let repair = state.repair.as_ref().map(|repair| repair.step.as_str());
    let steps = repair::only(&connected.steps, repair);
    let (plan, unread) = Plan::as_far_as_readable(steps, journal).await?;
    if let Some(unread) = unread {
        session.printer.info(&format!(
            "note: {unread}; that step and the later ones are surveyed when they begin, and their \
             earlier confirmations stay valid"
        ));
    }
    Ok(plan)
}

/// The plan of the steps that are opened again; that of the other steps stays. A step that could not
/// be read has none.
fn plan_of_round(
    connected: &Connected,
    state: &State,
    plan: &Plan,
    expected: &BTreeMap<String, StepForecast>,
) -> Record {
    let refresh = &connected.refresh;
    let mut steps = state.planned.clone();
    let is_open = |name: &str| state.step(name).is_some_and(StepState::waits_again);
    let open = expected.iter().filter(|(name, _)| is_open(name));
    steps.extend(open.map(|(name, forecast)| (name.clone(), *forecast)));
    Record::from(Planned {
        digest: plan.digest(&refresh.runbook.pinned_digest()),
        steps,
        names: refresh.known_names.all(),
    })
}

/// Has what is left of the run confirmed. Earlier confirmations stay valid.
async fn confirm_remaining(
    session: &Session,
    given: Option<&str>,
    connected: &Connected,
    state: &State,
    plan: &Plan,
    scope: Scope<'_>,
) -> Result<Confirmed, Failure> {
    let runbook = &connected.refresh.runbook;
    let digest = plan.digest(&runbook.pinned_digest());
    // `iomcopy plan` showed nothing of it: until now the run had finished.
    if matches!(scope, Scope::Provider(_)) && session.output == Output::Human {
        repair::show_plan(session, connected, plan);
    }
    let mut confirmed = confirm_target(session, given, runbook, plan, &digest, scope).await?;
    confirmed.destructive.extend(confirmed_keys(state));
    confirmed.destructive.sort();
    confirmed.destructive.dedup();
    Ok(confirmed)
}

/// Opens the state file, and reports what was repaired in it.
pub(super) fn open_state_file(
    session: &Session,
    locked: LockedStateFile,
) -> Result<OpenStateFile, Failure> {
    let state_file = locked.open(Clock::new(1.0))?;
    session.warn(&state_file.warnings);
    if let Some(repair) = &state_file.repair {
        session.printer.info(&format!(
            "note: the last record was incomplete and is removed; its {} bytes are kept in {}",
            repair.bytes, repair.saved_to
        ));
    }
    Ok(state_file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit_code::outcome_name;
    use crate::cli::testing::began;
    use crate::engine::FailureKind;
    use crate::journal::{self, Closed};

    #[tokio::test]
    async fn a_run_that_ended_at_an_unconfirmed_change_asks_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let open = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        assert!(must_confirm(&open.journal.state()), "nothing is confirmed");
        let confirmed = Confirmed {
            who: "a".to_owned(),
            how: "typed".to_owned(),
            target: "UAT".to_owned(),
            digest: String::new(),
            destructive: Vec::new(),
            repeats: Vec::new(),
        };
        open.journal.append(confirmed).await.unwrap();
        assert!(!must_confirm(&open.journal.state()));
        let message = Some("it was not in the plan that was confirmed".to_owned());
        let reason = outcome_name(FailureKind::Unconfirmed);
        let closed = Closed::new(reason, UNCONFIRMED, message);
        open.journal.append(closed).await.unwrap();
        assert!(must_confirm(&open.journal.state()));
    }
}
