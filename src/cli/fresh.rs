//! A new run in the place of another one: its state file is archived, never deleted, and captures
//! are taken from copies.

use std::path::{Path, PathBuf};

use super::session::Session;
use crate::base::text::count;
use crate::engine::{Failure, FailureKind};
use crate::journal::{self, CaptureCopy, LaunchOutcome, Opening, State, StepOutcome};

/// The steps whose captures are the only memory of what was removed.
const REMOVING: [&str; 3] = [
    "detach-provider-actions",
    "reinstall-providers",
    "restore-provider-actions",
];

/// What the keys of launches that replace the target begin with.
const REPLACING: [&str; 2] = ["copy/", "database-refresh/"];

/// The task in which a person replaces the target's database.
const REFRESH_BY_HAND: &str = "copy-environments/refresh-by-hand";

/// May this run's state file be archived and a new run take its place? Refused while an operation
/// may be running at the service; and, unless `abandon`, while the target may lack what the run has
/// captured and not put back.
pub(super) fn require_replaceable(state: &State, abandon: bool) -> Result<(), Failure> {
    if let Some(launch) = state.launches_in_doubt().next() {
        return Err(Failure::refused(format!(
            "'{}' may still be under way at the service",
            launch.intent.name
        ))
        .with_help("run without --fresh to go on with it to its end"));
    }
    match not_put_back(state) {
        Some(why) if !abandon => Err(Failure::refused(format!(
            "{why}; a new run would capture the target as it is now"
        ))
        .with_help(
            "run without --fresh to go on; --abandon-captures gives up what this run recorded, and \
             with --from-capture FILE the new run takes it from the copy of the seal 'before-copy'",
        )),
        _ => Ok(()),
    }
}

/// Why the target may lack what it had before this run; none where it had nothing to lose yet, or
/// has got everything back.
pub(super) fn not_put_back(state: &State) -> Option<String> {
    let waived = state.tasks.values().find_map(|task| {
        let name = &task.waiting.task;
        let waived = task.completed.as_ref()?.waived.is_some();
        (waived && is_removing(name)).then(|| name.clone())
    });
    if let Some(task) = waived {
        return Some(format!(
            "the task {task} was waived: what it puts back may be missing"
        ));
    }
    if state.finished.is_some() {
        return None;
    }
    if is_replaced(state) {
        return Some(
            "the copy has replaced the target, and this run has not put back what the target had \
             before"
                .to_owned(),
        );
    }
    is_between(state)
        .then(|| "provider actions were removed in this run and are not all put back".to_owned())
}

/// Has a copy or a refresh replaced the target, or may one have? Unknown is not no: only a proof
/// that no attempt took effect counts as no.
fn is_replaced(state: &State) -> bool {
    let launched = state.launches.iter().any(|(key, launch)| {
        let replaces = REPLACING.iter().any(|prefix| key.starts_with(prefix));
        replaces && (launch.attempt > 1 || launch.outcome() != Some(LaunchOutcome::Absent))
    });
    launched || state.tasks.contains_key(REFRESH_BY_HAND)
}

/// Is this the name of a manual task (`STEP/PHASE`) of steps 5 to 7?
fn is_removing(task: &str) -> bool {
    let (step, phase) = task.split_once('/').unwrap_or((task, ""));
    REMOVING.contains(&step) && phase != "questions"
}

/// Have steps 5 to 7 begun and not all ended? What a person was asked to do counts as begun.
fn is_between(state: &State) -> bool {
    let ended = |name: &str| {
        state.step(name).is_some_and(|step| {
            matches!(step.outcome, Some(StepOutcome::Done | StepOutcome::Skipped))
        })
    };
    let changed = REMOVING
        .iter()
        .any(|name| state.progress(name, None).begun > 0);
    let asked = state.tasks.keys().any(|task| is_removing(task));
    (changed || asked) && !REMOVING.iter().all(|name| ended(name))
}

