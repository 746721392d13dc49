//! When a new run may take the place of another one. The other run's state file is archived, never
//! deleted.

use std::path::{Path, PathBuf};

use crate::base::shell::quote_argument;
use crate::domain::{keys, seals};
use crate::engine::Failure;
use crate::journal::{self, LaunchOutcome, State, StepOutcome};
use crate::runbook::{Keyword as _, StepName};

/// The steps that remove what only their captures can restore.
const REMOVING_STEPS: [StepName; 3] = [
    StepName::DetachProviderActions,
    StepName::ReinstallProviders,
    StepName::RestoreProviderActions,
];

/// The prefixes of the keys of launches that replace the target.
const REPLACING_LAUNCHES: [&str; 2] = [keys::COPY, keys::DATABASE_REFRESH];

/// Refuses to archive this run's state file for a new run while an operation may be running at the
/// service; and, unless `abandon_captures`, while the target may lack what this run captured and
/// has not restored.
pub(in crate::cli) fn require_replaceable(
    state: &State,
    abandon_captures: bool,
) -> Result<(), Failure> {
    if let Some(launch) = state.launches_in_doubt().next() {
        return Err(Failure::refused(format!(
            "'{}' may still be running at the service",
            launch.intent.name
        ))
        .with_help("run without --fresh to wait for its end"));
    }
    match unrestored_reason(state) {
        Some(reason) if !abandon_captures => Err(Failure::refused(format!(
            "{reason}; a new run would capture the target as it is now"
        ))
        .with_help(format!(
            "run without --fresh to resume this run; to begin a new run anyway, add {}; without that \
             file, the target's own settings are lost",
            capture_arguments(state)
        ))),
        _ => Ok(()),
    }
}

/// The arguments with which a new run takes the target's own settings from this unfinished one.
fn capture_arguments(state: &State) -> String {
    let seal = state.verified_seal(seals::BEFORE_COPY);
    let file = seal.and_then(|seal| seal.copy.as_deref());
    match file {
        Some(file) => format!("--abandon-captures --from-capture {}", quote_argument(file)),
        None => "--abandon-captures and --from-capture FILE, where FILE is the sealed copy \
                 'before-copy' of this run"
            .to_owned(),
    }
}

/// The arguments with which a new run follows this one, which cannot be resumed.
pub(super) fn fresh_arguments(state: &State) -> String {
    match unrestored_reason(state) {
        Some(_) => format!("--fresh {}", capture_arguments(state)),
        None => "--fresh".to_owned(),
    }
}

/// Why the target may lack what it had before this run; `None` if the run has not changed the
/// target yet, or has restored everything.
pub(super) fn unrestored_reason(state: &State) -> Option<String> {
    // What a task restores that was waived before steps were opened again may still be missing.
    let mut tasks = state.tasks.values().chain(&state.earlier_tasks);
    let waived = tasks.find_map(|task| {
        let name = &task.waiting.task;
        let waived = task.completed.as_ref()?.waived.is_some();
        (waived && is_removing_task(name)).then(|| name.clone())
    });
    if let Some(task) = waived {
        return Some(format!(
            "the task {task} was waived, so what it restores may be missing"
        ));
    }
    if state.finished.is_some() {
        return None;
    }
    if is_replaced(state) {
        return Some(
            "the copy has replaced the target or part of it, and this run has not restored what \
             the target had before"
                .to_owned(),
        );
    }
    is_reinstalling(state)
        .then(|| "provider actions were removed in this run and are not all restored".to_owned())
}

/// May a copy or a refresh have replaced the target? An unknown outcome counts as yes; only a proof
/// that no attempt took effect counts as no.
fn is_replaced(state: &State) -> bool {
    let launched = state.launches.iter().any(|(key, launch)| {
        let replaces = REPLACING_LAUNCHES
            .iter()
            .any(|prefix| key.starts_with(prefix));
        replaces && (launch.attempt > 1 || launch.outcome() != Some(LaunchOutcome::Absent))
    });
    let by_hand = keys::task(StepName::CopyEnvironments, keys::REFRESH_BY_HAND);
    launched || state.tasks.contains_key(by_hand.as_str())
}

/// Is this the name of a manual task (`STEP/PHASE`) of steps 5 to 7?
fn is_removing_task(task: &str) -> bool {
    let (step, phase) = task.split_once('/').unwrap_or((task, ""));
    REMOVING_STEPS.iter().any(|name| name.keyword() == step) && phase != keys::QUESTIONS
}

