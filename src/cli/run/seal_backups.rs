//! Captures taken from the read-only copies of seals (`--from-capture`).

use std::path::PathBuf;

use crate::base::text::count;
use crate::domain::seals;
use crate::engine::{Failure, FailureKind, JournalView, ListedRow};
use crate::journal::{self, JournalError, OpenStateFile, SealBackup, State};
use crate::report::Printer;

/// Reads the copies whose captures a run takes; each seal may be given once.
pub(super) fn read_backups(paths: &[PathBuf]) -> Result<Vec<SealBackup>, Failure> {
    let mut backups: Vec<SealBackup> = Vec::new();
    for path in paths {
        let copy = journal::read_copy(path).map_err(|error| match error {
            JournalError::NotFound { path } => Failure::failed(format!(
                "--from-capture: there is no file {}",
                path.display()
            ))
            .with_help(
                "give the read-only file NAME.iomcopy.SEAL.capture.jsonl beside the state file",
            ),
            other => other.into(),
        })?;
        if backups.iter().any(|other| other.seal == copy.seal) {
            return Err(Failure::new(
                FailureKind::InvalidInput,
                format!(
                    "{}: the seal '{}' is given twice",
                    path.display(),
                    copy.seal
                ),
            ));
        }
        backups.push(copy);
    }
    Ok(backups)
}

/// Is the seal of the target's own settings, made before the copy, among these copies?
pub(super) fn include_before_copy(backups: &[SealBackup]) -> bool {
    backups.iter().any(|copy| copy.seal == seals::BEFORE_COPY)
}

/// Leaves out the copies of seals that the run holds already, so that the same command also resumes
/// a killed run. Fails if a copy and the run's seal of that name differ.
pub(super) fn without_held(
    state: &State,
    backups: Vec<SealBackup>,
) -> Result<Vec<SealBackup>, Failure> {
    let mut lacking = Vec::new();
    for copy in backups {
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

/// A view of what the journal will know once these copies are adopted: a plan that lists the target
/// instead of them would find what the run has changed already.
pub(super) fn with_backups(journal: JournalView, backups: &[SealBackup]) -> JournalView {
    backups.iter().fold(journal, |journal, copy| {
        let rows = copy.captures.iter().map(|row| ListedRow {
            key: row.key.clone(),
            etag: row.etag.clone(),
            text: row.text.clone(),
            compared: None,
        });
        journal.with_given_seal(&copy.seal, rows)
    })
}

/// Writes the captures of these copies into a state file that lacks them, sealed and verified
/// there.
pub(super) async fn adopt(
    printer: &Printer,
    state_file: &OpenStateFile,
    backups: Vec<SealBackup>,
) -> Result<(), Failure> {
    for copy in backups {
        let captures = count(copy.captures.len(), "capture");
        state_file.journal.seal(&copy.seal, copy.captures).await?;
        printer.info(&format!(
            "taken: {captures} of seal '{}' of run {}",
            copy.seal, copy.run
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_copy_is_named_as_such_and_not_as_a_state_file() {
        let folder = tempfile::tempdir().unwrap();
        let failure = read_backups(&[folder.path().join("none")]).unwrap_err();
        let begins = "--from-capture: there is no file ";
        assert!(failure.message.starts_with(begins), "{}", failure.message);
        let help = failure.help.unwrap_or_default();
        assert!(help.contains("capture.jsonl"), "{help}");
    }
}