/// The name beside the state file under which it is archived, which is free: `<stem>.<run>.jsonl`.
pub(super) fn archive_name(path: &Path, run: &str) -> PathBuf {
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

/// Reads the copies of seals whose captures a new run takes; a seal is given once.
pub(super) fn read_copies(paths: &[PathBuf]) -> Result<Vec<CaptureCopy>, Failure> {
    let mut copies: Vec<CaptureCopy> = Vec::new();
    for path in paths {
        let copy = journal::read_copy(path)?;
        if copies.iter().any(|other| other.seal == copy.seal) {
            return Err(Failure::new(
                FailureKind::Wrong,
                format!(
                    "{}: the seal '{}' is given twice",
                    path.display(),
                    copy.seal
                ),
            ));
        }
        copies.push(copy);
    }
    Ok(copies)
}

/// The copies of seals that a run which is resumed lacks. One that it holds already, as when a
/// killed run is resumed by the same command, is passed over; another content for a seal that it
/// holds is refused.
pub(super) fn lacking(
    state: &State,
    copies: Vec<CaptureCopy>,
) -> Result<Vec<CaptureCopy>, Failure> {
    let mut lacking = Vec::new();
    for copy in copies {
        let held = state.verified_seal(&copy.seal);
        match held.and_then(|seal| seal.manifest.as_ref()) {
            None => lacking.push(copy),
            Some(manifest) if manifest.sha256 == copy.sha256 => {}
            Some(_) => {
                let message = format!(
                    "the run holds another seal '{}' than the copy that was given",
                    copy.seal
                );
                return Err(Failure::new(FailureKind::Wrong, message)
                    .with_help("run again without --from-capture for that seal"));
            }
        }
    }
    Ok(lacking)
}

/// Puts the captures of these copies into a state file that lacks them, sealed and verified there.
pub(super) async fn adopt(
    session: &Session,
    opening: &Opening,
    copies: Vec<CaptureCopy>,
) -> Result<(), Failure> {
    for copy in copies {
        let captures = count(copy.captures.len(), "capture");
        opening.journal.seal(&copy.seal, copy.captures).await?;
        session.printer.remark(&format!(
            "taken: {captures} of seal '{}' of run {}",
            copy.seal, copy.run
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::base::clock::Clock;
    use crate::journal::{
        Began, ChangeKind, Completed, Ended, FORMAT, Intent, PhaseBegan, Pinned, PinnedTarget,
        Record, StepBegan, Waiting,
    };

    fn began() -> Began {
        Began {
            format: FORMAT,
            program: "0.1.0".to_owned(),
            runbook: "uat".to_owned(),
            runbook_digest: "aa".to_owned(),
            pinned: Pinned {
                tenant: "contoso".to_owned(),
                cloud: "public".to_owned(),
                source: None,
                target: PinnedTarget {
                    environment: "2222".to_owned(),
                    name: "UAT".to_owned(),
                    url: None,
                    organization: None,
                    unique_name: None,
                },
                lcs: None,
            },
            origins: BTreeMap::new(),
        }
    }

    /// Why a run with these records cannot be replaced; none where it can.
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
            before: json!(null),
            after: json!(null),
            detail: json!(null),
        };
        records.push(intent.into());
        records.extend(outcome.map(|outcome| {
            Record::from(Ended {
                key,
                outcome,
                detail: json!(null),
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
    async fn a_run_whose_copy_may_have_replaced_the_target_is_kept() {
        assert_eq!(refusal(Vec::new()).await, None);
        assert_eq!(refusal(copy(Some(LaunchOutcome::Absent))).await, None);
        for outcome in [LaunchOutcome::Succeeded, LaunchOutcome::Failed] {
            let why = refusal(copy(Some(outcome))).await.unwrap();
            assert!(why.contains("has not put back"), "{why}");
        }
        let why = refusal(copy(None)).await.unwrap();
        assert!(why.contains("under way"), "{why}");
        // A first attempt that failed is not undone by a second that never happened.
        let mut twice = copy(Some(LaunchOutcome::Failed));
        // The step and the phase have begun already.
        twice.extend(copy(Some(LaunchOutcome::Absent)).into_iter().skip(2));
        assert!(refusal(twice).await.is_some());
    }

    #[tokio::test]
    async fn what_a_person_was_asked_to_do_counts_as_begun() {
        let by_hand = refusal(task("copy-environments/refresh-by-hand", None)).await;
        assert!(by_hand.unwrap().contains("has not put back"));
        let clear = refusal(task("detach-provider-actions/clear", None)).await;
        assert!(clear.unwrap().contains("are not all put back"));
        let waived = refusal(task("restore-provider-actions/restore", Some("later"))).await;
        assert!(waived.unwrap().contains("was waived"));
        assert_eq!(
            refusal(task("copy-environments/questions", None)).await,
            None
        );
    }
}