/// Have steps 5 to 7 begun and not all ended? An open manual task counts as begun. Of steps that
/// were opened again, only what followed counts.
fn is_reinstalling(state: &State) -> bool {
    let ended = |name: &StepName| {
        state.step(name.keyword()).is_some_and(|step| {
            matches!(step.outcome, Some(StepOutcome::Done | StepOutcome::Skipped))
        })
    };
    let repaired = state.repair.as_ref().map(|repair| repair.step.as_str());
    let changed = REMOVING_STEPS
        .iter()
        .filter(|name| repaired.is_none_or(|step| step == name.keyword()))
        .any(|name| state.progress_since_reopening(name.keyword()).begun > 0);
    let reopened = state.reopened.last().map_or(0, |again| again.number);
    let asked = state
        .tasks
        .iter()
        .any(|(name, task)| task.waiting.number > reopened && is_removing_task(name));
    (changed || asked) && !REMOVING_STEPS.iter().all(ended)
}

/// The path that the state file is archived under, next to it: `<stem>.<run>.jsonl`, with a number
/// if that file exists.
pub(super) fn free_archive_path(path: &Path, run: &str) -> PathBuf {
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut candidate = path.with_file_name(format!("{stem}.{run}.jsonl"));
    let mut number = 2;
    while journal::exists(&candidate) {
        candidate = path.with_file_name(format!("{stem}.{run}-{number}.jsonl"));
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::clock::Clock;
    use crate::cli::testing::began;
    use crate::journal::{
        ChangeKind, Completed, Ended, Intent, PhaseBegan, Record, StepBegan, Waiting,
    };

    /// Why a run with these records cannot be replaced; `None` if it can.
    async fn refusal(records: Vec<Record>) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("uat.jsonl");
        let opening = journal::begin(&path, Clock::new(1.0), began()).unwrap();
        if !records.is_empty() {
            opening.journal.append_all(records).await.unwrap();
        }
        let state = opening.journal.state();
        let in_doubt = state.launches_in_doubt().next().is_some();
        assert_eq!(require_replaceable(&state, true).is_err(), in_doubt);
        let refused = require_replaceable(&state, false);
        refused.err().map(|failure| failure.message)
    }

    fn phase(step: &str, phase: &str) -> Vec<Record> {
        let (step, phase) = (step.to_owned(), phase.to_owned());
        vec![
            StepBegan {
                step: step.clone(),
                speed: None,
                services_stop: false,
            }
            .into(),
            PhaseBegan { step, phase }.into(),
        ]
    }

    fn copy(outcome: Option<LaunchOutcome>) -> Vec<Record> {
        let mut records = phase("copy-environments", "copy");
        let key = "copy/2222".to_owned();
        let intent = Intent {
            step: "copy-environments".to_owned(),
            phase: "copy".to_owned(),
            key: key.clone(),
            kind: ChangeKind::Launch,
            name: "copy".to_owned(),
            before: json!(null).into(),
            after: json!(null).into(),
            detail: json!(null),
        };
        records.push(intent.into());
        records.extend(outcome.map(|outcome| {
            Record::from(Ended {
                key,
                outcome,
                detail: json!(null),
                unread_since: None,
            })
        }));
        records
    }

    fn task(task: &str, waived: Option<&str>) -> Vec<Record> {
        let (step, name) = task.split_once('/').unwrap();
        let mut records = phase(step, name);
        let waiting = Waiting {
            task: task.to_owned(),
            worksheet: json!([]),
        };
        records.push(waiting.into());
        records.extend(waived.map(|reason| {
            Record::from(Completed {
                task: task.to_owned(),
                evidence: json!("waived"),
                who: "a".to_owned(),
                waived: Some(reason.to_owned()),
            })
        }));
        records
    }

    #[tokio::test]
    async fn a_run_whose_copy_may_have_replaced_the_target_is_not_archived_for_a_new_one() {
        assert_eq!(refusal(Vec::new()).await, None);
        assert_eq!(refusal(copy(Some(LaunchOutcome::Absent))).await, None);
        for outcome in [LaunchOutcome::Succeeded, LaunchOutcome::Failed] {
            let why = refusal(copy(Some(outcome))).await.unwrap();
            assert!(why.contains("has not restored"), "{why}");
        }
        let why = refusal(copy(None)).await.unwrap();
        assert!(why.contains("still be running"), "{why}");
        // A first attempt that failed is not undone by a second that never happened.
        let mut twice = copy(Some(LaunchOutcome::Failed));
        // The records of the step and the phase exist already.
        twice.extend(copy(Some(LaunchOutcome::Absent)).into_iter().skip(2));
        assert!(refusal(twice).await.is_some());
    }

    #[tokio::test]
    async fn an_open_manual_task_counts_as_begun() {
        let by_hand = refusal(task("copy-environments/refresh-by-hand", None)).await;
        assert!(by_hand.unwrap().contains("has not restored"));
        let clear = refusal(task("detach-provider-actions/clear", None)).await;
        assert!(clear.unwrap().contains("are not all restored"));
        let waived = refusal(task("restore-provider-actions/restore", Some("later"))).await;
        assert!(waived.unwrap().contains("was waived"));
        assert_eq!(
            refusal(task("copy-environments/questions", None)).await,
            None
        );
    }
}
