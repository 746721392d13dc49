//! Captures taken from the read-only copies of seals (`--from-capture`).

use std::path::PathBuf;

use crate::base::text::count;
use crate::domain::seals;
use crate::engine::{Failure, FailureKind};
use crate::journal::{self, CaptureCopy, OpenStateFile, State};
use crate::report::Printer;

/// Reads the copies whose captures a run takes; each seal may be given once.
pub(super) fn read_copies(paths: &[PathBuf]) -> Result<Vec<CaptureCopy>, Failure> {
    let mut copies: Vec<CaptureCopy> = Vec::new();
    for path in paths {
        let copy = journal::read_copy(path)?;
        if copies.iter().any(|other| other.seal == copy.seal) {
            return Err(Failure::new(
                FailureKind::InvalidInput,
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

/// Is the seal of the target's own settings, made before the copy, among these copies?
pub(super) fn include_before_copy(copies: &[CaptureCopy]) -> bool {
    copies.iter().any(|copy| copy.seal == seals::BEFORE_COPY)
}

/// Leaves out the copies of seals that the run holds already, so that the same command also resumes
/// a killed run. Fails if a copy and the run's seal of that name differ.
pub(super) fn without_held(
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
                    "the run's seal '{}' differs from the copy that was given",
                    copy.seal
                );
                return Err(Failure::new(FailureKind::InvalidInput, message)
                    .with_help("run again without --from-capture for that seal"));
            }
        }
    }
    Ok(lacking)
}

/// Writes the captures of these copies into a state file that lacks them, sealed and verified
/// there.
pub(super) async fn adopt(
    printer: &Printer,
    state_file: &OpenStateFile,
    copies: Vec<CaptureCopy>,
) -> Result<(), Failure> {
    for copy in copies {
        let captures = count(copy.captures.len(), "capture");
        state_file.journal.seal(&copy.seal, copy.captures).await?;
        printer.info(&format!(
            "taken: {captures} of seal '{}' of run {}",
            copy.seal, copy.run
        ));
    }
    Ok(())
}
