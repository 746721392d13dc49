//! Beginning anew: a state file is archived, never deleted, and captures are taken from copies.

use std::path::{Path, PathBuf};

use super::session::Session;
use crate::clock::Clock;
use crate::engine::{Failure, FailureKind};
use crate::journal::{self, Capture, Opening, State, StepOutcome};
use crate::text::count;

/// The steps whose captures are the only memory of what was removed.
const REMOVING: [&str; 3] = [
    "detach-provider-actions",
    "reinstall-providers",
    "restore-provider-actions",
];

/// Moves the state file of a run that has ended aside, so that a new one can begin. Refused while an
/// operation may still run, and while what was removed has not been put back, unless that is
/// abandoned expressly.
pub(super) async fn archive(session: &Session, path: &Path, abandon: bool) -> Result<(), Failure> {
    if !journal::exists(path) {
        return Ok(());
    }
    // Opening it proves that nobody else holds it, and that it is whole.
    let opening = journal::resume(path, Clock::new(1.0), false)?;
    let state = opening.journal.state();
    if let Some(launch) = state.launches_in_doubt().next() {
        return Err(Failure::refused(format!(
            "'{}' may still be under way at the service",
            launch.intent.name
        ))
        .with_help("run without --fresh to go on with it to its end"));
    }
    if is_between(&state) && !abandon {
        return Err(Failure::refused(
            "provider actions were removed in this run and are not all put back",
        )
        .with_help("run without --fresh to go on; --abandon-captures gives up what was recorded"));
    }
    let run = state.run.to_string();
    opening.journal.close("archived", 0, None).await?;
    drop(opening);
    let archived = unused(path, &run);
    std::fs::rename(path, &archived).map_err(|error| {
        Failure::failed(format!(
            "{} cannot be moved to {}: {error}",
            path.display(),
            archived.display()
        ))
    })?;
    session
        .printer
        .remark(&format!("archived: {}", archived.display()));
    Ok(())
}

/// Have steps 5 to 7 begun and not all ended?
fn is_between(state: &State) -> bool {
    let ended = |name: &str| {
        state.step(name).is_some_and(|step| {
            matches!(step.outcome, Some(StepOutcome::Done | StepOutcome::Skipped))
        })
    };
    let changed = REMOVING
        .iter()
        .any(|name| state.progress(name, None).begun > 0);
    changed && !REMOVING.iter().all(|name| ended(name))
}

/// A name beside the state file that is not taken: `<stem>.<run>.jsonl`.
fn unused(path: &Path, run: &str) -> PathBuf {
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut candidate = path.with_file_name(format!("{stem}.{run}.jsonl"));
    let mut number = 2;
    while candidate.exists() {
        candidate = path.with_file_name(format!("{stem}.{run}-{number}.jsonl"));
        number += 1;
    }
    candidate
}

/// Puts the captures of these copies into a new state file, sealed and verified there.
pub(super) async fn adopt(
    session: &Session,
    opening: &Opening,
    copies: &[PathBuf],
) -> Result<(), Failure> {
    for path in copies {
        let copy = journal::read_copy(path)?;
        if opening.journal.state().verified_seal(&copy.seal).is_some() {
            return Err(Failure::new(
                FailureKind::Wrong,
                format!(
                    "{}: the seal '{}' is there already",
                    path.display(),
                    copy.seal
                ),
            ));
        }
        let rows: Vec<Capture> = copy.captures;
        let rows_told = count(rows.len(), "capture");
        opening.journal.seal(&copy.seal, rows).await?;
        session.printer.remark(&format!(
            "taken: {rows_told} of seal '{}' from {}",
            copy.seal,
            path.display()
        ));
    }
    Ok(())
}
